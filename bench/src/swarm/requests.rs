//! The life of a request in a worker: begun, connected for if need be, sent, answered or failed; and what its slot
//! does next.
//!
//! A slot without a connection makes one for its next request, and the time that takes is part of that request's
//! response: that is how churn works (a session is due when the one before has ended), and how every load recovers
//! from a lost connection. A request is failed by what failed its connection, so nothing fails without being counted.
//! Bytes that nobody asked for fail the next request on their connection, since no reply there can be trusted; bytes
//! that come when there is no next request any more are not seen.

use super::connection::{Connection, Received, connect_error_kind};
use super::engine::{Engine, HANGUP, Mode};
use super::slot::Phase;
use bakeoff_reports::record::ErrorKind;
use bakeoff_servers::exchange::Request;
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::sockopt::socket_error;
use std::cmp::Reverse;

/// Pause after a first failure; it doubles with each further one, so that a server in trouble is not hammered.
const BACKOFF_NS: u64 = 1_000_000;
/// The pause doubles at most so often: to 64 ms, times the crowd.
const BACKOFF_DOUBLINGS: u32 = 6;
/// A worker with more slots than this stretches its pauses in proportion, so that at their longest all its slots
/// together try 10,000 connections per second, however many they are.
const BACKOFF_CROWD: usize = 640;

impl Engine<'_> {
    /// A slot is at leisure, and was meant to go on at `due_ns`: gives it its next request. `now` is a reading of the
    /// clock just before.
    #[inline]
    pub(super) fn go_on(&mut self, index: u32, due_ns: u64, now: u64) {
        if self.mode == Mode::Open {
            return self.offer(index, now);
        }
        let slot = &mut self.slots[index as usize];
        if due_ns >= self.clock.end_ns {
            slot.phase = Phase::Free;
            return;
        }
        if self.mode == Mode::Pipelined && slot.connection.is_some() && !slot.unsolicited {
            return self.fill(index, due_ns);
        }
        let request = self.schedule.request_of(self.schedule.connection(index), slot.next);
        slot.next += 1;
        self.books.due(due_ns);
        self.begin(index, request, due_ns, false, now);
    }

    /// Open loop: a free slot takes the request that has queued longest, or joins the free ones.
    fn offer(&mut self, index: u32, now: u64) {
        if self.given < self.noticed {
            let arrival = self.given;
            self.given += 1;
            let intended_ns = self.schedule.offsets_ns()[arrival];
            self.begin(index, self.schedule.arrival(arrival), intended_ns, true, now);
        } else {
            self.slots[index as usize].phase = Phase::Free;
            self.free.push_back(index);
        }
    }

    /// Begins a request on a slot. `held_up`: it has queued for want of a slot. `now`: its send time, if it goes out at
    /// once, so nothing that takes time may stand between that reading of the clock and this call.
    #[inline]
    pub(super) fn begin(&mut self, index: u32, request: Request, intended_ns: u64, held_up: bool, now: u64) {
        let slot = &mut self.slots[index as usize];
        (slot.request, slot.intended_ns, slot.held_up) = (request, intended_ns, held_up);
        self.books.given(index as usize);
        if slot.unsolicited {
            if self.books.counts(intended_ns) {
                self.http.enter_surplus();
            }
            return self.fail(index, ErrorKind::Corrupt);
        }
        if slot.connection.is_some() {
            return self.transmit(index, now);
        }
        if !held_up {
            slot.held_up = true;
            self.books.held_up(intended_ns, now);
        }
        if let Err(error) = self.dial(index) {
            self.fail(index, connect_error_kind(error));
        }
    }

    /// Begins a connection for a slot.
    pub(super) fn dial(&mut self, index: u32) -> Result<(), Errno> {
        let now = self.now();
        let (socket, began_ns) = self.dialer.dial()?;
        let generation = self.slots[index as usize].generation.wrapping_add(1);
        self.watch(index, generation, &socket)?;
        let began_ns = self.since_start(began_ns);
        let slot = &mut self.slots[index as usize];
        slot.generation = generation;
        slot.phase = Phase::Connecting;
        slot.sent_ns = began_ns;
        slot.connection = Some(match &self.tls {
            None => Connection::new(socket),
            Some(client) => Connection::over_tls(socket, client.open()?),
        });
        if let Mode::Churn { session } = self.mode {
            slot.left = session;
        }
        self.deadlines.set(index, now + self.timeout_ns);
        Ok(())
    }

    /// How a connection attempt ended, and how long it took; `None` while its handshake goes on.
    pub(super) fn connect_outcome(&mut self, index: u32) -> Option<(Result<(), Errno>, u64)> {
        let slot = &mut self.slots[index as usize];
        let began_ns = slot.sent_ns;
        let outcome = match &mut slot.connection {
            Some(connection) => socket_error(connection.socket())
                .unwrap_or_else(Err)
                .and_then(|()| connection.handshake(&mut self.buffer)),
            None => Err(Errno::NOTCONN),
        };
        let outcome = match outcome {
            Ok(false) => return None,
            outcome => outcome.map(drop),
        };
        Some((outcome, self.now() - began_ns))
    }

    /// Sends the slot's request now, or as much of it as the socket takes.
    fn transmit(&mut self, index: u32, now: u64) {
        let slot = &mut self.slots[index as usize];
        let Some(connection) = &mut slot.connection else { return };
        slot.phase = Phase::Busy;
        slot.sent_ns = now;
        self.books.written(slot.intended_ns, now, slot.held_up);
        self.deadlines.set(index, now + self.timeout_ns);
        connection.reset();
        if let Err(kind) = connection.send(&self.exchange.request(&slot.request), &mut self.buffer) {
            self.fail(index, kind);
        }
    }

    /// Something happened on a slot's socket.
    #[inline]
    pub(super) fn on_event(&mut self, index: u32, flags: EventFlags) {
        let readable = flags.intersects(HANGUP | EventFlags::IN);
        match self.slots[index as usize].phase {
            Phase::Busy => self.progress(index, flags),
            Phase::Streaming => self.stream(index, flags),
            Phase::Connecting => {
                self.connected(index);
                // The server may have spoken or hung up with the same edge; there will be no other.
                match self.slots[index as usize].phase {
                    Phase::Busy if readable => self.progress(index, flags),
                    Phase::Streaming if readable => self.stream(index, flags),
                    _ => {}
                }
            }
            Phase::Free | Phase::Pausing if flags.intersects(HANGUP) => self.retire(index),
            Phase::Free | Phase::Pausing if readable => self.spoken_to(index),
            Phase::Free | Phase::Pausing => {}
        }
    }

    /// Something has come for a slot that asked nothing.
    #[cold]
    fn spoken_to(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        let Some(connection) = &mut slot.connection else { return };
        match connection.is_unsolicited(&mut self.buffer) {
            Ok(is_unsolicited) => slot.unsolicited |= is_unsolicited,
            Err(Errno::BADMSG) => slot.unsolicited = true,
            Err(_) => self.retire(index),
        }
    }

    fn connected(&mut self, index: u32) {
        let Some((outcome, took_ns)) = self.connect_outcome(index) else { return };
        match outcome {
            Ok(()) => {
                let now = self.now();
                self.books.connected(took_ns, now, self.is_resumed(index));
                match self.mode {
                    Mode::Pipelined => self.open_pipe(index, now),
                    Mode::Closed { .. } | Mode::Open | Mode::Churn { .. } => self.transmit(index, now),
                }
            }
            Err(error) => self.fail(index, connect_error_kind(error)),
        }
    }

    /// Whether the connection of a slot has resumed a session of TLS; `None` where it does not speak it.
    pub(super) fn is_resumed(&self, index: u32) -> Option<bool> {
        self.slots[index as usize].connection.as_ref()?.tls()?.is_resumed()
    }

    /// Goes on with a request under way: reads what there is, sends what is left.
    fn progress(&mut self, index: u32, flags: EventFlags) {
        let slot = &mut self.slots[index as usize];
        let Some(connection) = &mut slot.connection else { return };
        let hangup = flags.intersects(HANGUP);
        if hangup || flags.contains(EventFlags::IN) {
            let reply = self.exchange.reply(&slot.request);
            let expected = || self.exchange.expected(&slot.request);
            match connection.receive(&reply, expected, &mut self.buffer, hangup) {
                Ok(Received::Part) => {}
                Ok(outcome @ (Received::Whole | Received::Last)) => {
                    let bytes = connection.received();
                    return self.finish(index, bytes, outcome == Received::Last, hangup);
                }
                Ok(Received::Wrong { closes }) => return self.reject(index, closes, hangup),
                Err(kind) => {
                    if kind == ErrorKind::Corrupt {
                        self.enter_http(index, false);
                    }
                    return self.fail(index, kind);
                }
            }
        }
        if connection.sent_whole() || !flags.contains(EventFlags::OUT) {
            return;
        }
        if let Err(kind) = connection.send(&self.exchange.request(&slot.request), &mut self.buffer) {
            self.fail(index, kind);
        }
    }

    /// The right reply has come.
    #[inline]
    fn finish(&mut self, index: u32, bytes: usize, closes: bool, hangup: bool) {
        let now = self.now();
        self.deadlines.clear(index);
        let slot = &mut self.slots[index as usize];
        slot.failures = 0;
        self.books.answered(index as usize, bytes, slot.intended_ns, slot.sent_ns, now);
        self.enter_http(index, closes);
        self.replied(index, now, closes || hangup);
    }

    /// A whole reply has come that is wrong: it fails its request, and the connection may carry another.
    #[cold]
    fn reject(&mut self, index: u32, closes: bool, hangup: bool) {
        let now = self.now();
        self.deadlines.clear(index);
        self.enter_http(index, closes);
        self.books.failed(self.slots[index as usize].intended_ns, now, ErrorKind::Corrupt);
        self.replied(index, now, closes || hangup);
    }

    /// Notes a reply that was read as HTTP; of our own servers none is.
    #[inline]
    fn enter_http(&mut self, index: u32, closes: bool) {
        let slot = &self.slots[index as usize];
        let reply = slot.connection.as_ref().and_then(Connection::other_words);
        if let Some(reply) = reply
            && self.books.counts(slot.intended_ns)
        {
            self.http.enter(reply, closes);
        }
    }

    /// The slot's request has its reply, by `now`.
    #[inline]
    fn replied(&mut self, index: u32, now: u64, hangup: bool) {
        let slot = &mut self.slots[index as usize];
        slot.left = slot.left.saturating_sub(1);
        let session_over = matches!(self.mode, Mode::Churn { .. }) && slot.left == 0;
        let mut sends_at = now;
        if hangup || session_over {
            self.retire(index);
            // A close takes microseconds, and they are the generator's own.
            sends_at = self.now();
        }
        match self.mode {
            Mode::Closed { think_ns } if think_ns > 0 => self.pause(index, now + think_ns),
            _ => self.go_on(index, now, sends_at),
        }
    }

    /// The slot's request has failed.
    pub(super) fn fail(&mut self, index: u32, kind: ErrorKind) {
        let now = self.now();
        self.books.failed(self.slots[index as usize].intended_ns, now, kind);
        self.abandon(index);
    }

    /// The slot's request, or the connection for it, has taken too long.
    pub(super) fn time_out(&mut self, index: u32) {
        let now = self.now();
        let slot = &self.slots[index as usize];
        match slot.phase {
            Phase::Connecting => self.books.failed(slot.intended_ns, now, ErrorKind::Connect),
            _ => self.books.timed_out(slot.intended_ns, now),
        }
        self.abandon(index);
    }

    /// Drops the connection after a failure, and lets the slot pause before its next request makes a new one.
    pub(super) fn abandon(&mut self, index: u32) {
        self.retire(index);
        let crowd = self.slots.len().div_ceil(BACKOFF_CROWD) as u64;
        let slot = &mut self.slots[index as usize];
        let pause_ns = crowd * (BACKOFF_NS << slot.failures.min(BACKOFF_DOUBLINGS));
        slot.failures += 1;
        let think_ns = if let Mode::Closed { think_ns } = self.mode { think_ns } else { 0 };
        let now = self.now();
        self.pause(index, now + pause_ns.max(think_ns));
    }

    fn pause(&mut self, index: u32, until_ns: u64) {
        self.slots[index as usize].phase = Phase::Pausing;
        self.pauses.push(Reverse((until_ns, index)));
    }

    /// Closes the slot's connection, if it has one. Events of it that are still to come are dropped.
    pub(super) fn retire(&mut self, index: u32) {
        self.deadlines.clear(index);
        let begun = self.has_begun();
        let slot = &mut self.slots[index as usize];
        self.dropped += u64::from(begun && slot.connection.is_some());
        if let Some(mut connection) = slot.connection.take() {
            connection.say_goodbye();
        }
        slot.generation = slot.generation.wrapping_add(1);
        slot.unsolicited = false;
    }
}
