//! The contract of a concurrency model: what it states of itself, what it is handed, what it owes.

pub use crate::tuning::Tuning;
use crate::{Counters, Datagrams, ServerConfig, Service, Stop};
use std::net::TcpListener;
use std::sync::Arc;
use std::{fmt, io};

/// A concurrency model: how a server divides waiting and working among processes, threads, loops and tasks.
///
/// A model is one file in `models/` and one line in [`models::ALL`](crate::models::ALL).
///
/// # Contract
/// [`serve`](ServerModel::serve) is called once in a process of its own, on its only thread, and blocks until asked to
/// stop. In between it accepts from the listener, drives a [`Session`](crate::Session) per connection by way of
/// [`drive`](crate::drive), and counts in `counters`. Running out of descriptors, threads or processes never ends it
/// nor makes it spin: it backs off, counts, recovers. When asked to stop it accepts no more, answers what it has
/// received, closes every connection, and returns within the configured deadline with every child reaped and every
/// thread joined, with two exceptions that end with the process: a thread that is stuck in a job at the deadline, and
/// the thread of a client in thread per client, which is detached and, its connection closed, has only to end.
///
/// A session or job that panics ends its own connection, counted once as crashed, and nothing else.
pub trait ServerModel: Sync {
    /// What it states of itself.
    fn meta(&self) -> &'static Meta;

    /// Why this machine cannot run it, if it cannot: in a sentence that says what is missing.
    fn unavailable(&self) -> Option<String> {
        None
    }

    /// Sockets that it listens on: several share the address (`SO_REUSEPORT`), and all listen before anybody is told so.
    fn listeners(&self, _: &ServerConfig) -> usize {
        1
    }

    /// How it serves datagrams, where it does: a model that is about connections has nothing to say of them.
    fn datagrams(&self) -> Option<&'static Datagrams> {
        None
    }

    /// Serves until asked to stop.
    ///
    /// # Errors
    /// Only what makes serving impossible from the start (a runtime or a poll instance that cannot be made); nothing
    /// that happens to a single connection.
    fn serve(&self, serving: Serving) -> io::Result<()>;

    /// Its name.
    fn name(&self) -> &'static str {
        self.meta().name
    }
}

impl fmt::Debug for dyn ServerModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// All that a model is handed to serve with.
pub struct Serving {
    /// Where clients connect, bound and listening.
    pub listener: TcpListener,
    /// Where they connect as well, where the model asks for more than one listener.
    pub more_listeners: Vec<TcpListener>,
    /// What the bytes mean.
    pub service: Arc<dyn Service>,
    /// Sizes and limits.
    pub config: ServerConfig,
    /// The request to stop.
    pub stop: Stop,
    /// Where to count.
    pub counters: &'static Counters,
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serving")
            .field("listener", &self.listener)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// What a model states of itself, so that nobody has to know it by its name. The conformance suite holds it to this.
#[derive(Clone, Copy, Debug)]
pub struct Meta {
    /// Its name in the field's terms, in kebab case.
    pub name: &'static str,
    /// One line on what it is and when it should win.
    pub summary: &'static str,
    /// How many connections it serves at the same time.
    pub concurrency: Concurrency,
    /// What it starts for each client.
    pub per_client: PerClient,
    /// Threads of its process before the first client and the first job.
    pub threads: fn(&ServerConfig) -> usize,
    /// The sizes it reads from its configuration.
    pub tunings: &'static [Tuning],
    /// Its part in comparisons.
    pub role: Role,
}

impl Meta {
    /// How many connections it can serve at the same time under `config`, where the model itself sets a bound.
    pub fn most_served(&self, config: &ServerConfig) -> Option<usize> {
        match self.concurrency {
            Concurrency::Unbounded | Concurrency::PerRequest(_) => None,
            Concurrency::One => Some(1),
            Concurrency::HeldBy(workers) | Concurrency::HeldByProcess(workers) => {
                Some(workers.of(config).max(1))
            }
        }
    }

    /// Whom a handler takes along that kills its process.
    pub fn isolation(&self) -> Isolation {
        match (self.per_client, self.concurrency) {
            (PerClient::Process, _) | (_, Concurrency::HeldByProcess(_)) => Isolation::Connection,
            (PerClient::Thread | PerClient::Nothing, _) => Isolation::Server,
        }
    }

    /// Whether its clients can reach each other: those of different processes cannot, for what one knows of its clients the others do not.
    pub fn joins_clients(&self) -> bool {
        self.isolation() == Isolation::Server
    }

    /// Whether jobs run in bounded pools, apart from those who wait for bytes.
    pub fn offloads(&self) -> bool {
        self.tunings.contains(&Tuning::ComputeWorkers)
    }
}

/// How many connections a model serves at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concurrency {
    /// As many as the system has descriptors, threads or processes for: no worker holds a connection.
    Unbounded,
    /// One; the others wait for its end.
    One,
    /// One for each of so many workers, which hold their connection to its end.
    HeldBy(Tuning),
    /// The same, and the workers are processes, which die alone and are replaced.
    HeldByProcess(Tuning),
    /// As many as the system has descriptors for; but one of so many workers holds each *request* to its end.
    PerRequest(Tuning),
}

/// What a model starts for each client, and the system must have room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PerClient {
    /// Nothing.
    Nothing,
    /// A thread.
    Thread,
    /// A process, which has the connection's descriptor instead of the server.
    Process,
}

/// Whom a handler takes along that kills its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// The client of its own connection.
    Connection,
    /// All clients of the server.
    Server,
}

/// A model's part in comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Compared unless others are chosen.
    Standard,
    /// Compared unless others are chosen; and the plainest, which changes least, so that others may be held against it.
    Reference,
    /// Compared when asked for.
    Extra,
}
