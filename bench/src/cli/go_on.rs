//! `bakeoff continue`: more blocks for a run that is over, or was interrupted.

use super::flags::CostFlag;
use super::report::BUNDLE_NAME;
use super::results::Results;
use super::setup::{check_cpus, check_plan, context, loopback};
use crate::campaign::plan::Plan;
use crate::campaign::{Options, blocks, budget};
use crate::exit::Exit;
use crate::host::environment;
use crate::host::topology::{CpuPlan, CpuWish, Topology, Wishes};
use crate::workload::contestant::{Chosen, Contestant};
use crate::workload::scenario::Scenario;
use bakeoff_reports::record::bundle::{self, Bundle, DamageKind, Hold};
use bakeoff_reports::record::{Environment, ScenarioRecord, Sequential};
use clap::{Args, value_parser};
use std::path::PathBuf;
use std::time::Duration;

/// Add blocks to a run where it stopped, and answer again
#[derive(Debug, Args)]
#[command(
    after_help = "Looking again costs nothing: the intervals of a run hold whenever it stops.\n\nExamples:\n  \
    bakeoff continue bakeoff-results/2026-01-01T00-00-00Z --budget 10m"
)]
pub(super) struct ContinueArgs {
    /// The folder of the run, or its bundle
    folder: PathBuf,
    /// Time for the further blocks, spent on undecided workloads [default: 117s]
    #[arg(long, value_name = "TIME", value_parser = budget::parse_budget)]
    budget: Option<Duration>,
    /// So many further blocks of each workload instead
    #[arg(long, value_parser = value_parser!(u32).range(1..=1000), conflicts_with = "budget")]
    blocks: Option<u32>,
    /// No progress, no summary
    #[arg(long, short)]
    quiet: bool,
    /// End with status 3 unless every workload is decided by undisturbed blocks
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    costs: CostFlag,
}

impl ContinueArgs {
    pub(super) fn run(self) -> Result<Exit, String> {
        let bundle = if self.folder.is_dir() { self.folder.join(BUNDLE_NAME) } else { self.folder.clone() };
        let held = Hold::new(&bundle).map_err(|e| e.to_string())?;
        let loaded = bundle::load(&bundle).map_err(|e| e.to_string())?;
        let refuse = |why: String| format!("{} cannot go on: {why}", bundle.display());
        may_go_on(&loaded).map_err(refuse)?;
        let before = &loaded.run.environment;
        let cpus = same_cpus(before).map_err(refuse)?;
        let mut context = context(loopback(), cpus)?;
        // The same work as before, not what it would be by another measurement.
        context.compute_ns_per_nominal_us = before.compute_ns_per_nominal_us.clone();
        let compute = before.compute_ns_per_nominal_us.clone();
        let here = environment::read(&context.cpus, context.congestion_control.clone(), compute);
        if (&here.cpu_model, &here.server_cpus, &here.swarm_cpus)
            != (&before.cpu_model, &before.server_cpus, &before.swarm_cpus)
        {
            return Err(refuse("it was measured on another machine, or on other CPUs of this one".into()));
        }
        let plan = self.plan(&loaded).map_err(refuse)?;
        check_cpus(&plan, &context).map_err(refuse)?;
        for (at, scenario) in plan.scenarios.iter().enumerate() {
            let now =
                scenario.record(plan.models_of(at), &scenario.server.config(context.server_cpus(scenario)));
            let before = &loaded.run.scenarios[at];
            let now = ScenarioRecord {
                calibration: before.calibration,
                server_cpus: before.server_cpus.clone(),
                ..now
            };
            if now != *before {
                let name = &scenario.name;
                return Err(refuse(format!(
                    "this version would run {name} in another way, or with other models"
                )));
            }
        }
        check_plan(&plan)?;
        let options = Options {
            command: loaded.run.command.clone(),
            progress: !self.quiet,
            costs: !self.costs.no_costs,
            retries: 2,
            ..Options::default()
        };
        let mut going = loaded;
        match (plan.budget, &mut going.run.sequential) {
            (Some(more), Some(before)) => before.budget_ns += crate::host::clock::nanoseconds(more),
            (Some(more), none) => {
                *none =
                    Some(Sequential { budget_ns: crate::host::clock::nanoseconds(more), looks: Vec::new() });
            }
            (None, _) => going.run.rounds += plan.rounds,
        }
        going.run.planned_trials += plan.planned_trials();
        let completion =
            blocks::go_on(&plan, (&going, held), &options, &context, &bundle).map_err(|e| e.to_string())?;
        let folder = bundle.parent().map(PathBuf::from).unwrap_or_default();
        Results { folder, bundle }.conclude(completion.ending, !self.quiet, self.strict)
    }

    fn plan(&self, bundle: &Bundle) -> Result<Plan, String> {
        let contestant = |name: &String| match bundle.run.model(name) {
            Some(record) => Contestant::of_record(record),
            None => Contestant::model(name),
        };
        let again = |record: &ScenarioRecord| -> Result<Scenario, String> {
            let mut scenario = Scenario::parse(&record.toml, &record.name).map_err(|e| e.to_string())?;
            let contestants = record.models.iter().map(contestant).collect::<Result<_, _>>()?;
            (scenario.timing, scenario.models) = (record.timing, Some(contestants));
            (scenario.sweep, scenario.merit) = (record.sweep.clone(), record.merit);
            scenario.also.clear();
            Ok(scenario)
        };
        let scenarios = bundle.run.scenarios.iter().map(again).collect::<Result<Vec<_>, _>>()?;
        let plan = Plan::new(scenarios, &Chosen::default(), self.blocks.unwrap_or(1), bundle.run.seed)?;
        Ok(match self.blocks {
            Some(_) => plan,
            None => plan.within(self.budget.unwrap_or(budget::DEFAULT), !self.costs.no_costs),
        })
    }
}

/// The CPUs that a run had.
fn same_cpus(before: &Environment) -> Result<CpuPlan, String> {
    let list = |cpus: &[u32]| (!cpus.is_empty()).then(|| CpuWish::List(cpus.to_vec()));
    let (server, swarm) = (list(&before.server_cpus), list(&before.swarm_cpus));
    CpuPlan::new(&Topology::of_this_machine(), &Wishes { server, swarm, share: true })
        .map_err(|why| format!("it was measured on another machine, or on other CPUs of this one: {why}"))
}

/// Whether a bundle is a run that may go on here.
fn may_go_on(bundle: &Bundle) -> Result<(), String> {
    let run = &bundle.run;
    if run.tool_version != env!("CARGO_PKG_VERSION") {
        let (theirs, ours) = (&run.tool_version, env!("CARGO_PKG_VERSION"));
        return Err(format!("version {theirs} made it, and this is {ours}"));
    }
    if run.comparison.is_some() || !bundle.objectives.is_empty() {
        return Err("only runs of workloads go on, no comparison of builds and no capacity search".into());
    }
    if run.scenarios.iter().all(|scenario| scenario.sweep.is_some()) {
        return Err("only runs of workloads go on, no sweep".into());
    }
    match bundle.damage.iter().find(|damage| damage.kind != DamageKind::CutOff) {
        Some(damage) => Err(format!("it is damaged: {damage}")),
        None => Ok(()),
    }
}
