//! Where a bench takes place: a fresh server of one model with one service, the client before it, and the reckoning of
//! both at the end.

use crate::client::{Client, Question, Tally};
use bakeoff::campaign::run::runner::choose_congestion_control;
use bakeoff::host::environment::{CpuPlan, allowed_cpus, pin};
use bakeoff::process::launch::{Child, Interrupt, LaunchError, Launcher};
use bakeoff::process::serving::{FromServer, ServeOptions};
use bakeoff::process::squad::{PATIENCE, expect};
use bakeoff::workload::scenario::{DEFAULT_BACKLOG, ServerTuning};
use bakeoff_servers::services::ServiceEntry;
use bakeoff_servers::{CounterSnapshot, ServerConfig, ServerModel};
use std::time::{Duration, Instant};

/// How long after a failure is waited for the server's own words about it.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What all benches share: who runs where, and how sockets are made.
pub(crate) struct Stage {
    launcher: Launcher,
    cpus: CpuPlan,
    congestion_control: Option<String>,
}

impl Stage {
    /// Divides the CPUs as a run does. Starts nothing.
    pub(crate) fn new() -> Self {
        // A signal ends the bench at once, and the kernel then ends its server.
        let interrupt = Interrupt::default();
        Self {
            launcher: Launcher { program: env!("CARGO_BIN_EXE_bakeoff").into(), interrupt },
            cpus: CpuPlan::split(allowed_cpus()),
            congestion_control: choose_congestion_control().value().cloned(),
        }
    }

    /// Sizes of the servers: those of a scenario that says nothing of them.
    pub(crate) fn config(&self) -> ServerConfig {
        ServerTuning::default().config(self.cpus.server.len())
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
        pin(&self.cpus.swarm[..1.min(self.cpus.swarm.len())]).map_err(|e| e.to_string())?;
        let options = ServeOptions {
            model: model.name().into(),
            service: service.name.into(),
            address: ([127, 0, 0, 1], 0).into(),
            backlog: DEFAULT_BACKLOG,
            congestion_control: self.congestion_control.clone(),
            cpus: self.cpus.server.clone(),
            config: self.config(),
        };
        let mut server = self.launcher.start("server", options.arguments()).map_err(|e| e.to_string())?;
        let address = match expect(&mut server, "server", PATIENCE).map_err(|e| e.to_string())? {
            FromServer::Ready { address } => address,
            other => return Err(format!("the server said something unexpected: {other:?}")),
        };
        let client = Client::connect(question, address, clients, self.congestion_control.as_deref());
        let client = client.map_err(|failure| with_last_words(&failure, &mut server))?;
        // Without framing a server counts reads, not requests.
        let framed = service.name != "echo";
        let mut act = Act { client, server, framed, patience: options.config.stop_deadline + PATIENCE };
        act.drive(clients as u64)?;
        Ok(act)
    }
}

/// A server and its client. The server is killed and reaped if this is dropped before its [`end`](Act::end).
pub(crate) struct Act {
    client: Client,
    server: Child,
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
        let Self { client, mut server, framed, patience } = self;
        let tally = client.tally();
        drop(client);
        server.ask_to_stop();
        let counters = match expect(&mut server, "server", patience).map_err(|e| e.to_string())? {
            FromServer::Served { counters } => counters,
            other => return Err(format!("the server said something unexpected at its end: {other:?}")),
        };
        match server.reap(Instant::now() + patience) {
            (_, true) => Err(format!("the server did not end within {patience:?} and was killed")),
            (Some(ended), false) if !ended.success() => Err(format!("the server {}", ended.describe())),
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
fn with_last_words(failure: &dyn std::fmt::Display, server: &mut Child) -> String {
    match server.line(Instant::now() + LAST_WORDS) {
        Err(ended @ LaunchError::Ended { .. }) => format!("{failure}; {ended}"),
        _ => format!("{failure}; the server still runs"),
    }
}
