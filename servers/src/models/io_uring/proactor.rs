//! The loop of the proactor: what each completion sets going, and how it ends.
//!
//! It never waits but for completions, and runs no job.

use super::connection::{Connection, Receiving, Step};
use crate::drive::accept::{AcceptFailure, Backoff};
use crate::drive::buffers::{RETAINED_SHARED, clear};
use crate::drive::live::{CUT_GRACE, Held, Live};
use crate::drive::slots::{RESERVED_KEYS, Slots};
use crate::drive::timers::Timers;
use crate::drive::work::Pools;
use crate::sys::uring::{Descriptor, Event, Filled, Ring};
use crate::{Demand, Job, JobOutput, ServerConfig, Service, Stop};
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const WAKER: usize = RESERVED_KEYS;
const TIMER: usize = RESERVED_KEYS + 1;
/// A timer's key: accepting may begin again after a pause.
const LISTENER: usize = RESERVED_KEYS + 2;
/// A timer's key: the time to answer after a stop is over.
const DEADLINE: usize = RESERVED_KEYS + 3;
/// A timer's key: the time to come back after being cut is over.
const ABANDON: usize = RESERVED_KEYS + 4;
/// A timer's key: a pool that was refused a thread may try again.
const RETRY: usize = RESERVED_KEYS + 5;

/// Buffers for replies, used again and again: together never more than [`RETAINED_SHARED`].
#[derive(Default)]
struct Spares {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

impl Spares {
    fn take(&mut self) -> Vec<u8> {
        let buffer = self.buffers.pop().unwrap_or_default();
        self.bytes -= buffer.capacity();
        buffer
    }

    fn keep(&mut self, mut buffer: Vec<u8>) {
        clear(&mut buffer, RETAINED_SHARED - self.bytes);
        if buffer.capacity() > 0 {
            self.bytes += buffer.capacity();
            self.buffers.push(buffer);
        }
    }
}

/// The loop's state.
pub(super) struct Proactor {
    ring: Ring,
    listener: Descriptor,
    service: Arc<dyn Service>,
    live: Arc<Live>,
    connections: Slots<Connection>,
    /// Where replies are made, empty between uses.
    output: Vec<u8>,
    spares: Spares,
    /// Keys of connections with input that waits for their turn, after the completions that came with it.
    unfinished: VecDeque<usize>,
    timers: Timers,
    timer: Descriptor,
    pools: Pools,
    waker: Descriptor,
    /// Whether a wake-up is on its way already, so that many finished jobs cost one.
    woken: Arc<AtomicBool>,
    backoff: Backoff,
}

impl Proactor {
    /// A proactor that serves `service` at `listener` by `ring`.
    pub(super) fn new(
        ring: Ring,
        listener: std::net::TcpListener,
        service: Arc<dyn Service>,
        config: &ServerConfig,
        live: Arc<Live>,
    ) -> io::Result<Self> {
        listener.set_nonblocking(false)?; // a non-blocking one would answer "nothing there" instead of waiting
        let timers = Timers::new()?;
        let timer = Arc::new(timers.as_fd().try_clone_to_owned()?);
        let waker = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let woken = Arc::new(AtomicBool::new(false));
        let (wake_pending, wakes) = (Arc::clone(&woken), Arc::clone(&waker));
        let pools = Pools::new(config, live.counters(), move || {
            if !wake_pending.swap(true, Ordering::AcqRel) {
                let _ = rustix::io::write(&*wakes, &1_u64.to_ne_bytes()); // fails only after 2^64 of them
            }
        });
        Ok(Self {
            ring,
            listener: Arc::new(OwnedFd::from(listener)),
            service,
            live,
            connections: Slots::new(),
            output: Vec::new(),
            spares: Spares::default(),
            unfinished: VecDeque::new(),
            timers,
            timer,
            pools,
            waker,
            woken,
            backoff: Backoff::new(),
        })
    }

    /// Serves until the stop is requested and the connections are done: answered, or cut `stop_deadline` later.
    pub(super) fn run(mut self, stop: &Stop, stop_deadline: Duration) -> io::Result<()> {
        let listener = Arc::clone(&self.listener);
        let _hang_up = stop.hang_up(&*listener)?; // ends the accept, which wakes the loop
        self.ring.accept(&self.listener);
        self.ring.watch(&self.waker, WAKER);
        self.ring.watch(&self.timer, TIMER);
        let mut stop_deadline = Some(stop_deadline);
        let mut events = Vec::new();
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
            self.ring.wait(!self.unfinished.is_empty(), &mut events)?;
            for event in events.drain(..) {
                self.take(event, stop);
            }
            // Once for each: what comes of a turn completes later.
            for _ in 0..self.unfinished.len() {
                if let Some(key) = self.unfinished.pop_front() {
                    self.turn(key);
                }
            }
        }
    }

    fn take(&mut self, event: Event, stop: &Stop) {
        match event {
            Event::Accepted { socket, more } => self.accepted(socket, more, stop),
            Event::Received { key, input, more } => self.received(key, input, more),
            Event::Sent { key, count, bytes } => self.sent(key, count, bytes),
            Event::Readable { key, more } => {
                if !more {
                    let descriptor = if key == WAKER { &self.waker } else { &self.timer };
                    self.ring.watch(descriptor, key);
                }
                if key == WAKER { self.take_finished() } else { self.take_due(stop) }
            }
        }
    }

    /// Serves one more connection, or finds out what to do about a failed accept. An error has ended the accepting;
    /// a want of room in the completion queue may have, too.
    fn accepted(&mut self, socket: Result<OwnedFd, Errno>, more: bool, stop: &Stop) {
        if stop.requested() {
            return; // the listener was shut down (EINVAL), or this one came too late
        }
        match socket {
            Ok(socket) => {
                self.backoff.reset();
                self.open(Arc::new(socket));
            }
            Err(errno) if AcceptFailure::of(&errno.into()) == AcceptFailure::BackOff => {
                let counters = self.live.counters();
                counters.accept_failed(&errno.into());
                self.timers.add(Instant::now() + self.backoff.pause(counters), LISTENER);
                return;
            }
            Err(_) => {}
        }
        if !more {
            self.ring.accept(&self.listener);
        }
    }

    fn open(&mut self, socket: Descriptor) {
        let held = Held::new(socket, &self.live);
        let (service, connections) = (&self.service, &mut self.connections);
        let open = AssertUnwindSafe(|| {
            connections
                .insert_with(|_| Ok::<_, std::convert::Infallible>(Connection::new(held, service.open())))
        });
        // A service that panics here takes its `Held` along, and that counts it.
        if let Ok(Ok(key)) = catch_unwind(open) {
            self.regulate(key);
        }
    }

    fn received(&mut self, key: usize, input: Result<Option<Filled>, Errno>, more: bool) {
        if let Some(connection) = self.connections.get_mut(key)
            && !more
        {
            connection.receives_no_more();
        }
        match input {
            Ok(Some(filled)) => {
                let Self { ring, connections, output, .. } = self;
                let bytes = ring.bytes(&filled);
                let step = act(connections, key, output, |connection, output| {
                    connection.received(bytes, filled.is_full(), output)
                });
                self.ring.give_back(filled);
                self.follow(key, step);
            }
            Ok(None) => self.act(key, |connection, _| connection.input_ended(Ok(()))),
            // Buffers ran out, which are given back by now; or it was cancelled. To be begun again when it is time.
            Err(Errno::NOBUFS | Errno::CANCELED | Errno::INTR) => self.act(key, |_, _| Step::Idle),
            Err(errno) => self.act(key, |connection, _| connection.input_ended(Err(errno))),
        }
    }

    fn sent(&mut self, key: usize, count: Result<usize, Errno>, mut bytes: Vec<u8>) {
        let step = act(&mut self.connections, key, &mut self.output, |connection, output| {
            connection.sent(count, &mut bytes, output)
        });
        self.spares.keep(bytes);
        self.follow(key, step);
    }

    fn turn(&mut self, key: usize) {
        self.act(key, |connection, output| {
            connection.queued = false;
            connection.turn(output)
        });
    }

    /// Lets a connection act, if it still exists, and does what comes of it.
    fn act(&mut self, key: usize, act_on: impl FnOnce(&mut Connection, &mut Vec<u8>) -> Step) {
        let step = act(&mut self.connections, key, &mut self.output, act_on);
        self.follow(key, step);
    }

    fn follow(&mut self, key: usize, step: Option<Step>) {
        let Some(connection) = step.as_ref().and_then(|_| self.connections.get_mut(key)) else { return };
        match step {
            None | Some(Step::Idle) => {}
            Some(Step::Unfinished) => {
                if !std::mem::replace(&mut connection.queued, true) {
                    self.unfinished.push_back(key);
                }
            }
            Some(Step::Send) => {
                let bytes = std::mem::replace(&mut self.output, self.spares.take());
                self.ring.send(connection.socket(), key, bytes, 0);
            }
            Some(Step::Resume(bytes, from)) => {
                self.ring.send(connection.socket(), key, bytes, from);
            }
            Some(Step::Run(job)) => self.offload(key, job),
            Some(Step::Close) => return self.close(key),
        }
        self.regulate(key);
    }

    /// Begins or ends receiving, as the connection wants it.
    fn regulate(&mut self, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        match connection.regulate() {
            Receiving::AsItIs => {}
            Receiving::Start => {
                let operation = self.ring.receive(connection.socket(), key);
                connection.receives(operation);
            }
            Receiving::StartOnce => {
                let operation = self.ring.receive_once(connection.socket(), key);
                connection.receives(operation);
            }
            Receiving::Cancel(operation) => self.ring.cancel(operation),
        }
    }

    /// Removes a connection. Its socket is closed when the last operation on it has completed.
    fn close(&mut self, key: usize) {
        if let Some(connection) = self.connections.remove(key)
            && let Some(operation) = connection.receiving()
        {
            self.ring.cancel(operation);
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

    /// Brings a job's result to its connection; `None` is a job that panicked.
    fn complete(&mut self, key: usize, result: Option<JobOutput>) {
        self.act(key, |connection, output| match result {
            Some(result) => connection.complete(result, output),
            None => {
                connection.crashed();
                Step::Close
            }
        });
    }

    fn take_finished(&mut self) {
        // Before looking: what is finished after this look wakes again.
        self.woken.store(false, Ordering::Release);
        while let Some(done) = self.pools.next_done() {
            self.complete(done.key, done.result);
        }
        self.arrange_retry();
    }

    fn take_due(&mut self, stop: &Stop) {
        let now = Instant::now();
        while let Some(key) = self.timers.pop_due(now) {
            match key {
                LISTENER if stop.requested() => {}
                LISTENER => {
                    self.ring.accept(&self.listener);
                }
                DEADLINE => {
                    self.live.cut(); // whatever is in flight for them completes
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
                key => self.complete(key, Some(JobOutput::NOTHING)),
            }
        }
    }
}

/// Lets a connection act, if it still exists. A session that panics ends its own connection only, and is counted.
#[inline]
fn act(
    connections: &mut Slots<Connection>,
    key: usize,
    output: &mut Vec<u8>,
    act_on: impl FnOnce(&mut Connection, &mut Vec<u8>) -> Step,
) -> Option<Step> {
    let connection = connections.get_mut(key)?;
    let acted = catch_unwind(AssertUnwindSafe(|| act_on(connection, output)));
    Some(acted.unwrap_or_else(|_| {
        connection.crashed();
        *output = Vec::new(); // half a reply may be in there
        Step::Close
    }))
}
