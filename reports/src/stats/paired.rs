//! Ratios between two contenders, paired by round: what the machine did in a round, it did to both.
//!
//! Every ratio is a *factor behind*: how many times worse the second is than the first. 1 is equal, 2 is half the
//! throughput or twice the latency, infinite is "never answered", below 1 is better.

use super::bootstrap::CONFIDENCE;
use super::estimate::Estimate;
use super::random::Random;

/// Whether more or less of a figure is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// More: throughput.
    More,
    /// Less: latency.
    Less,
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
) -> Option<Estimate> {
    let pairs = reference.iter().zip(other);
    let logs: Vec<f64> =
        pairs.filter_map(|(reference, other)| Some(log_behind((*reference)?, (*other)?, better))).collect();
    Some(Estimate::at(&logs, CONFIDENCE, random)?.map(f64::exp))
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
    }
}
