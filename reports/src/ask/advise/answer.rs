//! What `bakeoff advise` says, as one versioned document for programs; `text` makes the words for people of it.

use super::distance::Difference;
use super::question::{Assumption, Question};
use crate::record::Reading;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use strum::{AsRefStr, Display, VariantArray};

/// The version of this document. Raised whenever a reader of the old one would misread the new one.
pub const ANSWER_VERSION: u32 = 2;

/// The answer to a question, from measured records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// [`ANSWER_VERSION`].
    pub answer_version: u32,
    /// What was asked.
    pub question: Question,
    /// What was taken for granted because the question does not say it.
    pub assumptions: Vec<Assumption>,
    /// What came out.
    pub outcome: Outcome,
    /// The models to choose from, best first; those that satisfy and cannot be told apart.
    pub recommended: Vec<String>,
    /// Why these, in sentences.
    pub reasons: Vec<String>,
    /// How far to trust it.
    pub confidence: Confidence,
    /// Every model of the records against every criterion.
    pub models: Vec<ModelAnswer>,
    /// The workloads that it rests on, nearest first.
    pub cells: Vec<CellUsed>,
    /// What it does not know.
    pub unknown: Vec<String>,
    /// What a reader must know of the records.
    pub warnings: Vec<String>,
    /// The run that would settle it.
    pub proposal: Proposal,
}

/// What came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Some models satisfy everything that was asked.
    Recommended,
    /// Every model fails something.
    NoneSatisfies,
    /// Some models may satisfy it, none is known to.
    Undecided,
    /// No measured workload lies near enough to the question.
    NothingNear,
}

/// How far to trust an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confidence {
    /// The level.
    pub level: Level,
    /// What lowered it, in words; empty for the highest.
    pub because: Vec<String>,
}

/// A level of confidence; `choose` has the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Level {
    /// Nothing is recommended, so there is nothing to trust.
    None,
    /// A hint: measure before you build on it.
    Low,
    /// Likely, with a reason for caution.
    Medium,
    /// As good as measured for this very question.
    High,
}

/// What can be asked of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, AsRefStr, Display, VariantArray)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Criterion {
    /// It carries the rate.
    Rate,
    /// 99 of 100 requests keep under the objective.
    P99,
    /// It stays within the memory limit.
    Memory,
    /// A crash in one handler leaves the other clients alone.
    Isolation,
    /// Every client is served.
    Starvation,
}

/// Whether a model satisfies something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stand {
    /// It does.
    Satisfies,
    /// It does not.
    Fails,
    /// The records do not tell.
    NotKnown,
}

/// A model against what was asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelAnswer {
    /// Its name.
    pub model: String,
    /// Satisfies if it satisfies all that was asked; fails if it fails any of it.
    pub stand: Stand,
    /// One for each criterion, in the order of [`Criterion::VARIANTS`].
    pub findings: Vec<Finding>,
}

impl ModelAnswer {
    /// How many of the criteria asked for it fails, and the least factor by which it meets or misses one: to order models
    /// by how near they come, the nearest first.
    pub(super) fn shortfall(&self) -> (usize, f64) {
        let asked = || self.findings.iter().filter(|finding| finding.asked);
        let failed = asked().filter(|finding| finding.stand == Stand::Fails);
        let least = asked().filter_map(|finding| finding.headroom).fold(f64::INFINITY, f64::min);
        (failed.count(), -least)
    }

    /// The finding on a criterion.
    pub fn finding(&self, criterion: Criterion) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.criterion == criterion)
    }
}

/// A model against one criterion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// The criterion.
    pub criterion: Criterion,
    /// Whether the question asks for it.
    pub asked: bool,
    /// What the records say.
    pub stand: Stand,
    /// Why, in words, with the figures.
    pub words: String,
    /// How many times better than needed it is; below 1 it falls short. Absent where nothing was asked or measured.
    pub headroom: Option<f64>,
    /// The figure: requests per second, nanoseconds, or bytes.
    pub value: Reading<f64>,
    /// Its 95 % interval over the rounds, where both ends are finite.
    pub interval: Option<(f64, f64)>,
    /// Rounds it rests on.
    pub rounds: u32,
    /// Position in [`Answer::cells`] of the workload it rests on.
    pub cell: Option<usize>,
}

/// A workload that an answer rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellUsed {
    /// The records it is in.
    pub source: String,
    /// Its name, or "between A and B" for points of a sweep.
    pub workload: String,
    /// What it was used for.
    pub used_for: Vec<Criterion>,
    /// Its distance from the question: the largest of these uses.
    pub distance: f64,
    /// How it differs from the question, the most important first.
    pub differences: Vec<Difference>,
}

/// The run that would settle what is not known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// A whole scenario file.
    pub toml: String,
    /// The contestants worth running.
    pub models: Vec<String>,
    /// Those of them that are commands, each with its text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub commands: BTreeMap<String, String>,
    /// Rounds.
    pub rounds: u32,
    /// About how long it takes.
    pub seconds: f64,
    /// What the scenario leaves out of the question, in words.
    pub notes: Vec<String>,
}

impl Proposal {
    /// The command that runs it from a file of this name.
    pub fn command(&self, file: &str) -> String {
        // Commands come beside the models that are named; where none is, the default ones would run, too.
        let one = |model: &String| match self.commands.get(model) {
            Some(text) => format!(" --contestant '{}'", format!("{model}={text}").replace('\'', "'\\''")),
            None => format!(" --model {model}"),
        };
        let contestants: String = self.models.iter().map(one).collect();
        format!("bakeoff run {file}{contestants} --rounds {}", self.rounds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proposal_names_commands_as_a_shell_takes_them() {
        let proposal = Proposal {
            toml: String::new(),
            models: vec!["tokio".into(), "go".into()],
            commands: BTreeMap::from([("go".into(), "sh -c 'exec ./s $0' {port}".into())]),
            rounds: 10,
            seconds: 1.0,
            notes: Vec::new(),
        };
        let expected = r"bakeoff run x.toml --model tokio --contestant 'go=sh -c '\''exec ./s $0'\'' {port}' --rounds 10";
        assert_eq!(proposal.command("x.toml"), expected);
    }
}
