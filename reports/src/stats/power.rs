//! What a number of rounds can show: the spread of paired differences, the least effect they would find, and how many
//! rounds a smaller one would take. Estimates for planning, never part of a decision.

use super::median;

/// How many times `s / sqrt(R)` an effect must measure to be found in 80 % of runs at 5 %, two-sided: 2.8 standard errors, the
/// sum of the 97.5 % and the 80 % points of the normal distribution (Bloom, Minimum detectable effects, 1995), of a median,
/// whose standard error under normal noise is sqrt(pi/2) = 1.25 times that of a mean: 3.5. The interval and the ranks ask a
/// little more, which the simulation of the rule shows: with 3.5 it finds 70 % of 200, with 4 about 80 %.
pub const STANDARD_ERRORS: f64 = 4.0;

/// What makes the median absolute deviation of normal noise its standard deviation: 1 over the 75 % point.
const MAD_TO_SIGMA: f64 = 1.482_602_218_505_602;

/// The spread of values, as the standard deviation that normal noise would have, from the median absolute deviation: a
/// few wild rounds do not move it. `None` for fewer than two values, or when it is infinite.
pub fn spread(values: &[f64]) -> Option<f64> {
    let middle = median(values).filter(|middle| middle.is_finite() && values.len() >= 2)?;
    let off: Vec<f64> = values.iter().map(|value| (value - middle).abs()).collect();
    median(&off).map(|mad| mad * MAD_TO_SIGMA).filter(|spread| spread.is_finite())
}

/// The least effect that `rounds` rounds with this spread find with a power of 80 %: `4 s / sqrt(R)`.
pub fn detectable(spread: f64, rounds: usize) -> f64 {
    STANDARD_ERRORS * spread / (rounds.max(1) as f64).sqrt()
}

/// The rounds that an effect of this size takes, the other way round: `(4 s / effect)^2`, at most `most`.
pub fn rounds_for(spread: f64, effect: f64, most: usize) -> usize {
    let rounds = (STANDARD_ERRORS * spread / effect.abs()).powi(2).ceil();
    // No number means no spread over no effect.
    if rounds.is_nan() || rounds >= most as f64 { most } else { rounds as usize }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::random::Random;

    #[test]
    fn the_spread_of_normal_noise_is_its_standard_deviation() {
        let mut random = Random::new(5);
        let values: Vec<f64> = (0..20_000).map(|_| 3.0 + 0.25 * random.normal()).collect();
        // The standard error of the estimate is 1.17 s / sqrt(n): 0.002.
        assert!((spread(&values).expect("many") - 0.25).abs() < 0.01);
        assert_eq!(spread(&[f64::INFINITY, f64::INFINITY, 1.0]), None);
        assert_eq!(spread(&[1.0]), None);
        assert_eq!(spread(&[2.0; 5]), Some(0.0));
    }

    #[test]
    fn rounds_and_effects_are_two_sides_of_one_formula() {
        let effect = detectable(0.1, 16);
        assert!((effect - 0.1).abs() < 1e-12);
        assert_eq!(rounds_for(0.1, effect * 0.999, 1_000), 17);
        assert_eq!(rounds_for(0.1, 0.0, 1_000), 1_000);
        assert_eq!(rounds_for(0.0, 0.0, 1_000), 1_000);
    }
}
