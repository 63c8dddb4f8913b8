//! `bakeoff run`: models x workloads x rounds, into a bundle and a report.

use super::flags::{CampaignFlags, ContestantFlag, CostFlag};
use super::results::Results;
use super::setup::{Admission, admit, check_plan, tell_what_is_known};
use super::{names, workloads};
use crate::campaign::plan::Plan;
use crate::campaign::{Options, blocks, budget};
use crate::exit::Exit;
use crate::host::preflight::require_loopback;
use crate::host::quiet::{self, Quiet};
use crate::workload::curves;
use crate::workload::scenario::{BUILT_IN, Scenario};
use bakeoff_reports::record::envelope::Stress;
use bakeoff_reports::rules::verdict::MIN_BLOCKS;
use bakeoff_reports::show::units;
use clap::{Args, value_parser};
use std::path::Path;
use std::time::Duration;

/// The workloads that a run of the default set draws a curve of first: an open and a closed one.
const CURVES: [&str; 2] = ["small-echo-open", "small-echo-closed"];

/// A shorter budget goes into verdicts alone.
const SOME_CURVES: Duration = Duration::from_secs(100);

/// From this budget on it draws all that have one.
const ALL_CURVES: Duration = Duration::from_secs(300);

/// Compare models under workloads; write a bundle and a report
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Exit status: 0 answered, if only provisionally; 3 nothing could be measured, or with --strict not \
    everything is decided.\n\nExamples:\n  \
    bakeoff run\n  bakeoff run --all --budget 10m\n  bakeoff run churn wait --blocks 10\n  \
    bakeoff run my.toml --model tokio --model mio-event-loop\n  \
    bakeoff run small-echo-closed -m tokio --contestant go='./server {port}'"
)]
pub(super) struct RunArgs {
    /// Names of built-in scenarios, or scenario files (*.toml); without any, the default set (see `bakeoff list`)
    #[arg(value_parser = names::scenario(), hide_possible_values = true)]
    scenarios: Vec<String>,
    /// All built-in scenarios instead of the default set
    #[arg(long, conflicts_with = "scenarios")]
    all: bool,
    /// Run this many blocks of each workload, instead of as many as needed within a time budget. A block is one workload with
    /// all its models back to back
    #[arg(long, short, alias = "rounds", short_alias = 'r', value_parser = value_parser!(u32).range(1..=1000))]
    blocks: Option<u32>,
    /// Time budget for the blocks, such as 5m [default: 117s]. After three blocks of each workload, the rest is spent on
    /// undecided workloads; the run ends early once more blocks would decide nothing
    #[arg(long, value_name = "TIME", value_parser = budget::parse_budget, conflicts_with = "blocks")]
    budget: Option<Duration>,
    /// Before measuring, wait at most this long for other programs to leave the CPUs idle
    #[arg(long, value_name = "TIME", value_parser = budget::parse_budget)]
    wait_for_quiet: Option<Duration>,
    /// Skip the coarse curves of a run of the default set: latency over rate for one open-loop workload and throughput over
    /// clients for one closed-loop workload, or for all such workloads with a budget of 5m or more
    #[arg(long)]
    no_curves: bool,
    /// End with status 3 unless every workload is decided by undisturbed blocks
    #[arg(long)]
    strict: bool,
    /// Leave out the anatomy of a request, which follows the rounds and takes a fraction of a second for each model
    #[arg(long)]
    no_anatomy: bool,
    /// Find out at the end what breaks each model: connections, bursts, slow clients, poison, address space (about a minute
    /// for the default models; see `bakeoff envelope`)
    #[arg(long)]
    envelope: bool,
    #[command(flatten)]
    costs: CostFlag,
    #[command(flatten)]
    contestants: ContestantFlag,
    #[command(flatten)]
    campaign: CampaignFlags,
    /// Whether a summary ends it, where that is not to follow from `--quiet`.
    #[arg(skip)]
    summary: Option<bool>,
}

impl RunArgs {
    /// The folder given for results.
    pub(super) fn out(&self) -> Option<&Path> {
        self.campaign.results.out.as_deref()
    }

    /// Whether it tells how it goes on.
    pub(super) fn tells(&self) -> bool {
        !self.campaign.results.quiet
    }

    /// The same as one of several runs: with a folder and a seed of its own, without its summary.
    #[must_use]
    pub(super) fn one_of_several(mut self, folder: &Path, at: u32) -> Self {
        self.campaign.results.out = Some(folder.to_owned());
        self.campaign.seed = self.campaign.seed.of_run(at);
        self.summary = Some(false);
        self
    }

    pub(super) fn run(self) -> Result<Exit, String> {
        let flags = &self.campaign;
        require_loopback(
            flags.listen.addr.ip(),
            "run loads this machine only; use `bakeoff load` for a server elsewhere",
        )?;
        let mut plan = self.plan()?;
        check_plan(&plan)?;
        if self.envelope {
            crate::instruments::envelope::require_descriptors(Stress::ALL)?;
        }
        let context = flags.context()?;
        if admit(&mut plan, &context)? == Admission::Interrupted {
            return Ok(Exit::Interrupted);
        }
        let results = Results::new(flags.results.out.as_deref(), plan.planned_trials().into())?;
        let costs = !self.costs.no_costs;
        let (anatomy, envelope) = (!self.no_anatomy, self.envelope);
        let options = Options { anatomy, envelope, ..flags.options(costs) };
        if !flags.results.quiet {
            crate::print_to_stderr(&format!("seed {} (--seed repeats it)", plan.seed));
        }
        if let Some(longest) = self.wait_for_quiet {
            match quiet::wait(longest, &context.cpus.all, &|| context.interrupted()) {
                Quiet::Interrupted => return Ok(Exit::Interrupted),
                Quiet::No(share) if !flags.results.quiet => crate::print_to_stderr(&format!(
                    "other programs still use {} of the CPUs; running all the same, answers may be provisional",
                    units::share(share)
                )),
                Quiet::Yes | Quiet::No(_) | Quiet::Unknown => {}
            }
        }
        // One of several runs says what all of them know.
        if !flags.results.quiet && self.summary.is_none() {
            tell_what_is_known(&plan, &context);
        }
        let completion =
            blocks::run(&plan, &options, &context, &results.bundle).map_err(|e| e.to_string())?;
        let summary = self.summary.unwrap_or(!flags.results.quiet);
        results.conclude(completion.ending, summary, self.strict)
    }

    fn plan(&self) -> Result<Plan, String> {
        let flags = &self.campaign;
        let (blocks, seed) = (self.blocks.unwrap_or(1), flags.seed.seed());
        let mut scenarios = self.scenarios()?;
        if self.blocks.is_none() && self.scenarios.is_empty() && !self.all && !self.no_curves {
            let points = self.curves(&scenarios)?;
            scenarios.extend(points);
        }
        let plan = Plan::new(scenarios, &flags.models.with(&self.contestants), blocks, seed)?;
        if self.blocks.is_some() {
            return Ok(plan);
        }
        let (budget, costs) = (self.budget.unwrap_or(budget::DEFAULT), !self.costs.no_costs);
        match budget::too_short(budget, plan.expected_round(costs, 0)) {
            // What is asked for by default, but of many workloads, takes what it takes.
            Some(_) if self.budget.is_none() => {
                let three = plan.expected_round(costs, 0) * (MIN_BLOCKS as u32 + 1);
                Ok(plan.within(three, costs))
            }
            Some(why) => Err(why),
            None => Ok(plan.within(budget, costs)),
        }
    }

    /// The points of the curves of a default run: of some workloads, which need not be among its own, or of its own, too.
    fn curves(&self, scenarios: &[Scenario]) -> Result<Vec<Scenario>, String> {
        let budget = self.budget.unwrap_or(budget::DEFAULT);
        if budget < SOME_CURVES {
            return Ok(Vec::new());
        }
        let times = self.campaign.times.times();
        let is_run = |name: &str| scenarios.iter().any(|one| one.name == name);
        let beside =
            CURVES.iter().filter(|name| !is_run(name)).map(|name| name.to_string()).collect::<Vec<_>>();
        let mut points = Vec::new();
        for base in workloads::read_all(&beside, &self.campaign)? {
            points.extend(curves::points(&base, times, true)?);
        }
        let drawn = |one: &&Scenario| budget >= ALL_CURVES || CURVES.contains(&one.name.as_str());
        for base in scenarios.iter().filter(drawn) {
            points.extend(curves::points(base, times, false)?);
        }
        Ok(points)
    }

    fn scenarios(&self) -> Result<Vec<Scenario>, String> {
        let chosen = BUILT_IN.iter().filter(|b| b.default || self.all);
        let built_in: Vec<String> = chosen.map(|b| b.name.to_string()).collect();
        let names = if self.scenarios.is_empty() { &built_in } else { &self.scenarios };
        workloads::read_all(names, &self.campaign)
    }
}
