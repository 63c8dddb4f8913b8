//! One cell of the matrix: a model under a workload, round by round and over all its rounds.
//!
//! Only what the reports need is kept: `gather` makes it from the raw histograms. An absent reading
//! stays absent with its reason.

use crate::cells::recovery::{self, Recovery};
use crate::metric::Figures;
use crate::record::histogram::Recorder;
use crate::record::{Datagrams, Doubt, ErrorKind, FanOut, HttpReplies, Metric, Reading};
use crate::stats::censored::Censored;
use crate::stats::estimate::{Estimate, Subject};
use crate::stats::quantile::{Distribution, Quantile};
use std::collections::BTreeMap;

/// The percentiles that tables show.
pub const SHOWN: [f64; 4] = [0.5, 0.9, 0.99, 0.999];

/// Points of a curve by percentile, per factor of ten of the share that is slower.
const CURVE_POINTS_PER_DECADE: u32 = 12;

/// A time over requests, as tables and plots need it.
#[derive(Clone, Debug, PartialEq)]
pub struct Latency {
    /// Requests sent.
    pub sent: u64,
    /// Requests answered.
    pub answered: u64,
    /// Exact mean of the answered ones in nanoseconds; absent when there is none. What was never answered is not in it.
    pub mean_ns: Option<f64>,
    /// The percentiles of [`SHOWN`].
    pub shown: [Quantile; SHOWN.len()],
    /// Largest time in nanoseconds, infinite when a request was never answered.
    pub max_ns: f64,
    /// Share (0 to below 1) and quantile, as far as the samples suffice. Empty unless asked for.
    pub curve: Vec<(f64, Quantile)>,
}

impl Latency {
    pub(crate) fn of(recorder: &Recorder, sent: u64, with_curve: bool) -> Self {
        let distribution = Distribution::new(recorder, sent);
        Self {
            sent: distribution.sent(),
            answered: distribution.answered(),
            mean_ns: recorder.mean_ns(),
            shown: SHOWN.map(|p| distribution.quantile(p)),
            max_ns: distribution.max_ns(),
            curve: if with_curve { curve(&distribution) } else { Vec::new() },
        }
    }

    /// The median.
    pub fn p50(&self) -> Quantile {
        self.shown[0]
    }

    /// The 99th percentile.
    pub fn p99(&self) -> Quantile {
        self.shown[2]
    }
}

fn curve(distribution: &Distribution) -> Vec<(f64, Quantile)> {
    let steps = (0..).map(|step| 1.0 - 10_f64.powf(-f64::from(step) / f64::from(CURVE_POINTS_PER_DECADE)));
    let mut points: Vec<_> = steps
        // For very many requests both round to 1, where the steps would never end.
        .take_while(|&p| p < 1.0 && p <= distribution.last_share())
        .map(|p| (p, distribution.quantile(p)))
        .filter(|(_, quantile)| !matches!(quantile, Quantile::Insufficient { .. }))
        .collect();
    if let Some(first) = points.iter().position(|(_, quantile)| *quantile == Quantile::NeverAnswered) {
        points.truncate(first + 1);
    }
    points
}

/// What one round says.
#[derive(Clone, Debug, PartialEq)]
pub struct RoundFigures {
    /// The round, from 0.
    pub round: u32,
    /// Every metric.
    pub figures: Figures,
    /// Bounds of the figure of merit, with its metric, where no more than bounds are known of it.
    pub bounded: Option<(Metric, Censored)>,
    /// When it was back to normal after the surge, or done with its bursts; `None` where the workload has neither.
    pub recovery: Option<Recovery>,
    /// Whether the server ended before it was asked to.
    pub server_died: bool,
    /// Response time over the requests sent.
    pub response: Latency,
    /// Share of the window in which the hypervisor took the pinned CPUs, 0 to 1.
    pub steal_share: Reading<f64>,
    /// Share of the window in which other programs used the pinned CPUs, 0 to 1.
    pub foreign_share: Reading<f64>,
}

impl RoundFigures {
    /// A metric; `None` when there were too few requests for it, or it could not be measured.
    pub fn value(&self, metric: Metric) -> Option<f64> {
        self.figures.value(metric)
    }

    /// How bad a metric is, as far as it can be known. Bounds are known of the figure of merit alone.
    pub fn censored(&self, metric: Metric) -> Option<Censored> {
        match self.bounded {
            Some((merit, figure)) if merit == metric => Some(figure),
            _ => self
                .value(metric)
                .filter(|value| !metric.useless(*value))
                .map(|v| Censored::known(metric.badness(v))),
        }
    }
}

/// A moment of the window, over all rounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// The middle of the slice, in nanoseconds from the window's start.
    pub at_ns: u64,
    /// Response times of the replies completed in it; they are answered by definition.
    pub response: Latency,
    /// The same as counts: band (see [`band_ends_ns`]) and replies in it, ascending, without empty bands.
    pub bands: Vec<(i32, u64)>,
    /// Threads of the server at the slice's end, the median of the rounds; `None` where they were not read.
    pub threads: Option<f64>,
}

/// Bands of response time per factor of ten, in pictures of counts.
const BANDS_PER_DECADE: f64 = 5.0;

/// Where a band of response times begins and ends, in nanoseconds: five bands to a factor of ten, the same for all.
pub fn band_ends_ns(band: i32) -> (f64, f64) {
    let edge = |band: i32| 10_f64.powf(f64::from(band) / BANDS_PER_DECADE);
    (edge(band), edge(band + 1))
}

/// How many of the recorded times lie in each band.
pub(crate) fn bands(recorder: &Recorder) -> Vec<(i32, u64)> {
    let mut bands = BTreeMap::new();
    for step in recorder.histogram().iter_recorded() {
        let ns = step.value_iterated_to().clamp(1, recorder.max_ns().max(1)) as f64;
        let band = (ns.log10() * BANDS_PER_DECADE).floor() as i32;
        *bands.entry(band).or_insert(0_u64) += step.count_since_last_iteration();
    }
    bands.into_iter().collect()
}

/// Means over all rounds, exact: sums over counts. Requests without an answer have no part in them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Means {
    /// Response time.
    pub response_ns: f64,
    /// Service time.
    pub service_ns: f64,
    /// Send lag beyond the generator's own: the wait for a free connection, or for the connect.
    pub connection_ns: f64,
}

/// What the rounds say together.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    /// Means; absent without an answered request.
    pub means: Option<Means>,
    /// Response time over the requests sent, with its curve.
    pub response: Latency,
    /// Service time over the requests answered.
    pub service: Latency,
    /// Send lag over the requests written.
    pub send_lag: Latency,
    /// Dispatch lag: the generator's own part of the send lag.
    pub dispatch_lag: Latency,
    /// Connect time over the connects made.
    pub connect: Latency,
    /// Failed requests by kind.
    pub errors: BTreeMap<ErrorKind, u64>,
    /// The replies by status, where they were read as HTTP.
    pub http: HttpReplies,
    /// What became of the datagrams, summed over rounds; absent where requests go over connections.
    pub datagrams: Option<Datagrams>,
    /// What became of the deliveries of messages, over all rounds; absent where nobody hears what others say.
    pub fan_out: Option<FanOut>,
    /// Requests given up after the timeout.
    pub timeouts: u64,
    /// Requests without an answer when the trial ended.
    pub pending: u64,
    /// Connections that were given a request, summed over rounds.
    pub connections: u64,
    /// Those of them that never received a reply, summed over rounds.
    pub never_served: u64,
    /// The window slice by slice.
    pub moments: Vec<Moment>,
}

impl Merged {
    /// Requests without a right answer.
    pub fn unanswered(&self) -> u64 {
        let errors = self.errors.values().fold(0, |sum: u64, count| sum.saturating_add(*count));
        errors.saturating_add(self.timeouts).saturating_add(self.pending)
    }
}

/// A model under a workload.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// The model's name.
    pub model: String,
    /// Its valid rounds, in order.
    pub rounds: Vec<RoundFigures>,
    /// Rounds that were left out: without any valid try.
    pub excluded: u32,
    /// The rounds together; absent without a valid one.
    pub merged: Option<Merged>,
    /// Every metric: medians over rounds, with the reason where they are absent.
    pub medians: Figures,
    /// The workload's name and the run's seed: with the model what an estimate is of.
    pub(crate) subject: (String, u64),
    /// Whether instructions, cycles and cache misses are of user mode alone.
    pub user_mode_only: bool,
    /// What the servers counted, by the counter's name: summed over the valid rounds that could tell, the peak of
    /// connections as the largest.
    pub counted: BTreeMap<String, u64>,
    /// How unevenly its workers accepted, where workers accept.
    pub accepts: Option<Accepts>,
    /// Reasons for caution, one a kind.
    pub doubts: Vec<CellDoubt>,
}

/// The connections that the workers of a server accepted, over the valid rounds of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepts {
    /// The workers of a server.
    pub workers: u64,
    /// The fewest that one of them accepted in a round.
    pub fewest: u64,
    /// The most.
    pub most: u64,
}

/// A kind of doubt about a cell.
#[derive(Clone, Debug, PartialEq)]
pub struct CellDoubt {
    /// The most severe of its kind.
    pub worst: Doubt,
    /// Rounds that have one of the kind.
    pub rounds: u64,
    /// Valid rounds.
    pub of: u64,
}

impl Cell {
    /// The median of a metric over the rounds that have it, with the reason where there is none.
    pub fn get(&self, metric: Metric) -> &Reading<f64> {
        self.medians.get(metric)
    }

    /// The median of a metric, if there is one.
    pub fn value(&self, metric: Metric) -> Option<f64> {
        self.medians.value(metric)
    }

    /// The values of a metric in the rounds that have it.
    pub fn values(&self, metric: Metric) -> Vec<f64> {
        self.rounds.iter().filter_map(|round| round.value(metric)).collect()
    }

    /// The median of a metric with its interval; `None` where no round has it.
    pub fn estimate(&self, metric: Metric) -> Option<Estimate> {
        let (workload, seed) = &self.subject;
        let subject = Subject { seed: *seed, workload, contestants: &[&self.model], metric };
        Estimate::of(&self.values(metric), &subject)
    }

    /// When it was back to normal after the surge, or done with a burst, at the median of the rounds; `None` where the workload has
    /// neither.
    pub fn recovery(&self) -> Option<Recovery> {
        recovery::of_cell(self.rounds.iter().filter_map(|round| round.recovery.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_is_in_the_band_that_holds_it() {
        let mut recorder = Recorder::coarse();
        let times = [1, 7, 950, 20_300, 20_400, 1_234_567, 59_000_000_000];
        times.iter().for_each(|ns| recorder.record(*ns));
        let bands = bands(&recorder);
        assert_eq!(bands.iter().map(|(_, count)| count).sum::<u64>(), times.len() as u64);
        assert!(bands.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for ns in times {
            // A bucket of two digits ends up to 1 % above what was recorded in it.
            let holds = |band: &(i32, u64)| {
                let (from, to) = band_ends_ns(band.0);
                from * 0.99 <= ns as f64 && ns as f64 <= to
            };
            assert!(bands.iter().any(holds), "{ns} in {bands:?}");
        }
    }
}
