//! `bakeoff capacity`: the highest rate at which each model still meets an objective on its response time.

use super::{run, sweep};
use bakeoff::campaign::run::plan::Plan;
use bakeoff::campaign::run::runner::RunOptions;
use bakeoff::campaign::sweep::axis;
use bakeoff::campaign::sweep::capacity::{self, Goal};
use bakeoff::campaign::sweep::derive::Times;
use bakeoff::host::environment::allowed_cpus;
use bakeoff::host::preflight::{Limits, require_loopback};
use bakeoff::process::launch::{Interrupt, Launcher};
use bakeoff::workload::scenario::units::{parse_duration, parse_positive_duration};
use bakeoff_reports::record::Axis;
use bakeoff_reports::rules::sweep::capacity::LEAST_TRIALS;
use clap::{Args, value_parser};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Find the highest rate at which each model keeps its response time under an objective
#[derive(Debug, Args)]
#[command(
    after_help = "A closed loop is asked by a Poisson schedule over as many connections. Each model gets one trial in every \
    step, at a rate that its earlier trials decide: doubling, halving, then one rung of a tenth up or down.\n\n\
    Exit status: 0 fine, 3 too many invalid trials for a statement.\n\nExamples:\n  \
    bakeoff capacity small-echo-open --objective \"p99<=5ms\"\n  \
    bakeoff capacity wait --objective \"p99<=20ms\" --model tokio --model thread-pool --rates 500..20k"
)]
pub(super) struct CapacityArgs {
    /// Name of a built-in scenario, or a scenario file (*.toml); an open or a closed loop
    scenario: String,
    /// What must be met: p50, p90, p99 or p99.9 and the longest response time [default: p99 under the scenario's objective]
    #[arg(long, value_name = "PERCENTILE<=TIME")]
    objective: Option<String>,
    /// The lowest and the highest rate to try, in requests per second [default: from what the percentile needs up to 200k,
    /// or to the generator's own ceiling]
    #[arg(long, value_name = "LOW..HIGH")]
    rates: Option<String>,
    /// Try this model, and only those given so, whatever the scenario says; may be given several times
    #[arg(long = "model", short)]
    models: Vec<String>,
    /// Trials of each model; about seven find the neighbourhood, the others narrow the interval
    #[arg(long, default_value_t = 24, value_parser = value_parser!(u32).range(LEAST_TRIALS as i64..=1000))]
    steps: u32,
    /// Seed of all schedules and orders
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Measured window of every trial [default: 20 times the objective, 1s at least]
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
    /// Further tries of a trial that the load generator or the neighbours spoiled, at the end of its step; all together
    /// add 15 % to the search at most
    #[arg(long, default_value_t = 2, value_parser = value_parser!(u32).range(0..=5))]
    retries: u32,
    /// Skip the measurement of the generator's own limits before the search, which ends the ladder of rates
    #[arg(long)]
    no_probe: bool,
    /// No progress, no summary
    #[arg(long, short)]
    quiet: bool,
}

impl CapacityArgs {
    pub(super) fn run(self) -> Result<ExitCode, String> {
        require_loopback(self.addr.ip(), "capacity loads this machine only")?;
        let base = run::find_scenario(&self.scenario)?;
        let objective = capacity::objective(self.objective.as_deref(), &base)?;
        let rates = self.rates.as_deref().map(rates).transpose()?;
        let times = Times { window: self.window, warmup: self.warmup };
        let goal = Goal::new(&base, objective, rates, times)?;
        let plan = Plan::new(goal.rungs.clone(), &self.models, 1, self.seed)?;
        let (limits, highest) = (Limits::of_this_system(), goal.rungs.len() - 1);
        limits.check(&goal.rungs[highest], &plan.models_of(highest))?;
        limits.workers(&goal.rungs[highest].load, &goal.rungs[highest].beside, allowed_cpus().len())?;
        let interrupt =
            Interrupt::on_signals().map_err(|e| format!("installing the signal handlers failed: {e}"))?;
        run::check_port(self.addr)?;
        let trials = u64::from(self.steps) * plan.models.len() as u64;
        let (folder, bundle) = run::new_bundle(self.out.clone(), trials)?;
        let options = RunOptions {
            envelope: false,
            seed: self.seed,
            rounds: self.steps,
            command: std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
            address: self.addr,
            anatomy: false,
            progress: !self.quiet,
            costs: false,
            retries: self.retries,
            probe: !self.no_probe,
        };
        let launcher = Launcher::this_program(interrupt);
        let ending = capacity::run(&goal, &self.models, &options, &launcher, &bundle)?;
        sweep::finish(ending, &folder, &bundle, !self.quiet)
    }
}

/// Reads the ends of the ladder.
fn rates(text: &str) -> Result<(f64, f64), String> {
    let (low, high) =
        text.split_once("..").ok_or_else(|| format!("`{text}` is no range of rates; write 500..20k"))?;
    let (low, high) = (axis::number(Axis::Rate, low)?, axis::number(Axis::Rate, high)?);
    if low < high {
        Ok((low, high))
    } else {
        Err(format!("the rates {text} do not ascend; write the lower one first"))
    }
}
