//! The reactor: one thread, one loop, every connection a state machine. What `mio-event-loop` and `poll-reactor` share;
//! they differ in the source of readiness alone.
//!
//! It never waits but for readiness, and unless it is told to run jobs inline, it runs none.

use crate::drive::accept::{AcceptFailure, Backoff};
use crate::drive::buffers::Buffers;
use crate::drive::live::{CUT_GRACE, Held, Live};
use crate::drive::slots::{RESERVED_KEYS, Slots};
use crate::drive::timers::Timers;
use crate::drive::work::{Pools, run_caught};
use crate::{Counters, Demand, Job, JobOutput, ServerConfig, Service, Stop};
use connection::{Connection, Step};
use mio::net::TcpListener;
pub(super) use poll_set::PollSet;
pub(super) use readiness::Edges;
use readiness::{Readiness, Ready};
use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

mod connection;
mod poll_set;
mod readiness;

const LISTENER: usize = RESERVED_KEYS;
const WAKER: usize = RESERVED_KEYS + 1;
const TIMER: usize = RESERVED_KEYS + 2;
/// A timer's key: the time to answer after a stop is over.
const DEADLINE: usize = RESERVED_KEYS + 3;
/// A timer's key: the time to come back after being cut is over.
const ABANDON: usize = RESERVED_KEYS + 4;
/// A timer's key: a pool that was refused a thread may try again.
const RETRY: usize = RESERVED_KEYS + 5;

/// Connections accepted in one turn, before those that are open get theirs.
const ACCEPTS_A_TURN: usize = 64;

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
pub(super) struct Reactor<R> {
    readiness: R,
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

impl<R: Readiness> Reactor<R> {
    /// A reactor that serves `service` at `listener`; `inline` runs jobs on the loop.
    pub(super) fn new(
        listener: std::net::TcpListener,
        service: Arc<dyn Service>,
        config: &ServerConfig,
        live: Arc<Live>,
        inline: bool,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let mut listener = TcpListener::from_std(listener);
        let timers = Timers::new()?;
        let (readiness, wake) = R::new(&mut listener, &timers)?;
        let woken = Arc::new(AtomicBool::new(false));
        let wake_pending = Arc::clone(&woken);
        let pools = Pools::new(config, live.counters(), move || {
            if !wake_pending.swap(true, Ordering::AcqRel) {
                wake();
            }
        });
        Ok(Self {
            readiness,
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
    pub(super) fn run(mut self, stop: &Stop, mut stop_deadline: Option<Duration>) -> io::Result<()> {
        let listener = Arc::clone(&self.listener);
        let _hang_up = stop.hang_up(&*listener)?; // makes an event, too, which wakes the loop
        let mut ready = Vec::new();
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
            ready.clear();
            self.readiness.wait(!self.unfinished.is_empty(), &mut ready)?;
            // Those left from the turns before come first, but only as many as there were: what they leave again
            // comes after the new events.
            for _ in 0..self.unfinished.len() {
                match self.unfinished.pop_front() {
                    Some(LISTENER) => self.accept(stop),
                    Some(key) => self.turn(key, None),
                    None => {}
                }
            }
            for one in &ready {
                match one.key {
                    LISTENER if self.accepting == Accepting::OnEvent => self.accept(stop),
                    LISTENER => {} // its turn will come
                    WAKER => self.take_finished(),
                    TIMER => self.take_due(stop),
                    key => self.turn(key, Some(one)),
                }
            }
        }
    }

    fn accept(&mut self, stop: &Stop) {
        self.accept_some(stop);
        if R::LEVEL {
            self.readiness.accepting(self.accepting == Accepting::OnEvent && !stop.requested());
        }
    }

    /// Accepts what waits, a turn's worth. Out of descriptors it tries again after a pause: with edge-triggered
    /// readiness there may be no other event to say that clients are still waiting.
    fn accept_some(&mut self, stop: &Stop) {
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
                        counters.accept_failed(&error);
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
        let (service, readiness) = (&self.service, &mut self.readiness);
        let connections = &mut self.connections;
        let open = AssertUnwindSafe(|| {
            connections.insert_with(|key| {
                // First, since it may panic: a list of descriptors would go on telling of one that is closed.
                let session = service.open();
                readiness.watch(&mut held.stream, key)?;
                io::Result::Ok(Connection::new(held, session))
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
    fn turn(&mut self, key: usize, event: Option<&Ready>) {
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
        let step = caught(connection, &mut self.buffers, Connection::turn);
        if R::LEVEL {
            self.readiness.expect(key, connection.wants());
        }
        match step {
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
                Step::Close => return self.close(key),
                Step::Run(job) if self.inline => run_caught(job),
                Step::Run(job) => return self.offload(key, job),
            };
            match self.complete(key, result) {
                Some(next) => step = next,
                None => return,
            }
        }
    }

    fn close(&mut self, key: usize) {
        if R::LEVEL {
            self.readiness.forget(key);
        }
        drop(self.connections.remove(key));
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
                let step = caught(connection, &mut self.buffers, complete);
                if R::LEVEL {
                    self.readiness.expect(key, connection.wants());
                }
                Some(step)
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
