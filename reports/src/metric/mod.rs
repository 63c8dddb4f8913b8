//! Every metric once: what it is called, what it is in, which way is better, which difference matters, how it is read from a
//! trial. Matrix, verdicts, gate, history, exports, orderings and plots all read it here.
//!
//! Over rounds every metric combines alike: the median of the rounds that have it, with the interval of
//! [`Estimate`](crate::stats::estimate::Estimate). A new metric is a variant of [`Metric`] and an entry of the table. It must
//! not know cells, and not decide anything.

mod read;
mod table;

use crate::record::histogram::Recorder;
use crate::record::{Measured, Metric, Reading, Trial};
use crate::stats::censored::Censored;
use crate::stats::median;
use crate::stats::paired::{self, Better};
use crate::stats::quantile::{self, Distribution};

/// What a value is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Requests a second.
    Rate,
    /// Nanoseconds.
    Time,
    /// A share, 0 to 1.
    Share,
    /// Bytes.
    Bytes,
    /// A whole number of things.
    Count,
    /// A number of things for each request.
    Quantity,
    /// An index, 0 to 1, that is no share of anything.
    Index,
}

/// Where a metric belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// How fast: what a load generator that acts late would spoil.
    Speed,
    /// What became of the requests.
    Outcome,
    /// What a request costs.
    Request,
    /// What a connection costs.
    Connection,
    /// The wire, and who was served.
    Wire,
    /// The handshakes of TLS, of workloads that speak it.
    Tls,
}

/// A metric's entry in the table.
#[derive(Clone, Copy)]
struct Def {
    metric: Metric,
    label: &'static str,
    short: &'static str,
    about: &'static str,
    unit: Unit,
    group: Group,
    better: Better,
    floor: f64,
    least: f64,
    decides: bool,
    counted: bool,
    read: fn(&Round<'_>) -> read::Value,
}

impl Metric {
    fn def(self) -> &'static Def {
        const { &table::TABLE }.get(self as usize).expect("every metric has its entry")
    }

    /// What it is called.
    pub fn label(self) -> &'static str {
        self.def().label
    }

    /// What the head of a narrow column calls it; empty for what stands in none.
    pub fn short(self) -> &'static str {
        self.def().short
    }

    /// What it is, in a phrase.
    pub fn about(self) -> &'static str {
        self.def().about
    }

    /// What its values are in.
    pub fn unit(self) -> Unit {
        self.def().unit
    }

    /// Where it belongs.
    pub fn group(self) -> Group {
        self.def().group
    }

    /// Whether more or less of it is better.
    pub fn better(self) -> Better {
        self.def().better
    }

    /// The smallest difference that matters, as a share above 0.
    pub fn floor(self) -> f64 {
        self.def().floor
    }

    /// Whether it can decide a workload, fail a comparison and be tracked over runs; the others describe.
    pub fn decides(self) -> bool {
        self.def().decides
    }

    /// Those that can decide.
    pub fn deciding() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|metric| metric.decides())
    }

    /// The percentile that it is, 0 to 1; `None` for what is none.
    pub fn percentile(self) -> Option<f64> {
        Self::PERCENTILES.iter().find(|(metric, _)| *metric == self).map(|(_, share)| *share)
    }

    /// The percentiles of response time, the highest first.
    const PERCENTILES: [(Self, f64); 5] = [
        (Self::ResponseP999, 0.999),
        (Self::ResponseP99, 0.99),
        (Self::ResponseP95, 0.95),
        (Self::ResponseP90, 0.9),
        (Self::ResponseP50, 0.5),
    ];

    /// What decides in its place where a block asks so many requests: the highest percentile that is not above this one and
    /// has [`BEYOND`](quantile::BEYOND) requests beyond it; the median where none has. What is no percentile stays itself.
    pub fn decided_by(self, requests: f64) -> Self {
        let mut lower = Self::PERCENTILES.iter().skip_while(|(metric, _)| *metric != self).peekable();
        let Some((lowest, _)) = lower.peek().and(Self::PERCENTILES.last()) else { return self };
        let firm = lower.find(|(_, share)| requests >= quantile::needed_to_decide(*share) as f64);
        firm.map_or(*lowest, |(metric, _)| *metric)
    }

    /// Whether it is counted event by event before the window: in every round where it decides, in the first ones elsewhere.
    pub fn is_counted(self) -> bool {
        self.def().counted
    }

    /// The natural logarithm of how many times worse `other` is than `reference`. Values so small that they are all the same
    /// are no ratio away from each other. Never NaN.
    pub fn log_behind(self, reference: f64, other: f64) -> f64 {
        let least = self.def().least;
        paired::log_behind(reference.max(least), other.max(least), self.better())
    }

    /// How bad a value is, as a logarithm: of two values the larger one is worse, whatever they are of.
    pub fn badness(self, value: f64) -> f64 {
        // A time below a nanosecond, memory below a byte and the like are none.
        let least = match self.unit() {
            Unit::Time | Unit::Bytes | Unit::Count => 1.0,
            Unit::Rate | Unit::Share | Unit::Quantity | Unit::Index => f64::MIN_POSITIVE,
        };
        let log = value.max(self.def().least).max(least).ln();
        match self.better() {
            Better::More => -log,
            Better::Less => log,
        }
    }

    /// Whether a value says that the work is not done: an infinite time, or a rate or share of 0.
    pub fn useless(self, value: f64) -> bool {
        match self.better() {
            Better::More => value == 0.0,
            Better::Less => value.is_infinite(),
        }
    }
}

/// A trial that counts, opened: what metrics are read from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round<'a> {
    pub(crate) trial: &'a Trial,
    pub(crate) measured: &'a Measured,
    /// Its response times.
    pub(crate) response: &'a Recorder,
    /// The same over the requests sent.
    pub(crate) times: &'a Distribution,
    pub(crate) objective_ns: Option<u64>,
    /// After which a request is given up.
    pub(crate) timeout_ns: u64,
}

impl Round<'_> {
    /// How bad a metric of it is, as far as it can be known; `None` where there is no figure. Memory of a server that does not serve
    /// is infinite: how much that is at least depends on the others.
    pub(crate) fn censored(&self, metric: Metric) -> Option<Censored> {
        if let Some(p) = metric.percentile() {
            return self.times.censored(p, self.timeout_ns);
        }
        let value = (metric.def().read)(self).ok()?;
        // Less than one reply.
        let one = match metric.unit() {
            Unit::Share => 1.0 / self.times.sent().max(1) as f64,
            _ => 1e9 / self.measured.window_ns.max(1) as f64,
        };
        Some(match metric.useless(value) {
            true if metric.better() == Better::More => Censored::never(metric.badness(one)),
            true => Censored::never(0.0),
            false => Censored::known(metric.badness(value)),
        })
    }
}

/// Every metric of a round, or the medians of several.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures([Reading<f64>; Metric::ALL.len()]);

impl Figures {
    /// Those of one round.
    pub(crate) fn of(round: &Round<'_>) -> Self {
        Self(table::TABLE.map(|def| (def.read)(round).map_or_else(Reading::Absent, Reading::Value)))
    }

    /// The medians over rounds, each over those that have the metric.
    pub(crate) fn medians(rounds: &[&Self]) -> Self {
        Self(table::TABLE.map(|def| {
            let values: Vec<f64> = rounds.iter().filter_map(|round| round.value(def.metric)).collect();
            let why = || rounds.first().and_then(|round| round.get(def.metric).absence());
            median(&values)
                .map_or_else(|| Reading::Absent(why().unwrap_or("no valid round").to_owned()), Reading::Value)
        }))
    }

    /// A metric.
    pub fn get(&self, metric: Metric) -> &Reading<f64> {
        &self.0[metric as usize]
    }

    /// A metric, if there is one.
    pub fn value(&self, metric: Metric) -> Option<f64> {
        self.get(metric).value().copied()
    }

    /// Puts a value in the place of a metric.
    pub fn set(&mut self, metric: Metric, value: Reading<f64>) {
        self.0[metric as usize] = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_decides_with_a_hundred_requests_beyond_it() {
        for (asked, requests, decides) in [
            (Metric::ResponseP99, 10_000.0, Metric::ResponseP99),
            (Metric::ResponseP99, 9_999.0, Metric::ResponseP95),
            (Metric::ResponseP95, 1e6, Metric::ResponseP95),
            (Metric::ResponseP999, 2_000.0, Metric::ResponseP95),
            (Metric::ResponseP99, 1_999.0, Metric::ResponseP90),
            (Metric::ResponseP99, 300.0, Metric::ResponseP50),
            (Metric::ResponseP99, 1.0, Metric::ResponseP50),
            (Metric::Throughput, 1.0, Metric::Throughput),
        ] {
            assert_eq!(asked.decided_by(requests), decides, "{asked:?} of {requests}");
        }
        for (metric, share) in Metric::PERCENTILES {
            assert_eq!(metric.percentile(), Some(share));
            assert_eq!(metric.label(), format!("response {}", crate::show::units::percentile(share)));
        }
        assert_eq!(Metric::Goodput.percentile(), None);
    }
}
