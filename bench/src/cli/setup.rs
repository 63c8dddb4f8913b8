//! What every subcommand that measures makes sure of before it starts anything.

use bakeoff::campaign::plan::Plan;
use bakeoff::host::environment::allowed_cpus;
use bakeoff::host::preflight::Limits;
use bakeoff::process::context::Context;
use bakeoff::process::launch::{Interrupt, Launcher};
use bakeoff::process::orphans;
use bakeoff::workload::scenario::Scenario;
use bakeoff_reports::record::Refused;
use bakeoff_reports::show::text::wrapped;
use bakeoff_reports::show::words;
use bakeoff_servers::listen::{ListenOptions, bind};
use std::net::SocketAddr;

/// Starts this program again as servers and workers, until a signal ends it all.
pub(super) fn launcher() -> Result<Launcher, String> {
    if let Err(error) = orphans::adopt() {
        bakeoff::print_to_stderr(&format!(
            "what servers leave behind in groups of their own will not be found: {error} (PR_SET_CHILD_SUBREAPER)"
        ));
    }
    let interrupt =
        Interrupt::on_signals().map_err(|e| format!("installing the signal handlers failed: {e}"))?;
    Ok(Launcher::this_program(interrupt))
}

/// The surroundings of servers that listen at `address`, which must be free.
pub(super) fn context(address: SocketAddr) -> Result<Context, String> {
    let launcher = launcher()?;
    check_port(address)?;
    Ok(Context::new(launcher, address))
}

/// The command line, for the record.
pub(super) fn command_line() -> Vec<String> {
    std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect()
}

/// Refuses what this machine's limits cannot hold, and says what is left out of the plan.
pub(super) fn check_plan(plan: &Plan) -> Result<(), String> {
    for Refused { model, why } in &plan.refused {
        bakeoff::print_to_stderr(&format!(
            "{model} is left out because it cannot start on this machine: {why}"
        ));
    }
    let mut all = plan.scenarios.iter().enumerate();
    all.try_for_each(|(at, scenario)| check_scenario(scenario, &plan.models_of(at)))
}

/// As [`check_plan`], for one scenario; `models` are the models of ours that serve it.
pub(super) fn check_scenario(scenario: &Scenario, models: &[String]) -> Result<(), String> {
    let limits = Limits::of_this_system();
    let (clients, beside) = (scenario.load.clients(), scenario.background.total());
    limits.check(&scenario.name, clients, beside, models)?;
    limits.workers(clients, beside, allowed_cpus().len()).map(drop)
}

/// A fixed port must be free before the first trial, not fail each of them.
fn check_port(address: SocketAddr) -> Result<(), String> {
    bind(address, &ListenOptions::default()).map(drop).map_err(|e| e.to_string())
}

/// Says what arithmetic decides of the workloads of a plan, before anything is measured.
pub(super) fn tell_what_is_known(plan: &Plan, context: &Context) {
    let cpus = context.cpus.server.len();
    let mut said = false;
    for (at, scenario) in plan.scenarios.iter().enumerate() {
        let names = plan.models_of(at);
        let models = plan.models.iter().filter(|one| names.iter().any(|name| name == one.name()));
        for known in scenario.known(models, cpus) {
            if !said {
                bakeoff::print_to_stderr("known before the run, by arithmetic:");
                said = true;
            }
            let line = format!("{}: {}", scenario.name, words::theory::known(&known));
            bakeoff::print_to_stderr(wrapped(&line, bakeoff::terminal_width(), "  ").trim_end());
        }
    }
}
