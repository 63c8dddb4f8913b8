//! The answers of a run as a JSON document for programs. Its fields are described here and in `reports/SCHEMA.md`.
//!
//! JSON has no infinity: `null` stands for what has no bound, or for a percentile that too many unanswered requests made infinite.

use crate::analysis::Analysis;
use crate::rules::verdict::{Closeness, Place, Standing, Status, Verdict};
use crate::rules::workload::Workload;
use serde::Serialize;

/// The version of this document. Raised whenever a reader of the old one would misread the new one.
pub const ANSWERS_VERSION: u32 = 1;

/// The answers of a run.
#[derive(Debug, Serialize)]
pub struct Answers {
    /// [`ANSWERS_VERSION`].
    pub answers_version: u32,
    /// The version of the tool that made the records.
    pub tool_version: String,
    /// The seed of the run.
    pub seed: u64,
    /// What a reader must know of the run first, a sentence each.
    pub caveats: Vec<String>,
    /// The workloads, in the run's order.
    pub workloads: Vec<Answer>,
}

/// What the blocks of a workload say.
#[derive(Debug, Serialize)]
pub struct Answer {
    /// Name of the workload.
    pub name: String,
    /// The key of its figure of merit, such as `throughput` or `response-p95`.
    pub merit: &'static str,
    /// `decided`, `equal`, `undecided` or `provisional`.
    pub status: &'static str,
    /// Of an undecided workload, about how many more blocks would decide it; `null` where more do not help.
    pub more_blocks: Option<usize>,
    /// Whether every contestant in front leaves the work undone; then nobody wins.
    pub none_fits: bool,
    /// Who wins, the best first.
    pub winners: Vec<String>,
    /// How alike several winners are: `equal`, `near` or `not-told-apart`.
    pub closeness: Option<&'static str>,
    /// The key of the figure that the factors are of: the figure of merit, but of a provisional answer perhaps another.
    pub compared_by: &'static str,
    /// Where a percentile decides, the fewest requests that lay beyond it in any block of any contestant.
    pub requests_beyond: Option<u64>,
    /// Undisturbed blocks.
    pub clean_blocks: usize,
    /// Disturbed blocks.
    pub disturbed_blocks: usize,
    /// The answer in words.
    pub words: String,
    /// The contestants, best first; those that could not be compared last.
    pub contestants: Vec<Contestant>,
}

/// A contestant of a workload.
#[derive(Debug, Serialize)]
pub struct Contestant {
    /// Its name.
    pub name: String,
    /// `first`, `equal`, `near`, `not-told-apart`, `between` (behind some of the front), `behind`, `too-few` or `invalid`.
    pub place: &'static str,
    /// Median of its figure of merit over its blocks, in the unit of the metric: a second's replies, nanoseconds, a share, bytes.
    pub figure: Option<f64>,
    /// How many times worse than the first, as the middle of the interval.
    pub factor: Option<f64>,
    /// The interval of that factor; the upper end `null` where there is no bound. All intervals of a run hold together in 95 % of
    /// runs.
    pub interval: Option<(Option<f64>, Option<f64>)>,
    /// Blocks with a figure.
    pub blocks: usize,
    /// Of those that decided, the ones in which it was far worse than usual.
    pub bad_blocks: usize,
    /// Who is shown to be ahead of it, the best first.
    pub behind: Vec<String>,
}

impl Answers {
    /// The answers of a run.
    pub fn of(analysis: &Analysis) -> Self {
        Self {
            answers_version: ANSWERS_VERSION,
            tool_version: analysis.run.tool_version.clone(),
            seed: analysis.run.seed,
            caveats: analysis.caveats().iter().map(ToString::to_string).collect(),
            workloads: analysis.workloads.iter().map(answer).collect(),
        }
    }

    /// The document.
    ///
    /// # Errors
    /// None that a bundle can cause.
    pub fn json(&self) -> serde_json::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}

fn answer(workload: &Workload) -> Answer {
    let verdict = &workload.verdict;
    Answer {
        name: workload.scenario.name.clone(),
        merit: verdict.merit.key(),
        status: verdict.status.name(),
        more_blocks: match verdict.status {
            Status::Undecided { more } => more,
            _ => None,
        },
        none_fits: verdict.status == Status::NoneFits,
        winners: verdict.winners.clone(),
        closeness: verdict.closeness.map(|closeness| match closeness {
            Closeness::Equal => "equal",
            Closeness::Near => "near",
            Closeness::NotToldApart => "not-told-apart",
        }),
        compared_by: verdict.provisional.map_or(verdict.merit, |provisional| provisional.by).key(),
        requests_beyond: workload.requests_beyond(),
        clean_blocks: verdict.clean_blocks,
        disturbed_blocks: verdict.disturbed_blocks,
        words: verdict.lead(),
        contestants: verdict.standings.iter().map(|standing| contestant(verdict, standing)).collect(),
    }
}

fn contestant(verdict: &Verdict, standing: &Standing) -> Contestant {
    let finite = |value: f64| Some(value).filter(|value| value.is_finite());
    let factor = standing.place.factor();
    Contestant {
        name: standing.model.clone(),
        place: match standing.place {
            Place::Leader => "first",
            Place::Equal(_) => "equal",
            Place::Near(_) => "near",
            Place::Open(_) => "not-told-apart",
            Place::Between(_) => "between",
            Place::Behind(_) => "behind",
            Place::TooFew { .. } => "too-few",
            Place::Invalid => "invalid",
        },
        figure: standing.figure.filter(|figure| !verdict.merit.useless(*figure) || *figure == 0.0),
        factor: factor.and_then(|factor| finite(factor.median)),
        interval: factor.map(|factor| (finite(factor.low), finite(factor.high))),
        blocks: standing.blocks,
        bad_blocks: standing.bad_blocks,
        behind: standing.behind.clone(),
    }
}
