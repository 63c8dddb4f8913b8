//! The statistics behind the verdicts: quantiles with censoring, seeded random numbers, bootstrap, estimates, paired ratios, the
//! permutation test, many comparisons, power, how often something happens.
//!
//! Pure arithmetic on slices. Nothing here knows of models or workloads, reads a clock, or returns NaN: infinity is a
//! legal value (a request that was never answered took infinitely long), and every function says what it makes of it.

pub mod bootstrap;
pub mod censored;
pub mod estimate;
pub mod multiple;
pub mod paired;
pub mod power;
pub mod quantile;
pub mod random;
pub mod rate;
pub mod signed_rank;
pub(crate) mod threads;

/// The median of values that may be infinite; `None` for none.
///
/// With an even number it is the mean of the middle two. The mean of minus and plus infinity is taken as 0: in this
/// crate that means "as often infinitely better as infinitely worse", which is no difference.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    median_in_place(&mut sorted)
}

/// [`median`] that sorts `values` instead of a copy.
pub fn median_in_place(values: &mut [f64]) -> Option<f64> {
    debug_assert!(values.iter().all(|value| !value.is_nan()), "NaN has no place in an order");
    values.sort_unstable_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => None,
        n if n % 2 == 1 => Some(values[half]),
        _ if values[half - 1] == values[half] => Some(values[half]),
        _ if values[half - 1].is_infinite() && values[half].is_infinite() => Some(0.0),
        _ => Some(values[half - 1] / 2.0 + values[half] / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_defined_for_infinities() {
        let inf = f64::INFINITY;
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[1.0, inf, inf]), Some(inf));
        assert_eq!(median(&[1.0, inf]), Some(inf));
        assert_eq!(median(&[inf, inf]), Some(inf));
        assert_eq!(median(&[-inf, inf]), Some(0.0));
    }
}
