//! Axes: from figures to pixels, and where the ticks stand. Every range is made valid here: no infinity, no NaN, no
//! empty range, no zero on a logarithmic axis reaches the drawing.

/// An axis over a range of positive or non-negative figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Axis {
    low: f64,
    high: f64,
    logarithmic: bool,
}

impl Axis {
    /// A logarithmic axis that holds the finite positive ones of `values` with some room; `None` when there are none.
    pub(crate) fn logarithmic(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let (low, high) = range(values.into_iter().filter(|value| *value > 0.0))?;
        let (mut low, mut high) = (low.log10() - 0.08, high.log10() + 0.08);
        let missing = 0.6 - (high - low);
        if missing > 0.0 {
            (low, high) = (low - missing / 2.0, high + missing / 2.0);
        }
        Some(Self { low, high, logarithmic: true })
    }

    /// A linear axis from 0 that holds the finite ones of `values`; `None` when there are none.
    pub(crate) fn from_zero(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let (_, high) = range(values)?;
        Some(Self { low: 0.0, high: if high > 0.0 { high * 1.06 } else { 1.0 }, logarithmic: false })
    }

    /// A linear axis over exactly this range.
    pub(crate) fn exactly(low: f64, high: f64) -> Self {
        let valid = low.is_finite() && high.is_finite() && low < high;
        let (low, high) = if valid { (low, high) } else { (0.0, 1.0) };
        Self { low, high, logarithmic: false }
    }

    /// Where a figure lies, 0 at the low end to 1 at the high end; figures outside are held at the ends.
    pub(crate) fn place(&self, value: f64) -> f64 {
        let at = if self.logarithmic { value.max(f64::MIN_POSITIVE).log10() } else { value };
        ((at - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    /// The figures to mark, ascending, about `wanted` of them.
    pub(crate) fn ticks(&self, wanted: usize) -> Vec<f64> {
        if self.logarithmic { self.log_ticks(wanted) } else { self.linear_ticks(wanted) }
    }

    fn log_ticks(&self, wanted: usize) -> Vec<f64> {
        let decades = (self.low.floor() as i32)..=(self.high.ceil() as i32);
        let with = |digits: &[f64]| -> Vec<f64> {
            let all =
                decades.clone().flat_map(|ten| digits.iter().map(move |digit| digit * 10_f64.powi(ten)));
            all.filter(|value| (self.low..=self.high).contains(&value.log10())).collect()
        };
        let choices =
            [with(&[1.0, 1.5, 2.0, 3.0, 5.0, 7.0]), with(&[1.0, 2.0, 5.0]), with(&[1.0, 3.0]), with(&[1.0])];
        let ticks = choices.iter().find(|ticks| ticks.len() <= wanted + 1).unwrap_or(&choices[3]);
        let every = ticks.len().div_ceil(wanted.max(1) + 1).max(1);
        ticks.iter().copied().step_by(every).collect()
    }

    fn linear_ticks(&self, wanted: usize) -> Vec<f64> {
        let rough = (self.high - self.low) / wanted.max(1) as f64;
        let ten = 10_f64.powf(rough.log10().floor());
        let step =
            [1.0, 2.0, 2.5, 5.0, 10.0].map(|digit| digit * ten).into_iter().find(|step| *step >= rough);
        let step = step.unwrap_or(10.0 * ten);
        let first = (self.low / step).ceil() as i64;
        (first..).map(|at| at as f64 * step).take_while(|value| *value <= self.high * (1.0 + 1e-9)).collect()
    }
}

/// Smallest and largest of the finite values.
fn range(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    let finite = values.into_iter().filter(|value| value.is_finite());
    finite.fold(None, |range, value| match range {
        None => Some((value, value)),
        Some((low, high)) => Some((f64::min(low, value), f64::max(high, value))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_to_show_is_no_axis() {
        assert_eq!(Axis::logarithmic([0.0, -1.0, f64::INFINITY, f64::NAN]), None);
        assert_eq!(Axis::from_zero([f64::INFINITY]), None);
        assert_eq!(Axis::exactly(3.0, 3.0), Axis::exactly(0.0, 1.0));
    }

    #[test]
    fn ticks_are_round_figures() {
        assert_eq!(Axis::from_zero([9.4]).map(|axis| axis.ticks(5)), Some(vec![0.0, 2.0, 4.0, 6.0, 8.0]));
        let axis = Axis::logarithmic([90.0, 11_000.0]).expect("positive");
        assert_eq!(axis.ticks(4), [100.0, 300.0, 1_000.0, 3_000.0, 10_000.0]);
        assert_eq!(axis.ticks(2), [100.0, 1_000.0, 10_000.0]);
    }

    proptest! {
        #[test]
        fn every_range_gives_a_few_ticks_inside(a in 1e-9..1e15_f64, b in 1e-9..1e15_f64, wanted in 3_usize..8) {
            for axis in [Axis::logarithmic([a, b]), Axis::from_zero([a, b])].into_iter().flatten() {
                let ticks = axis.ticks(wanted);
                prop_assert!((1..=2 * wanted + 2).contains(&ticks.len()), "{} ticks", ticks.len());
                prop_assert!(ticks.windows(2).all(|pair| pair[0] < pair[1]));
                prop_assert!([a, b].iter().all(|value| (0.0..=1.0).contains(&axis.place(*value))));
            }
        }
    }
}
