//! What runs in which order: rounds of shuffled cells, a pure function of the seed.

use crate::campaign::run::budget;
use crate::suggest;
use crate::swarm::draw::{Purpose, Stream};
use crate::workload::scenario::Scenario;
use bakeoff_servers::{ServerModel, models};
use std::time::Duration;

/// A model under a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Position of the scenario in the plan.
    pub scenario: usize,
    /// Position of the model in the plan.
    pub model: usize,
}

/// One trial to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The round, from 0.
    pub round: u32,
    /// Which try of this cell in this round it is, from 0.
    pub attempt: u32,
    /// What runs.
    pub cell: Cell,
}

/// Everything a run will do.
#[derive(Debug)]
pub struct Plan {
    /// The workloads.
    pub scenarios: Vec<Scenario>,
    /// The models, in the registry's order.
    pub models: Vec<&'static dyn ServerModel>,
    /// Every cell.
    pub cells: Vec<Cell>,
    /// The trials in order; with a budget those that it is expected to be good for.
    pub slots: Vec<Slot>,
    /// The time that the rounds may take, instead of a number of them.
    pub budget: Option<Duration>,
    seed: u64,
}

impl Plan {
    /// Plans `rounds` rounds of `scenarios` with the chosen models and no others; when none are chosen, with those that
    /// each scenario names, or the default ones, and what it adds.
    ///
    /// # Errors
    /// An unknown model, or nothing to run.
    pub fn new(scenarios: Vec<Scenario>, chosen: &[String], rounds: u32, seed: u64) -> Result<Self, String> {
        for name in chosen {
            if models::find(name).is_none() {
                return Err(suggest::unknown("model", name, models::ALL.iter().map(|m| m.name())));
            }
        }
        let wanted: Vec<Vec<String>> = scenarios.iter().map(|s| models_of(s, chosen)).collect();
        let models: Vec<_> =
            models::ALL.iter().copied().filter(|m| wanted.iter().flatten().any(|w| w == m.name())).collect();
        let mut cells = Vec::new();
        for (scenario, wanted) in wanted.iter().enumerate() {
            for (model, entry) in models.iter().enumerate() {
                if wanted.iter().any(|name| name == entry.name()) {
                    cells.push(Cell { scenario, model });
                }
            }
        }
        if cells.is_empty() {
            return Err("nothing to run: the scenarios name no models; give some with --model".into());
        }
        let mut plan = Self { scenarios, models, cells, slots: Vec::new(), budget: None, seed };
        plan.fill(rounds);
        Ok(plan)
    }

    /// The same with as many rounds as fit into a budget. What is decided on the way stops, and its time goes to the rest.
    #[must_use]
    pub fn within(mut self, budget: Duration, costs: bool) -> Self {
        self.budget = Some(budget);
        self.fill(budget::rounds_within(budget, &self, costs));
        self
    }

    fn fill(&mut self, rounds: u32) {
        self.slots = (0..rounds).flat_map(|round| self.round(round, |_| true)).collect();
    }

    /// The trials of a round, of the cells that still run. The order of these among each other depends on seed and round
    /// alone.
    pub fn round(&self, round: u32, runs: impl Fn(Cell) -> bool) -> Vec<Slot> {
        let mut cells = self.cells.clone();
        shuffle(&mut cells, self.seed, round);
        cells.into_iter().filter(|cell| runs(*cell)).map(|cell| Slot { round, attempt: 0, cell }).collect()
    }

    /// Rounds planned.
    pub fn rounds(&self) -> u32 {
        self.slots.last().map_or(0, |slot| slot.round + 1)
    }

    /// Names of the models that run a scenario.
    pub fn models_of(&self, scenario: usize) -> Vec<String> {
        let runs = |m: usize| self.cells.contains(&Cell { scenario, model: m });
        (0..self.models.len()).filter(|m| runs(*m)).map(|m| self.models[m].name().to_string()).collect()
    }
}

/// How often invalid trials may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// Further tries of one trial.
    each: u32,
    /// Trials planned so far.
    planned: usize,
    /// Further tries so far.
    used: usize,
}

/// The share of the planned trials that may be added to try invalid ones again: as many as may be invalid before a run has
/// no verdict, so that the time a run takes stays bounded.
pub const EXTRA_SHARE: f64 = 0.15;

impl Retries {
    /// At most `each` further tries of a trial, and of all together at most [`EXTRA_SHARE`] of the trials planned so far,
    /// rounded up.
    pub fn new(each: u32) -> Self {
        Self { each, planned: 0, used: 0 }
    }

    /// A round of so many planned trials begins. What earlier rounds did not use it may, what later ones have it may not:
    /// a bad beginning leaves something for the rest.
    pub fn begin_round(&mut self, trials: usize) {
        self.planned += trials;
    }

    /// The next try of a slot, if there may be one; it then counts as used.
    pub fn again(&mut self, slot: Slot) -> Option<Slot> {
        let most = (self.planned as f64 * EXTRA_SHARE).ceil() as usize;
        if slot.attempt >= self.each || self.used >= most {
            return None;
        }
        self.used += 1;
        Some(Slot { attempt: slot.attempt + 1, ..slot })
    }
}

fn models_of(scenario: &Scenario, chosen: &[String]) -> Vec<String> {
    if !chosen.is_empty() {
        return chosen.to_vec();
    }
    scenario.models_by_default()
}

/// Fisher-Yates with draws that depend on seed, round and position alone.
fn shuffle<T>(items: &mut [T], seed: u64, round: u32) {
    let stream = Stream::new(seed, Purpose::Order, round.into());
    for last in (1..items.len()).rev() {
        let draw = stream.bits(last as u64);
        // The bias of a modulo over a few dozen items is below 1e-17.
        items.swap(last, (draw % (last as u64 + 1)) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::scenario::BUILT_IN;

    fn default_plan(seed: u64) -> Plan {
        let scenarios = BUILT_IN.iter().map(|b| Scenario::built_in(b.name).expect("built in")).collect();
        Plan::new(scenarios, &[], 6, seed).expect("a plan")
    }

    #[test]
    fn every_round_runs_every_cell_once_in_another_order() {
        let plan = default_plan(1);
        let cells = plan.slots.len() / 6;
        assert!(cells >= 30);
        let order = |round: u32| {
            plan.slots.iter().filter(move |s| s.round == round).map(|s| s.cell).collect::<Vec<_>>()
        };
        for round in 0..6 {
            let mut sorted = order(round);
            assert_ne!(sorted, order((round + 1) % 6));
            sorted.sort_by_key(|c| (c.scenario, c.model));
            sorted.dedup();
            assert_eq!(sorted.len(), cells);
        }
    }

    #[test]
    fn tries_again_are_bounded_for_each_trial_and_for_the_run() {
        let slot = Slot { round: 3, attempt: 0, cell: Cell { scenario: 1, model: 2 } };
        let mut retries = Retries::new(2);
        assert_eq!(retries.again(slot), None, "nothing is planned yet");
        retries.begin_round(20);
        let second = retries.again(slot).expect("one of three");
        assert_eq!(second, Slot { attempt: 1, ..slot });
        let third = retries.again(second).expect("two of three");
        assert_eq!(retries.again(third), None, "two further tries of one trial");
        assert!(retries.again(slot).is_some());
        assert_eq!(retries.again(slot), None, "three for a round of twenty");
        retries.begin_round(20);
        let left = (0..10).filter(|_| retries.again(slot).is_some()).count();
        assert_eq!(left, 3, "as many for the next");
        let mut small = Retries::new(1);
        small.begin_round(1);
        assert!(small.again(slot).is_some(), "a small run may try once");
        let mut never = Retries::new(0);
        never.begin_round(1_000);
        assert_eq!(never.again(slot), None);
    }

    #[test]
    fn a_round_without_some_cells_keeps_the_order_of_the_others() {
        let plan = default_plan(1);
        assert_eq!(plan.rounds(), 6);
        let ended = plan.cells[3];
        let mut whole = plan.round(2, |_| true);
        let position = whole.iter().position(|slot| slot.cell == ended).expect("it runs");
        whole.remove(position);
        assert_eq!(plan.round(2, |cell| cell != ended), whole);
    }

    #[test]
    fn the_order_depends_on_the_seed_alone() {
        assert_eq!(default_plan(7).slots, default_plan(7).slots);
        assert_ne!(default_plan(7).slots, default_plan(8).slots);
    }

    #[test]
    fn each_position_of_a_round_is_as_likely_for_each_cell() {
        // 4 cells, 4,000 rounds: each cell comes first 1,000 times, give or take 5 standard deviations (137).
        let mut first = [0u32; 4];
        for round in 0..4000 {
            let mut cells = [0, 1, 2, 3];
            shuffle(&mut cells, 3, round);
            first[cells[0]] += 1;
        }
        assert!(first.iter().all(|n| n.abs_diff(1000) < 137), "{first:?}");
    }

    #[test]
    fn an_unknown_model_is_refused_with_what_was_meant() {
        let error = Plan::new(vec![], &["tokyo".into()], 1, 1).expect_err("unknown");
        assert!(error.contains("did you mean `tokio`"), "{error}");
    }
}
