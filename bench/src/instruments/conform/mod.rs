//! Conformance: whether a server speaks a service as `servers/PROTOCOL.md` says, found out from outside.
//!
//! Every case has a fresh server, started and stopped as in a trial, so that no case suffers for another. It measures no speed:
//! the only time it looks at is that a reply does not come before the request's demand is over.

mod cases;
mod client;

pub use cases::Case;

use crate::process::context::Context;
use crate::process::launch::LaunchError;
use crate::process::program::Program;
use crate::process::server::Server;
use crate::swarm::http_exchange::{exchange, twice_each};
use crate::workload::load::RequestShape;
use crate::workload::scenario::Scenario;
use crate::workload::server::{DEFAULT_BACKLOG, ServerSettings};
use bakeoff_servers::services::{self, ServiceEntry};
use bakeoff_servers::{Exchange, Request};
use cases::{ALL, Held};
use client::Subject;
use std::time::{Duration, Instant};

/// The largest payload asked for.
const LARGEST: u32 = 1 << 20;
/// How long a reply may take: far longer than any server that works takes, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(3);
/// So many requests at most are asked before a run.
const MOST_REQUESTS: usize = 100;
/// And none is begun after this time: a server that is slow is not wrong, and is to be measured.
const ASKING: Duration = Duration::from_secs(20);
/// How long a server may take to stop.
const STOP: Duration = Duration::from_secs(2);

/// What came of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It does not, and what was seen instead.
    Failed(String),
    /// It asks nothing of this server, for the reason given.
    AsksNothing(&'static str),
}

/// The cases that ask something of a service.
pub fn cases_of(service: &'static ServiceEntry) -> impl Iterator<Item = &'static Case> {
    ALL.iter().filter(move |case| (case.applies)(service))
}

/// Puts a case to a fresh server.
///
/// # Errors
/// The server does not start or does not listen, with its words; or the tool was interrupted.
pub fn put(
    context: &Context,
    program: Program<'_>,
    service: &'static ServiceEntry,
    case: &Case,
) -> Result<Outcome, LaunchError> {
    let (mut server, subject) = start(context, program, service, (service.exchange)(LARGEST))?;
    let held = (case.run)(&subject);
    // A poison request kills it, which is what was asked for.
    let died = server.has_ended() && !subject.is_deadly();
    let stopped = server.stop(STOP);
    if context.interrupted() {
        return Err(LaunchError::Interrupted);
    }
    Ok(match held {
        Err(why) if died => Outcome::Failed(format!("{why}; {}", stopped.early_end())),
        Err(why) => Outcome::Failed(why),
        Ok(_) if died => Outcome::Failed(stopped.early_end()),
        Ok(Held::AsksNothing(why)) => Outcome::AsksNothing(why),
        Ok(Held::Holds) => Outcome::Passed,
    })
}

/// Whether a server ends by itself when it is asked to by SIGTERM, and leaves nothing behind.
///
/// # Errors
/// As [`put`].
pub fn stops(
    context: &Context,
    program: Program<'_>,
    service: &'static ServiceEntry,
) -> Result<Outcome, LaunchError> {
    let (server, subject) = start(context, program, service, (service.exchange)(LARGEST))?;
    let client = subject.connect();
    let stopped = server.stop(STOP);
    drop(client);
    if context.interrupted() {
        return Err(LaunchError::Interrupted);
    }
    Ok(match crate::process::orphans::told(&stopped.left) {
        _ if stopped.killed => {
            Outcome::Failed("SIGTERM did not end it in time, with a client connected; it was killed".into())
        }
        Some(left) => Outcome::Failed(format!("it {left}")),
        None => Outcome::Passed,
    })
}

/// Whether a server answers requests as a workload asks them, one client at a time.
///
/// # Errors
/// What it does instead, in words; or the tool was interrupted.
pub fn speaks(context: &Context, program: Program<'_>, scenario: &Scenario) -> Result<(), SpeaksError> {
    let service = services::find(&scenario.service).expect("checked when the scenario was read");
    let RequestShape { size, http, .. } = &scenario.request;
    let (mut server, subject) = start(context, program, service, exchange(service, &scenario.request, 0))?;
    // Twice each, so that what is learnt from the first reply is held against the second.
    let ids = http.as_ref().map_or(vec![1, 2], |http| twice_each(http, 0, MOST_REQUESTS));
    let requests: Vec<Request> = ids.into_iter().map(|id| subject.request(id, *size)).collect();
    let until = Instant::now() + ASKING;
    let asked = subject.ask_while(|| !context.interrupted() && Instant::now() < until, &requests);
    let died = server.has_ended();
    let stopped = server.stop(STOP);
    if context.interrupted() {
        return Err(SpeaksError::Launch(LaunchError::Interrupted));
    }
    let why = match asked {
        Ok(()) if !died => return Ok(()),
        Ok(()) => stopped.early_end(),
        Err(why) if died => format!("{why}; {}", stopped.early_end()),
        Err(why) => why,
    };
    Err(match http {
        Some(http) => SpeaksError::Request { asked: http.to_string(), expect: http.expect.to_string(), why },
        None => SpeaksError::Service { service: service.name, why },
    })
}

/// A server does not answer what a workload asks.
#[derive(Debug, thiserror::Error)]
pub enum SpeaksError {
    /// It cannot be started or does not listen, or the tool was interrupted.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// It listens and speaks something else.
    #[error(
        "it does not speak the service `{service}`: {why} (`bakeoff conform` tells more, servers/PROTOCOL.md is the contract)"
    )]
    Service {
        /// The service.
        service: &'static str,
        /// What it did.
        why: String,
    },
    /// It listens and does not answer a request as the workload expects.
    #[error("it does not answer `{asked}` as expected: {why}; right is {expect}")]
    Request {
        /// The request.
        asked: String,
        /// What is expected.
        expect: String,
        /// What it did.
        why: String,
    },
}

/// A server that listens, and what to ask it with.
fn start(
    context: &Context,
    program: Program<'_>,
    service: &'static ServiceEntry,
    exchange: Box<dyn Exchange>,
) -> Result<(Server, Subject), LaunchError> {
    let config = ServerSettings::default().config(context.cpus.server.len());
    let mut server = program.start(&context.serve_options(service.name, DEFAULT_BACKLOG, config))?;
    if let Err(error) = server.go() {
        return Err(server.explained(error));
    }
    let subject = Subject::new(server.address, service, exchange, PATIENCE);
    Ok((server, subject))
}
