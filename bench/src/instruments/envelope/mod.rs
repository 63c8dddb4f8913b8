//! The failure envelope: raise one thing until something breaks, and say with evidence what broke, what clients saw and
//! how long recovery took.
//!
//! A fresh server is started for each model and stress, with limits of its own that are low, so that a trial takes
//! seconds and cannot endanger the machine: what is raised is bounded, every wait has a deadline, and limits die with the
//! server. The clients are one thread of the runner and one poll(2): this measures no speed. Nothing here guesses at a
//! cause (see [`classify`]).

mod cage;
mod classify;
mod crowd;
mod observe;
mod plan;
mod stress;

pub use classify::{Shown, classify};

use crate::host::clock;
use crate::host::environment;
use crate::host::pinned::on_cpus;
use crate::process::context::Context;
use crate::process::launch::LaunchError;
use crate::process::program::Program;
use crate::process::server::Stopped;
use crate::workload::server::ServerSettings;
use bakeoff_reports::record::bundle::{BundleError, Writer};
use bakeoff_reports::record::envelope::{Caps, Envelope, Evidence, Findings, Life, Stress};
use bakeoff_reports::record::{Reading, Record};
use bakeoff_servers::{ServerConfig, TunedModel, services};
use cage::Cage;
use plan::StressPlan;
use std::time::Duration;
use stress::{StressResult, StressRun};

/// Puts one contestant under one stress; the seed selects the payloads of the requests. What goes wrong before there is a server to watch is in the record, as the reason why
/// there is no result.
///
/// # Errors
/// Only when interrupted.
pub fn take(
    context: &Context,
    seed: u64,
    program: Program<'_>,
    stress: Stress,
) -> Result<Envelope, LaunchError> {
    let plan = StressPlan::of(stress);
    let config = ServerSettings::default().config(context.cpus.server.len());
    let mut envelope = Envelope {
        model: program.name().into(),
        stress,
        service: plan.service.into(),
        caps: plan.caps(program.name(), &config),
        result: Reading::Absent("the server did not start".into()),
    };
    let outcome = trial(context, seed, &plan, &config, &mut envelope.caps, program);
    envelope.result = match outcome {
        Ok(findings) => Reading::Value(findings),
        Err(LaunchError::Interrupted) => return Err(LaunchError::Interrupted),
        Err(error) => Reading::Absent(error.to_string()),
    };
    Ok(envelope)
}

/// Puts every contestant under every stress, each record on disk before the next is begun; `begin` hears which is next.
/// Says whether all were done: false when interrupted.
///
/// # Errors
/// When the bundle cannot be written.
pub fn take_all(
    context: &Context,
    seed: u64,
    programs: &[Program<'_>],
    stresses: &[Stress],
    bundle: &mut Writer,
    mut begin: impl FnMut(&str, Stress),
) -> Result<bool, BundleError> {
    for program in programs {
        for stress in stresses {
            begin(program.name(), *stress);
            match take(context, seed, *program, *stress) {
                Ok(envelope) => bundle.append(&Record::Envelope(Box::new(envelope)))?,
                Err(_) => return Ok(false),
            }
        }
    }
    Ok(true)
}

fn trial(
    context: &Context,
    seed: u64,
    plan: &StressPlan,
    config: &ServerConfig,
    caps: &mut Caps,
    program: Program<'_>,
) -> Result<Findings, LaunchError> {
    // Declared before the server, so that it is dropped after it on every way out: a group goes only when it is empty.
    let cage;
    let serve = context.serve_options(plan.service, plan.backlog, config.clone());
    let mut server = program.start(&serve)?;
    let address = server.address;
    // Before the server starts a thread or a child.
    cage = Cage::around(server.pid(), plan, caps);
    server.go()?;
    let service = services::find(plan.service).expect("the stresses name services that are there");
    let exchange = (service.exchange)(plan::PAYLOAD_BYTES);
    let interrupt = context.launcher.interrupt.clone();
    // On a thread of its own, for it is pinned. The server dies with the thread that started it, which is this one.
    let clients = || Ok(StressRun::new(plan, caps, &*exchange, address, seed, &mut server, interrupt).run());
    let course = on_cpus(&context.cpus.swarm, clients).unwrap_or_else(|why| Err(LaunchError::Refused(why)));
    let died = server.has_ended();
    let tasks_refused = cage.refused();
    let stopped = server.stop(config.stop_deadline);
    if context.interrupted() {
        return Err(LaunchError::Interrupted);
    }
    let mut seen = course?;
    if let Some(bytes) = seen.address_space_cap.take() {
        caps.address_space_bytes = bytes;
    }
    let parts = ServerEnd { died, tasks_refused, stopped };
    Ok(findings(plan, caps, seen, parts))
}

/// What is known only once the server is gone.
struct ServerEnd {
    died: bool,
    tasks_refused: Reading<u64>,
    stopped: Stopped,
}

fn findings(plan: &StressPlan, caps: &Caps, seen: StressResult, parts: ServerEnd) -> Findings {
    let ServerEnd { died, tasks_refused, stopped } = parts;
    // A backtrace may follow its last words.
    let end = died.then(|| stopped.early_end().lines().next().unwrap_or_default().to_string());
    let life = Life { lived: !died, end };
    let server = stopped.counts();
    let (listen_overflows, listen_drops) = seen.listen;
    let mut evidence = Evidence {
        server,
        tasks_refused,
        listen_overflows,
        listen_drops,
        threads: seen.at_end.threads,
        processes: seen.at_end.processes,
        descriptors: seen.at_end.descriptors,
        address_space_bytes: seen.at_end.address_space_bytes,
        words: String::new(),
    };
    // The evidence is of the last level.
    let failed = seen.levels.last().filter(|level| !level.holds).copied();
    let (limit, words) = classify(&Shown {
        stress: plan.stress,
        caps,
        failed,
        saw: seen.saw,
        life: &life,
        evidence: &evidence,
    });
    evidence.words = words;
    Findings {
        levels: seen.levels,
        limit,
        evidence,
        saw: seen.saw,
        life,
        recovery: seen.recovery,
        rest: seen.rest,
    }
}

/// Clients that a model serves at once at most.
fn concurrency(model: &str, config: &ServerConfig) -> Option<u64> {
    let tuned = TunedModel::parse(model).ok()?;
    tuned.model().meta().most_served(&tuned.config(config)).map(|most| most as u64)
}

fn nanoseconds(duration: Duration) -> u64 {
    clock::nanoseconds(duration)
}

/// Descriptors the clients need besides those of their connections: pipes, the bundle, /proc.
const SPARE_DESCRIPTORS: u64 = 64;

/// Refuses stresses whose clients need more descriptors than this process may have.
///
/// # Errors
/// Needed, allowed, and how to raise it.
pub fn require_descriptors(stresses: &[Stress]) -> Result<(), String> {
    let needed =
        stresses.iter().map(|stress| StressPlan::of(*stress).range).max().unwrap_or(0) + SPARE_DESCRIPTORS;
    match environment::descriptor_limit().filter(|allowed| *allowed < needed) {
        Some(allowed) => Err(format!(
            "the clients need {needed} descriptors, but only {allowed} are allowed; raise the hard limit \
             (`ulimit -Hn {needed}`)"
        )),
        None => Ok(()),
    }
}
