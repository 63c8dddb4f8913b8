//! Thread pool per request: one thread waits for whoever sends something, and a pool of threads serves what was sent
//! (half-sync/half-async, Schmidt and Cranor 1995; the connectors of Tomcat and Jetty).
//!
//! A worker holds a connection for as long as one read's requests take, jobs and replies included, in the plain code of a
//! blocking server; then the connection waits again and costs no thread. The price is a hand-over to a worker for each, and a
//! system call to have the connection watched again: it is watched for one event at a time (`EPOLLONESHOT`), so that a
//! connection is never with two workers.
//!
//! The queue is that of `drive::pool`, not crossbeam's, whose idle threads spin and yield before they sleep.

use crate::drive::accept::{AcceptError, Backoff};
use crate::drive::blocking::serve_turn;
use crate::drive::buffers::Buffers;
use crate::drive::outbox;
use crate::drive::pool::Pool;
use crate::drive::protocol::Protocol;
use crate::drive::readiness::Source;
use crate::drive::registry::{FORCE_GRACE, Registry, Tracked};
use crate::drive::{Key, lock};
use crate::model::{Concurrency, Meta, PerClient, Role, ServerModel, Serving, Tuning};
use crate::sync::Mutex;
use crate::{Counters, Service, Stop};
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use slotmap::SlotMap;
use std::cell::RefCell;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The server whose threads hold requests.
#[derive(Debug)]
pub(super) struct ThreadPoolPerRequest;

impl ServerModel for ThreadPoolPerRequest {
    fn meta(&self) -> &'static Meta {
        &Meta {
            name: "thread-pool-per-request",
            summary: "one thread waits for all clients, a pool serves what they send; idle clients and blocking handlers",
            concurrency: Concurrency::PerRequest(Tuning::PoolWorkers),
            per_client: PerClient::Nothing,
            threads: |config| 1 + config.pool_workers.max(1),
            tunings: &[Tuning::PoolWorkers],
            role: Role::Extra,
        }
    }

    fn serve(&self, serving: Serving) -> io::Result<()> {
        let workers = Pool::new("worker", serving.config.pool_workers);
        serve_with(workers, serving)
    }
}

/// The workers that serve what clients have sent: a fixed number of them here, a changing one in
/// [`elastic_pool`](super::elastic_pool). One thread hands them tasks and tends them.
pub(super) trait Workers {
    /// Queues tasks, which must not panic.
    fn spawn_all(&self, tasks: impl Iterator<Item = impl FnOnce() + Send + 'static>);

    /// When to tend them, as seen at `now`; `None` while there is nothing to do.
    fn due(&self, now: Instant) -> Option<Instant>;

    /// Starts those that are missing, joins those that have ended.
    ///
    /// # Errors
    /// At the first for which there is no room, and counts that.
    fn tend(&self, counters: &Counters) -> io::Result<()>;

    /// Ends them and joins them, when they have done what is queued.
    fn join(self);
}

impl Workers for Pool {
    fn spawn_all(&self, tasks: impl Iterator<Item = impl FnOnce() + Send + 'static>) {
        Self::spawn_all(self, tasks);
    }

    fn due(&self, now: Instant) -> Option<Instant> {
        self.is_short().then_some(now)
    }

    fn tend(&self, counters: &Counters) -> io::Result<()> {
        self.grow(counters)
    }

    fn join(self) {
        Self::join(self);
    }
}

/// Serves with these workers until asked to stop.
pub(super) fn serve_with(workers: impl Workers, serving: Serving) -> io::Result<()> {
    let Serving { listener, service, config, stop, counters, .. } = serving;
    listener.set_nonblocking(true)?;
    let poll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&poll, &listener, data(Source::Listener), EventFlags::IN)?;
    let dispatcher = Dispatcher {
        listener: Arc::new(listener),
        service,
        registry: Registry::new(counters),
        workers,
        shared: Arc::new(Shared { poll, parked: Mutex::default() }),
        accept_again: None,
        tend_not_before: None,
        backoff: Backoff::new(),
        tending: Backoff::new(),
    };
    dispatcher.run(&stop, config.stop_deadline)
}

fn data(source: Source) -> EventData {
    EventData::new_u64(source.number() as u64)
}

/// A connection between its requests.
struct Connection {
    /// Before the socket, so that a client has left a chat before it counts as closed.
    protocol: Protocol,
    socket: Arc<Tracked<TcpStream>>,
}

/// What the thread that waits and the workers share.
struct Shared {
    poll: OwnedFd,
    /// The connections that are watched; in the place of one that a worker has, nothing.
    parked: Mutex<SlotMap<Key, Option<Connection>>>,
}

/// What a connection is watched for, once.
const INPUT_ONCE: EventFlags = EventFlags::IN.union(EventFlags::ONESHOT);

thread_local! {
    /// The buffers of a worker.
    static BUFFERS: RefCell<Buffers> = RefCell::default();
}

impl Shared {
    /// A worker's turn with a connection that has sent something, or ended.
    fn serve(&self, key: Key) {
        let taken = lock(&self.parked).get_mut(key).and_then(Option::take);
        let Some(mut connection) = taken else { return };
        let socket = Arc::clone(&connection.socket);
        let goes_on =
            BUFFERS.with_borrow_mut(|buffers| serve_turn(&socket, &mut connection.protocol, buffers));
        if goes_on {
            // Parked first: from the next call on it may be another worker's.
            if let Some(place) = lock(&self.parked).get_mut(key) {
                *place = Some(connection);
            }
            let watched =
                epoll::modify(&self.poll, &socket.stream, data(Source::Connection(key)), INPUT_ONCE);
            if watched.is_ok() {
                return;
            }
            socket.meter().ended(true, false);
        }
        lock(&self.parked).remove(key);
    }
}

/// Connections accepted in one turn, before those that have sent something get theirs.
const ACCEPTS_A_TURN: usize = 64;

/// How often it is looked, while the server stops, whether the workers have closed the last connection.
const STOP_CHECK: Duration = Duration::from_millis(5);

/// The thread that waits.
struct Dispatcher<W> {
    listener: Arc<TcpListener>,
    service: Arc<dyn Service>,
    registry: Arc<Registry>,
    workers: W,
    shared: Arc<Shared>,
    /// When to accept again, where it cannot now.
    accept_again: Option<Instant>,
    /// When to try to start workers again, where there was no room for one.
    tend_not_before: Option<Instant>,
    backoff: Backoff,
    /// The pauses after failures to tend the workers.
    tending: Backoff,
}

/// How far a stop has come, and until when it may take.
#[derive(Clone, Copy)]
enum Stopping {
    NotYet,
    Draining(Instant),
    Forced(Instant),
}

impl<W: Workers> Dispatcher<W> {
    fn run(mut self, stop: &Stop, stop_deadline: Duration) -> io::Result<()> {
        let listener = Arc::clone(&self.listener);
        let unblocked = stop.unblock(&*listener)?; // makes an event, too
        let mut stopping = Stopping::NotYet;
        let mut events = Vec::with_capacity(1024);
        while !self.is_over(&mut stopping, stop, stop_deadline) {
            self.catch_up();
            events.clear();
            let limit = self.limit(stopping).and_then(|limit| Timespec::try_from(limit).ok());
            match epoll::wait(&self.shared.poll, spare_capacity(&mut events), limit.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let sources = || events.iter().map(|event| Source::of(event.data.u64() as usize));
            self.hand_over(sources());
            if sources().any(|source| !matches!(source, Source::Connection(_))) {
                self.accept(stop);
            }
        }
        drop(unblocked);
        if self.registry.is_empty() {
            self.workers.join();
        } else {
            self.registry.abort(); // somebody is stuck in a job
        }
        Ok(())
    }

    /// Takes the next step of a stop where it is time; returns whether all is done, or given up.
    fn is_over(&self, stopping: &mut Stopping, stop: &Stop, stop_deadline: Duration) -> bool {
        let now = Instant::now();
        match *stopping {
            Stopping::NotYet if !stop.requested() => return false,
            Stopping::NotYet => {
                let _ = epoll::delete(&self.shared.poll, &self.listener); // or its end would be told for ever
                self.registry.drain(); // each is told to have input: its end
                *stopping = Stopping::Draining(now + stop_deadline);
            }
            Stopping::Draining(deadline) if now >= deadline => {
                self.registry.force_close();
                *stopping = Stopping::Forced(now + FORCE_GRACE);
            }
            Stopping::Forced(deadline) if now >= deadline => return true,
            Stopping::Draining(_) | Stopping::Forced(_) => {}
        }
        self.registry.is_empty()
    }

    /// How long to wait for an event at most.
    fn limit(&self, stopping: Stopping) -> Option<Duration> {
        let checked = (!matches!(stopping, Stopping::NotYet)).then(|| Instant::now() + STOP_CHECK);
        let now = Instant::now();
        let next = [self.accept_again, self.tend_at(now), checked].into_iter().flatten().min()?;
        Some(next.saturating_duration_since(now))
    }

    /// When the workers need tending.
    fn tend_at(&self, now: Instant) -> Option<Instant> {
        let due = self.workers.due(now)?;
        Some(self.tend_not_before.map_or(due, |at| at.max(due)))
    }

    /// Does what was put off: tends the workers, accepts again.
    fn catch_up(&mut self) {
        let now = Instant::now();
        let counters = self.registry.counters();
        if self.tend_at(now).is_some_and(|at| at <= now) {
            let tended = self.workers.tend(counters);
            self.tend_not_before = match tended {
                Ok(()) => {
                    self.tending.reset();
                    None
                }
                Err(_) => Some(now + self.tending.pause(counters)),
            };
        }
        if self.accept_again.is_some_and(|at| at <= now) {
            self.accept_again = None;
            let _ = epoll::modify(&self.shared.poll, &self.listener, data(Source::Listener), EventFlags::IN);
        }
    }

    /// Gives the connections that have sent something to the workers, all in one go.
    fn hand_over(&self, sources: impl Iterator<Item = Source>) {
        let mut tasks = sources
            .filter_map(|source| match source {
                Source::Connection(key) => Some(key),
                _ => None,
            })
            .map(|key| {
                let shared = Arc::clone(&self.shared);
                move || shared.serve(key)
            })
            .peekable();
        if tasks.peek().is_some() {
            self.workers.spawn_all(tasks);
        }
    }

    fn accept(&mut self, stop: &Stop) {
        for _ in 0..ACCEPTS_A_TURN {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    self.backoff.reset();
                    self.open(stream);
                }
                Err(_) if stop.requested() => return,
                Err(error) => match AcceptError::of(&error) {
                    AcceptError::OfOneClient => {}
                    AcceptError::NobodyWaits | AcceptError::ShutDown => return,
                    AcceptError::Exhausted => {
                        let counters = self.registry.counters();
                        counters.accept_failed(&error);
                        self.accept_again = Some(Instant::now() + self.backoff.pause(counters));
                        let (poll, none) = (&self.shared.poll, EventFlags::empty());
                        let _ = epoll::modify(poll, &self.listener, data(Source::Listener), none);
                        return;
                    }
                },
            }
        }
    }

    fn open(&self, stream: TcpStream) {
        let socket = self.registry.track(stream);
        let service = &self.service;
        // A service that panics here takes the socket along, and its guard counts that.
        let opened = catch_unwind(AssertUnwindSafe(move || {
            let session = outbox::open(&**service, &socket.stream, socket.meter())?;
            io::Result::Ok(Connection { socket: Arc::new(socket), protocol: Protocol::new(session) })
        }));
        let connection = match opened {
            Ok(Ok(connection)) => connection,
            Ok(Err(_)) => return Counters::count(&self.registry.counters().connection_errors),
            Err(_) => return,
        };
        let socket = Arc::clone(&connection.socket);
        let key = lock(&self.shared.parked).insert(Some(connection));
        if epoll::add(&self.shared.poll, &socket.stream, data(Source::Connection(key)), INPUT_ONCE).is_err() {
            // No memory to watch one more: the connection is closed with its socket.
            Counters::count(&self.registry.counters().connection_errors);
            lock(&self.shared.parked).remove(key);
        }
    }
}
