//! `bakeoff sweep`: one scenario at several values of one parameter, under every model.

use super::flags::{CampaignFlags, ContestantFlag};
use super::results::Results;
use super::setup::{Admission, admit, check_plan, context, tell_cpus_of};
use super::{names, workloads};
use crate::campaign::blocks;
use crate::campaign::plan::Plan;
use crate::exit::Exit;
use crate::host::preflight::require_loopback;
use crate::host::topology::Topology;
use crate::process::context::Context;
use crate::workload::load::Load;
use crate::workload::scenario::Scenario;
use crate::workload::{axis, derive};
use bakeoff_reports::record::Axis;
use bakeoff_reports::rules::verdict::DEFAULT_BLOCKS;
use clap::{Args, value_parser};

/// Vary one parameter: knees, and where models change places
#[derive(Debug, Args)]
#[command(after_help = "Exit status: 0 fine, 3 too many invalid trials for a statement.\n\nExamples:\n  \
    bakeoff sweep small-echo-closed\n  \
    bakeoff sweep churn --over clients=1,4,16,64 -m fork-per-client -m tokio\n  \
    bakeoff sweep small-echo-open --over rate=1k..50k:8\n  \
    bakeoff sweep small-echo-closed --over cores=1,2,4\n  \
    bakeoff sweep chat-room-100 --over room")]
pub(super) struct SweepArgs {
    /// Name of a built-in scenario, or a scenario file (*.toml)
    #[arg(value_parser = names::scenario(), hide_possible_values = true)]
    scenario: String,
    /// The parameter and its values: clients, rate, idle, cores (CPUs of the server, which its workers follow) or room (members of a chat, all in one), with a list (clients=1,4,16), a geometric range
    /// (rate=1k..50k, or with a number of points rate=1k..50k:8), or nothing for a sensible one [default: rate for an open
    /// loop, else clients]
    #[arg(long, value_name = "AXIS[=VALUES]")]
    over: Option<String>,
    /// Run the scenario as it is beside its points, so that the report has a verdict on it with its boundary
    #[arg(long)]
    with_workload: bool,
    /// Rounds; a round runs a block of every point: all models back to back, in an order of its own
    #[arg(long, short, alias = "blocks", short_alias = 'b', default_value_t = DEFAULT_BLOCKS, value_parser = value_parser!(u32).range(1..=1000))]
    rounds: u32,
    #[command(flatten)]
    contestants: ContestantFlag,
    #[command(flatten)]
    campaign: CampaignFlags,
}

impl SweepArgs {
    pub(super) fn run(self) -> Result<Exit, String> {
        let flags = &self.campaign;
        require_loopback(flags.listen.addr.ip(), "sweep loads this machine only")?;
        let chosen = flags.models.with(&self.contestants);
        let mut plan = Plan::new(self.scenarios()?, &chosen, self.rounds, flags.seed.seed())?;
        check_plan(&plan)?;
        let context = self.context(&plan)?;
        if admit(&mut plan, &context)? == Admission::Interrupted {
            return Ok(Exit::Interrupted);
        }
        let results = Results::new(flags.results.out.as_deref(), plan.planned_trials().into())?;
        // What explains a verdict at one point costs time at each.
        let options = flags.options(self.with_workload);
        let completion =
            blocks::run(&plan, &options, &context, &results.bundle).map_err(|e| e.to_string())?;
        results.conclude(completion.ending, !flags.results.quiet, false)
    }

    /// Where servers run: over cores, on CPUs enough for the last point.
    fn context(&self, plan: &Plan) -> Result<Context, String> {
        let flags = &self.campaign;
        let over_cores = |one: &&Scenario| one.sweep.as_ref().is_some_and(|place| place.axis == Axis::Cores);
        let points: Vec<&Scenario> = plan.scenarios.iter().filter(over_cores).collect();
        let Some(most) = points.iter().filter_map(|one| one.server.cpus).max() else {
            return flags.context();
        };
        let context = context(flags.listen.addr, flags.cpus.plan_up_to(most)?)?;
        if !flags.results.quiet {
            for point in points {
                tell_cpus_of(&point.name, &context.cpus_for(point)?);
            }
        }
        Ok(context)
    }

    /// The points, and the scenario itself first where it is wanted.
    fn scenarios(&self) -> Result<Vec<Scenario>, String> {
        let base = workloads::find_with(&self.scenario, &self.campaign)?;
        let usual = if matches!(base.load, Load::Open { .. }) { "rate" } else { "clients" };
        let machine = Topology::of_this_machine();
        let over = self.over.as_deref().unwrap_or(usual);
        let values = axis::parse(over, &base, machine.usable(), machine.granted())?;
        let times = self.campaign.times.times();
        let mut scenarios = derive::points(&base, &values, times)?;
        if self.with_workload {
            scenarios.insert(0, derive::with_times(&base, times)?);
        }
        Ok(scenarios)
    }
}
