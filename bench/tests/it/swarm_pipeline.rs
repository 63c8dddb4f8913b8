//! Several requests under way on a connection: as many as asked for, each accounted for as what became of it.
//!
//! The servers are tiny ones of known conduct. No assertion is about speed.

#[allow(dead_code)] // other tests use the rest of it
use crate::swarm;

use bakeoff::host::clock::monotonic_ns;
use bakeoff::swarm::worker::prepare;
use bakeoff::workload::load::Load;
use bakeoff_reports::record::{ErrorKind, Measured};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{sleep, spawn};
use std::time::Duration;
use swarm::{Echo, Fault, Server, hasty, run, spec};

const DEPTH: u32 = 16;

fn pipelined(clients: u32) -> Load {
    Load::Pipelined { clients, depth: DEPTH }
}

/// A server that gives each of its connections, of which there may be so many, to `serve` on a thread of its own. It ends
/// with them.
fn serving(connections: usize, serve: fn(TcpStream)) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    spawn(move || {
        for stream in listener.incoming().take(connections).flatten() {
            stream.set_nodelay(true).expect("an option");
            spawn(move || serve(stream));
        }
    });
    address
}

#[test]
fn a_pipelined_loop_is_answered_and_balances() {
    let server = Server::start(Fault::None);
    let part = run(&spec(server.address, pipelined(4)));
    assert_eq!(part.counts.unanswered(), 0, "{:?}", part.counts);
    assert!(part.counts.ok > 4 * u64::from(DEPTH), "{:?}", part.counts);
    assert_eq!(part.spread.connections, 4);
    assert_eq!(part.spread.replies, part.completed_in_window);
    assert_eq!(part.reply_bytes_in_window, 64 * part.completed_in_window);
    for times in [&part.response, &part.service] {
        assert_eq!(times.count, part.counts.ok);
    }
    for lags in [&part.send_lag, &part.dispatch_lag] {
        assert_eq!(lags.count, part.counts.sent);
    }
    assert_eq!(part.response.sum_ns, part.service.sum_ns + part.send_lag.sum_ns, "response = lag + service");
    assert_eq!(part.connect.count, 4);
    assert!(!part.swarm_spins);
}

/// Requests of a trial, those before the window included.
fn requests(part: &Measured) -> u64 {
    part.warmup_sent + part.counts.sent
}

#[test]
fn exactly_so_many_are_under_way_and_go_out_together() {
    // It answers when a whole pipeline has come, and looks that no more has: with fewer under way nothing would ever be
    // answered, with more it would end.
    let address = serving(3, |mut stream| {
        let mut buffer = [0; 64 * DEPTH as usize];
        while stream.read_exact(&mut buffer).is_ok() {
            stream.set_nonblocking(true).expect("a flag");
            let more = stream.peek(&mut [0]);
            stream.set_nonblocking(false).expect("a flag");
            // Nothing, or the end.
            if matches!(more, Ok(1)) || stream.write_all(&buffer).is_err() {
                return;
            }
        }
    });
    let mut spec = spec(address, pipelined(3));
    spec.timing.window = Duration::from_secs(1);
    let part = run(&spec);
    // A machine so busy that the server gets no turn leaves a pipeline in flight: all of it is in the counts below.
    assert_eq!((part.counts.errors_total(), part.counts.timeouts), (0, 0), "{:?}", part.counts);
    assert!(part.counts.ok > 0, "{:?}", part.counts);
    let wire = part.wire.value().expect("no connection was lost");
    assert_eq!(requests(&part) % u64::from(DEPTH), 0);
    // A whole pipeline is answered by one write, so it is topped up by one send.
    let segments = wire.data_segments_out - wire.retransmits;
    assert_eq!(segments, requests(&part) / u64::from(DEPTH), "{wire:?}");
    assert_eq!(wire.bytes_out - wire.bytes_retransmitted, 64 * requests(&part));
}

#[test]
fn large_messages_that_no_buffer_holds_go_through_whole() {
    for size in [50_000, 100_000, 1 << 20] {
        let server = Server::start(Fault::None);
        let mut spec = spec(server.address, Load::Pipelined { clients: 2, depth: 5 });
        spec.request.size = size;
        let part = run(&spec);
        assert_eq!(part.counts.unanswered(), 0, "{:?}", part.counts);
        assert!(part.counts.ok > 0);
        assert_eq!(part.reply_bytes_in_window, part.completed_in_window * u64::from(size));
        let wire = part.wire.value().expect("no connection was lost");
        let out = wire.bytes_out - wire.bytes_retransmitted;
        assert_eq!(out, requests(&part) * u64::from(size), "{wire:?} {:?}", part.counts);
    }
}

#[test]
fn what_a_server_does_wrong_is_counted_as_what_it_is() {
    use ErrorKind::{Abandoned, Closed, Corrupt, Reset};
    for (fault, expected, beside) in [
        (Fault::CorruptByte, Corrupt, Abandoned),
        (Fault::ReplyTwice, Corrupt, Abandoned),
        (Fault::Babble, Corrupt, Abandoned),
        // What is sent to a connection that is closed already resets it.
        (Fault::CloseMidReply, Closed, Reset),
        (Fault::Reset, Reset, Reset),
    ] {
        let server = Server::start(fault);
        let part = run(&spec(server.address, pipelined(3)));
        let errors = &part.counts.errors;
        assert!(errors.get(&expected).is_some_and(|&n| n > 0), "{fault:?}: {errors:?}");
        assert!(errors.keys().all(|kind| [expected, beside].contains(kind)), "{fault:?}: {errors:?}");
        assert_eq!(part.response.count, part.counts.ok);
    }
}

#[test]
fn a_wrong_reply_fails_one_request_and_abandons_the_others() {
    // It answers the first seven rightly and the eighth wrongly, once for each connection.
    let address = serving(1_000_000, |mut stream| {
        let mut buffer = [0; 64 * DEPTH as usize];
        if stream.read_exact(&mut buffer).is_ok() {
            buffer[64 * 7] ^= 1;
            let _ = stream.write_all(&buffer[..64 * 8]);
            let _ = stream.read(&mut buffer);
        }
    });
    let mut spec = spec(address, pipelined(1));
    spec.timing.warmup = Duration::ZERO;
    // A connection made as the window ends carries one request, and this server waits for a whole pipeline.
    spec.timing.drain = Duration::from_millis(200);
    let counts = run(&spec).counts;
    let wrong = counts.errors[&ErrorKind::Corrupt];
    assert_eq!(counts.errors.len(), 2, "{counts:?}");
    assert_eq!((counts.ok, counts.errors[&ErrorKind::Abandoned]), (7 * wrong, 8 * wrong), "{counts:?}");
}

#[test]
fn silence_times_out_together_and_is_censored_at_the_end() {
    let server = Server::start(Fault::NeverAnswer);
    let counts = run(&hasty(spec(server.address, pipelined(3)))).counts;
    assert!(counts.timeouts > 0 && counts.timeouts.is_multiple_of(u64::from(DEPTH)), "{counts:?}");
    assert_eq!((counts.ok, counts.errors_total()), (0, 0), "{counts:?}");
    let mut patient = hasty(spec(server.address, pipelined(3)));
    patient.timing.timeout = Duration::from_secs(60);
    let counts = run(&patient).counts;
    let all = 3 * u64::from(DEPTH);
    assert_eq!((counts.sent, counts.in_flight_at_end, counts.never_written), (all, all, 0), "{counts:?}");
}

#[test]
fn a_timeout_takes_the_younger_ones_with_it_but_not_as_timeouts() {
    // Half a pipeline is answered after half the timeout, the rest never: what then tops it up is younger.
    let address = serving(1_000_000, |mut stream| {
        let mut buffer = [0; 64 * DEPTH as usize];
        if stream.read_exact(&mut buffer).is_ok() {
            sleep(Duration::from_millis(800));
            let _ = stream.write_all(&buffer[..32 * DEPTH as usize]);
            while stream.read(&mut buffer).is_ok_and(|n| n > 0) {}
        }
    });
    let mut spec = spec(address, pipelined(2));
    spec.timing.timeout = Duration::from_millis(1_600);
    spec.timing.warmup = Duration::ZERO;
    spec.timing.window = Duration::from_millis(1_400);
    let counts = run(&spec).counts;
    let half = u64::from(DEPTH);
    assert_eq!((counts.ok, counts.timeouts), (half, half), "two connections, half of each: {counts:?}");
    assert_eq!(counts.errors.get(&ErrorKind::Abandoned), Some(&half), "{counts:?}");
    assert_eq!(counts.errors_total() + counts.in_flight_at_end, half, "{counts:?}");
}

#[test]
fn a_server_that_dies_is_refused_for_one_request_at_a_time() {
    let server = Server::start(Fault::None);
    let spec = spec(server.address, pipelined(3));
    let worker = prepare(&spec, &Echo).expect("the server is there");
    server.stop();
    let counts = worker.run(monotonic_ns()).expect("a dead server is no error of the worker").measured.counts;
    assert!(counts.balanced() && counts.ok == 0, "{counts:?}");
    assert!(counts.errors.get(&ErrorKind::Refused).is_some_and(|&n| n > 0), "{counts:?}");
    // As without pipelining: back-off, and one request for each attempt.
    assert!(counts.errors_total() < 200, "a dead server is not charged with whole pipelines: {counts:?}");
}

#[test]
fn a_server_that_leaves_after_its_last_reply_fails_nothing() {
    // What comes first on each connection is answered in full; then it closes.
    let address = serving(1_000_000, |mut stream| {
        let mut buffer = [0; 64 * DEPTH as usize];
        if let Ok(n) = stream.read(&mut buffer) {
            let _ = stream.write_all(&buffer[..n]);
        }
    });
    let part = run(&spec(address, pipelined(2)));
    // The client may have topped up before it sees the end: that is a close or a reset of what it sent.
    assert!(part.counts.ok >= u64::from(DEPTH) && part.counts.balanced(), "{:?}", part.counts);
    let kinds = [ErrorKind::Closed, ErrorKind::Reset];
    assert!(part.counts.errors.keys().all(|kind| kinds.contains(kind)), "{:?}", part.counts);
}

#[test]
fn a_server_that_does_not_read_leaves_requests_unwritten_which_count() {
    let server = Server::start(Fault::NeverAccept);
    let mut spec = hasty(spec(server.address, Load::Pipelined { clients: 1, depth: 100 }));
    // A hundred megabytes do not fit between two sockets.
    spec.request.size = 1 << 20;
    spec.timing.timeout = Duration::from_secs(60);
    let part = run(&spec);
    assert_eq!((part.counts.sent, part.counts.in_flight_at_end), (100, 100), "{:?}", part.counts);
    assert!((1..100).contains(&part.counts.never_written), "{:?}", part.counts);
    // All were due before the window, so that no lag is in the books of the window.
    assert_eq!(part.send_lag.count, 0);
    let mut spec = spec.clone();
    spec.timing.warmup = Duration::ZERO;
    let part = run(&spec);
    assert_eq!(part.send_lag.count, part.counts.sent - part.counts.never_written, "{:?}", part.counts);
    assert_eq!(part.dispatch_lag.count, part.counts.sent, "every request was noticed");
}
