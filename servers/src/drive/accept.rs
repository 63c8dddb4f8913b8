//! Accepting: what each error means, how to back off, and the loop that blocking models share.
//!
//! No error ends a server, and none makes it spin: what passes is retried, what is exhausted is counted and waited for.

use crate::{Counters, Stop};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// A pause of an event loop whose wait the kernel had no memory for.
pub const SHORT_OF_MEMORY: Duration = Duration::from_millis(1);

/// What a failed accept means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptError {
    /// Nobody waits to be accepted (non-blocking listeners only).
    NobodyWaits,
    /// It concerned one client that is gone, or a signal: accept the next.
    OfOneClient,
    /// The listener was shut down: nobody will be accepted any more.
    ShutDown,
    /// Out of descriptors or memory, or unknown: count it and back off.
    Exhausted,
}

impl AcceptError {
    /// Classifies, after accept(2): pending network errors of a new socket are passed on by Linux and mean "next".
    pub fn of(error: &io::Error) -> Self {
        const OF_ONE_CLIENT: [Errno; 11] = [
            Errno::CONNABORTED,
            Errno::INTR,
            Errno::PROTO,
            Errno::NETDOWN,
            Errno::NOPROTOOPT,
            Errno::HOSTDOWN,
            Errno::NONET,
            Errno::HOSTUNREACH,
            Errno::OPNOTSUPP,
            Errno::NETUNREACH,
            Errno::PERM,
        ];
        match Errno::from_io_error(error) {
            Some(Errno::AGAIN) => Self::NobodyWaits,
            Some(Errno::INVAL) => Self::ShutDown,
            Some(errno) if OF_ONE_CLIENT.contains(&errno) => Self::OfOneClient,
            _ => Self::Exhausted,
        }
    }
}

/// Pauses that double from 1 ms to 100 ms, and start over when it went well.
#[derive(Debug)]
pub struct Backoff {
    next: Duration,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(1);
    const LONGEST: Duration = Duration::from_millis(100);

    /// Begins with the shortest pause.
    pub fn new() -> Self {
        Self { next: Self::FIRST }
    }

    /// It went well: the next pause is the shortest again.
    pub fn reset(&mut self) {
        self.next = Self::FIRST;
    }

    /// Counts a pause and says how long it is.
    pub fn pause(&mut self, counters: &Counters) -> Duration {
        Counters::count(&counters.backoffs);
        let pause = self.next;
        self.next = (pause * 2).min(Self::LONGEST);
        pause
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

/// Accepts until asked to stop, handing each connection to `serve`, on a blocking listener.
///
/// # Errors
/// When the listener cannot be registered for the stop, before anything is accepted.
pub fn accept_until_stop(
    listener: &TcpListener,
    stop: &Stop,
    counters: &Counters,
    serve: impl FnMut(TcpStream),
) -> io::Result<()> {
    let _unblocked = stop.unblock(listener)?;
    accept_while_listening(listener, stop, counters, serve);
    Ok(())
}

/// The same on a listener that somebody else shuts down at the stop: several workers accept from it.
pub fn accept_while_listening(
    listener: &TcpListener,
    stop: &Stop,
    counters: &Counters,
    mut serve: impl FnMut(TcpStream),
) {
    let mut backoff = Backoff::new();
    while !stop.requested() {
        match listener.accept() {
            Ok((stream, _)) => {
                backoff.reset();
                serve(stream);
            }
            Err(_) if stop.requested() => break,
            Err(error) => match AcceptError::of(&error) {
                AcceptError::OfOneClient => {}
                AcceptError::ShutDown => break,
                AcceptError::NobodyWaits | AcceptError::Exhausted => {
                    counters.accept_failed(&error);
                    stop.wait(Some(backoff.pause(counters)));
                }
            },
        }
    }
}

/// Whether a listener has something to accept, or has been shut down, before `limit` is over. May be wrong in saying
/// no: a signal ends the wait.
pub fn readable_within(listener: &TcpListener, limit: Duration) -> bool {
    let Ok(limit) = Timespec::try_from(limit) else { return false };
    poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&limit)).is_ok_and(|ready| ready > 0)
}

/// Tries to spawn or fork until it works, backing off in between; gives up only at the stop.
/// `attempt` keeps the accepted connection, so a client waits instead of being turned away.
pub fn retry_spawn<T>(
    stop: &Stop,
    counters: &Counters,
    mut attempt: impl FnMut() -> io::Result<T>,
) -> Option<T> {
    let mut backoff = Backoff::new();
    loop {
        match attempt() {
            Ok(spawned) => return Some(spawned),
            Err(error) => {
                counters.spawn_failed(&error);
                if stop.wait(Some(backoff.pause(counters))) {
                    return None;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_mean_what_accept_2_says() {
        let of = |errno: Errno| AcceptError::of(&io::Error::from(errno));
        for exhausted in [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM] {
            assert_eq!(of(exhausted), AcceptError::Exhausted);
        }
        assert_eq!(of(Errno::CONNABORTED), AcceptError::OfOneClient);
        assert_eq!(of(Errno::INTR), AcceptError::OfOneClient);
        assert_eq!(of(Errno::AGAIN), AcceptError::NobodyWaits);
        assert_eq!(of(Errno::INVAL), AcceptError::ShutDown);
        assert_eq!(of(Errno::BADF), AcceptError::Exhausted, "an unknown error must not spin");
    }

    #[test]
    fn pauses_double_up_to_a_tenth_of_a_second() {
        let counters = Counters::default();
        let mut backoff = Backoff::new();
        let pauses: Vec<u128> = (0..9).map(|_| backoff.pause(&counters).as_millis()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 100, 100]);
        backoff.reset();
        assert_eq!(backoff.pause(&counters).as_millis(), 1);
        assert_eq!(counters.snapshot().backoffs, 10);
    }
}
