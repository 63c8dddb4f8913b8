//! The harness's own parts under criterion: schedule, verification, recording, the codec under every service, and the
//! making of a report (target: 1,000 trials in under two seconds).

use bakeoff::load::{Arrivals, DemandShape, Load, RateShape, RequestShape, Timing};
use bakeoff::swarm::schedule::Schedule;
use bakeoff_reports::analysis::analyse;
use bakeoff_reports::histogram::Recorder;
use bakeoff_reports::{bundle, html, sample};
use bakeoff_servers::exchange::Request;
use bakeoff_servers::services::{self, ServiceConfig};
use bakeoff_servers::{JobOutput, Next};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

fn schedule(c: &mut Criterion) {
    let load = Load::Open {
        clients: 64,
        rate_per_s: 100_000.0,
        arrivals: Arrivals::Poisson,
        shape: RateShape::Steady,
    };
    let request =
        RequestShape { size: 64, demand: DemandShape::Exponential { mean: Duration::from_micros(100) } };
    let timing = Timing {
        warmup: Duration::ZERO,
        window: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        drain: Duration::ZERO,
    };
    let mut group = c.benchmark_group("schedule");
    group.throughput(Throughput::Elements(100_000));
    group.bench_function("poisson", |b| {
        b.iter(|| Schedule::new(black_box(1), &load, &request, &timing, 0, 1).expect("valid"));
    });
    group.finish();
}

fn recording(c: &mut Criterion) {
    let mut recorder = Recorder::fine();
    let mut value = 1u64;
    let mut group = c.benchmark_group("histogram");
    group.throughput(Throughput::Elements(1));
    group.bench_function("record", |b| {
        b.iter(|| {
            value = value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            recorder.record(value >> 40);
        });
    });
    group.finish();
}

/// One request through the session of each service, its reply verified, without a socket and without waiting.
fn codec(c: &mut Criterion) {
    let mut group = c.benchmark_group("codec");
    for entry in services::ALL {
        let service = (entry.build)(&ServiceConfig::default());
        let exchange = (entry.exchange)(64);
        // A poisonous service would take any demand for a reason to die.
        let request = Request { id: 7, size: 64, demand_ns: u64::from(entry.works()) };
        let bytes = exchange.request(&request).to_vec();
        let mut session = service.open();
        let mut output = Vec::new();
        group.bench_function(entry.name, |b| {
            b.iter(|| {
                output.clear();
                let mut next = session.advance(black_box(&bytes), &mut output).next;
                while let Next::Run(job) = next {
                    // What only waits is skipped; what a job brings is made.
                    let idle = matches!(entry.demand, Some("wait" | "block"));
                    let result = if idle { JobOutput::NOTHING } else { job.run() };
                    next = session.complete(result, &mut output);
                }
                exchange.reply(&request).verify(0, &output).expect("the right reply")
            });
        });
    }
    group.finish();
}

/// From the bytes of a bundle to the page.
fn report(c: &mut Criterion) {
    let bytes = bundle::to_bytes(&sample::bundle(&sample::Spec::thousand())).expect("written to memory");
    let mut group = c.benchmark_group("report");
    group.sample_size(10);
    group.bench_function("1000 trials", |b| {
        b.iter(|| {
            let bundle = bundle::parse(black_box(&bytes), Path::new("sample")).expect("whole");
            html::report(&analyse(&bundle)).len()
        });
    });
    group.finish();
}

criterion_group!(benches, schedule, recording, codec, report);
criterion_main!(benches);
