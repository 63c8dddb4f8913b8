//! What a comparison of two builds came to, as values.

use super::reason::Because;
use crate::record::{Comparison, ConfirmRecord, Metric};
use crate::rules::verdict::BAD;
use crate::stats::estimate::Estimate;
use crate::stats::median;

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
    pub figure: Metric,
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
    pub factor: Option<Estimate>,
    /// The same over the fresh rounds, where they were run.
    pub confirmed: Option<Estimate>,
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
    /// Why.
    pub because: Because,
    /// The pairs it rests on, in order of rounds.
    pub pairs: Vec<Paired>,
}

impl Verdict {
    /// How many pairs of the search have B more than [`BAD`] times worse than A beyond the usual, and of how many.
    pub fn bad_pairs(&self) -> (usize, usize) {
        let logs: Vec<f64> = self.pairs.iter().filter(|pair| !pair.fresh).map(|pair| pair.log).collect();
        let usual = median(&logs).unwrap_or(0.0);
        (logs.iter().filter(|log| **log - usual > BAD.ln()).count(), logs.len())
    }
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
