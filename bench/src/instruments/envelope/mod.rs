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
mod stress;

pub use classify::{Shown, classify};

use crate::host::clock;
use crate::host::environment;
use crate::instruments::anatomy::Workbench;
use crate::process::launch::{Child, LaunchError};
use crate::process::serving::{AWAIT_GO, FromServer, ServeOptions};
use crate::process::squad::{PATIENCE, expect};
use crate::sys::Ended;
use crate::workload::scenario::ServerTuning;
use bakeoff_reports::record::bundle::{BundleError, Writer};
use bakeoff_reports::record::envelope::{Caps, Envelope, Evidence, Findings, Life, Stress};
use bakeoff_reports::record::{Reading, Record};
use bakeoff_servers::{ServerConfig, models, services};
use cage::Cage;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use stress::{Course, Plan, Seen};

/// What a trial needs besides model and stress.
#[derive(Clone, Copy, Debug)]
pub struct EnvelopeOptions {
    /// Selects the payloads of the requests.
    pub seed: u64,
    /// Loopback address the servers listen on; port 0 for a free one each time.
    pub address: SocketAddr,
}

/// Puts one model under one stress. What goes wrong before there is a server to watch is in the record, as the reason why
/// there is no result.
///
/// # Errors
/// Only when interrupted.
pub fn take(
    bench: &Workbench<'_>,
    options: EnvelopeOptions,
    model: &str,
    stress: Stress,
) -> Result<Envelope, LaunchError> {
    let plan = Plan::of(stress);
    let config = ServerTuning::default().config(bench.cpus.server.len());
    let mut envelope = Envelope {
        model: model.into(),
        stress,
        service: plan.service.into(),
        caps: plan.caps(model, &config),
        result: Reading::Absent("the server did not start".into()),
    };
    let outcome = trial(bench, options, &plan, &config, &mut envelope.caps, model);
    envelope.result = match outcome {
        Ok(findings) => Reading::Value(findings),
        Err(LaunchError::Interrupted) => return Err(LaunchError::Interrupted),
        Err(error) => Reading::Absent(error.to_string()),
    };
    Ok(envelope)
}

/// Puts every model under every stress, each record on disk before the next is begun; `tell` is told which is next.
/// Says whether all were done: false when interrupted.
///
/// # Errors
/// When the bundle cannot be written.
pub fn take_all(
    bench: &Workbench<'_>,
    options: EnvelopeOptions,
    models: &[&str],
    stresses: &[Stress],
    bundle: &mut Writer,
    mut tell: impl FnMut(&str, Stress),
) -> Result<bool, BundleError> {
    for model in models {
        for stress in stresses {
            tell(model, *stress);
            match take(bench, options, model, *stress) {
                Ok(envelope) => bundle.append(&Record::Envelope(Box::new(envelope)))?,
                Err(_) => return Ok(false),
            }
        }
    }
    Ok(true)
}

fn trial(
    bench: &Workbench<'_>,
    options: EnvelopeOptions,
    plan: &Plan,
    config: &ServerConfig,
    caps: &mut Caps,
    model: &str,
) -> Result<Findings, LaunchError> {
    // Declared before the server, so that it is dropped after it on every way out: a group goes only when it is empty.
    let cage;
    let (mut server, address) = start(bench, options, plan, config, model)?;
    // Before the server starts a thread or a child.
    cage = Cage::around(server.pid(), plan, caps);
    server.send("go")?;
    let service = services::find(plan.service).expect("the stresses name services that are there");
    let exchange = (service.exchange)(stress::PAYLOAD_BYTES);
    let interrupt = bench.launcher.interrupt.clone();
    // On a thread of its own, for it is pinned. The server dies with the thread that started it, which is this one.
    let course = std::thread::scope(|scope| {
        let clients = || {
            environment::pin(&bench.cpus.swarm).map_err(|e| LaunchError::Refused(e.to_string()))?;
            Course::new(plan, caps, &*exchange, address, options.seed, &mut server, interrupt).run()
        };
        let panicked = || Err(LaunchError::Refused("the clients panicked".into()));
        scope.spawn(clients).join().unwrap_or_else(|_| panicked())
    });
    let died = server.has_ended();
    let tasks_refused = cage.refused();
    let stopped = stop(&mut server, config);
    if bench.launcher.interrupt.is_set() {
        return Err(LaunchError::Interrupted);
    }
    let mut seen = course?;
    if let Some(bytes) = seen.address_space_cap.take() {
        caps.address_space_bytes = bytes;
    }
    let parts = Parts { died, tasks_refused, stopped };
    Ok(findings(plan, caps, seen, parts))
}

fn start(
    bench: &Workbench<'_>,
    options: EnvelopeOptions,
    plan: &Plan,
    config: &ServerConfig,
    model: &str,
) -> Result<(Child, SocketAddr), LaunchError> {
    let serve = ServeOptions {
        model: model.into(),
        service: plan.service.into(),
        address: options.address,
        backlog: plan.backlog,
        congestion_control: bench.congestion_control.map(str::to_string),
        cpus: bench.cpus.server.clone(),
        config: config.clone(),
    };
    let name = format!("server {model}");
    let mut server = bench.launcher.start(&name, serve.arguments().into_iter().chain([AWAIT_GO.into()]))?;
    match expect(&mut server, &name, PATIENCE)? {
        FromServer::Ready { address } => Ok((server, address)),
        other => Err(LaunchError::Unexpected { name, said: format!("{other:?}") }),
    }
}

/// What a server counted, how it ended, and whether it had to be killed.
struct Stopped {
    counters: Result<BTreeMap<String, u64>, LaunchError>,
    ended: Option<Ended>,
}

fn stop(server: &mut Child, config: &ServerConfig) -> Stopped {
    let deadline = Instant::now() + config.stop_deadline + PATIENCE / 5;
    server.ask_to_stop();
    let counters = match expect(server, "server", deadline.saturating_duration_since(Instant::now())) {
        Ok(FromServer::Served { counters }) => {
            Ok(counters.rows().into_iter().map(|(name, count)| (name.to_string(), count)).collect())
        }
        Ok(other) => Err(LaunchError::Unexpected { name: "server".into(), said: format!("{other:?}") }),
        Err(error) => Err(error),
    };
    let (ended, _) = server.reap(deadline);
    Stopped { counters, ended }
}

/// What is known only once the server is gone.
struct Parts {
    died: bool,
    tasks_refused: Reading<u64>,
    stopped: Stopped,
}

fn findings(plan: &Plan, caps: &Caps, seen: Seen, parts: Parts) -> Findings {
    let Parts { died, tasks_refused, stopped } = parts;
    let end = died.then(|| match (&stopped.counters, stopped.ended) {
        // A backtrace may follow its last words.
        (Err(error), _) => error.to_string().lines().next().unwrap_or_default().to_string(),
        (Ok(_), Some(ended)) => format!("the server {} before it was asked to stop", ended.describe()),
        (Ok(_), None) => "the server was gone before it was asked to stop".into(),
    });
    let life = Life { lived: !died, end };
    let server = stopped.counters.map_or_else(|error| Reading::Absent(error.to_string()), Reading::Value);
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
    models::find(model).and_then(|model| model.meta().most_served(config)).map(|n| n as u64)
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
        stresses.iter().map(|stress| Plan::of(*stress).range()).max().unwrap_or(0) + SPARE_DESCRIPTORS;
    match environment::descriptor_limit().filter(|allowed| *allowed < needed) {
        Some(allowed) => Err(format!(
            "the clients need {needed} descriptors, but only {allowed} are allowed; raise the hard limit \
             (`ulimit -Hn {needed}`)"
        )),
        None => Ok(()),
    }
}
