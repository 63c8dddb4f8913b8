//! Ratios between two contenders, paired by round: what the machine did in a round, it did to both.
//!
//! Every ratio is a *factor behind*: how many times worse the second is than the first. 1 is equal, 2 is half the
//! throughput or twice the latency, infinite is "never answered", below 1 is better.

use super::bootstrap::{CONFIDENCE, median_interval_at};
use super::random::Random;

/// Whether more or less of a figure is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// More: throughput.
    More,
    /// Less: latency.
    Less,
}

/// The median of a paired factor, with its bootstrap interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Factor {
    /// Median over the rounds.
    pub median: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// Rounds in which both had a figure.
    pub rounds: usize,
}

/// The natural logarithm of how many times worse `other` is than `reference`. Never NaN: two infinite latencies, or
/// two throughputs of zero, are equal.
pub fn log_behind(reference: f64, other: f64, better: Better) -> f64 {
    debug_assert!(reference >= 0.0 && other >= 0.0, "figures are not negative");
    let (worse, base) = match better {
        Better::More => (reference, other),
        Better::Less => (other, reference),
    };
    if worse == base { 0.0 } else { (worse / base).ln() }
}

/// How far `other` is behind `reference` over the rounds in which both have a figure; `None` when they share none.
pub fn factor(
    reference: &[Option<f64>],
    other: &[Option<f64>],
    better: Better,
    random: &mut Random,
) -> Option<Factor> {
    let pairs = reference.iter().zip(other);
    let logs: Vec<f64> =
        pairs.filter_map(|(reference, other)| Some(log_behind((*reference)?, (*other)?, better))).collect();
    factor_of(&logs, random)
}

/// The median factor of the logarithms of how far behind, with its interval; `None` without a round.
pub fn factor_of(logs: &[f64], random: &mut Random) -> Option<Factor> {
    factor_at(logs, CONFIDENCE, random)
}

/// The same with an interval of another nominal confidence.
pub fn factor_at(logs: &[f64], confidence: f64, random: &mut Random) -> Option<Factor> {
    let median = super::median(logs)?.exp();
    let (low, high) = median_interval_at(logs, confidence, random)?;
    Some(Factor { median, low: low.exp(), high: high.exp(), rounds: logs.len() })
}

impl Factor {
    /// Whether the whole interval lies within a factor of 1 plus `floor` to either side.
    pub fn inside(&self, floor: f64) -> bool {
        self.low >= 1.0 / (1.0 + floor) && self.high <= 1.0 + floor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worse_is_above_one_in_both_directions() {
        assert_eq!(log_behind(200.0, 100.0, Better::More), 2_f64.ln());
        assert_eq!(log_behind(100.0, 200.0, Better::Less), 2_f64.ln());
    }

    #[test]
    fn infinite_latency_and_zero_throughput_order_without_nan() {
        let inf = f64::INFINITY;
        assert_eq!(log_behind(5.0, inf, Better::Less), inf);
        assert_eq!(log_behind(inf, 5.0, Better::Less), -inf);
        assert_eq!(log_behind(inf, inf, Better::Less), 0.0);
        assert_eq!(log_behind(5.0, 0.0, Better::More), inf);
        assert_eq!(log_behind(0.0, 0.0, Better::More), 0.0);
    }

    #[test]
    fn pairing_cancels_what_a_round_does_to_both() {
        let first: Vec<_> = [100.0, 260.0, 150.0, 90.0, 200.0].map(Some).to_vec();
        let second: Vec<_> = first.iter().map(|figure| figure.map(|value| value / 2.0)).collect();
        let factor = factor(&first, &second, Better::More, &mut Random::new(1)).expect("five rounds");
        let close = |value: f64| (value - 2.0).abs() < 1e-12;
        assert!(close(factor.median) && close(factor.low) && close(factor.high), "{factor:?}");
    }

    #[test]
    fn rounds_that_one_of_them_missed_do_not_count() {
        let factor = factor(
            &[Some(1.0), None, Some(1.0)],
            &[Some(3.0), Some(9.0), None],
            Better::Less,
            &mut Random::new(1),
        );
        assert_eq!(factor.expect("one round").rounds, 1);
        assert_eq!(factor_of(&[], &mut Random::new(1)), None);
    }

    #[test]
    fn inside_the_floor_is_the_whole_interval_to_both_sides() {
        let factor = |low, high| Factor { median: 1.0, low, high, rounds: 8 };
        assert!(factor(1.0 / 1.03, 1.03).inside(0.03));
        assert!(!factor(0.97, 1.03).inside(0.03), "a factor of 1/1.03 is 0.9709");
        assert!(!factor(1.0, 1.04).inside(0.03) && !factor(1.0, f64::INFINITY).inside(0.03));
    }
}
