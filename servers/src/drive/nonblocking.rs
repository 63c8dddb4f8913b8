//! A connection over a non-blocking socket, one turn at a time, for event loops that wait for readiness (epoll, poll).
//!
//! It never waits and never runs a job.

use super::buffers::{Buffers, READ_SIZE};
use super::outbox;
use super::protocol::{Action, Protocol};
use super::readiness::{Interest, Ready};
use super::registry::Tracked;
use crate::{Job, JobOutput, Session};
use mio::net::TcpStream;
use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use std::io;

/// Reads a connection may do in one turn, so that one that always has more does not starve the others: at 64 KiB a
/// read, 256 KiB or some thousands of small requests. Batches of replies to one read count like reads.
pub(crate) const READS_A_TURN: u32 = 4;

/// What the loop does for a connection after its turn.
pub(crate) enum Step {
    /// Nothing until the next event or result.
    Wait,
    /// Give it another turn when the others had theirs.
    Yield,
    /// Start this job, then call [`Connection::on_result`].
    Run(Job),
    /// Remove it.
    Close,
}

/// A connection as an event loop drives it: told of readiness, given turns, which never wait.
pub(crate) trait Turns: Sized {
    /// A connection that has done nothing yet.
    ///
    /// # Errors
    /// When the system has no room for what it needs.
    fn new(socket: Tracked<TcpStream>, session: Box<dyn Session>) -> io::Result<Self>;

    /// Notes readiness. An error makes both sides ready, so that the call that meets it reports it.
    fn on_ready(&mut self, ready: &Ready);

    /// What its socket must tell for it to go on.
    fn interest(&self) -> Interest;

    /// Does what it can now.
    fn turn(&mut self, buffers: &mut Buffers) -> Step;

    /// Takes the result of its job and goes on.
    fn on_result(&mut self, result: JobOutput, buffers: &mut Buffers) -> Step;

    /// Counts that its session or job has panicked.
    fn crashed(&self);

    /// Whether its turn ended early and it waits in the loop's queue for the next.
    fn queued(&mut self) -> &mut bool;
}

/// What it waits for between turns.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Reading,
    Writing,
    InJob,
}

/// A connection that is a state machine.
pub(crate) struct Connection {
    /// Before the socket, so that a client has left a chat before it counts as closed.
    protocol: Protocol,
    socket: Tracked<TcpStream>,
    state: State,
    /// Replies that the socket did not take at once, from `sent` on.
    unsent: Vec<u8>,
    sent: usize,
    /// Whether a read may find something. Cleared by a read that did not fill the buffer, which shows the socket to be
    /// empty without another read to say so (epoll(7), Q9); what comes later makes a new event.
    readable: bool,
    writable: bool,
    /// Whether the peer has ended its side: then a short read must be followed by the one that says so, because no
    /// event will.
    read_closed: bool,
    queued: bool,
}

impl Turns for Connection {
    fn new(socket: Tracked<TcpStream>, session: Box<dyn Session>) -> io::Result<Self> {
        Ok(Self {
            socket,
            protocol: Protocol::new(session),
            state: State::Reading,
            unsent: Vec::new(),
            sent: 0,
            readable: false,
            writable: true,
            read_closed: false,
            queued: false,
        })
    }

    #[inline]
    fn on_ready(&mut self, ready: &Ready) {
        self.read_closed |= ready.read_closed || ready.failed;
        self.readable |= ready.readable || self.read_closed;
        self.writable |= ready.writable || ready.failed;
    }

    fn interest(&self) -> Interest {
        match self.state {
            State::Reading if !self.readable => Interest::Read,
            State::Writing if !self.writable => Interest::Write,
            State::Reading | State::Writing | State::InJob => Interest::None,
        }
    }

    fn crashed(&self) {
        self.socket.meter().crashed();
    }

    fn queued(&mut self) -> &mut bool {
        &mut self.queued
    }

    #[inline]
    fn turn(&mut self, buffers: &mut Buffers) -> Step {
        let action = match self.state {
            State::Reading => Action::Read,
            State::Writing => Action::Write,
            State::InJob => return Step::Wait,
        };
        self.go_on(action, buffers)
    }

    fn on_result(&mut self, result: JobOutput, buffers: &mut Buffers) -> Step {
        if self.state != State::InJob {
            return Step::Wait;
        }
        let action = self.protocol.on_result(result, &mut buffers.output);
        self.go_on(action, buffers)
    }
}

impl Connection {
    fn go_on(&mut self, action: Action, buffers: &mut Buffers) -> Step {
        let result = self.drive(action, buffers);
        if !matches!(result, Ok(Step::Wait)) {
            outbox::send_pending(); // it may close
        }
        match result {
            Ok(Step::Close) => self.socket.meter().ended(false, self.protocol.rejected().is_some()),
            Ok(_) => {}
            Err(_) => {
                buffers.clear_output();
                self.socket.meter().ended(true, false);
            }
        }
        result.unwrap_or(Step::Close)
    }

    fn drive(&mut self, mut action: Action, buffers: &mut Buffers) -> Result<Step, Errno> {
        let mut reads = 0;
        loop {
            action = match action {
                Action::Read => {
                    self.state = State::Reading;
                    if !self.readable {
                        return Ok(Step::Wait);
                    }
                    if reads == READS_A_TURN {
                        return Ok(Step::Yield);
                    }
                    reads += 1;
                    self.read(buffers)?
                }
                Action::Write => {
                    self.state = State::Writing;
                    if !self.write(buffers)? {
                        return Ok(Step::Wait);
                    }
                    let (answered, next) = self.protocol.on_written(&mut buffers.output);
                    self.socket.meter().answered(answered);
                    if matches!(next, Action::Write) {
                        if reads == READS_A_TURN {
                            std::mem::swap(&mut self.unsent, &mut buffers.output);
                            return Ok(Step::Yield);
                        }
                        reads += 1;
                    }
                    next
                }
                Action::AwaitRoom => {
                    (self.state, self.writable) = (State::Writing, false);
                    return Ok(Step::Wait);
                }
                Action::Run(job) => {
                    self.state = State::InJob;
                    return Ok(Step::Run(job));
                }
                Action::Close => return Ok(Step::Close),
            }
        }
    }

    fn read(&mut self, Buffers { input, output, .. }: &mut Buffers) -> Result<Action, Errno> {
        input.clear();
        match recv(&self.socket.stream, spare_capacity(input), RecvFlags::empty()) {
            Ok((0, _)) => Ok(self.protocol.on_end(output)),
            Ok((n, _)) => {
                if n < READ_SIZE && !self.read_closed {
                    self.readable = false;
                }
                self.socket.meter().received(n);
                Ok(self.protocol.on_data(input, output))
            }
            Err(Errno::AGAIN) => {
                self.readable = false;
                Ok(Action::Read)
            }
            Err(Errno::INTR) => Ok(Action::Read),
            Err(error) => Err(error),
        }
    }

    /// Writes the loop's output buffer, or what is left of an earlier one. Returns whether all is written; what is not
    /// becomes this connection's own.
    fn write(&mut self, buffers: &mut Buffers) -> Result<bool, Errno> {
        let own = !self.unsent.is_empty();
        if own || !buffers.output.is_empty() {
            outbox::send_pending();
        }
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
            match send(&self.socket.stream, left, SendFlags::NOSIGNAL) {
                Ok(n) => {
                    self.socket.meter().sent(n);
                    self.sent += n;
                }
                Err(Errno::AGAIN) => self.writable = false,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
        if !own && !buffers.output.is_empty() {
            std::mem::swap(&mut self.unsent, &mut buffers.output);
        }
        Ok(false)
    }
}
