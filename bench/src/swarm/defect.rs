//! Known ways in which load generators lie, switched on by name: so that it can be shown which check catches which.
//!
//! Only `bakeoff verify` sets one. A worker without a defect never comes here: the hooks are one branch on an `Option`
//! in its books. No defect is reachable from a run.

use super::recorder::Books;
use super::schedule::Schedule;
use bakeoff_reports::record::{Counts, ErrorKind};
use rustix::thread::set_current_timer_slack;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU64;

/// A send this much after its intended time counts as late for [`Defect::SkipLate`], in nanoseconds.
const LATE_NS: u64 = 1_000_000;
/// How late the timers of [`Defect::CoarseTimer`] may fire, in nanoseconds.
const COARSE_NS: u64 = 4_000_000;
/// [`Defect::DoubleCount`] counts every so many-th reply twice.
const DOUBLED: u64 = 50;

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

    /// Spoils a worker's schedule, where this is a defect of the schedule.
    pub(super) fn spoil_schedule(self, schedule: &mut Schedule, seed: u64, end_ns: u64) {
        if self == Self::UniformGaps {
            schedule.make_gaps_uniform(seed, end_ns);
        }
    }

    /// Spoils the calling thread's timers, where this is a defect of the clock.
    pub(super) fn spoil_timers(self) {
        if self == Self::CoarseTimer {
            // Where refused the defect has no effect, and whoever looks for it sees that it was not caught.
            let _ = set_current_timer_slack(NonZeroU64::new(COARSE_NS));
        }
    }
}

/// A reply as the books are told of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reply {
    pub(super) intended_ns: u64,
    pub(super) sent_ns: u64,
    pub(super) now_ns: u64,
}

impl Books {
    /// From now on measures wrongly.
    pub(super) fn spoil(&mut self, defect: Defect) {
        self.defect = Some(defect);
    }

    /// The response time to enter for a reply; `None` if the request is to vanish.
    #[cold]
    pub(super) fn spoilt_response(&mut self, defect: Defect, reply: Reply) -> Option<u64> {
        let true_ns = reply.now_ns.saturating_sub(reply.intended_ns);
        let counts = self.counts(reply.intended_ns);
        match defect {
            Defect::ActualTime => return Some(reply.now_ns.saturating_sub(reply.sent_ns)),
            Defect::SkipLate if counts && reply.sent_ns.saturating_sub(reply.intended_ns) > LATE_NS => {
                self.sent -= 1;
                return None;
            }
            Defect::DoubleCount if counts && (self.ok + 1).is_multiple_of(DOUBLED) => {
                self.sent += 1;
                self.ok += 1;
                self.response.record(true_ns);
            }
            Defect::WarmupCounted if reply.now_ns < self.begin_ns => self.completed_in_window += 1,
            _ => {}
        }
        Some(true_ns)
    }

    /// As what kind to enter a failure; `None` if it was entered as a right reply.
    #[cold]
    pub(super) fn spoilt_failure(&mut self, defect: Defect, kind: ErrorKind) -> Option<ErrorKind> {
        match (defect, kind) {
            (Defect::Unverified, ErrorKind::Corrupt) => {
                self.ok += 1;
                self.response.record(self.response.max_ns());
                None
            }
            (Defect::MisfiledReset, ErrorKind::Reset) => Some(ErrorKind::Closed),
            _ => Some(kind),
        }
    }
}

/// What the counts of a worker say with this defect.
pub(super) fn spoilt_counts(defect: Defect, mut counts: Counts) -> Counts {
    if defect == Defect::DropUnanswered {
        counts.sent -= counts.timeouts + counts.in_flight_at_end;
        (counts.timeouts, counts.in_flight_at_end, counts.never_written) = (0, 0, 0);
    }
    counts
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
