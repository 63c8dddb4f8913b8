//! What runs in which order: rounds of shuffled cells, a pure function of the seed.

use super::budget::{self, expected_trial};
use super::strategy::Cell;
use crate::swarm::draw::{Purpose, Stream};
use crate::workload::contestant::{self, Chosen, Contestant};
use crate::workload::scenario::{Counting, Scenario};
use bakeoff_reports::record::Refused;
use bakeoff_servers::ServerModel;
use std::collections::BTreeSet;
use std::time::Duration;

/// Everything a run will do.
#[derive(Debug)]
pub struct Plan {
    /// The workloads.
    pub scenarios: Vec<Scenario>,
    /// The contestants: models in the registry's order, the tunings of a model by their sizes, then commands.
    pub contestants: Vec<Contestant>,
    /// Who was asked for and cannot start here, or does not speak what a workload asks; they have no cell there.
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
    /// each scenario names, or the default ones, and what it adds. Chosen commands run beside them.
    ///
    /// # Errors
    /// An unknown model, two commands of one name, or nothing to run, also because none of the models can start here or serve what
    /// carries a workload's requests.
    pub fn new(scenarios: Vec<Scenario>, chosen: &Chosen, rounds: u32, seed: u64) -> Result<Self, String> {
        Self::without(|model| model.unavailable(), scenarios, chosen, rounds, seed)
    }

    /// The same where `refuses` says of each model why it cannot start, if so.
    fn without(
        refuses: impl Fn(&dyn ServerModel) -> Option<String>,
        mut scenarios: Vec<Scenario>,
        chosen: &Chosen,
        rounds: u32,
        seed: u64,
    ) -> Result<Self, String> {
        chosen.or(Vec::new()).and_then(contestant::each_once)?;
        let of = |scenario: &Scenario| chosen.or(scenario.contestants_by_default());
        let wanted: Vec<Contestant> =
            scenarios.iter().map(of).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
        let (mut contestants, mut refused) = (Vec::new(), Vec::new());
        for one in contestant::each_once(wanted)? {
            match one.tuned().and_then(|tuned| refuses(tuned.model())) {
                None => contestants.push(one),
                Some(why) => {
                    refused.push(Refused { model: one.name().into(), why, scenarios: Vec::new() });
                }
            }
        }
        if let ([], [Refused { model, why, .. }, ..]) = (&contestants[..], &refused[..]) {
            return Err(format!("nothing to run: {model} cannot start on this machine: {why}"));
        }
        let runs = |scenario: &Scenario, one: &Contestant| of(scenario).is_ok_and(|all| all.contains(one));
        scenarios.retain(|scenario| contestants.iter().any(|one| runs(scenario, one)));
        let mut cells = Vec::new();
        for (scenario, asked) in scenarios.iter().enumerate() {
            let running = contestants.iter().enumerate().filter(|(_, one)| runs(asked, one));
            cells.extend(running.map(|(contestant, _)| Cell { scenario, contestant }));
        }
        if cells.is_empty() {
            return Err("nothing to run: the scenarios name no models; give some with --model".into());
        }
        let mut plan = Self { scenarios, contestants, refused, cells, rounds, budget: None, seed };
        plan.refuse_the_unfit()?;
        Ok(plan)
    }

    /// Takes contestants out of the workloads whose service or transport they do not serve.
    fn refuse_the_unfit(&mut self) -> Result<(), String> {
        for contestant in 0..self.contestants.len() {
            let serves = |at: &usize| {
                let Scenario { service, transport, .. } = &self.scenarios[*at];
                self.contestants[contestant].refusal(service, *transport)
            };
            let runs =
                self.cells.iter().filter(|cell| cell.contestant == contestant).map(|cell| cell.scenario);
            let unfit: Vec<usize> = runs.filter(|at| serves(at).is_some()).collect();
            if let Some(why) = unfit.first().and_then(serves) {
                self.refuse(contestant, &unfit, why)?;
            }
        }
        Ok(())
    }

    /// Takes a contestant out of some workloads, for a reason that the record keeps.
    ///
    /// # Errors
    /// It, or one of the workloads, then has no cell left: what was asked for cannot be done.
    pub fn refuse(&mut self, contestant: usize, scenarios: &[usize], why: String) -> Result<(), String> {
        let name = self.contestants[contestant].name().to_owned();
        self.cells.retain(|cell| cell.contestant != contestant || !scenarios.contains(&cell.scenario));
        let name_of = |at: &usize| {
            let scenario = &self.scenarios[*at];
            scenario.sweep.as_ref().map_or(&scenario.name, |point| &point.of).clone()
        };
        let mut names: Vec<String> = scenarios.iter().map(name_of).collect();
        let mut seen = BTreeSet::new();
        names.retain(|name| seen.insert(name.clone()));
        if let Some(at) = scenarios.iter().find(|at| self.cells.iter().all(|cell| cell.scenario != **at)) {
            return Err(format!("nobody is left to run `{}`: {name}: {why}", self.scenarios[*at].name));
        }
        if self.cells.iter().all(|cell| cell.contestant != contestant) {
            let before =
                self.refused.iter().filter(|refused| refused.model == name).map(|refused| &refused.why);
            let all: Vec<&str> = before.chain([&why]).map(String::as_str).collect();
            return Err(format!("{name} can run none of the workloads: {}", all.join("; ")));
        }
        self.refused.push(Refused { model: name, why, scenarios: names });
        Ok(())
    }

    /// The first of its workloads alone, for so many rounds.
    #[must_use]
    pub fn of_first(&self, rounds: u32) -> Self {
        Self {
            scenarios: self.scenarios[..1].to_vec(),
            contestants: self.contestants.clone(),
            refused: self.refused.clone(),
            cells: self.cells.iter().copied().filter(|cell| cell.scenario == 0).collect(),
            rounds,
            ..*self
        }
    }

    /// The same with as many rounds as fit into a budget. What is decided on the way stops, and its time goes to the rest.
    #[must_use]
    pub fn within(mut self, budget: Duration, costs: bool) -> Self {
        self.budget = Some(budget);
        for at in (0..self.scenarios.len()).filter(|at| self.is_drawn(*at)).collect::<Vec<_>>() {
            // What a request costs is told at the workload itself.
            self.scenarios[at].counting = Counting::Never;
        }
        self.rounds = budget::rounds_within(budget, |round| self.expected_round(costs, round));
        self
    }

    /// Whether a workload is a point of a curve beside others, which a run with a budget makes one block of.
    fn is_drawn(&self, scenario: usize) -> bool {
        let beside = || self.scenarios.iter().any(|one| one.sweep.is_none());
        self.budget.is_some() && self.scenarios[scenario].sweep.is_some() && beside()
    }

    /// What a round of all cells is expected to take.
    pub fn expected_round(&self, costs: bool, round: u32) -> Duration {
        let expected = |cell: &Cell| expected_trial(&self.scenarios[cell.scenario], costs, round);
        let cells = self.cells.iter().filter(|cell| round == 0 || !self.is_drawn(cell.scenario));
        cells.map(expected).sum()
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
        let drawn = self.cells.iter().filter(|cell| self.is_drawn(cell.scenario)).count() as u32;
        let others = u32::try_from(self.cells.len()).unwrap_or(u32::MAX) - drawn;
        self.rounds.saturating_mul(others).saturating_add(drawn)
    }

    /// Names of the contestants that run a scenario.
    pub fn models_of(&self, scenario: usize) -> Vec<String> {
        self.contestants_of(scenario).map(|one| one.name().into()).collect()
    }

    /// Whether a contestant runs a workload of this service.
    pub fn runs_service(&self, contestant: usize, service: &str) -> bool {
        let mut own = self.cells.iter().filter(|cell| cell.contestant == contestant);
        own.any(|cell| self.scenarios[cell.scenario].service == service)
    }

    /// The contestants that run a scenario.
    pub fn contestants_of(&self, scenario: usize) -> impl Iterator<Item = &Contestant> {
        let runs = move |contestant: usize| self.cells.contains(&Cell { scenario, contestant });
        self.contestants.iter().enumerate().filter(move |(at, _)| runs(*at)).map(|(_, one)| one)
    }
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
        Plan::new(scenarios, &Chosen::default(), 6, seed).expect("a plan")
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
        let plan = Plan::new(churn(), &Chosen::models(chosen), 1, 1).expect("a plan");
        let names = ["thread-pool", "tokio", "tokio[compute_workers=2]", "tokio[compute_workers=8]"];
        assert_eq!(plan.models_of(0), names);
        let error = Plan::new(churn(), &Chosen::models(["thread-pool[compute_workers=8]"]), 1, 1)
            .expect_err("no such");
        assert!(error.contains("it has: pool_workers"), "{error}");
    }

    #[test]
    fn a_model_that_cannot_start_has_no_cell_and_the_others_have_theirs() {
        let refuses = |model: &dyn ServerModel| (model.name() == "io-uring").then(|| "no rings".into());
        let plan = |chosen: &[&str]| {
            let scenarios = vec![Scenario::built_in("churn").expect("built in")];
            Plan::without(refuses, scenarios, &Chosen::models(chosen.iter().copied()), 2, 1)
        };
        let among = plan(&["tokio", "io-uring"]).expect("one can");
        assert_eq!((among.planned_trials(), among.models_of(0)), (2, vec!["tokio".to_owned()]));
        assert_eq!(
            among.refused,
            [Refused { model: "io-uring".into(), why: "no rings".into(), scenarios: Vec::new() }]
        );
        assert!(plan(&["tokio"]).expect("not asked for").refused.is_empty());
        let error = plan(&["io-uring"]).expect_err("none can");
        assert!(error.contains("io-uring cannot start on this machine: no rings"), "{error}");
    }

    #[test]
    fn a_command_runs_beside_the_models_and_not_where_it_is_refused() {
        let both = || ["churn", "wait"].map(|name| Scenario::built_in(name).expect("built in")).to_vec();
        let commands = vec!["go=./gecho {port}".parse().expect("sound")];
        let mut plan =
            Plan::new(both(), &Chosen { models: vec!["tokio".into()], commands }, 2, 1).expect("a plan");
        assert_eq!((plan.models_of(0), plan.planned_trials()), (vec!["tokio".into(), "go".into()], 8));
        plan.refuse(1, &[1], "it does not speak wait".into()).expect("it runs churn");
        assert_eq!((plan.models_of(1), plan.planned_trials()), (vec!["tokio".to_owned()], 6));
        let Refused { model, why, scenarios } = &plan.refused[0];
        assert_eq!(
            (model.as_str(), why.as_str(), scenarios[0].as_str()),
            ("go", "it does not speak wait", "wait")
        );
        assert_eq!(plan.of_first(5).planned_trials(), 10);
        let error = plan.refuse(1, &[0], "it died".into()).expect_err("nothing is left of it");
        let all = "go can run none of the workloads: it does not speak wait; it died";
        assert!(error.contains(all), "{error}");
        let error = plan.refuse(0, &[1], "it died".into()).expect_err("nobody runs it");
        assert!(error.contains("nobody is left to run `wait`"), "{error}");
    }

    #[test]
    fn an_unknown_model_is_refused_with_what_was_meant() {
        let error = Plan::new(vec![], &Chosen::models(["tokyo"]), 1, 1).expect_err("unknown");
        assert!(error.contains("did you mean `tokio`"), "{error}");
    }
}
