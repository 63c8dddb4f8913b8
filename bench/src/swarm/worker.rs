//! A worker: one thread that drives one shard of the schedule against the server.
//!
//! [`prepare`] checks what is asked, takes its seat (pinning, timers) and opens the connections; [`Prepared::run`]
//! waits for the common start and returns the worker's part. Both work on the calling thread, and change its CPU
//! affinity and timer slack for good: a worker owns its thread.

use super::datagrams::{DatagramEngine, Flow};
use super::defect::Defect;
use super::engine::{Engine, IdleConnections};
use super::fan_out::{FanOutEngine, Member};
use super::merge::WorkerPart;
use super::schedule::Schedule;
use super::spec::WorkerSpec;
use crate::host::clock;
use crate::host::environment;
use crate::workload::audience::{self, Asked, AudienceError};
use crate::workload::bounds::{self, ScheduleError};
use crate::workload::load::Load;
use crate::workload::transport::{self, TransportError};
use bakeoff_reports::record::{Audience, Measured, Transport};
use bakeoff_servers::exchange::Exchange;
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fmt;
use std::io;

/// Most slices of a window.
pub const MAX_SLICES: u32 = 1_000;
/// Descriptors a worker needs beside its connections.
const OTHER_DESCRIPTORS: u64 = 32;

/// Why a worker could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum SwarmError {
    /// The schedule cannot be made.
    #[error("the schedule cannot be made: {0}")]
    Schedule(#[from] ScheduleError),
    /// The transport cannot carry it.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// Messages that cannot be for others.
    #[error(transparent)]
    Audience(#[from] AudienceError),
    /// Slices outside 1 to [`MAX_SLICES`].
    #[error("{0} slices: give 1 to {MAX_SLICES}")]
    Slices(u32),
    /// The service cannot carry so small a payload.
    #[error("the service {service} needs a payload of at least {needed} bytes, and {size} were asked for")]
    SizeTooSmall {
        /// The service.
        service: String,
        /// What it needs.
        needed: u32,
        /// What was asked for.
        size: u32,
    },
    /// No such service.
    #[error("the swarm does not know the service {0}; `bakeoff list` names those it knows")]
    UnknownService(String),
    /// Not enough descriptors.
    #[error(
        "{connections} connections in one worker need {needed} descriptors, and {allowed} are allowed: raise the \
         limit (ulimit -n), or use more workers"
    )]
    Descriptors {
        /// Connections of this worker.
        connections: u32,
        /// Descriptors it needs.
        needed: u64,
        /// The hard limit.
        allowed: u64,
    },
    /// Not one connection could be opened.
    #[error(
        "none of {connections} connections to {target} could be opened ({reason}): {}",
        what_to_do_about(reason)
    )]
    NothingConnected {
        /// Connections that were tried.
        connections: u32,
        /// The server.
        target: std::net::SocketAddr,
        /// How the last attempt failed.
        reason: io::Error,
    },
    /// No datagram came back.
    #[error("no datagram came back from {0}: does a server answer there over UDP?")]
    NothingAnswered(std::net::SocketAddr),
    /// A chat that lets nobody in.
    #[error("{0} answers no member of a chat: does it serve one? (`bakeoff serve --service chat`)")]
    NotLetIn(std::net::SocketAddr),
    /// A chat with members of the same names.
    #[error(
        "the chat at {0} has members of the same names: somebody else loads it, or the members of a load before have not left; try again"
    )]
    NamesTaken(std::net::SocketAddr),
    /// Several workers for one chat.
    #[error("{0} workers for one chat: give one, for what one sends the others could not tell")]
    Parted(u32),
    /// A call to the system failed.
    #[error("{doing} failed: {source}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// How it failed.
        source: io::Error,
    },
    /// A line from the other side that cannot be understood.
    #[error("the line {line:?} is not {expected}: {reason}")]
    Protocol {
        /// The start of the line.
        line: String,
        /// What was expected.
        expected: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

/// The next step of somebody who cannot connect.
fn what_to_do_about(reason: &io::Error) -> &'static str {
    match Errno::from_io_error(reason) {
        Some(Errno::ADDRNOTAVAIL | Errno::ADDRINUSE) => {
            "no outgoing port is free; wait until the connections of other programs are gone, or ask for fewer"
        }
        Some(Errno::MFILE | Errno::NFILE) => {
            "no descriptor is free; raise the limit (ulimit -n) or ask for fewer"
        }
        Some(Errno::BADMSG | Errno::PROTO) => {
            "the handshake of TLS failed; does the server speak TLS, with the certificate that is expected?"
        }
        _ => "is the server running?",
    }
}

/// A worker that is ready to start.
pub struct Prepared<'a> {
    engine: AnyEngine<'a>,
    connected: u32,
    congestion_control: Option<String>,
    shard: u32,
    shards: u32,
}

/// What drives a load, by what carries it.
enum AnyEngine<'a> {
    Connections(Box<Engine<'a>>),
    Datagrams(Box<DatagramEngine<'a>>),
    FanOut(Box<FanOutEngine>),
}

impl fmt::Debug for Prepared<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("shard", &self.shard)
            .field("shards", &self.shards)
            .field("connected", &self.connected)
            .finish_non_exhaustive()
    }
}

/// Checks a specification without doing anything: everything that can be known wrong without a socket.
///
/// # Errors
/// What is wrong, with the bound.
pub fn check(spec: &WorkerSpec, exchange: &dyn Exchange) -> Result<(), SwarmError> {
    bounds::check(&spec.load, &spec.request, &spec.timing, spec.shard, spec.shards)?;
    bounds::check_background(&spec.load, &spec.background)?;
    transport::check_service(spec.transport, &spec.service)?;
    transport::check(spec.transport, spec.loss, &spec.load, &spec.request, &spec.background, &spec.timing)?;
    audience::check(
        spec.audience,
        &Asked {
            service: &spec.service,
            load: &spec.load,
            request: &spec.request,
            background: &spec.background,
            timing: &spec.timing,
            is_plain: spec.transport.is_tcp() && spec.tls.is_none() && spec.loss == 0.0,
        },
    )?;
    if spec.audience.is_some() && spec.shards > 1 {
        return Err(SwarmError::Parted(spec.shards));
    }
    bounds::check_tls(spec.tls.is_some(), spec.transport, &spec.load, &spec.background)?;
    if spec.slices == 0 || spec.slices > MAX_SLICES {
        return Err(SwarmError::Slices(spec.slices));
    }
    let (size, needed) = (spec.request.size, exchange.min_payload());
    if size < needed {
        return Err(SwarmError::SizeTooSmall { service: spec.service.clone(), needed, size });
    }
    Ok(())
}

/// Makes the calling thread a worker: checks `spec`, pins, generates the schedule, opens the connections (none for
/// churn, whose sessions make their own).
///
/// # Errors
/// What is wrong with the specification, or which resource is missing. Connections that could not be opened are an
/// error only if all of them failed; the others are tried again by their first request.
pub fn prepare<'a>(spec: &WorkerSpec, exchange: &'a dyn Exchange) -> Result<Prepared<'a>, SwarmError> {
    check(spec, exchange)?;
    let mut schedule =
        Schedule::new(spec.seed, &spec.load, &spec.request, &spec.timing, spec.shard, spec.shards)?;
    if spec.defect == Some(Defect::UniformGaps) {
        let end = spec.timing.warmup + spec.timing.window;
        schedule.make_gaps_uniform(spec.seed, clock::nanoseconds(end));
    }
    let connections = schedule.connections();
    let beside = spec.background.of_shard(spec.shard, spec.shards).total();
    // Both are bounded, together too.
    reserve_descriptors(connections.saturating_add(beside as u32))?;
    environment::pin(&spec.cpus)
        .map_err(|source| SwarmError::System { doing: "pinning the worker to its CPUs", source })?;
    clock::sharpen_timers();
    let mut prepared = match (spec.audience, spec.transport) {
        (Some(audience), _) => enter(spec, schedule, audience),
        (None, Transport::Tcp) => connect(spec, schedule, exchange),
        (None, Transport::Udp) => reach(spec, schedule, exchange),
    }?;
    if let Some(defect) = spec.defect {
        defect.spoil_timers();
        prepared.engine.spoil(defect);
    }
    Ok(prepared)
}

/// A call to the system that failed while doing this.
fn failed(doing: &'static str) -> impl Fn(io::Error) -> SwarmError {
    move |source| SwarmError::System { doing, source }
}

/// Opens the connections of a load and those beside it.
fn connect<'a>(
    spec: &WorkerSpec,
    schedule: Schedule,
    exchange: &'a dyn Exchange,
) -> Result<Prepared<'a>, SwarmError> {
    let connections = schedule.connections();
    let mut engine =
        Engine::new(spec, schedule, exchange).map_err(failed("making the worker's poll instance"))?;
    if let Some(background) = &mut engine.background {
        let limit = super::setup_limit(background.count());
        let opened = background.open(&mut engine.dialer, limit);
        opened.map_err(failed("opening the connections beside the load"))?;
    }
    let mut connected = 0;
    if !matches!(spec.load, Load::Churn { .. }) {
        let opened = engine.open_all().map_err(failed("waiting for the connections"))?;
        connected = opened.connected;
        if connected == 0 {
            let reason = opened.last_error.unwrap_or(Errno::TIMEDOUT).into();
            return Err(SwarmError::NothingConnected { connections, target: spec.target, reason });
        }
    }
    let congestion_control = engine.dialer.congestion_control_in_use();
    let engine = AnyEngine::Connections(Box::new(engine));
    Ok(Prepared { engine, connected, congestion_control, shard: spec.shard, shards: spec.shards })
}

/// Opens the sockets of a load of datagrams, and makes sure that somebody answers.
fn reach<'a>(
    spec: &WorkerSpec,
    schedule: Schedule,
    exchange: &'a dyn Exchange,
) -> Result<Prepared<'a>, SwarmError> {
    let engine = DatagramEngine::new(spec, schedule, exchange);
    let mut engine = engine.map_err(failed("making the sockets for datagrams"))?;
    if !engine.reach().map_err(failed("sending a first datagram"))? {
        return Err(SwarmError::NothingAnswered(spec.target));
    }
    let connected = engine.flows();
    let engine = AnyEngine::Datagrams(Box::new(engine));
    Ok(Prepared { engine, connected, congestion_control: None, shard: spec.shard, shards: spec.shards })
}

/// Has the members of a chat connect and enter.
fn enter<'a>(spec: &WorkerSpec, schedule: Schedule, audience: Audience) -> Result<Prepared<'a>, SwarmError> {
    let connections = schedule.connections();
    let nobody = |reason: io::Error| match reason.kind() {
        io::ErrorKind::AlreadyExists => SwarmError::NamesTaken(spec.target),
        _ => SwarmError::NothingConnected { connections, target: spec.target, reason },
    };
    let (engine, connected) = FanOutEngine::enter(spec, schedule, audience).map_err(nobody)?;
    if connected == 0 {
        return Err(SwarmError::NotLetIn(spec.target));
    }
    let engine = AnyEngine::FanOut(Box::new(engine));
    Ok(Prepared { engine, connected, congestion_control: None, shard: spec.shard, shards: spec.shards })
}

impl AnyEngine<'_> {
    fn spoil(&mut self, defect: Defect) {
        match self {
            Self::Connections(engine) => engine.books.spoil(defect),
            Self::Datagrams(engine) => engine.books().spoil(defect),
            Self::FanOut(engine) => engine.books().spoil(defect),
        }
    }

    fn run(&mut self, start_ns: u64) -> io::Result<()> {
        match self {
            Self::Connections(engine) => engine.run(start_ns),
            Self::Datagrams(engine) => engine.run(start_ns),
            Self::FanOut(engine) => engine.run(start_ns),
        }
    }

    fn close(self) -> (Measured, Held) {
        match self {
            Self::Connections(engine) => {
                let (measured, held) = engine.close();
                (measured, Held::Connections { _held: held })
            }
            Self::Datagrams(engine) => {
                let (measured, held) = engine.close();
                (measured, Held::Datagrams { _held: held })
            }
            Self::FanOut(engine) => {
                let (measured, held) = engine.close();
                (measured, Held::Members { _held: held })
            }
        }
    }
}

impl<'a> Prepared<'a> {
    /// Connections that are open, or sockets for datagrams; 0 for churn.
    pub fn connected(&self) -> u32 {
        self.connected
    }

    /// The congestion control of the swarm's sockets, as the kernel tells it.
    pub fn congestion_control(&self) -> Option<&str> {
        self.congestion_control.as_deref()
    }

    /// Runs the trial that starts when CLOCK_MONOTONIC shows `start_ns` nanoseconds. Returns at the latest when the
    /// drain is over.
    ///
    /// # Errors
    /// When waiting for events fails, which a healthy system never does.
    ///
    /// # Panics
    /// If the accounting identity does not hold: a bug, and no figure may survive it.
    pub fn run(self, start_ns: u64) -> Result<WorkerPart, SwarmError> {
        self.run_and_hold(start_ns).map(|(part, _)| part)
    }

    /// As [`run`](Self::run), and keeps the connections open until the second value is dropped, so that the memory of
    /// a server can be read while it holds them and is left in peace.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_and_hold(self, start_ns: u64) -> Result<(WorkerPart, HeldConnections), SwarmError> {
        Ok(self.drive(start_ns)?.close())
    }

    /// The load alone, without making its part up: from the common start to the end of the drain. Over connections it allocates
    /// nothing, however many requests there are; over UDP what goes with the datagrams that are unanswered.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn drive(mut self, start_ns: u64) -> Result<Driven<'a>, SwarmError> {
        let run = self.engine.run(start_ns);
        run.map_err(|source| SwarmError::System { doing: "waiting for events", source })?;
        Ok(Driven(self))
    }
}

/// A worker whose load is over, with its books still open.
#[derive(Debug)]
pub struct Driven<'a>(Prepared<'a>);

impl Driven<'_> {
    /// Makes the worker's part up. The connections stay open until the second value is dropped.
    ///
    /// # Panics
    /// If the accounting identity does not hold: a bug, and no figure may survive it.
    pub fn close(self) -> (WorkerPart, HeldConnections) {
        let Self(Prepared { engine, shard, shards, .. }) = self;
        let (measured, held) = engine.close();
        assert!(measured.counts.balanced(), "every request has exactly one outcome: {:?}", measured.counts);
        let held = HeldConnections { _held: held };
        (WorkerPart { shard, shards, measured }, held)
    }
}

/// The connections of a worker whose trial is over. They close when this is dropped.
#[derive(Debug)]
pub struct HeldConnections {
    _held: Held,
}

#[derive(Debug)]
enum Held {
    Connections { _held: IdleConnections },
    Datagrams { _held: Vec<Flow> },
    Members { _held: Vec<Member> },
}

/// Raises the soft limit of descriptors where the connections need it.
fn reserve_descriptors(connections: u32) -> Result<(), SwarmError> {
    let Some(raised) = limit_for(connections, getrlimit(Resource::Nofile))? else { return Ok(()) };
    setrlimit(Resource::Nofile, raised).map_err(|error| SwarmError::System {
        doing: "raising the limit of descriptors",
        source: error.into(),
    })
}

/// The limit of descriptors to set before opening so many connections; `None` if `limit` will do as it is.
fn limit_for(connections: u32, limit: Rlimit) -> Result<Option<Rlimit>, SwarmError> {
    let needed = u64::from(connections) + OTHER_DESCRIPTORS;
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(None);
    }
    match limit.maximum {
        Some(allowed) if allowed < needed => Err(SwarmError::Descriptors { connections, needed, allowed }),
        _ => Ok(Some(Rlimit { current: Some(needed), maximum: limit.maximum })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_reserved_or_the_shortage_is_told() {
        let limit = |current, maximum| Rlimit { current, maximum };
        assert_eq!(limit_for(968, limit(Some(1_000), Some(1_000))).expect("just enough"), None);
        assert_eq!(limit_for(1_000_000, limit(None, None)).expect("no limit"), None);
        let raised = limit_for(969, limit(Some(1_000), Some(2_000))).expect("allowed");
        assert_eq!(raised, Some(limit(Some(1_001), Some(2_000))));
        let error = limit_for(2_000, limit(Some(1_000), Some(2_000))).expect_err("not allowed").to_string();
        assert!(error.contains("2032") && error.contains("2000 are allowed"), "{error}");
    }
}
