//! The numbers of the rule, and the looks of a search.

use crate::record::{Metric, PlannedLook};

/// The error rate of a gate: of claims that a build is slower, among those made; and of letting pass what is not.
pub const LEVEL: f64 = 0.05;

/// An estimate of further rounds never says more than this.
pub const MOST_MORE: usize = 1_000;

/// The fewest pairs that anything is said of: the clearest outcome of 5 has p = 1/32, which no weight may divide.
pub const MIN_PAIRS: usize = 6;

/// Rounds before the first look: fewer make no gate.
pub const FIRST_LOOK: u32 = 20;

/// The nominal confidence of the intervals: each end by itself is a bound that holds with 95 %.
pub const CONFIDENCE: f64 = 0.90;

/// The error rate of a confirmation, which only ever follows a suspicion.
pub const CONFIRM_LEVEL: f64 = 0.10;

/// Pairs that a confirmation is made from, unless fewer were planned.
pub const CONFIRM_PAIRS: usize = 20;

/// The looks of a search: rounds done, each about 1.4 times those before, and the share of the error rate spent.
const LOOKS: [(u32, f64); 12] = [
    (FIRST_LOOK, 0.15),
    (28, 0.10),
    (40, 0.07),
    (56, 0.05),
    (78, 0.04),
    (110, 0.03),
    (154, 0.02),
    (216, 0.01),
    (302, 0.01),
    (424, 0.01),
    (594, 0.005),
    (832, 0.005),
];

/// The looks of a search of so many rounds at most. None that would leave less than a tenth of them to save.
pub fn looks(search_rounds: u32) -> Vec<PlannedLook> {
    let worth_it = |look: &&(u32, f64)| u64::from(look.0) * 10 <= u64::from(search_rounds) * 9;
    let planned = LOOKS.iter().filter(worth_it);
    planned
        .map(|(after_rounds, weight)| PlannedLook { after_rounds: *after_rounds, weight: *weight })
        .collect()
}

/// What is gated under a workload unless told otherwise: its figure of merit and the CPU time for each request, which is far
/// less noisy on a shared machine; and the share answered, so that a build cannot become faster by failing requests.
pub fn defaults(merit: Metric) -> Vec<Metric> {
    let mut metrics = vec![merit];
    metrics.extend([Metric::CpuPerRequest].iter().filter(|cpu| **cpu != merit));
    // Goodput counts what is answered; it says the same.
    let told = matches!(merit, Metric::Answered | Metric::Goodput);
    metrics.extend((!told).then_some(Metric::Answered));
    metrics
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_answered_is_gated_once() {
        let keys = |merit| defaults(merit).into_iter().map(Metric::key).collect::<Vec<_>>();
        assert_eq!(keys(Metric::Throughput), ["throughput", "cpu-per-request", "answered"]);
        assert_eq!(keys(Metric::Answered), ["answered", "cpu-per-request"]);
        assert_eq!(keys(Metric::CpuPerRequest), ["cpu-per-request", "answered"]);
    }

    #[test]
    fn looks_begin_after_twenty_rounds_and_leave_the_end_half() {
        let after = |rounds| looks(rounds).iter().map(|look| look.after_rounds).collect::<Vec<_>>();
        assert_eq!(after(20), [] as [u32; 0]);
        assert_eq!(after(60), [20, 28, 40]);
        let spent: f64 = looks(10_000).iter().map(|look| look.weight).sum();
        assert!(spent <= 0.5 + 1e-12, "{spent}");
        for pair in looks(10_000).windows(2) {
            let ratio = f64::from(pair[1].after_rounds) / f64::from(pair[0].after_rounds);
            assert!((1.35..=1.45).contains(&ratio), "{pair:?}");
        }
    }
}
