//! `bakeoff capacity`: the highest rate at which each model still meets an objective on its response time.

use super::flags::{CampaignFlags, ContestantFlag};
use super::results::Results;
use super::setup::{Admission, admit, check_scenario};
use super::{names, workloads};
use crate::campaign::capacity::{self, Goal};
use crate::campaign::plan::Plan;
use crate::exit::Exit;
use crate::host::preflight::require_loopback;
use crate::workload::axis;
use bakeoff_reports::record::Axis;
use bakeoff_reports::rules::sweep::capacity::LEAST_TRIALS;
use clap::{Args, value_parser};

/// Find the highest rate that each model serves within an objective
#[derive(Debug, Args)]
#[command(
    after_help = "A closed loop is asked by a Poisson schedule over as many connections. Each model gets one trial in every \
    step, at a rate that its earlier trials decide: doubling, halving, then one rung of a tenth up or down. Without --window a \
    trial lasts 20 times the objective, 1 s at least.\n\n\
    Exit status: 0 fine, 3 too many invalid trials for a statement.\n\nExamples:\n  \
    bakeoff capacity small-echo-open --objective \"p99<=5ms\"\n  \
    bakeoff capacity wait --objective \"p99<=20ms\" --model tokio --rates 500..20k"
)]
pub(super) struct CapacityArgs {
    /// Name of a built-in scenario, or a scenario file (*.toml); an open or a closed loop
    #[arg(value_parser = names::scenario(), hide_possible_values = true)]
    scenario: String,
    /// What must be met: p50, p90, p99 or p99.9 and the longest response time [default: p99 under the scenario's objective]
    #[arg(long, value_name = "PERCENTILE<=TIME")]
    objective: Option<String>,
    /// The lowest and the highest rate to try, in requests per second [default: from what the percentile needs up to 200k,
    /// or to the generator's own ceiling]
    #[arg(long, value_name = "LOW..HIGH")]
    rates: Option<String>,
    /// Trials of each model; about seven find the neighbourhood, the others narrow the interval
    #[arg(long, default_value_t = 24, value_parser = value_parser!(u32).range(LEAST_TRIALS as i64..=1000))]
    steps: u32,
    #[command(flatten)]
    contestants: ContestantFlag,
    #[command(flatten)]
    campaign: CampaignFlags,
}

impl CapacityArgs {
    pub(super) fn run(self) -> Result<Exit, String> {
        let flags = &self.campaign;
        require_loopback(flags.listen.addr.ip(), "capacity loads this machine only")?;
        let base = workloads::find_with(&self.scenario, flags)?;
        let objective = capacity::objective(self.objective.as_deref(), &base)?;
        let rates = self.rates.as_deref().map(rates).transpose()?;
        let goal = Goal::new(&base, objective, rates, flags.times.times())?;
        let (own, taken) = (base.load.clients(), goal.rungs[0].load.clients());
        if taken > own && !flags.results.quiet {
            crate::print_to_stderr(&format!(
                "{taken} connections instead of {own}: with fewer they would be the limit at the highest rate, not the server"
            ));
        }
        let seed = flags.seed.seed();
        let mut plan = Plan::new(goal.rungs.clone(), &flags.models.with(&self.contestants), 1, seed)?;
        let highest = goal.rungs.len() - 1;
        check_scenario(&goal.rungs[highest], &plan.models_of(highest))?;
        let context = flags.context()?;
        if admit(&mut plan, &context)? == Admission::Interrupted {
            return Ok(Exit::Interrupted);
        }
        let trials = u64::from(self.steps) * plan.contestants.len() as u64;
        let results = Results::new(flags.results.out.as_deref(), trials)?;
        let options = flags.options(false);
        let completion = capacity::run(&goal, &plan, self.steps, &options, &context, &results.bundle)
            .map_err(|e| e.to_string())?;
        results.conclude(completion.ending, !flags.results.quiet, false)
    }
}

/// Reads the ends of the ladder.
fn rates(text: &str) -> Result<(f64, f64), String> {
    let (low, high) =
        text.split_once("..").ok_or_else(|| format!("`{text}` is not a range of rates; write 500..20k"))?;
    let (low, high) = (axis::number(Axis::Rate, low)?, axis::number(Axis::Rate, high)?);
    if low < high {
        Ok((low, high))
    } else {
        Err(format!("the rates {text} do not ascend; write the lower one first"))
    }
}
