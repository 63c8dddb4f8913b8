//! The run: every trial of the plan in its order, each on disk before the next begins.

use crate::clock;
use crate::environment::{self, CpuPlan};
use crate::launch::Launcher;
use crate::plan::Plan;
use crate::preflight::Limits;
use crate::progress::Progress;
use crate::trial::{Bench, Interrupted};
use bakeoff_reports::bundle::{BundleError, Writer};
use bakeoff_reports::record::{End, ModelRecord, Reading, Record, Run, SCHEMA_VERSION};
use bakeoff_servers::ServerModel;
use std::net::SocketAddr;
use std::path::Path;

/// How a run is to be done, besides what.
#[derive(Debug)]
pub struct RunOptions {
    /// The seed of everything.
    pub seed: u64,
    /// Rounds.
    pub rounds: u32,
    /// The command line, for the record.
    pub command: Vec<String>,
    /// Where servers listen; port 0 for a free one each time.
    pub address: SocketAddr,
    /// Whether to draw progress on standard error.
    pub progress: bool,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All trials done.
    Complete,
    /// Stopped by a signal; what was finished is on disk.
    Interrupted,
}

/// Runs the whole plan into a new bundle at `path`.
///
/// # Errors
/// When the bundle cannot be written. What was written before stays valid.
pub fn run(
    plan: &Plan,
    options: &RunOptions,
    launcher: &Launcher,
    path: &Path,
) -> Result<Ending, BundleError> {
    let cpus = CpuPlan::split(environment::allowed_cpus());
    let limits = Limits::of_this_system();
    let congestion_control = choose_congestion_control();
    let head = head(plan, options, &cpus, &congestion_control);
    let mut bundle = Writer::create(path, &head)?;
    let bench = Bench {
        launcher,
        cpus: &cpus,
        limits: &limits,
        congestion_control: congestion_control.value().map(String::as_str),
        seed: options.seed,
        address: options.address,
    };
    let mut progress = Progress::new(plan, options.progress);
    let mut ending = Ending::Complete;
    let mut written = 0;
    for (index, slot) in (0u32..).zip(&plan.slots) {
        let scenario = &plan.scenarios[slot.cell.scenario];
        let model = plan.models[slot.cell.model].name();
        progress.begin(slot, scenario, model);
        match bench.trial(index, *slot, scenario, model) {
            Ok(trial) => {
                bundle.append(&Record::Trial(Box::new(trial.clone())))?;
                written += 1;
                progress.finished(&trial);
            }
            Err(Interrupted) => {
                ending = Ending::Interrupted;
                break;
            }
        }
    }
    progress.end(ending);
    let interrupted = ending == Ending::Interrupted;
    bundle.append(&Record::End(End { finished_unix_ms: clock::unix_ms(), trials: written, interrupted }))?;
    Ok(ending)
}

fn head(plan: &Plan, options: &RunOptions, cpus: &CpuPlan, congestion_control: &Reading<String>) -> Run {
    let model = |m: &&dyn ServerModel| ModelRecord { name: m.name().into(), summary: m.summary().into() };
    Run {
        schema_version: SCHEMA_VERSION,
        tool_version: env!("CARGO_PKG_VERSION").into(),
        command: options.command.clone(),
        started_unix_ms: clock::unix_ms(),
        seed: options.seed,
        rounds: options.rounds,
        planned_trials: u32::try_from(plan.slots.len()).unwrap_or(u32::MAX),
        scenarios: plan
            .scenarios
            .iter()
            .enumerate()
            .map(|(i, s)| s.record(plan.models_of(i), &s.server.config(cpus.server.len())))
            .collect(),
        models: plan.models.iter().map(model).collect(),
        environment: environment::read(cpus, congestion_control.clone()),
    }
}

/// Cubic where there is a choice, so that runs on differently configured machines compare; else the system's own.
fn choose_congestion_control() -> Reading<String> {
    let path = "/proc/sys/net/ipv4/tcp_available_congestion_control";
    match std::fs::read_to_string(path) {
        Ok(list) if list.split_whitespace().any(|name| name == "cubic") => Reading::Value("cubic".into()),
        Ok(list) => Reading::Absent(format!(
            "cubic is not among the available ({}); the default is used",
            list.trim()
        )),
        Err(error) => Reading::Absent(format!("{path}: {error}; the default is used")),
    }
}
