//! How often disturbed trials may be repeated.

use crate::trial::judge;
use bakeoff_reports::record::Invalid;

/// How often disturbed trials may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Retries {
    /// Further tries of one trial.
    each: u32,
    /// Trials planned so far.
    planned: usize,
    /// Further tries so far of trials that the generator spoiled, and of those in a slow phase of the machine.
    spoiled: usize,
    slow: usize,
}

/// The share of the planned trials that may be added to repeat invalid ones: as many as may be invalid before a run has no
/// verdict, so that the time a run takes stays bounded.
const SPOILED_SHARE: f64 = 0.15;

/// The share that may be added to repeat those that lie in a slow phase of the machine, apart, so that a slow machine takes nothing from
/// trials that would be missing.
const SLOW_SHARE: f64 = 0.15;

impl Retries {
    /// At most `each` further tries of a trial, and of all together at most so large a share of the trials planned so far, rounded
    /// up, as [`SPOILED_SHARE`] and [`SLOW_SHARE`] say.
    pub(super) fn new(each: u32) -> Self {
        Self { each, planned: 0, spoiled: 0, slow: 0 }
    }

    /// A round of so many planned trials begins. What earlier rounds did not use it may, what later ones have it may not:
    /// a bad beginning leaves something for the rest.
    pub(super) fn begin_round(&mut self, trials: usize) {
        self.planned += trials;
    }

    /// Whether a trial is repeated after its try number `attempt` (from 0), by why it is invalid and whether it lies in a slow phase of the
    /// machine; the repetition then counts as used. A valid one is repeated for its phase once at most: with another it could be
    /// lost to something else.
    pub(super) fn repeat(&mut self, invalid: &[Invalid], slow: bool, attempt: u32) -> bool {
        let for_its_phase = invalid.is_empty() && slow && attempt == 0;
        let (used, share) = match () {
            () if for_its_phase => (&mut self.slow, SLOW_SHARE),
            () if judge::is_transient(invalid) => (&mut self.spoiled, SPOILED_SHARE),
            () => return false,
        };
        let most = (self.planned as f64 * share).ceil() as usize;
        let allowed = attempt < self.each && *used < most;
        *used += usize::from(allowed);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATE: Invalid = Invalid::GeneratorLate { lag_p50_ns: 2, limit_ns: 1 };

    #[test]
    fn repetitions_are_bounded_for_each_trial_and_for_the_run() {
        let mut retries = Retries::new(2);
        let again = |retries: &mut Retries, attempt| retries.repeat(&[LATE], false, attempt);
        assert!(!again(&mut retries, 0), "nothing is planned yet");
        retries.begin_round(20);
        assert!(again(&mut retries, 0) && again(&mut retries, 1), "two of three");
        assert!(!again(&mut retries, 2), "two further tries of one trial");
        assert!(again(&mut retries, 0));
        assert!(!again(&mut retries, 0), "three for a round of twenty");
        retries.begin_round(20);
        let left = (0..10).filter(|_| again(&mut retries, 0)).count();
        assert_eq!(left, 3, "as many for the next");
        let mut small = Retries::new(1);
        small.begin_round(1);
        assert!(again(&mut small, 0), "a small run may try once");
        let mut never = Retries::new(0);
        never.begin_round(1_000);
        assert!(!again(&mut never, 0) && !never.repeat(&[], true, 0));
    }

    #[test]
    fn a_slow_machine_takes_nothing_from_trials_that_would_be_missing() {
        let mut retries = Retries::new(2);
        retries.begin_round(20);
        let for_phases = (0..10).filter(|_| retries.repeat(&[], true, 0)).count();
        assert_eq!(for_phases, 3);
        assert!(retries.repeat(&[LATE], true, 0), "what the generator spoiled has a share of its own");
        retries.begin_round(20);
        assert!(!retries.repeat(&[], true, 1), "once for its phase");
        assert!(!retries.repeat(&[], false, 0), "it counts");
        assert!(!retries.repeat(&[Invalid::Unbalanced], true, 0), "it would be the same again");
    }
}
