//! mio event loop: one thread, edge-triggered readiness, every connection a state machine (the reactor; SPED).
//!
//! Two variants. One hands blocking and computing jobs to bounded pools and keeps a heap of timers for waits; the other
//! runs every job inline on the loop, waits included: the naive way, here because showing why it hurts is part of the
//! answer.
//!
//! The first is one thread, the caller's, from the start to the end: nothing keeps it from its timers, and so it keeps
//! the deadline of a stop itself. The second may be stuck in a job when that deadline passes, and then somebody else
//! must return: it serves on a thread of its own, under `drive::supervise`.

use crate::drive::accept::{AcceptFailure, Backoff};
use crate::drive::buffers::Buffers;
use crate::drive::live::{CUT_GRACE, Held, Live};
use crate::drive::slots::{RESERVED_KEYS, Slots};
use crate::drive::supervise::supervise;
use crate::drive::timers::Timers;
use crate::drive::work::{Pools, run_caught};
use crate::{Counters, Demand, Job, JobOutput, ServerConfig, ServerModel, Service, Stop};
use connection::{Connection, Step};
use mio::event::Event;
use mio::net::TcpListener;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

mod connection;

/// Offloads jobs.
pub(super) static OFFLOADING: MioEventLoop = MioEventLoop { inline: false };

/// Runs jobs on the loop.
pub(super) static INLINE: MioEventLoop = MioEventLoop { inline: true };

const LISTENER: usize = RESERVED_KEYS;
const WAKER: usize = RESERVED_KEYS + 1;
const TIMER: usize = RESERVED_KEYS + 2;
/// A timer's key: the time to answer after a stop is over.
const DEADLINE: usize = RESERVED_KEYS + 3;
/// A timer's key: the time to come back after being cut is over.
const ABANDON: usize = RESERVED_KEYS + 4;
/// A timer's key: a pool that was refused a thread may try again.
const RETRY: usize = RESERVED_KEYS + 5;

/// Events taken from one epoll_wait(2).
const EVENTS: usize = 1024;

/// Connections accepted in one turn, before those that are open get theirs.
const ACCEPTS_A_TURN: usize = 64;

/// The event loop server, in either variant.
#[derive(Debug)]
pub(super) struct MioEventLoop {
    inline: bool,
}

impl ServerModel for MioEventLoop {
    fn name(&self) -> &'static str {
        if self.inline { "mio-event-loop-inline" } else { "mio-event-loop" }
    }

    fn summary(&self) -> &'static str {
        if self.inline {
            "one event loop that runs every job inline; shows how one long job delays everyone"
        } else {
            "one event loop, jobs in bounded pools; many idle clients, tiny requests, one core"
        }
    }

    fn serve(
        &self,
        listener: std::net::TcpListener,
        service: Arc<dyn Service>,
        config: &ServerConfig,
        stop: &Stop,
        counters: &'static Counters,
    ) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let live = Live::new(counters);
        let reactor = Reactor::new(listener, service, config, Arc::clone(&live), self.inline)?;
        if self.inline {
            return supervise(self.name(), stop, config, &live, |stop| reactor.run(stop, None));
        }
        reactor.run(stop, Some(config.stop_deadline))
    }
}

/// Lets a connection act. A session that panics ends its own connection only, and is counted; as long as none does,
/// this costs a few instructions.
#[inline]
fn caught(
    connection: &mut Connection,
    buffers: &mut Buffers,
    act: impl FnOnce(&mut Connection, &mut Buffers) -> Step,
) -> Step {
    catch_unwind(AssertUnwindSafe(|| act(connection, buffers))).unwrap_or_else(|_| {
        connection.crashed();
        *buffers = Buffers::new(); // half a reply may be in there
        Step::Close
    })
}

/// When the loop accepts next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Accepting {
    /// When the listener is reported ready.
    OnEvent,
    /// In a later turn or when the pause is over, whatever is reported until then.
    Later,
}

/// The loop's state.
struct Reactor {
    poll: Poll,
    listener: Arc<TcpListener>,
    accepting: Accepting,
    service: Arc<dyn Service>,
    live: Arc<Live>,
    connections: Slots<Connection>,
    buffers: Buffers,
    /// Keys whose turn was cut short with work left; they go on after the others had theirs.
    unfinished: VecDeque<usize>,
    timers: Timers,
    pools: Pools,
    /// Whether a wake-up is on its way already, so that many completions cost one.
    woken: Arc<AtomicBool>,
    backoff: Backoff,
    inline: bool,
}

impl Reactor {
    fn new(
        listener: std::net::TcpListener,
        service: Arc<dyn Service>,
        config: &ServerConfig,
        live: Arc<Live>,
        inline: bool,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::from_std(listener);
        poll.registry().register(&mut listener, Token(LISTENER), Interest::READABLE)?;
        let timers = Timers::new()?;
        let timer = timers.as_fd().as_raw_fd();
        poll.registry().register(&mut SourceFd(&timer), Token(TIMER), Interest::READABLE)?;
        let waker = Waker::new(poll.registry(), Token(WAKER))?;
        let woken = Arc::new(AtomicBool::new(false));
        let wake_pending = Arc::clone(&woken);
        let pools = Pools::new(config, live.counters(), move || {
            if !wake_pending.swap(true, Ordering::AcqRel) {
                let _ = waker.wake(); // fails only for a full eventfd, which is readable anyway
            }
        });
        Ok(Self {
            poll,
            listener: Arc::new(listener),
            accepting: Accepting::OnEvent,
            service,
            live,
            connections: Slots::new(),
            buffers: Buffers::new(),
            unfinished: VecDeque::new(),
            timers,
            pools,
            woken,
            backoff: Backoff::new(),
            inline,
        })
    }

    /// Serves until the stop is requested and the connections are done: answered, or cut `stop_deadline` later. With
    /// no deadline given, it is kept by a supervisor.
    fn run(mut self, stop: &Stop, mut stop_deadline: Option<Duration>) -> io::Result<()> {
        let listener = Arc::clone(&self.listener);
        let _hang_up = stop.hang_up(&*listener)?; // makes an event, too, which wakes the loop
        let mut events = Events::with_capacity(EVENTS);
        loop {
            if stop.requested() {
                if let Some(limit) = stop_deadline.take() {
                    self.live.hang_up();
                    self.timers.add(Instant::now() + limit, DEADLINE);
                }
                if self.connections.is_empty() {
                    self.pools.end();
                    return Ok(());
                }
            }
            self.timers.arm()?;
            let limit = (!self.unfinished.is_empty()).then_some(Duration::ZERO);
            match self.poll.poll(&mut events, limit) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            // Those left from the turns before come first, but only as many as there were: what they leave again
            // comes after the new events.
            for _ in 0..self.unfinished.len() {
                match self.unfinished.pop_front() {
                    Some(LISTENER) => self.accept(stop),
                    Some(key) => self.turn(key, None),
                    None => {}
                }
            }
            for event in &events {
                match event.token() {
                    Token(LISTENER) if self.accepting == Accepting::OnEvent => self.accept(stop),
                    Token(LISTENER) => {} // its turn will come
                    Token(WAKER) => self.take_finished(),
                    Token(TIMER) => self.take_due(stop),
                    Token(key) => self.turn(key, Some(event)),
                }
            }
        }
    }

    /// Accepts what waits, a turn's worth. Out of descriptors it tries again after a pause: with edge-triggered
    /// readiness there may be no other event to say that clients are still waiting.
    fn accept(&mut self, stop: &Stop) {
        self.accepting = Accepting::OnEvent;
        for _ in 0..ACCEPTS_A_TURN {
            if stop.requested() {
                return;
            }
            match self.listener.accept() {
                Ok((stream, _)) => {
                    self.backoff.reset();
                    self.open(stream);
                }
                Err(_) if stop.requested() => return, // EINVAL: the listener was shut down
                Err(error) => match AcceptFailure::of(&error) {
                    AcceptFailure::Empty => return,
                    AcceptFailure::Next => {}
                    AcceptFailure::BackOff => {
                        let counters = self.live.counters();
                        Counters::count(&counters.accept_errors);
                        self.timers.add(Instant::now() + self.backoff.pause(counters), LISTENER);
                        self.accepting = Accepting::Later;
                        return;
                    }
                },
            }
        }
        self.unfinished.push_back(LISTENER);
        self.accepting = Accepting::Later;
    }

    fn open(&mut self, stream: mio::net::TcpStream) {
        let mut held = Held::new(stream, &self.live);
        let (service, registry) = (&self.service, self.poll.registry());
        let connections = &mut self.connections;
        let open = AssertUnwindSafe(|| {
            connections.insert_with(|key| {
                // Both interests once and for all: edge-triggered, they cost nothing until something changes.
                registry.register(&mut held.stream, Token(key), Interest::READABLE | Interest::WRITABLE)?;
                io::Result::Ok(Connection::new(held, service.open()))
            })
        });
        // A service that panics here takes its `Held` along, and that counts it.
        if let Ok(Err(_)) = catch_unwind(open) {
            // No memory for one more in the poll set: the connection is closed with its `Held`.
            Counters::count(&self.live.counters().connection_errors);
        }
    }

    /// Notes what an event says, if there is one, and lets a connection do what it can without waiting, up to its
    /// share.
    fn turn(&mut self, key: usize, event: Option<&Event>) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        match event {
            Some(event) => {
                connection.note(event);
                if connection.queued {
                    return; // it had its share; its next turn will come
                }
            }
            None => connection.queued = false,
        }
        match caught(connection, &mut self.buffers, Connection::turn) {
            Step::Idle => {} // nearly always
            step => self.follow(key, step),
        }
    }

    /// Does what a turn ended with.
    fn follow(&mut self, key: usize, mut step: Step) {
        loop {
            let result = match step {
                Step::Idle => return,
                Step::Unfinished => return self.queue(key),
                Step::Close => return drop(self.connections.remove(key)),
                Step::Run(job) if self.inline => run_caught(job),
                Step::Run(job) => return self.offload(key, job),
            };
            match self.complete(key, result) {
                Some(next) => step = next,
                None => return,
            }
        }
    }

    /// Puts a connection at the end of the line, once.
    fn queue(&mut self, key: usize) {
        if let Some(connection) = self.connections.get_mut(key)
            && !std::mem::replace(&mut connection.queued, true)
        {
            self.unfinished.push_back(key);
        }
    }

    fn offload(&mut self, key: usize, job: Job) {
        if let Demand::Wait(delay) = job.demand() {
            return self.timers.add(Instant::now() + delay, key);
        }
        self.pools.submit(key, job);
        self.arrange_retry();
    }

    fn arrange_retry(&mut self) {
        if let Some(time) = self.pools.retry_at() {
            self.timers.add(time, RETRY);
        }
    }

    /// Brings a job's result to its connection, if that still exists, and gives it a turn.
    fn complete(&mut self, key: usize, result: Option<JobOutput>) -> Option<Step> {
        let connection = self.connections.get_mut(key)?;
        match result {
            Some(result) => {
                let complete =
                    |connection: &mut Connection, buffers: &mut Buffers| connection.complete(result, buffers);
                Some(caught(connection, &mut self.buffers, complete))
            }
            None => {
                connection.crashed();
                Some(Step::Close)
            }
        }
    }

    fn take_finished(&mut self) {
        // Before looking: what is finished after this look wakes again.
        self.woken.store(false, Ordering::Release);
        while let Some(done) = self.pools.next_done() {
            if let Some(step) = self.complete(done.key, done.result) {
                self.follow(done.key, step);
            }
        }
        self.arrange_retry();
    }

    fn take_due(&mut self, stop: &Stop) {
        let now = Instant::now();
        while let Some(key) = self.timers.pop_due(now) {
            match key {
                LISTENER => self.accept(stop),
                DEADLINE => {
                    self.live.cut(); // whoever waits for its socket is reported ready and closes
                    self.timers.add(Instant::now() + CUT_GRACE, ABANDON);
                }
                ABANDON => {
                    self.live.abandon();
                    self.connections = Slots::new(); // what a pool has still to do for them reaches nobody
                }
                RETRY => {
                    self.pools.retry();
                    self.arrange_retry();
                }
                key => {
                    if let Some(step) = self.complete(key, Some(JobOutput::NOTHING)) {
                        self.follow(key, step);
                    }
                }
            }
        }
    }
}
