//! What chance alone makes of a comparison: the noise floor, from the run's own pairs.
//!
//! Were A and B the same build, each paired difference would be as likely to have either sign. So the differences, less their
//! median, are given random signs many times over, and the noise floor is what the median of such a set exceeds to either
//! side in 2.5 % of cases. It is an A/A run made of the very rounds that are judged, without the time for one. A
//! difference below it is what this machine shows of nothing at all.

use crate::stats::median;
use crate::stats::random::Random;

/// Sets of random signs: the 97.5 % point then has a standard error of 0.35 percentage points of its rank.
const SETS: usize = 2_000;

/// The share of sets whose median lies within the noise floor.
const WITHIN: f64 = 0.975;

/// The noise floor of paired logarithms, as a share above 0; `None` without a finite median.
pub(crate) fn floor(logs: &[f64], random: &mut Random) -> Option<f64> {
    let middle = median(logs).filter(|middle| middle.is_finite())?;
    let mut off: Vec<f64> = logs.iter().map(|log| (log - middle).abs()).collect();
    off.sort_unstable_by(f64::total_cmp);
    let mut signs = Signs::of(off.len());
    let mut medians: Vec<f64> = (0..SETS)
        .map(|_| {
            signs.draw(random);
            signed_median(&off, &signs).abs()
        })
        .collect();
    medians.sort_unstable_by(f64::total_cmp);
    let point = (WITHIN * SETS as f64) as usize;
    Some(medians[point.min(SETS - 1)].exp_m1())
}

/// A random sign for each of so many values, a bit each.
struct Signs {
    words: Vec<u64>,
    count: usize,
}

impl Signs {
    fn of(count: usize) -> Self {
        Self { words: vec![0; count.div_ceil(64)], count }
    }

    fn draw(&mut self, random: &mut Random) {
        self.words.iter_mut().for_each(|word| *word = random.next_u64());
        // Bits beyond the last value must not be counted.
        let beyond = self.words.len() * 64 - self.count;
        if let Some(last) = self.words.last_mut() {
            *last >>= beyond;
        }
    }

    fn negative(&self, at: usize) -> bool {
        self.words[at / 64] >> (at % 64) & 1 == 1
    }

    fn negatives(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }
}

/// The median of ascending magnitudes with their signs, without sorting them again: from the smallest value on come the
/// negative ones downwards, then the others upwards.
fn signed_median(magnitudes: &[f64], signs: &Signs) -> f64 {
    let negatives = signs.negatives();
    let nth = |place: usize| {
        let (negative, mut before) = match place.checked_sub(negatives) {
            None => (true, negatives - 1 - place),
            Some(above) => (false, above),
        };
        for (at, magnitude) in magnitudes.iter().enumerate() {
            if signs.negative(at) == negative {
                if before == 0 {
                    return if negative { -magnitude } else { *magnitude };
                }
                before -= 1;
            }
        }
        0.0
    };
    let count = magnitudes.len();
    if count % 2 == 1 {
        return nth(count / 2);
    }
    median(&[nth(count / 2 - 1), nth(count / 2)]).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signed_median_is_the_median_of_the_signed_values() {
        let mut random = Random::new(4);
        for count in (1..30).chain([63, 64, 65, 128, 130]) {
            let mut magnitudes: Vec<f64> = (0..count).map(|_| random.unit()).collect();
            magnitudes.sort_unstable_by(f64::total_cmp);
            let mut signs = Signs::of(count);
            signs.draw(&mut random);
            let sign = |(at, value): (usize, &f64)| if signs.negative(at) { -value } else { *value };
            let signed: Vec<f64> = magnitudes.iter().enumerate().map(sign).collect();
            assert_eq!(Some(signed_median(&magnitudes, &signs)), median(&signed), "{count} values");
        }
    }

    #[test]
    fn signs_are_fair() {
        let (mut random, mut signs) = (Random::new(5), Signs::of(70));
        let negatives: usize = (0..1_000)
            .map(|_| {
                signs.draw(&mut random);
                signs.negatives()
            })
            .sum();
        // Five standard deviations of a binomial(70,000, 1/2).
        assert!(negatives.abs_diff(35_000) < 662, "{negatives}");
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
