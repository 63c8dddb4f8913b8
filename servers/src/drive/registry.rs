//! The registry of open connections: who they are, what they have counted, and how they end.
//!
//! Every connection holds a [`Guard`] from its accept to its close. It counts for itself, on a cache line of its own
//! and without locked instructions; the figures go to the shared [`Counters`] at its close, or every few thousand
//! requests. At the stop the registry drains all connections, waits, and closes by force what is left.

use super::{Key, lock};
use crate::sync::{AtomicU64, Condvar, Mutex, Ordering::Relaxed};
use crate::{Counters, sys};
use slotmap::SlotMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, RawFd};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// Requests after which a connection adds its figures to the counters without waiting for its end.
const FLUSH_EVERY: u64 = 4096;

/// How long whoever serves a connection has to come back after it was closed by force.
pub const FORCE_GRACE: Duration = Duration::from_millis(200);

/// What one connection has counted. Written by its server alone; it only grows.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Tally {
    requests: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    /// What of it is in the shared counters: the stop may settle the accounts of a server that still counts.
    settled: Mutex<Settled>,
}

/// How much of requests, bytes in and bytes out was added to the counters.
#[derive(Debug, Default)]
struct Settled {
    so_far: [u64; 3],
    /// Nothing is added any more.
    closed: bool,
}

impl Tally {
    fn flush(&self, counters: &Counters, close: bool) {
        let mut settled = lock(&self.settled);
        if settled.closed {
            return;
        }
        settled.closed = close;
        let own = [&self.requests, &self.bytes_in, &self.bytes_out];
        let shared = [&counters.requests, &counters.bytes_in, &counters.bytes_out];
        for ((own, shared), so_far) in own.into_iter().zip(shared).zip(&mut settled.so_far) {
            let now = own.load(Relaxed);
            shared.fetch_add(now - *so_far, Relaxed);
            *so_far = now;
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
        let sum = add(&self.tally.requests, u64::from(requests));
        if sum / FLUSH_EVERY > (sum - u64::from(requests)) / FLUSH_EVERY {
            self.flush();
        }
    }

    /// Counts how a connection ended: by an error of its socket, or because the client broke the protocol.
    pub fn ended(&self, error: bool, rejected: bool) {
        if error {
            Counters::count(&self.counters.connection_errors);
        }
        if rejected {
            Counters::count(&self.counters.protocol_errors);
        }
    }

    /// Counts that the system had no room for what serves this connection.
    pub fn refused(&self, error: &io::Error) {
        self.counters.spawn_failed(error);
    }

    /// Counts a handler or job that panicked.
    pub fn crashed(&self) {
        Counters::count(&self.counters.crashed);
    }

    /// Counts that the client was shut out for what it had left unread.
    pub fn shut_out(&self) {
        Counters::count(&self.counters.shut_out);
    }

    /// Adds what was counted to the shared counters.
    #[cold]
    pub fn flush(&self) {
        self.tally.flush(self.counters, false);
    }
}

#[derive(Debug)]
struct Entry {
    socket: RawFd,
    tally: Arc<Tally>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: SlotMap<Key, Entry>,
    draining: bool,
}

/// The registry of a server's open connections.
#[derive(Debug)]
pub struct Registry {
    counters: &'static Counters,
    /// Whose connections these are, where workers accept.
    worker: Option<usize>,
    inner: Mutex<Inner>,
    emptied: Condvar,
}

impl Registry {
    /// An empty registry that counts in `counters`.
    pub fn new(counters: &'static Counters) -> Arc<Self> {
        Self::of(counters, None)
    }

    /// An empty registry of what one worker accepts, which is counted as its own, too.
    pub fn of_worker(counters: &'static Counters, worker: usize) -> Arc<Self> {
        Self::of(counters, Some(worker))
    }

    fn of(counters: &'static Counters, worker: Option<usize>) -> Arc<Self> {
        Arc::new(Self { counters, worker, inner: Mutex::default(), emptied: Condvar::new() })
    }

    /// The counters it counts in.
    pub fn counters(&self) -> &'static Counters {
        self.counters
    }

    /// Enters an accepted socket.
    pub fn track<S: AsFd>(self: &Arc<Self>, stream: S) -> Tracked<S> {
        let meter = Meter::new(self.counters);
        let socket = stream.as_fd().as_raw_fd();
        self.counters.opened();
        if let Some(worker) = self.worker {
            self.counters.workers.accepted_one(worker);
        }
        let mut inner = lock(&self.inner);
        let key = inner.entries.insert(Entry { socket, tally: Arc::clone(&meter.tally) });
        if inner.draining {
            sys::shutdown_read(socket);
        }
        drop(inner);
        Tracked { guard: Guard { registry: Arc::clone(self), key, meter }, stream }
    }

    /// Brings every connection to its end: drains, waits until `deadline`, closes the rest by force. Returns whether all
    /// handlers came back. Blocks: a loop or runtime that serves on the calling thread takes the same steps itself, so
    /// that it can go on serving in between.
    pub fn shutdown(&self, deadline: Instant) -> bool {
        self.drain();
        if self.wait_empty(deadline) {
            return true;
        }
        self.force_close();
        let all_back = self.wait_empty(Instant::now() + FORCE_GRACE);
        self.abort();
        all_back
    }

    /// Shuts all connections, present and future, down for reading: what has arrived is still answered.
    pub fn drain(&self) {
        let mut inner = lock(&self.inner);
        inner.draining = true;
        for entry in inner.entries.values() {
            sys::shutdown_read(entry.socket);
        }
    }

    /// Whether no connection is open.
    pub fn is_empty(&self) -> bool {
        lock(&self.inner).entries.is_empty()
    }

    fn wait_empty(&self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        let (inner, _) = self
            .emptied
            .wait_timeout_while(lock(&self.inner), left, |inner| !inner.entries.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        inner.entries.is_empty()
    }

    /// Shuts what is left down both ways, so that whoever is stuck in a read or write comes back.
    pub fn force_close(&self) {
        for entry in lock(&self.inner).entries.values() {
            sys::shutdown_both(entry.socket);
            Counters::count(&self.counters.cut_at_stop);
        }
    }

    /// Settles and closes the accounts of connections whose handler is stuck in a job: the process is about to end.
    pub fn abort(&self) {
        for (_, entry) in lock(&self.inner).entries.drain() {
            entry.tally.flush(self.counters, true);
            self.counters.closed();
        }
    }
}

/// A connection's place in the registry; gives it up when dropped, which must come *before* its socket is closed: the
/// registry shuts sockets down by their number.
#[derive(Debug)]
pub struct Guard {
    registry: Arc<Registry>,
    key: Key,
    meter: Meter,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut inner = lock(&self.registry.inner);
        if inner.entries.remove(self.key).is_none() {
            return; // aborted: accounted for already
        }
        self.meter.flush();
        if std::thread::panicking() {
            self.meter.crashed();
        }
        self.registry.counters.closed();
        if inner.entries.is_empty() {
            self.registry.emptied.notify_all();
        }
    }
}

/// An accepted socket with its guard, in the order in which they must be dropped.
#[derive(Debug)]
pub struct Tracked<S> {
    guard: Guard,
    /// The socket.
    pub stream: S,
}

impl<S> Tracked<S> {
    /// What counts for this connection.
    #[inline]
    pub fn meter(&self) -> &Meter {
        &self.guard.meter
    }
}

#[cfg(all(test, bakeoff_loom))]
mod loom {
    use super::*;
    use crate::sync::thread;
    use std::io::{ErrorKind, Read as _};
    use std::os::unix::net::UnixStream;

    /// Tries every order of what is done with a registry that has counted nothing.
    fn model(of: impl Fn(Arc<Registry>) + Send + Sync + 'static) {
        // Made once, and outside: the stacks in a model are small.
        let counters = Counters::shared().expect("room");
        ::loom::model(move || {
            for counter in [&counters.requests, &counters.active, &counters.closed, &counters.cut_at_stop] {
                counter.store(0, Relaxed);
            }
            of(Registry::new(counters));
        });
    }

    /// Requests, open connections, closed ones, those closed by force.
    fn counted(registry: &Registry) -> [u64; 4] {
        let Counters { requests, active, closed, cut_at_stop, .. } = registry.counters();
        [requests, active, closed, cut_at_stop].map(|counter| counter.load(Relaxed))
    }

    /// Runs it beside the rest of a model.
    fn beside(registry: &Arc<Registry>, act: impl FnOnce(&Registry) + 'static) -> thread::JoinHandle<()> {
        let registry = Arc::clone(registry);
        thread::spawn(move || act(&registry))
    }

    #[test]
    fn no_connection_slips_past_the_drain() {
        model(|registry| {
            let (_client, server) = UnixStream::pair().expect("two sockets");
            server.set_nonblocking(true).expect("a socket");
            let stop = beside(&registry, Registry::drain);
            let mut tracked = registry.track(server);
            stop.join().expect("it does not panic");
            let end = tracked.stream.read(&mut [0]).map_err(|error| error.kind());
            assert_eq!(end, Ok::<_, ErrorKind>(0), "it would be read from for ever");
        });
    }

    #[test]
    fn a_stop_waits_for_the_last_connection_and_no_longer() {
        model(|registry| {
            let handlers = [(); 2].map(|()| {
                let tracked = registry.track(UnixStream::pair().expect("two sockets").0);
                thread::spawn(move || tracked.meter().answered(3))
            });
            assert!(registry.shutdown(Instant::now()), "time stands still");
            assert_eq!(counted(&registry), [6, 0, 2, 0]);
            handlers.into_iter().for_each(|thread| thread.join().expect("it does not panic"));
        });
    }

    #[test]
    fn a_request_is_counted_once_though_its_handler_is_given_up() {
        model(|registry| {
            let tracked = registry.track(UnixStream::pair().expect("two sockets").0);
            // So many that the next one is added to the counters at once.
            tracked.meter().answered(FLUSH_EVERY as u32 - 1);
            let stop = beside(&registry, Registry::abort);
            tracked.meter().answered(1);
            drop(tracked);
            stop.join().expect("it does not panic");
            let [requests, open, closed, _] = counted(&registry);
            assert!((FLUSH_EVERY - 1..=FLUSH_EVERY).contains(&requests), "{requests}");
            assert_eq!((open, closed), (0, 1));
        });
    }
}
