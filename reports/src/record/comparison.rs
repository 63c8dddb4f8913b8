//! What a run compares that sets two builds of a server against each other: the two sides, the cells, the figures that may
//! fail it, and when it looks. Part of the head, so that whoever reads the bundle applies the rule it was made under.

use super::{Metric, PlannedLook};
use serde::{Deserialize, Serialize};

/// Two builds in one run. In trials each side's models carry names of their own ([`Side::model`]), so that everything else
/// in a bundle is that of any other run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// The side that is compared with: the baseline.
    pub a: Contender,
    /// The side that may have become worse: the candidate.
    pub b: Contender,
    /// What is compared.
    pub cells: Vec<ComparedCell>,
    /// Rounds of the search at most; what looks slower then is run again on fresh rounds.
    pub search_rounds: u32,
    /// Fresh rounds for what looks slower, at most.
    pub confirm_rounds: u32,
    /// When the search looks at its figures, with the share of the error rate of each look.
    pub looks: Vec<PlannedLook>,
    /// Whether an undecided comparison fails the run, too.
    pub strict: bool,
    /// How often each side was built, its functions in another order each time. The rounds take these builds in turn.
    #[serde(default = "one_layout", skip_serializing_if = "is_one_layout")]
    pub layouts: u32,
}

fn one_layout() -> u32 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde hands it over so
fn is_one_layout(layouts: &u32) -> bool {
    *layouts == 1
}

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The baseline.
    A,
    /// The candidate.
    B,
}

impl Side {
    /// Both, the baseline first.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    /// Its letter.
    pub fn letter(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
        }
    }

    /// What a model of this side is called in trials: "tokio (A)".
    pub fn model(self, model: &str) -> String {
        format!("{model} ({})", self.letter())
    }
}

/// What stands on one side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contender {
    /// What a reader calls it: a ref, a file name, a command. Free text; escape it wherever it is shown.
    pub label: String,
    /// Where it came from.
    pub origin: Origin,
}

/// Where a side came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Built from this commit.
    Commit {
        /// The ref that was given.
        reference: String,
        /// The commit it named, 40 hex digits.
        commit: String,
    },
    /// A program of this tool's kind, given as a file.
    Binary {
        /// The file.
        path: String,
    },
    /// Any command that listens where it is told.
    Command {
        /// Its words, with `{port}` where the port goes.
        words: String,
    },
}

/// A model under a workload, on both sides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComparedCell {
    /// Name of the workload.
    pub scenario: String,
    /// Name of the model, without a side; of an external command the name it was given.
    pub model: String,
    /// The figures that may fail the run, each with the smallest slowdown that matters.
    pub gated: Vec<Gated>,
}

/// A figure that may fail a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gated {
    /// The figure.
    pub figure: Metric,
    /// The smallest slowdown that matters, as a share above 0: 0.03 is 3 %.
    pub floor: f64,
}

/// Where the confirmation begins: what looked slower in the search runs again, and is judged by these rounds alone. Written
/// between the two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfirmRecord {
    /// The first fresh round.
    pub from_round: u32,
    /// Fresh rounds planned.
    pub rounds: u32,
    /// Workload and model of what runs again.
    pub cells: Vec<(String, String)>,
}
