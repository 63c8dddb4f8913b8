//! Whether a build became slower than another: the verdict on a comparison of two builds in one run.

use crate::record::{Comparison, Figure};
use crate::statistics::paired::Factor;

/// What a comparison of two builds came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// What was compared, by which rule.
    pub comparison: Comparison,
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
    /// Rounds in which both sides had a figure, of the search.
    pub rounds: usize,
    /// Median of A over these rounds, in the figure's own unit.
    pub a: Option<f64>,
    /// Median of B.
    pub b: Option<f64>,
    /// How many times worse B is than A, paired by round, with its 95 % interval; absent without a common round.
    pub factor: Option<Factor>,
    /// The same over the fresh rounds, where they were run.
    pub confirmed: Option<Factor>,
    /// p that B is not worse by more than the floor, adjusted for all comparisons of the run and all looks.
    pub q: Option<f64>,
    /// The smallest slowdown that matters, as a share: the larger of the practical floor and the noise floor.
    pub floor: f64,
    /// What chance alone makes of so many rounds with this noise, as a share.
    pub noise_floor: Option<f64>,
    /// The least factor that so many rounds find in 4 of 5 runs.
    pub detectable: Option<f64>,
    /// Why, in a sentence.
    pub reason: String,
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
    /// The gravest outcome; `Pass` of nothing.
    pub fn outcome(&self) -> Outcome {
        self.cells.iter().map(|cell| cell.outcome).max().unwrap_or(Outcome::Pass)
    }
}
