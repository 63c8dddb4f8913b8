//! The trait that every server stands behind.

use crate::{Counters, ServerConfig, Service, Stop};
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
    /// The model's name in the field's terms, in kebab case.
    fn name(&self) -> &'static str;

    /// One line on what it is and when it should win.
    fn summary(&self) -> &'static str;

    /// How many connections it can serve at the same time under `config`, where the model itself sets a bound
    /// (1 for the iterative server, the pool's size for a pool whose workers hold their connection).
    fn concurrency(&self, config: &ServerConfig) -> Option<usize> {
        let _ = config;
        None
    }

    /// Why this machine cannot run it, if it cannot: in a sentence that says what is missing.
    fn unavailable(&self) -> Option<String> {
        None
    }

    /// Serves until asked to stop.
    ///
    /// # Errors
    /// Only what makes serving impossible from the start (a runtime or a poll instance that cannot be made); nothing
    /// that happens to a single connection.
    fn serve(
        &self,
        listener: TcpListener,
        service: Arc<dyn Service>,
        config: &ServerConfig,
        stop: &Stop,
        counters: &'static Counters,
    ) -> io::Result<()>;
}

impl fmt::Debug for dyn ServerModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
