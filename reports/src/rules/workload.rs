//! A workload with what was made of it: cells, verdict, limits of the generator.

use super::probe::Bounds;
use super::verdict::Verdict;
use crate::cells::cell::Cell;
use crate::record::ScenarioRecord;

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

    /// The models whose median throughput lies at the generator's limit.
    pub fn at_ceiling(&self) -> Vec<&str> {
        let near = |cell: &&Cell| cell.throughput_per_s().is_some_and(|rate| self.bounds.at_ceiling(rate));
        self.cells.iter().filter(near).map(|cell| cell.model.as_str()).collect()
    }
}
