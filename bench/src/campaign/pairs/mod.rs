//! Two builds of a server against each other, in one campaign: did the second become slower?
//!
//! ```text
//! side ──> build        a git ref, a file, a command: prepared before anything is measured
//! plan                  cells, pairs in shuffled rounds, what a budget is good for
//! rehearsal             every server once, briefly: what cannot work is said before the time is spent
//! mod (here)            the strategy: the search, with looks; then fresh rounds for what looks slower
//! selftest              the same build against itself, and against itself with a known cost
//! ```
//!
//! The swarm is always the one of the program that runs: what differs between the sides is the server. What the figures mean
//! is decided in `bakeoff_reports::rules::gate`, from the bundle alone.

pub mod build;
pub mod floors;
pub mod plan;
pub mod rehearsal;
pub mod selftest;
pub mod side;

use super::budget::Pace;
use super::head::{head, scenario_records};
use super::progress::Extent;
use super::strategy::{Block, Cell, Repeat, Strategy};
use super::{Campaign, Completion, Ending, Entry, Field, Options};
use crate::process::context::Context;
use crate::trial::Conditions;
use crate::workload::contestant::model_record;
use bakeoff_reports::record::bundle::BundleError;
use bakeoff_reports::record::{Comparison, ConfirmRecord, LookRecord, ModelRecord, Record, Run, Side, Trial};
use bakeoff_reports::rules::gate::{self, Ledger};
use bakeoff_servers::TunedModel;
use plan::{LEAST_ROUNDS, PairPlan};
use rehearsal::{RehearsalError, rehearse};
use side::Sides;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// A comparison was not done.
#[derive(Debug, thiserror::Error)]
pub enum PairsError {
    /// A server that does not do its work.
    #[error(transparent)]
    Rehearsal(#[from] RehearsalError),
    /// The bundle cannot be written.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

/// Runs a comparison into a new bundle at `path`; `strict` says, for the record, whether an undecided one fails.
///
/// # Errors
/// A server that cannot take part; a bundle that cannot be written. What was written before stays valid.
pub fn run(
    plan: &PairPlan,
    sides: Sides<'_>,
    (options, strict): (&Options, bool),
    context: &Context,
    path: &Path,
) -> Result<Completion, PairsError> {
    let begun = Instant::now();
    let trials = plan.search_rounds as usize * 2 * plan.cells.len();
    let extent = Extent { trials, rounds: plan.search_rounds, budget: plan.budget };
    let field = Field { scenarios: &plan.scenarios, entries: entries(plan, sides) };
    let campaign = Campaign::new(context, options, field, extent);
    campaign.progress.doing("starting every server once");
    let conditions = Conditions { context, seed: plan.seed, costs: options.costs, probe: None };
    match rehearse(plan, sides, &conditions) {
        Err(RehearsalError::Interrupted) => {
            campaign.progress.end(true);
            let (ending, measuring) = (Ending::NotBegun, Duration::ZERO);
            return Ok(Completion { ending, measuring, took: begun.elapsed() });
        }
        rehearsed => rehearsed?,
    }
    Ok(campaign.run(head_of(plan, sides, options, strict, context), &mut Pairs::new(plan), path)?)
}

/// Both sides of every cell, in the order of [`PairPlan::cell`].
fn entries<'a>(plan: &'a PairPlan, sides: Sides<'a>) -> Vec<Entry<'a>> {
    let of = |cell: &'a plan::PairCell| {
        Side::BOTH.map(|side| Entry {
            name: side.model(&cell.model),
            program: sides.of(side).program(&cell.model),
            further: sides.of(side).further(&cell.model).collect(),
            echoes: false,
        })
    };
    plan.cells.iter().flat_map(of).collect()
}

fn head_of(plan: &PairPlan, sides: Sides<'_>, options: &Options, strict: bool, context: &Context) -> Run {
    let of = |scenario: usize| -> Vec<String> {
        let cells = plan.cells.iter().filter(move |cell| cell.scenario == scenario);
        cells.flat_map(|cell| Side::BOTH.map(|side| side.model(&cell.model))).collect()
    };
    let mut names: Vec<&str> = plan.cells.iter().map(|cell| cell.model.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let model = |name: &str, side: Side| {
        // A build of another version has a model of this name; that it is made as here is taken for granted.
        let record = TunedModel::parse(name).ok().map(|tuned| model_record(&tuned));
        let summary = || sides.of(side).contender.label.clone();
        let unknown = || ModelRecord {
            name: String::new(),
            summary: summary(),
            facts: None,
            tuning: BTreeMap::new(),
            command: sides.of(side).command().map(|command| command.text.clone()),
        };
        ModelRecord { name: side.model(name), ..record.unwrap_or_else(unknown) }
    };
    Run {
        rounds: plan.search_rounds,
        planned_trials: plan.rounds_of_all().saturating_mul(2 * plan.cells.len() as u32),
        comparison: Some(Comparison {
            a: sides.a.contender.clone(),
            b: sides.b.contender.clone(),
            cells: plan.compared(),
            search_rounds: plan.search_rounds,
            confirm_rounds: plan.confirm_rounds,
            looks: gate::looks(plan.search_rounds),
            strict,
            layouts: sides.a.layouts(),
        }),
        scenarios: scenario_records(context, &plan.scenarios, of),
        models: names.iter().flat_map(|name| Side::BOTH.map(|side| model(name, side))).collect(),
        ..head(context, &options.command, plan.seed)
    }
}

/// What a comparison is about at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Until every cell is decided, or the search's share of the time is over.
    Search,
    /// Fresh rounds, up to the one of this number, for what looks slower.
    Confirm { until: u32 },
}

/// Pairs of A and B: a search, then fresh rounds for what it suspects.
#[derive(Debug)]
struct Pairs<'a> {
    plan: &'a PairPlan,
    ledger: Option<Ledger>,
    /// Whether each cell still runs.
    runs: Vec<bool>,
    phase: Phase,
    pace: Pace,
    /// When the first round began: what comes before is no part of the budget.
    begun: Option<Duration>,
}

impl<'a> Pairs<'a> {
    fn new(plan: &'a PairPlan) -> Self {
        let all = (0..plan.cells.len()).flat_map(|cell| Side::BOTH.map(|side| (cell, side)));
        let expected = |(cell, side)| (plan.cell(cell, side), plan.pair_time(&plan.cells[cell]) / 2);
        let pace = Pace::new(all.map(expected));
        let runs = vec![true; plan.cells.len()];
        Self { plan, ledger: None, runs, phase: Phase::Search, pace, begun: None }
    }

    /// What the next round will take.
    fn next_round_takes(&self) -> Duration {
        let running = (0..self.plan.cells.len()).filter(|cell| self.runs[*cell]);
        let cells: Vec<Cell> =
            running.flat_map(|cell| Side::BOTH.map(|side| self.plan.cell(cell, side))).collect();
        self.pace.of(&cells)
    }

    fn searches_on(&self, round: u32, used: Duration) -> bool {
        let in_time = self.plan.search_time().is_none_or(|time| used + self.next_round_takes() <= time);
        round < self.plan.search_rounds && self.runs.contains(&true) && (in_time || round == 0)
    }

    /// Takes what a look decided out of the rounds to come.
    fn end(&mut self, look: &LookRecord) {
        for ended in &look.ended {
            let of = |cell: &plan::PairCell| {
                (&self.plan.scenarios[cell.scenario].name, &cell.model) == (&ended.scenario, &ended.model)
            };
            self.plan.cells.iter().position(of).into_iter().for_each(|at| self.runs[at] = false);
        }
    }

    /// Fresh rounds for what looks slower after `rounds` of search: as many as what is left of the time holds, and never fewer
    /// than a gate needs. None where nothing does.
    fn confirm(&mut self, rounds: u32, used: Duration) -> Option<ConfirmRecord> {
        let suspects = self.ledger.as_ref().map(|ledger| ledger.suspects(rounds)).unwrap_or_default();
        let of = |cell: &plan::PairCell| {
            suspects.contains(&(self.plan.scenarios[cell.scenario].name.clone(), cell.model.clone()))
        };
        self.runs = self.plan.cells.iter().map(of).collect();
        let left = self.plan.budget.map(|budget| budget.saturating_sub(used));
        let takes = self.next_round_takes().as_secs_f64();
        let fits = left.map_or(u32::MAX, |left| (left.as_secs_f64() / takes) as u32);
        // As many as the search had: what needed so many to show needs as many to show again.
        let fresh = rounds.max(LEAST_ROUNDS).min(self.plan.confirm_rounds).min(fits).max(LEAST_ROUNDS);
        let until = if suspects.is_empty() { rounds } else { rounds + fresh };
        self.phase = Phase::Confirm { until };
        (until > rounds).then_some(ConfirmRecord { from_round: rounds, rounds: fresh, cells: suspects })
    }
}

impl Strategy for Pairs<'_> {
    fn begin(&mut self, head: &Run) -> Vec<Record> {
        self.ledger = Some(Ledger::new(head));
        Vec::new()
    }

    fn next_round(&mut self, round: u32, elapsed: Duration) -> Option<Vec<Block>> {
        self.begun.get_or_insert(elapsed);
        let pair = |(cell, first): (usize, Side)| {
            let second = if first == Side::A { Side::B } else { Side::A };
            let cells = [first, second].map(|side| self.plan.cell(cell, side)).to_vec();
            Block { number: round, cells, repeat: Repeat::AtOnce }
        };
        let goes_on = match self.phase {
            Phase::Search => true,
            Phase::Confirm { until } => round < until,
        };
        goes_on.then(|| self.plan.round(round, |cell| self.runs[cell]).into_iter().map(pair).collect())
    }

    fn observe(&mut self, cell: Cell, trial: &Trial, took: Duration, _: bool) {
        self.pace.add(cell, took, trial.attempt);
        if let Some(ledger) = &mut self.ledger {
            ledger.add(trial);
        }
    }

    fn end_round(&mut self, rounds: u32, elapsed: Duration) -> Vec<Record> {
        if self.phase != Phase::Search {
            return Vec::new();
        }
        let used = elapsed.saturating_sub(self.begun.unwrap_or_default());
        let look = self.ledger.as_mut().and_then(|ledger| ledger.look(rounds));
        if let Some(look) = &look {
            self.end(look);
        }
        let confirm = if self.searches_on(rounds, used) {
            None
        } else {
            self.confirm(rounds, used).map(Record::Confirm)
        };
        look.map(Record::Look).into_iter().chain(confirm).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::plan::{Length, PairCell};
    use super::*;
    use crate::workload::scenario::Scenario;

    #[test]
    fn a_block_is_both_sides_of_a_cell_that_still_runs() {
        let scenarios = vec![Scenario::built_in("churn").expect("built in")];
        let cell = |model: &str| PairCell { scenario: 0, model: model.into(), gated: Vec::new() };
        let cells = vec![cell("tokio"), cell("iterative")];
        let plan = PairPlan::new(scenarios, cells, Length::Rounds(20), false, 1).expect("a plan");
        let mut pairs = Pairs::new(&plan);
        let mut both = Side::BOTH.map(|side| plan.cell(1, side)).to_vec();
        for (round, runs) in [(0, vec![true, true]), (1, vec![false, true])] {
            pairs.runs = runs;
            let blocks = pairs.next_round(round, Duration::ZERO).expect("the search goes on");
            assert_eq!(blocks.len(), 2 - round as usize);
            let mut of_cell = blocks.into_iter().filter(|block| block.cells.contains(&both[0]));
            let mut block = of_cell.next().expect("a block of the second cell");
            block.cells.sort_unstable();
            both.sort_unstable();
            assert_eq!(block, Block { number: round, cells: both.clone(), repeat: Repeat::AtOnce });
        }
        pairs.phase = Phase::Confirm { until: 2 };
        assert_eq!(pairs.next_round(2, Duration::ZERO), None, "nothing was to be confirmed");
    }
}
