//! How fast the machine itself works, from trial to trial. What shares its cores from outside (another guest of the same host, a
//! clock that falls with the heat) shows in no account of the system and moves a figure by a third, for seconds at a time. So the
//! same piece of work is timed before and after every trial, and a trial that lies in a slow phase is made again when that is over.
//!
//! It times the machine, never the server: the trial before has ended, and its clock is brought up first. A trial that a phase
//! begins or ends in counts: it cannot be told from one beside something shorter than itself. Nothing here runs while a trial does.

use crate::host::topology::CpuPlan;
use crate::instruments::probe;
use crate::process::launch::Interrupt;
use bakeoff_reports::record::Reading;
use bakeoff_reports::rules::probe::DRIFT_SHARE;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// So many looks back the machine is held against its fastest: some 20 seconds of trials. What lasts longer is how it is now.
const RECENT: usize = 40;

/// A slow phase is waited for so long before a trial is made again; longer ones cost more than they spoil.
const PATIENCE: Duration = Duration::from_secs(1);

/// Between two looks while it waits.
const BETWEEN_LOOKS: Duration = Duration::from_millis(30);

/// The machine's speed over the last trials.
#[derive(Debug)]
pub(super) struct Speed<'a> {
    cpus: &'a CpuPlan,
    recent: VecDeque<f64>,
}

impl<'a> Speed<'a> {
    /// Of a machine that was not looked at yet.
    pub(super) fn new(cpus: &'a CpuPlan) -> Self {
        Self { cpus, recent: VecDeque::with_capacity(RECENT) }
    }

    /// Times the fixed work, in nanoseconds; takes about 4 ms.
    pub(super) fn look(&mut self) -> Reading<f64> {
        let seen = probe::speed(self.cpus);
        if let Reading::Value(ns) = seen {
            self.enter(ns);
        }
        seen
    }

    fn enter(&mut self, ns: f64) {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(ns);
    }

    /// The last look, in nanoseconds.
    pub(super) fn latest(&self) -> Option<f64> {
        self.recent.back().copied()
    }

    /// How many times as long the work took both before and after a trial as when it was fast lately, if that is beyond [`DRIFT_SHARE`].
    pub(super) fn slowed(&self, [before, after]: [f64; 2]) -> Option<f64> {
        let factor = before.min(after) / self.usual()?;
        (factor > 1.0 + DRIFT_SHARE).then_some(factor)
    }

    /// What a quarter of the looks lately are not above: a single one that was faster than the machine can stay says nothing.
    fn usual(&self) -> Option<f64> {
        let mut sorted: Vec<f64> = self.recent.iter().copied().collect();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted.get(sorted.len() / 4).copied()
    }

    /// Waits until a slow phase is over, a second at most. Whether it is, or the tool was interrupted, the next trial tells.
    pub(super) fn wait(&mut self, interrupt: &Interrupt) {
        let end = Instant::now() + PATIENCE;
        while self.latest().is_some_and(|ns| self.slowed([ns, ns]).is_some()) {
            let next = Instant::now() + BETWEEN_LOOKS;
            if next > end || !interrupt.sleep_until(next) {
                return;
            }
            // Looks of a phase that is waited for would push what came before it out of sight.
            let Reading::Value(ns) = probe::speed(self.cpus) else { return };
            self.recent.pop_back();
            self.enter(ns);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_is_slowed_by_what_is_slow_on_both_sides_of_it_against_the_fastest_lately() {
        let plan = CpuPlan::as_given(Vec::new(), Vec::new());
        let mut speed = Speed::new(&plan);
        assert_eq!(speed.latest(), None);
        assert_eq!(speed.slowed([1.0, 1.0]), None, "against nothing");
        [800.0, 1_000.0, 1_050.0, 1_500.0].into_iter().for_each(|ns| speed.enter(ns));
        assert_eq!(speed.slowed([1_000.0, 1_050.0]), None, "one look at 800 is not how fast it is");
        assert_eq!(speed.slowed([1_500.0, 1_500.0]), Some(1.5));
        assert_eq!(speed.slowed([1_000.0, 1_500.0]), None);
        assert_eq!(speed.slowed([1_500.0, 1_250.0]), Some(1.25));
        // What lasts is how the machine is now.
        (0..RECENT).for_each(|_| speed.enter(1_500.0));
        assert_eq!((speed.slowed([1_500.0, 1_500.0]), speed.recent.len()), (None, RECENT));
    }
}
