//! A workload with what was made of it: cells, verdict, limits of the generator.

use super::probe::{Bounds, Limit};
use super::verdict::Verdict;
use crate::cells::cell::Cell;
use crate::record::{Metric, ScenarioRecord};

/// A workload: its cells and its verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// What was run.
    pub scenario: ScenarioRecord,
    /// A cell for each of its models, in its order.
    pub cells: Vec<Cell>,
    /// Which models fit it.
    pub verdict: Verdict,
    /// What the generator can show of it.
    pub bounds: Bounds,
}

impl Workload {
    /// The cell of a model.
    pub fn cell(&self, model: &str) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.model == model)
    }

    /// The fewest requests that lay beyond the deciding percentile in any block of any model; `None` where no percentile decides.
    pub fn requests_beyond(&self) -> Option<u64> {
        let slower = 1.0 - self.verdict.merit.percentile()?;
        let rounds = self.cells.iter().flat_map(|cell| &cell.rounds);
        rounds.map(|round| (round.response.sent as f64 * slower + 1e-6).floor() as u64).min()
    }

    /// The models with a rate at the generator's limit: those that are marked for it, wherever they stand.
    pub fn at_ceiling(&self) -> Vec<&str> {
        let near = |cell: &&Cell| {
            let at = |metric| cell.value(metric).and_then(|value| self.bounds.limit(metric, value));
            Metric::ALL.into_iter().any(|metric| at(metric) == Some(Limit::Ceiling))
        };
        self.cells.iter().filter(near).map(|cell| cell.model.as_str()).collect()
    }
}
