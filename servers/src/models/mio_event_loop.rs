//! mio event loop: one thread, edge-triggered readiness, every connection a state machine (the reactor; SPED).
//!
//! Two variants. One hands blocking and computing jobs to bounded pools and keeps a heap of timers for waits; the other
//! runs every job inline on the loop, waits included: the naive way, here because showing why it hurts is part of the
//! answer. The loop is here whole; what a connection does in its turn is in `drive::nonblocking`. `poll-reactor` is the
//! same loop with another source of readiness.
//!
//! The first variant is one thread, the caller's, from the start to the end: nothing keeps it from its timers, and so
//! it keeps the deadline of a stop itself. The second may be stuck in a job when that deadline passes, and then somebody
//! else must return: it serves on a thread of its own, under `drive::supervise`.

use super::datagrams;
use crate::drive::Key;
use crate::drive::accept::{AcceptError, Backoff};
use crate::drive::buffers::Buffers;
use crate::drive::nonblocking::{Connection, Step, Turns};
use crate::drive::offload::{Offload, Pools};
use crate::drive::outbox;
use crate::drive::pool::run_caught;
use crate::drive::readiness::{Readiness, Ready, Source, Wake};
use crate::drive::registry::{FORCE_GRACE, Registry};
use crate::drive::supervise::supervise;
use crate::drive::timers::{Due, Timers};
use crate::model::{Concurrency, Meta, PerClient, Role, ServerModel, Serving, Tuning};
use crate::{Counters, Datagrams, JobOutput, Service, Stop, sys};
use mio::net::{TcpListener, TcpStream};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use slotmap::SlotMap;
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Hands jobs to pools.
#[derive(Debug)]
pub(super) struct MioEventLoop;

impl ServerModel for MioEventLoop {
    fn meta(&self) -> &'static Meta {
        &Meta {
            name: "mio-event-loop",
            summary: "one event loop, jobs in bounded pools; many idle clients, tiny requests, one core",
            concurrency: Concurrency::Unbounded,
            per_client: PerClient::Nothing,
            threads: |_| 1,
            tunings: &[Tuning::BlockingWorkers, Tuning::ComputeWorkers],
            role: Role::Standard,
        }
    }

    fn datagrams(&self) -> Option<&'static Datagrams> {
        Some(&datagrams::EVENT_LOOP)
    }

    fn serve(&self, serving: Serving) -> io::Result<()> {
        EventLoop::<Epoll, Connection>::offloading(serving)
    }
}

/// Runs jobs on the loop.
#[derive(Debug)]
pub(super) struct MioEventLoopInline;

impl ServerModel for MioEventLoopInline {
    fn meta(&self) -> &'static Meta {
        &Meta {
            name: "mio-event-loop-inline",
            summary: "one event loop that runs every job inline; shows how one long job delays everyone",
            concurrency: Concurrency::Unbounded,
            per_client: PerClient::Nothing,
            threads: |_| 2, // one that can be left behind in a job
            tunings: &[],
            role: Role::Extra,
        }
    }

    fn serve(&self, Serving { listener, service, config, stop, counters, .. }: Serving) -> io::Result<()> {
        let registry = Registry::new(counters);
        let pools = Pools::new(&config, counters);
        let inline =
            EventLoop::<Epoll, Connection>::new(listener, service, pools, Arc::clone(&registry), true)?;
        supervise(self.name(), &stop, &config, &registry, |stop| inline.run(stop, None))
    }
}

/// epoll(7) by mio, edge-triggered: each descriptor is registered once and every change is reported once. Where the listener is
/// `SHARED` with other loops, a client that connects does not wake them all (`EPOLLEXCLUSIVE`, which mio leaves out).
pub(super) struct Epoll<const SHARED: bool = false> {
    poll: Poll,
    events: Events,
}

impl<const SHARED: bool> Readiness for Epoll<SHARED> {
    const LEVEL: bool = false;

    fn new(listener: &mut TcpListener, timers: &Timers) -> io::Result<(Self, Wake)> {
        let poll = Poll::new()?;
        let number = Source::Listener.number();
        if SHARED {
            sys::watch_exclusively(poll.as_raw_fd(), listener.as_raw_fd(), number)?;
        } else {
            poll.registry().register(listener, Token(number), Interest::READABLE)?;
        }
        let timer = timers.as_fd().as_raw_fd();
        let token = Token(Source::Timer.number());
        poll.registry().register(&mut SourceFd(&timer), token, Interest::READABLE)?;
        let waker = Waker::new(poll.registry(), Token(Source::Waker.number()))?;
        let wake: Wake = Box::new(move || {
            let _ = waker.wake(); // fails only for a full eventfd, which is readable anyway
        });
        Ok((Self { poll, events: Events::with_capacity(1024) }, wake))
    }

    fn register(&mut self, stream: &mut TcpStream, key: Key) -> io::Result<()> {
        // Both interests once and for all: edge-triggered, they cost nothing until something changes.
        let token = Token(Source::Connection(key).number());
        self.poll.registry().register(stream, token, Interest::READABLE | Interest::WRITABLE)
    }

    fn wait(&mut self, at_once: bool, ready: &mut Vec<Ready>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, at_once.then_some(Duration::ZERO)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error),
        }
        ready.extend(self.events.iter().map(|event| Ready {
            source: Source::of(event.token().0),
            readable: event.is_readable(),
            writable: event.is_writable(),
            read_closed: event.is_read_closed(),
            failed: event.is_error(),
        }));
        Ok(())
    }
}

/// Connections accepted in one turn, before those that are open get theirs.
const ACCEPTS_A_TURN: usize = 64;

/// The loop's state: over a source of readiness, with a kind of connection.
pub(super) struct EventLoop<R, C = Connection> {
    readiness: R,
    listener: Arc<TcpListener>,
    /// Whether the listener waits for its next turn, in the queue or for a timer: until then its events say nothing new.
    accepts_later: bool,
    service: Arc<dyn Service>,
    registry: Arc<Registry>,
    connections: SlotMap<Key, C>,
    buffers: Buffers,
    /// Sources whose turn ended with work left; they go on after the others had theirs.
    unfinished: VecDeque<Source>,
    timers: Timers,
    offload: Offload,
    inline: bool,
    backoff: Backoff,
}

impl<R: Readiness, C: Turns> EventLoop<R, C> {
    /// Serves with jobs in pools.
    pub(super) fn offloading(serving: Serving) -> io::Result<()> {
        let Serving { listener, service, config, stop, counters, .. } = serving;
        let pools = Pools::new(&config, counters);
        let event_loop = Self::new(listener, service, pools, Registry::new(counters), false)?;
        event_loop.run(&stop, Some(config.stop_deadline))
    }

    pub(super) fn new(
        listener: std::net::TcpListener,
        service: Arc<dyn Service>,
        pools: Arc<Pools>,
        registry: Arc<Registry>,
        inline: bool,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let mut listener = TcpListener::from_std(listener);
        let timers = Timers::new()?;
        let (readiness, wake) = R::new(&mut listener, &timers)?;
        Ok(Self {
            readiness,
            listener: Arc::new(listener),
            accepts_later: false,
            service,
            offload: Offload::new(pools, wake),
            registry,
            connections: SlotMap::new(),
            buffers: Buffers::new(),
            unfinished: VecDeque::new(),
            timers,
            inline,
            backoff: Backoff::new(),
        })
    }

    /// Serves until the stop is requested and the connections are done: answered, or closed by force `stop_deadline`
    /// later. With no deadline given, it is kept by a supervisor.
    pub(super) fn run(mut self, stop: &Stop, mut stop_deadline: Option<Duration>) -> io::Result<()> {
        let listener = Arc::clone(&self.listener);
        let _unblocked = stop.unblock(&*listener)?; // makes an event, too, which wakes the loop
        let mut ready = Vec::new();
        loop {
            outbox::send_pending();
            if stop.requested() {
                if let Some(limit) = stop_deadline.take() {
                    self.registry.drain();
                    self.timers.add(Instant::now() + limit, Due::ForceClose);
                }
                if self.connections.is_empty() {
                    self.offload.end();
                    return Ok(());
                }
            }
            self.timers.arm()?;
            ready.clear();
            self.readiness.wait(!self.unfinished.is_empty(), &mut ready)?;
            // Those left from the turns before come first, but only as many as there were: what they leave again
            // comes after the new events.
            for _ in 0..self.unfinished.len() {
                match self.unfinished.pop_front() {
                    Some(Source::Listener) => self.accept(stop),
                    Some(Source::Connection(key)) => self.turn(key, None),
                    _ => {}
                }
            }
            for event in &ready {
                match event.source {
                    Source::Listener if self.accepts_later => {}
                    Source::Listener => self.accept(stop),
                    Source::Waker => self.take_finished(),
                    Source::Timer => self.take_due(stop),
                    Source::Connection(key) => self.turn(key, Some(event)),
                }
            }
        }
    }

    /// Accepts who waits, a turn's worth. Out of descriptors it tries again after a pause: with edge-triggered readiness
    /// there may be no other event to report that clients are still waiting.
    fn accept(&mut self, stop: &Stop) {
        self.accepts_later = false;
        let mut accepted = 0;
        while !self.accepts_later && !stop.requested() {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    self.backoff.reset();
                    self.open(stream);
                    accepted += 1;
                    if accepted == ACCEPTS_A_TURN {
                        self.unfinished.push_back(Source::Listener);
                        self.accepts_later = true;
                    }
                }
                Err(_) if stop.requested() => {}
                Err(error) => match AcceptError::of(&error) {
                    AcceptError::NobodyWaits | AcceptError::ShutDown => break,
                    AcceptError::OfOneClient => {}
                    AcceptError::Exhausted => {
                        let counters = self.registry.counters();
                        counters.accept_failed(&error);
                        self.timers.add(Instant::now() + self.backoff.pause(counters), Due::Accept);
                        self.accepts_later = true;
                    }
                },
            }
        }
        self.readiness.set_accepting(!self.accepts_later && !stop.requested());
    }

    fn open(&mut self, stream: TcpStream) {
        let mut socket = self.registry.track(stream);
        let Self { service, readiness, connections, .. } = self;
        let open = AssertUnwindSafe(|| {
            connections.try_insert_with_key(|key| {
                // First, since it may panic: a list of descriptors would go on reporting one that is closed.
                let session = outbox::open(&**service, &socket.stream, socket.meter())?;
                readiness.register(&mut socket.stream, key)?;
                C::new(socket, session)
            })
        });
        // A service that panics here takes the socket along, and its guard counts that.
        if let Ok(Err(_)) = catch_unwind(open) {
            // No memory for one more: the connection is closed with its socket.
            Counters::count(&self.registry.counters().connection_errors);
        }
    }

    /// Notes what an event says, if there is one, and lets a connection do what it can without waiting, up to its
    /// share.
    fn turn(&mut self, key: Key, event: Option<&Ready>) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        match event {
            Some(event) => {
                connection.on_ready(event);
                if *connection.queued() {
                    return; // it had its share; its next turn will come
                }
            }
            None => *connection.queued() = false,
        }
        let step = caught(connection, &mut self.buffers, C::turn);
        self.follow(key, step);
    }

    /// Does what a turn ended with.
    #[inline]
    fn follow(&mut self, key: Key, mut step: Step) {
        loop {
            step = match step {
                Step::Wait => break, // nearly always
                Step::Yield => break self.queue_turn(key),
                Step::Close => return self.close(key),
                Step::Run(job) if self.inline => self.on_result(key, run_caught(job)),
                Step::Run(job) => break self.offload.start(key, job, &mut self.timers),
            };
        }
        if R::LEVEL
            && let Some(connection) = self.connections.get(key)
        {
            self.readiness.set_interest(key, connection.interest());
        }
    }

    /// Puts a connection at the end of the queue, once.
    fn queue_turn(&mut self, key: Key) {
        if let Some(connection) = self.connections.get_mut(key)
            && !std::mem::replace(connection.queued(), true)
        {
            self.unfinished.push_back(Source::Connection(key));
        }
    }

    fn close(&mut self, key: Key) {
        self.readiness.deregister(key);
        self.connections.remove(key);
    }

    /// Brings a job's result to its connection, if that still exists, and gives it a turn; `None` is a job that
    /// panicked.
    fn on_result(&mut self, key: Key, result: Option<JobOutput>) -> Step {
        let Some(connection) = self.connections.get_mut(key) else { return Step::Wait };
        match result {
            Some(result) => caught(connection, &mut self.buffers, |connection, buffers| {
                connection.on_result(result, buffers)
            }),
            None => {
                connection.crashed();
                Step::Close
            }
        }
    }

    fn complete(&mut self, key: Key, result: Option<JobOutput>) {
        let step = self.on_result(key, result);
        self.follow(key, step);
    }

    fn take_finished(&mut self) {
        for done in self.offload.take_finished() {
            self.complete(done.key, done.result);
        }
    }

    fn take_due(&mut self, stop: &Stop) {
        let now = Instant::now();
        while let Some(due) = self.timers.pop_due(now) {
            match due {
                Due::Accept => self.accept(stop),
                Due::Waited(key) => self.complete(key, Some(JobOutput::NOTHING)),
                Due::Grow => self.offload.grow(&mut self.timers),
                Due::ForceClose => {
                    self.registry.force_close(); // whoever waits for its socket is reported ready and closes
                    self.timers.add(Instant::now() + FORCE_GRACE, Due::Abort);
                }
                Due::Abort => {
                    self.registry.abort();
                    self.connections.clear(); // what a pool has still to do for them reaches nobody
                }
            }
        }
    }
}

/// Lets a connection act. A session that panics ends its own connection only, and is counted; as long as none does,
/// this costs a few instructions.
#[inline]
fn caught<C: Turns>(
    connection: &mut C,
    buffers: &mut Buffers,
    act: impl FnOnce(&mut C, &mut Buffers) -> Step,
) -> Step {
    catch_unwind(AssertUnwindSafe(|| act(connection, buffers))).unwrap_or_else(|_| {
        connection.crashed();
        *buffers = Buffers::new(); // half a reply may be in there
        Step::Close
    })
}
