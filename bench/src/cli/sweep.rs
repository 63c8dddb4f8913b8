//! `bakeoff sweep`: one scenario at several values of one parameter, under every model.

use super::{report, run};
use bakeoff::campaign::run::plan::Plan;
use bakeoff::campaign::run::runner::{self, Ending, RunOptions};
use bakeoff::campaign::sweep::axis;
use bakeoff::campaign::sweep::derive::{self, Times};
use bakeoff::host::environment::allowed_cpus;
use bakeoff::host::preflight::{Limits, require_loopback};
use bakeoff::process::launch::{Interrupt, Launcher};
use bakeoff::workload::load::Load;
use bakeoff::workload::scenario::Scenario;
use bakeoff::workload::scenario::units::{parse_duration, parse_positive_duration};
use bakeoff_reports::rules::verdict::DEFAULT_ROUNDS;
use clap::{Args, value_parser};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Run a scenario at several values of one parameter: knees, and where models change places
#[derive(Debug, Args)]
#[command(after_help = "Exit status: 0 fine, 3 too many invalid trials for a statement.\n\nExamples:\n  \
    bakeoff sweep small-echo-closed\n  \
    bakeoff sweep churn --over clients=1,4,16,64,256 --model thread-per-client --model mio-event-loop\n  \
    bakeoff sweep small-echo-open --over rate=1k..50k:8")]
pub(super) struct SweepArgs {
    /// Name of a built-in scenario, or a scenario file (*.toml)
    scenario: String,
    /// The parameter and its values: clients, rate or idle, with a list (clients=1,4,16), a geometric range
    /// (rate=1k..50k, or with a number of points rate=1k..50k:8), or nothing for a sensible one [default: rate for an open
    /// loop, else clients]
    #[arg(long, value_name = "AXIS[=VALUES]")]
    over: Option<String>,
    /// Run this model, and only those given so, whatever the scenario says; may be given several times
    #[arg(long = "model", short)]
    models: Vec<String>,
    /// Run the scenario as it is beside its points, so that the report has a verdict on it with its boundary
    #[arg(long)]
    with_workload: bool,
    /// Rounds; a round runs every model at every point once, in an order of its own
    #[arg(long, short, default_value_t = DEFAULT_ROUNDS, value_parser = value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Seed of all schedules and orders
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Measured window of every trial, instead of the scenario's
    #[arg(long, value_name = "TIME", value_parser = parse_positive_duration)]
    window: Option<Duration>,
    /// Warm-up of every trial, instead of the scenario's
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    warmup: Option<Duration>,
    /// Folder for the bundle and the report; must not hold a bundle yet [default: bakeoff-results/<UTC time>]
    #[arg(long, short, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Loopback address the servers listen on; port 0 takes a free one for each
    #[arg(long, default_value = "127.0.0.1:0", value_parser = super::parse_address)]
    addr: SocketAddr,
    /// Further tries of a trial that the load generator or the neighbours spoiled, at the end of its round; all together
    /// add 15 % to the run at most
    #[arg(long, default_value_t = 2, value_parser = value_parser!(u32).range(0..=5))]
    retries: u32,
    /// Skip the measurement of the generator's own limits before the run; nothing is then marked as lying at them
    #[arg(long)]
    no_probe: bool,
    /// No progress, no summary
    #[arg(long, short)]
    quiet: bool,
}

impl SweepArgs {
    pub(super) fn run(self) -> Result<ExitCode, String> {
        require_loopback(self.addr.ip(), "sweep loads this machine only")?;
        let plan = Plan::new(self.scenarios()?, &self.models, self.rounds, self.seed)?;
        let limits = Limits::of_this_system();
        for (i, scenario) in plan.scenarios.iter().enumerate() {
            limits.check(scenario, &plan.models_of(i))?;
            limits.workers(&scenario.load, &scenario.beside, allowed_cpus().len())?;
        }
        let interrupt =
            Interrupt::on_signals().map_err(|e| format!("installing the signal handlers failed: {e}"))?;
        run::check_port(self.addr)?;
        let (folder, bundle) = run::new_bundle(self.out.clone(), plan.slots.len() as u64)?;
        let options = RunOptions {
            envelope: false,
            seed: self.seed,
            rounds: self.rounds,
            command: std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
            address: self.addr,
            anatomy: false,
            progress: !self.quiet,
            // What explains a verdict at one point costs time at each.
            costs: self.with_workload,
            retries: self.retries,
            probe: !self.no_probe,
        };
        let launcher = Launcher::this_program(interrupt);
        let ending = runner::run(&plan, &options, &launcher, &bundle).map_err(|e| e.to_string())?;
        finish(ending, &folder, &bundle, !self.quiet)
    }

    /// The points, and the scenario itself first where it is wanted.
    fn scenarios(&self) -> Result<Vec<Scenario>, String> {
        let base = run::find_scenario(&self.scenario)?;
        let usual = if matches!(base.load, Load::Open { .. }) { "rate" } else { "clients" };
        let values = axis::parse(self.over.as_deref().unwrap_or(usual), &base)?;
        let times = Times { window: self.window, warmup: self.warmup };
        let mut scenarios = derive::points(&base, &values, times)?;
        if self.with_workload {
            scenarios.insert(0, derive::with_times(&base, times)?);
        }
        Ok(scenarios)
    }
}

/// The report of what was written, and how the tool ends.
pub(super) fn finish(
    ending: Ending,
    folder: &std::path::Path,
    bundle: &std::path::Path,
    summary: bool,
) -> Result<ExitCode, String> {
    if ending == Ending::NotBegun {
        return Ok(ExitCode::from(130));
    }
    let invalid = report::write(bundle, &folder.join(report::REPORT_NAME), summary)?;
    Ok(match ending {
        Ending::Complete if invalid => ExitCode::from(3),
        Ending::Complete => ExitCode::SUCCESS,
        Ending::Interrupted | Ending::NotBegun => ExitCode::from(130),
    })
}
