//! The making of a report: from the bytes of a bundle to the page, as a whole and by its steps.

use bakeoff_reports::analysis::analyse;
use bakeoff_reports::record::bundle;
use bakeoff_reports::sample;
use bakeoff_reports::show::html;
use criterion::{BenchmarkId, Criterion};
use std::cell::LazyCell;
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

pub(crate) fn report(criterion: &mut Criterion) {
    let spec = sample::Spec::thousand();
    let trials = spec.scenarios * spec.models * spec.rounds as usize;
    let mut group = criterion.benchmark_group("report");
    group.sample_size(10).measurement_time(Duration::from_secs(3));
    // Made when a benchmark first runs: `--list` shall not wait for it.
    let sample = LazyCell::new(|| sample::bundle(&spec));
    let bytes = LazyCell::new(|| bundle::to_bytes(&sample).expect("written to memory"));
    let analysis = LazyCell::new(|| analyse(&sample));
    let parse = || bundle::parse(black_box(&bytes), Path::new("sample")).expect("whole");
    group.bench_function(BenchmarkId::new("whole", trials), |bencher| {
        LazyCell::force(&bytes);
        bencher.iter(|| html::report(&analyse(&parse())).len());
    });
    group.bench_function(BenchmarkId::new("parse", trials), |bencher| {
        LazyCell::force(&bytes);
        bencher.iter(parse);
    });
    group.bench_function(BenchmarkId::new("analyse", trials), |bencher| {
        LazyCell::force(&sample);
        bencher.iter(|| analyse(black_box(&sample)));
    });
    group.bench_function(BenchmarkId::new("html", trials), |bencher| {
        LazyCell::force(&analysis);
        bencher.iter(|| html::report(black_box(&analysis)).len());
    });
    group.finish();
}
