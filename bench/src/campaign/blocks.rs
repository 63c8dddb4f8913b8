//! The strategy of a run or a sweep: blocks of one workload with all its contestants back to back, shuffled; so many of each, or
//! three of each and then, for as long as the time holds, blocks of what is not decided.

use super::budget::{self, Pace};
use super::head::{head, scenario_records};
use super::plan::{Plan, shuffle};
use super::progress::Extent;
use super::strategy::{Block, Cell, Repeat, Strategy};
use super::{Begun, Campaign, Completion, Entry, Field, Options};
use crate::host::clock;
use crate::process::context::Context;
use crate::workload::contestant::Contestant;
use bakeoff_reports::record::bundle::{Bundle, BundleError, Hold, Writer};
use bakeoff_reports::record::{Record, Run, Sequential, Trial};
use bakeoff_reports::rules::verdict::{Ledger, MIN_BLOCKS, Means};
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
    campaign.run(head_of(plan, options, context), &mut Blocks::new(plan, options), path)
}

/// Goes on with the run of a bundle, whose file at `path` then holds its blocks and those that are added.
///
/// # Errors
/// When the bundle cannot be written. What was written before stays valid.
pub fn go_on(
    plan: &Plan,
    (bundle, held): (&Bundle, Hold),
    options: &Options,
    context: &Context,
    path: &Path,
) -> Result<Completion, BundleError> {
    let field = Field { scenarios: &plan.scenarios, entries: entries(plan, context) };
    let extent = Extent { trials: plan.planned_trials() as usize, rounds: plan.rounds, budget: plan.budget };
    let begun = Begun {
        trials: bundle.trials.iter().map(|trial| trial.index + 1).max().unwrap_or(0),
        steps: bundle.rounds.iter().map(|round| round.round + 1).max().unwrap_or(0),
    };
    let mut strategy = Blocks { ledger: Some(Ledger::of(bundle)), ..Blocks::new(plan, options) };
    strategy.first = begun.steps;
    strategy.before = (0..plan.scenarios.len()).map(|workload| strategy.counting(workload)).collect();
    let writer = Writer::go_on(path, bundle, held)?;
    Campaign::new(context, options, field, extent).trials(&bundle.run, &mut strategy, writer, begun)
}

/// The contestants of a plan, as they are started.
pub(super) fn entries<'a>(plan: &'a Plan, context: &'a Context) -> Vec<Entry<'a>> {
    let entry = |(at, one): (usize, &'a Contestant)| Entry {
        name: one.name().into(),
        program: context.program(one),
        further: Vec::new(),
        echoes: one.tuned().is_some() || plan.runs_service(at, "echo"),
    };
    plan.contestants.iter().enumerate().map(entry).collect()
}

/// The head of a plan.
pub(super) fn head_of(plan: &Plan, options: &Options, context: &Context) -> Run {
    Run {
        rounds: plan.rounds,
        planned_trials: plan.planned_trials(),
        sequential: plan
            .budget
            .map(|budget| Sequential { budget_ns: clock::nanoseconds(budget), looks: Vec::new() }),
        scenarios: scenario_records(context, &plan.scenarios, |at| plan.models_of(at)),
        models: plan.contestants.iter().map(Contestant::record).collect(),
        refused: plan.refused.clone(),
        ..head(context, &options.command, plan.seed)
    }
}

/// Blocks of a plan.
#[derive(Debug)]
struct Blocks<'a> {
    plan: &'a Plan,
    pace: Pace,
    /// Each workload's cells, in the order of its contestants in the record.
    cells: Vec<Vec<Cell>>,
    ledger: Option<Ledger>,
    /// Whether a disturbed block is repeated in a run of fixed blocks.
    repeats: bool,
    /// Blocks that were.
    repeated: u32,
    last: Option<usize>,
    /// The number of the first step, and the blocks of each workload that counted before it.
    first: u32,
    before: Vec<u32>,
}

/// Of a run of fixed blocks so large a share may be added to repeat disturbed ones, so that the time it takes stays bounded.
const REPEATED_SHARE: f64 = 0.15;

impl<'a> Blocks<'a> {
    fn new(plan: &'a Plan, options: &Options) -> Self {
        let costs = options.costs;
        let expected = |cell: &Cell| budget::expected_trial(&plan.scenarios[cell.scenario], costs, 0);
        let pace = Pace::new(plan.cells.iter().map(|cell| (*cell, expected(cell))));
        let of =
            |scenario: usize| plan.cells.iter().copied().filter(|cell| cell.scenario == scenario).collect();
        let cells = (0..plan.scenarios.len()).map(of).collect();
        Self {
            plan,
            pace,
            cells,
            ledger: None,
            repeats: options.retries > 0,
            repeated: 0,
            last: None,
            first: 0,
            before: Vec::new(),
        }
    }

    /// The next block of a workload, in an order of its own.
    fn block(&self, workload: usize) -> Block {
        let running =
            self.ledger.as_ref().map(|ledger| (ledger.blocks(workload).0, ledger.running(workload)));
        let (number, running) = running.unwrap_or_else(|| (0, (0..self.cells[workload].len()).collect()));
        // In a run of fixed blocks nobody is dropped on the way: a reader asked for so many.
        let all = &self.cells[workload];
        let kept = |at: &usize| self.plan.budget.is_none() || running.contains(at);
        let mut cells: Vec<Cell> = (0..all.len()).filter(kept).map(|at| all[at]).collect();
        shuffle(&mut cells, self.plan.seed.wrapping_add(workload as u64), number);
        Block { number, cells, repeat: Repeat::ByBlock }
    }

    /// One block of each of these workloads, shuffled; the last one of the step before does not come first.
    fn one_of_each(&self, step: u32, mut workloads: Vec<usize>) -> Vec<Block> {
        shuffle(&mut workloads, self.plan.seed, step);
        if workloads.len() > 1 && Some(workloads[0]) == self.last {
            workloads.rotate_left(1);
        }
        workloads.into_iter().map(|workload| self.block(workload)).collect()
    }

    /// The workloads that get so many blocks: all of a new run; of one that goes on those that a verdict is wanted on.
    fn asked(&self) -> Vec<usize> {
        match &self.ledger {
            Some(ledger) if !self.before.is_empty() => ledger.judged().collect(),
            _ => (0..self.cells.len()).collect(),
        }
    }

    /// Blocks of a workload that count.
    fn counting(&self, workload: usize) -> u32 {
        self.ledger.as_ref().map_or(0, |ledger| ledger.blocks(workload).1)
    }

    /// The workloads with fewer blocks that count than this, where a disturbed one may still be repeated.
    fn short_of(&mut self, blocks: u32) -> Vec<usize> {
        let before = |workload: usize| self.before.get(workload).copied().unwrap_or(0);
        let short = |workload: &usize| self.counting(*workload) < before(*workload) + blocks;
        let short: Vec<usize> = self.asked().into_iter().filter(short).collect();
        let most = (f64::from(blocks) * self.cells.len() as f64 * REPEATED_SHARE).ceil() as u32;
        let left = most.saturating_sub(self.repeated) as usize;
        let short: Vec<usize> = short.into_iter().take(left).collect();
        self.repeated += short.len() as u32;
        short
    }

    /// The workloads with too few blocks for a first look.
    fn unseen(&self, ledger: &Ledger) -> Vec<usize> {
        ledger.judged().filter(|at| ledger.blocks(*at).0 < MIN_BLOCKS as u32).collect()
    }

    /// The points of curves that are still to be drawn, each from one block.
    fn undrawn(&self, ledger: &Ledger) -> Vec<usize> {
        let judged: Vec<usize> = ledger.judged().collect();
        (0..self.cells.len()).filter(|at| !judged.contains(at) && ledger.blocks(*at).0 == 0).collect()
    }

    /// Three blocks of each workload; then what is open, except for the time that the curves take, which come when nothing else fits
    /// beside them; then what is open again.
    fn within(&self, step: u32, left: Duration) -> Option<Vec<Block>> {
        let ledger = self.ledger.as_ref()?;
        let takes =
            |blocks: &[Block]| blocks.iter().map(|block| self.pace.of(&block.cells)).sum::<Duration>();
        let first = self.one_of_each(step, self.unseen(ledger));
        if !first.is_empty() && (step == 0 || takes(&first) <= left) {
            return Some(first);
        }
        let curves = self.one_of_each(step, self.undrawn(ledger));
        let kept = takes(&curves);
        if curves.is_empty() || kept > left {
            return self.open(left);
        }
        self.open(left - kept).or(Some(curves))
    }

    /// A block of what is open, if one fits.
    fn open(&self, left: Duration) -> Option<Vec<Block>> {
        let seconds = |workload: usize, running: &[usize]| {
            let cells: Vec<Cell> = running.iter().map(|at| self.cells[workload][*at]).collect();
            self.pace.of(&cells).as_secs_f64()
        };
        let means = Means { seconds: &seconds, left: left.as_secs_f64(), last: self.last };
        let next = self.ledger.as_ref()?.next(&means)?;
        Some(vec![self.block(next)])
    }
}

impl Strategy for Blocks<'_> {
    fn begin(&mut self, head: &Run) -> Vec<Record> {
        self.ledger = Some(Ledger::new(head));
        Vec::new()
    }

    fn next_round(&mut self, step: u32, elapsed: Duration) -> Option<Vec<Block>> {
        let blocks = match self.plan.budget {
            Some(budget) => self.within(step, budget.saturating_sub(elapsed))?,
            None if step < self.first + self.plan.rounds => self.one_of_each(step, self.asked()),
            None if !self.repeats => return None,
            None => {
                let short = self.short_of(self.plan.rounds);
                self.one_of_each(step, short)
            }
        };
        (!blocks.is_empty()).then_some(blocks)
    }

    fn observe(&mut self, cell: Cell, trial: &Trial, took: Duration, _: bool) {
        self.pace.add(cell, took, trial.attempt);
        if let Some(ledger) = &mut self.ledger {
            ledger.add(cell.scenario, trial);
        }
    }

    fn so_far(&self) -> String {
        let Some((ledger, last)) = self.ledger.as_ref().zip(self.last) else { return String::new() };
        let settled = format!("{} of {} decided", ledger.settled(), ledger.judged().count());
        match ledger.leader(last) {
            Some(leader) => format!("{settled}; {}: {leader} leads", self.plan.scenarios[last].name),
            None => settled,
        }
    }

    fn end_block(&mut self, block: &Block) {
        let Some(workload) = block.cells.first().map(|cell| cell.scenario) else { return };
        self.last = Some(workload);
        if let Some(ledger) = &mut self.ledger {
            ledger.end_block(workload);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::contestant::Chosen;
    use crate::workload::scenario::Scenario;

    fn plan() -> Plan {
        let scenarios = ["churn", "wait"].map(|name| Scenario::built_in(name).expect("built in")).to_vec();
        Plan::new(scenarios, &Chosen::models(["tokio", "fork-per-client"]), 3, 1).expect("a plan")
    }

    fn begun(plan: &Plan) -> Blocks<'_> {
        let mut blocks = Blocks::new(plan, &Options::default());
        let head = Run {
            scenarios: plan
                .scenarios
                .iter()
                .enumerate()
                .map(|(at, one)| one.record(plan.models_of(at), &one.server.config(1)))
                .collect(),
            ..bakeoff_reports::sample::bundle(&bakeoff_reports::sample::Spec::default()).run
        };
        assert!(blocks.begin(&head).is_empty());
        blocks
    }

    /// Ends a step of blocks without figures.
    fn end(blocks: &mut Blocks<'_>, step: &[Block]) {
        step.iter().for_each(|block| blocks.end_block(block));
    }

    #[test]
    fn a_block_is_one_workload_with_all_its_contestants_and_no_workload_comes_twice_running() {
        let plan = plan();
        let mut blocks = begun(&plan);
        let mut last = None;
        for step in 0..3 {
            let of_step = blocks.next_round(step, Duration::from_secs(3_600)).expect("time does not end it");
            assert_eq!(of_step.len(), 2);
            for block in &of_step {
                let workload = block.cells[0].scenario;
                assert!(block.cells.len() == 2 && block.cells.iter().all(|cell| cell.scenario == workload));
                assert!(block.number == step && block.repeat == Repeat::ByBlock && last != Some(workload));
                last = Some(workload);
            }
            end(&mut blocks, &of_step);
        }
        assert_eq!(blocks.next_round(3, Duration::ZERO), None, "so many were asked for");
    }

    #[test]
    fn the_points_of_a_curve_get_a_block_each_before_the_time_is_gone() {
        let base =
            ["churn", "small-echo-open"].map(|name| Scenario::built_in(name).expect("built in")).to_vec();
        let points =
            crate::workload::curves::points(&base[1], crate::workload::derive::Times::default(), false);
        let scenarios: Vec<Scenario> = base.into_iter().chain(points.expect("points")).collect();
        let drawn = scenarios.len() - 2;
        let models = Chosen::models(["tokio", "fork-per-client"]);
        let plan =
            Plan::new(scenarios, &models, 3, 1).expect("a plan").within(Duration::from_secs(60), false);
        let mut blocks = begun(&plan);
        let mut of = |step, elapsed| {
            let next: Vec<Block> = blocks.next_round(step, Duration::from_secs(elapsed)).unwrap_or_default();
            end(&mut blocks, &next);
            next.iter().map(|block| block.cells[0].scenario).collect::<Vec<_>>()
        };
        for step in 0..3 {
            let mut first = of(step, 1);
            first.sort_unstable();
            assert_eq!(first, [0, 1], "what is judged comes first");
        }
        // Nobody has a figure, so nothing is open: all that is left is for the curves, once, if they fit.
        assert!(of(3, 59).is_empty(), "they do not fit");
        let mut curves = of(3, 10);
        curves.sort_unstable();
        assert_eq!(curves, (2..2 + drawn).collect::<Vec<_>>());
        assert!(of(4, 20).is_empty());
    }

    #[test]
    fn with_a_budget_three_of_each_come_first_and_the_first_always() {
        let plan = plan().within(Duration::from_secs(10), false);
        let mut blocks = begun(&plan);
        for step in 0..3 {
            let elapsed = if step == 0 { Duration::from_secs(60) } else { Duration::from_secs(1) };
            let of_step = blocks.next_round(step, elapsed).expect("there is time");
            assert_eq!(of_step.len(), 2);
            end(&mut blocks, &of_step);
        }
        assert_eq!(blocks.next_round(3, Duration::from_secs(10)), None, "no time is left");
        assert_eq!(blocks.next_round(3, Duration::ZERO), None, "nobody has a figure, so nothing is open");
    }
}
