//! The run: every trial of the plan in its order, each on disk before the next begins.

use crate::anatomy::{self, AnatomyOptions, Workbench};
use crate::clock;
use crate::environment::{self, CpuPlan};
use crate::launch::{LaunchError, Launcher};
use crate::plan::Plan;
use crate::preflight::{self, Limits};
use crate::progress::Progress;
use crate::trial::{Bench, Interrupted};
use bakeoff_reports::bundle::{BundleError, Writer};
use bakeoff_reports::record::{Anatomy, End, ModelRecord, Reading, Record, Run, SCHEMA_VERSION};
use bakeoff_servers::ServerModel;
use rustix::net::sockopt;
use std::net::{SocketAddr, TcpListener};
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
    /// Whether to take the anatomy of a request of every model, after the trials.
    pub anatomy: bool,
    /// Whether to draw progress on standard error.
    pub progress: bool,
    /// Whether to find out what servers cost, beyond what every verdict needs.
    pub costs: bool,
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
    preflight::raise_descriptor_limit();
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
        costs: options.costs,
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
    if options.anatomy && ending == Ending::Complete {
        ending = anatomies(plan, &bench, &progress, &mut bundle)?;
    }
    let interrupted = ending == Ending::Interrupted;
    progress.end(interrupted);
    bundle.append(&Record::End(End { finished_unix_ms: clock::unix_ms(), trials: written, interrupted }))?;
    Ok(ending)
}

/// Takes the anatomy of a small echo of every model of the plan, into the bundle.
fn anatomies(
    plan: &Plan,
    bench: &Bench<'_>,
    progress: &Progress,
    bundle: &mut Writer,
) -> Result<Ending, BundleError> {
    let (launcher, cpus, congestion_control) = (bench.launcher, bench.cpus, bench.congestion_control);
    let workbench = Workbench { launcher, cpus, congestion_control };
    for model in &plan.models {
        progress.afterwards(&format!("anatomy of a request / {}", model.name()));
        let options = AnatomyOptions::small_echo(model.name(), bench.address);
        let anatomy = match anatomy::take(&workbench, &options) {
            Ok(anatomy) => anatomy,
            Err(LaunchError::Interrupted) => return Ok(Ending::Interrupted),
            Err(error) => Anatomy::absent(model.name(), options.service.name, &error.to_string()),
        };
        bundle.append(&Record::Anatomy(Box::new(anatomy)))?;
    }
    Ok(Ending::Complete)
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

/// Cubic where it may be had, so that runs on differently configured machines compare; else the system's own.
pub fn choose_congestion_control() -> Reading<String> {
    const WANTED: &str = "cubic";
    // Asked of a socket, because what a user may have is less than what there is.
    let socket = TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string());
    match socket.and_then(|s| sockopt::set_tcp_congestion(&s, WANTED).map_err(|e| e.to_string())) {
        Ok(()) => Reading::Value(WANTED.into()),
        Err(why) => {
            Reading::Absent(format!("{WANTED} is not to be had ({why}); the system's default is used"))
        }
    }
}
