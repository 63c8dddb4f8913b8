//! Opening the connections of a closed or open loop before the start.
//!
//! At most [`BATCH`] at once, so that no sensible backlog is overrun; each tried [`ATTEMPTS`] times; all within a
//! bounded time. A connection that cannot be opened is left to its first request, which tries again and, failing,
//! counts. Never sends a byte but those of a handshake of TLS.

use super::engine::Engine;
use super::slot::Phase;
use crate::host::clock::nanoseconds;
use rustix::io::Errno;
use std::collections::VecDeque;
use std::io;
use std::time::Duration;

/// Connections being opened at once, by one worker. std, mio and tokio listen with a backlog of 128.
const BATCH: usize = 64;
/// Times one connection is tried.
const ATTEMPTS: u32 = 3;
/// Pause before a connection is tried again.
const RETRY_NS: u64 = 50_000_000;
/// Time for all connections together: so much, and
const LIMIT_NS: u64 = 10_000_000_000;
/// so much for each.
const LIMIT_EACH_NS: u64 = 500_000;
/// Longest single wait: retries and the limit are looked at this often.
const TICK_NS: u64 = 10_000_000;

/// How long a worker may take to open so many connections before it goes on without the rest, or gives up.
pub fn setup_limit(connections: u32) -> Duration {
    Duration::from_nanos(LIMIT_NS + LIMIT_EACH_NS * u64::from(connections))
}

/// How the set-up went.
#[derive(Debug)]
pub(super) struct Opened {
    /// Connections that are open.
    pub(super) connected: u32,
    /// Why the last that failed did.
    pub(super) last_error: Option<Errno>,
}

struct Attempt {
    index: u32,
    attempt: u32,
    not_before_ns: u64,
}

impl Engine<'_> {
    /// Opens the connection of every slot, as far as the server lets it.
    pub(super) fn open_all(&mut self) -> io::Result<Opened> {
        let slots = self.slots.len();
        let give_up_ns = self.now() + nanoseconds(setup_limit(slots as u32));
        let mut waiting: VecDeque<Attempt> =
            (0..slots as u32).map(|index| Attempt { index, attempt: 1, not_before_ns: 0 }).collect();
        let mut attempts = vec![0_u32; slots];
        let mut under_way = 0_usize;
        let mut opened = Opened { connected: 0, last_error: None };
        let mut failed: Vec<(u32, Errno)> = Vec::new();
        while (under_way > 0 || !waiting.is_empty()) && self.now() < give_up_ns {
            let now = self.now();
            while under_way < BATCH && waiting.front().is_some_and(|next| next.not_before_ns <= now) {
                let Some(next) = waiting.pop_front() else { break };
                attempts[next.index as usize] = next.attempt;
                under_way += 1;
                if let Err(error) = self.dial(next.index) {
                    failed.push((next.index, error));
                }
            }
            let count = self.wait(if failed.is_empty() { TICK_NS } else { 0 })?;
            for at in 0..count {
                let Some((index, flags)) = self.event(at) else { continue };
                if self.slots[index as usize].phase != Phase::Connecting {
                    self.on_event(index, flags);
                    continue;
                }
                let Some((outcome, took_ns)) = self.connect_outcome(index) else { continue };
                match outcome {
                    Ok(()) => {
                        self.books.connected_in_setup(took_ns);
                        self.deadlines.clear(index);
                        self.slots[index as usize].phase = Phase::Free;
                        opened.connected += 1;
                        under_way -= 1;
                        // What came with the same edge must not be lost: a server that spoke first, or hung up.
                        self.on_event(index, flags);
                    }
                    Err(error) => {
                        self.deadlines.clear(index);
                        failed.push((index, error));
                    }
                }
            }
            self.overdue(&mut failed);
            for (index, error) in failed.drain(..) {
                under_way -= 1;
                self.give_up_attempt(index);
                opened.last_error = Some(error);
                let attempt = attempts[index as usize] + 1;
                if attempt <= ATTEMPTS {
                    waiting.push_back(Attempt { index, attempt, not_before_ns: self.now() + RETRY_NS });
                }
            }
        }
        self.drop_unfinished(&mut opened);
        Ok(opened)
    }

    /// Adds the attempts that have taken too long to `failed`.
    fn overdue(&mut self, failed: &mut Vec<(u32, Errno)>) {
        let now = self.now();
        while let Some((index, deadline_ns)) = self.deadlines.oldest() {
            if deadline_ns > now {
                return;
            }
            self.deadlines.clear(index);
            failed.push((index, Errno::TIMEDOUT));
        }
    }

    fn give_up_attempt(&mut self, index: u32) {
        self.retire(index);
        self.slots[index as usize].phase = Phase::Free;
    }

    /// Ends the attempts that the limit has cut off, so that the run begins with connections that are open or absent.
    fn drop_unfinished(&mut self, opened: &mut Opened) {
        for index in 0..self.slots.len() as u32 {
            if self.slots[index as usize].phase == Phase::Connecting {
                self.give_up_attempt(index);
                opened.last_error = Some(Errno::TIMEDOUT);
            }
        }
    }
}
