//! Echo over UDP as every model does it: receive, send the same bytes back, count. Who waits, and how, is the model's.

use crate::datagrams::ServingDatagrams;
use crate::{Counters, Stop};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recvfrom, sendto};
use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

/// More than a datagram can have.
pub const BUFFER: usize = 1 << 16;

/// Pause where the kernel has no memory to receive with.
const SHORT_OF_MEMORY: Duration = Duration::from_millis(1);

/// What one turn found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// There may be more.
    Again,
    /// Nothing is there now.
    Empty,
    /// The stop is requested and what had come is answered, or the deadline is over.
    Ended,
}

/// Answers datagrams. Each thread or task has one: it counts for itself and adds its figures when it is dropped.
#[derive(Debug)]
pub struct Echo {
    stop: Stop,
    stop_deadline: Duration,
    ends: Option<Instant>,
    counters: &'static Counters,
    answered: u64,
    unsent: u64,
    bytes_in: u64,
    bytes_out: u64,
}

impl Echo {
    /// One more who answers.
    pub fn new(serving: &ServingDatagrams) -> Self {
        Self {
            stop: serving.stop.clone(),
            stop_deadline: serving.config.stop_deadline,
            ends: None,
            counters: serving.counters,
            answered: 0,
            unsent: 0,
            bytes_in: 0,
            bytes_out: 0,
        }
    }

    /// Receives one datagram into `buffer`, of [`BUFFER`] bytes, and sends it back. Waits for it where the socket blocks.
    ///
    /// # Errors
    /// When receiving fails for a reason that does not pass.
    pub fn turn(&mut self, socket: impl AsFd, buffer: &mut [u8]) -> io::Result<Turn> {
        if self.is_over() {
            return Ok(Turn::Ended);
        }
        match recvfrom(&socket, &mut *buffer, RecvFlags::empty()) {
            Ok((_, length, Some(peer))) => {
                let reply = &buffer[..length];
                let sent = loop {
                    match sendto(&socket, reply, SendFlags::empty(), &peer) {
                        Err(Errno::INTR) => {}
                        sent => break sent.is_ok(),
                    }
                };
                self.count(length, sent);
                Ok(Turn::Again)
            }
            Ok((_, _, None)) => Ok(Turn::Ended), // nobody's: the socket was shut down and is empty
            Err(Errno::AGAIN) if self.stop.requested() => Ok(Turn::Ended),
            Err(Errno::AGAIN) => Ok(Turn::Empty),
            Err(Errno::INTR) => Ok(Turn::Again),
            Err(error) if is_short_of_memory(&error.into()) => {
                self.rest();
                Ok(Turn::Again)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Pauses, because the kernel had no memory to receive with.
    pub fn rest(&self) {
        Counters::count(&self.counters.backoffs);
        thread::sleep(SHORT_OF_MEMORY);
    }

    /// Whether the deadline of a stop is over; until then what has arrived is answered.
    pub fn is_over(&mut self) -> bool {
        self.stop.requested() && {
            let now = Instant::now();
            now >= *self.ends.get_or_insert(now + self.stop_deadline)
        }
    }

    /// Counts a datagram that came, and whether the kernel took its reply: a reply that finds no room is not sent later.
    pub fn count(&mut self, length: usize, sent: bool) {
        self.bytes_in += length as u64;
        if sent {
            self.answered += 1;
            self.bytes_out += length as u64;
        } else {
            self.unsent += 1;
        }
    }
}

/// Whether the kernel had no memory to receive with, which passes.
pub fn is_short_of_memory(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOMEM | Errno::NOBUFS))
}

impl Drop for Echo {
    fn drop(&mut self) {
        let Counters { requests, unsent, bytes_in, bytes_out, .. } = self.counters;
        requests.fetch_add(self.answered, Relaxed);
        unsent.fetch_add(self.unsent, Relaxed);
        bytes_in.fetch_add(self.bytes_in, Relaxed);
        bytes_out.fetch_add(self.bytes_out, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_want_of_memory_passes_and_nothing_else_does() {
        for (errno, passes) in [(Errno::NOMEM, true), (Errno::NOBUFS, true), (Errno::BADF, false)] {
            assert_eq!(is_short_of_memory(&errno.into()), passes, "{errno}");
        }
    }
}
