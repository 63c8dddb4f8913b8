//! The strategy of a run or a sweep: so many rounds of all cells; with a budget, rounds of what is not decided for as long as
//! another fits.

use super::budget::{self, Pace};
use super::head::{head, scenario_records};
use super::plan::Plan;
use super::progress::Extent;
use super::strategy::{Block, Cell, Repeat, Strategy};
use super::{Campaign, Completion, Entry, Field, Options};
use crate::host::clock;
use crate::process::context::Context;
use crate::workload::contestant::model_record;
use bakeoff_reports::record::bundle::BundleError;
use bakeoff_reports::record::{LookRecord, Record, Run, Sequential, Trial};
use bakeoff_reports::rules::sequential::{self, Ledger};
use bakeoff_servers::TunedModel;
use std::path::Path;
use std::time::Duration;

/// Runs a plan into a new bundle at `path`.
///
/// # Errors
/// When the bundle cannot be written. What was written before stays valid.
pub fn run(
    plan: &Plan,
    options: &Options,
    context: &Context,
    path: &Path,
) -> Result<Completion, BundleError> {
    let field = Field { scenarios: &plan.scenarios, entries: entries(plan, context) };
    let extent = Extent { trials: plan.planned_trials() as usize, rounds: plan.rounds, budget: plan.budget };
    let campaign = Campaign::new(context, options, field, extent);
    campaign.run(head_of(plan, options, context), &mut Rounds::new(plan, options.costs), path)
}

/// The models of a plan as contestants.
pub(super) fn entries<'a>(plan: &'a Plan, context: &'a Context) -> Vec<Entry<'a>> {
    let entry =
        |tuned: &'a TunedModel| Entry { name: tuned.name().into(), contestant: context.model(tuned.name()) };
    plan.models.iter().map(entry).collect()
}

/// The head of a plan.
pub(super) fn head_of(plan: &Plan, options: &Options, context: &Context) -> Run {
    Run {
        rounds: plan.rounds,
        planned_trials: plan.planned_trials(),
        sequential: plan.budget.map(|budget| Sequential {
            budget_ns: clock::nanoseconds(budget),
            looks: sequential::looks(plan.rounds),
        }),
        scenarios: scenario_records(context, &plan.scenarios, |at| plan.models_of(at)),
        models: plan.models.iter().map(model_record).collect(),
        refused: plan.refused.clone(),
        ..head(context, &options.command, plan.seed)
    }
}

/// Rounds of a plan.
#[derive(Debug)]
struct Rounds<'a> {
    plan: &'a Plan,
    pace: Pace,
    /// What decides cells, where there is a budget to save.
    ledger: Option<Ledger>,
    /// Cells that a look has ended.
    ended: Vec<Cell>,
}

impl<'a> Rounds<'a> {
    fn new(plan: &'a Plan, costs: bool) -> Self {
        let expected = |cell: &Cell| budget::expected_trial(&plan.scenarios[cell.scenario], costs, 0);
        let pace = Pace::new(plan.cells.iter().map(|cell| (*cell, expected(cell))));
        Self { plan, pace, ledger: None, ended: Vec::new() }
    }

    /// Takes what a look decided out of the rounds to come.
    fn end(&mut self, look: &LookRecord) {
        let plan = self.plan;
        let names = |cell: &Cell| (&plan.scenarios[cell.scenario].name, plan.models[cell.contestant].name());
        for one in &look.ended {
            let decided = plan.cells.iter().find(|cell| names(cell) == (&one.scenario, one.model.as_str()));
            self.ended.extend(decided);
        }
    }
}

impl Strategy for Rounds<'_> {
    fn begin(&mut self, head: &Run) -> Vec<Record> {
        self.ledger = self.plan.budget.map(|_| Ledger::new(head));
        Vec::new()
    }

    fn next_round(&mut self, round: u32, elapsed: Duration) -> Option<Vec<Block>> {
        let cells = self.plan.round(round, |cell| !self.ended.contains(&cell));
        let goes_on = match self.plan.budget {
            Some(budget) => budget::fits(budget, elapsed, round, self.pace.of(&cells)),
            None => round < self.plan.rounds,
        };
        (goes_on && !cells.is_empty()).then(|| vec![Block { cells, repeat: Repeat::AtTheEnd }])
    }

    fn observe(&mut self, cell: Cell, trial: &Trial, took: Duration, _: bool) {
        self.pace.add(cell, took, trial.attempt);
        if let Some(ledger) = &mut self.ledger {
            ledger.add(trial);
        }
    }

    fn end_round(&mut self, rounds: u32, _: Duration) -> Vec<Record> {
        let look = self.ledger.as_mut().and_then(|ledger| ledger.look(rounds));
        if let Some(look) = &look {
            self.end(look);
        }
        look.into_iter().map(Record::Look).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::scenario::Scenario;

    fn plan() -> Plan {
        let scenarios = vec![Scenario::built_in("churn").expect("built in")];
        Plan::new(scenarios, &["tokio".into(), "iterative".into()], 3, 1).expect("a plan")
    }

    #[test]
    fn a_run_is_one_block_a_round_until_its_rounds_are_done() {
        let plan = plan();
        let mut rounds = Rounds::new(&plan, false);
        for round in 0..3 {
            let blocks = rounds.next_round(round, Duration::from_secs(3_600)).expect("time does not end it");
            let cells = plan.round(round, |_| true);
            assert_eq!(blocks, [Block { cells, repeat: Repeat::AtTheEnd }]);
        }
        assert_eq!(rounds.next_round(3, Duration::ZERO), None);
    }

    #[test]
    fn a_budget_ends_a_run_when_no_further_round_fits_and_leaves_out_what_is_decided() {
        let plan = plan().within(Duration::from_secs(10), false);
        let mut rounds = Rounds::new(&plan, false);
        assert!(rounds.next_round(0, Duration::from_secs(60)).is_some(), "the first always runs");
        assert_eq!(rounds.next_round(1, Duration::from_secs(10)), None);
        rounds.ended = plan.cells[..1].to_vec();
        let blocks = rounds.next_round(1, Duration::from_secs(1)).expect("there is time");
        assert_eq!(blocks[0].cells, plan.cells[1..]);
        rounds.ended = plan.cells.clone();
        assert_eq!(rounds.next_round(1, Duration::from_secs(1)), None, "nothing is left to do");
    }
}
