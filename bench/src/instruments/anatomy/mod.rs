//! One request followed through the layers: which system calls it makes the server's threads do, how often they sleep,
//! what goes over the wire.
//!
//! A fresh server is asked twice, one connection after the other: untraced, for times, switches and segments; then
//! traced, for the calls and their order. Tracing slows a server down many times, so no time comes from it. What this
//! machine refuses is absent with the reason, and the rest is still told.

mod objects;
mod peer;
mod phases;
mod stream;
mod trace;
mod untraced;

use crate::host::clock;
use crate::host::pinned::on_cpus;
use crate::host::usage::Population;
use crate::process::context::Context;
use crate::process::launch::{Interrupt, LaunchError};
use crate::process::program::Program;
use crate::process::serving::ServeOptions;
use crate::process::workers::PATIENCE;
use crate::workload::load::{DemandShape, RequestShape};
use crate::workload::server::{DEFAULT_BACKLOG, ServerSettings};
use bakeoff_reports::record::{Anatomy, Part, Phase, Reading};
use bakeoff_servers::services::{self, ServiceEntry};
use bakeoff_servers::tls::Fingerprint;
use peer::{Peer, Question};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use trace::Tracer;

/// Traced requests before those that count, so that buffers are allocated and threads started.
const TRACED_WARM_UP: u32 = 3;

/// What to follow, and how closely.
#[derive(Clone, Debug)]
pub struct AnatomyOptions {
    /// The service.
    pub service: &'static ServiceEntry,
    /// Whether it goes over TLS.
    pub tls: bool,
    /// What is asked; its demand stands beside it.
    pub request: RequestShape,
    /// What a request demands of the server; zero leaves it to the service.
    pub demand: Duration,
    /// Requests to trace.
    pub repeats: u32,
    /// How long to ask untraced.
    pub span: Duration,
}

impl AnatomyOptions {
    /// What a run takes of everybody: an echo of 64 bytes, in a fraction of a second.
    pub fn small_echo() -> Self {
        Self {
            service: services::find("echo").expect("echo is always there"),
            tls: false,
            request: RequestShape::new(64, DemandShape::None),
            demand: Duration::ZERO,
            repeats: 5,
            span: Duration::from_millis(60),
        }
    }
}

/// A server that listens, and what it is asked.
struct Subject<'a> {
    server: u32,
    address: SocketAddr,
    /// Of the server, where it speaks TLS.
    certificate: Option<Fingerprint>,
    question: &'a Question,
    congestion_control: Option<&'a str>,
    interrupt: &'a Interrupt,
    /// How long an answer may take.
    limit: Duration,
}

impl<'a> Subject<'a> {
    fn connect(&self) -> Result<Peer<'a>, String> {
        Peer::connect(self.question, self.address, self.congestion_control, self.certificate)
    }

    fn go_on(&self) -> Result<(), String> {
        if self.interrupt.is_set() { Err("interrupted".into()) } else { Ok(()) }
    }
}

/// How long a server may take to close a connection.
fn end_limit() -> Duration {
    PATIENCE / 2
}

/// Takes the anatomy of a request to a server of this program.
///
/// # Errors
/// When the server cannot be started or the tool is interrupted. What goes wrong later is in the record.
pub fn take(
    context: &Context,
    program: Program<'_>,
    options: &AnatomyOptions,
) -> Result<Anatomy, LaunchError> {
    let demand_ns = clock::nanoseconds(options.demand);
    let question = Question::new(options.service, &options.request, demand_ns);
    let config = ServerSettings::default().config(context.cpus.server.len());
    let serve = ServeOptions {
        tls: options.tls,
        ..context.serve_options(options.service.name, DEFAULT_BACKLOG, config)
    };
    let mut server = program.start(&serve)?;
    server.go()?;
    let subject = Subject {
        server: server.pid(),
        address: server.address,
        certificate: server.fingerprint,
        question: &question,
        congestion_control: context.congestion_control(),
        interrupt: &context.launcher.interrupt,
        // Nominal work may take several times its time on a slow machine.
        limit: PATIENCE / 2 + options.demand * 4,
    };
    // On a thread of its own: it is pinned, and tracees belong to the thread that seized them. The server was started
    // by this one, which outlives it; the server dies with the thread that started it.
    let both = || Ok((untraced::pass(&subject, options.span), follow(&subject, options.repeats)));
    let (untraced, phases) =
        on_cpus(&context.cpus.swarm, both).unwrap_or_else(|why| (Err(why.clone()), Err(why)));
    server.stop(PATIENCE / 2);
    if context.interrupted() {
        return Err(LaunchError::Interrupted);
    }
    let (request_bytes, reply_bytes) = question.lengths();
    let (untraced, wire) = match untraced {
        Ok((untraced, wire)) => (Reading::Value(untraced), wire),
        Err(why) => (Reading::Absent(why.clone()), Reading::Absent(why)),
    };
    Ok(Anatomy {
        model: program.name().into(),
        service: options.service.name.into(),
        tls: options.tls,
        demand_ns,
        request_bytes,
        reply_bytes,
        phases: phases.map_or_else(Reading::Absent, Reading::Value),
        untraced,
        wire,
    })
}

/// Traces a connection from its begin to its end.
fn follow(subject: &Subject<'_>, repeats: u32) -> Result<Vec<Phase>, String> {
    wait_for_rest(subject)?;
    let mut tracer = Tracer::attach(subject.server, subject.address)?;
    let (interrupt, limit) = (subject.interrupt, subject.limit);
    tracer.until(interrupt, limit, || Ok(true))?;
    tracer.phase();
    let mut peer = subject.connect()?;
    tracer.until(interrupt, limit, || peer.is_ready())?;
    let connect = phases::steps(tracer.phase(), &tracer);
    let mut request = |tracer: &mut Tracer| {
        peer.begin();
        tracer.until(interrupt, limit, || peer.advance())?;
        Ok::<_, String>(phases::steps(tracer.phase(), tracer))
    };
    let first = request(&mut tracer)?;
    for _ in 0..TRACED_WARM_UP {
        request(&mut tracer)?;
    }
    let requests = (0..repeats).map(|_| request(&mut tracer)).collect::<Result<Vec<_>, _>>()?;
    peer.end()?;
    tracer.until(interrupt, end_limit(), || peer.ended())?;
    let close = phases::steps(tracer.phase(), &tracer);
    Ok(vec![
        phases::phase(Part::Connect, &[connect]),
        phases::phase(Part::FirstRequest, &[first]),
        phases::phase(Part::Request, &requests),
        phases::phase(Part::Close, &[close]),
    ])
}

/// Waits until what served the connection before is gone: its process or its thread.
fn wait_for_rest(subject: &Subject<'_>) -> Result<(), String> {
    const STILL: u32 = 3;
    let begin = Instant::now();
    let (mut last, mut same) = (None, 0);
    while same < STILL && begin.elapsed() < Duration::from_secs(1) {
        subject.go_on()?;
        std::thread::sleep(Duration::from_millis(2));
        let now = Population::take(subject.server);
        let now = (now.threads, now.processes);
        same = if last.as_ref() == Some(&now) { same + 1 } else { 0 };
        last = Some(now);
    }
    Ok(())
}
