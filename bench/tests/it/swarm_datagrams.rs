//! A worker over UDP against servers that do what they should, and against servers that do not: every datagram is called what it
//! was. The servers are tiny ones of our own, so that what they do wrong is known. No assertion is about speed.

use crate::swarm;

use bakeoff::swarm::spec::WorkerSpec;
use bakeoff::swarm::worker::{SwarmError, prepare};
use bakeoff::workload::load::{Arrivals, Load, Transport};
use bakeoff_reports::record::{Datagrams, ErrorKind, Measured, Reading};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;
use swarm::{Echo, churn, closed, open, run, spec};

/// What a server does with the datagram it reads as number `ordinal`, of those of the load.
type Conduct = fn(&mut Answers<'_>, ordinal: u64);

/// The datagram that was read, and the way back.
struct Answers<'a> {
    socket: &'a UdpSocket,
    stranger: &'a UdpSocket,
    client: SocketAddr,
    bytes: &'a mut [u8],
    /// A datagram that the conduct keeps for later.
    kept: &'a mut Option<(SocketAddr, Vec<u8>)>,
}

impl Answers<'_> {
    fn reply(&self) {
        self.socket.send_to(self.bytes, self.client).expect("loopback takes it");
    }
}

/// A server that ends when dropped.
struct Server {
    address: SocketAddr,
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<u64>>,
}

impl Server {
    fn start(conduct: Conduct) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback");
        let stranger = UdpSocket::bind("127.0.0.1:0").expect("loopback");
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
        let address = socket.local_addr().expect("bound");
        let ending = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&ending);
        let thread = spawn(move || {
            let (mut buffer, mut kept, mut ordinal) = (vec![0; 1 << 16], None, 0);
            while !end.load(Ordering::SeqCst) {
                let Ok((length, client)) = socket.recv_from(&mut buffer) else { continue };
                let bytes = &mut buffer[..length];
                let asks_only = bytes.starts_with(&[0xff; 8]);
                let mut answers =
                    Answers { socket: &socket, stranger: &stranger, client, bytes, kept: &mut kept };
                if asks_only {
                    answers.reply();
                } else {
                    conduct(&mut answers, ordinal);
                    ordinal += 1;
                }
            }
            ordinal
        });
        Self { address, ending, thread: Some(thread) }
    }

    /// Ends it; how many datagrams of the load it read.
    fn end(mut self) -> u64 {
        self.ending.store(true, Ordering::SeqCst);
        self.thread.take().expect("running").join().expect("no panic")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::SeqCst);
    }
}

/// A trial over UDP without warm-up, with patience for a busy machine.
fn over_udp(server: &Server, load: Load) -> WorkerSpec {
    let mut spec = WorkerSpec { transport: Transport::Udp, ..spec(server.address, load) };
    spec.timing.warmup = Duration::ZERO;
    spec
}

/// The same, that gives up soon.
fn hasty(server: &Server, load: Load) -> WorkerSpec {
    let mut spec = over_udp(server, load);
    (spec.timing.timeout, spec.timing.drain) = (Duration::from_millis(300), Duration::from_millis(900));
    spec
}

/// A low rate, evenly spaced: 150 datagrams in the window, of three sockets in turn.
fn paced() -> Load {
    open(3, 500.0, Arrivals::Fixed)
}

fn datagrams(measured: &Measured) -> &Datagrams {
    let datagrams = measured.datagrams.as_ref().expect("it was over UDP");
    assert_eq!(measured.counts.timeouts, datagrams.lost + datagrams.late, "{measured:?}");
    assert_eq!(datagrams.overflowed, Reading::Value(0));
    datagrams
}

#[test]
fn datagrams_of_every_size_come_back_and_balance() {
    // Two of the largest may not fit the server's receive buffer.
    for (size, clients) in [(16, 4), (64, 4), (1_472, 4), (65_507, 1)] {
        let server = Server::start(|answers, _| answers.reply());
        let mut spec = over_udp(&server, closed(clients));
        spec.request.size = size;
        let measured = run(&spec);
        assert_eq!(datagrams(&measured), &Datagrams::default());
        assert_eq!((measured.counts.ok, measured.counts.unanswered()), (measured.counts.sent, 0));
        assert_eq!(measured.reply_bytes_in_window, u64::from(size) * measured.completed_in_window);
        assert_eq!((measured.spread.connections, measured.connect.count), (clients.into(), 0));
        assert_eq!(server.end(), measured.counts.sent);
    }
}

#[test]
fn an_open_loop_sends_its_schedule_whatever_comes_back() {
    let server = Server::start(|_, _| {});
    let measured = run(&hasty(&server, paced()));
    assert_eq!((measured.counts.sent, measured.counts.ok, measured.counts.timeouts), (150, 0, 150));
    assert_eq!(datagrams(&measured).lost, 150);
    assert_eq!(server.end(), 150, "nothing waits for a reply");
}

#[test]
fn a_closed_loop_goes_on_after_a_loss() {
    // Of the first clients' datagrams one is lost; each sends again when it gives up.
    let server = Server::start(|answers, ordinal| {
        if ordinal != 1 {
            answers.reply();
        }
    });
    let mut spec = hasty(&server, Load::Closed { clients: 2, think: Duration::from_millis(5) });
    spec.timing.timeout = Duration::from_millis(100);
    let measured = run(&spec);
    assert_eq!(datagrams(&measured).lost, 1);
    assert_eq!(measured.counts.sent, measured.counts.ok + measured.counts.timeouts);
    assert_eq!(measured.spread.never_served, 0, "{:?}", measured.spread);
}

#[test]
fn every_fate_is_told_apart() {
    let server = Server::start(|answers, ordinal| {
        match ordinal {
            10 => {} // lost
            20 => (0..3).for_each(|_| answers.reply()),
            30 => *answers.kept = Some((answers.client, answers.bytes.to_vec())),
            40 => {
                answers.reply();
                answers.stranger.send_to(answers.bytes, answers.client).expect("loopback takes it");
            }
            _ => answers.reply(),
        }
        // Its client's next datagrams are 33, 36, ...: with the third of them it comes back.
        if ordinal == 39
            && let Some((client, bytes)) = answers.kept.take()
        {
            answers.socket.send_to(&bytes, client).expect("loopback takes it");
        }
    });
    let measured = run(&hasty(&server, paced()));
    let expected = Datagrams { lost: 1, duplicated: 2, reordered: 1, strangers: 1, ..Datagrams::default() };
    assert_eq!(datagrams(&measured), &expected);
    assert_eq!((measured.counts.sent, measured.counts.ok), (150, 149));
}

#[test]
fn what_comes_after_its_timeout_is_late_and_not_lost() {
    // 500 per second: 80 datagrams later 160 ms have passed, and it was given up after 100.
    let server = Server::start(|answers, ordinal| {
        if ordinal == 30 {
            *answers.kept = Some((answers.client, answers.bytes.to_vec()));
            return;
        }
        answers.reply();
        if ordinal == 110
            && let Some((client, bytes)) = answers.kept.take()
        {
            answers.socket.send_to(&bytes, client).expect("loopback takes it");
        }
    });
    let mut spec = hasty(&server, paced());
    spec.timing.timeout = Duration::from_millis(100);
    let measured = run(&spec);
    // A machine that stands still makes others late, too; this one is in any case, and none is lost.
    let seen = datagrams(&measured);
    assert!(seen.late >= 1 && seen.reordered >= 1, "{seen:?}");
    assert_eq!((seen.lost, measured.counts.ok), (0, 150 - seen.late));
}

#[test]
fn a_reply_to_another_client_is_no_reply() {
    // The first two datagrams are of two clients, whose replies change places; those after them are right.
    let server = Server::start(|answers, ordinal| match (ordinal, answers.kept.take()) {
        (0, _) => *answers.kept = Some((answers.client, answers.bytes.to_vec())),
        (1, Some((client, bytes))) => {
            answers.socket.send_to(&bytes, answers.client).expect("loopback takes it");
            answers.socket.send_to(answers.bytes, client).expect("loopback takes it");
        }
        _ => answers.reply(),
    });
    let mut spec = hasty(&server, Load::Closed { clients: 2, think: Duration::from_millis(5) });
    (spec.timing.timeout, spec.timing.drain) = (Duration::from_millis(100), Duration::from_millis(900));
    let measured = run(&spec);
    let seen = datagrams(&measured);
    assert_eq!((seen.unasked, seen.duplicated), (2, 0), "{seen:?}");
    assert!(seen.lost >= 2, "neither had a reply of its own: {seen:?}");
    assert_eq!(measured.spread.never_served, 0, "both go on: {:?}", measured.spread);
}

#[test]
fn a_drain_that_is_shorter_than_the_timeout_is_refused() {
    let server = Server::start(|_, _| {});
    let mut spec = over_udp(&server, paced());
    spec.timing.drain = spec.timing.timeout / 2;
    let error = prepare(&spec, &Echo).expect_err("what is lost would be in flight").to_string();
    assert!(error.contains("raise `drain`"), "{error}");
}

#[test]
fn wrong_bytes_are_wrong_and_foreign_numbers_are_asked_by_nobody() {
    let server = Server::start(|answers, ordinal| {
        match ordinal {
            10 => answers.bytes[40] ^= 1, // of the payload
            20 => answers.bytes[7] ^= 1,  // of the number: that of another, with this one's stamp
            30 => answers.bytes[15] ^= 1, // of the stamp
            40 => {
                let shorter = &answers.bytes[..8];
                answers.socket.send_to(shorter, answers.client).expect("loopback takes it");
            }
            45 => {
                answers.reply();
                answers.bytes[40] ^= 1; // no copy of what came
            }
            50 => {
                let shorter = &answers.bytes[..63];
                answers.socket.send_to(shorter, answers.client).expect("loopback takes it");
                return;
            }
            _ => {}
        }
        answers.reply();
    });
    let measured = run(&hasty(&server, paced()));
    assert_eq!(measured.counts.errors.get(&ErrorKind::Corrupt), Some(&2), "{:?}", measured.counts);
    let seen = datagrams(&measured);
    assert_eq!((seen.unasked, seen.lost, measured.counts.ok), (4, 2, 146), "{seen:?}");
}

#[test]
fn the_loss_of_a_workload_takes_what_its_rule_says_and_nothing_else() {
    let server = Server::start(|answers, _| answers.reply());
    let spec = WorkerSpec { loss: 0.1, ..hasty(&server, paced()) };
    let measured = run(&spec);
    let rule = spec.loss().expect("a share above zero");
    let taken = (0..150).filter(|number| rule.takes(*number)).count() as u64;
    assert!(taken > 3, "{taken} of 150");
    let seen = datagrams(&measured);
    assert_eq!((seen.lost, seen.dropped, measured.counts.ok), (taken, taken, 150 - taken));
    assert_eq!(server.end(), 150, "it answered them all");
}

#[test]
fn what_a_full_buffer_took_is_untold_where_the_rule_of_a_loss_does_not_explain_what_the_kernel_dropped() {
    // The rule takes the copies, too, so that the kernel drops more than there are datagrams to lose.
    let server = Server::start(|answers, _| (0..2).for_each(|_| answers.reply()));
    let measured = run(&WorkerSpec { loss: 0.3, ..hasty(&server, paced()) });
    let seen = measured.datagrams.as_ref().expect("it was over UDP");
    assert!(seen.dropped > 0 && seen.dropped == seen.lost, "{seen:?}");
    assert!(
        matches!(&seen.overflowed, Reading::Absent(why) if why.contains("the rule explains")),
        "{seen:?}"
    );
}

#[test]
fn tcp_loses_nothing_where_segments_are_lost() {
    let server = swarm::Server::start(swarm::Fault::None);
    let spec = WorkerSpec { loss: 0.2, ..spec(server.address, open(4, 300.0, Arrivals::Fixed)) };
    let measured = run(&spec);
    assert_eq!((measured.counts.ok, measured.datagrams), (measured.counts.sent, None));
    // Of 90 replies some 18 were lost and sent again; that none was has a chance of 2e-9. A lost one takes a retransmission.
    assert!(measured.service.max_ns > 5_000_000, "{:?}", measured.service.max_ns);
}

#[test]
fn where_nobody_answers_the_worker_says_so() {
    let nobody = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    let target = nobody.local_addr().expect("bound");
    let spec = WorkerSpec { transport: Transport::Udp, ..spec(target, closed(1)) };
    let error = prepare(&spec, &Echo).expect_err("it is deaf");
    assert!(matches!(error, SwarmError::NothingAnswered(address) if address == target));
    let error =
        prepare(&WorkerSpec { load: churn(1, 1), ..spec }, &Echo).expect_err("no connections").to_string();
    assert!(error.contains("nobody connects"), "{error}");
}
