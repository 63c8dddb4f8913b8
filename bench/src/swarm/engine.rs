//! The event loop of a worker: one thread that sends when it is time and reads when there is something.
//!
//! Edge-triggered epoll, each socket registered once for both directions: a request costs one send, one receive and
//! its share of a wait ([`Clockwork`]), and nothing else. Never allocates while it runs, never touches memory of other workers.
//!
//! The clock is read after every receive that completes a reply, never once for a batch of events: a stamp taken before
//! the receive would flatter the server. In a closed loop that reading is also the send time of the request that
//! follows at once, which makes its service time longer by the few tens of nanoseconds in between, never shorter.

use super::background::BackgroundConnections;
use super::clockwork::{Clockwork, SPIN_NS};
use super::deadlines::Deadlines;
use super::dial::Dialer;
use super::http_replies::HttpBooks;
use super::pipeline::Pipes;
use super::recorder::Books;
use super::schedule::Schedule;
use super::slot::{Phase, Slot};
use super::tls::TlsClient;
use super::wire;
use crate::host::clock::nanoseconds;
use crate::swarm::spec::WorkerSpec;
use crate::workload::load::Load;
use bakeoff_reports::record::{self, Measured};
use bakeoff_servers::exchange::{Exchange, Request};
use rustix::event::epoll::EventFlags;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io;

/// The one receive buffer of a worker.
const BUFFER_BYTES: usize = 64 << 10;
/// What a hang-up or an error of a socket looks like.
pub(super) const HANGUP: EventFlags = EventFlags::RDHUP.union(EventFlags::HUP).union(EventFlags::ERR);

/// A request that nobody sends, to ask an exchange what it expects of any.
const NO_REQUEST: Request = Request::new(0, 0, 0);

/// What a slot does after a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// The next request after a pause.
    Closed { think_ns: u64 },
    /// As many requests as there is room for.
    Pipelined,
    /// Whatever is due.
    Open,
    /// The next request, on a new connection after so many.
    Churn { session: u32 },
}

/// The connections of a worker whose load is over.
#[derive(Debug)]
pub(super) struct IdleConnections {
    _slots: Vec<Slot>,
    _background: Option<BackgroundConnections>,
}

/// Everything one worker holds.
pub(super) struct Engine<'a> {
    pub(super) exchange: &'a dyn Exchange,
    pub(super) schedule: Schedule,
    pub(super) mode: Mode,
    pub(super) timeout_ns: u64,
    pub(super) slots: Vec<Slot>,
    pub(super) deadlines: Deadlines,
    /// What is under way on connections that may have several requests so.
    pub(super) pipes: Pipes,
    pub(super) books: Books,
    /// Replies that had to be read as HTTP.
    pub(super) http: HttpBooks,
    pub(super) buffer: Box<[u8]>,
    pub(super) dialer: Dialer,
    /// What makes its connections clients of TLS, where they are.
    pub(super) tls: Option<TlsClient>,
    /// The connections beside the load, if there are any.
    pub(super) background: Option<BackgroundConnections>,
    /// When the slow ones among them are stepped next.
    background_due_ns: u64,
    /// What became of them, once the trial is over.
    background_counts: record::Background<record::ConnectionCounts>,
    /// Open loop: slots that are free, longest first.
    pub(super) free: VecDeque<u32>,
    /// Open loop: arrivals before this one have been given to a slot. From here to `noticed` they queue.
    pub(super) given: usize,
    /// Open loop: arrivals before this one have become due.
    pub(super) noticed: usize,
    /// When slots that pause go on.
    pub(super) pauses: BinaryHeap<Reverse<(u64, u32)>>,
    pub(super) clock: Clockwork,
    /// Connections dropped since the common start: what they carried can no longer be asked for.
    pub(super) dropped: u64,
}

impl<'a> Engine<'a> {
    /// An engine for a checked `spec`, without any connection yet.
    pub(super) fn new(spec: &WorkerSpec, schedule: Schedule, exchange: &'a dyn Exchange) -> io::Result<Self> {
        let count = schedule.connections();
        let slots = count as usize;
        let mode = match spec.load {
            Load::Closed { think, .. } => Mode::Closed { think_ns: nanoseconds(think) },
            Load::Pipelined { .. } => Mode::Pipelined,
            Load::Open { .. } => Mode::Open,
            Load::Churn { requests_per_connection, .. } => Mode::Churn { session: requests_per_connection },
        };
        let pipes = match spec.load {
            Load::Pipelined { depth, .. } => Pipes::new(slots, depth),
            Load::Closed { .. } | Load::Open { .. } | Load::Churn { .. } => Pipes::default(),
        };
        let churn = matches!(mode, Mode::Churn { .. });
        let timing = &spec.timing;
        let background = BackgroundConnections::new(spec, exchange)?;
        let tls = spec.tls.map(|tls| TlsClient::new(tls, spec.target, slots)).transpose();
        let sockets = count + background.as_ref().map_or(0, BackgroundConnections::count);
        Ok(Self {
            exchange,
            schedule,
            mode,
            timeout_ns: nanoseconds(timing.timeout),
            slots: (0..slots).map(|_| Slot::new()).collect(),
            deadlines: Deadlines::new(slots),
            pipes,
            books: Books::new(timing, spec.slices, slots, spec.tls.is_some()),
            http: exchange.expected(&NO_REQUEST).map(|_| HttpBooks::new()).unwrap_or_default(),
            buffer: vec![0; BUFFER_BYTES].into_boxed_slice(),
            dialer: Dialer::new(spec.target, spec.congestion_control.clone(), spec.shard, sockets, churn)
                .with_loss(spec.loss()),
            tls: tls.map_err(io::Error::other)?,
            background_due_ns: if background.is_some() { 0 } else { u64::MAX },
            background,
            background_counts: record::Background::default(),
            free: VecDeque::with_capacity(slots),
            given: 0,
            noticed: 0,
            pauses: BinaryHeap::with_capacity(slots),
            clock: Clockwork::new(timing)?,
            dropped: 0,
        })
    }

    /// The time now.
    #[inline]
    pub(super) fn now(&self) -> u64 {
        self.clock.now()
    }

    /// A reading of the monotonic clock as a time of [`now`](Self::now).
    pub(super) fn since_start(&self, monotonic_ns: u64) -> u64 {
        self.clock.since_start(monotonic_ns)
    }

    /// Whether the common start is past: before it no request is sent.
    pub(super) fn has_begun(&self) -> bool {
        self.clock.has_begun()
    }

    /// Watches the socket of a slot for the rest of its life, both directions, by edges.
    pub(super) fn watch(&self, index: u32, generation: u32, socket: &OwnedFd) -> Result<(), Errno> {
        let token = u64::from(generation) << 32 | u64::from(index);
        let edges = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        self.clock.watch(socket, token, edges)
    }

    /// Waits for events, at most `timeout_ns`. Returns how many there are; [`event`](Self::event) gives them.
    pub(super) fn wait(&mut self, timeout_ns: u64) -> io::Result<usize> {
        self.clock.wait(timeout_ns)
    }

    /// Event `at` of the last wait: its slot, and what happened; `None` if it is about a connection that is gone.
    #[inline]
    pub(super) fn event(&self, at: usize) -> Option<(u32, EventFlags)> {
        let (token, flags) = self.clock.event(at)?;
        let index = token as u32;
        (self.slots[index as usize].generation == (token >> 32) as u32).then_some((index, flags))
    }

    /// Runs the trial that starts when CLOCK_MONOTONIC shows `start_ns`, to its end. Allocates nothing.
    pub(super) fn run(&mut self, start_ns: u64) -> io::Result<()> {
        self.clock.start(start_ns);
        let thinks = self.thinks();
        for index in 0..self.slots.len() as u32 {
            let now = self.now();
            self.go_on(index, 0, now);
        }
        loop {
            let now = self.now();
            self.clock.note_cpu(now);
            // Each hands on the newest reading of the clock, which becomes a send time in the next.
            let now = self.end_pauses(now);
            let now = self.expire(now);
            let now = self.step_background(now);
            let now = self.dispatch(now);
            // With the reading that ends the loop: the window may have ended since the one above.
            self.clock.note_cpu(now);
            if self.finished(now) {
                if let Some(background) = &mut self.background {
                    self.background_counts = background.account()?;
                }
                return Ok(());
            }
            let count = self.rest(now)?;
            for at in 0..count {
                if let Some((index, flags)) = self.event(at) {
                    self.on_event(index, flags);
                }
                // A batch of events takes long, and send times do not wait for its end.
                if self.noticed < self.schedule.offsets_ns().len() {
                    self.dispatch(self.now());
                } else if thinks {
                    self.end_pauses(self.now());
                }
            }
        }
    }

    /// Gives every request that is due at `until` to a free slot, or leaves it in the queue. Returns the time when that
    /// is done. What becomes due meanwhile waits for the next call, or events might wait without end.
    fn dispatch(&mut self, until: u64) -> u64 {
        let mut now = until;
        while let Some(&intended_ns) = self.schedule.offsets_ns().get(self.noticed) {
            if intended_ns > until {
                break;
            }
            self.books.due(intended_ns);
            let arrival = self.noticed;
            self.noticed += 1;
            // A slot that becomes free takes from the queue at once, so a free slot means an empty queue.
            match self.free.pop_front() {
                Some(index) => {
                    self.given += 1;
                    self.begin(index, self.schedule.arrival(arrival), intended_ns, false, now);
                    now = self.now();
                }
                None => self.books.held_up(intended_ns, now),
            }
        }
        now
    }

    /// Wakes the slots whose pause is over at `until`. Returns the time when that is done.
    fn end_pauses(&mut self, until: u64) -> u64 {
        let mut now = until;
        while let Some(&Reverse((due_ns, index))) = self.pauses.peek() {
            if due_ns > until {
                break;
            }
            self.pauses.pop();
            self.go_on(index, due_ns, now);
            now = self.now();
        }
        now
    }

    /// Gives up what has waited too long at `until`. Returns the time when that is done.
    fn expire(&mut self, until: u64) -> u64 {
        let mut now = until;
        while let Some((index, deadline_ns)) = self.deadlines.oldest() {
            if deadline_ns > until {
                break;
            }
            self.time_out(index);
            now = self.now();
        }
        self.expire_pipes(now)
    }

    /// Steps some slow background, if it is time for that. Returns the time when that is done.
    #[inline]
    fn step_background(&mut self, now: u64) -> u64 {
        if now < self.background_due_ns {
            return now;
        }
        let wait_ns = self.background.as_mut().and_then(|background| background.step(&mut self.buffer));
        let now = self.now();
        self.background_due_ns = wait_ns.map_or(u64::MAX, |wait_ns| now + wait_ns);
        now
    }

    /// Whether every request of the window has its outcome, or the drain is over.
    fn finished(&self, now: u64) -> bool {
        let all_due = self.noticed == self.schedule.offsets_ns().len();
        self.clock.finished(now, all_due && self.books.outstanding() == 0)
    }

    /// Waits for events, or until there is something to do.
    fn rest(&mut self, now: u64) -> io::Result<usize> {
        let sleep_ns = self.sleep_ns(now);
        self.clock.rest(now, sleep_ns, self.spins())
    }

    /// How long the loop may sleep: to a little before the next send, or exactly to what else comes next.
    fn sleep_ns(&self, now: u64) -> u64 {
        let send = self.schedule.offsets_ns().get(self.noticed).copied();
        let pause = self.pauses.peek().map(|&Reverse((due_ns, _))| due_ns);
        // The end of a think time is a send time; the end of a back-off need not be met exactly.
        let sharp = if self.thinks() { pause } else { send };
        let mark = self.clock.next_mark(now);
        let deadline = self.deadlines.oldest().map(|(_, deadline_ns)| deadline_ns);
        let sharp = sharp.map(|at| at.saturating_sub(SPIN_NS));
        let piped = self.pipes.next_deadline_ns();
        let background = Some(self.background_due_ns);
        let next = [sharp, pause, mark, deadline, piped, background].into_iter().flatten().min();
        next.map_or(0, |next| next.saturating_sub(now))
    }

    /// Whether the loop spins near send times.
    fn spins(&self) -> bool {
        self.mode == Mode::Open || self.thinks()
    }

    /// Whether the ends of pauses are send times.
    fn thinks(&self) -> bool {
        matches!(self.mode, Mode::Closed { think_ns } if think_ns > 0)
    }

    /// What was measured, and the slots, which still hold their connections.
    ///
    /// # Panics
    /// When the loop did not end by itself: the CPU time of the window is then not known.
    pub(super) fn close(self) -> (Measured, IdleConnections) {
        let spins = self.spins();
        let never_written = (self.noticed - self.given) as u64 + self.pipes.never_written();
        debug_assert!(self.slots.iter().all(|slot| slot.phase != Phase::Busy || slot.connection.is_some()));
        let churn = matches!(self.mode, Mode::Churn { .. });
        let wire = wire::read(&self.slots, churn, self.dropped);
        let mut measured = self.books.close(never_written, self.clock.window_cpu_ns(), spins, wire);
        measured.background = self.background_counts;
        measured.http = self.http.close(self.exchange.expected(&NO_REQUEST).as_ref());
        (measured, IdleConnections { _slots: self.slots, _background: self.background })
    }
}
