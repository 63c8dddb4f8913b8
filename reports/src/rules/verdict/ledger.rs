//! The figures of a run under way, block by block, as the report will read them; and which block it makes next.

use super::allocation::{Allocation, Means};
use super::decide;
use crate::cells::cell::RoundFigures;
use crate::cells::gather;
use crate::record::bundle::Bundle;
use crate::record::{Invalid, Metric, Run, ScenarioRecord, Trial};
use crate::rules::probe::Bounds;

/// The figures of a run under way.
#[derive(Clone, Debug)]
pub struct Ledger {
    scenarios: Vec<ScenarioRecord>,
    allocation: Allocation,
    /// The block under way of each workload.
    under_way: Vec<UnderWay>,
    /// Blocks done of each workload, disturbed ones included; and those of them that count.
    done: Vec<(u32, u32)>,
    /// What the generator can show of each workload.
    bounds: Vec<Bounds>,
}

#[derive(Clone, Debug, Default)]
struct UnderWay {
    /// What each contestant with a valid trial did in it.
    rounds: Vec<(usize, RoundFigures)>,
    disturbed: bool,
    /// Contestants with a valid trial.
    valid: Vec<usize>,
}

impl Ledger {
    /// The empty ledger of a run.
    pub fn new(run: &Run) -> Self {
        let beside = run.scenarios.iter().any(|scenario| scenario.sweep.is_none());
        let workload = |scenario: &ScenarioRecord| {
            (scenario.merit.floor(), scenario.models.len(), beside && scenario.sweep.is_some())
        };
        Self {
            allocation: Allocation::new(run.scenarios.iter().map(workload)),
            under_way: vec![UnderWay::default(); run.scenarios.len()],
            done: vec![(0, 0); run.scenarios.len()],
            bounds: run.scenarios.iter().map(|one| Bounds::of(run.probe.value(), &one.name)).collect(),
            scenarios: run.scenarios.clone(),
        }
    }

    /// The ledger of a run that goes on: with every block of its bundle.
    pub fn of(bundle: &Bundle) -> Self {
        let mut ledger = Self::new(&bundle.run);
        for workload in 0..ledger.scenarios.len() {
            let name = ledger.scenarios[workload].name.clone();
            let mut trials: Vec<&Trial> =
                bundle.trials.iter().filter(|trial| trial.scenario == name).collect();
            trials.sort_by_key(|trial| (trial.round, trial.index));
            for block in trials.chunk_by(|a, b| a.round == b.round) {
                block.iter().for_each(|trial| ledger.add(workload, trial));
                ledger.done[workload].0 = block[0].round;
                ledger.end_block(workload);
            }
        }
        ledger
    }

    /// Enters a finished trial of the block under way; of several tries the first valid one counts, as in the report.
    pub fn add(&mut self, workload: usize, trial: &Trial) {
        let (scenario, block) = (&self.scenarios[workload], &mut self.under_way[workload]);
        let Some(contestant) = scenario.models.iter().position(|model| *model == trial.model) else { return };
        if block.valid.contains(&contestant) {
            return;
        }
        block.disturbed |= trial.invalid.iter().any(Invalid::is_disturbance);
        if !trial.invalid.is_empty() {
            return;
        }
        // As the report reads it: a trial that contradicts itself gives no figure.
        let (cell, _) = gather::gather(scenario, &trial.model, &[trial], 0, 0);
        block.valid.push(contestant);
        let round = cell.rounds.into_iter().next();
        let rate = round.as_ref().and_then(|round| round.value(Metric::Throughput));
        self.bounds[workload].compare(rate.unwrap_or(0.0));
        block.rounds.extend(round.map(|round| (contestant, round)));
    }

    /// The block under way of a workload is over. Says whether it counts.
    pub fn end_block(&mut self, workload: usize) -> bool {
        let block = std::mem::take(&mut self.under_way[workload]);
        let (done, counting) = &mut self.done[workload];
        let number = *done;
        *done += 1;
        if block.disturbed {
            return false;
        }
        *counting += 1;
        let rounds: Vec<(usize, &RoundFigures)> =
            block.rounds.iter().map(|(at, round)| (*at, round)).collect();
        let figures = decide::block(self.scenarios[workload].merit, &rounds, &self.bounds[workload]);
        self.allocation.enter(workload, number, figures);
        true
    }

    /// Blocks of a workload: the number of the next, and how many count.
    pub fn blocks(&self, workload: usize) -> (u32, u32) {
        self.done[workload]
    }

    /// The workloads that a verdict is wanted on; the others are points of curves beside them.
    pub fn judged(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.scenarios.len()).filter(|at| !self.allocation.is_drawn(*at))
    }

    /// The contestants that still run under a workload.
    pub fn running(&self, workload: usize) -> Vec<usize> {
        self.allocation.running(workload)
    }

    /// The workload that gets the next block.
    pub fn next(&self, means: &Means<'_>) -> Option<usize> {
        self.allocation.next(means)
    }

    /// Workloads in which nothing is open.
    pub fn settled(&self) -> usize {
        self.allocation.settled_count()
    }

    /// Who leads a workload so far, if it has been looked at.
    pub fn leader(&self, workload: usize) -> Option<&str> {
        let leader = self.allocation.settled(workload).front.first()?;
        self.scenarios[workload].models.get(*leader).map(String::as_str)
    }
}
