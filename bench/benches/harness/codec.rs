//! The two halves of every service, without a socket and without waiting.

use bakeoff_servers::exchange::Request;
use bakeoff_servers::services::{self, ServiceConfig, ServiceEntry};
use bakeoff_servers::{JobOutput, Next, Post, Session};
use criterion::{BenchmarkId, Criterion, Throughput};
use std::cell::LazyCell;
use std::hint::black_box;
use std::sync::{Arc, Mutex};

/// Payload in bytes; where there are only certain sizes, the smallest.
const SIZE: u32 = 64;

/// The first request of a run. A service that works is asked for next to nothing; any demand would kill a server of the
/// poisonous one.
fn request(entry: &ServiceEntry, id: u64) -> Request {
    Request::new(id, SIZE, u64::from(entry.works()))
}

/// One request through the session: parsed, worked on, answered. What only waits or blocks is skipped, what a job brings
/// is made.
fn answer(session: &mut dyn Session, input: &[u8], output: &mut Vec<u8>, idle: bool) {
    output.clear();
    let mut next = session.advance(input, output).next;
    while let Next::Run(job) = next {
        let result = if idle { JobOutput::NOTHING } else { job.run() };
        next = session.complete(result, output);
    }
}

/// The post of a client that keeps what it heard last.
#[derive(Debug, Default)]
struct LastHeard(Mutex<Arc<[u8]>>);

impl Post for LastHeard {
    fn deliver(&self, message: &Arc<[u8]>) {
        *self.0.lock().expect("no panic") = Arc::clone(message);
    }
}

/// The server's half: from the bytes of a request to the bytes of its reply.
pub(crate) fn server(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec");
    group.throughput(Throughput::Elements(1));
    for entry in services::ALL {
        let request = request(entry, 7);
        // Made when the benchmark first runs, and once: a site or a database takes a while.
        let halves = LazyCell::new(|| ((entry.build)(&ServiceConfig::default()), (entry.exchange)(SIZE)));
        let idle = matches!(entry.demand, Some("wait" | "block"));
        group.bench_function(BenchmarkId::new("server", entry.name), |bencher| {
            let (service, exchange) = &*halves;
            let bytes = exchange.request(&request).to_vec();
            let mut session = service.open();
            let heard = Arc::new(LastHeard::default());
            if service.talks() {
                session.attach(Arc::clone(&heard) as Arc<dyn Post>);
            }
            let mut output = Vec::new();
            bencher.iter(|| answer(&mut *session, black_box(&bytes), &mut output, idle));
            output.extend_from_slice(&heard.0.lock().expect("no panic"));
            let reply = exchange.reply(&request);
            assert_eq!(reply.verify(0, &output), Ok(reply.len()), "{}: not the reply", entry.name);
            assert_eq!(output.len(), reply.len(), "{}: more than the reply", entry.name);
        });
    }
    group.finish();
}

/// The client's half: the parts of a request made, its reply compared byte by byte. Every request has a number of its
/// own, as in a run, so that none is in the cache because it was the one before; the replies of 64 are kept for it.
pub(crate) fn client(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec");
    group.throughput(Throughput::Elements(1));
    for entry in services::ALL {
        let exchange = LazyCell::new(|| (entry.exchange)(SIZE));
        group.bench_function(BenchmarkId::new("client", entry.name), |bencher| {
            let exchange = &*exchange;
            let asked: Vec<_> = (0..64)
                .map(|id| request(entry, id))
                .map(|request| (request, exchange.reply(&request).to_vec()))
                .collect();
            let mut turn = asked.iter().cycle();
            bencher.iter(|| {
                let (request, reply) = turn.next().expect("a cycle has no end");
                black_box(exchange.request(black_box(request)).len());
                exchange.reply(request).verify(0, black_box(reply)).expect("the right reply")
            });
        });
    }
    group.finish();
}
