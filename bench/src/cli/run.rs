//! `bakeoff run`: models x workloads x rounds, into a bundle and a report.

use super::flags::{CampaignFlags, CostFlag};
use super::results::Results;
use super::setup::{check_plan, context};
use super::{names, workloads};
use bakeoff::campaign::plan::Plan;
use bakeoff::campaign::{Options, budget, rounds};
use bakeoff::exit::Exit;
use bakeoff::host::preflight::require_loopback;
use bakeoff::trial::COUNTED_ROUNDS;
use bakeoff::workload::scenario::{BUILT_IN, Scenario};
use bakeoff_reports::record::envelope::Stress;
use bakeoff_reports::rules::verdict::{DEFAULT_ROUNDS, LEVEL, rounds_to_tell};
use bakeoff_reports::show::text::wrapped;
use bakeoff_reports::show::units;
use clap::{Args, value_parser};
use std::time::Duration;

/// Compare models under workloads, into a bundle and a report
#[derive(Debug, Args)]
#[command(after_help = "Exit status: 0 fine, 3 too many invalid trials for a verdict.\n\nExamples:\n  \
    bakeoff run\n  bakeoff run --all --budget 10m\n  bakeoff run churn wait --rounds 10\n  \
    bakeoff run my.toml --model tokio --model mio-event-loop")]
pub(super) struct RunArgs {
    /// Names of built-in scenarios, or scenario files (*.toml); without any, the default set (see `bakeoff list`)
    #[arg(value_parser = names::scenario(), hide_possible_values = true)]
    scenarios: Vec<String>,
    /// All built-in scenarios instead of the default set
    #[arg(long, conflicts_with = "scenarios")]
    all: bool,
    /// Rounds; a round runs every model under every workload once, in an order of its own
    #[arg(long, short, default_value_t = DEFAULT_ROUNDS, value_parser = value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Time for the rounds instead of a number of them: as many as fit, such as 5m. What is decided on the way stops, so that
    /// the time goes to what is not; at most one round over
    #[arg(long, value_name = "TIME", value_parser = budget::parse_budget, conflicts_with = "rounds")]
    budget: Option<Duration>,
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
    campaign: CampaignFlags,
}

impl RunArgs {
    pub(super) fn run(self) -> Result<Exit, String> {
        let flags = &self.campaign;
        require_loopback(
            flags.listen.addr.ip(),
            "run loads this machine only; use `bakeoff load` for a server elsewhere",
        )?;
        let plan = self.plan()?;
        check_plan(&plan)?;
        if self.envelope {
            bakeoff::instruments::envelope::require_descriptors(Stress::ALL)?;
        }
        let context = context(flags.listen.addr)?;
        let results = Results::new(flags.results.out.as_deref(), plan.planned_trials().into())?;
        let costs = !self.costs.no_costs;
        let (anatomy, envelope) = (!self.no_anatomy, self.envelope);
        let options = Options { anatomy, envelope, ..flags.options(costs) };
        if let Some(budget) = self.budget.filter(|_| !flags.results.quiet) {
            let round = plan.expected_round(costs, COUNTED_ROUNDS);
            for line in budget::announcement(budget, plan.rounds, plan.cells.len(), round).lines() {
                bakeoff::print_to_stderr(wrapped(line, bakeoff::terminal_width(), "").trim_end());
            }
        }
        let completion =
            rounds::run(&plan, &options, &context, &results.bundle).map_err(|e| e.to_string())?;
        results.conclude(completion.ending, !flags.results.quiet)
    }

    fn plan(&self) -> Result<Plan, String> {
        let flags = &self.campaign;
        let plan = Plan::new(self.scenarios()?, &flags.models.models, self.rounds, flags.seed.seed)?;
        let enough = rounds_to_tell(LEVEL) as u32;
        if self.budget.is_none() && self.rounds < enough && !flags.results.quiet {
            let rounds = units::plural(self.rounds.into(), "round");
            bakeoff::print_to_stderr(&format!(
                "{rounds} cannot tell two models apart, however far they lie: give --rounds {enough} or more\n\
                 for a verdict, {DEFAULT_ROUNDS} for one that holds among many comparisons"
            ));
        }
        Ok(match self.budget {
            Some(budget) => plan.within(budget, !self.costs.no_costs),
            None => plan,
        })
    }

    fn scenarios(&self) -> Result<Vec<Scenario>, String> {
        let chosen = BUILT_IN.iter().filter(|b| b.default || self.all);
        let built_in: Vec<String> = chosen.map(|b| b.name.to_string()).collect();
        let names = if self.scenarios.is_empty() { &built_in } else { &self.scenarios };
        workloads::read_all(names, self.campaign.times.times())
    }
}
