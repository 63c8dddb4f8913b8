//! How often disturbed trials may be repeated.

/// How often disturbed trials may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Retries {
    /// Further tries of one trial.
    each: u32,
    /// Trials planned so far.
    planned: usize,
    /// Further tries so far.
    used: usize,
}

/// The share of the planned trials that may be added to repeat invalid ones, so that the time a run takes stays bounded: about as
/// many as a machine spoils that is slower in a quarter of the time. Simulated with phases of seconds, it makes the error of
/// a comparison half of what it was, and no smaller where phases are shorter than a block.
const EXTRA_SHARE: f64 = 0.25;

impl Retries {
    /// At most `each` further tries of a trial, and of all together at most [`EXTRA_SHARE`] of the trials planned so far,
    /// rounded up.
    pub(super) fn new(each: u32) -> Self {
        Self { each, planned: 0, used: 0 }
    }

    /// A round of so many planned trials begins. What earlier rounds did not use it may, what later ones have it may not:
    /// a bad beginning leaves something for the rest.
    pub(super) fn begin_round(&mut self, trials: usize) {
        self.planned += trials;
    }

    /// Whether a trial may be repeated after its try number `attempt` (from 0); the repetition then counts as used.
    pub(super) fn allow(&mut self, attempt: u32) -> bool {
        let most = (self.planned as f64 * EXTRA_SHARE).ceil() as usize;
        let allowed = attempt < self.each && self.used < most;
        self.used += usize::from(allowed);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_are_bounded_for_each_trial_and_for_the_run() {
        let mut retries = Retries::new(2);
        assert!(!retries.allow(0), "nothing is planned yet");
        retries.begin_round(20);
        assert!(retries.allow(0) && retries.allow(1), "two of five");
        assert!(!retries.allow(2), "two further tries of one trial");
        assert!((0..3).all(|_| retries.allow(0)));
        assert!(!retries.allow(0), "five for a round of twenty");
        retries.begin_round(20);
        let left = (0..10).filter(|_| retries.allow(0)).count();
        assert_eq!(left, 5, "as many for the next");
        let mut small = Retries::new(1);
        small.begin_round(1);
        assert!(small.allow(0), "a small run may try once");
        let mut never = Retries::new(0);
        never.begin_round(1_000);
        assert!(!never.allow(0));
    }
}
