//! The sign-flip permutation test of paired differences, with the signed-rank sum as its statistic.
//!
//! Under the null hypothesis each difference is as likely to have either sign, so every one of the 2^n ways to give the
//! signs is equally likely. The p-value is the share of them whose sum of positive ranks is at least the one seen.
//! Source: Wilcoxon, Individual comparisons by ranking methods (1945); zeros after Pratt, Remarks on zeros and ties in the
//! Wilcoxon signed rank procedures (1959).
//!
//! Ranks and not the differences themselves, for two reasons: one round that went wrong cannot outweigh all others, and an
//! infinite difference (a request that was never answered) is just the largest. The count over all 2^n signs is exact for
//! every n, by adding up one rank at a time: nothing is drawn at random.

/// The probability of a signed-rank sum at least as large as that of `values`, were every sign a fair coin: small when the
/// values lie above 0. 1 without a value other than 0, and never below 1/2^n.
///
/// Time and memory grow with the cube and the square of the number of values: 1,000 take about a second.
pub fn p_above_zero(values: &[f64]) -> f64 {
    let mut ranked = doubled_ranks(values);
    // Without ties every doubled rank is even, and half the sums can be had for nothing.
    if ranked.iter().all(|(_, rank)| rank % 2 == 0) {
        ranked.iter_mut().for_each(|(_, rank)| *rank /= 2);
    }
    let positive: usize = ranked.iter().filter(|(value, _)| *value > 0.0).map(|(_, rank)| rank).sum();
    let ranks: Vec<usize> = ranked.iter().filter(|(value, _)| *value != 0.0).map(|(_, rank)| *rank).collect();
    // How likely each sum is, after each rank in turn.
    let mut likely = vec![0.0; ranks.iter().sum::<usize>() + 1];
    likely[0] = 1.0_f64;
    let mut largest = 0;
    for rank in &ranks {
        largest += rank;
        for sum in (0..=largest).rev() {
            let without = likely[sum];
            let with = sum.checked_sub(*rank).map_or(0.0, |before| likely[before]);
            likely[sum] = (without + with) / 2.0;
        }
    }
    // From the small end, so that rounding does not eat the tail.
    let tail: f64 = likely[positive..].iter().rev().sum();
    tail.clamp(least(ranks.len()), 1.0)
}

/// The smallest p-value that so many values can have: all of one sign.
pub fn least(values: usize) -> f64 {
    0.5_f64.powi(i32::try_from(values).unwrap_or(i32::MAX))
}

/// Each value with twice its rank by magnitude; equal magnitudes share the mean of their ranks, which doubled is whole.
fn doubled_ranks(values: &[f64]) -> Vec<(f64, usize)> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(|a, b| a.abs().total_cmp(&b.abs()));
    let mut ranked = Vec::with_capacity(sorted.len());
    for equal in sorted.chunk_by(|a, b| a.abs() == b.abs()) {
        let (first, last) = (ranked.len() + 1, ranked.len() + equal.len());
        ranked.extend(equal.iter().map(|value| (*value, first + last)));
    }
    ranked
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::random::Random;
    use proptest::prelude::*;

    /// The definition, by trying all signs.
    fn by_enumeration(values: &[f64]) -> f64 {
        let ranked = doubled_ranks(values);
        let seen: usize = ranked.iter().filter(|(value, _)| *value > 0.0).map(|(_, rank)| rank).sum();
        let ranks: Vec<usize> = ranked.iter().filter(|(value, _)| *value != 0.0).map(|one| one.1).collect();
        let sum = |signs: u32| -> usize {
            ranks.iter().enumerate().filter(|(at, _)| signs >> at & 1 == 1).map(|(_, rank)| rank).sum()
        };
        let all = 1_u32 << ranks.len();
        f64::from((0..all).filter(|signs| sum(*signs) >= seen).count() as u32) / f64::from(all)
    }

    #[test]
    fn the_published_tail_of_eight_pairs() {
        // Wilcoxon's table: for 8 pairs a smaller rank sum of at most 3 has a two-sided probability of 0.039.
        let values = [-1.0, -2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
        assert!((2.0 * p_above_zero(&values) - 10.0 / 256.0).abs() < 1e-12);
        assert_eq!(p_above_zero(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]), 1.0 / 256.0);
    }

    #[test]
    fn infinities_zeros_and_nothing_have_a_meaning() {
        let inf = f64::INFINITY;
        assert_eq!(p_above_zero(&[]), 1.0);
        assert_eq!(p_above_zero(&[0.0, 0.0]), 1.0);
        assert_eq!(p_above_zero(&[inf, inf, inf, inf, inf]), least(5));
        assert_eq!(p_above_zero(&[inf, -inf]), 0.75, "ties: three of the four signs reach half the sum");
        assert_eq!(p_above_zero(&[0.0, 1.0, 2.0, 3.0]), 0.125, "a zero speaks for neither side");
    }

    #[test]
    fn a_p_value_is_below_a_level_no_more_often_than_the_level() {
        let mut random = Random::new(77);
        let runs = 4_000;
        let rejected = (0..runs)
            .filter(|_| {
                let values: Vec<f64> = (0..9).map(|_| random.normal()).collect();
                p_above_zero(&values) <= 0.05
            })
            .count();
        // Five standard errors of a binomial(4,000, 0.05): 69.
        assert!((100..=269).contains(&rejected), "{rejected} of {runs}");
    }

    #[test]
    fn very_many_rounds_are_exact_too() {
        let clear: Vec<f64> = (1..=200).map(f64::from).collect();
        assert!(p_above_zero(&clear) > 0.0 && p_above_zero(&clear) < 1e-50);
        let even: Vec<f64> =
            (1..=200).map(|at| if at % 4 < 2 { f64::from(at) } else { -f64::from(at) }).collect();
        assert!((p_above_zero(&even) - 0.5).abs() < 0.05);
    }

    proptest! {
        #[test]
        fn adding_up_agrees_with_trying_all_signs(
            values in prop::collection::vec(prop_oneof![
                (-5_i8..=5).prop_map(f64::from), Just(f64::INFINITY), Just(f64::NEG_INFINITY),
            ], 0..11),
        ) {
            prop_assert!((p_above_zero(&values) - by_enumeration(&values)).abs() < 1e-12);
        }
    }
}
