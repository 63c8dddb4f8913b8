//! Pipelining: several requests under way on one connection, whose replies come in the order of the requests.
//!
//! What a connection has under way lies in its [`Pipe`]. A connection is topped up after its socket has been emptied, with
//! one send for all that has room. Every byte of every reply is compared with what it must be, in order. Nothing here
//! allocates once the rings are made.
//!
//! *When a request is due*: when the reply that made room for it was received, by the clock right after that receive.
//! What the swarm then takes to compare and to send is its own, and is in the dispatch lag.
//!
//! *What becomes of the others when one fails*: if the server ended the connection, all that were under way failed by
//! that. If the swarm did, because the oldest had a wrong reply or timed out, the others are
//! [`Abandoned`](ErrorKind::Abandoned), unless their own time was up too. A lost connection is made again for one request,
//! which carries the connect; the room for the others comes with the new connection, so that a dead server is not charged
//! with a whole pipeline for each attempt.

use super::connection::{error_kind, send_from};
use super::engine::{Engine, HANGUP};
use super::pipeline::{Flight, Pipe, request};
use super::slot::Phase;
use bakeoff_reports::record::ErrorKind;
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use std::cmp::Reverse;

/// One send of what is not written yet.
enum Sent {
    /// So many requests, the first of them perhaps only its rest, and all of what was tried.
    Whole(u32),
    /// So many bytes, and no more for now.
    Part(usize),
}

impl Engine<'_> {
    /// The slot has a connection and nothing under way: fills its pipeline with requests due at `due_ns`.
    pub(super) fn fill(&mut self, index: u32, due_ns: u64) {
        self.pipes.make_room(index, due_ns);
        self.top_up(index);
    }

    /// The connection for the slot's one request is made: sends it, and as many more as there is room for now.
    pub(super) fn open_pipe(&mut self, index: u32, now: u64) {
        self.deadlines.clear(index);
        let intended_ns = self.slots[index as usize].intended_ns;
        self.pipes.flight(index, 0).intended_ns = intended_ns;
        let pipe = &mut self.pipes.pipes[index as usize];
        // The connect held it up, and the books know.
        (pipe.len, pipe.noted) = (1, 1);
        if now < self.clock.end_ns {
            self.pipes.make_room(index, now);
        }
        self.top_up(index);
    }

    /// Something happened on the socket of a slot with requests under way.
    pub(super) fn stream(&mut self, index: u32, flags: EventFlags) {
        let hangup = flags.intersects(HANGUP);
        if hangup || flags.contains(EventFlags::IN) {
            let outcome = self.drain(index, hangup);
            let pipe = &self.pipes.pipes[index as usize];
            match outcome {
                Ok(()) => {}
                Err(kind) if pipe.len == 0 => return self.break_off_idle(index, kind),
                Err(kind) => return self.break_off(index, kind),
            }
        }
        self.top_up(index);
    }

    /// Takes what has come until the socket is empty; `to_the_end` as for an
    /// [unpipelined connection](super::connection::Connection::receive).
    fn drain(&mut self, index: u32, to_the_end: bool) -> Result<(), ErrorKind> {
        loop {
            let Some(connection) = &self.slots[index as usize].connection else { return Ok(()) };
            match recv(connection.socket(), &mut *self.buffer, RecvFlags::empty()) {
                Ok((_, 0)) => return Err(ErrorKind::Closed),
                Ok((_, count)) => {
                    let now = self.now();
                    self.take(index, count, now)?;
                    if count < self.buffer.len() && !to_the_end {
                        return Ok(());
                    }
                }
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error_kind(error)),
            }
        }
    }

    /// Compares the first `count` bytes of the buffer with the replies they must be, and enters those that are whole.
    fn take(&mut self, index: u32, count: usize, now: u64) -> Result<(), ErrorKind> {
        let mut at = 0;
        while at < count {
            let pipe = self.pipes.pipes[index as usize];
            // Bytes that nobody asked for. (Of a request that is sent in part, an echo may have come back.)
            if pipe.begun == 0 {
                return Err(ErrorKind::Corrupt);
            }
            let asked = request(&self.schedule, &self.slots[index as usize], index, &pipe, 0);
            let reply = self.exchange.reply(&asked);
            let Ok(taken) = reply.verify(pipe.received as usize, &self.buffer[at..count]) else {
                return Err(ErrorKind::Corrupt);
            };
            at += taken;
            if pipe.received as usize + taken < reply.len() {
                self.pipes.pipes[index as usize].received += taken as u32;
                continue;
            }
            // As for one request at a time: what comes behind the last reply makes that one wrong, and a reply cannot be
            // right before its request is sent in full.
            if pipe.written == 0 || pipe.begun == 1 && at < count {
                return Err(ErrorKind::Corrupt);
            }
            let Flight { intended_ns, sent_ns } = *self.pipes.flight(index, 0);
            self.slots[index as usize].failures = 0;
            self.books.answered(index as usize, reply.len(), intended_ns, sent_ns, now);
            self.pipes.pop(index);
            if now < self.clock.end_ns {
                self.pipes.make_room(index, now);
            }
        }
        Ok(())
    }

    /// Enters the fresh requests and sends what the socket takes.
    fn top_up(&mut self, index: u32) {
        let fresh = std::mem::take(&mut self.pipes.pipes[index as usize].fresh);
        for _ in 0..fresh {
            let at = self.pipes.pipes[index as usize].len;
            let intended_ns = self.pipes.flight(index, at).intended_ns;
            self.pipes.pipes[index as usize].len += 1;
            self.slots[index as usize].next += 1;
            self.books.due(intended_ns);
            self.books.given(index as usize);
        }
        if let Err(kind) = self.send_all(index) {
            return self.break_off(index, kind);
        }
        let pipe = self.pipes.pipes[index as usize];
        self.slots[index as usize].phase = if pipe.len > 0 { Phase::Streaming } else { Phase::Free };
        if pipe.noted < pipe.len {
            let now = self.now();
            for at in pipe.noted..pipe.len {
                self.books.held_up(self.pipes.flight(index, at).intended_ns, now);
            }
            self.pipes.pipes[index as usize].noted = pipe.len;
        }
        if pipe.len > 0 && !pipe.armed {
            let deadline_ns = self.pipes.deadline_ns(index, self.timeout_ns);
            self.pipes.pipes[index as usize].armed = true;
            self.pipes.deadlines.push(Reverse((deadline_ns, index)));
        }
    }

    /// Sends what is not written yet, as far as the socket takes it.
    fn send_all(&mut self, index: u32) -> Result<(), ErrorKind> {
        loop {
            let pipe = self.pipes.pipes[index as usize];
            if pipe.written == pipe.len {
                return Ok(());
            }
            let now = self.now();
            match self.send_some(index, &pipe) {
                Ok(Sent::Whole(requests)) => {
                    self.begun(index, pipe.written + requests, now);
                    let pipe = &mut self.pipes.pipes[index as usize];
                    (pipe.written, pipe.sent_bytes) = (pipe.written + requests, 0);
                }
                // The socket is full: an edge will say when it is not.
                Ok(Sent::Part(bytes)) => return self.written_in_part(index, bytes, now),
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error_kind(error)),
            }
        }
    }

    /// One system call for as many requests as the buffer holds, or for one that it does not hold.
    fn send_some(&mut self, index: u32, pipe: &Pipe) -> Result<Sent, Errno> {
        let slot = &self.slots[index as usize];
        let Some(connection) = &slot.connection else { return Err(Errno::NOTCONN) };
        let socket = connection.socket();
        let (mut filled, mut requests, mut skip) = (0, 0, pipe.sent_bytes as usize);
        for at in pipe.written..pipe.len {
            let asked = request(&self.schedule, slot, index, pipe, at);
            let parts = self.exchange.request(&asked);
            let left = parts.len() - skip;
            if left > self.buffer.len() - filled {
                if requests > 0 {
                    break;
                }
                let sent = send_from(socket, &parts, skip, &mut [])?;
                return Ok(if sent == left { Sent::Whole(1) } else { Sent::Part(sent) });
            }
            for piece in parts.pieces() {
                let rest = &piece[skip.min(piece.len())..];
                skip = skip.saturating_sub(piece.len());
                self.buffer[filled..filled + rest.len()].copy_from_slice(rest);
                filled += rest.len();
            }
            requests += 1;
        }
        let sent = send(socket, &self.buffer[..filled], SendFlags::NOSIGNAL)?;
        Ok(if sent == filled { Sent::Whole(requests) } else { Sent::Part(sent) })
    }

    /// The socket took `bytes` of what is not written yet, by a call that began at `now`.
    fn written_in_part(&mut self, index: u32, mut bytes: usize, now: u64) -> Result<(), ErrorKind> {
        while bytes > 0 {
            let pipe = self.pipes.pipes[index as usize];
            let asked = request(&self.schedule, &self.slots[index as usize], index, &pipe, pipe.written);
            let left = self.exchange.request(&asked).len() - pipe.sent_bytes as usize;
            self.begun(index, pipe.written + 1, now);
            let pipe = &mut self.pipes.pipes[index as usize];
            if bytes < left {
                pipe.sent_bytes += bytes as u32;
                return Ok(());
            }
            (pipe.written, pipe.sent_bytes) = (pipe.written + 1, 0);
            bytes -= left;
        }
        Ok(())
    }

    /// Of the requests before the `end`-th at least one byte is sent, by a call that began at `now`.
    fn begun(&mut self, index: u32, end: u32, now: u64) {
        let pipe = self.pipes.pipes[index as usize];
        for at in pipe.begun..end {
            let flight = self.pipes.flight(index, at);
            flight.sent_ns = now;
            self.books.written(flight.intended_ns, now, at < pipe.noted);
        }
        let pipe = &mut self.pipes.pipes[index as usize];
        pipe.begun = pipe.begun.max(end);
        pipe.noted = pipe.noted.max(pipe.begun);
    }

    /// The connection has failed with all that is under way on it.
    fn break_off(&mut self, index: u32, kind: ErrorKind) {
        // A wrong reply is one request's; it is the swarm that then leaves, and takes the others with it.
        let others = if kind == ErrorKind::Corrupt { ErrorKind::Abandoned } else { kind };
        let now = self.now();
        for at in 0..self.pipes.pipes[index as usize].len {
            let intended_ns = self.pipes.flight(index, at).intended_ns;
            self.books.failed(intended_ns, now, if at == 0 { kind } else { others });
        }
        self.pipes.clear(index);
        self.abandon(index);
    }

    /// The connection has failed when all that was under way on it had been answered: no request has failed by that. But
    /// bytes that nobody asked for fail the next one.
    fn break_off_idle(&mut self, index: u32, kind: ErrorKind) {
        self.pipes.clear(index);
        if kind == ErrorKind::Corrupt {
            self.slots[index as usize].unsolicited = true;
        } else {
            self.retire(index);
        }
        let now = self.now();
        self.go_on(index, now, now);
    }

    /// Gives up the pipelines whose oldest request has waited too long at `until`. Returns the time when that is done.
    pub(super) fn expire_pipes(&mut self, until: u64) -> u64 {
        let mut now = until;
        while self.pipes.next_deadline_ns().is_some_and(|at_ns| at_ns <= until) {
            let Some(Reverse((_, index))) = self.pipes.deadlines.pop() else { break };
            self.pipes.pipes[index as usize].armed = false;
            if self.pipes.pipes[index as usize].len == 0 {
                continue;
            }
            let deadline_ns = self.pipes.deadline_ns(index, self.timeout_ns);
            if deadline_ns > until {
                self.pipes.pipes[index as usize].armed = true;
                self.pipes.deadlines.push(Reverse((deadline_ns, index)));
                continue;
            }
            self.time_out_pipe(index, until);
            now = self.now();
        }
        now
    }

    /// The oldest request has timed out: the connection is given up, and each request on it counted as what it is.
    fn time_out_pipe(&mut self, index: u32, until: u64) {
        let pipe = self.pipes.pipes[index as usize];
        for at in 0..pipe.len {
            let Flight { intended_ns, sent_ns } = *self.pipes.flight(index, at);
            if at == 0 || at < pipe.begun && sent_ns + self.timeout_ns <= until {
                self.books.timed_out(intended_ns, until);
            } else {
                self.books.failed(intended_ns, until, ErrorKind::Abandoned);
            }
        }
        self.pipes.clear(index);
        self.abandon(index);
    }
}
