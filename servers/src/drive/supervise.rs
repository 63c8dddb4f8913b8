//! Running a server's threads: one that does everything, jobs included, so that even one stuck in a job cannot outlive the
//! deadline; or several that serve side by side, none without the others.
//!
//! No thread can be called back from a job, and `serve` must return in time: so it is not the caller's thread that
//! does everything, but one that can be left behind. The calling thread sleeps until the stop and does nothing per
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
    /// For one that serves until this stop.
    pub fn new(stop: &Stop) -> Self {
        Self(stop.clone())
    }

    fn stop(&self) -> &Stop {
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

/// Runs each of `bodies` on a thread of its own, the first on the calling one. Each returns once the stop is requested and its
/// connections are done; when one ends before that, the stop is requested, for its clients have nobody else.
///
/// # Errors
/// When a thread cannot be spawned, or the first that a body failed with.
pub fn side_by_side<B>(name: &str, stop: &Stop, bodies: Vec<B>) -> io::Result<()>
where
    B: FnOnce(&Stop) -> io::Result<()> + Send + 'static,
{
    let mut bodies = bodies.into_iter();
    let first = bodies.next();
    let spawn = |body: B| {
        let at_end = StopAtEnd::new(stop);
        thread::Builder::new().name(name.into()).spawn(move || body(at_end.stop()))
    };
    let threads: Vec<_> = bodies.map(spawn).collect();
    if threads.iter().any(io::Result::is_err) {
        stop.request();
    }
    let served = first.map_or(Ok(()), |body| body(stop));
    stop.request();
    let joined = threads.into_iter().map(|thread| {
        let no_room = |error: io::Error| {
            let words = "starting a thread to serve failed (see ulimit -u and pids.max)";
            io::Error::new(error.kind(), format!("{words}: {error}"))
        };
        thread.map_err(no_room)?.join().unwrap_or_else(|_| Err(io::Error::other("a serving thread panicked")))
    });
    joined.fold(served, io::Result::and)
}
