//! What rounds say of a metric: their median, and the interval of it. Every figure of the reports with an interval is one of
//! these, and one rule seeds those of a cell, so that a figure has one value and one interval wherever it stands. A gate draws
//! its 90 % intervals, and two stored runs theirs, from streams of their own: they are other questions.

use super::bootstrap::{CONFIDENCE, median_interval_at};
use super::median;
use super::random::Random;
use crate::record::{Metric, number};
use serde::{Deserialize, Serialize};

/// A median over rounds with its bootstrap interval. Infinite where requests were never answered.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    /// Median over the rounds.
    #[serde(with = "number")]
    pub median: f64,
    /// Lower end of the interval.
    #[serde(with = "number")]
    pub low: f64,
    /// Upper end of the interval.
    #[serde(with = "number")]
    pub high: f64,
    /// Rounds that have the figure.
    pub rounds: usize,
}

/// What an estimate is of. It seeds the bootstrap.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The seed of the run.
    pub seed: u64,
    /// The workload.
    pub workload: &'a str,
    /// The contestant, or those that are set against each other.
    pub contestants: &'a [&'a str],
    /// What was measured.
    pub metric: Metric,
}

impl Subject<'_> {
    /// Its stream of random numbers.
    pub fn random(&self) -> Random {
        let names = [&[self.workload], self.contestants, &[self.metric.key()]].concat();
        Random::named(self.seed, &names)
    }
}

impl Estimate {
    /// The estimate from the values of rounds, with a 95 % interval; `None` without a value.
    pub fn of(values: &[f64], subject: &Subject<'_>) -> Option<Self> {
        Self::at(values, CONFIDENCE, &mut subject.random())
    }

    /// The same of factors that are given as logarithms.
    pub fn of_logs(logs: &[f64], subject: &Subject<'_>) -> Option<Self> {
        Some(Self::of(logs, subject)?.map(f64::exp))
    }

    /// The same with an interval of another nominal confidence, and random numbers of the caller's.
    pub fn at(values: &[f64], confidence: f64, random: &mut Random) -> Option<Self> {
        let (low, high) = median_interval_at(values, confidence, random)?;
        Some(Self { median: median(values)?, low, high, rounds: values.len() })
    }

    /// The estimate in another unit. `to` must be monotone and rising.
    pub fn map(self, to: impl Fn(f64) -> f64) -> Self {
        Self { median: to(self.median), low: to(self.low), high: to(self.high), ..self }
    }

    /// Of a factor, whether the whole interval lies within 1 plus `floor` to either side.
    pub fn inside(&self, floor: f64) -> bool {
        self.low >= 1.0 / (1.0 + floor) && self.high <= 1.0 + floor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBJECT: Subject<'_> =
        Subject { seed: 7, workload: "echo", contestants: &["tokio"], metric: Metric::Throughput };

    #[test]
    fn one_subject_has_one_interval_and_others_have_their_own() {
        let values: Vec<f64> = (0..9).map(|at| f64::from(at * at)).collect();
        let of = |subject: Subject<'_>| Estimate::of(&values, &subject).expect("nine values");
        assert_eq!(of(SUBJECT), of(SUBJECT));
        let others = [
            Subject { seed: 8, ..SUBJECT },
            Subject { workload: "churn", ..SUBJECT },
            Subject { contestants: &["tok", "io"], ..SUBJECT },
            Subject { metric: Metric::Goodput, ..SUBJECT },
        ];
        let first = |subject: Subject<'_>| subject.random().next_u64();
        assert!(others.into_iter().all(|other| first(other) != first(SUBJECT)));
        assert_eq!((of(SUBJECT).median, of(SUBJECT).rounds), (16.0, 9));
        assert_eq!(Estimate::of(&[], &SUBJECT), None);
    }

    #[test]
    fn inside_the_floor_is_the_whole_interval_to_both_sides() {
        let factor = |low, high| Estimate { median: 1.0, low, high, rounds: 8 };
        assert!(factor(1.0 / 1.03, 1.03).inside(0.03));
        assert!(!factor(0.97, 1.03).inside(0.03), "a factor of 1/1.03 is 0.9709");
        assert!(!factor(1.0, 1.04).inside(0.03) && !factor(1.0, f64::INFINITY).inside(0.03));
    }
}
