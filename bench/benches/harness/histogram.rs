//! The way of a time: recorded by a worker, encoded into its part, decoded and merged by the runner, read by the report.

use bakeoff_reports::record::histogram::Recorder;
use bakeoff_reports::stats::quantile::Distribution;
use bakeoff_reports::stats::random::Random;
use criterion::{Criterion, Throughput};
use std::hint::black_box;

/// Values of a histogram that stands for a trial's.
const VALUES: u64 = 100_000;

/// The response times of a trial, made up: a median of 100 us with a tail to some milliseconds.
fn filled(seed: u64) -> Recorder {
    let mut random = Random::new(seed);
    let mut recorder = Recorder::fine();
    for _ in 0..VALUES {
        recorder.record((100_000.0 * random.normal().exp()) as u64);
    }
    recorder
}

pub(crate) fn path(criterion: &mut Criterion) {
    let (one, other) = (filled(1), filled(2));
    let encoded = one.encode();
    let mut group = criterion.benchmark_group("histogram");
    group.throughput(Throughput::Elements(1));
    group.bench_function("record", |bencher| {
        let mut recorder = Recorder::fine();
        let mut value = 1_u64;
        bencher.iter(|| {
            value = value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            recorder.record(value >> 40);
        });
    });
    group.bench_function("encode", |bencher| bencher.iter(|| black_box(&one).encode()));
    group.bench_function("decode", |bencher| {
        bencher.iter(|| Recorder::decode(black_box(&encoded)).expect("our own encoding"));
    });
    group.bench_function("merge", |bencher| {
        let mut sum = one.clone();
        bencher.iter(|| sum.merge(black_box(&other)));
    });
    group.bench_function("quantiles", |bencher| {
        bencher.iter(|| {
            let times = Distribution::new(black_box(&one), VALUES);
            [0.5, 0.99, 0.999].map(|p| times.quantile(p))
        });
    });
    group.finish();
}
