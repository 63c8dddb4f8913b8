//! Connections beside the load: they are there, they do what they are said to, and they are in no figure but their own.
//!
//! The servers are tiny ones of known conduct. No assertion is about speed.

#[allow(dead_code)] // other tests use the rest of it
use crate::swarm;

use bakeoff::host::clock::monotonic_ns;
use bakeoff::swarm::merge::merge;
use bakeoff::swarm::spec::WorkerSpec;
use bakeoff::swarm::worker::prepare;
use bakeoff::workload::load::{Arrivals, Background};
use bakeoff_reports::record::ConnectionCounts;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::spawn;
use swarm::{Echo, Fault, Server, churn, closed, open, run, spec};

/// What one connection of a server came to: bytes it read, bytes it wrote.
#[derive(Debug, Default)]
struct Tally {
    read: AtomicU64,
    written: AtomicU64,
}

/// A server that answers whole requests of 64 bytes only, with themselves. Of its connections it keeps count in the order
/// they were accepted in; those that `refuses` chooses by that order it closes after their first byte or their end.
fn framed(refuses: fn(usize) -> bool) -> (SocketAddr, Arc<Mutex<Vec<Arc<Tally>>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let tallies: Arc<Mutex<Vec<Arc<Tally>>>> = Arc::default();
    let shared = Arc::clone(&tallies);
    spawn(move || {
        for (at, stream) in listener.incoming().flatten().enumerate() {
            let tally = Arc::<Tally>::default();
            shared.lock().expect("no panic").push(Arc::clone(&tally));
            spawn(move || serve(stream, &tally, refuses(at)));
        }
    });
    (address, tallies)
}

fn serve(mut stream: TcpStream, tally: &Tally, refuse: bool) {
    let (mut buffer, mut have) = ([0; 64], 0);
    while let Ok(n @ 1..) = stream.read(&mut buffer[have..]) {
        tally.read.fetch_add(n as u64, Ordering::SeqCst);
        have += n;
        if refuse {
            return;
        }
        if have == buffer.len() {
            if stream.write_all(&buffer).is_err() {
                return;
            }
            tally.written.fetch_add(64, Ordering::SeqCst);
            have = 0;
        }
    }
}

fn beside(spec: WorkerSpec, idle: u32, slow_readers: u32, slow_senders: u32) -> WorkerSpec {
    WorkerSpec { background: Background { idle, slow_readers, slow_senders }, ..spec }
}

fn kept(asked: u64, opened: u64, lost: u64) -> ConnectionCounts {
    ConnectionCounts { asked, opened, lost }
}

#[test]
fn idle_background_connections_are_held_and_are_in_no_other_figure() {
    for load in [closed(3), open(3, 500.0, Arrivals::Poisson), churn(3, 5)] {
        let server = Server::start(Fault::None);
        let part = run(&beside(spec(server.address, load.clone()), 150, 0, 0));
        assert_eq!(part.background.idle, kept(150, 150, 0), "{load:?}");
        assert_eq!(part.background.all().held(), 150);
        assert_eq!(part.counts.unanswered(), 0, "{load:?}: {:?}", part.counts);
        assert_eq!(part.spread.connections, 3, "{load:?}");
        assert!(server.accepted() >= 153, "{load:?}: {}", server.accepted());
        if let Some(wire) = part.wire.value() {
            assert_eq!((wire.connections, part.connect.count), (3, 3), "{load:?}");
        }
    }
}

#[test]
fn background_connections_that_the_server_closes_are_counted() {
    // Background connections are opened first, so the first connections are theirs.
    let (address, _) = framed(|at| at < 2);
    let part = run(&beside(spec(address, closed(2)), 0, 0, 5));
    assert_eq!(part.background.slow_senders, kept(5, 5, 2));
    assert_eq!((part.background.missing(), part.counts.unanswered()), (0, 0), "a server may defend itself");
    let (address, _) = framed(|at| at < 3);
    let part = run(&beside(spec(address, closed(2)), 0, 4, 0));
    assert_eq!(part.background.slow_readers, kept(4, 4, 3));
    // A server that lets nobody idle: it shuts each of the first seven connections as it comes.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    spawn(move || {
        for stream in listener.incoming().flatten().skip(7) {
            spawn(move || serve(stream, &Tally::default(), false));
        }
    });
    let part = run(&beside(spec(address, closed(2)), 10, 0, 0));
    assert_eq!(part.background.idle, kept(10, 10, 7));
    assert_eq!((part.background.missing(), part.counts.unanswered()), (7, 0));
}

#[test]
fn a_slow_sender_sends_on_and_never_ends_its_request() {
    let (address, tallies) = framed(|_| false);
    let part = run(&beside(spec(address, closed(2)), 0, 0, 3));
    assert_eq!(part.background.slow_senders, kept(3, 3, 0));
    assert_eq!(part.counts.unanswered(), 0, "{:?}", part.counts);
    let tallies = tallies.lock().expect("no panic");
    for tally in &tallies[..3] {
        let read = tally.read.load(Ordering::SeqCst);
        assert!((1..64).contains(&read), "{read} bytes of a request of 64");
    }
    // Of a request of two bytes it sends one, however long the trial.
    let (address, tallies) = framed(|_| false);
    let mut short = beside(spec(address, closed(1)), 0, 0, 1);
    short.request.size = 2;
    // The server answers no load of such requests, so none is waited for.
    short.timing.drain = std::time::Duration::ZERO;
    run(&short);
    assert_eq!(tallies.lock().expect("no panic")[0].read.load(Ordering::SeqCst), 1);
}

#[test]
fn a_slow_reader_fills_the_servers_buffers_and_keeps_them_full() {
    let (address, tallies) = framed(|_| false);
    let part = run(&beside(spec(address, closed(2)), 0, 2, 0));
    assert_eq!(part.background.slow_readers, kept(2, 2, 0));
    assert_eq!(part.counts.unanswered(), 0, "{:?}", part.counts);
    for tally in &tallies.lock().expect("no panic")[..2] {
        let (read, written) = (tally.read.load(Ordering::SeqCst), tally.written.load(Ordering::SeqCst));
        // It asks for 4,096 replies of 64 bytes, and the server is stuck in the middle: it has read one more than it wrote.
        assert!((64..4_096 * 64).contains(&written), "{written} of {read}");
        assert!((64..128).contains(&(read - written)), "{written} of {read}");
    }
}

#[test]
fn shards_share_the_background_connections_and_the_parts_add_up() {
    let server = Server::start(Fault::None);
    let whole = beside(spec(server.address, closed(4)), 7, 2, 3);
    let start_ns = monotonic_ns() + 100_000_000;
    let workers = [0, 1].map(|shard| {
        let mut spec = whole.clone();
        (spec.shard, spec.shards) = (shard, 2);
        spawn(move || prepare(&spec, &Echo).and_then(|worker| worker.run(start_ns)))
    });
    let parts = workers.map(|worker| worker.join().expect("no panic").expect("a part")).to_vec();
    assert_eq!(parts[0].measured.background.idle.asked, 4);
    let merged = merge(parts).expect("they belong together");
    let background = merged.background;
    assert_eq!((background.idle, background.slow_readers), (kept(7, 7, 0), kept(2, 2, 0)));
    assert_eq!(background.slow_senders, kept(3, 3, 0));
    assert_eq!(server.accepted(), 4 + 12);
}
