//! The open connections of a server: who they are, what they have counted, and how they end.
//!
//! Every connection holds a [`Ticket`] from its accept to its close. It counts for itself, on a cache line of its own
//! and without locked instructions; the figures go to the shared [`Counters`] at its close, or every few thousand
//! requests. At the stop the registry hangs up on all, waits, and cuts what is left.

use crate::{Counters, sys};
use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd as _, RawFd};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Requests after which a connection adds its figures to the counters without waiting for its end.
const FLUSH_EVERY: u64 = 4096;

/// How long whoever serves a connection has to come back after it was cut.
pub const CUT_GRACE: Duration = Duration::from_millis(200);

/// What one connection has counted since it last added it to the counters. Written by its server alone.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Tally {
    requests: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

impl Tally {
    fn flush(&self, counters: &Counters) {
        for (own, shared) in [
            (&self.requests, &counters.requests),
            (&self.bytes_in, &counters.bytes_in),
            (&self.bytes_out, &counters.bytes_out),
        ] {
            shared.fetch_add(own.swap(0, Relaxed), Relaxed);
        }
    }
}

/// Adds without a locked instruction, since there is one writer; returns the sum.
#[inline]
fn add(counter: &AtomicU64, n: u64) -> u64 {
    let sum = counter.load(Relaxed) + n;
    counter.store(sum, Relaxed);
    sum
}

/// Counts for one connection.
#[derive(Clone, Debug)]
pub struct Meter {
    tally: Arc<Tally>,
    counters: &'static Counters,
}

impl Meter {
    /// A meter that has counted nothing.
    pub fn new(counters: &'static Counters) -> Self {
        Self { tally: Arc::default(), counters }
    }

    /// Counts bytes read.
    #[inline]
    pub fn received(&self, bytes: usize) {
        add(&self.tally.bytes_in, bytes as u64);
    }

    /// Counts bytes written.
    #[inline]
    pub fn sent(&self, bytes: usize) {
        add(&self.tally.bytes_out, bytes as u64);
    }

    /// Counts requests whose replies were handed to the kernel.
    #[inline]
    pub fn answered(&self, requests: u32) {
        if add(&self.tally.requests, u64::from(requests)) >= FLUSH_EVERY {
            self.flush();
        }
    }

    /// Counts how a conversation ended: by an error of the connection, or because the peer broke the protocol.
    pub fn ended(&self, error: bool, rejected: bool) {
        if error {
            Counters::count(&self.counters.connection_errors);
        }
        if rejected {
            Counters::count(&self.counters.protocol_errors);
        }
    }

    /// Counts a handler or job that panicked.
    pub fn crashed(&self) {
        Counters::count(&self.counters.crashed);
    }

    /// Adds what was counted to the shared counters.
    #[cold]
    pub fn flush(&self) {
        self.tally.flush(self.counters);
    }
}

#[derive(Debug)]
struct Entry {
    socket: RawFd,
    tally: Arc<Tally>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: HashMap<u64, Entry>,
    next_id: u64,
    hanging_up: bool,
}

/// The registry of open connections.
#[derive(Debug)]
pub struct Live {
    counters: &'static Counters,
    inner: Mutex<Inner>,
    emptied: Condvar,
}

impl Live {
    /// An empty registry that counts in `counters`.
    pub fn new(counters: &'static Counters) -> Arc<Self> {
        Arc::new(Self { counters, inner: Mutex::default(), emptied: Condvar::new() })
    }

    /// The counters it counts in.
    pub fn counters(&self) -> &'static Counters {
        self.counters
    }

    /// Enters an accepted connection. The ticket must be dropped *before* the socket is closed (declare it before the
    /// socket in the same struct): its number is used to hang up.
    pub fn enter(self: &Arc<Self>, socket: &impl AsFd) -> Ticket {
        let meter = Meter::new(self.counters);
        let socket = socket.as_fd().as_raw_fd();
        self.counters.opened();
        let mut inner = self.lock();
        let id = inner.next_id;
        inner.next_id += 1;
        inner.entries.insert(id, Entry { socket, tally: Arc::clone(&meter.tally) });
        if inner.hanging_up {
            sys::shutdown_read(socket);
        }
        drop(inner);
        Ticket { live: Arc::clone(self), id, meter }
    }

    /// Brings every connection to its end: hangs up (what has arrived is still answered), waits until `deadline`, cuts
    /// the rest. Returns whether all handlers came back. Blocks: a loop or runtime that serves on the calling thread
    /// takes the same steps itself, so that it can go on serving in between.
    pub fn finish(&self, deadline: Instant) -> bool {
        self.hang_up();
        if self.wait_empty(deadline) {
            return true;
        }
        self.cut();
        let all_back = self.wait_empty(Instant::now() + CUT_GRACE);
        self.abandon();
        all_back
    }

    /// Shuts all connections, present and future, down for reading.
    pub fn hang_up(&self) {
        let mut inner = self.lock();
        inner.hanging_up = true;
        for entry in inner.entries.values() {
            sys::shutdown_read(entry.socket);
        }
    }

    fn wait_empty(&self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        let (inner, _) = self
            .emptied
            .wait_timeout_while(self.lock(), left, |inner| !inner.entries.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        inner.entries.is_empty()
    }

    /// Shuts what is left down both ways, so that whoever is stuck in a read or write comes back.
    pub fn cut(&self) {
        for entry in self.lock().entries.values() {
            sys::shutdown_both(entry.socket);
            Counters::count(&self.counters.cut_at_stop);
        }
    }

    /// Settles the accounts of connections whose handler is stuck in a job: the process is about to end.
    pub fn abandon(&self) {
        for (_, entry) in self.lock().entries.drain() {
            entry.tally.flush(self.counters);
            self.counters.closed();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while holding it; were it to, the map would still be whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place in the registry; gives it up when dropped.
#[derive(Debug)]
pub struct Ticket {
    live: Arc<Live>,
    id: u64,
    meter: Meter,
}

impl Ticket {
    /// What counts for this connection.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut inner = self.live.lock();
        if inner.entries.remove(&self.id).is_none() {
            return; // abandoned: accounted for already
        }
        self.meter.flush();
        if std::thread::panicking() {
            self.meter.crashed();
        }
        self.live.counters.closed();
        if inner.entries.is_empty() {
            self.live.emptied.notify_all();
        }
    }
}

/// An accepted socket with its ticket, in the order in which they must be dropped.
#[derive(Debug)]
pub struct Held<S> {
    /// The place in the registry.
    pub ticket: Ticket,
    /// The socket.
    pub stream: S,
}

impl<S: AsFd> Held<S> {
    /// Enters an accepted socket.
    pub fn new(stream: S, live: &Arc<Live>) -> Self {
        Self { ticket: live.enter(&stream), stream }
    }
}
