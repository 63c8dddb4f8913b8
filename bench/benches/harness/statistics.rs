//! The statistics behind a verdict, by how much they are given.

use bakeoff_reports::stats::bootstrap::median_interval;
use bakeoff_reports::stats::multiple::adjusted;
use bakeoff_reports::stats::paired::{Better, factor};
use bakeoff_reports::stats::random::Random;
use bakeoff_reports::stats::signed_rank::p_above_zero;
use criterion::{BenchmarkId, Criterion};
use std::hint::black_box;

/// Rounds of a run: what `bakeoff run` does by itself, a careful run, and a very long one.
const ROUNDS: [usize; 3] = [8, 25, 100];
/// Comparisons of a run: 8 models under one workload, and under 36.
const COMPARISONS: [usize; 2] = [28, 1_008];

/// Logarithms of ratios around a small lead.
fn differences(rounds: usize) -> Vec<f64> {
    let mut random = Random::named(1, &["differences"]);
    (0..rounds).map(|_| 0.05 + 0.1 * random.normal()).collect()
}

pub(crate) fn statistics(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("statistics");
    for rounds in ROUNDS {
        let values = differences(rounds);
        group.bench_with_input(BenchmarkId::new("bootstrap", rounds), &values, |bencher, values| {
            let mut random = Random::new(1);
            bencher.iter(|| median_interval(black_box(values), &mut random).expect("there are rounds"));
        });
        group.bench_with_input(BenchmarkId::new("signed-rank", rounds), &values, |bencher, values| {
            bencher.iter(|| p_above_zero(black_box(values)));
        });
        group.bench_with_input(BenchmarkId::new("paired", rounds), &values, |bencher, values| {
            let rates = |lead: f64| values.iter().map(|v| Some((v * lead).exp())).collect::<Vec<_>>();
            let (one, other) = (rates(1.0), rates(2.0));
            let mut random = Random::new(1);
            bencher.iter(|| factor(black_box(&one), &other, Better::Less, &mut random).expect("pairs"));
        });
    }
    for comparisons in COMPARISONS {
        let mut random = Random::named(1, &["p-values"]);
        let p: Vec<f64> = (0..comparisons).map(|_| random.unit()).collect();
        group.bench_with_input(BenchmarkId::new("benjamini-hochberg", comparisons), &p, |bencher, p| {
            bencher.iter(|| adjusted(black_box(p)));
        });
    }
    group.finish();
}
