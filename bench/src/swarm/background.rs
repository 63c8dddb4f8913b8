//! The connections beside the load: idle ones that are only held, and slow ones that are stepped now and then.
//!
//! They have a poll instance of their own, so that none of their events is ever among those of the measured clients; it is
//! looked at while they are opened and once when the trial is over. What they cost the worker is bounded: idle ones cost
//! nothing while the load runs, and of the slow ones so many are stepped at a time that a measured request waits for a few
//! short system calls at most. None of their times is written down. Allocates nothing once they are open.

use super::dial::Dialer;
use crate::host::clock::{self, nanoseconds};
use crate::swarm::spec::WorkerSpec;
use crate::workload::load::{Background, DemandShape, POISON};
use bakeoff_reports::record;
use bakeoff_servers::exchange::{Exchange, Request};
use bakeoff_servers::services;
use rustix::event::epoll::{self, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send, sockopt::socket_error};
use std::fmt;
use std::io;
use std::time::Duration;

/// A slow connection is stepped so often: often enough that it is no idle one (a server's patience with those is seconds),
/// and rarely enough that hundreds cost the swarm next to nothing.
const STEP_NS: u64 = 100_000_000;
/// Slow connections stepped at a time: about ten microseconds, less than the timers of the load are off by.
const STEPS: usize = 4;
/// Time from one such group to the next at least. With more than 400 slow connections each is stepped more rarely.
const LEAST_TICK_NS: u64 = 1_000_000;
/// What a slow reader reads in a step: 160 bytes a second, as over a line of the 1960s. Any pace will do at which a
/// server's send buffer stays full.
const READ_BYTES: usize = 16;
/// What a slow reader asks for: more than the buffers between it and a server hold, which its small segments (see
/// [`Dialer::dial_narrow`]) keep below this.
const ASKED_BYTES: usize = 512 << 10;
/// Most requests that it asks for this with. A server's time should go to its reader's slowness, not to answers.
const ASKED_REQUESTS: usize = 4_096;
/// What it sends in one call.
const CALL_BYTES: usize = 64 << 10;
/// Connections being opened at once.
const BATCH: usize = 64;
/// Longest wait while they are opened.
const TICK_NS: u64 = 10_000_000;
/// Events taken in one wait.
const EVENTS: usize = 256;
/// What a server's end of a connection looks like.
const ENDED: EventFlags = EventFlags::RDHUP.union(EventFlags::HUP).union(EventFlags::ERR);

/// What a connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Idle,
    Reader,
    Sender,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not open: it has not been tried yet, is being connected, or could not be.
    Closed,
    /// Open.
    Open,
    /// Ended by the server.
    Lost,
}

#[derive(Debug)]
struct BackgroundConnection {
    kind: Kind,
    state: State,
    socket: Option<OwnedFd>,
    /// Bytes it has sent.
    sent: usize,
}

/// All background of a worker.
pub(super) struct BackgroundConnections {
    poll: OwnedFd,
    /// The idle ones first.
    all: Vec<BackgroundConnection>,
    idle: usize,
    /// Whole requests, in a row: what a reader sends again and again.
    asks: Vec<u8>,
    /// Bytes that a reader sends in all: so many times the above.
    asks_total: usize,
    /// Bytes of one request: a sender sends all but the last.
    request: usize,
    /// Steps taken.
    steps: usize,
    /// Slow ones stepped at a time in the first round, which should be over in the warm-up.
    first_steps: usize,
    tick_ns: u64,
    events: Vec<Event>,
}

impl fmt::Debug for BackgroundConnections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackgroundConnections").field("count", &self.all.len()).finish_non_exhaustive()
    }
}

impl BackgroundConnections {
    /// The background of the worker of this specification, none of them open yet; `None` if it has none.
    pub(super) fn new(spec: &WorkerSpec, exchange: &dyn Exchange) -> io::Result<Option<Self>> {
        let Background { idle, slow_readers, slow_senders } =
            spec.background.of_shard(spec.shard, spec.shards);
        let kinds = [(Kind::Idle, idle), (Kind::Reader, slow_readers), (Kind::Sender, slow_senders)];
        let all: Vec<BackgroundConnection> = kinds
            .into_iter()
            .flat_map(|(kind, count)| (0..count).map(move |_| kind))
            .map(|kind| BackgroundConnection { kind, state: State::Closed, socket: None, sent: 0 })
            .collect();
        if all.is_empty() {
            return Ok(None);
        }
        let (asks, times, request) = asks(spec, exchange);
        let slow = all.len() - idle as usize;
        let groups = slow.div_ceil(STEPS).max(1) as u64;
        let first_groups = (nanoseconds(spec.timing.warmup) / 2 / LEAST_TICK_NS).max(1);
        Ok(Some(Self {
            poll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            all,
            idle: idle as usize,
            asks_total: times * asks.len(),
            asks,
            request,
            steps: 0,
            first_steps: slow.div_ceil(first_groups as usize).max(STEPS),
            tick_ns: (STEP_NS / groups).max(LEAST_TICK_NS),
            events: vec![Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; EVENTS],
        }))
    }

    /// How many there are.
    pub(super) fn count(&self) -> u32 {
        self.all.len() as u32
    }

    /// Opens them all, as far as the server lets it within `limit`. Not one is tried twice: a connection that is refused
    /// is a figure of the record.
    pub(super) fn open(&mut self, dialer: &mut Dialer, limit: Duration) -> io::Result<()> {
        let give_up_ns = clock::monotonic_ns() + nanoseconds(limit);
        let (mut next, mut under_way) = (0, 0_usize);
        while (next < self.all.len() || under_way > 0) && clock::monotonic_ns() < give_up_ns {
            while under_way < BATCH && next < self.all.len() {
                under_way += usize::from(self.dial(next, dialer));
                next += 1;
            }
            for at in 0..self.wait(TICK_NS)? {
                under_way -= usize::from(self.on_event(self.events[at]));
            }
        }
        for connection in self.all.iter_mut().filter(|connection| connection.state == State::Closed) {
            connection.socket = None;
        }
        Ok(())
    }

    /// Begins the connection of a connection; says whether it is under way.
    fn dial(&mut self, index: usize, dialer: &mut Dialer) -> bool {
        let connection = &mut self.all[index];
        let socket = match connection.kind {
            Kind::Reader => dialer.dial_narrow(),
            Kind::Idle | Kind::Sender => dialer.dial().map(|(socket, _)| socket),
        };
        let edges = EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        let watched = socket.and_then(|socket| {
            epoll::add(&self.poll, &socket, EventData::new_u64(index as u64), edges).map(|()| socket)
        });
        connection.socket = watched.ok();
        connection.socket.is_some()
    }

    fn wait(&mut self, timeout_ns: u64) -> io::Result<usize> {
        match epoll::wait(&self.poll, &mut self.events, Some(&clock::timespec(timeout_ns))) {
            Ok(count) => Ok(count),
            Err(Errno::INTR) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// Something happened to a connection; says whether that settled how its connecting ended.
    fn on_event(&mut self, event: Event) -> bool {
        let connection = &mut self.all[event.data.u64() as usize];
        let Some(socket) = &connection.socket else { return false };
        let flags = event.flags;
        let ended = flags.intersects(ENDED);
        let connecting = connection.state == State::Closed;
        if connecting {
            if socket_error(socket).unwrap_or_else(Err).is_err() {
                connection.socket = None;
                return true;
            }
            connection.state = State::Open;
        }
        if ended {
            connection.state = State::Lost;
        }
        connecting
    }

    /// Steps the next few slow ones. Returns how long to wait before the next few; `None` if there is nobody to step.
    pub(super) fn step(&mut self, buffer: &mut [u8]) -> Option<u64> {
        let slow = self.all.len() - self.idle;
        if slow == 0 {
            return None;
        }
        let first = self.steps < slow;
        for _ in 0..if first { self.first_steps.min(slow) } else { STEPS.min(slow) } {
            let index = self.idle + self.steps % slow;
            self.steps += 1;
            self.step_one(index, buffer);
        }
        Some(if first { LEAST_TICK_NS } else { self.tick_ns })
    }

    fn step_one(&mut self, index: usize, buffer: &mut [u8]) {
        let connection = &mut self.all[index];
        let (State::Open, Some(socket)) = (connection.state, &connection.socket) else { return };
        let outcome = match connection.kind {
            Kind::Idle => Ok(()),
            Kind::Sender if connection.sent + 1 >= self.request => Ok(()),
            Kind::Sender => {
                let byte = &self.asks[connection.sent..=connection.sent];
                send(socket, byte, SendFlags::NOSIGNAL).map(|sent| connection.sent += sent)
            }
            Kind::Reader => read_slowly(socket, buffer)
                .and_then(|()| ask(socket, &self.asks, &mut connection.sent, self.asks_total)),
        };
        if !matches!(outcome, Ok(()) | Err(Errno::AGAIN | Errno::INTR)) {
            connection.state = State::Lost;
        }
    }

    /// Counts them when the trial is over.
    pub(super) fn account(&mut self) -> io::Result<Background<record::ConnectionCounts>> {
        loop {
            let count = self.wait(0)?;
            for at in 0..count {
                self.on_event(self.events[at]);
            }
            if count < EVENTS {
                break;
            }
        }
        let kept = |kind| {
            let of = |states: &[State]| {
                self.all.iter().filter(|c| c.kind == kind && states.contains(&c.state)).count() as u64
            };
            record::ConnectionCounts {
                asked: of(&[State::Closed, State::Open, State::Lost]),
                opened: of(&[State::Open, State::Lost]),
                lost: of(&[State::Lost]),
            }
        };
        Ok(Background {
            idle: kept(Kind::Idle),
            slow_readers: kept(Kind::Reader),
            slow_senders: kept(Kind::Sender),
        })
    }
}

/// Reads a few bytes, or finds that the server has ended the connection.
fn read_slowly(socket: &OwnedFd, buffer: &mut [u8]) -> Result<(), Errno> {
    match recv(socket, &mut buffer[..READ_BYTES], RecvFlags::empty()) {
        Ok((_, 0)) => Err(Errno::CONNRESET),
        Ok(_) | Err(Errno::AGAIN) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Sends what a reader has not asked for yet, until the socket is full: a server that is stuck does not read either.
fn ask(socket: &OwnedFd, asks: &[u8], sent: &mut usize, total: usize) -> Result<(), Errno> {
    while *sent < total {
        let from = *sent % asks.len();
        *sent += send(socket, &asks[from..], SendFlags::NOSIGNAL)?;
    }
    Ok(())
}

/// Requests in a row of the load's payload, how often a reader sends this row, and the length of the first of them.
///
/// They ask for the least work there is: 1 ns, since 0 would mean the service's own demand; or for no poison.
fn asks(spec: &WorkerSpec, exchange: &dyn Exchange) -> (Vec<u8>, usize, usize) {
    let kind = services::find(&spec.service).and_then(|service| service.demand);
    let harmless =
        kind.is_none_or(|kind| kind == POISON) || matches!(spec.request.demand, DemandShape::Poison { .. });
    let demand_ns = u64::from(!harmless);
    let number = |id: usize| Request::new(id as u64, spec.request.size, demand_ns);
    let reply = exchange.reply(&number(0)).len();
    let request = exchange.request(&number(0)).len();
    // Of a reply that nobody knows beforehand, as many as may be.
    let requests = ASKED_BYTES.div_ceil(reply.max(1)).min(ASKED_REQUESTS);
    let row = (CALL_BYTES / request).clamp(1, requests);
    let asks = (0..row).flat_map(|id| exchange.request(&number(id)).to_vec()).collect();
    (asks, requests.div_ceil(row), request)
}
