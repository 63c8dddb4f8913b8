//! How every model must end.

use crate::client::{Client, MOST_THAT_ASK_FOR_MORE, asks_for_more, exchange, request};
use crate::server::{Server, until};
use crate::{Case, Pair, case};
use bakeoff_servers::Request;
use std::io::Read as _;
use std::time::Duration;

pub(crate) const ALL: &[Case] =
    &[case!(stop_while_busy), case!(stop_while_idle), case!(stop_past_the_deadline)];

/// A request that is still being worked on when the stop comes, for services that work at all. Unoptimised builds
/// compute ten times slower than nominal.
fn busy_request(pair: &Pair) -> Request {
    let demand_ns = if pair.service.demand == Some("compute") { 20_000_000 } else { 200_000_000 };
    Request::new(3, 1000, demand_ns)
}

fn stop_while_busy(pair: &Pair) {
    let server = Server::start(pair);
    let exchange = exchange(pair);
    let count = pair.concurrency().min(3);
    let mut clients: Vec<Client<'_>> = (0..count).map(|_| Client::connect(&server, &*exchange)).collect();
    for client in &mut clients {
        client.exchange(&request(1, 64)); // accepted for certain
    }
    let in_flight = busy_request(pair);
    for client in &mut clients {
        client.send(&in_flight);
    }
    server.terminate();
    for client in &mut clients {
        client.expect(&in_flight);
        client.expect_end();
    }
    let (status, counters) = server.wait();
    assert!(status.success(), "{status}");
    assert_eq!((counters.active, counters.accepted, counters.closed), (0, count as u64, count as u64));
    assert_eq!((counters.requests, counters.cut_at_stop), (2 * count as u64, 0), "{counters:?}");
}

fn stop_while_idle(pair: &Pair) {
    let server = Server::start(pair);
    let exchange = exchange(pair);
    let served = pair.concurrency().min(5);
    let mut clients: Vec<Client<'_>> = (0..served).map(|_| Client::connect(&server, &*exchange)).collect();
    for client in &mut clients {
        client.exchange(&request(1, 64));
    }
    // Where the model bounds them, some that wait for their turn as well. They end, one way or the other.
    let waiting: Vec<Client<'_>> = (served..5).map(|_| Client::connect(&server, &*exchange)).collect();
    server.terminate();
    for client in &mut clients {
        client.expect_end();
    }
    for mut client in waiting {
        assert!(matches!(client.stream.read(&mut [0]), Ok(0) | Err(_)), "never answered");
    }
    let (status, counters) = server.wait();
    assert!(status.success(), "{status}");
    assert_eq!((counters.active, counters.cut_at_stop), (0, 0), "{counters:?}");
    assert_eq!((counters.requests, counters.accepted), (served as u64, counters.closed), "{counters:?}");
}

/// A worker stuck in a job, or in a write to a client that does not read, must not keep the server from ending.
fn stop_past_the_deadline(pair: &Pair) {
    let deadline = Duration::from_millis(200);
    let server = Server::start_with(pair, |options| options.config.stop_deadline = deadline);
    let exchange = exchange(pair);
    let mut client = Client::connect_narrow(&server, &*exchange);
    client.exchange(&request(1, 64));
    if pair.service.works() {
        client.send(&Request::new(3, 1000, 50_000_000_000));
    } else if asks_for_more(&*exchange) {
        client.send_until_stuck(&server, |id| request(id, 16 * 1024), MOST_THAT_ASK_FOR_MORE);
        until("the server is stuck in a write", || client.left_unread(&server));
    } else {
        let (whole, _) = client.send_until_stuck(&server, |id| request(id, 64 * 1024), 512);
        assert!(whole < 512, "the server is stuck in a write");
    }
    // Neither a job of 50 s (the guard of `stop` is shorter) nor the client will ever be done.
    let counters = server.stop();
    assert_eq!(counters.accepted, 1, "{counters:?}");
    let forked = pair.isolates();
    if pair.service.works() || asks_for_more(&*exchange) {
        assert_eq!(counters.cut_at_stop, 1, "{counters:?}");
    } else {
        // Not always cut: the stop wakes a thread that is blocked in its write, and it finds what room there is: up to
        // a third of a send buffer that the kernel has grown to megabytes, too little for it to have been woken, and
        // maybe enough for all that it owes. Cut or not must be told by what it owes: replies to bytes it has read.
        // A reply need not be as long as its request (that of poison is shorter), but to echo every byte is one.
        let lengths = |size| {
            let request = request(1, size);
            (exchange.request(&request).len() as u64, exchange.reply(&request).len() as u64)
        };
        let (first, first_reply) = lengths(64);
        let (each, each_reply) = if pair.service.name == "echo" { (1, 1) } else { lengths(64 * 1024) };
        let due = first_reply + counters.bytes_in.saturating_sub(first) / each * each_reply;
        match counters.cut_at_stop {
            0 => assert_eq!(counters.bytes_out, due, "not cut, so all it read was answered: {counters:?}"),
            1 => assert!(forked || counters.bytes_out < due, "cut, so something was owed: {counters:?}"),
            _ => panic!("one connection is cut once: {counters:?}"),
        }
    }
    assert_eq!(counters.crashed, 0, "{counters:?}");
    // A killed child takes along what it has not added yet.
    if !forked {
        assert!(counters.requests >= 1, "{counters:?}");
    }
}
