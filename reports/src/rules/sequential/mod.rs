//! The sequential stop: which cells of a run with a time budget need no more rounds.
//!
//! # The rule
//! The run looks at its figures after fixed rounds, stated in its head before it begins. At a look the rule of
//! [`verdict`](crate::rules::verdict) is applied to the rounds so far. A model that is behind runs no more under that workload.
//! When every other model of a workload is behind or equal to the best, the whole workload runs no more. An equal model goes
//! on as long as another is not resolved: that one may yet become the best, and would have to be compared with it. The rest of
//! the time goes to what is left.
//!
//! # Why looking costs no error rate
//! Whoever looks often enough finds something. So each look has a weight, all weights with the end's add up to 1, and a p
//! at a look is divided by its weight: the chance that any of a true null's p, so divided, lies below a level is at most the
//! sum of level times weight, which is the level. (A weighted Bonferroni bound over looks; alpha spending after Lan and DeMets,
//! Discrete sequential boundaries for clinical trials, 1983.) Benjamini-Hochberg over the run takes the smallest of each
//! comparison. That is never larger at a later look, so what was behind stays behind, with the rounds it had.
//! The end has the weight that the looks taken left over; when it comes is decided by the clock.
//!
//! The tests beside this file show it on simulated runs: false alarms, what is found, what is saved.

#[cfg(test)]
mod simulation;

use crate::cells::gather;
use crate::record::{Ended, EndedCell, LookRecord, PlannedLook, Run, ScenarioRecord, Trial};
use crate::rules::contest::{self, Class, Contest, Contestant, Spending};
use crate::rules::verdict::MOST_LEFT_OUT;
use std::collections::{BTreeMap, BTreeSet};

/// The looks of a run: rounds done, and the share of the error rate spent. The first is where a test of a run can first
/// reject at such a share; the further ones are spaced like the rounds that smaller differences take. The end has at least
/// 0.2 left.
const LOOKS: [(u32, f64); 7] =
    [(8, 0.35), (10, 0.20), (14, 0.10), (20, 0.05), (28, 0.04), (40, 0.03), (56, 0.03)];

/// The looks of a run that plans so many rounds. None when nothing would be left to save after the first.
pub fn looks(planned_rounds: u32) -> Vec<PlannedLook> {
    let worth_it = planned_rounds > LOOKS[0].0;
    let looks = LOOKS.iter().filter(|_| worth_it);
    looks.map(|(after_rounds, weight)| PlannedLook { after_rounds: *after_rounds, weight: *weight }).collect()
}

/// The figures of a run under way, and which of its cells still run.
#[derive(Clone, Debug)]
pub struct Ledger {
    seed: u64,
    looks: Vec<PlannedLook>,
    workloads: Vec<Open>,
    /// Rounds of a cell that were tried, and those with a valid trial.
    asked: BTreeSet<(usize, usize, u32)>,
    valid: BTreeSet<(usize, usize, u32)>,
}

#[derive(Clone, Debug)]
struct Open {
    scenario: ScenarioRecord,
    cells: Vec<OpenCell>,
}

#[derive(Clone, Debug)]
struct OpenCell {
    model: String,
    figures: BTreeMap<u32, f64>,
    runs: bool,
}

impl Ledger {
    /// The empty ledger of a run. Without a budget in its head it never looks.
    pub fn new(run: &Run) -> Self {
        let cell = |model: &String| OpenCell { model: model.clone(), figures: BTreeMap::new(), runs: true };
        let workloads = run.scenarios.iter().map(|scenario| Open {
            scenario: scenario.clone(),
            cells: scenario.models.iter().map(cell).collect(),
        });
        Self {
            seed: run.seed,
            looks: run.sequential.as_ref().map(|sequential| sequential.looks.clone()).unwrap_or_default(),
            workloads: workloads.collect(),
            asked: BTreeSet::new(),
            valid: BTreeSet::new(),
        }
    }

    /// Enters a finished trial; of several tries of a round the first valid one counts, as in the report.
    pub fn add(&mut self, trial: &Trial) {
        let Some(scenario) = self.workloads.iter().position(|open| open.scenario.name == trial.scenario)
        else {
            return;
        };
        let open = &self.workloads[scenario];
        let Some(model) = open.cells.iter().position(|cell| cell.model == trial.model) else { return };
        self.asked.insert((scenario, model, trial.round));
        if !trial.invalid.is_empty() || self.valid.contains(&(scenario, model, trial.round)) {
            return;
        }
        // As the report reads it: a trial that contradicts itself gives no round.
        let (cell, _) = gather::gather(&open.scenario, &trial.model, &[trial], 0, 0);
        let Some(round) = cell.rounds.first() else { return };
        self.valid.insert((scenario, model, trial.round));
        if let Some(figure) = round.value(open.scenario.merit) {
            self.enter(scenario, model, trial.round, figure);
        }
    }

    fn enter(&mut self, scenario: usize, model: usize, round: u32, figure: f64) {
        self.workloads[scenario].cells[model].figures.insert(round, figure);
    }

    /// Looks after so many rounds, if a look is due then: which cells run no more. `None` when none is due.
    ///
    /// With so many trials lost that the run has no verdict as it stands, nothing is ended.
    pub fn look(&mut self, rounds: u32) -> Option<LookRecord> {
        self.looks.iter().find(|look| look.after_rounds == rounds)?;
        let lost = self.asked.difference(&self.valid).count();
        let fair = lost as f64 <= MOST_LEFT_OUT * self.asked.len() as f64;
        let mut ended = Vec::new();
        if fair {
            let classes = self.classes(rounds);
            for (open, classes) in self.workloads.iter_mut().zip(classes) {
                ended.extend(open.end(&classes));
            }
        }
        Some(LookRecord { after_rounds: rounds, ended, going_on: self.running() })
    }

    fn classes(&self, rounds: u32) -> Vec<Vec<Class>> {
        let contests: Vec<Contest<'_>> = self.workloads.iter().map(Open::contest).collect();
        contest::classes(&contests, Spending { looks: &self.looks, rounds }, self.seed)
    }

    fn running(&self) -> u32 {
        let running = self.workloads.iter().flat_map(|open| &open.cells).filter(|cell| cell.runs);
        u32::try_from(running.count()).unwrap_or(u32::MAX)
    }
}

impl Open {
    fn contest(&self) -> Contest<'_> {
        let contestant = |cell: &'_ OpenCell| cell.figures.clone();
        let models =
            self.cells.iter().map(|cell| Contestant { model: &cell.model, figures: contestant(cell) });
        Contest { name: &self.scenario.name, merit: self.scenario.merit, models: models.collect() }
    }

    /// Ends what is decided and returns it.
    fn end(&mut self, classes: &[Class]) -> Vec<EndedCell> {
        let settled = |(cell, class): (&OpenCell, &Class)| match class {
            Class::Best | Class::Equal | Class::Behind(_) => true,
            Class::Open => false,
            // A model that has never had a valid round would hold its workload open for ever.
            Class::Few => cell.figures.is_empty(),
        };
        let decided = classes.contains(&Class::Best) && self.cells.iter().zip(classes).all(settled);
        let mut ended = Vec::new();
        for (cell, class) in self.cells.iter_mut().zip(classes).filter(|(cell, _)| cell.runs) {
            let why = match class {
                Class::Behind(_) => Ended::Behind,
                _ if decided => Ended::Decided,
                _ => continue,
            };
            cell.runs = false;
            ended.push(EndedCell { scenario: self.scenario.name.clone(), model: cell.model.clone(), why });
        }
        ended
    }
}

/// Trials that were not run because looks had ended their cells, in a run of so many rounds.
pub fn trials_saved(looks: &[LookRecord], rounds: u32) -> u64 {
    let saved =
        |look: &LookRecord| look.ended.len() as u64 * u64::from(rounds.saturating_sub(look.after_rounds));
    looks.iter().map(saved).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weights_leave_the_end_its_share() {
        let spent: f64 = looks(9).iter().map(|look| look.weight).sum();
        assert!((spent - 0.8).abs() < 1e-12, "{spent}");
        assert!(looks(100).windows(2).all(|pair| pair[0].after_rounds < pair[1].after_rounds));
        assert!(looks(8).is_empty(), "after eight rounds nothing would be left to save");
    }

    #[test]
    fn what_a_look_saves_is_counted_from_the_look_on() {
        let cell = |model: &str| EndedCell { scenario: "s".into(), model: model.into(), why: Ended::Behind };
        let look = |after_rounds, ended| LookRecord { after_rounds, ended, going_on: 1 };
        let looks = [look(8, vec![cell("a"), cell("b")]), look(10, vec![cell("c")]), look(14, vec![])];
        assert_eq!(trials_saved(&looks, 15), 7 + 7 + 5);
        assert_eq!(trials_saved(&looks, 8), 0);
    }
}
