//! One connection of the event loop: the conversation over a non-blocking socket, one turn at a time.
//!
//! It never waits and never runs a job.

use super::readiness::{Ready, Wants};
use crate::drive::buffers::{Buffers, READ_SIZE};
use crate::drive::conversation::{Conversation, Need};
use crate::drive::live::Held;
use crate::{JobOutput, Session};
use mio::net::TcpStream;
use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

/// Reads a connection may do in one turn, so that one that always has more does not starve the others: at 64 KiB a
/// read, 256 KiB or some thousands of small requests. Batches of replies to one read count like reads.
const READS_A_TURN: u32 = 4;

/// What the loop has to do for a connection after its turn.
pub(super) enum Step {
    /// Nothing until the next event or completion.
    Idle,
    /// Give it another turn when the others had theirs.
    Unfinished,
    /// Do this job, then [`Connection::complete`].
    Run(crate::Job),
    /// Remove it.
    Close,
}

/// What it waits for between turns.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waiting {
    Input,
    Flush,
    Job,
}

pub(super) struct Connection {
    held: Held<TcpStream>,
    conversation: Conversation,
    waiting: Waiting,
    /// Replies that the socket did not take at once, from `sent` on.
    unsent: Vec<u8>,
    sent: usize,
    /// Whether a read may find something. Cleared by a read that did not fill the buffer, which shows the socket to be
    /// drained without another read to say so (epoll(7), Q9); what comes later makes a new event.
    readable: bool,
    writable: bool,
    /// Whether the peer has ended its side: then a short read must be followed by the one that says so, because no
    /// event will.
    read_closed: bool,
    /// Whether it stands in the line of those whose turn was cut short.
    pub(super) queued: bool,
}

impl Connection {
    pub(super) fn new(held: Held<TcpStream>, session: Box<dyn Session>) -> Self {
        Self {
            held,
            conversation: Conversation::new(session),
            waiting: Waiting::Input,
            unsent: Vec::new(),
            sent: 0,
            readable: false,
            writable: true,
            read_closed: false,
            queued: false,
        }
    }

    /// Notes readiness. An error makes both sides ready, so that the call that meets it reports it.
    pub(super) fn note(&mut self, ready: &Ready) {
        self.read_closed |= ready.read_closed || ready.failed;
        self.readable |= ready.readable || self.read_closed;
        self.writable |= ready.writable || ready.failed;
    }

    /// What its socket must tell for it to go on.
    pub(super) fn wants(&self) -> Wants {
        match self.waiting {
            Waiting::Input if !self.readable => Wants::Input,
            Waiting::Flush if !self.writable => Wants::Room,
            Waiting::Input | Waiting::Flush | Waiting::Job => Wants::Nothing,
        }
    }

    pub(super) fn crashed(&self) {
        self.held.ticket.meter().crashed();
    }

    /// Does what it can now.
    pub(super) fn turn(&mut self, buffers: &mut Buffers) -> Step {
        let need = match self.waiting {
            Waiting::Input => Need::Read,
            Waiting::Flush => Need::Flush,
            Waiting::Job => return Step::Idle,
        };
        self.go_on(need, buffers)
    }

    /// Takes the result of its job and goes on.
    pub(super) fn complete(&mut self, result: JobOutput, buffers: &mut Buffers) -> Step {
        if self.waiting != Waiting::Job {
            return Step::Idle;
        }
        let need = self.conversation.complete(result, &mut buffers.output);
        self.go_on(need, buffers)
    }

    fn go_on(&mut self, need: Need, buffers: &mut Buffers) -> Step {
        let result = self.drive(need, buffers);
        let meter = self.held.ticket.meter();
        match result {
            Ok(Step::Close) => meter.ended(false, self.conversation.rejected().is_some()),
            Ok(_) => {}
            Err(_) => {
                buffers.clear_output();
                meter.ended(true, false);
            }
        }
        result.unwrap_or(Step::Close)
    }

    fn drive(&mut self, mut need: Need, buffers: &mut Buffers) -> Result<Step, Errno> {
        let mut reads = 0;
        loop {
            need = match need {
                Need::Read => {
                    self.waiting = Waiting::Input;
                    if !self.readable {
                        return Ok(Step::Idle);
                    }
                    if reads == READS_A_TURN {
                        return Ok(Step::Unfinished);
                    }
                    reads += 1;
                    self.read(buffers)?
                }
                Need::Flush => {
                    self.waiting = Waiting::Flush;
                    if !self.flush(buffers)? {
                        return Ok(Step::Idle);
                    }
                    let (answered, next) = self.conversation.flushed(&mut buffers.output);
                    self.held.ticket.meter().answered(answered);
                    if matches!(next, Need::Flush) {
                        if reads == READS_A_TURN {
                            std::mem::swap(&mut self.unsent, &mut buffers.output);
                            return Ok(Step::Unfinished);
                        }
                        reads += 1;
                    }
                    next
                }
                Need::Run(job) => {
                    self.waiting = Waiting::Job;
                    return Ok(Step::Run(job));
                }
                Need::Close => return Ok(Step::Close),
            }
        }
    }

    fn read(&mut self, buffers: &mut Buffers) -> Result<Need, Errno> {
        let Buffers { input, output } = buffers;
        input.clear();
        match recv(&self.held.stream, spare_capacity(input), RecvFlags::empty()) {
            Ok((0, _)) => Ok(self.conversation.end_of_input()),
            Ok((n, _)) => {
                if n < READ_SIZE && !self.read_closed {
                    self.readable = false;
                }
                self.held.ticket.meter().received(n);
                Ok(self.conversation.take_in(input, output))
            }
            Err(Errno::AGAIN) => {
                self.readable = false;
                Ok(Need::Read)
            }
            Err(Errno::INTR) => Ok(Need::Read),
            Err(error) => Err(error),
        }
    }

    /// Sends the loop's output buffer, or what is left of an earlier one. Returns whether all is sent; what is not
    /// becomes this connection's own.
    fn flush(&mut self, buffers: &mut Buffers) -> Result<bool, Errno> {
        let own = !self.unsent.is_empty();
        while self.writable {
            let left = if own { &self.unsent[self.sent..] } else { &buffers.output[self.sent..] };
            if left.is_empty() {
                self.sent = 0;
                if own {
                    self.unsent = Vec::new();
                } else {
                    buffers.clear_output();
                }
                return Ok(true);
            }
            match send(&self.held.stream, left, SendFlags::NOSIGNAL) {
                Ok(n) => {
                    self.held.ticket.meter().sent(n);
                    self.sent += n;
                }
                Err(Errno::AGAIN) => self.writable = false,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
        if !own {
            std::mem::swap(&mut self.unsent, &mut buffers.output);
        }
        Ok(false)
    }
}
