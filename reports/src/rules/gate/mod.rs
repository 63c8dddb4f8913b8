//! Whether a build became slower than another: the verdict on a comparison of two builds in one run.
//!
//! # The rule
//! 1. A cell is a model under a workload; the head of the bundle says which figures of it can fail the run, and the
//!    practical floor of each: the smallest slowdown that matters. For each round in which both sides have the figure,
//!    d = ln(how many times worse B is than A). Requests that were never answered count as infinite, as everywhere.
//! 2. A claim that B is worse or better must clear the *bar*: the larger of the practical floor and the noise floor, which is
//!    what chance alone makes of these very rounds (`noise.rs`). Only a claim needs it. A *pass* must hold
//!    against the practical floor: were it held against a noise floor of 12 %, a loud machine would pass what a quiet one
//!    fails.
//! 3. B is *suspected* when the lower end of the interval of the median factor lies above 1 plus the bar, and the
//!    one-sided signed-rank test of d less the bar, divided by the weight of its look (the smallest over looks counts) and
//!    adjusted for every figure of every cell of the run (Benjamini-Hochberg), has q of at most 0.05. The interval is a
//!    bootstrap of the median with a confidence of 90 %: each claim looks at one end of it only, and each end is a bound that
//!    holds with 95 %. A 95 % interval would ask for 2.5 % of every claim.
//! 4. What is suspected runs again on fresh rounds, and is *regressed* when these alone say so: their median lies beyond the
//!    practical floor and the test of d less that floor has p of at most 0.10. That is one question asked once, in a
//!    direction known beforehand, of rounds nobody has looked at, so neither weights nor an adjustment belong to it. It may
//!    be asked at 0.10 because it only ever follows a suspicion: both together err in 0.5 % of cases, and a gate must
//!    stay below 1 %; at 0.05 it would lose one in twenty true slowdowns for nothing. At least [`CONFIRM_PAIRS`] = 20 pairs,
//!    or as many as were planned, less the 15 % that any run may lose, and never fewer than [`MIN_PAIRS`] = 6.
//!    Suspected and not confirmed is *inconclusive*: the two halves of the run contradict each other, or the second is missing.
//! 5. *Improved* is the mirror image of suspected: it fails nobody, so it needs no confirmation. *Pass*: the upper end of the
//!    interval is at most 1 plus the practical floor, and the mirrored test has p of at most 0.05 after its weight. It is
//!    not adjusted for how many figures there are: each figure that is truly slower by the floor is let pass in 5 % of runs
//!    at most. Anything else is *inconclusive*, with an estimate of the rounds that would tell.
//! 6. *Broken* (`failure.rs` has its rule): a build that answers wrongly, dies or does not start, where the other does not, is
//!    regressed whatever its speed, without fresh rounds: by a wrong byte in two rounds, by anything else in so many that chance
//!    would give them to B alone in 5 % of cases at most. That is looked at after every round and not adjusted.
//! 7. *Invalid*: more than 15 % of the rounds tried are without a pair of the figure, or neither side does the work (infinite
//!    times, or rates of 0). Fewer than 6 rounds tried are too short: inconclusive.
//!
//! # What it costs to look
//! The search looks after fixed rounds, the first after [`FIRST_LOOK`] = 20. A cell stops when all its figures are decided: pass,
//! improved or suspected. The looks share at most half of the error rate, so that the end, where small
//! slowdowns are found, keeps most of it; for a clear pass or a clear slowdown the little is enough. What is decided at a look stays
//! decided, because its pairs stay as they are, the smallest p over looks can only fall, and a figure that is not to be trusted
//! any more counts with the p of the looks at which it was: it can claim nothing then, but what was decided beside it stands, as
//! it would have stood had the run ended there.
//!
//! # How often it is wrong, and what it finds
//! A false alarm takes a suspicion, which is wrong in 5 % of cases at most, and a confirmation of it, which is wrong in 10 %:
//! 0.5 % where B is slower by just the floor, and far less where it is the same, a whole floor away. Simulated with noise that
//! drifts and has one pair in twenty hit by a neighbour, 60 pairs to search with and 40 to confirm by, and a floor of 3 %:
//!
//! | spread of a pair | the same build | slower by 3 % | by 5 % | by 10 % |
//! |---|---|---|---|---|
//! | 3 % | 0 of 600 | 1 of 600 | 574 of 600 | 600 of 600 |
//! | 5 % | 0 of 600 | 2 of 600 | 312 of 600 | 600 of 600 |
//!
//! are called regressed. At a spread of 5 % a slowdown of 5 % takes 150 and 80 pairs: 559 of 600. With six figures gated, of which
//! one is slower, 5 % at a spread of 3 % is found in 546 of 600. None of the slowdowns of 5 % was let pass. The tests beside
//! this file hold smaller runs of the same against these rates.

pub(crate) mod book;
mod failure;
mod figure;
mod judge;
mod ledger;
mod noise;
mod replay;
mod rule;
#[cfg(test)]
mod simulation;

pub use figure::{CPU_FLOOR, FEWEST_SWITCHES, P99_FLOOR, SWITCHES_FLOOR, defaults};
pub use judge::judge;
pub use ledger::Ledger;
pub use replay::{FEWEST_RECORDED, Replay, Tally, replay};

use crate::record::{Comparison, ConfirmRecord, Figure, PlannedLook};
use crate::stats::paired::Factor;

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

/// What a comparison of two builds came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// What was compared, by which rule.
    pub comparison: Comparison,
    /// Rounds of the search that were run.
    pub search_rounds: u32,
    /// Where the fresh rounds began; absent when nothing had to be confirmed.
    pub confirm: Option<ConfirmRecord>,
    /// The verdicts, in the order of the comparison's cells, then of each cell's figures.
    pub cells: Vec<Verdict>,
}

/// The verdict on one figure of one model under one workload.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Name of the workload.
    pub scenario: String,
    /// Name of the model, without a side.
    pub model: String,
    /// The figure.
    pub figure: Figure,
    /// What came of it.
    pub outcome: Outcome,
    /// Whether it is regressed because B fails where A does not, whatever its speed.
    pub broken: bool,
    /// Rounds in which both sides had a figure, of the search.
    pub rounds: usize,
    /// Median of A over these rounds, in the figure's own unit.
    pub a: Option<f64>,
    /// Median of B.
    pub b: Option<f64>,
    /// How many times worse B is than A, paired by round, with its 90 % interval; absent without a common round.
    pub factor: Option<Factor>,
    /// The same over the fresh rounds, where they were run.
    pub confirmed: Option<Factor>,
    /// p that B is not worse by more than the floor, adjusted for all comparisons of the run and all looks.
    pub q: Option<f64>,
    /// The smallest slowdown that matters, as a share.
    pub practical: f64,
    /// What a claim must clear, as a share: the larger of the practical floor and the noise floor.
    pub floor: f64,
    /// What chance alone makes of so many rounds with this noise, as a share.
    pub noise_floor: Option<f64>,
    /// The least factor that so many rounds find in 4 of 5 runs.
    pub detectable: Option<f64>,
    /// About how many more rounds would tell, where the rounds do not.
    pub more: Option<usize>,
    /// Why, in a sentence or two.
    pub reason: String,
    /// The pairs it rests on, in order of rounds.
    pub pairs: Vec<Paired>,
}

/// A round in which both sides have the figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paired {
    /// The round, from 0.
    pub round: u32,
    /// The natural logarithm of how many times worse B is than A.
    pub log: f64,
    /// Whether it is one of the fresh rounds.
    pub fresh: bool,
}

/// What came of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// A slowdown that matters is ruled out.
    Pass,
    /// B is better, by more than the floor.
    Improved,
    /// The rounds do not tell.
    Inconclusive,
    /// Too few valid rounds, or both sides fail.
    Invalid,
    /// B is worse, by more than the floor, and fresh rounds say so too; or B fails where A does not.
    Regressed,
}

impl Outcome {
    /// All there are, the gravest last.
    pub const ALL: [Self; 5] =
        [Self::Pass, Self::Improved, Self::Inconclusive, Self::Invalid, Self::Regressed];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Improved => "improved",
            Self::Inconclusive => "inconclusive",
            Self::Invalid => "invalid",
            Self::Regressed => "regressed",
        }
    }
}

impl Gate {
    /// The gravest outcome; `Invalid` where nothing was compared.
    pub fn outcome(&self) -> Outcome {
        self.cells.iter().map(|cell| cell.outcome).max().unwrap_or(Outcome::Invalid)
    }

    /// The exit status of a run that came to this: 0 when nothing regressed, 1 when something did, 3 when nothing did but
    /// something could not be decided and the comparison is strict, or when not one figure could be compared: a gate that
    /// measured nothing must not look like one that found nothing.
    pub fn exit_code(&self) -> u8 {
        match self.outcome() {
            Outcome::Regressed => 1,
            Outcome::Inconclusive | Outcome::Invalid if self.comparison.strict || self.says_nothing() => 3,
            Outcome::Pass | Outcome::Improved | Outcome::Inconclusive | Outcome::Invalid => 0,
        }
    }

    /// Whether not one figure could be compared.
    fn says_nothing(&self) -> bool {
        self.cells.iter().all(|cell| cell.outcome == Outcome::Invalid)
    }

    /// How many figures came to this.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.cells.iter().filter(|cell| cell.outcome == outcome).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
