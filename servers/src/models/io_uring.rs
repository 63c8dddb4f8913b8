//! io_uring: one thread, one ring, every connection a state machine driven by completions (the proactor).
//!
//! Where the reactor learns that it may read and then reads, this learns what was read: accepts and receives are
//! submitted once and complete again and again, sends are submitted together, and one system call a turn hands all of
//! it over and takes all that has come. The loop is here whole; what a completion means for a connection is in
//! `drive::completion`. Timers and pools are those of `mio-event-loop`.

use crate::drive::Key;
use crate::drive::accept::{AcceptError, Backoff};
use crate::drive::buffers::{RETAINED_SHARED, clear};
use crate::drive::completion::{Connection, Receive, Step};
use crate::drive::offload::{Offload, Pools};
use crate::drive::outbox;
use crate::drive::readiness::{Source, Wake};
use crate::drive::registry::{FORCE_GRACE, Registry};
use crate::drive::timers::{Due, Timers};
use crate::model::{Concurrency, Meta, PerClient, Role, ServerModel, Serving, Tuning};
use crate::sys::uring::{Descriptor, Event, Filled, Ring};
use crate::{Counters, JobOutput, Service, Stop};
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use slotmap::SlotMap;
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The io_uring server.
#[derive(Debug)]
pub(super) struct IoUring;

impl ServerModel for IoUring {
    fn meta(&self) -> &'static Meta {
        &Meta {
            name: "io-uring",
            summary: "one thread, completions instead of readiness (proactor); many active connections, one core",
            concurrency: Concurrency::Unbounded,
            per_client: PerClient::Nothing,
            threads: |_| 1,
            tunings: &[Tuning::BlockingWorkers, Tuning::ComputeWorkers],
            role: Role::Extra,
        }
    }

    fn unavailable(&self) -> Option<String> {
        Ring::check().err().map(|error| explained(error).to_string())
    }

    fn serve(&self, serving: Serving) -> io::Result<()> {
        let (stop, limit) = (serving.stop.clone(), serving.config.stop_deadline);
        Proactor::new(Ring::new().map_err(explained)?, serving)?.run(&stop, limit)
    }
}

/// Says what it means that there is no ring.
fn explained(error: io::Error) -> io::Error {
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            " (see the sysctl kernel.io_uring_disabled and the seccomp profile of this container)"
        }
        io::ErrorKind::Unsupported => " (this kernel is built without it)",
        _ => "",
    };
    let message = format!("io_uring is not available here: {error}{hint}");
    io::Error::new(error.kind(), message)
}

/// The loop's state.
struct Proactor {
    ring: Ring,
    listener: Descriptor,
    service: Arc<dyn Service>,
    registry: Arc<Registry>,
    connections: SlotMap<Key, Connection>,
    /// Where replies are made, empty between uses.
    output: Vec<u8>,
    spares: Spares,
    /// Connections with input that waits for their turn, after the completions that came with it.
    unfinished: VecDeque<Key>,
    timers: Timers,
    timer: Descriptor,
    offload: Offload,
    waker: Descriptor,
    backoff: Backoff,
}

impl Proactor {
    fn new(ring: Ring, serving: Serving) -> io::Result<Self> {
        let Serving { listener, service, config, counters, .. } = serving;
        listener.set_nonblocking(false)?; // a non-blocking one would answer "nothing there" instead of waiting
        let timers = Timers::new()?;
        let timer = Arc::new(timers.as_fd().try_clone_to_owned()?);
        let waker = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let woken = Arc::clone(&waker);
        let wake: Wake = Box::new(move || {
            let _ = rustix::io::write(&*woken, &1_u64.to_ne_bytes()); // fails only after 2^64 of them
        });
        Ok(Self {
            ring,
            listener: Arc::new(OwnedFd::from(listener)),
            service,
            registry: Registry::new(counters),
            connections: SlotMap::new(),
            output: Vec::new(),
            spares: Spares::default(),
            unfinished: VecDeque::new(),
            timers,
            timer,
            offload: Offload::new(Pools::new(&config, counters), wake),
            waker,
            backoff: Backoff::new(),
        })
    }

    /// Serves until the stop is requested and the connections are done: answered, or closed by force `stop_deadline`
    /// later.
    fn run(mut self, stop: &Stop, stop_deadline: Duration) -> io::Result<()> {
        let listener = Arc::clone(&self.listener);
        let _unblocked = stop.unblock(&*listener)?; // ends the accept, which wakes the loop
        self.ring.accept(&self.listener);
        self.ring.watch(&self.waker, Source::Waker);
        self.ring.watch(&self.timer, Source::Timer);
        let mut stop_deadline = Some(stop_deadline);
        let mut events = Vec::new();
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
            self.ring.wait(!self.unfinished.is_empty(), &mut events)?;
            for event in events.drain(..) {
                match event {
                    Event::Accepted { socket, more } => self.on_accepted(socket, more, stop),
                    Event::Received { key, input, more } => self.on_received(key, input, more),
                    Event::Sent { key, count, bytes } => self.on_sent(key, count, bytes),
                    Event::Room { key } => self.act(key, Connection::on_room),
                    Event::Readable { source, more } => self.on_readable(source, more, stop),
                }
            }
            // Once for each: what comes of a turn completes later.
            for _ in 0..self.unfinished.len() {
                if let Some(key) = self.unfinished.pop_front() {
                    self.act(key, |connection, output| {
                        connection.queued = false;
                        connection.turn(output)
                    });
                }
            }
        }
    }

    /// Serves one more connection, or finds out what to do about a failed accept. An error has ended the accepting;
    /// a want of room in the completion queue may have, too.
    fn on_accepted(&mut self, socket: Result<OwnedFd, Errno>, more: bool, stop: &Stop) {
        if stop.requested() {
            return; // the listener was shut down (EINVAL), or this one came too late
        }
        match socket {
            Ok(socket) => {
                self.backoff.reset();
                self.open(Arc::new(socket));
            }
            Err(errno) if AcceptError::of(&errno.into()) == AcceptError::Exhausted => {
                let counters = self.registry.counters();
                counters.accept_failed(&errno.into());
                self.timers.add(Instant::now() + self.backoff.pause(counters), Due::Accept);
                return;
            }
            Err(_) => {}
        }
        if !more {
            self.ring.accept(&self.listener);
        }
    }

    fn open(&mut self, socket: Descriptor) {
        let socket = self.registry.track(socket);
        // A service that panics here takes the socket along, and its guard counts that.
        let connection = catch_unwind(AssertUnwindSafe(|| {
            let session = outbox::open(&*self.service, &socket.stream, socket.meter())?;
            io::Result::Ok(Connection::new(socket, session))
        }));
        if let Ok(Err(_)) = connection {
            Counters::count(&self.registry.counters().connection_errors);
        }
        if let Ok(Ok(connection)) = connection {
            let key = self.connections.insert(connection);
            self.regulate(key);
        }
    }

    fn on_received(&mut self, key: Key, input: Result<Option<Filled>, Errno>, more: bool) {
        if let Some(connection) = self.connections.get_mut(key)
            && !more
        {
            connection.on_receive_over();
        }
        match input {
            Ok(Some(filled)) => {
                let Self { ring, connections, output, .. } = self;
                let bytes = ring.bytes(&filled);
                let step = caught(connections, key, output, |connection, output| {
                    connection.on_received(bytes, filled.is_full(), output)
                });
                self.ring.give_back(filled);
                self.follow(key, step);
            }
            Ok(None) => self.act(key, |connection, _| connection.on_end(Ok(()))),
            // Buffers ran out, which are given back by now; or it was cancelled. To be begun again when it is time.
            Err(Errno::NOBUFS | Errno::CANCELED | Errno::INTR) => self.regulate(key),
            Err(errno) => self.act(key, |connection, _| connection.on_end(Err(errno))),
        }
    }

    fn on_sent(&mut self, key: Key, count: Result<usize, Errno>, mut bytes: Vec<u8>) {
        let step = caught(&mut self.connections, key, &mut self.output, |connection, output| {
            connection.on_sent(count, &mut bytes, output)
        });
        self.spares.keep(bytes);
        self.follow(key, step);
    }

    fn on_readable(&mut self, source: Source, more: bool, stop: &Stop) {
        let timer = source == Source::Timer;
        if !more {
            self.ring.watch(if timer { &self.timer } else { &self.waker }, source);
        }
        if timer {
            return self.take_due(stop);
        }
        for done in self.offload.take_finished() {
            self.complete(done.key, done.result);
        }
    }

    /// Brings a job's result to its connection; `None` is a job that panicked.
    fn complete(&mut self, key: Key, result: Option<JobOutput>) {
        self.act(key, |connection, output| match result {
            Some(result) => connection.on_result(result, output),
            None => {
                connection.crashed();
                Step::Close
            }
        });
    }

    fn take_due(&mut self, stop: &Stop) {
        let now = Instant::now();
        while let Some(due) = self.timers.pop_due(now) {
            match due {
                Due::Accept if stop.requested() => {}
                Due::Accept => drop(self.ring.accept(&self.listener)),
                Due::Waited(key) => self.complete(key, Some(JobOutput::NOTHING)),
                Due::Grow => self.offload.grow(&mut self.timers),
                Due::ForceClose => {
                    self.registry.force_close(); // whatever is in flight for them completes
                    self.timers.add(Instant::now() + FORCE_GRACE, Due::Abort);
                }
                Due::Abort => {
                    self.registry.abort();
                    self.connections.clear(); // what a pool has still to do for them reaches nobody
                }
            }
        }
    }

    /// Lets a connection act, if it still exists, and does what comes of it.
    fn act(&mut self, key: Key, act: impl FnOnce(&mut Connection, &mut Vec<u8>) -> Step) {
        let step = caught(&mut self.connections, key, &mut self.output, act);
        self.follow(key, step);
    }

    fn follow(&mut self, key: Key, step: Step) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if matches!(step, Step::Send | Step::Close) {
            outbox::send_pending();
        }
        match step {
            Step::Wait => {}
            Step::Yield => {
                if !std::mem::replace(&mut connection.queued, true) {
                    self.unfinished.push_back(key);
                }
            }
            Step::Send => {
                let bytes = std::mem::replace(&mut self.output, self.spares.take());
                self.ring.send(connection.socket(), key, bytes, 0);
            }
            Step::SendRest(bytes, from) => drop(self.ring.send(connection.socket(), key, bytes, from)),
            Step::AwaitRoom => drop(self.ring.await_room(connection.socket(), key)),
            Step::Run(job) => self.offload.start(key, job, &mut self.timers),
            Step::Close => return self.close(key),
        }
        self.regulate(key);
    }

    /// Begins or ends receiving, as the connection wants it.
    fn regulate(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        match connection.next_receive() {
            Receive::Keep => {}
            Receive::Multishot => {
                let operation = self.ring.receive(connection.socket(), key);
                connection.on_receive_begun(operation);
            }
            Receive::Once => {
                let operation = self.ring.receive_once(connection.socket(), key);
                connection.on_receive_begun(operation);
            }
            Receive::Cancel(operation) => self.ring.cancel(operation),
        }
    }

    /// Removes a connection. Its socket is closed when the last operation on it has completed.
    fn close(&mut self, key: Key) {
        if let Some(connection) = self.connections.remove(key)
            && let Some(operation) = connection.receiving()
        {
            self.ring.cancel(operation);
        }
    }
}

/// Lets a connection act, if it still exists. A session that panics ends its own connection only, and is counted.
#[inline]
fn caught(
    connections: &mut SlotMap<Key, Connection>,
    key: Key,
    output: &mut Vec<u8>,
    act: impl FnOnce(&mut Connection, &mut Vec<u8>) -> Step,
) -> Step {
    let Some(connection) = connections.get_mut(key) else { return Step::Wait };
    catch_unwind(AssertUnwindSafe(|| act(connection, output))).unwrap_or_else(|_| {
        connection.crashed();
        *output = Vec::new(); // half a reply may be in there
        Step::Close
    })
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_ring_the_error_says_why_and_what_to_do() {
        for (errno, hint) in [(Errno::NOSYS, "built without"), (Errno::PERM, "io_uring_disabled")] {
            let text = explained(errno.into()).to_string();
            assert!(text.starts_with("io_uring is not available here: ") && text.contains(hint), "{text}");
        }
    }
}
