//! What a server counts about itself.
//!
//! The counters live in memory shared with forked children, so that one snapshot at the end speaks for the whole
//! process tree. Connections count for themselves and add their figures when they close: no shared cache line is
//! touched per request.

use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident $(: $absent:ident)?,)*) => {
        /// The live counters of a server process tree.
        #[derive(Debug, Default)]
        #[repr(C)]
        pub struct Counters {
            $($(#[$doc])* pub $name: AtomicU64,)*
            /// What each worker counts, where workers accept.
            pub workers: Workers,
        }

        /// The values of the counters at one moment.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct CounterSnapshot {
            $($(#[$doc])* $(#[serde($absent)])? pub $name: u64,)*
            /// Of the connections accepted, those that each worker accepted, where workers accept: by their numbers.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            pub accepted_by_worker: Vec<u64>,
        }

        impl Counters {
            /// The values now.
            pub fn snapshot(&self) -> CounterSnapshot {
                CounterSnapshot {
                    $($name: self.$name.load(Ordering::Relaxed),)*
                    accepted_by_worker: self.workers.accepted(),
                }
            }
        }

        impl CounterSnapshot {
            /// Name and value of each counter of the whole server, in a fixed order; without what the kernel did not tell.
            pub fn rows(&self) -> Vec<(&'static str, u64)> {
                let mut rows = vec![$((stringify!($name), self.$name),)*];
                rows.retain(|(name, _)| *name != "overflowed" || self.overflows_untold == 0);
                rows
            }
        }
    };
}

// Those that another build may not know say `default`.
counters! {
    /// Connections accepted.
    accepted,
    /// Connections open now: accepted and not closed yet, those that wait for a thread of a pool included.
    active,
    /// The most connections open at once, counted as in `active`: not how many were served at the same time.
    peak,
    /// Connections closed, for whatever reason.
    closed,
    /// Requests answered (reply handed to the kernel). A service without framing (`echo`) cannot tell where one ends:
    /// there each read that brought bytes counts as one, so a message larger than a read counts several times, and
    /// several that arrive together count once. Whoever needs the number of messages counts at the client.
    requests,
    /// Bytes read from clients.
    bytes_in,
    /// Bytes written to clients.
    bytes_out,
    /// Failed accepts: out of descriptors or memory (EMFILE, ENFILE, ENOBUFS, ENOMEM).
    accept_errors,
    /// Of those, the ones out of descriptors (EMFILE, ENFILE).
    accepts_out_of_descriptors,
    /// Of those, the ones out of memory (ENOBUFS, ENOMEM).
    accepts_out_of_memory,
    /// Failed thread spawns or forks (EAGAIN, ENOMEM).
    spawn_errors,
    /// Of those, the ones the kernel or the C library answered with EAGAIN: no task to be had, or, for a thread, no
    /// address space for its stack (pthread_create(3) says EAGAIN to both).
    spawns_refused,
    /// Of those, the ones out of memory (ENOMEM).
    spawns_out_of_memory,
    /// Times the server paused because of the two kinds above.
    backoffs,
    /// Connections that ended by an error of the connection (reset, broken pipe).
    connection_errors,
    /// Connections closed because the peer broke the protocol.
    protocol_errors,
    /// Children or handlers that died instead of finishing.
    crashed,
    /// Connections closed by force because the stop deadline had passed.
    cut_at_stop,
    /// Datagrams that came and found the receive buffer of their socket full: the counter of `SO_RXQ_OVFL` (socket(7)), read at
    /// the end.
    overflowed: default,
    /// Sockets of which the kernel does not tell that (`SO_MEMINFO`, since Linux 4.12).
    overflows_untold: default,
    /// Members of a chat that were shut out because they had left too much unread.
    shut_out: default,
    /// Replies to datagrams that the kernel did not take: those of non-blocking models that found the send buffer full, too.
    unsent: default,
}

/// What each worker of a server counts, where workers accept. A fixed table, for it lies in memory that is mapped before the
/// number of workers is known; pages that nobody touches take none.
#[repr(C)]
pub struct Workers {
    count: AtomicUsize,
    /// Connections that each has accepted.
    accepted: [AtomicU64; Workers::MOST],
    /// Whether each has a connection: a worker that is a process may die and leave nobody else to say so.
    busy: [AtomicBool; Workers::MOST],
}

impl Workers {
    /// The most there can be: the largest size of a [`Tuning`](crate::model::Tuning).
    pub const MOST: usize = 10_000;

    /// Says how many there are.
    pub fn expect(&self, count: usize) {
        self.count.store(count.min(Self::MOST), Ordering::Relaxed);
    }

    /// Counts a connection that this worker has accepted.
    pub fn accepted_one(&self, worker: usize) {
        Counters::count(&self.accepted[worker]);
    }

    /// Notes whether this worker has a connection; returns whether it had one.
    pub fn set_busy(&self, worker: usize, busy: bool) -> bool {
        self.busy[worker].swap(busy, Ordering::Relaxed)
    }

    /// Connections that this worker has accepted.
    pub fn accepted_by(&self, worker: usize) -> u64 {
        self.accepted[worker].load(Ordering::Relaxed)
    }

    fn accepted(&self) -> Vec<u64> {
        (0..self.count.load(Ordering::Relaxed)).map(|worker| self.accepted_by(worker)).collect()
    }
}

impl Default for Workers {
    fn default() -> Self {
        Self {
            count: AtomicUsize::new(0),
            accepted: std::array::from_fn(|_| AtomicU64::new(0)),
            busy: std::array::from_fn(|_| AtomicBool::new(false)),
        }
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").field("accepted", &self.accepted()).finish_non_exhaustive()
    }
}

impl Counters {
    /// Counters that forked children share, all zero, for the rest of the process's life.
    ///
    /// # Errors
    /// When the system has no memory to map.
    pub fn shared() -> io::Result<&'static Self> {
        crate::sys::shared_counters()
    }

    /// Counts a connection accepted and open.
    pub fn opened(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        let active = self.active.fetch_add(1, Ordering::Relaxed) + 1;
        self.peak.fetch_max(active, Ordering::Relaxed);
    }

    /// Counts an open connection as closed.
    pub fn closed(&self) {
        self.active.fetch_sub(1, Ordering::Relaxed);
        self.closed.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a failed accept, by its cause where it is a known one.
    pub fn accept_failed(&self, error: &io::Error) {
        Self::count(&self.accept_errors);
        match Errno::from_io_error(error) {
            Some(Errno::MFILE | Errno::NFILE) => Self::count(&self.accepts_out_of_descriptors),
            Some(Errno::NOBUFS | Errno::NOMEM) => Self::count(&self.accepts_out_of_memory),
            _ => {}
        }
    }

    /// Counts a failed spawn or fork, by its cause where it is a known one.
    pub fn spawn_failed(&self, error: &io::Error) {
        Self::count(&self.spawn_errors);
        match Errno::from_io_error(error) {
            Some(Errno::AGAIN) => Self::count(&self.spawns_refused),
            Some(Errno::NOMEM) => Self::count(&self.spawns_out_of_memory),
            _ => {}
        }
    }

    /// Adds one to a counter.
    pub fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Tuning;

    #[test]
    fn workers_are_counted_as_many_as_there_are() {
        let counters = Counters::default();
        assert_eq!(counters.snapshot().accepted_by_worker, [0; 0]);
        counters.workers.expect(3);
        [0, 2, 2].into_iter().for_each(|worker| counters.workers.accepted_one(worker));
        assert_eq!(counters.snapshot().accepted_by_worker, [1, 0, 2]);
        assert!(!counters.workers.set_busy(1, true) && counters.workers.set_busy(1, false));
        let largest = Tuning::ALL.into_iter().map(Tuning::most).max();
        assert!(largest <= Some(Workers::MOST));
    }

    #[test]
    fn a_failure_is_counted_by_its_cause() {
        let counters = Counters::default();
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::BADF] {
            counters.accept_failed(&errno.into());
        }
        for error in
            [Errno::AGAIN.into(), Errno::AGAIN.into(), Errno::NOMEM.into(), io::Error::other("a panic")]
        {
            counters.spawn_failed(&error);
        }
        let seen = counters.snapshot();
        assert_eq!((seen.accept_errors, seen.spawn_errors), (4, 4));
        assert_eq!((seen.accepts_out_of_descriptors, seen.accepts_out_of_memory), (2, 1));
        assert_eq!((seen.spawns_refused, seen.spawns_out_of_memory), (2, 1));
    }
}
