//! The rings of a pipelined load: what each connection has under way, beside the slots and only for such a load.
//!
//! A slot, and the way of a request in every other load, are as they were. Nothing here allocates once the rings are made.

use super::schedule::Schedule;
use super::slot::Slot;
use bakeoff_servers::exchange::Request;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A request under way: when it should have been sent, and when its first byte was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flight {
    pub(super) intended_ns: u64,
    pub(super) sent_ns: u64,
}

/// The requests under way on one connection, oldest first: those written in full, perhaps one in part, those the socket
/// had no room for yet; behind them the fresh ones, which are not in the books yet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pipe {
    /// Where in its ring the oldest lies.
    pub(super) head: u32,
    /// How many are in the books.
    pub(super) len: u32,
    /// How many of these the socket has taken a byte of.
    pub(super) begun: u32,
    /// How many of these it has taken whole.
    pub(super) written: u32,
    /// How many of these are begun, or known to the books to be held up.
    pub(super) noted: u32,
    /// Requests that there is room for since the last send.
    pub(super) fresh: u32,
    /// Bytes taken of the first that is not written whole.
    pub(super) sent_bytes: u32,
    /// Bytes that have come of the oldest one's reply.
    pub(super) received: u32,
    /// Whether a deadline is kept for it.
    pub(super) armed: bool,
}

/// The pipelines of all slots; empty where the load has none.
#[derive(Debug, Default)]
pub(super) struct Pipes {
    pub(super) depth: u32,
    pub(super) pipes: Vec<Pipe>,
    pub(super) flights: Vec<Flight>,
    /// For each armed pipe a time not after its oldest request's deadline. It is looked at only when it comes, and put
    /// off if the oldest is another by then: a request costs nothing here.
    pub(super) deadlines: BinaryHeap<Reverse<(u64, u32)>>,
}

impl Pipes {
    /// Pipelines of `depth` requests for so many slots.
    pub(super) fn new(slots: usize, depth: u32) -> Self {
        Self {
            depth,
            pipes: vec![Pipe::default(); slots],
            flights: vec![Flight { intended_ns: 0, sent_ns: 0 }; slots * depth as usize],
            deadlines: BinaryHeap::with_capacity(slots),
        }
    }

    /// When the next deadline must be looked at.
    pub(super) fn next_deadline_ns(&self) -> Option<u64> {
        self.deadlines.peek().map(|&Reverse((at_ns, _))| at_ns)
    }

    /// Requests that are due and that no socket took a byte of.
    pub(super) fn never_written(&self) -> u64 {
        self.pipes.iter().map(|pipe| u64::from(pipe.len - pipe.begun)).sum()
    }

    /// The `at`-th request under way of a slot, from the oldest.
    pub(super) fn flight(&mut self, index: u32, at: u32) -> &mut Flight {
        let head = self.pipes[index as usize].head;
        &mut self.flights[(index * self.depth + (head + at) % self.depth) as usize]
    }

    /// Notes that there is room for as many requests as the pipeline has places left, since `now`.
    pub(super) fn make_room(&mut self, index: u32, now: u64) {
        let pipe = self.pipes[index as usize];
        for at in pipe.len + pipe.fresh..self.depth {
            self.flight(index, at).intended_ns = now;
        }
        self.pipes[index as usize].fresh = self.depth - pipe.len;
    }

    /// The oldest request of a pipe is answered.
    pub(super) fn pop(&mut self, index: u32) {
        let pipe = &mut self.pipes[index as usize];
        pipe.head = (pipe.head + 1) % self.depth;
        pipe.len -= 1;
        pipe.begun -= 1;
        pipe.written -= 1;
        pipe.noted -= 1;
        pipe.received = 0;
    }

    /// When the oldest request of a pipe times out.
    pub(super) fn deadline_ns(&mut self, index: u32, timeout_ns: u64) -> u64 {
        let begun = self.pipes[index as usize].begun > 0;
        let oldest = self.flight(index, 0);
        timeout_ns + if begun { oldest.sent_ns } else { oldest.intended_ns }
    }

    /// Forgets all that is under way on a connection that is gone.
    pub(super) fn clear(&mut self, index: u32) {
        let pipe = &mut self.pipes[index as usize];
        *pipe = Pipe { armed: pipe.armed, ..Pipe::default() };
    }
}

/// The `at`-th request under way of a slot: numbers are given in order.
pub(super) fn request(schedule: &Schedule, slot: &Slot, index: u32, pipe: &Pipe, at: u32) -> Request {
    let first = slot.next - u64::from(pipe.len);
    schedule.request_of(schedule.connection(index), first + u64::from(at))
}
