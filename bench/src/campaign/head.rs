//! The head of a bundle: what a campaign declares before its first trial.

use crate::host::{clock, environment};
use crate::process::context::Context;
use crate::workload::scenario::Scenario;
use bakeoff_reports::record::{
    Comparison, ModelRecord, Probe, Reading, Run, SCHEMA_VERSION, ScenarioRecord, Sequential,
};
use bakeoff_servers::ServerModel;

/// What differs from one campaign's head to another's.
#[derive(Debug)]
pub struct Declared {
    /// The command line.
    pub command: Vec<String>,
    /// The seed of everything.
    pub seed: u64,
    /// Rounds planned; with a budget, those that it is expected to be good for.
    pub rounds: u32,
    /// Trials planned in them.
    pub planned_trials: u32,
    /// The budget and its looks, if it has one.
    pub sequential: Option<Sequential>,
    /// The two sides, where builds are compared.
    pub comparison: Option<Comparison>,
    /// The workloads.
    pub scenarios: Vec<ScenarioRecord>,
    /// The contestants.
    pub models: Vec<ModelRecord>,
}

/// The head of a campaign that begins now.
pub fn head(context: &Context, declared: Declared, probe: Reading<Probe>) -> Run {
    Run {
        schema_version: SCHEMA_VERSION,
        tool_version: env!("CARGO_PKG_VERSION").into(),
        command: declared.command,
        started_unix_ms: clock::unix_ms(),
        seed: declared.seed,
        rounds: declared.rounds,
        planned_trials: declared.planned_trials,
        sequential: declared.sequential,
        comparison: declared.comparison,
        scenarios: declared.scenarios,
        models: declared.models,
        environment: environment::read(&context.cpus, context.congestion_control.clone()),
        probe,
    }
}

/// A model for the record.
pub fn model_record(model: &dyn ServerModel) -> ModelRecord {
    ModelRecord { name: model.name().into(), summary: model.meta().summary.into() }
}

/// Workloads for the record, each with the names of the contestants under it.
pub fn scenario_records(
    context: &Context,
    scenarios: &[Scenario],
    contestants: impl Fn(usize) -> Vec<String>,
) -> Vec<ScenarioRecord> {
    let cpus = context.cpus.server.len();
    let record =
        |(at, scenario): (usize, &Scenario)| scenario.record(contestants(at), &scenario.server.config(cpus));
    scenarios.iter().enumerate().map(record).collect()
}
