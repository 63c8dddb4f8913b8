//! A connection over completed I/O, one completion at a time, for event loops that wait for completions (io_uring).
//!
//! It never submits anything, never waits and never runs a job: it says what is needed.

use super::protocol::{Action, Protocol};
use super::registry::Tracked;
use crate::sys::uring::{Descriptor, Operation};
use crate::{Job, JobOutput, Session};
use rustix::io::Errno;

/// Input that has come while a job is being done, beyond which no more is received: a client that sends its next
/// request early should not cost a cancellation. What is on its way already, bursts of 32 KiB (three were seen), still
/// comes.
const ENOUGH: usize = 16 * 1024;

/// Full small buffers in a row after which a connection receives large ones, one at a time: what it sends comes in
/// messages of 8 KiB and more.
const FULL_IN_A_ROW: u32 = 8;

/// Input that would not have filled so many small buffers...
const LITTLE: usize = 8 * 1024;

/// ...and as often as this in a row, after which it receives small ones again.
const LITTLE_IN_A_ROW: u32 = 16;

/// What the loop does for a connection after a completion.
pub(crate) enum Step {
    /// Nothing until the next completion.
    Wait,
    /// Give it a turn when the other completions have had theirs: more of its input may be among them.
    Yield,
    /// Send the output, then call [`Connection::on_sent`].
    Send,
    /// Send these bytes, from there on: the last send was partial.
    SendRest(Vec<u8>, usize),
    /// Wait until its socket has room, then call [`Connection::on_room`].
    AwaitRoom,
    /// Start this job, then call [`Connection::on_result`].
    Run(Job),
    /// Remove it.
    Close,
}

/// What the loop changes about receiving.
pub(crate) enum Receive {
    /// Nothing.
    Keep,
    /// Begin with small buffers, again and again.
    Multishot,
    /// Begin with a large one.
    Once,
    /// End this operation.
    Cancel(Operation),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Reading,
    Writing,
    InJob,
}

pub(crate) struct Connection {
    /// Before the socket, so that a client has left a chat before it counts as closed.
    protocol: Protocol,
    socket: Tracked<Descriptor>,
    state: State,
    /// Input that came while it did something else, or that more was coming after.
    pending: Vec<u8>,
    /// How its input has ended.
    ended: Option<Result<(), Errno>>,
    /// Of the bytes that are being sent, how many are.
    sent: usize,
    receiving: Option<Operation>,
    cancelling: bool,
    /// Whether what receives now does so once.
    once: bool,
    /// Whether it is to receive large buffers, one at a time.
    bulk: bool,
    /// How often in a row its input has spoken for the other way.
    otherwise: u32,
    /// Whether it is in the line of those who get a turn.
    pub(crate) queued: bool,
}

impl Connection {
    pub(crate) fn new(socket: Tracked<Descriptor>, session: Box<dyn Session>) -> Self {
        Self {
            socket,
            protocol: Protocol::new(session),
            state: State::Reading,
            pending: Vec::new(),
            ended: None,
            sent: 0,
            receiving: None,
            cancelling: false,
            once: false,
            bulk: false,
            otherwise: 0,
            queued: false,
        }
    }

    pub(crate) fn socket(&self) -> &Descriptor {
        &self.socket.stream
    }

    /// Counts that its session or job has panicked.
    pub(crate) fn crashed(&self) {
        self.socket.meter().crashed();
    }

    /// Notes that receiving has begun, as [`next_receive`](Self::next_receive) asked.
    pub(crate) fn on_receive_begun(&mut self, operation: Operation) {
        (self.receiving, self.cancelling, self.once) = (Some(operation), false, self.bulk);
    }

    /// Notes that receiving is over until it is begun again.
    pub(crate) fn on_receive_over(&mut self) {
        self.receiving = None;
    }

    /// The operation that receives, if one does.
    pub(crate) fn receiving(&self) -> Option<Operation> {
        self.receiving
    }

    /// What to change about receiving, now that it has acted. A send that has not completed when more input comes is
    /// stuck: one that finds room completes with its submission.
    pub(crate) fn next_receive(&mut self) -> Receive {
        let enough = match self.state {
            State::Reading if self.bulk && !self.once => 0,
            State::Reading => usize::MAX,
            State::Writing => 1,
            State::InJob => ENOUGH,
        };
        match self.receiving {
            None if self.state == State::Reading && self.pending.is_empty() && self.ended.is_none() => {
                if self.bulk { Receive::Once } else { Receive::Multishot }
            }
            Some(operation) if self.pending.len() >= enough && !self.cancelling => {
                self.cancelling = true;
                Receive::Cancel(operation)
            }
            _ => Receive::Keep,
        }
    }

    /// Input has come; `whole` says that it filled its buffer, so that more has probably come with it.
    pub(crate) fn on_received(&mut self, input: &[u8], whole: bool, output: &mut Vec<u8>) -> Step {
        self.socket.meter().received(input.len());
        self.choose_buffers(input.len(), whole);
        if self.state == State::Reading && self.pending.is_empty() && (self.once || !whole) {
            let action = self.protocol.on_data(input, output);
            return self.go_on(action, output);
        }
        self.pending.extend_from_slice(input);
        self.yield_if_reading()
    }

    /// Chooses how to receive, by what has come.
    fn choose_buffers(&mut self, length: usize, whole: bool) {
        let (otherwise, limit) = if self.bulk {
            (self.once && length < LITTLE, LITTLE_IN_A_ROW)
        } else {
            (whole && !self.once, FULL_IN_A_ROW)
        };
        self.otherwise = if otherwise { self.otherwise + 1 } else { 0 };
        if self.otherwise == limit {
            (self.bulk, self.otherwise) = (!self.bulk, 0);
        }
    }

    /// The input has ended, in order or by an error.
    pub(crate) fn on_end(&mut self, how: Result<(), Errno>) -> Step {
        self.ended = Some(how);
        self.yield_if_reading()
    }

    fn yield_if_reading(&self) -> Step {
        if self.state == State::Reading { Step::Yield } else { Step::Wait }
    }

    /// Goes on with input that had to wait.
    pub(crate) fn turn(&mut self, output: &mut Vec<u8>) -> Step {
        if self.state == State::Reading { self.go_on(Action::Read, output) } else { Step::Wait }
    }

    /// Takes the result of its job and goes on.
    pub(crate) fn on_result(&mut self, result: JobOutput, output: &mut Vec<u8>) -> Step {
        if self.state != State::InJob {
            return Step::Wait;
        }
        let action = self.protocol.on_result(result, output);
        self.go_on(action, output)
    }

    /// Goes on after a send, or with the rest of it. Takes `bytes` unless they have been sent whole.
    pub(crate) fn on_sent(
        &mut self,
        count: Result<usize, Errno>,
        bytes: &mut Vec<u8>,
        output: &mut Vec<u8>,
    ) -> Step {
        match count {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(count) => {
                self.socket.meter().sent(count);
                self.sent += count;
            }
            Err(_) => return self.fail(),
        }
        if self.sent < bytes.len() {
            return Step::SendRest(std::mem::take(bytes), self.sent);
        }
        self.sent = 0;
        let (answered, action) = self.protocol.on_written(output);
        self.socket.meter().answered(answered);
        self.go_on(action, output)
    }

    /// Goes on where somebody else's way of writing was full.
    pub(crate) fn on_room(&mut self, output: &mut Vec<u8>) -> Step {
        self.go_on(Action::Write, output)
    }

    fn fail(&self) -> Step {
        self.socket.meter().ended(true, false);
        Step::Close
    }

    fn go_on(&mut self, mut action: Action, output: &mut Vec<u8>) -> Step {
        loop {
            action = match action {
                Action::Read if !self.pending.is_empty() => {
                    let input = std::mem::take(&mut self.pending); // an idle connection keeps no memory
                    self.protocol.on_data(&input, output)
                }
                Action::Read => {
                    self.state = State::Reading;
                    match self.ended {
                        None => return Step::Wait,
                        Some(Ok(())) => self.protocol.on_end(output),
                        Some(Err(_)) => return self.fail(),
                    }
                }
                // Nothing to hand to the kernel: what was answered went another way.
                Action::Write if output.is_empty() => {
                    let (answered, next) = self.protocol.on_written(output);
                    self.socket.meter().answered(answered);
                    next
                }
                Action::Write => {
                    self.state = State::Writing;
                    return Step::Send;
                }
                Action::AwaitRoom => {
                    self.state = State::Writing;
                    return Step::AwaitRoom;
                }
                Action::Run(job) => {
                    self.state = State::InJob;
                    return Step::Run(job);
                }
                Action::Close => {
                    self.socket.meter().ended(false, self.protocol.rejected().is_some());
                    return Step::Close;
                }
            }
        }
    }
}
