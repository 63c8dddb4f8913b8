//! A run that looks at its figures while it goes on: when it may look, said before it begins, and what each look ended.

use serde::{Deserialize, Serialize};

/// How a run with a time budget may look at its figures. Part of the head, so that whoever reads the bundle applies the
/// same rule: a claim made at a look must hold at the share of the error rate that the look was given beforehand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sequential {
    /// The time the rounds were given.
    pub budget_ns: u64,
    /// The looks, in order; none when the budget was too short for any.
    pub looks: Vec<PlannedLook>,
}

/// A look at the figures between two rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedLook {
    /// After so many rounds.
    pub after_rounds: u32,
    /// The share of the error rate that it may spend, above 0; all shares together stay below 1, and the end has the rest.
    pub weight: f64,
}

/// What a look found. Written when it was taken, behind the round before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LookRecord {
    /// Rounds done.
    pub after_rounds: u32,
    /// The cells that run no more.
    pub ended: Vec<EndedCell>,
    /// Cells that go on.
    pub going_on: u32,
}

/// A cell that a look ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndedCell {
    /// Name of its workload.
    pub scenario: String,
    /// Name of its model.
    pub model: String,
    /// Why.
    pub why: Ended,
}

/// Why a cell runs no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// The model is behind.
    Behind,
    /// Every other model of the workload is behind or equal; of a comparison of two builds: every figure that may fail it is
    /// decided. There is nothing left to find out.
    Decided,
    /// One of the two builds that are compared fails: there is no figure to wait for.
    Fails,
}
