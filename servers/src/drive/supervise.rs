//! Running a server that does everything on one thread, jobs included, so that even one stuck in a job cannot outlive
//! the deadline.
//!
//! No thread can be called back from a job, and `serve` must return in time: so it is not the caller's thread that
//! serves here, but one that can be left behind. The calling thread sleeps until the stop and does nothing per
//! connection or request. What a second thread in the process costs the first is the kernel's care for a shared table
//! of descriptors; models that never run a job where they wait do without (see `models::mio_event_loop`).

use super::registry::Registry;
use crate::{ServerConfig, Stop};
use std::io;
use std::thread;
use std::time::Instant;

/// Requests the stop when it is dropped: a thread that serves has it, so that the server ends when that does, for whatever
/// reason.
#[derive(Debug)]
pub struct StopAtEnd(Stop);

impl StopAtEnd {
    /// For a thread to be given.
    pub fn new(stop: &Stop) -> Self {
        Self(stop.clone())
    }

    /// The request.
    pub fn stop(&self) -> &Stop {
        &self.0
    }
}

impl Drop for StopAtEnd {
    fn drop(&mut self) {
        self.0.request();
    }
}

/// Runs `body` on a thread named `name`. `body` returns once the listener is shut down and its connections are done.
/// When the stop is requested, brings all connections to their end (see [`Registry::shutdown`]), and returns within the
/// deadline whether or not the thread does.
///
/// # Errors
/// When the thread cannot be spawned, or what `body` failed with.
pub fn supervise(
    name: &str,
    stop: &Stop,
    config: &ServerConfig,
    registry: &Registry,
    body: impl FnOnce(&Stop) -> io::Result<()> + Send + 'static,
) -> io::Result<()> {
    let at_end = StopAtEnd::new(stop);
    let server = thread::Builder::new().name(name.into()).spawn(move || body(at_end.stop()))?;
    stop.wait(None);
    if !registry.shutdown(Instant::now() + config.stop_deadline) {
        return Ok(()); // stuck in a job; the process is about to end and takes it along
    }
    server.join().unwrap_or_else(|_| Err(io::Error::other("the serving thread panicked")))
}
