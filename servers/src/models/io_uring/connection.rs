//! One connection of the proactor: the conversation over completions, one completion at a time.
//!
//! It never submits anything, never waits and never runs a job: it says what is needed.

use crate::drive::conversation::{Conversation, Need};
use crate::drive::live::Held;
use crate::sys::uring::{Descriptor, Operation};
use crate::{JobOutput, Session};
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

/// What the proactor has to do for a connection after a completion.
pub(super) enum Step {
    /// Nothing until the next completion.
    Idle,
    /// Give it a turn when the other completions have had theirs: more of its input may be among them.
    Unfinished,
    /// Send the output, then [`Connection::sent`].
    Send,
    /// Send these bytes, from there on: the last send was partial.
    Resume(Vec<u8>, usize),
    /// Do this job, then [`Connection::complete`].
    Run(crate::Job),
    /// Remove it.
    Close,
}

/// What must be changed about receiving.
pub(super) enum Receiving {
    AsItIs,
    /// Small buffers, again and again.
    Start,
    /// A large one.
    StartOnce,
    Cancel(Operation),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Waiting {
    Input,
    Flush,
    Job,
}

pub(super) struct Connection {
    held: Held<Descriptor>,
    conversation: Conversation,
    waiting: Waiting,
    /// Input that came while it was waiting for something else, or that more was coming after.
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
    /// Whether it stands in the line of those who get a turn.
    pub(super) queued: bool,
}

impl Connection {
    pub(super) fn new(held: Held<Descriptor>, session: Box<dyn Session>) -> Self {
        Self {
            held,
            conversation: Conversation::new(session),
            waiting: Waiting::Input,
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

    pub(super) fn socket(&self) -> &Descriptor {
        &self.held.stream
    }

    pub(super) fn crashed(&self) {
        self.held.ticket.meter().crashed();
    }

    /// Notes that receiving has begun, as [`regulate`](Self::regulate) asked.
    pub(super) fn receives(&mut self, operation: Operation) {
        (self.receiving, self.cancelling, self.once) = (Some(operation), false, self.bulk);
    }

    /// Notes that receiving is over until it is begun again.
    pub(super) fn receives_no_more(&mut self) {
        self.receiving = None;
    }

    /// The operation that receives, if one does.
    pub(super) fn receiving(&self) -> Option<Operation> {
        self.receiving
    }

    /// What to change about receiving, now that it has acted. A send that has not completed when more input comes is
    /// stuck: one that finds room completes with its submission.
    pub(super) fn regulate(&mut self) -> Receiving {
        let enough = match self.waiting {
            Waiting::Input if self.bulk && !self.once => 0,
            Waiting::Input => usize::MAX,
            Waiting::Flush => 1,
            Waiting::Job => ENOUGH,
        };
        match self.receiving {
            None if self.waiting == Waiting::Input && self.pending.is_empty() && self.ended.is_none() => {
                if self.bulk {
                    Receiving::StartOnce
                } else {
                    Receiving::Start
                }
            }
            Some(operation) if self.pending.len() >= enough && !self.cancelling => {
                self.cancelling = true;
                Receiving::Cancel(operation)
            }
            _ => Receiving::AsItIs,
        }
    }

    /// Takes in what was received; `whole` says that it filled its buffer, so that more has probably come with it.
    pub(super) fn received(&mut self, input: &[u8], whole: bool, output: &mut Vec<u8>) -> Step {
        self.held.ticket.meter().received(input.len());
        self.choose(input.len(), whole);
        if self.waiting == Waiting::Input && self.pending.is_empty() && (self.once || !whole) {
            let need = self.conversation.take_in(input, output);
            return self.go_on(need, output);
        }
        self.pending.extend_from_slice(input);
        if self.waiting == Waiting::Input { Step::Unfinished } else { Step::Idle }
    }

    /// Chooses how to receive, by what has come.
    fn choose(&mut self, length: usize, whole: bool) {
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

    /// Notes how the input has ended.
    pub(super) fn input_ended(&mut self, how: Result<(), Errno>) -> Step {
        self.ended = Some(how);
        if self.waiting == Waiting::Input { Step::Unfinished } else { Step::Idle }
    }

    /// Goes on with input that had to wait.
    pub(super) fn turn(&mut self, output: &mut Vec<u8>) -> Step {
        if self.waiting == Waiting::Input { self.go_on(Need::Read, output) } else { Step::Idle }
    }

    /// Takes the result of its job and goes on.
    pub(super) fn complete(&mut self, result: JobOutput, output: &mut Vec<u8>) -> Step {
        if self.waiting != Waiting::Job {
            return Step::Idle;
        }
        let need = self.conversation.complete(result, output);
        self.go_on(need, output)
    }

    /// Goes on after a send, or with the rest of it. Leaves `bytes` empty of what has been sent whole.
    pub(super) fn sent(
        &mut self,
        count: Result<usize, Errno>,
        bytes: &mut Vec<u8>,
        output: &mut Vec<u8>,
    ) -> Step {
        match count {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(count) => {
                self.held.ticket.meter().sent(count);
                self.sent += count;
            }
            Err(_) => return self.fail(),
        }
        if self.sent < bytes.len() {
            return Step::Resume(std::mem::take(bytes), self.sent);
        }
        self.sent = 0;
        let (answered, need) = self.conversation.flushed(output);
        self.held.ticket.meter().answered(answered);
        self.go_on(need, output)
    }

    fn fail(&self) -> Step {
        self.held.ticket.meter().ended(true, false);
        Step::Close
    }

    fn go_on(&mut self, mut need: Need, output: &mut Vec<u8>) -> Step {
        loop {
            need = match need {
                Need::Read if !self.pending.is_empty() => {
                    let input = std::mem::take(&mut self.pending); // an idle connection keeps no memory
                    self.conversation.take_in(&input, output)
                }
                Need::Read => {
                    self.waiting = Waiting::Input;
                    match self.ended {
                        None => return Step::Idle,
                        Some(Ok(())) => self.conversation.end_of_input(),
                        Some(Err(_)) => return self.fail(),
                    }
                }
                Need::Flush => {
                    self.waiting = Waiting::Flush;
                    return Step::Send;
                }
                Need::Run(job) => {
                    self.waiting = Waiting::Job;
                    return Step::Run(job);
                }
                Need::Close => {
                    self.held.ticket.meter().ended(false, self.conversation.rejected().is_some());
                    return Step::Close;
                }
            }
        }
    }
}
