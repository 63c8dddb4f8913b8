//! Quantiles over *sent* requests: what was never answered counts as infinite, and too few samples give no number.
//!
//! "Never" is not a number, and needs fewer samples than one: when so few of the requests sent were answered that the
//! quantile is infinite beyond reasonable doubt, it is [`Quantile::NeverAnswered`] below [`needed`] samples too. A model
//! that answers nothing would otherwise be asked for more requests and so escape the comparison.

use super::censored::Censored;
use crate::record::histogram::Recorder;
use std::cmp::Ordering;

/// The square of the 97.5 % point of the normal distribution.
///
/// With `n` samples, the upper confidence bound of the quantile `p` (normal approximation to the binomial) is the
/// sample at rank `np + 1.96 sqrt(np(1-p))`. It exists, that is the rank is at most `n`, when `n >= 1.96^2 p/(1-p)`.
pub const Z_SQUARED: f64 = 1.96 * 1.96;

/// How many samples the quantile `p` (0 to 1, below 1) needs before it is shown: 381 for p99, 3,838 for p99.9.
pub fn needed(p: f64) -> u64 {
    (Z_SQUARED * p / (1.0 - p)).ceil() as u64
}

/// Requests that lie beyond a percentile in a block that may decide by it. With fewer, the same server's p99 in windows of
/// 300 ms spanned a factor of 100; with 100 of an M/M/1 queue it is 2 % low and scatters by 9 %.
pub const BEYOND: f64 = 100.0;

/// How many requests a block asks for the quantile `p` (0 to 1, below 1) to decide: 2,000 for p95, 10,000 for p99.
pub fn needed_to_decide(p: f64) -> u64 {
    (BEYOND / (1.0 - p)).round() as u64
}

/// The natural logarithm of 40: what is less likely than 1 in 40 (2.5 %, one tail of 95 %) is beyond reasonable doubt.
const LN_40: f64 = 3.688_879_454_113_936;

/// On which side of `p` the share answered lies beyond reasonable doubt when `answered` of `sent` requests were answered: below
/// it the quantile `p` is surely infinite, above it surely finite; `Equal` where the losses do not tell.
///
/// If the true share were `p`, the chance of a share as far off as `a = answered/sent` is at most `exp(-sent * D)`, where
/// `D = a ln(a/p) + (1-a) ln((1-a)/(1-p))`. Source: Hoeffding, Probability inequalities for sums of bounded random variables
/// (1963), theorem 1. The bound is exact for `answered` = 0: `(1-p)^sent`.
fn side(p: f64, answered: u64, sent: u64) -> Ordering {
    let a = answered as f64 / sent.max(1) as f64;
    // The limit of x ln x at 0 is 0.
    let part = |share: f64, of: f64| if share == 0.0 { 0.0 } else { share * (share / of).ln() };
    let divergence = part(a, p) + part(1.0 - a, 1.0 - p);
    if sent as f64 * divergence >= LN_40 { a.total_cmp(&p) } else { Ordering::Equal }
}

/// Whether the quantile `p` is infinite beyond reasonable doubt.
fn surely_never(p: f64, answered: u64, sent: u64) -> bool {
    sent > 0 && side(p, answered, sent) == Ordering::Less
}

/// A quantile of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantile {
    /// This many nanoseconds.
    Value(u64),
    /// So many requests were never answered that the quantile is infinite.
    NeverAnswered,
    /// There are too few requests to tell.
    Insufficient {
        /// Requests sent.
        have: u64,
        /// Requests needed.
        need: u64,
    },
}

impl Quantile {
    /// The quantile in nanoseconds, infinite when never answered; `None` when there were too few requests.
    pub fn ns(self) -> Option<f64> {
        match self {
            Self::Value(ns) => Some(ns as f64),
            Self::NeverAnswered => Some(f64::INFINITY),
            Self::Insufficient { .. } => None,
        }
    }
}

/// The distribution of a time over a number of requests sent, some of which may never have been answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    sent: u64,
    /// Value in nanoseconds, and how many answers took at most so long.
    steps: Vec<(u64, u64)>,
    max_ns: u64,
}

impl Distribution {
    /// The distribution of the recorded values among `sent` requests. `sent` below the recorded count is raised to it.
    pub fn new(recorder: &Recorder, sent: u64) -> Self {
        let mut steps = Vec::new();
        let mut below = 0;
        for step in recorder.histogram().iter_recorded() {
            below = u64::saturating_add(below, step.count_since_last_iteration());
            // A bucket's upper end may lie above anything recorded; the exact maximum is known. Saturated values were
            // recorded at the range's end, where the exact maximum is the honest bound.
            steps.push((step.value_iterated_to().min(recorder.max_ns()), below));
        }
        if let Some(last) = steps.last_mut() {
            last.0 = recorder.max_ns();
        }
        Self { sent: sent.max(below), steps, max_ns: recorder.max_ns() }
    }

    /// Requests sent.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Requests answered.
    pub fn answered(&self) -> u64 {
        self.steps.last().map_or(0, |step| step.1)
    }

    /// The largest recorded time in nanoseconds; infinite when a request was never answered.
    pub fn max_ns(&self) -> f64 {
        if self.answered() < self.sent { f64::INFINITY } else { self.max_ns as f64 }
    }

    /// The quantile `p`, 0 to below 1: the smallest time that at least a share `p` of the requests sent did not exceed.
    pub fn quantile(&self, p: f64) -> Quantile {
        let need = needed(p).max(1);
        if self.sent < need {
            if surely_never(p, self.answered(), self.sent) {
                return Quantile::NeverAnswered;
            }
            return Quantile::Insufficient { have: self.sent, need };
        }
        // A product such as 0.99 x 100 may come out a hair above the whole number it means.
        let rank = ((p * self.sent as f64 - 1e-6).ceil() as u64).max(1);
        match self
            .steps
            .binary_search_by(|step| if step.1 < rank { Ordering::Less } else { Ordering::Greater })
        {
            Err(at) if at < self.steps.len() => Quantile::Value(self.steps[at].0),
            _ => Quantile::NeverAnswered,
        }
    }

    /// How bad the quantile `p` is, as a logarithm of nanoseconds; what was never answered took at least `timeout_ns`. `None`
    /// with too few requests.
    pub fn censored(&self, p: f64, timeout_ns: u64) -> Option<Censored> {
        let never = || Some(Censored::never((timeout_ns.max(1) as f64).ln()));
        match (self.quantile(p), side(p, self.answered(), self.sent)) {
            (Quantile::Insufficient { .. }, _) => None,
            (Quantile::NeverAnswered, Ordering::Less) => never(),
            // Nothing lost, or too little: what was answered tells.
            (Quantile::Value(ns), side) if side == Ordering::Greater || self.answered() == self.sent => {
                Some(Censored::known((ns.max(1) as f64).ln()))
            }
            _ => match self.of_the_answered().quantile(p) {
                Quantile::Value(ns) => Some(Censored::perhaps_infinite((ns.max(1) as f64).ln())),
                Quantile::Insufficient { .. } => None,
                Quantile::NeverAnswered => never(),
            },
        }
    }

    /// The same without what was never answered.
    fn of_the_answered(&self) -> Self {
        Self { sent: self.answered(), ..self.clone() }
    }

    /// The largest share that has enough samples, 0 to below 1: where a curve by percentile has to end.
    pub fn last_share(&self) -> f64 {
        let n = self.sent as f64;
        n / (n + Z_SQUARED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: impl IntoIterator<Item = u64>, sent: u64) -> Distribution {
        let mut recorder = Recorder::fine();
        values.into_iter().for_each(|value| recorder.record(value));
        Distribution::new(&recorder, sent)
    }

    #[test]
    fn losses_near_a_percentile_do_not_tell_whether_it_is_infinite() {
        let lost =
            |lost: u64| of((1..=10_000 - lost).map(|ns| ns * 1_000), 10_000).censored(0.99, 5_000_000_000);
        let ns = |figure: Option<Censored>| {
            figure.map(|figure| (figure.seen.exp().round(), figure.high.is_finite()))
        };
        assert_eq!(ns(lost(0)).map(|(_, known)| known), Some(true));
        assert_eq!(ns(lost(50)).map(|(_, known)| known), Some(true), "0.5 % are surely less than 1 %");
        for near in [95, 100, 110] {
            let figure = lost(near).expect("enough");
            assert!(!figure.never && figure.high.is_infinite(), "{near}: {figure:?}");
            assert!(figure.seen < 1e10_f64.ln(), "the percentile of those answered");
        }
        assert_eq!(lost(200), Some(Censored::never(5e9_f64.ln())));
        assert_eq!(of([], 10_000).censored(0.99, 7).map(|figure| figure.never), Some(true));
        assert_eq!(of([1], 1).censored(0.99, 7), None);
    }

    #[test]
    fn the_published_sample_sizes() {
        assert_eq!([0.5, 0.99, 0.999, 0.9999].map(needed), [4, 381, 3_838, 38_413]);
        assert_eq!([0.5, 0.9, 0.95, 0.99, 0.999].map(needed_to_decide), [200, 1_000, 2_000, 10_000, 100_000]);
    }

    #[test]
    fn one_sample_too_few_is_no_number() {
        assert_eq!(of(1..=380, 380).quantile(0.99), Quantile::Insufficient { have: 380, need: 381 });
        assert_eq!(of(1..=381, 381).quantile(0.99), Quantile::Value(378));
        assert_eq!(of([], 0).quantile(0.5), Quantile::Insufficient { have: 0, need: 4 });
    }

    #[test]
    fn known_quantiles() {
        let thousand = of(1..=1000, 1000);
        assert_eq!(thousand.quantile(0.0), Quantile::Value(1));
        assert_eq!(thousand.quantile(0.5), Quantile::Value(500));
        assert_eq!(thousand.quantile(0.99), Quantile::Value(990));
    }

    #[test]
    fn unanswered_requests_move_percentiles_to_infinity() {
        // 1,000 sent: the p99 is the 990th fastest. With 10 unanswered it is the slowest answer, with 11 infinite.
        assert_eq!(of(1..=990, 1000).quantile(0.99), Quantile::Value(990));
        assert_eq!(of(1..=989, 1000).quantile(0.99), Quantile::NeverAnswered);
        assert_eq!(of(1..=989, 1000).quantile(0.5), Quantile::Value(500), "the middle is answered");
        assert_eq!(of([], 1000).quantile(0.5), Quantile::NeverAnswered);
        assert_eq!(of(1..=989, 1000).max_ns(), f64::INFINITY);
    }

    #[test]
    fn never_needs_fewer_requests_than_a_number() {
        let few = |sent, p| Quantile::Insufficient { have: sent, need: needed(p) };
        // 64 clients of a closed loop that wait for ever: no number, but no doubt either.
        assert_eq!(of([], 64).quantile(0.99), Quantile::NeverAnswered);
        assert_eq!(of([], 1).quantile(0.99), Quantile::NeverAnswered, "1 in 100 by chance");
        assert_eq!(of([], 1).quantile(0.9), few(1, 0.9), "1 in 10 by chance");
        assert_eq!(of([], 2).quantile(0.9), Quantile::NeverAnswered, "1 in 100 by chance");
        assert_eq!(of([], 0).quantile(0.99), few(0, 0.99), "nothing asked, nothing known");
        assert_eq!(of([], 3).quantile(0.5), few(3, 0.5), "1 in 8 by chance");
        // A server that died on the way; and a few that were lost by bad luck, which decide nothing.
        assert_eq!(of(1..=100, 164).quantile(0.99), Quantile::NeverAnswered);
        assert_eq!(of(1..=98, 100).quantile(0.99), few(100, 0.99));
    }

    proptest! {
        #[test]
        fn a_quantile_agrees_with_the_sorted_values(
            mut values in prop::collection::vec(1_u64..10_000_000, 4..400), lost in 0_u64..40, p in 0.0..0.5_f64,
        ) {
            let sent = values.len() as u64 + lost;
            let got = of(values.iter().copied(), sent).quantile(p);
            values.sort_unstable();
            let rank = ((p * sent as f64 - 1e-6).ceil() as usize).max(1);
            match values.get(rank - 1) {
                None => prop_assert_eq!(got, Quantile::NeverAnswered),
                Some(&exact) => {
                    let Quantile::Value(ns) = got else { panic!("{got:?} for {exact}") };
                    // Three significant digits: a bucket is at most 1/1024 wide.
                    prop_assert!(ns >= exact && ns - exact <= exact / 1000 + 1, "{} for {}", ns, exact);
                }
            }
        }

        #[test]
        fn merging_in_any_order_gives_the_same_quantiles(
            parts in prop::collection::vec(prop::collection::vec(1_u64..1_000_000_000, 0..50), 3),
        ) {
            let recorders: Vec<Recorder> = parts.iter().map(|part| {
                let mut recorder = Recorder::fine();
                part.iter().for_each(|&value| recorder.record(value));
                recorder
            }).collect();
            let (mut left, mut inner) = (recorders[0].clone(), recorders[1].clone());
            left.merge(&recorders[1]);
            left.merge(&recorders[2]);
            inner.merge(&recorders[2]);
            let mut right = recorders[0].clone();
            right.merge(&inner);
            prop_assert_eq!(left.encode(), right.encode());
        }
    }
}
