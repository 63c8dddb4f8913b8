//! One measurement alone, for programs: the figures of `bakeoff load` as one JSON document.
//!
//! It says in numbers what [`measurement`](crate::show::text::measurement) says in words. It never rounds, and never puts a zero
//! where there is no figure.

use crate::record::histogram::{HistogramError, Recorder};
use crate::record::{Counts, Doubt, EncodedHistogram, Measured, Reading};
use crate::stats::quantile::{Distribution, Quantile};
use serde::{Deserialize, Serialize};

/// The version of this document. Raised whenever a reader of the old one would misread the new one.
pub const SUMMARY_VERSION: u32 = 1;

/// What the swarm saw of one server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// [`SUMMARY_VERSION`].
    pub summary_version: u32,
    /// Length of the measured window.
    pub window_ns: u64,
    /// Replies completed in the window.
    pub completed_in_window: u64,
    /// The same per second.
    pub requests_per_s: f64,
    /// Bytes of those replies per second, framing included.
    pub reply_bytes_per_s: f64,
    /// Requests whose intended send time lies in the window, by what became of them.
    pub counts: Counts,
    /// Requests before the window that came to an outcome.
    pub warmup_sent: u64,
    /// From the intended send time to the end of the reply, over all requests sent.
    pub response: Times,
    /// From the actual send to the end of the reply, over all requests sent.
    pub service: Times,
    /// From the intended to the actual send.
    pub send_lag: Times,
    /// The part of the send lag that the generator caused.
    pub dispatch_lag: Times,
    /// Of the TCP connects.
    pub connect: Times,
    /// CPU time of the swarm's workers in the window.
    pub swarm_cpu_ns: u64,
    /// The same for each reply completed in the window.
    pub swarm_cpu_ns_per_request: Reading<f64>,
    /// Worker processes.
    pub swarm_workers: u32,
    /// Whether the workers spin near a send time: then their CPU time says nothing of their work.
    pub swarm_spins: bool,
    /// Reasons for caution.
    pub doubts: Vec<Doubt>,
}

/// A distribution of times in nanoseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Times {
    /// Times taken.
    pub count: u64,
    /// Their mean, exact: unanswered requests have none and are left out.
    pub mean_ns: Reading<f64>,
    /// Median. As all percentiles here absent when infinite, or when there are too few requests for it.
    pub p50_ns: Reading<u64>,
    /// 90th percentile.
    pub p90_ns: Reading<u64>,
    /// 99th percentile.
    pub p99_ns: Reading<u64>,
    /// 99.9th percentile.
    pub p99_9_ns: Reading<u64>,
    /// 99.99th percentile.
    pub p99_99_ns: Reading<u64>,
    /// The longest, exact.
    pub max_ns: Reading<u64>,
}

impl Summary {
    /// The summary of a measurement.
    ///
    /// # Errors
    /// When a histogram is damaged.
    pub fn new(measured: &Measured, doubts: Vec<Doubt>) -> Result<Self, HistogramError> {
        // A window without length holds no reply, and a rate over it is 0, not NaN.
        let seconds = measured.window_ns.max(1) as f64 / 1e9;
        let (completed, sent) = (measured.completed_in_window, measured.counts.sent);
        let cpu = measured.swarm_cpu_ns as f64 / completed as f64;
        Ok(Self {
            summary_version: SUMMARY_VERSION,
            window_ns: measured.window_ns,
            completed_in_window: completed,
            requests_per_s: completed as f64 / seconds,
            reply_bytes_per_s: measured.reply_bytes_in_window as f64 / seconds,
            counts: measured.counts.clone(),
            warmup_sent: measured.warmup_sent,
            response: Times::new(&measured.response, Some(sent))?,
            service: Times::new(&measured.service, Some(sent))?,
            send_lag: Times::new(&measured.send_lag, None)?,
            dispatch_lag: Times::new(&measured.dispatch_lag, None)?,
            connect: Times::new(&measured.connect, None)?,
            swarm_cpu_ns: measured.swarm_cpu_ns,
            swarm_cpu_ns_per_request: match completed {
                0 => Reading::Absent("no reply was completed in the window".into()),
                _ => Reading::Value(cpu),
            },
            swarm_workers: measured.swarm_workers,
            swarm_spins: measured.swarm_spins,
            doubts,
        })
    }
}

/// Why there is no figure over nothing.
const NONE: &str = "there are none";

impl Times {
    /// With `sent`, what was never answered counts as infinite.
    fn new(encoded: &EncodedHistogram, sent: Option<u64>) -> Result<Self, HistogramError> {
        let recorder = Recorder::decode(encoded)?;
        let count = recorder.count();
        let all = Distribution::new(&recorder, sent.unwrap_or(count));
        let percentile = |share| match all.quantile(share) {
            Quantile::Value(ns) => Reading::Value(ns),
            Quantile::NeverAnswered => Reading::Absent("infinite: too many were never answered".into()),
            Quantile::Insufficient { have, need } => {
                Reading::Absent(format!("too few: {have} of the {need} that it takes"))
            }
        };
        Ok(Self {
            count,
            mean_ns: match count {
                0 => Reading::Absent(NONE.into()),
                _ => Reading::Value(encoded.sum_ns as f64 / count as f64),
            },
            p50_ns: percentile(0.5),
            p90_ns: percentile(0.9),
            p99_ns: percentile(0.99),
            p99_9_ns: percentile(0.999),
            p99_99_ns: percentile(0.9999),
            max_ns: match count {
                0 => Reading::Absent(NONE.into()),
                _ if all.max_ns().is_infinite() => {
                    Reading::Absent("infinite: some were never answered".into())
                }
                _ => Reading::Value(recorder.max_ns()),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Spread, WARMUP_SLICES};

    fn measured(answered: u64, lost: u64) -> Measured {
        let mut times = Recorder::fine();
        (1..=answered).for_each(|i| times.record(i * 1_000));
        let sent = answered + lost;
        Measured {
            window_ns: 500_000_000,
            counts: Counts { sent, ok: answered, in_flight_at_end: lost, ..Counts::default() },
            completed_in_window: answered,
            reply_bytes_in_window: answered * 64,
            warmup_sent: 3,
            warmup_completed: vec![0; WARMUP_SLICES],
            response: times.encode(),
            service: times.encode(),
            send_lag: times.encode(),
            dispatch_lag: times.encode(),
            connect: Recorder::fine().encode(),
            slices: Vec::new(),
            spread: Spread::default(),
            companions: Default::default(),
            swarm_cpu_ns: answered * 7_000,
            swarm_workers: 1,
            swarm_spins: false,
            wire: Reading::Absent("not read in this test".into()),
        }
    }

    fn absent<T>(reading: &Reading<T>, reason: &str) -> bool {
        matches!(reading, Reading::Absent(why) if why.contains(reason))
    }

    #[test]
    fn figures_are_those_of_the_histograms() {
        let summary = Summary::new(&measured(1_000, 0), vec![Doubt::SharedCpu]).expect("sound histograms");
        assert_eq!((summary.requests_per_s, summary.reply_bytes_per_s), (2_000.0, 128_000.0));
        assert_eq!(summary.swarm_cpu_ns_per_request, Reading::Value(7_000.0));
        assert_eq!(summary.response.mean_ns, Reading::Value(500_500.0));
        assert_eq!(summary.response.max_ns, Reading::Value(1_000_000));
        let p99 = *summary.response.p99_ns.value().expect("enough") as f64;
        assert!((p99 / 990_000.0 - 1.0).abs() < 0.001, "three digits: {p99}");
        assert!(absent(&summary.response.p99_9_ns, "1000 of the 3838"), "{:?}", summary.response);
        let text = serde_json::to_string(&summary).expect("JSON");
        assert_eq!(serde_json::from_str::<Summary>(&text).expect("our own JSON"), summary);
    }

    #[test]
    fn what_is_not_there_is_absent_with_its_reason() {
        let lossy = Summary::new(&measured(900, 100), Vec::new()).expect("sound histograms");
        assert!(absent(&lossy.response.p99_ns, "infinite") && absent(&lossy.service.max_ns, "infinite"));
        assert!(lossy.send_lag.max_ns.value().is_some(), "what was never answered has no lag of its own");
        assert!(absent(&lossy.connect.mean_ns, "none") && absent(&lossy.connect.max_ns, "none"));
        let silent = Summary::new(&measured(0, 0), Vec::new()).expect("sound histograms");
        assert!(absent(&silent.swarm_cpu_ns_per_request, "no reply"));
        assert!(absent(&silent.response.p50_ns, "too few"));
    }
}
