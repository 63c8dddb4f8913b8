//! A worker against servers that do what they should, and against servers that do not: every request is accounted
//! for as what became of it, and every trial ends.
//!
//! The servers are tiny ones of our own, so that what they do wrong is known. No assertion is about speed.

use crate::swarm;

use bakeoff::host::clock::monotonic_ns;
use bakeoff::swarm::merge::merge;
use bakeoff::swarm::protocol::{Start, WorkerMessage, run_worker};
use bakeoff::swarm::schedule::Schedule;
use bakeoff::swarm::worker::{SwarmError, prepare};
use bakeoff::workload::load::{Arrivals, Load};
use bakeoff_reports::record::histogram::Recorder;
use bakeoff_reports::record::{Counts, ErrorKind};
use std::io::{BufReader, Cursor, Read, Write};
use std::net::TcpListener;
use std::time::Duration;
use swarm::{Echo, Fault, Server, churn, closed, hasty, open, run, spec};

#[test]
fn a_closed_loop_is_answered_and_balances() {
    let server = Server::start(Fault::None);
    let spec = spec(server.address, closed(8));
    let part = run(&spec);
    assert_eq!(part.counts.unanswered(), 0, "{:?}", part.counts);
    assert!(part.counts.ok > 8, "{:?}", part.counts);
    assert_eq!(part.spread.connections, 8);
    assert_eq!(part.spread.replies, part.completed_in_window);
    assert_eq!(part.reply_bytes_in_window, 64 * part.completed_in_window);
    assert_eq!(part.response.count, part.counts.ok);
    assert_eq!(part.service.count, part.counts.ok);
    assert_eq!(part.send_lag.count, part.counts.sent);
    assert_eq!(part.dispatch_lag.count, part.counts.sent);
    assert_eq!(part.connect.count, 8, "each connection was made once, before the start");
    assert_eq!(part.slices.len(), 5);
    assert_eq!(part.slices.iter().map(|slice| slice.completed).sum::<u64>(), part.completed_in_window);
    assert_eq!(part.slices.iter().map(|slice| slice.length_ns).sum::<u64>(), part.window_ns);
    assert!(part.warmup_sent >= 8 && part.swarm_cpu_ns > 0 && !part.swarm_spins);
    assert_eq!(part.response.sum_ns, part.service.sum_ns + part.send_lag.sum_ns, "response = lag + service");
}

#[test]
fn large_messages_and_a_think_time_work_too() {
    let server = Server::start(Fault::None);
    let mut spec = spec(server.address, Load::Closed { clients: 3, think: Duration::from_millis(2) });
    spec.request.size = 1 << 20;
    let part = run(&spec);
    assert_eq!(part.counts.unanswered(), 0, "{:?}", part.counts);
    assert!(part.counts.ok > 0 && part.swarm_spins);
    assert_eq!(part.reply_bytes_in_window, part.completed_in_window << 20);
}

#[test]
fn an_open_loop_sends_exactly_its_schedule() {
    let server = Server::start(Fault::None);
    for arrivals in [Arrivals::Fixed, Arrivals::Poisson] {
        let spec = spec(server.address, open(8, 2_000.0, arrivals));
        let part = run(&spec);
        let (before, within) = scheduled(&spec);
        assert_eq!(part.counts, Counts { sent: within, ok: within, ..Counts::default() }, "{arrivals:?}");
        assert_eq!(part.warmup_sent, before);
        assert_eq!(part.response.count, within);
        assert_eq!(part.send_lag.count, within);
        assert_eq!(part.dispatch_lag.count, within);
        assert!(part.swarm_spins);
        assert_eq!(
            part.response.sum_ns,
            part.service.sum_ns + part.send_lag.sum_ns,
            "response = lag + service"
        );
    }
}

/// Requests of a specification's schedule before and within the window.
fn scheduled(spec: &bakeoff::swarm::spec::WorkerSpec) -> (u64, u64) {
    let schedule = Schedule::new(spec.seed, &spec.load, &spec.request, &spec.timing, spec.shard, spec.shards)
        .expect("within bounds");
    let warmup_ns = spec.timing.warmup.as_nanos() as u64;
    let before = schedule.offsets_ns().iter().filter(|&&at| at < warmup_ns).count() as u64;
    (before, schedule.offsets_ns().len() as u64 - before)
}

#[test]
fn requests_that_find_no_free_connection_queue_and_count() {
    // One connection; every reply takes 5 ms; a request each millisecond: four of five must queue.
    let server = Server::start(Fault::Delay(Duration::from_millis(5)));
    let mut spec = spec(server.address, open(1, 1_000.0, Arrivals::Fixed));
    spec.timing.drain = Duration::from_secs(1);
    let part = run(&spec);
    let counts = &part.counts;
    assert_eq!(counts.sent, scheduled(&spec).1);
    assert!(counts.never_written > 0 && counts.in_flight_at_end - counts.never_written <= 1, "{counts:?}");
    assert_eq!(part.dispatch_lag.count, counts.sent, "every request was noticed");
    assert_eq!(part.send_lag.count, counts.sent - counts.never_written, "not every one was sent");
    assert_eq!(part.service.count, counts.ok);
    assert!(part.dispatch_lag.sum_ns < part.send_lag.sum_ns, "the wait is the server's, not the swarm's");
}

#[test]
fn no_time_is_shorter_than_what_the_server_took() {
    // The server sleeps 5 ms at least before each reply. A send stamped late, or a reply stamped early, would show.
    let server = Server::start(Fault::Delay(Duration::from_millis(5)));
    let thinking = Load::Closed { clients: 8, think: Duration::from_millis(1) };
    for load in [closed(8), thinking, open(8, 400.0, Arrivals::Poisson), churn(8, 2)] {
        let part = run(&spec(server.address, load));
        assert!(part.service.count > 0);
        for times in [&part.service, &part.response] {
            let shortest = Recorder::decode(times).expect("our own").histogram().min();
            // A histogram knows three digits.
            assert!(shortest >= 4_995_000, "{shortest} ns");
        }
    }
}

#[test]
fn churn_makes_a_connection_for_each_session() {
    let server = Server::start(Fault::None);
    let spec = spec(server.address, churn(4, 3));
    let part = run(&spec);
    assert_eq!(part.counts.unanswered(), 0, "{:?}", part.counts);
    assert!(part.counts.ok > 12, "{:?}", part.counts);
    let (accepted, requests) = (server.accepted(), part.warmup_sent + part.counts.sent);
    assert!(accepted >= requests.div_ceil(3) && accepted <= requests / 3 + 4, "{accepted} for {requests}");
    assert!(part.connect.count <= accepted);
}

#[test]
fn what_a_server_does_wrong_is_counted_as_what_it_is() {
    for (fault, expected) in [
        (Fault::CorruptByte, ErrorKind::Corrupt),
        (Fault::ReplyTwice, ErrorKind::Corrupt),
        (Fault::CloseMidReply, ErrorKind::Closed),
        (Fault::Reset, ErrorKind::Reset),
        (Fault::Babble, ErrorKind::Corrupt),
    ] {
        for load in [closed(3), open(8, 100.0, Arrivals::Fixed), churn(3, 2)] {
            let server = Server::start(fault);
            let part = run(&spec(server.address, load.clone()));
            let counts = &part.counts;
            assert!(counts.balanced(), "{fault:?} {load:?}: {counts:?}");
            assert!(counts.errors.get(&expected).is_some_and(|&n| n > 0), "{fault:?} {load:?}: {counts:?}");
            assert_eq!(counts.errors.len(), 1, "{fault:?} {load:?}: nothing else went wrong: {counts:?}");
            assert_eq!(part.response.count, counts.ok);
        }
    }
}

#[test]
fn silence_times_out_and_is_censored_at_the_end() {
    for fault in [Fault::NeverAnswer, Fault::NeverAccept] {
        for load in [closed(3), open(3, 200.0, Arrivals::Fixed), churn(3, 2)] {
            let server = Server::start(fault);
            let part = run(&hasty(spec(server.address, load.clone())));
            let counts = &part.counts;
            assert!(counts.balanced() && counts.ok == 0, "{fault:?} {load:?}: {counts:?}");
            assert!(counts.timeouts > 0, "{fault:?} {load:?}: {counts:?}");
            assert_eq!(counts.errors_total(), 0, "{fault:?} {load:?}: {counts:?}");
        }
    }
    let server = Server::start(Fault::NeverAnswer);
    let mut patient = hasty(spec(server.address, open(3, 200.0, Arrivals::Fixed)));
    patient.timing.timeout = Duration::from_secs(60);
    let counts = run(&patient).counts;
    let (before, within) = scheduled(&patient);
    assert_eq!(counts.sent, before + within, "what the warm-up left unanswered was in flight all along");
    assert_eq!((counts.in_flight_at_end, counts.never_written), (counts.sent, counts.sent - 3));
}

#[test]
fn a_server_that_dies_is_refused_afterwards() {
    for load in [closed(3), open(3, 200.0, Arrivals::Fixed), churn(3, 2)] {
        let server = Server::start(Fault::None);
        let spec = spec(server.address, load.clone());
        let worker = prepare(&spec, &Echo).expect("the server is there");
        server.stop();
        let part = worker.run(monotonic_ns()).expect("a dead server is no error of the worker").measured;
        let counts = &part.counts;
        assert!(counts.balanced() && counts.ok == 0, "{load:?}: {counts:?}");
        assert!(counts.errors.get(&ErrorKind::Refused).is_some_and(|&n| n > 0), "{load:?}: {counts:?}");
        // Back-off: three slots, at most 600 ms, pauses of 1, 2, 4 ... 64 ms.
        assert!(counts.errors_total() < 200, "a dead server is not hammered: {counts:?}");
    }
}

#[test]
fn a_worker_without_a_server_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let error = prepare(&spec(address, closed(3)), &Echo).expect_err("nobody listens");
    assert!(matches!(error, SwarmError::NothingConnected { connections: 3, .. }), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
}

#[test]
fn bad_specifications_are_refused() {
    let address = "127.0.0.1:1".parse().expect("an address");
    let mut slices = spec(address, closed(1));
    slices.slices = 0;
    assert!(matches!(prepare(&slices, &Echo), Err(SwarmError::Slices(0))));
    let mut shard = spec(address, closed(1));
    shard.shards = 2;
    assert!(matches!(prepare(&shard, &Echo), Err(SwarmError::Schedule(_))));
    let mut cpu = spec(address, closed(1));
    cpu.cpus = vec![5_000];
    assert!(matches!(prepare(&cpu, &Echo), Err(SwarmError::System { .. })));
}

#[test]
fn two_shards_together_are_the_schedule_of_one() {
    let server = Server::start(Fault::None);
    let whole = spec(server.address, open(8, 2_000.0, Arrivals::Poisson));
    let start_ns = monotonic_ns() + 100_000_000;
    let workers = [0, 1].map(|shard| {
        let mut spec = whole.clone();
        (spec.shard, spec.shards) = (shard, 2);
        std::thread::spawn(move || prepare(&spec, &Echo).and_then(|worker| worker.run(start_ns)))
    });
    let parts = workers.map(|worker| worker.join().expect("no panic").expect("a part")).to_vec();
    let one = merge(parts.clone()).expect("they belong together");
    let other = merge(parts.into_iter().rev().collect()).expect("in any order");
    assert_eq!(one, other);
    let (before, within) = scheduled(&whole);
    assert_eq!(one.counts, Counts { sent: within, ok: within, ..Counts::default() });
    assert_eq!((one.warmup_sent, one.swarm_workers, one.spread.connections), (before, 2, 8));
    assert_eq!((one.response.count, one.send_lag.count, one.dispatch_lag.count), (within, within, within));
}

#[test]
fn a_server_whose_backlog_is_full_does_not_hang_the_worker() {
    // A backlog of one and nobody who accepts: most connections are never made.
    let server = Server::start(Fault::TinyBacklog);
    let spec = hasty(spec(server.address, closed(6)));
    let worker = prepare(&spec, &Echo).expect("some connections are made");
    assert!(worker.connected() < 6, "{} connected", worker.connected());
    let counts = worker.run(monotonic_ns()).expect("it ends").measured.counts;
    assert!(counts.balanced() && counts.ok == 0, "{counts:?}");
    assert!(counts.errors.get(&ErrorKind::Connect).is_some_and(|&n| n > 0), "{counts:?}");
}

#[test]
fn the_conversation_with_a_worker_goes_as_documented() {
    let server = Server::start(Fault::None);
    let spec = spec(server.address, closed(2));
    let mut input = serde_json::to_string(&spec).expect("a line");
    input.push('\n');
    input.push_str(&serde_json::to_string(&Start { start_ns: monotonic_ns() + 50_000_000 }).expect("a line"));
    let mut output = Vec::new();
    run_worker(Cursor::new(input), &mut output, |spec| (spec.service == "echo").then(|| Box::new(Echo) as _))
        .expect("a good conversation");
    let text = String::from_utf8(output).expect("text");
    let mut answers = text.lines().map(|line| serde_json::from_str(line).expect("an answer"));
    assert!(matches!(answers.next(), Some(WorkerMessage::Ready(ready)) if ready.connected == 2), "{text}");
    let Some(WorkerMessage::Part(part)) = answers.next() else { panic!("{text}") };
    assert!(part.measured.counts.ok > 0 && part.measured.counts.balanced());
    merge(vec![*part]).expect("a part survives its line");
    assert_eq!(answers.next(), None);
}

#[test]
fn a_worker_leaves_quietly_or_says_why() {
    let server = Server::start(Fault::None);
    let exchange_for =
        |spec: &bakeoff::swarm::spec::WorkerSpec| (spec.service == "echo").then(|| Box::new(Echo) as _);
    let mut output = Vec::new();
    run_worker(BufReader::new(std::io::empty()), &mut output, exchange_for)
        .expect("no specification, no work");
    assert!(output.is_empty());
    let mut spec = spec(server.address, closed(1));
    let line = serde_json::to_string(&spec).expect("a line");
    run_worker(Cursor::new(line), &mut output, exchange_for).expect("nobody starts it");
    assert_eq!(output.iter().filter(|&&byte| byte == b'\n').count(), 1, "only that it is ready");
    spec.service = "finger".into();
    for (input, reason) in
        [(serde_json::to_string(&spec).expect("a line"), "finger"), ("{}".into(), "specification")]
    {
        let mut output = Vec::new();
        run_worker(Cursor::new(input), &mut output, exchange_for).expect_err("it cannot");
        let answer = serde_json::from_slice(&output).expect("one line");
        assert!(matches!(answer, WorkerMessage::Failed(ref why) if why.contains(reason)), "{answer:?}");
    }
}

#[test]
fn the_servers_of_these_tests_echo() {
    let server = Server::start(Fault::None);
    let mut client = std::net::TcpStream::connect(server.address).expect("it listens");
    client.write_all(&[7; 64]).expect("it reads");
    let mut reply = [0; 64];
    client.read_exact(&mut reply).expect("it answers");
    assert_eq!(reply, [7; 64]);
}

#[test]
fn a_worker_that_may_not_drain_knows_its_cpu_time() {
    let server = Server::start(Fault::None);
    // More is due than can be sent, so that the window mostly ends in the middle of a batch of sends.
    let mut spec = spec(server.address, open(64, 400_000.0, Arrivals::Fixed));
    spec.timing.warmup = Duration::from_millis(1);
    spec.timing.window = Duration::from_millis(4);
    spec.timing.drain = Duration::ZERO;
    spec.slices = 1;
    for _ in 0..12 {
        let measured = run(&spec);
        let cpu_ns = measured.swarm_cpu_ns;
        // A worker is one thread; it runs past the window's end at most by the batch that it is in.
        assert!(cpu_ns > 0 && cpu_ns < 10_000_000_000, "{cpu_ns}");
    }
}

#[test]
fn what_lost_connections_carried_is_absent_not_missing_from_a_sum() {
    let held = Server::start(Fault::None);
    let part = run(&spec(held.address, closed(2)));
    assert!(part.wire.value().is_some_and(|wire| wire.connections == 2), "{:?}", part.wire);
    let losing = Server::start(Fault::CloseMidReply);
    let part = run(&hasty(spec(losing.address, closed(2))));
    assert!(part.counts.unanswered() > 0 && part.wire.value().is_none(), "{:?}", part.wire);
}
