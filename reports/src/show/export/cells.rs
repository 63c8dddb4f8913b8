//! The cells of a run with the trials that count in them, as the exports go through them.

use super::Source;
use crate::cells::cell::{Cell, RoundFigures};
use crate::record::histogram::Recorder;
use crate::record::{Measured, Side, Trial};
use crate::rules::workload::Workload;
use std::collections::BTreeMap;

/// A cell: its workload, and for each valid round the trial that counts.
pub(super) struct Counted<'a> {
    pub(super) workload: &'a Workload,
    pub(super) cell: &'a Cell,
    pub(super) rounds: Vec<(&'a Trial, &'a Measured, &'a RoundFigures)>,
}

impl Counted<'_> {
    /// Workload and model, for a sentence.
    pub(super) fn name(&self) -> String {
        format!("{} / {}", self.workload.scenario.name, self.cell.model)
    }

    /// Workload and model as a name that no other cell of any run shares. Names may hold slashes, so those of the
    /// workload's are written as in an address, and the first one left ends it.
    pub(super) fn key(&self, between: &str) -> String {
        let workload = self.workload.scenario.name.replace('%', "%25").replace('/', "%2F");
        format!("{workload}{between}{}", self.cell.model)
    }

    /// The response times of all rounds together.
    pub(super) fn response(&self) -> Recorder {
        let mut merged = Recorder::fine();
        for (_, measured, _) in &self.rounds {
            // The analysis has opened each of them before.
            if let Ok(one) = Recorder::decode(&measured.response) {
                merged.merge(&one);
            }
        }
        merged
    }
}

/// Every cell of the run, the points of sweeps last.
pub(super) fn all<'a>(source: Source<'a>) -> Vec<Counted<'a>> {
    // The first valid try of a round counts.
    let mut first: BTreeMap<(&str, &str, u32), &Trial> = BTreeMap::new();
    for trial in source.bundle.trials.iter().filter(|trial| trial.invalid.is_empty()) {
        first.entry((&trial.scenario, &trial.model, trial.round)).or_insert(trial);
    }
    let counted = |workload: &'a Workload, cell: &'a Cell| {
        let of_round = |round: &'a RoundFigures| {
            let trial = first.get(&(workload.scenario.name.as_str(), cell.model.as_str(), round.round))?;
            Some((*trial, trial.measured.value()?, round))
        };
        Counted { workload, cell, rounds: cell.rounds.iter().filter_map(of_round).collect() }
    };
    let workloads = source.analysis.measured();
    workloads
        .flat_map(|workload| workload.cells.iter().map(move |cell| (workload, cell)))
        .map(|(w, c)| counted(w, c))
        .collect()
}

/// The model without its side, and the side; of a run that compares no builds there is none.
pub(super) fn side<'a>(source: Source<'a>, model: &'a str) -> (&'a str, Option<Side>) {
    let cells = source.bundle.run.comparison.iter().flat_map(|comparison| &comparison.cells);
    let mut sides = cells.flat_map(|cell| Side::BOTH.map(|side| (cell.model.as_str(), side)));
    match sides.find(|(name, side)| side.model(name) == model) {
        Some((name, side)) => (name, Some(side)),
        None => (model, None),
    }
}
