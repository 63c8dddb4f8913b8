//! `bakeoff balance`: balancers before several servers, one of which may die.

use super::flags::{CpuFlags, SeedFlag};
use super::names::{self, NameParser};
use super::output;
use super::setup::{launcher, loopback};
use crate::exit::Exit;
use crate::host::clock::nanoseconds;
use crate::instruments::balance::{self, Balancer, Front, Installed};
use crate::process::context::Context;
use crate::process::launch::LaunchError;
use crate::workload::bounds;
use crate::workload::load::{Arrivals, DemandShape, Load, RateShape, RequestShape, Timing};
use crate::workload::units::{parse_duration, parse_positive_duration, parse_rate, parse_size};
use bakeoff_reports::record::balance::{BalanceSetup, BalanceTrial, LeftOut, Policy};
use bakeoff_reports::show::balance::{BALANCE_VERSION, BalanceReport, BalanceSummary};
use bakeoff_reports::show::{html, text};
use clap::builder::TypedValueParser;
use clap::{Args, value_parser};
use std::path::PathBuf;
use std::time::Duration;

/// Put HAProxy and nginx before several servers, and kill one of these under load
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bakeoff balance --kill-at 3s --back-at 6s --out balance.html\n  \
    bakeoff balance --balancer haproxy --policy round-robin --policy two-choices\n  \
    bakeoff balance --servers 1 --kill-at 3s --back-at 4s\n  \
    bakeoff balance --balancer direct --balancer mine='./relay {port} {servers}'")]
pub(super) struct BalanceArgs {
    /// haproxy, nginx, direct (one server without any), or NAME='COMMAND' of your own that listens on {port} and balances over
    /// {servers}, addresses with commas between them; may be given several times [default: the first three]
    #[arg(long = "balancer", short, value_name = "BALANCER")]
    balancers: Vec<Balancer>,
    /// How haproxy and nginx choose a server: round-robin, least-connections, random, two-choices or source-hash; may be given
    /// several times [default: round-robin]
    #[arg(long = "policy", short, value_name = "POLICY", value_parser = policy(), hide_possible_values = true)]
    policies: Vec<Policy>,
    /// The model of the servers (see `bakeoff list`); may be given several times [default: tokio]
    #[arg(long = "model", short, value_name = "MODEL", value_parser = names::model_name(), hide_possible_values = true)]
    models: Vec<String>,
    /// Servers behind each balancer
    #[arg(long, value_name = "COUNT", default_value_t = 4, value_parser = value_parser!(u32).range(1..=64))]
    servers: u32,
    /// Requests per second, whatever is answered
    #[arg(long, value_name = "RATE", default_value = "2000", value_parser = parse_rate, allow_negative_numbers = true)]
    rate: f64,
    /// Connections of the load
    #[arg(long, short, value_name = "COUNT", default_value_t = 64, value_parser = value_parser!(u32).range(1..=10_000))]
    clients: u32,
    /// Content of a reply
    #[arg(long, default_value = "64 B", value_parser = parse_size)]
    size: u32,
    /// Measured window
    #[arg(long = "for", value_name = "TIME", default_value = "10s", value_parser = parse_positive_duration)]
    window: Duration,
    /// Load before it that is not measured
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_duration)]
    warmup: Duration,
    /// Give a request up after this time
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = parse_positive_duration)]
    timeout: Duration,
    /// Kill the first server by SIGKILL so long after the window's begin
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    kill_at: Option<Duration>,
    /// Start it again, on the same port, so long after the window's begin
    #[arg(long, value_name = "TIME", value_parser = parse_duration, requires = "kill_at")]
    back_at: Option<Duration>,
    /// Have balancers send no request twice; otherwise they send one that got nothing of a reply to another server
    #[arg(long)]
    no_retry: bool,
    #[command(flatten)]
    seed: SeedFlag,
    #[command(flatten)]
    cpus: CpuFlags,
    /// Write an HTML page with pictures over time, too
    #[arg(long, short, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    out: Option<PathBuf>,
    /// Print one JSON document instead of a table; times in nanoseconds
    #[arg(long)]
    json: bool,
}

fn policy() -> impl TypedValueParser<Value = Policy> {
    let find = |name: String| Policy::ALL.iter().copied().find(|policy| policy.name() == name);
    NameParser::of("policy", Policy::ALL.iter().map(|policy| policy.name()))
        .map(move |name| find(name).expect("one of these names"))
}

impl BalanceArgs {
    pub(super) fn run(self) -> Result<Exit, String> {
        self.check()?;
        let asked = if self.balancers.is_empty() { &Balancer::USUAL[..] } else { &self.balancers };
        let (installed, left_out) = balance::admit(asked, balance::find_program, balance::version)?;
        for LeftOut { balancer, why } in &left_out {
            crate::print_to_stderr(&format!("{balancer} is left out: {why}"));
        }
        let context = Context::new(launcher()?, loopback(), self.cpus.plan()?);
        let setup = self.setup(&context);
        let (trials, ending) = match self.trials(&context, &setup, &installed) {
            (trials, Err(LaunchError::Interrupted)) => (trials, Exit::Interrupted),
            (_, Err(error)) => return Err(error.to_string()),
            (trials, Ok(())) => {
                let ending = ending(&trials);
                (trials, ending)
            }
        };
        let summaries = trials.iter().map(BalanceSummary::new).collect::<Result<_, _>>();
        let trials = summaries.map_err(|e| e.to_string())?;
        let report = BalanceReport { balance_version: BALANCE_VERSION, setup, left_out, trials };
        output::print(&match self.json {
            true => serde_json::to_string_pretty(&report).expect("our own type, finite numbers") + "\n",
            false => text::balance::table(&report, crate::terminal_width()),
        })?;
        if let Some(page) = &self.out {
            output::replace(page, &html::balance(&report)).map_err(|e| {
                format!("writing the page {} failed: {e}; choose another file with --out", page.display())
            })?;
        }
        Ok(ending)
    }

    /// Refuses what can be known wrong before anything is started.
    fn check(&self) -> Result<(), String> {
        if let Some(kill_at) = self.kill_at.filter(|at| *at >= self.window) {
            return Err(format!(
                "--kill-at {kill_at:?} lies behind the window of {:?}; kill earlier, or measure longer with --for",
                self.window
            ));
        }
        if let Some((kill_at, back_at)) = self.kill_at.zip(self.back_at)
            && !(kill_at..self.window).contains(&back_at)
        {
            return Err(format!(
                "--back-at {back_at:?} must lie between the kill at {kill_at:?} and the window's end at {:?}",
                self.window
            ));
        }
        let arrivals = Arrivals::Poisson;
        let load =
            Load::Open { clients: self.clients, rate_per_s: self.rate, arrivals, shape: RateShape::Steady };
        let (warmup, window, timeout) = (self.warmup, self.window, self.timeout);
        let timing = Timing { warmup, window, timeout, drain: timeout };
        let request = RequestShape::new(self.size, DemandShape::None);
        bounds::check(&load, &request, &timing, 0, 1).map_err(|e| e.to_string())
    }

    fn setup(&self, context: &Context) -> BalanceSetup {
        BalanceSetup {
            servers: self.servers,
            rate_per_s: self.rate,
            clients: self.clients,
            reply_bytes: self.size,
            window_ns: nanoseconds(self.window),
            warmup_ns: nanoseconds(self.warmup),
            timeout_ns: nanoseconds(self.timeout),
            retries: !self.no_retry,
            kill_at_ns: self.kill_at.map(nanoseconds),
            back_at_ns: self.back_at.map(nanoseconds),
            server_cpus: context.cpus.server.clone(),
            swarm_cpus: context.cpus.swarm.clone(),
            seed: self.seed.seed,
        }
    }

    /// The trials, as far as they came.
    fn trials(
        &self,
        context: &Context,
        setup: &BalanceSetup,
        installed: &[Installed],
    ) -> (Vec<BalanceTrial>, Result<(), LaunchError>) {
        let usual = [Policy::RoundRobin];
        let policies = each_once(if self.policies.is_empty() { &usual } else { &self.policies });
        let fronts = balance::fronts(installed, &policies);
        let usual = ["tokio".to_owned()];
        let models = each_once(if self.models.is_empty() { &usual } else { &self.models });
        let all: Vec<(&String, Front<'_>)> =
            models.iter().flat_map(|model| fronts.iter().map(move |front| (model, *front))).collect();
        let mut trials = Vec::new();
        for (at, (model, front)) in all.iter().enumerate() {
            let policy = front.policy.map_or_else(String::new, |policy| format!(" {}", policy.name()));
            let name = front.installed.balancer.name();
            crate::print_to_stderr(&format!("{name}{policy}, {model} ({} of {})", at + 1, all.len()));
            match balance::take(context, setup, *front, model) {
                Ok(trial) => trials.push(trial),
                Err(error) => return (trials, Err(error)),
            }
        }
        (trials, Ok(()))
    }
}

fn each_once<T: Clone + PartialEq>(all: &[T]) -> Vec<T> {
    let mut each: Vec<T> = Vec::new();
    all.iter().for_each(|one| {
        if !each.contains(one) {
            each.push(one.clone());
        }
    });
    each
}

/// How a comparison ends, with a word on each trial that spoils it.
fn ending(trials: &[BalanceTrial]) -> Exit {
    for trial in trials {
        let name = trial.balancer.as_ref().map_or("direct", |balancer| balancer.name.as_str());
        for why in trial.ended_early.iter().map(String::as_str).chain(trial.measured.absence()) {
            crate::print_to_stderr(&format!("bakeoff: {name}: {why}"));
        }
    }
    let failed = trials.iter().any(|trial| trial.measured.absence().is_some());
    let died = trials.iter().any(|trial| !trial.ended_early.is_empty());
    match (failed, died) {
        (true, _) => Exit::Failed,
        (false, true) => Exit::Invalid,
        (false, false) => Exit::Fine,
    }
}
