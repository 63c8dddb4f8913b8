//! What a comparison of two builds runs: its cells, what may fail them, and how many rounds its time is good for.
//!
//! A round runs every cell that is not decided as a pair: A and B one directly after the other, which of them first decided by
//! a coin, the cells in an order of their own. Neighbours in time meet the same machine.
//!
//! Three quarters of the time go to the search, a quarter is kept for what has to be confirmed.

use crate::campaign::budget::{expected_trial, words};
use crate::campaign::plan::shuffle;
use crate::campaign::strategy::Cell;
use crate::swarm::draw::{Purpose, Stream};
use crate::workload::scenario::Scenario;
use bakeoff_reports::record::{ComparedCell, Gated, Side};
use std::time::Duration;

/// The share of a budget that the search may use.
const SEARCH_SHARE: f64 = 0.75;

/// Rounds of a gate at least, in the search and again on fresh rounds: fewer would miss what they are there to find.
pub const LEAST_ROUNDS: u32 = 20;

/// The most rounds of a search.
pub const MOST_ROUNDS: u32 = 1_000;

/// A model under a workload, on both sides.
#[derive(Clone, Debug, PartialEq)]
pub struct PairCell {
    /// Position of the workload.
    pub scenario: usize,
    /// The model's name; the server's, where it is a command.
    pub model: String,
    /// What may fail it.
    pub gated: Vec<Gated>,
}

/// Everything a comparison will do.
#[derive(Clone, Debug)]
pub struct PairPlan {
    /// The workloads.
    pub scenarios: Vec<Scenario>,
    /// The cells.
    pub cells: Vec<PairCell>,
    /// The time it may take; without one, rounds are counted.
    pub budget: Option<Duration>,
    /// Rounds of the search at most.
    pub search_rounds: u32,
    /// Fresh rounds at most.
    pub confirm_rounds: u32,
    /// Seed of schedules and orders.
    pub seed: u64,
}

/// How long a comparison may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// This time.
    Budget(Duration),
    /// So many rounds of search, and as many fresh ones for what looks slower.
    Rounds(u32),
}

impl PairPlan {
    /// Plans the cells within a length.
    ///
    /// # Errors
    /// No cell, or a budget that is too short for what a gate needs at least.
    pub fn new(
        scenarios: Vec<Scenario>,
        cells: Vec<PairCell>,
        length: Length,
        costs: bool,
        seed: u64,
    ) -> Result<Self, String> {
        if cells.is_empty() {
            return Err("nothing to compare: the scenarios name no models; give some with --model".into());
        }
        let budget = match length {
            Length::Budget(budget) => budget,
            Length::Rounds(rounds) => {
                return Ok(Self {
                    scenarios,
                    cells,
                    budget: None,
                    search_rounds: rounds,
                    confirm_rounds: rounds.max(LEAST_ROUNDS),
                    seed,
                });
            }
        };
        let pair = |cell: &PairCell| expected_trial(&scenarios[cell.scenario], costs, u32::MAX) * 2;
        let round: Duration = cells.iter().map(pair).sum();
        let counted: Duration = cells
            .iter()
            .map(|cell| expected_trial(&scenarios[cell.scenario], costs, 0) * 2)
            .sum::<Duration>()
            - round;
        let search = budget.mul_f64(SEARCH_SHARE).saturating_sub(counted * 2);
        let fits = |time: Duration, one: Duration| (time.as_secs_f64() / one.as_secs_f64()) as u32;
        let longest = cells.iter().map(pair).max().unwrap_or(round);
        let shortest = cells.iter().map(pair).min().unwrap_or(round);
        let confirm = budget - budget.mul_f64(SEARCH_SHARE);
        if fits(search, round) < LEAST_ROUNDS || fits(confirm, longest) < LEAST_ROUNDS {
            let least = (round * LEAST_ROUNDS + counted * 2)
                .div_f64(SEARCH_SHARE)
                .max((longest * LEAST_ROUNDS).div_f64(1.0 - SEARCH_SHARE));
            return Err(format!(
                "{} are too short for {} {} of two servers: a gate takes {LEAST_ROUNDS} rounds and keeps a quarter for \
                 confirming what it finds. Give --budget {}s or more, or fewer workloads and models",
                words(budget),
                cells.len(),
                if cells.len() == 1 { "cell" } else { "cells" },
                (least.as_secs_f64() * 1.05).ceil()
            ));
        }
        Ok(Self {
            // A cell that goes on alone has the time of those that are decided.
            search_rounds: fits(search, shortest).min(MOST_ROUNDS),
            confirm_rounds: fits(confirm, shortest).min(MOST_ROUNDS),
            scenarios,
            cells,
            budget: Some(budget),
            seed,
        })
    }

    /// When the search must be over, from its begin.
    pub fn search_time(&self) -> Option<Duration> {
        self.budget.map(|budget| budget.mul_f64(SEARCH_SHARE))
    }

    /// The rounds that surely fit with every cell going on to the end: for the announcement.
    pub fn rounds_of_all(&self) -> u32 {
        let round: Duration = self.cells.iter().map(|cell| self.pair_time(cell)).sum();
        match self.search_time() {
            Some(time) => (time.as_secs_f64() / round.as_secs_f64()) as u32,
            None => self.search_rounds,
        }
    }

    /// What a pair of a cell is expected to take.
    pub fn pair_time(&self, cell: &PairCell) -> Duration {
        // With what is counted in every round, where something counted decides.
        expected_trial(&self.scenarios[cell.scenario], true, u32::MAX) * 2
    }

    /// The pairs of a round among the cells that still run: positions of cells, each with the side that goes first. A pure
    /// function of seed and round.
    pub fn round(&self, round: u32, runs: impl Fn(usize) -> bool) -> Vec<(usize, Side)> {
        let mut order: Vec<usize> = (0..self.cells.len()).collect();
        shuffle(&mut order, self.seed, round);
        let stream = Stream::new(self.seed, Purpose::Order, round.into());
        let coin = |cell: usize| match stream.bits((self.cells.len() + cell) as u64) & 1 {
            0 => Side::A,
            _ => Side::B,
        };
        order.into_iter().filter(|cell| runs(*cell)).map(|cell| (cell, coin(cell))).collect()
    }

    /// Where a side of a cell stands among the contestants of the campaign.
    pub fn cell(&self, cell: usize, side: Side) -> Cell {
        Cell { scenario: self.cells[cell].scenario, contestant: 2 * cell + usize::from(side == Side::B) }
    }

    /// The cells for the record.
    pub fn compared(&self) -> Vec<ComparedCell> {
        let compared = |cell: &PairCell| ComparedCell {
            scenario: self.scenarios[cell.scenario].name.clone(),
            model: cell.model.clone(),
            gated: cell.gated.clone(),
        };
        self.cells.iter().map(compared).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bakeoff_reports::record::Metric;

    fn plan(length: Length) -> Result<PairPlan, String> {
        let scenarios = vec![Scenario::built_in("churn").expect("built in")];
        let throughput = Gated { figure: Metric::Throughput, floor: 0.03 };
        let cell = |model: &str| PairCell { scenario: 0, model: model.into(), gated: vec![throughput] };
        PairPlan::new(
            scenarios,
            vec![cell("tokio"), cell("thread-pool"), cell("iterative")],
            length,
            false,
            7,
        )
    }

    #[test]
    fn a_round_is_pairs_in_an_order_and_with_a_first_of_their_own() {
        let plan = plan(Length::Rounds(30)).expect("a plan");
        let rounds: Vec<_> = (0..60).map(|round| plan.round(round, |_| true)).collect();
        assert_eq!(rounds[5], plan.round(5, |_| true));
        let first_a = rounds.iter().flatten().filter(|(_, side)| *side == Side::A).count();
        // 180 coins: 5 standard deviations are 34.
        assert!((56..=124).contains(&first_a), "{first_a}");
        let orders: std::collections::BTreeSet<Vec<usize>> =
            rounds.iter().map(|round| round.iter().map(|(cell, _)| *cell).collect()).collect();
        assert_eq!(orders.len(), 6, "all orders of three cells in sixty rounds");
        let without: Vec<_> = rounds[5].iter().filter(|(cell, _)| *cell != 1).copied().collect();
        assert_eq!(plan.round(5, |cell| cell != 1), without);
    }

    #[test]
    fn a_budget_that_cannot_hold_a_gate_is_refused_with_one_that_can() {
        let error = plan(Length::Budget(Duration::from_secs(20))).expect_err("too short");
        let least: f64 = error
            .split("--budget ")
            .nth(1)
            .and_then(|rest| rest.split('s').next())
            .and_then(|number| number.parse().ok())
            .expect(&error);
        let plan = plan(Length::Budget(Duration::from_secs_f64(least))).expect("what it asked for");
        assert!(plan.rounds_of_all() >= LEAST_ROUNDS && plan.confirm_rounds >= LEAST_ROUNDS);
        assert!(plan.search_rounds >= plan.rounds_of_all());
    }
}
