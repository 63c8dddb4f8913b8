//! What every subcommand that measures makes sure of before it starts anything.

use crate::campaign::admission::{self, AdmissionError};
use crate::campaign::plan::Plan;
use crate::host::environment::allowed_cpus;
use crate::host::preflight::Limits;
use crate::host::topology::CpuPlan;
use crate::process::context::Context;
use crate::process::launch::{Interrupt, Launcher};
use crate::process::orphans;
use crate::workload::scenario::Scenario;
use bakeoff_reports::record::Refused;
use bakeoff_reports::show::text::wrapped;
use bakeoff_reports::show::{units, words};
use bakeoff_servers::listen::{ListenOptions, bind, bind_datagrams};
use bakeoff_servers::services;
use std::net::SocketAddr;

/// Starts this program again as servers and workers, until a signal ends it all.
pub(super) fn launcher() -> Result<Launcher, String> {
    if let Err(error) = orphans::adopt() {
        crate::print_to_stderr(&format!(
            "what servers leave behind in groups of their own will not be found: {error} (PR_SET_CHILD_SUBREAPER)"
        ));
    }
    let interrupt =
        Interrupt::on_signals().map_err(|e| format!("installing the signal handlers failed: {e}"))?;
    Ok(Launcher::this_program(interrupt))
}

/// The surroundings of servers that listen at `address`, which must be free.
pub(super) fn context(address: SocketAddr, cpus: CpuPlan) -> Result<Context, String> {
    let launcher = launcher()?;
    check_port(address)?;
    Ok(Context::new(launcher, address, cpus))
}

/// Says where servers and swarm will run, why there, and what is unclean about it.
pub(super) fn tell_cpus(plan: &CpuPlan) {
    tell_cpus_of("", plan);
}

/// The same of one workload.
pub(super) fn tell_cpus_of(name: &str, plan: &CpuPlan) {
    let CpuPlan { server, swarm, choice, doubts, .. } = plan;
    let tell = |line: &str, indent| {
        crate::print_to_stderr(wrapped(line, crate::terminal_width(), indent).trim_end());
    };
    let of = if name.is_empty() { String::new() } else { format!("{name}: ") };
    tell(&format!("{of}{}", words::cpus::division(server, swarm, choice)), "");
    doubts.iter().for_each(|doubt| tell(&doubt.to_string(), "! "));
}

/// Loopback, a free port each time.
pub(super) fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// The command line, for the record.
pub(super) fn command_line() -> Vec<String> {
    std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect()
}

/// Refuses what this machine's limits cannot hold, and says what is left out of the plan.
pub(super) fn check_plan(plan: &Plan) -> Result<(), String> {
    tell_left_out(&plan.refused);
    let mut all = plan.scenarios.iter().enumerate();
    all.try_for_each(|(at, scenario)| check_scenario(scenario, &plan.models_of(at)))
}

/// Whether the commands of a plan may take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// Those that are in it still.
    Done,
    /// The tool was asked to end.
    Interrupted,
}

/// Takes the commands of a plan out of the workloads that they do not speak, and says so.
pub(super) fn admit(plan: &mut Plan, context: &Context) -> Result<Admission, String> {
    check_cpus(plan, context)?;
    check_datagram_port(&plan.scenarios, context)?;
    let before = plan.refused.len();
    match admission::admit(plan, context) {
        Ok(()) => {}
        Err(AdmissionError::Interrupted) => return Ok(Admission::Interrupted),
        Err(AdmissionError::Refused(why)) => return Err(why),
    }
    tell_left_out(&plan.refused[before..]);
    Ok(Admission::Done)
}

/// Says who is left out: of some workloads, or of all.
fn tell_left_out(refused: &[Refused]) {
    for Refused { model, why, scenarios } in refused {
        crate::print_to_stderr(&match &scenarios[..] {
            [] => format!("{model} is left out because it cannot start on this machine: {why}"),
            some => format!("{model} is left out of {}: {why}", units::all_of(some)),
        });
    }
}

/// As [`check_plan`], for one scenario; `models` are the models of ours that serve it.
pub(super) fn check_scenario(scenario: &Scenario, models: &[String]) -> Result<(), String> {
    let limits = Limits::of_this_system();
    let (clients, beside) = (scenario.load.clients(), scenario.background.total());
    // A client of a chat has a second descriptor, by which others reach it; under tokio a third.
    let talks = services::find(&scenario.service).is_some_and(|service| service.talks());
    let descriptors_beside = beside + if talks { 2 * u64::from(clients) } else { 0 };
    limits.check(&scenario.name, clients, descriptors_beside, models)?;
    limits.workers(clients, beside, allowed_cpus().len()).map(drop)
}

/// Whether there are as many CPUs as scenarios say that their servers get.
pub(super) fn check_cpus(plan: &Plan, context: &Context) -> Result<(), String> {
    plan.scenarios.iter().try_for_each(|scenario| context.cpus_for(scenario).map(drop))
}

/// A fixed port must be free before the first trial, not fail each of them.
fn check_port(address: SocketAddr) -> Result<(), String> {
    bind(address, &ListenOptions::default()).map(drop).map_err(|e| e.to_string())
}

/// The same over UDP, which has ports of its own, if a workload goes over it.
pub(super) fn check_datagram_port(scenarios: &[Scenario], context: &Context) -> Result<(), String> {
    if scenarios.iter().any(|scenario| !scenario.transport.is_tcp()) {
        bind_datagrams(context.address, 1).map_err(|e| format!("over UDP: {e}"))?;
    }
    Ok(())
}

/// Says what arithmetic decides of the workloads of a plan, before anything is measured.
pub(super) fn tell_what_is_known(plan: &Plan, context: &Context) {
    let mut said = false;
    for (at, scenario) in plan.scenarios.iter().enumerate() {
        for known in scenario.known(plan.contestants_of(at), context.server_cpus(scenario)) {
            if !said {
                crate::print_to_stderr("known before the run, by arithmetic:");
                said = true;
            }
            let line = format!("{}: {}", scenario.name, words::theory::known(&known));
            crate::print_to_stderr(wrapped(&line, crate::terminal_width(), "  ").trim_end());
        }
    }
}
