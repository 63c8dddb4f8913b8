//! Where a bench takes place: a fresh server of one model with one service, the client before it, and the reckoning of
//! both at the end.

use crate::client::{Client, Question, Tally};
use bakeoff::host::environment::pin;
use bakeoff::process::context::Context;
use bakeoff::process::launch::{Interrupt, Launcher};
use bakeoff::process::server::Server;
use bakeoff::workload::server::{DEFAULT_BACKLOG, ServerSettings};
use bakeoff_servers::services::ServiceEntry;
use bakeoff_servers::{CounterSnapshot, ServerConfig, ServerModel};
use std::time::Duration;

/// How long after a failure is waited for the server's own words about it.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What all benches share: who runs where, and how sockets are made.
pub(crate) struct Stage {
    context: Context,
}

impl Stage {
    /// Divides the CPUs as a run does. Starts nothing.
    pub(crate) fn new() -> Self {
        // A signal ends the bench at once, and the kernel then ends its server.
        let interrupt = Interrupt::default();
        let launcher = Launcher { program: env!("CARGO_BIN_EXE_bakeoff").into(), interrupt };
        Self { context: Context::on_loopback(launcher) }
    }

    /// Sizes of the servers: those of a scenario that says nothing of them.
    pub(crate) fn config(&self) -> ServerConfig {
        ServerSettings::default().config(self.context.cpus.server.len())
    }

    /// Starts a server and puts so many clients before it, each of which has been answered once: what is then measured is
    /// neither an accept nor a fork.
    ///
    /// # Errors
    /// What failed, with the server's words.
    pub(crate) fn begin(
        &self,
        model: &dyn ServerModel,
        service: &ServiceEntry,
        clients: usize,
    ) -> Result<Act, String> {
        let question = Question::new(service).ok_or("its requests kill the server")?;
        // As a worker of the swarm, which has one thread. Servers pin themselves.
        let swarm = &self.context.cpus.swarm;
        pin(&swarm[..1.min(swarm.len())]).map_err(|e| e.to_string())?;
        let options = self.context.serve_options(service.name, DEFAULT_BACKLOG, self.config());
        let started = self.context.model(model.name()).start(&options);
        let mut server = started.map_err(|e| e.to_string())?;
        server.go().map_err(|e| e.to_string())?;
        let congestion_control = self.context.congestion_control();
        let client = Client::connect(question, server.address, clients, congestion_control);
        let client = client.map_err(|failure| with_last_words(&failure, &mut server))?;
        // Without framing a server counts reads, not requests.
        let framed = service.name != "echo";
        let mut act = Act { client, server, framed, patience: options.config.stop_deadline };
        act.drive(clients as u64)?;
        Ok(act)
    }
}

/// A server and its client. The server is killed and reaped if this is dropped before its [`end`](Act::end).
pub(crate) struct Act {
    client: Client,
    server: Server,
    framed: bool,
    patience: Duration,
}

impl Act {
    /// Has `requests` requests answered; returns how long it took.
    ///
    /// # Errors
    /// A wrong reply or none, or the end of the server, with its words.
    pub(crate) fn drive(&mut self, requests: u64) -> Result<Duration, String> {
        self.client.drive(requests).map_err(|failure| with_last_words(&failure, &mut self.server))
    }

    /// Closes the connections, stops the server, and holds what it counted against what the client did.
    ///
    /// # Errors
    /// When the server does not stop as it should, or the two disagree.
    pub(crate) fn end(self) -> Result<(), String> {
        let Self { client, server, framed, patience } = self;
        let tally = client.tally();
        drop(client);
        let stopped = server.stop(patience);
        let counters = stopped.counters.map_err(|e| e.to_string())?;
        match stopped.ended {
            _ if stopped.killed => Err(format!("the server did not end within {patience:?} and was killed")),
            Some(ended) if !ended.success() => Err(format!("the server {}", ended.describe())),
            _ => reckon(&tally, &counters, framed),
        }
    }
}

/// Whether server and client count the same.
fn reckon(tally: &Tally, counters: &CounterSnapshot, framed: bool) -> Result<(), String> {
    let served = Tally {
        requests: if framed { counters.requests } else { tally.requests },
        bytes_sent: counters.bytes_in,
        bytes_received: counters.bytes_out,
    };
    if *tally == served {
        return Ok(());
    }
    Err(format!("the client had {tally:?}, but the server counted {counters:?}: one of the two is wrong"))
}

/// A failure, with how the server ended if it has.
fn with_last_words(failure: &dyn std::fmt::Display, server: &mut Server) -> String {
    match server.early_end(LAST_WORDS) {
        Some(ended) => format!("{failure}; {ended}"),
        None => format!("{failure}; the server still runs"),
    }
}
