//! What runs in which order: rounds of shuffled cells, a pure function of the seed.

use super::budget::{self, expected_trial};
use super::strategy::Cell;
use crate::swarm::draw::{Purpose, Stream};
use crate::workload::contestant;
use crate::workload::scenario::Scenario;
use bakeoff_reports::record::Refused;
use bakeoff_servers::{ServerModel, TunedModel};
use std::time::Duration;

/// Everything a run will do.
#[derive(Debug)]
pub struct Plan {
    /// The workloads.
    pub scenarios: Vec<Scenario>,
    /// The contestants: in the registry's order, the tunings of a model by their sizes.
    pub models: Vec<TunedModel>,
    /// Models that were asked for and cannot start here; they have no cell.
    pub refused: Vec<Refused>,
    /// Every cell.
    pub cells: Vec<Cell>,
    /// Rounds; with a budget those that it is expected to be good for.
    pub rounds: u32,
    /// The time that the rounds may take, instead of a number of them.
    pub budget: Option<Duration>,
    /// Seed of orders and schedules.
    pub seed: u64,
}

impl Plan {
    /// Plans `rounds` rounds of `scenarios` with the chosen models and no others; when none are chosen, with those that
    /// each scenario names, or the default ones, and what it adds.
    ///
    /// # Errors
    /// An unknown model, or nothing to run, also because none of the models can start here.
    pub fn new(scenarios: Vec<Scenario>, chosen: &[String], rounds: u32, seed: u64) -> Result<Self, String> {
        Self::without(|model| model.unavailable(), scenarios, chosen, rounds, seed)
    }

    /// The same where `refuses` says of each model why it cannot start, if so.
    fn without(
        refuses: impl Fn(&dyn ServerModel) -> Option<String>,
        mut scenarios: Vec<Scenario>,
        chosen: &[String],
        rounds: u32,
        seed: u64,
    ) -> Result<Self, String> {
        contestant::each_once(chosen)?;
        let wanted: Vec<Vec<String>> = scenarios.iter().map(|s| models_of(s, chosen)).collect();
        let (mut models, mut refused) = (Vec::new(), Vec::new());
        for tuned in contestant::each_once(wanted.iter().flatten())? {
            match refuses(tuned.model()) {
                None => models.push(tuned),
                Some(why) => refused.push(Refused { model: tuned.name().into(), why }),
            }
        }
        if let ([], [Refused { model, why }, ..]) = (&models[..], &refused[..]) {
            return Err(format!("nothing to run: {model} cannot start on this machine: {why}"));
        }
        let runs = |scenario: &Scenario, model: &TunedModel| {
            models_of(scenario, chosen).iter().any(|w| w == model.name())
        };
        scenarios.retain(|scenario| models.iter().any(|model| runs(scenario, model)));
        let mut cells = Vec::new();
        for (scenario, asked) in scenarios.iter().enumerate() {
            let contestants = models.iter().enumerate().filter(|(_, model)| runs(asked, model));
            cells.extend(contestants.map(|(contestant, _)| Cell { scenario, contestant }));
        }
        if cells.is_empty() {
            return Err("nothing to run: the scenarios name no models; give some with --model".into());
        }
        Ok(Self { scenarios, models, refused, cells, rounds, budget: None, seed })
    }

    /// The same with as many rounds as fit into a budget. What is decided on the way stops, and its time goes to the rest.
    #[must_use]
    pub fn within(mut self, budget: Duration, costs: bool) -> Self {
        self.rounds = budget::rounds_within(budget, |round| self.expected_round(costs, round));
        self.budget = Some(budget);
        self
    }

    /// What a round of all cells is expected to take.
    pub fn expected_round(&self, costs: bool, round: u32) -> Duration {
        let expected = |cell: &Cell| expected_trial(&self.scenarios[cell.scenario], costs, round);
        self.cells.iter().map(expected).sum()
    }

    /// The cells of a round that still run, in their order. The order of these among each other depends on seed and round
    /// alone.
    pub fn round(&self, round: u32, runs: impl Fn(Cell) -> bool) -> Vec<Cell> {
        let mut cells = self.cells.clone();
        shuffle(&mut cells, self.seed, round);
        cells.retain(|cell| runs(*cell));
        cells
    }

    /// Trials planned.
    pub fn planned_trials(&self) -> u32 {
        self.rounds.saturating_mul(u32::try_from(self.cells.len()).unwrap_or(u32::MAX))
    }

    /// Names of the models that run a scenario.
    pub fn models_of(&self, scenario: usize) -> Vec<String> {
        let runs = |contestant: usize| self.cells.contains(&Cell { scenario, contestant });
        (0..self.models.len()).filter(|m| runs(*m)).map(|m| self.models[m].name().into()).collect()
    }
}

fn models_of(scenario: &Scenario, chosen: &[String]) -> Vec<String> {
    if !chosen.is_empty() {
        return chosen.to_vec();
    }
    scenario.models_by_default()
}

/// Fisher-Yates with draws that depend on seed, round and position alone.
pub(super) fn shuffle<T>(items: &mut [T], seed: u64, round: u32) {
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
        let cells = plan.cells.len();
        assert!(cells >= 30);
        let order = |round: u32| plan.round(round, |_| true);
        for round in 0..6 {
            let mut sorted = order(round);
            assert_ne!(sorted, order((round + 1) % 6));
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(sorted.len(), cells);
        }
    }

    #[test]
    fn a_round_without_some_cells_keeps_the_order_of_the_others() {
        let plan = default_plan(1);
        let ended = plan.cells[3];
        let mut whole = plan.round(2, |_| true);
        let position = whole.iter().position(|cell| *cell == ended).expect("it runs");
        whole.remove(position);
        assert_eq!(plan.round(2, |cell| cell != ended), whole);
    }

    #[test]
    fn the_order_depends_on_the_seed_alone() {
        let order = |seed| default_plan(seed).round(0, |_| true);
        assert_eq!(order(7), order(7));
        assert_ne!(order(7), order(8));
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
    fn tunings_of_one_model_stand_side_by_side() {
        let churn = || vec![Scenario::built_in("churn").expect("built in")];
        let chosen =
            ["tokio[compute_workers=8]", "tokio", "thread-pool", "tokio[compute_workers=2]", "tokio"];
        let plan = Plan::new(churn(), &chosen.map(String::from), 1, 1).expect("a plan");
        let names = ["thread-pool", "tokio", "tokio[compute_workers=2]", "tokio[compute_workers=8]"];
        assert_eq!(plan.models_of(0), names);
        let error =
            Plan::new(churn(), &["thread-pool[compute_workers=8]".into()], 1, 1).expect_err("no such");
        assert!(error.contains("it has: pool_workers"), "{error}");
    }

    #[test]
    fn a_model_that_cannot_start_has_no_cell_and_the_others_have_theirs() {
        let refuses = |model: &dyn ServerModel| (model.name() == "io-uring").then(|| "no rings".into());
        let plan = |chosen: &[String]| {
            let scenarios = vec![Scenario::built_in("churn").expect("built in")];
            Plan::without(refuses, scenarios, chosen, 2, 1)
        };
        let among = plan(&["tokio".into(), "io-uring".into()]).expect("one can");
        assert_eq!((among.planned_trials(), among.models_of(0)), (2, vec!["tokio".to_owned()]));
        assert_eq!(among.refused, [Refused { model: "io-uring".into(), why: "no rings".into() }]);
        assert!(plan(&["tokio".into()]).expect("not asked for").refused.is_empty());
        let error = plan(&["io-uring".into()]).expect_err("none can");
        assert!(error.contains("io-uring cannot start on this machine: no rings"), "{error}");
    }

    #[test]
    fn an_unknown_model_is_refused_with_what_was_meant() {
        let error = Plan::new(vec![], &["tokyo".into()], 1, 1).expect_err("unknown");
        assert!(error.contains("did you mean `tokio`"), "{error}");
    }
}
