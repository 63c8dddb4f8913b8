//! What every model must do with every service while it serves.

use crate::client::{Client, MIB, MOST_THAT_ASK_FOR_MORE, asks_for_more, exchange, request};
use crate::server::{Server, config, until};
use crate::{Case, Pair, case};
use bakeoff_servers::{CounterSnapshot, Request};
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

pub(crate) const ALL: &[Case] = &[
    case!(split_and_merged_writes),
    case!(zero_bytes),
    case!(one_mebibyte),
    case!(pipelined_requests_in_order),
    case!(half_close),
    case!(reset),
    case!(two_hundred_clients_at_once),
    case!(a_client_that_stops_reading),
    // A model that serves fewer at once starves the others by its nature.
    case!(a_flood_starves_nobody, |pair| pair.concurrency() > OTHERS),
    case!(a_thousand_connects_leak_nothing),
];

/// The server must have counted exactly `requests`, each with exactly its bytes. Echo has no framing to count requests
/// by: for it each is between one read and all of them.
fn assert_counted(pair: &Pair, counters: &CounterSnapshot, requests: &[Request]) {
    let exchange = exchange(pair);
    let bytes_in: usize = requests.iter().map(|request| exchange.request(request).len()).sum();
    let bytes_out: usize = requests.iter().map(|request| exchange.reply(request).len()).sum();
    assert_eq!(counters.bytes_in, bytes_in as u64, "{counters:?}");
    assert_eq!(counters.bytes_out, bytes_out as u64, "{counters:?}");
    if pair.service.name == "echo" {
        assert!(counters.requests > 0 && counters.requests <= counters.bytes_in, "{counters:?}");
    } else {
        assert_eq!(counters.requests, requests.len() as u64, "{counters:?}");
    }
}

fn split_and_merged_writes(pair: &Pair) {
    let server = Server::start(pair);
    let exchange = exchange(pair);
    let mut client = Client::connect(&server, &*exchange);
    let requests: Vec<Request> = (0..5).map(|id| request(id, 20 + id as u32)).collect();
    let bytes = |id: usize| exchange.request(&requests[id]).to_vec();
    for byte in bytes(0) {
        client.send_bytes(&[byte]);
    }
    client.expect(&requests[0]);
    client.send_bytes(&[bytes(1), bytes(2)].concat());
    client.expect(&requests[1]);
    client.expect(&requests[2]);
    let (front, back) = (bytes(3), bytes(4));
    client.send_bytes(&[&front[..], &back[..7]].concat());
    client.expect(&requests[3]);
    client.send_bytes(&back[7..]);
    client.expect(&requests[4]);
    drop(client);
    assert_counted(pair, &server.stop_clean(1), &requests);
}

fn zero_bytes(pair: &Pair) {
    let server = Server::start(pair);
    let exchange = exchange(pair);
    for _ in 0..3 {
        drop(Client::connect(&server, &*exchange));
    }
    let mut silent = Client::connect(&server, &*exchange);
    silent.end_requests();
    silent.expect_end();
    let mut client = Client::connect(&server, &*exchange);
    let smallest: Vec<Request> = (0..3).map(|id| request(id, exchange.min_payload())).collect();
    for request in &smallest {
        client.exchange(request);
    }
    drop(client);
    assert_counted(pair, &server.stop_clean(5), &smallest);
}

fn one_mebibyte(pair: &Pair) {
    let server = Server::start(pair);
    let exchange = exchange(pair);
    let mut client = Client::connect(&server, &*exchange);
    let requests: Vec<Request> = (0..3).map(|id| request(id, MIB)).collect();
    client.exchange_all(&requests);
    drop(client);
    assert_counted(pair, &server.stop_clean(1), &requests);
}

pub(crate) fn many_requests() -> Vec<Request> {
    (0..200).map(|id| Request::new(id, 1 + (id as u32 * 37) % 700, 1 + id * 10)).collect()
}

fn pipelined_requests_in_order(pair: &Pair) {
    let server = Server::start(pair);
    let exchange = exchange(pair);
    let mut client = Client::connect(&server, &*exchange);
    let requests = many_requests();
    client.exchange_all(&requests);
    drop(client);
    assert_counted(pair, &server.stop_clean(1), &requests);
}

fn half_close(pair: &Pair) {
    let server = Server::start(pair);
    let exchange = exchange(pair);
    let mut client = Client::connect(&server, &*exchange);
    let requests = many_requests();
    let bytes: Vec<u8> = requests.iter().flat_map(|request| exchange.request(request).to_vec()).collect();
    client.send_bytes(&bytes);
    client.end_requests();
    for request in &requests {
        client.expect(request);
    }
    client.expect_end();
    assert_counted(pair, &server.stop_clean(1), &requests);
}

fn reset(pair: &Pair) {
    let server = Server::start(pair);
    let exchange = exchange(pair);
    let mut client = Client::connect(&server, &*exchange);
    client.exchange(&request(0, 10)); // the server reads again when the reset comes
    client.reset();
    let mut other = Client::connect(&server, &*exchange);
    other.exchange(&request(1, 10));
    drop(other);
    let counters = server.stop_clean(2);
    assert_eq!(counters.connection_errors, 1, "{counters:?}");
    assert_counted(pair, &counters, &[request(0, 10), request(1, 10)]);
}

fn two_hundred_clients_at_once(pair: &Pair) {
    const CLIENTS: usize = 200;
    let server = Server::start(pair);
    let exchange = exchange(pair);
    let mut clients: Vec<Client<'_>> = (0..CLIENTS).map(|_| Client::connect(&server, &*exchange)).collect();
    let requests: Vec<Request> = (0..CLIENTS as u64).map(|id| request(id, 64)).collect();
    for (client, request) in clients.iter_mut().zip(&requests) {
        client.send(request);
    }
    let bound = pair.concurrency();
    if bound < CLIENTS {
        // Clients beyond the bound are served when those before them have left, in the order they came.
        for (mut client, request) in clients.into_iter().zip(&requests) {
            client.expect(request);
        }
    } else {
        for (client, request) in clients.iter_mut().zip(&requests) {
            client.expect(request);
        }
        drop(clients); // all were open until all were served
    }
    let counters = server.stop_clean(CLIENTS);
    if bound >= CLIENTS {
        assert_eq!(counters.peak, CLIENTS as u64, "{counters:?}");
    }
    // With a listener for each worker every one has its share: to get none of 200 has a chance of 2^-200.
    let listeners = pair.model.listeners(&config());
    if listeners > 1 {
        let accepted = &counters.accepted_by_worker;
        assert!(accepted.len() == listeners && !accepted.contains(&0), "{counters:?}");
    }
    assert_counted(pair, &counters, &requests);
}

/// Resident memory of the server and its children.
pub(crate) fn resident_bytes(server: &Server) -> u64 {
    let pages: u64 =
        server.tree().iter().filter_map(|process| process.statm().ok()).map(|m| m.resident).sum();
    pages * rustix::param::page_size() as u64
}

fn a_client_that_stops_reading(pair: &Pair) {
    let server = Server::start(pair);
    let exchange = exchange(pair);
    // 32 MiB of requests; or of those that ask for more, enough that one read of them would make 10 MiB of replies.
    let asks_for_more = asks_for_more(&*exchange);
    let (size, most) = if asks_for_more { (8 * 1024, MOST_THAT_ASK_FOR_MORE) } else { (64 * 1024, 512) };
    let mut greedy = Client::connect_narrow(&server, &*exchange);
    greedy.exchange(&request(u64::MAX, 64));
    let before = resident_bytes(&server);
    let (whole, missing) = greedy.send_until_stuck(&server, |id| request(id, size), most);
    if asks_for_more {
        until("the server leaves the rest unread", || greedy.left_unread(&server));
    }
    let grown = resident_bytes(&server).saturating_sub(before);
    assert!(grown < 8 << 20, "the server grew by {grown} bytes for one client that does not read");
    // Digests are a few bytes each: 32 MiB of requests do not fill what the kernel keeps of them.
    if !["hash", "stages"].contains(&pair.service.name) && !asks_for_more {
        assert!(whole < most, "the server must stop reading from a client that does not read");
    }
    let mut accepted = 1;
    if pair.concurrency() > 1 {
        let mut other = Client::connect(&server, &*exchange);
        other.exchange(&request(7, 64));
        accepted += 1;
    }
    if whole < most || asks_for_more {
        let still = || greedy.left_unread(&server);
        until("the server, having served another, still leaves the greedy client's bytes unread", still);
    }
    // It reads again, and has lost nothing.
    let mut writer = greedy.stream.try_clone().expect("clone");
    thread::scope(|scope| {
        scope.spawn(|| writer.write_all(&missing).expect("send the rest"));
        for id in 0..whole + u64::from(!missing.is_empty()) {
            greedy.expect(&request(id, size));
        }
    });
    drop((greedy, writer));
    server.stop_clean(accepted);
}

/// Clients beside the one that floods the server.
const OTHERS: usize = 3;

/// One client has always more to read and to answer; the others must get their turns all the same.
fn a_flood_starves_nobody(pair: &Pair) {
    let server = Server::start(pair);
    let exchange = exchange(pair);
    let mut flood = Client::connect(&server, &*exchange);
    let enough = AtomicBool::new(false);
    let sent = thread::scope(|scope| {
        let flooding = scope.spawn(|| {
            let batch: Vec<Request> = (0..500).map(|id| Request::new(id, 100, 1)).collect();
            let mut batches = 0;
            while !enough.load(Ordering::Relaxed) {
                flood.exchange_all(&batch);
                batches += 1;
            }
            batches * batch.len()
        });
        for other in 0..OTHERS as u64 {
            let mut client = Client::connect(&server, &*exchange);
            for id in 0..50 {
                client.exchange(&request(other * 100 + id, 64));
            }
        }
        enough.store(true, Ordering::Relaxed);
        flooding.join().expect("the flood is answered, too")
    });
    drop(flood);
    let counters = server.stop_clean(1 + OTHERS);
    if pair.service.name != "echo" {
        assert_eq!(counters.requests, (sent + OTHERS * 50) as u64, "{counters:?}");
    }
}

/// Descriptors, threads and children of the server. The descriptors are listed, not asked for by number: the kernel's
/// own count includes the one that a blocked accept(2) has set aside for the connection to come.
fn holdings(server: &Server) -> (usize, usize, usize) {
    let process = server.process();
    let threads = process.stat().expect("stat").num_threads as usize;
    (process.fd().expect("descriptors").count(), threads, server.children().len())
}

fn a_thousand_connects_leak_nothing(pair: &Pair) {
    const CONNECTS: usize = 1_000;
    let server = Server::start(pair);
    let exchange = exchange(pair);
    let session = |id: usize| Client::connect(&server, &*exchange).exchange(&request(id as u64, 16));
    (0..20).for_each(session); // what is made once is made now
    let mut before = (0, 0, 0);
    until("the first clients' descriptors are closed", || {
        before = holdings(&server);
        before.2 == pair.processes()
    });
    (0..CONNECTS).for_each(session);
    // Pools may still have added threads up to their size.
    let pools = config().blocking_workers + config().compute_workers;
    until("descriptors, threads and children are back to what they were", || {
        let (descriptors, threads, children) = holdings(&server);
        descriptors <= before.0 && threads <= before.1 + pools && children == pair.processes()
    });
    server.stop_clean(CONNECTS + 20);
}
