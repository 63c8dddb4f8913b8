//! What a worker draws before and while it runs, and what the runner makes of the workers' parts.

use bakeoff::swarm::merge::{WorkerPart, merge};
use bakeoff::swarm::schedule::Schedule;
use bakeoff::workload::load::{Arrivals, DemandShape, Load, RateShape, RequestShape, Timing};
use bakeoff_reports::sample;
use criterion::{BatchSize, Criterion, Throughput};
use std::hint::black_box;
use std::time::Duration;

/// Arrivals of an open loop: a window of one second at so many a second.
const RATE: u64 = 100_000;
/// Workers whose parts are merged.
const WORKERS: u32 = 8;

const TIMING: Timing = Timing {
    warmup: Duration::ZERO,
    window: Duration::from_secs(1),
    timeout: Duration::from_secs(1),
    drain: Duration::ZERO,
};

fn request() -> RequestShape {
    RequestShape::new(64, DemandShape::Exponential { mean: Duration::from_micros(100) })
}

fn open(arrivals: Arrivals, shape: RateShape) -> Load {
    Load::Open { clients: 64, rate_per_s: RATE as f64, arrivals, shape }
}

/// Open loops are drawn before the start, so many arrivals each; a closed loop draws each request when it is due.
pub(crate) fn schedules(criterion: &mut Criterion) {
    let bursts = RateShape::Bursts { on: Duration::from_millis(20), off: Duration::from_millis(80) };
    let loops = [
        ("fixed", open(Arrivals::Fixed, RateShape::Steady)),
        ("poisson", open(Arrivals::Poisson, RateShape::Steady)),
        ("bursts", open(Arrivals::Poisson, bursts)),
    ];
    let mut group = criterion.benchmark_group("schedule");
    group.throughput(Throughput::Elements(RATE));
    for (name, load) in &loops {
        group.bench_function(*name, |bencher| {
            bencher
                .iter(|| Schedule::new(black_box(1), load, &request(), &TIMING, 0, 1).expect("a valid load"));
        });
    }
    group.throughput(Throughput::Elements(RATE / u64::from(WORKERS)));
    group.bench_function("shard", |bencher| {
        let load = &loops[1].1;
        bencher.iter(|| {
            Schedule::new(black_box(1), load, &request(), &TIMING, 0, WORKERS).expect("a valid load")
        });
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("request", |bencher| {
        let load = Load::Closed { clients: 64, think: Duration::ZERO };
        let schedule = Schedule::new(1, &load, &request(), &TIMING, 0, 1).expect("a valid load");
        let mut number = 0;
        bencher.iter(|| {
            number += 1;
            schedule.request_of(black_box(7), number)
        });
    });
    group.finish();
}

/// The parts of all workers of a trial, with all their histograms, put together.
pub(crate) fn parts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("swarm");
    group.throughput(Throughput::Elements(WORKERS.into()));
    group.bench_function("merge", |bencher| {
        let bundle =
            sample::bundle(&sample::Spec { scenarios: 1, models: 1, rounds: 1, ..Default::default() });
        let measured = bundle.trials[0].measured.value().expect("a sample is measured").clone();
        let part = |shard| WorkerPart { shard, shards: WORKERS, measured: measured.clone() };
        let parts: Vec<_> = (0..WORKERS).map(part).collect();
        bencher.iter_batched(
            || parts.clone(),
            |parts| merge(parts).expect("parts of one trial"),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}
