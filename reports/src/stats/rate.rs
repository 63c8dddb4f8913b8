//! How often something happens, from how often it did: exact bounds on a probability.
//!
//! Source: Clopper and Pearson, The use of confidence or fiducial limits illustrated in the case of the binomial (1934).
//! Exact means that the bounds hold with at least the stated confidence for every true probability, also for 0 of 300, where
//! bounds from the normal distribution are of no width at all.

use super::bootstrap::CONFIDENCE;

/// Halvings of the range: more than a double has digits for.
const HALVINGS: usize = 60;

/// The two-sided 95 % interval of the probability of what happened `hits` times in `trials`, 0 to 1; all of it without a
/// trial.
pub fn interval(hits: u64, trials: u64) -> (f64, f64) {
    let tail = (1.0 - CONFIDENCE) / 2.0;
    (lower(hits, trials, tail), upper(hits, trials, tail))
}

/// The bound that the probability lies below with a confidence of 95 %, one-sided: 0 of 300 is at most 1 %.
pub fn at_most(hits: u64, trials: u64) -> f64 {
    upper(hits, trials, 1.0 - CONFIDENCE)
}

/// The bound that the probability lies above with a confidence of 95 %, one-sided.
pub fn at_least(hits: u64, trials: u64) -> f64 {
    lower(hits, trials, 1.0 - CONFIDENCE)
}

/// The probability under which so few hits would have the probability `tail`.
fn upper(hits: u64, trials: u64, tail: f64) -> f64 {
    if hits >= trials { 1.0 } else { solve(|p| at_most_hits(hits, trials, p) > tail) }
}

/// The probability under which so many hits would have the probability `tail`: the mirror image.
fn lower(hits: u64, trials: u64, tail: f64) -> f64 {
    1.0 - upper(trials.saturating_sub(hits), trials, tail)
}

/// Where a condition that holds at 0 stops to hold.
fn solve(holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        let middle = (low + high) / 2.0;
        if holds(middle) { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

/// The probability of at most so many hits when each trial hits with probability `p`, above 0 and below 1.
fn at_most_hits(hits: u64, trials: u64, p: f64) -> f64 {
    // As logarithms: a single term can be far below what a double holds.
    let mut term = trials as f64 * (-p).ln_1p();
    let step = p.ln() - (-p).ln_1p();
    let mut sum = term.exp();
    for hit in 1..=hits {
        term += ((trials - hit + 1) as f64 / hit as f64).ln() + step;
        sum += term.exp();
    }
    sum.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::random::Random;

    #[test]
    fn the_published_intervals() {
        // The example of R's binom.test, Mendel's peas after Conover (1971): 682 of 925.
        let (low, high) = interval(682, 925);
        assert!((low - 0.707_668_3).abs() < 1e-7 && (high - 0.765_406_6).abs() < 1e-7, "{low} {high}");
        // Clopper and Pearson's limits for ten trials, as tables have them.
        for (hits, low, high) in
            [(0, 0.0, 0.3085), (1, 0.0025, 0.4450), (5, 0.1871, 0.8129), (10, 0.6915, 1.0)]
        {
            let found = interval(hits, 10);
            assert!((found.0 - low).abs() < 5e-5 && (found.1 - high).abs() < 5e-5, "{hits}: {found:?}");
        }
    }

    #[test]
    fn no_hit_has_a_closed_form() {
        // (1 - p)^n = 0.05. "0 of 60 supports at most 5 %, 0 of 300 at most 1 %."
        for trials in [60_u32, 300] {
            let expected = 1.0 - 0.05_f64.powf(1.0 / f64::from(trials));
            assert!((at_most(0, trials.into()) - expected).abs() < 1e-12);
            assert!((at_least(trials.into(), trials.into()) - (1.0 - expected)).abs() < 1e-12);
        }
        assert!(at_most(0, 60) < 0.05 && at_most(0, 300) < 0.01);
        assert_eq!(interval(0, 0), (0.0, 1.0));
    }

    #[test]
    fn very_many_trials_do_not_underflow() {
        let (low, high) = interval(50_000, 100_000);
        // The normal approximation is good here: 1.96 standard errors of 0.00158.
        assert!((low - 0.4969).abs() < 1e-4 && (high - 0.5031).abs() < 1e-4, "{low} {high}");
    }

    #[test]
    fn the_true_probability_is_covered_as_often_as_stated() {
        let mut random = Random::new(31);
        let runs = 1_000;
        let covered = (0..runs)
            .filter(|_| {
                let hits = (0..40).filter(|_| random.unit() < 0.1).count() as u64;
                let (low, high) = interval(hits, 40);
                (low..=high).contains(&0.1)
            })
            .count();
        // At least 950; the exact interval is a little wide. Three standard errors are 21.
        assert!(covered >= 929, "{covered} of {runs}");
    }
}
