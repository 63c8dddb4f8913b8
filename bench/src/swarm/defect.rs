//! Known ways in which load generators lie, switched on by name: so that it can be shown which check catches which.
//!
//! Only `bakeoff verify` sets one. A worker without a defect never comes here: the hooks are one branch on an `Option`
//! in its books. No defect is reachable from a run.

use bakeoff_reports::record::Counts;
use rustix::thread::set_current_timer_slack;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU64;

/// How late the timers of [`Defect::CoarseTimer`] may fire, in nanoseconds.
const COARSE_NS: u64 = 4_000_000;
/// A way to measure wrongly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Defect {
    /// Response time counts from the actual send: coordinated omission (Tene, "How NOT to measure latency", 2013).
    ActualTime,
    /// Requests that are sent late are left out.
    SkipLate,
    /// Requests without a reply are left out. The books balance none the less.
    DropUnanswered,
    /// A percentile is the average of the time slices' percentiles. A defect of whoever reads the histograms; the workers
    /// ignore it.
    AveragePercentiles,
    /// Replies are not compared with what they must be.
    Unverified,
    /// Gaps are uniform instead of exponential, at the same rate.
    UniformGaps,
    /// Every 50th reply is counted twice.
    DoubleCount,
    /// Sleeps that end up to 4 ms late, as by a timer wheel.
    CoarseTimer,
    /// A reset connection is counted as one that was closed.
    MisfiledReset,
    /// Replies of the warm-up count in the window's throughput.
    WarmupCounted,
}

impl Defect {
    /// All of them, in the order to show them.
    pub const ALL: [Self; 10] = [
        Self::ActualTime,
        Self::SkipLate,
        Self::DropUnanswered,
        Self::AveragePercentiles,
        Self::Unverified,
        Self::UniformGaps,
        Self::DoubleCount,
        Self::CoarseTimer,
        Self::MisfiledReset,
        Self::WarmupCounted,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::ActualTime => "actual-time",
            Self::SkipLate => "skip-late",
            Self::DropUnanswered => "drop-unanswered",
            Self::AveragePercentiles => "average-percentiles",
            Self::Unverified => "unverified",
            Self::UniformGaps => "uniform-gaps",
            Self::DoubleCount => "double-count",
            Self::CoarseTimer => "coarse-timer",
            Self::MisfiledReset => "misfiled-reset",
            Self::WarmupCounted => "warmup-counted",
        }
    }

    /// What it does, in a line.
    pub fn about(self) -> &'static str {
        match self {
            Self::ActualTime => "times count from the actual send (coordinated omission)",
            Self::SkipLate => "requests sent late are left out",
            Self::DropUnanswered => "requests without a reply are left out, and the books balance",
            Self::AveragePercentiles => "percentiles of the time slices are averaged",
            Self::Unverified => "replies are not compared with what they must be",
            Self::UniformGaps => "gaps between arrivals are uniform, not exponential",
            Self::DoubleCount => "every 50th reply is counted twice",
            Self::CoarseTimer => "sleeps end up to 4 ms late",
            Self::MisfiledReset => "resets are counted as closes",
            Self::WarmupCounted => "the warm-up's replies count as throughput of the window",
        }
    }

    /// The defect of that name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|defect| defect.name() == name)
    }

    /// Spoils the calling thread's timers, where this is a defect of the clock.
    pub(super) fn spoil_timers(self) {
        if self == Self::CoarseTimer {
            // Where refused the defect has no effect, and whoever looks for it sees that it was not caught.
            let _ = set_current_timer_slack(NonZeroU64::new(COARSE_NS));
        }
    }

    /// What the counts of a worker say with it.
    pub(super) fn counts(self, mut counts: Counts) -> Counts {
        if self == Self::DropUnanswered {
            counts.sent -= counts.timeouts + counts.in_flight_at_end;
            (counts.timeouts, counts.in_flight_at_end, counts.never_written) = (0, 0, 0);
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_defect_is_found_by_its_name_and_survives_the_wire() {
        for defect in Defect::ALL {
            assert_eq!(Defect::find(defect.name()), Some(defect));
            let line = serde_json::to_string(&defect).expect("a word");
            assert_eq!(serde_json::from_str::<Defect>(&line).expect("our own word"), defect);
        }
        assert_eq!(Defect::find("none"), None);
    }
}
