//! Known ways in which load generators lie, switched on by name: so that it can be shown which check catches which.
//!
//! Only `bakeoff verify` sets one. A worker without a defect never comes here: the hooks are one branch on an `Option`
//! in its books. No defect is reachable from a run.

use bakeoff_reports::record::Counts;
use clap::ValueEnum;
use clap::builder::PossibleValue;
use rustix::thread::set_current_timer_slack;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU64;

/// How late the timers of [`Defect::CoarseTimer`] may fire, in nanoseconds.
const COARSE_NS: u64 = 4_000_000;
/// A way to measure wrongly. The first line on each is what the command line says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Defect {
    /// Times count from the actual send (coordinated omission)
    ///
    /// Tene, "How NOT to measure latency", 2013.
    ActualTime,
    /// Requests sent late are left out
    SkipLate,
    /// Requests without a reply are left out, and the books balance
    DropUnanswered,
    /// Percentiles of the time slices are averaged
    ///
    /// A defect of whoever reads the histograms; the workers ignore it.
    AveragePercentiles,
    /// Replies are not compared with what they must be
    Unverified,
    /// Gaps between arrivals are uniform, not exponential
    UniformGaps,
    /// Every 50th reply is counted twice
    DoubleCount,
    /// Sleeps end up to 4 ms late, as by a timer wheel
    CoarseTimer,
    /// Resets are counted as closes
    MisfiledReset,
    /// The warm-up's replies count as throughput of the window
    WarmupCounted,
}

impl Defect {
    /// Its name on the command line.
    pub fn name(self) -> String {
        self.about_value().get_name().to_owned()
    }

    /// What it does, in a line.
    pub fn about(self) -> String {
        self.about_value().get_help().map(ToString::to_string).unwrap_or_default()
    }

    fn about_value(self) -> PossibleValue {
        self.to_possible_value().expect("none is skipped")
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
