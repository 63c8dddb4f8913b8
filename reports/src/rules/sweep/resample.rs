//! The bootstrap over rounds, for figures that are read off a whole curve: a resample draws rounds with replacement, the
//! same for all models and all points, so that what a round did to all stays common to all.
//!
//! It must not know what the figure is.

use crate::stats::bootstrap::{CONFIDENCE, RESAMPLES};
use crate::stats::median_in_place;
use crate::stats::random::Random;

/// A figure of every point in every round; absent where a trial is missing or told nothing.
pub(crate) type Grid = Vec<Vec<Option<f64>>>;

/// What `figure` says of each of [`RESAMPLES`] resamples of `rounds` rounds, given as indices.
pub(crate) fn over_rounds<T>(
    rounds: usize,
    random: &mut Random,
    mut figure: impl FnMut(&[usize], &mut Random) -> T,
) -> Vec<T> {
    let base = random.next_u64();
    let mut drawn = vec![0; rounds];
    let one = |number: u64| {
        // A stream of its own for each, as in the bootstrap of a median.
        let mut random = Random::new(base.wrapping_add(number.wrapping_mul(0xd134_2543_de82_ef95)));
        drawn.fill_with(|| random.below(rounds.max(1)));
        figure(&drawn, &mut random)
    };
    (0..RESAMPLES as u64).map(one).collect()
}

/// The median of a point over the drawn rounds; `None` when none of them has a figure.
pub(crate) fn median_of(point: &[Option<f64>], drawn: &[usize]) -> Option<f64> {
    let mut values: Vec<f64> = drawn.iter().filter_map(|round| point[*round]).collect();
    median_in_place(&mut values)
}

/// The ends of the central [`CONFIDENCE`] of what the resamples said; `None` for nothing.
pub(crate) fn ends(mut values: Vec<f64>) -> Option<(f64, f64)> {
    values.sort_unstable_by(f64::total_cmp);
    let low = ((1.0 - CONFIDENCE) / 2.0 * values.len() as f64) as usize;
    Some((*values.get(low)?, values[values.len() - 1 - low]))
}

/// A place on an axis for interpolation: logarithmic, and from 1 on where the axis begins at zero.
pub(crate) fn scale(value: f64, from_zero: bool) -> f64 {
    if from_zero { value.ln_1p() } else { value.ln() }
}

/// The inverse of [`scale`].
pub(crate) fn unscale(at: f64, from_zero: bool) -> f64 {
    if from_zero { at.exp_m1() } else { at.exp() }
}
