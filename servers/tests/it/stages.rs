//! What every model must do with requests that are several kinds of work, one after the other.

use crate::client::{Client, exchange};
use crate::server::Server;
use crate::{Case, Pair, case};
use bakeoff_servers::Request;
use bakeoff_servers::services::StageKind::{Block, Compute, Wait};
use bakeoff_servers::services::{Stage, StageKind, Stages};
use std::time::{Duration, Instant};

pub(crate) const ALL: &[Case] =
    &[case!(three_stages_in_every_order), case!(an_end_between_stages_of_another_client)];

/// What a stage takes that only passes time; one that computes takes as many nanoseconds of nominal time.
const PAUSE: Duration = Duration::from_millis(4);
const COMPUTED: u64 = 20_000;

const ORDERS: [[StageKind; 3]; 6] = [
    [Compute, Wait, Block],
    [Compute, Block, Wait],
    [Wait, Compute, Block],
    [Wait, Block, Compute],
    [Block, Compute, Wait],
    [Block, Wait, Compute],
];

fn of_stages(id: u64, kinds: [StageKind; 3]) -> Request {
    let stage =
        |kind| Stage { kind, demand_ns: if kind == Compute { COMPUTED } else { PAUSE.as_nanos() as u64 } };
    Request { stages: Stages::new(kinds.map(stage)), ..Request::new(id, 64, 0) }
}

/// Of several clients at once, whose requests wait behind each other on each connection: replies come in order with the digest of
/// what was computed, and none before its stages can be over.
fn three_stages_in_every_order(pair: &Pair) {
    let server = Server::start(pair);
    let exchange = exchange(pair);
    let requests: Vec<Request> = (0..).zip(ORDERS).map(|(id, kinds)| of_stages(id, kinds)).collect();
    let mut clients: Vec<Client<'_>> =
        (0..pair.concurrency().min(3)).map(|_| Client::connect(&server, &*exchange)).collect();
    let begin = Instant::now();
    clients.iter_mut().for_each(|client| requests.iter().for_each(|request| client.send(request)));
    for client in &mut clients {
        for (before, request) in (1..).zip(&requests) {
            client.expect(request);
            assert!(begin.elapsed() >= before * 2 * PAUSE, "{request:?} has two stages of {PAUSE:?}");
        }
    }
    let (served, accepted) = (clients.len() * requests.len(), clients.len());
    drop(clients);
    assert_eq!(server.stop_clean(accepted).requests, served as u64);
}

/// Whoever leaves while a stage of its request is at work takes nothing from others, and the rest of its stages is no work of theirs.
fn an_end_between_stages_of_another_client(pair: &Pair) {
    let server = Server::start(pair);
    let exchange = exchange(pair);
    let leaves = || {
        let mut client = Client::connect(&server, &*exchange);
        client.send(&of_stages(1, [Wait, Block, Compute]));
        std::thread::sleep(PAUSE / 4); // its first stage has begun, as a rule
        client.reset();
    };
    (0..3).for_each(|_| leaves());
    let mut client = Client::connect(&server, &*exchange);
    for request in (0..).zip(ORDERS).map(|(id, kinds)| of_stages(id, kinds)) {
        client.exchange(&request);
    }
    drop(client);
    let counters = server.stop_clean(4);
    assert!((6..=9).contains(&counters.requests), "{counters:?}");
}
