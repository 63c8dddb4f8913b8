//! What chance alone makes of a comparison: the noise floor, from the run's own pairs.
//!
//! Were A and B the same build, each paired difference would be as likely to have either sign. So the differences, less their
//! median, are given random signs many times over, and the noise floor is what the median of such a set exceeds to either
//! side in 2.5 % of cases. It is an A/A run made of the very rounds that are judged, without the time for one. A
//! difference below it is what this machine shows of nothing at all.

use crate::statistics::median;
use crate::statistics::random::Random;

/// Sets of random signs: the 97.5 % point then has a standard error of 0.35 percentage points of its rank.
const SETS: usize = 2_000;

/// The share of sets whose median lies within the noise floor.
const WITHIN: f64 = 0.975;

/// The noise floor of paired logarithms, as a share above 0; `None` without a finite median.
pub(crate) fn floor(logs: &[f64], random: &mut Random) -> Option<f64> {
    let middle = median(logs).filter(|middle| middle.is_finite())?;
    let mut off: Vec<f64> = logs.iter().map(|log| (log - middle).abs()).collect();
    off.sort_unstable_by(f64::total_cmp);
    let mut signs = vec![false; off.len()];
    let mut medians: Vec<f64> = (0..SETS)
        .map(|_| {
            signs.iter_mut().for_each(|sign| *sign = random.next_u64() >> 63 == 1);
            signed_median(&off, &signs).abs()
        })
        .collect();
    medians.sort_unstable_by(f64::total_cmp);
    let point = (WITHIN * SETS as f64) as usize;
    Some(medians[point.min(SETS - 1)].exp_m1())
}

/// The median of ascending magnitudes of which the marked ones are negative, without sorting them again: from the
/// smallest value on come the negative ones downwards, then the others upwards.
fn signed_median(magnitudes: &[f64], negative: &[bool]) -> f64 {
    let in_order = || {
        let all = magnitudes.iter().zip(negative);
        let below = all.clone().rev().filter(|(_, negative)| **negative).map(|(value, _)| -value);
        below.chain(all.filter(|(_, negative)| !**negative).map(|(value, _)| *value))
    };
    let count = magnitudes.len();
    let mut middle = in_order().skip((count - 1) / 2);
    let first = middle.next().unwrap_or(0.0);
    let second = if count % 2 == 1 { first } else { middle.next().unwrap_or(first) };
    median(&[first, second]).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signed_median_is_the_median_of_the_signed_values() {
        let mut random = Random::new(4);
        for count in 1..30 {
            let mut magnitudes: Vec<f64> = (0..count).map(|_| random.unit()).collect();
            magnitudes.sort_unstable_by(f64::total_cmp);
            let negative: Vec<bool> = (0..count).map(|_| random.unit() < 0.5).collect();
            let signed: Vec<f64> =
                magnitudes.iter().zip(&negative).map(|(value, n)| if *n { -value } else { *value }).collect();
            assert_eq!(Some(signed_median(&magnitudes, &negative)), median(&signed));
        }
    }

    #[test]
    fn it_is_what_medians_of_nothing_reach() {
        // Known from theory: the median of n normal values has a standard error of 1.2533 s / sqrt(n), and 97.5 % of
        // its magnitudes lie below 2.24 of these.
        let mut random = Random::new(9);
        let (spread, count) = (0.03, 400);
        let logs: Vec<f64> = (0..count).map(|_| 0.2 + spread * random.normal()).collect();
        let floor = floor(&logs, &mut random).expect("they are finite");
        let expected = 2.24 * 1.2533 * spread / f64::from(count).sqrt();
        assert!((floor / expected - 1.0).abs() < 0.25, "{floor} for {expected}");
    }

    #[test]
    fn no_noise_and_no_number() {
        assert_eq!(floor(&[0.1; 9], &mut Random::new(1)), Some(0.0));
        assert_eq!(floor(&[f64::INFINITY; 9], &mut Random::new(1)), None);
        assert_eq!(floor(&[], &mut Random::new(1)), None);
        let few = [0.0, 0.01, -0.01, 0.02, f64::INFINITY];
        assert!(floor(&few, &mut Random::new(1)).is_some_and(|floor| floor > 0.0));
    }
}
