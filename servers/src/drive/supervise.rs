//! Running a server that has one thread of its own, so that even a loop stuck in a job cannot outlive the deadline.
//!
//! The calling thread sleeps until the stop and does nothing per connection or request.

use super::live::Live;
use crate::{ServerConfig, Stop};
use std::io;
use std::thread;
use std::time::Instant;

/// Requests the stop when the serving thread ends, for whatever reason.
struct StopAtEnd(Stop);

impl Drop for StopAtEnd {
    fn drop(&mut self) {
        self.0.request();
    }
}

/// Runs `body` on a thread named `name`. `body` returns once the listener is shut down and its connections are done.
/// When the stop is requested, hangs up on all connections, waits and cuts (see [`Live::finish`]), and returns within
/// the deadline whether or not the thread does.
///
/// # Errors
/// When the thread cannot be spawned, or what `body` failed with.
pub fn supervise(
    name: &str,
    stop: &Stop,
    config: &ServerConfig,
    live: &Live,
    body: impl FnOnce(&Stop) -> io::Result<()> + Send + 'static,
) -> io::Result<()> {
    let at_end = StopAtEnd(stop.clone());
    let server = thread::Builder::new().name(name.into()).spawn(move || {
        let at_end = at_end;
        body(&at_end.0)
    })?;
    stop.wait(None);
    if !live.finish(Instant::now() + config.stop_deadline) {
        return Ok(()); // stuck in a job; the process is about to end and takes it along
    }
    server.join().unwrap_or_else(|_| Err(io::Error::other("the serving thread panicked")))
}
