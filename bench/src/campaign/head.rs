//! The head of a bundle: what a campaign declares before its first trial.

use crate::host::{clock, environment};
use crate::process::context::Context;
use crate::workload::scenario::Scenario;
use bakeoff_reports::record::{Reading, Run, SCHEMA_VERSION, ScenarioRecord};

/// The head of a campaign that begins now and plans nothing yet; whoever plans fills in the rest.
pub fn head(context: &Context, command: &[String], seed: u64) -> Run {
    Run {
        schema_version: SCHEMA_VERSION,
        tool_version: env!("CARGO_PKG_VERSION").into(),
        command: command.to_vec(),
        started_unix_ms: clock::unix_ms(),
        seed,
        rounds: 0,
        planned_trials: 0,
        sequential: None,
        comparison: None,
        scenarios: Vec::new(),
        models: Vec::new(),
        refused: Vec::new(),
        environment: environment::read(
            &context.cpus,
            context.congestion_control.clone(),
            context.compute_ns_per_nominal_us.clone(),
        ),
        probe: Reading::Absent("the run was started with --no-probe".into()),
    }
}

/// Workloads for the record, each with the names of the contestants under it.
pub fn scenario_records(
    context: &Context,
    scenarios: &[Scenario],
    contestants: impl Fn(usize) -> Vec<String>,
) -> Vec<ScenarioRecord> {
    let record = |(at, scenario): (usize, &Scenario)| ScenarioRecord {
        calibration: context.calibration(scenario),
        server_cpus: scenario
            .server
            .cpus
            .and_then(|_| Some(context.cpus_for(scenario).ok()?.server))
            .unwrap_or_default(),
        ..scenario.record(contestants(at), &scenario.server.config(context.server_cpus(scenario)))
    };
    scenarios.iter().enumerate().map(record).collect()
}
