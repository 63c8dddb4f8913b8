//! What the swarm takes from the allocator: nothing while the load runs, and little for each connection.
//!
//! The counts are of the worker's own thread, so what the test's server does is not among them, and they do not depend
//! on how fast the machine is: every assertion is about a count that must be exactly so.

#[allow(dead_code)] // another test uses the rest of it
use crate::swarm;

use allocation_counter::{AllocationInfo, measure};
use bakeoff::host::clock::monotonic_ns;
use bakeoff::swarm::spec::WorkerSpec;
use bakeoff::swarm::worker::prepare;
use bakeoff::workload::load::{Arrivals, Background, DemandShape, Load};
use bakeoff_reports::record::Measured;
use bakeoff_servers::exchange::{Exchange as _, Request};
use rustix::process::{Resource, getrlimit, setrlimit};
use std::net::TcpListener;
use std::thread::spawn;
use std::time::Duration;
use swarm::{Echo, Fault, Server, churn, closed, hasty, open, spec};

/// Runs a worker on a thread of its own; returns what the load alone took from the allocator, and its record.
fn drive(spec: &WorkerSpec) -> (AllocationInfo, Measured) {
    let spec = spec.clone();
    let worker = spawn(move || {
        let worker = prepare(&spec, &Echo).expect("the server is there");
        // The test's own payload block is made by its first use.
        Echo.request(&Request::new(0, 1, 0));
        let mut driven = None;
        let taken = measure(|| driven = Some(worker.drive(monotonic_ns() + 1_000_000)));
        let driven = driven.expect("measured").expect("the worker ends");
        (taken, driven.close().0.measured)
    });
    worker.join().expect("no panic")
}

/// A load of so many requests as the machine makes of it takes nothing from the allocator.
fn allocates_nothing(what: &str, spec: &WorkerSpec) {
    let (taken, measured) = drive(spec);
    let requests = measured.warmup_sent + measured.counts.sent;
    assert!(requests > 0, "{what}");
    assert_eq!((taken.count_total, taken.bytes_total), (0, 0), "{what}, {requests} requests");
}

#[test]
fn no_request_allocates_whatever_the_load() {
    let server = Server::start(Fault::None);
    let thinking = Load::Closed { clients: 8, think: Duration::from_millis(1) };
    let pipelined = Load::Pipelined { clients: 8, depth: 16 };
    for load in [closed(8), thinking, pipelined, open(8, 20_000.0, Arrivals::Poisson), churn(8, 3)] {
        allocates_nothing(&format!("{load:?}"), &spec(server.address, load));
    }
}

#[test]
fn background_connections_allocate_nothing_while_the_load_runs() {
    let server = Server::start(Fault::None);
    let mut spec = spec(server.address, closed(4));
    spec.background = Background { idle: 20, slow_readers: 5, slow_senders: 5 };
    allocates_nothing("background connections", &spec);
}

#[test]
fn an_open_loop_takes_the_same_for_exactly_ten_times_the_requests() {
    let server = Server::start(Fault::None);
    let mut spec = spec(server.address, open(4, 10_000.0, Arrivals::Fixed));
    spec.timing.warmup = Duration::ZERO;
    let counts = [20, 200].map(|window_ms| {
        spec.timing.window = Duration::from_millis(window_ms);
        let (taken, measured) = drive(&spec);
        (measured.counts.sent, taken.count_total)
    });
    assert_eq!(counts, [(200, 0), (2_000, 0)]);
}

#[test]
fn large_messages_and_drawn_demands_allocate_nothing() {
    let server = Server::start(Fault::None);
    let mut spec = spec(server.address, closed(2));
    spec.request.size = 300_000;
    spec.request.demand = DemandShape::Exponential { mean: Duration::from_micros(1) };
    allocates_nothing("300 kB", &spec);
}

#[test]
fn a_request_that_fails_allocates_nothing_either() {
    for fault in [Fault::Reset, Fault::CloseMidReply, Fault::CorruptByte, Fault::NeverAnswer] {
        for load in [closed(4), Load::Pipelined { clients: 4, depth: 16 }] {
            let server = Server::start(fault);
            let mut spec = hasty(spec(server.address, load));
            spec.timing.timeout = Duration::from_millis(5);
            allocates_nothing(&format!("{fault:?}"), &spec);
        }
    }
}

#[test]
fn the_counter_counts() {
    // If it did not, the tests above would pass whatever the swarm does.
    let taken = measure(|| drop(std::hint::black_box(vec![0_u8; 100])));
    assert_eq!((taken.count_total, taken.bytes_total), (1, 100));
}

/// Most bytes of the swarm for one connection, its share of the worker's histograms and buffers included.
const MOST_PER_CONNECTION: u64 = 4096;
/// Most bytes that one more connection may add.
const MOST_PER_FURTHER_CONNECTION: u64 = 256;

/// What making a worker ready takes.
fn prepared(spec: &WorkerSpec) -> AllocationInfo {
    let spec = spec.clone();
    let taken = spawn(move || {
        let mut ready = None;
        let taken = measure(|| ready = Some(prepare(&spec, &Echo)));
        assert!(ready.expect("measured").is_ok());
        taken
    });
    taken.join().expect("no panic")
}

#[test]
fn ten_thousand_connections_take_less_than_4_kib_each() {
    // Sessions connect when they begin, so that this needs no 20,000 descriptors; what a worker holds for a connection
    // is the same in every load, and made before it connects.
    let of = |sessions| prepared(&spec(([127, 0, 0, 1], 1).into(), churn(sessions, 1)));
    let (one, many) = (of(1), of(10_000));
    assert!(many.bytes_max < 10_000 * MOST_PER_CONNECTION, "{many:?}");
    let further = many.bytes_max - one.bytes_max;
    assert!(further < 9_999 * MOST_PER_FURTHER_CONNECTION, "{further} bytes for 9,999 connections more");
}

/// How many connections this process may have at both their ends, beside the descriptors of the other tests; at most
/// `wanted`. The soft limit on descriptors is raised as far as the hard one lets it.
fn affordable(wanted: u32) -> u32 {
    const OTHERS: u64 = 256;
    let mut limit = getrlimit(Resource::Nofile);
    let ceiling = limit.maximum.unwrap_or(u64::MAX);
    let needed = 2 * u64::from(wanted) + OTHERS;
    if limit.current.is_some_and(|soft| soft < needed) {
        limit.current = Some(needed.min(ceiling));
        setrlimit(Resource::Nofile, limit).expect("a soft limit up to the hard one");
    }
    let room = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX).saturating_sub(OTHERS) / 2;
    u32::try_from(room).unwrap_or(u32::MAX).min(wanted)
}

#[test]
fn connecting_takes_little_more_than_holding() {
    let many = affordable(2_000);
    assert!(many >= 100, "the limit on descriptors is too low for any test of many connections: ulimit -n");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let peer =
        spawn(move || (0..2 + many).map(|_| listener.accept().expect("a connection").0).collect::<Vec<_>>());
    let of = |clients| prepared(&spec(address, closed(clients)));
    let (few, all) = (of(2), of(many));
    peer.join().expect("all were made");
    let (further, connections) = (all.bytes_max - few.bytes_max, u64::from(many) - 2);
    assert!(
        further < connections * MOST_PER_FURTHER_CONNECTION,
        "{further} bytes for {connections} connections more"
    );
}
