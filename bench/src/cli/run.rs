//! `bakeoff run`: models x workloads x rounds, into a bundle and a report.

use super::report;
use bakeoff::campaign::run::budget;
use bakeoff::campaign::run::plan::Plan;
use bakeoff::campaign::run::runner::{self, Ending, RunOptions};
use bakeoff::host::environment::allowed_cpus;
use bakeoff::host::preflight::{Limits, require_loopback, require_room};
use bakeoff::process::launch::{Interrupt, Launcher};
use bakeoff::suggest;
use bakeoff::workload::scenario::units::{parse_duration, parse_positive_duration};
use bakeoff::workload::scenario::{BUILT_IN, Scenario};
use bakeoff_reports::record::envelope::Stress;
use bakeoff_reports::rules::verdict::{DEFAULT_ROUNDS, LEVEL, rounds_to_tell};
use bakeoff_reports::show::text::wrapped;
use bakeoff_reports::show::units;
use clap::{Args, value_parser};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Compare models: workloads x models x rounds, into a bundle and a report
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 fine, 3 too many invalid trials for a verdict.\n\nExamples:\n  bakeoff run\n  bakeoff run --all --budget 10m\n  bakeoff run churn wait --rounds 10\n  \
    bakeoff run my.toml --model tokio --model mio-event-loop"
)]
pub(super) struct RunArgs {
    /// Names of built-in scenarios, or scenario files (*.toml); without any, the default set (see `bakeoff list`)
    scenarios: Vec<String>,
    /// All built-in scenarios instead of the default set
    #[arg(long, conflicts_with = "scenarios")]
    all: bool,
    /// Run this model, and only those given so, whatever the scenarios say; may be given several times
    #[arg(long = "model", short)]
    models: Vec<String>,
    /// Rounds; a round runs every model under every workload once, in an order of its own
    #[arg(long, short, default_value_t = DEFAULT_ROUNDS, value_parser = value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Time for the rounds instead of a number of them: as many as fit, such as 5m. What is decided on the way stops, so that
    /// the time goes to what is not; at most one round over
    #[arg(long, value_name = "TIME", value_parser = budget::parse_budget, conflicts_with = "rounds")]
    budget: Option<Duration>,
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
    /// Leave out the anatomy of a request, which follows the rounds and takes a fraction of a second for each model
    #[arg(long)]
    no_anatomy: bool,
    /// Find out at the end what breaks each model: connections, bursts, slow clients, poison, address space (about a minute
    /// for the default models; see `bakeoff envelope`)
    #[arg(long)]
    envelope: bool,
    /// Leave out what servers cost: counters of events (250 ms before each window of the first two rounds), waits, memory
    /// at rest
    #[arg(long)]
    no_costs: bool,
    /// Further tries of a trial that the load generator or the neighbours spoiled, at the end of its round; all together
    /// add 15 % to the run at most
    #[arg(long, default_value_t = 2, value_parser = value_parser!(u32).range(0..=5))]
    retries: u32,
    /// Skip the measurement of the generator's own limits before the run (about three seconds); nothing is then marked as
    /// lying at them
    #[arg(long)]
    no_probe: bool,
    /// No progress, no summary
    #[arg(long, short)]
    quiet: bool,
}

impl RunArgs {
    pub(super) fn run(self) -> Result<ExitCode, String> {
        require_loopback(
            self.addr.ip(),
            "run loads this machine only; use `bakeoff load` for a server elsewhere",
        )?;
        let scenarios = self.read_scenarios()?;
        let plan = self.plan(scenarios)?;
        let limits = Limits::of_this_system();
        for (i, scenario) in plan.scenarios.iter().enumerate() {
            limits.check(scenario, &plan.models_of(i))?;
            limits.workers(&scenario.load, &scenario.beside, allowed_cpus().len())?;
        }
        if self.envelope {
            bakeoff::instruments::envelope::require_descriptors(&Stress::ALL)?;
        }
        let interrupt =
            Interrupt::on_signals().map_err(|e| format!("installing the signal handlers failed: {e}"))?;
        check_port(self.addr)?;
        let (folder, bundle) = new_bundle(self.out.clone(), plan.slots.len() as u64)?;
        let options = RunOptions {
            seed: self.seed,
            rounds: plan.rounds(),
            command: std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
            address: self.addr,
            anatomy: !self.no_anatomy,
            envelope: self.envelope,
            progress: !self.quiet,
            costs: !self.no_costs,
            retries: self.retries,
            probe: !self.no_probe,
        };
        if let Some(budget) = self.budget.filter(|_| !self.quiet) {
            for line in budget::announcement(&plan, budget, !self.no_costs).lines() {
                bakeoff::tell(wrapped(line, bakeoff::terminal_width(), "").trim_end());
            }
        }
        let launcher = Launcher::this_program(interrupt);
        let ending = runner::run(&plan, &options, &launcher, &bundle).map_err(|e| e.to_string())?;
        if ending == Ending::NotBegun {
            return Ok(ExitCode::from(130));
        }
        let invalid = report::write(&bundle, &folder.join(report::REPORT_NAME), !self.quiet)?;
        Ok(match ending {
            Ending::Complete if invalid => ExitCode::from(3),
            Ending::Complete => ExitCode::SUCCESS,
            Ending::Interrupted | Ending::NotBegun => ExitCode::from(130),
        })
    }

    fn plan(&self, scenarios: Vec<Scenario>) -> Result<Plan, String> {
        let plan = Plan::new(scenarios, &self.models, self.rounds, self.seed)?;
        let enough = rounds_to_tell(LEVEL) as u32;
        if self.budget.is_none() && self.rounds < enough && !self.quiet {
            let rounds = units::plural(self.rounds.into(), "round");
            bakeoff::tell(&format!(
                "{rounds} cannot tell two models apart, however far they lie: give --rounds {enough} or more\n\
                 for a verdict, {DEFAULT_ROUNDS} for one that holds among many comparisons"
            ));
        }
        Ok(match self.budget {
            Some(budget) => plan.within(budget, !self.no_costs),
            None => plan,
        })
    }

    fn read_scenarios(&self) -> Result<Vec<Scenario>, String> {
        let chosen = BUILT_IN.iter().filter(|b| b.default || self.all);
        let built_in: Vec<String> = chosen.map(|b| b.name.to_string()).collect();
        let names = if self.scenarios.is_empty() { &built_in } else { &self.scenarios };
        read_all(names, self.window, self.warmup)
    }
}

/// The scenarios of these names, each with another window or warm-up where one is given.
///
/// # Errors
/// A scenario that cannot be read, two of one name, or a schedule that the given times do not fit.
pub(super) fn read_all(
    names: &[String],
    window: Option<Duration>,
    warmup: Option<Duration>,
) -> Result<Vec<Scenario>, String> {
    let mut scenarios: Vec<Scenario> = Vec::new();
    for name in names {
        let mut scenario = find_scenario(name)?;
        if scenarios.iter().any(|s| s.name == scenario.name) {
            return Err(format!(
                "two scenarios are named `{}`; the report could not tell them apart",
                scenario.name
            ));
        }
        scenario.timing.window = window.unwrap_or(scenario.timing.window);
        scenario.timing.warmup = warmup.unwrap_or(scenario.timing.warmup);
        bakeoff::swarm::schedule::check(&scenario.load, &scenario.request, &scenario.timing, 0, 1)
            .map_err(|e| format!("scenario `{}` with the given --window and --warmup: {e}", scenario.name))?;
        scenarios.push(scenario);
    }
    Ok(scenarios)
}

/// The scenario of a name: a built-in one, or a file.
pub(super) fn find_scenario(name: &str) -> Result<Scenario, String> {
    match Scenario::built_in(name) {
        Some(scenario) => Ok(scenario),
        None if is_path(name) => read_scenario(Path::new(name)),
        None => {
            let known = suggest::unknown("scenario", name, BUILT_IN.iter().map(|b| b.name));
            Err(format!("{known}; or a file that ends in .toml"))
        }
    }
}

fn is_path(name: &str) -> bool {
    name.ends_with(".toml") || name.contains('/')
}

/// Reads a scenario file.
pub(super) fn read_scenario(path: &Path) -> Result<Scenario, String> {
    let text = fs::read_to_string(path)
        .map_err(|e| format!("reading the scenario file {} failed: {e}", path.display()))?;
    Scenario::parse(&text, &path.display().to_string()).map_err(|e| e.to_string())
}

/// The folder for the results, made, and where in it the bundle will be: with room for so many trials, and nothing there yet.
pub(super) fn new_bundle(out: Option<PathBuf>, trials: u64) -> Result<(PathBuf, PathBuf), String> {
    let folder = new_folder(out)?;
    require_room(&folder, trials)?;
    let bundle = folder.join(report::BUNDLE_NAME);
    if bundle.exists() {
        return Err(format!(
            "{} holds the records of a run already, and they are not overwritten; choose another folder with --out",
            bundle.display()
        ));
    }
    Ok((folder, bundle))
}

/// The folder for results, made.
pub(super) fn new_folder(out: Option<PathBuf>) -> Result<PathBuf, String> {
    let folder = out.unwrap_or_else(default_folder);
    fs::create_dir_all(&folder).map_err(|e| {
        format!(
            "making the folder {} for the results failed: {e}; choose another with --out",
            folder.display()
        )
    })?;
    Ok(folder)
}

pub(super) fn default_folder() -> PathBuf {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H-%M-%SZ");
    Path::new("bakeoff-results").join(now.to_string())
}

/// A fixed port must be free before the first trial, not fail each of them.
pub(super) fn check_port(address: SocketAddr) -> Result<(), String> {
    let options = bakeoff_servers::listen::ListenOptions::default();
    bakeoff_servers::listen::bind(address, &options).map(drop).map_err(|e| e.to_string())
}
