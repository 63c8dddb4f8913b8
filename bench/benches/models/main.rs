//! Every model with every service under criterion: a closed loop over real sockets, a benchmark for each service, model and
//! number of clients, named `service/model/clients`.
//!
//! An iteration is a request that has been answered, and rightly: `time` is the time of the whole loop for each request
//! (not the response time of one, which is so many times longer as there are clients), and `thrpt` its reverse, requests
//! a second. Each benchmark has a server of its own: a fresh process of the built program, on its half of the CPUs, that
//! starts with the first iteration and outside its time, and whose counters must agree with the client's at the end. A
//! wrong reply, a server that dies or one that counts otherwise fails the bench. A model that serves fewer clients at once
//! than would ask, or that the machine cannot run, is left out, and so is the service whose requests kill.
//!
//! `cargo bench --bench models`                       all: about two and a half minutes
//! `cargo bench --bench models -- --list`             the names; starts no server
//! `cargo bench --bench models -- --test`             each once, to see that it works: some seconds
//! `cargo bench --bench models -- echo/`              one service
//! `cargo bench --bench models -- '/64$'`             64 clients only
//! `cargo bench --bench models -- '/mio.*/64'`        a regular expression over the names
//!
//! Both criterion benches, for a baseline to come back to: `cargo bench -- --save-baseline main`. The other benches of this
//! folder are not criterion's and run by name only.
//!
//! Models beside each other, within one baseline, with `critcmp`:
//!
//! `cargo bench --bench models -- --save-baseline main echo/`
//! `critcmp main --list -g '(.*)/[^/]+/(\d+)'`
//!
//! The figures of two benchmarks are taken some seconds apart on a machine that drifts, so a small difference may be the
//! machine's; and the same code twice may differ by more than criterion's interval says. What decides is `bakeoff run`.

mod client;
mod stage;

use bakeoff_servers::services::{self, ServiceEntry};
use bakeoff_servers::{ServerModel, models};
use client::Question;
use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use stage::Stage;
use std::panic::resume_unwind;
use std::time::Duration;

/// Clients: one, where a hand-off is all there is, and as many as the thread pool has threads.
const CLIENTS: [usize; 2] = [1, 64];

/// One service after the other, and within it one number of clients after the other: what is compared is measured within
/// seconds.
fn all(criterion: &mut Criterion) {
    let stage = Stage::new();
    let runnable: Vec<_> =
        models::ALL.iter().copied().filter(|model| model.unavailable().is_none()).collect();
    for service in services::ALL.iter().copied().filter(|service| Question::new(service).is_some()) {
        let mut group = criterion.benchmark_group(service.name);
        group.throughput(Throughput::Elements(1)).sampling_mode(SamplingMode::Flat);
        for clients in CLIENTS {
            for model in &runnable {
                if service.talks() && !model.meta().joins_clients() {
                    continue; // it refuses, and says why
                }
                if model.meta().most_served(&stage.config()).is_none_or(|most| most >= clients) {
                    bench(&mut group, &stage, *model, service, clients);
                }
            }
        }
        group.finish();
    }
}

fn bench(
    group: &mut BenchmarkGroup<'_, WallTime>,
    stage: &Stage,
    model: &dyn ServerModel,
    service: &ServiceEntry,
    clients: usize,
) {
    let fail = |error: String| -> ! {
        let name = format!("{}/{}/{clients}", service.name, model.name());
        eprintln!("\nmodels: {name}: {error}");
        eprintln!("To see whether it is always so: cargo bench --bench models -- --test '{name}'");
        // The words are said; a panic of its own would add a backtrace. What unwinds takes the server with it.
        resume_unwind(Box::new("a benchmark failed"))
    };
    let mut act = None;
    // Called once for every sample and for each step of the warm-up, or never: the server stays in between.
    group.bench_function(BenchmarkId::new(model.name(), clients), |bencher| {
        let act = act.get_or_insert_with(|| stage.begin(model, service, clients).unwrap_or_else(|e| fail(e)));
        bencher.iter_custom(|requests| act.drive(requests).unwrap_or_else(|e| fail(e)));
    });
    if let Some(act) = act {
        act.end().unwrap_or_else(|e| fail(e));
    }
}

/// Flat samples: each the same number of requests, so that none is so short that the edges of the loop are most of it. The
/// warm-up begins with a single request and doubles; it is criterion's, after every client has been answered once.
fn settings() -> Criterion {
    Criterion::default()
        .sample_size(15)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600))
        .nresamples(10_000)
        .without_plots()
}

criterion_group!(name = benches; config = settings(); targets = all);
criterion_main!(benches);
