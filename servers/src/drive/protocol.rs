//! One connection's protocol as a state machine without I/O: what happened goes in, the next action comes out. Every
//! model drives this.
//!
//! It keeps the order that bounds memory: replies are written before more is read, and a job starts only when the
//! replies before it are gone. A client that stops reading therefore costs one batch of replies and what one read
//! brought, never more (where sessions talk, what others say to it, too, up to a bound): at most twice the service's largest message plus two reads. Requests that arrive together and
//! ask for more than they bring (HTTP) are answered in batches, each written before the next is made.

use super::buffers::{READ_SIZE, RETAINED, clear};
use crate::{Job, JobOutput, Next, Post, Session};
use std::fmt;
use std::sync::Arc;

/// Replies are written when so many bytes of them are made, though more requests have arrived: small replies to all
/// that one read brings still go out in one write.
pub(crate) const BATCH: usize = 4 * READ_SIZE;

/// What the driver of a connection does next.
#[derive(Debug)]
pub enum Action {
    /// Read, then call [`Protocol::on_data`] or [`Protocol::on_end`].
    Read,
    /// Write the whole output, which may be nothing, then call [`Protocol::on_written`].
    Write,
    /// Wait until the client has room, then call [`Protocol::on_written`] again: somebody else's way of writing is full.
    AwaitRoom,
    /// Do the job, then call [`Protocol::on_result`].
    Run(Job),
    /// Close the connection.
    Close,
}

/// The state of one connection's protocol.
pub struct Protocol {
    session: Box<dyn Session>,
    /// Input that the session has not consumed yet, from `start` on; empty unless a request is partial or a job is
    /// running.
    unread: Vec<u8>,
    start: usize,
    /// What comes when the output is written; [`Action::Read`] whenever no write is under way.
    after_write: Action,
    /// Whether requests that have arrived wait for the write.
    paused: bool,
    /// By which an answer is being sent for which those requests wait, too.
    flushed: Option<Arc<dyn Post>>,
    /// Requests answered in the output that is being written.
    unwritten: u32,
    rejected: Option<&'static str>,
}

impl Protocol {
    /// The protocol of a new connection; it begins with [`Action::Read`].
    pub fn new(session: Box<dyn Session>) -> Self {
        Self {
            session,
            unread: Vec::new(),
            start: 0,
            after_write: Action::Read,
            paused: false,
            flushed: None,
            unwritten: 0,
            rejected: None,
        }
    }

    /// Bytes were read; replies go into the empty `output`.
    #[inline]
    pub fn on_data(&mut self, input: &[u8], output: &mut Vec<u8>) -> Action {
        if self.unread.is_empty() {
            let (used, next) = self.advance(input, output);
            if used < input.len() {
                self.unread.extend_from_slice(&input[used..]);
            }
            return self.act_on(next, output);
        }
        self.on_more_data(input, output)
    }

    /// Bytes were read that come after others. Apart, as is all that is not the usual request, so that the usual one
    /// can be inlined into its driver.
    #[inline(never)]
    fn on_more_data(&mut self, input: &[u8], output: &mut Vec<u8>) -> Action {
        if self.start > 0 {
            self.unread.drain(..self.start);
            self.start = 0;
        }
        self.unread.extend_from_slice(input);
        self.resume(output)
    }

    /// The client will send no more: what is answered is answered, a partial request is dropped. What the session says in
    /// parting goes into the empty `output`.
    pub fn on_end(&mut self, output: &mut Vec<u8>) -> Action {
        self.session.end(output);
        self.act_on(Next::Close, output)
    }

    /// The job is done; replies go into the empty `output`.
    pub fn on_result(&mut self, result: JobOutput, output: &mut Vec<u8>) -> Action {
        let next = self.session.complete(result, output);
        // A job after a job is for the next piece of the reply: the request goes on. One that ends without a word has no reply.
        let goes_on = matches!(next, Next::Run(_));
        let is_dropped = matches!(next, Next::Close | Next::Reject(_)) && output.is_empty();
        self.unwritten += u32::from(!goes_on && !is_dropped);
        match next {
            Next::Read => self.resume(output),
            next => self.act_on(next, output),
        }
    }

    /// The output was handed to the kernel. Returns how many requests that answered, and what comes next: to write
    /// again, perhaps, with replies in the empty `output` to requests that had arrived before.
    #[inline]
    pub fn on_written(&mut self, output: &mut Vec<u8>) -> (u32, Action) {
        if self.paused {
            return self.on_paused(output);
        }
        let answered = std::mem::take(&mut self.unwritten);
        match self.after_write {
            Action::Read => (answered, Action::Read), // nearly always; a job is not moved for nothing
            _ => (answered, std::mem::replace(&mut self.after_write, Action::Read)),
        }
    }

    /// The output before requests that wait is written; they go on when the answer before them is sent, too.
    #[inline(never)]
    fn on_paused(&mut self, output: &mut Vec<u8>) -> (u32, Action) {
        if self.flushed.as_ref().is_some_and(|post| !post.flush()) {
            return (0, Action::AwaitRoom);
        }
        (self.paused, self.flushed) = (false, None);
        (std::mem::take(&mut self.unwritten), self.resume(output))
    }

    /// Why the client was rejected, if it was.
    pub fn rejected(&self) -> Option<&'static str> {
        self.rejected
    }

    /// Goes on with input that was kept.
    #[inline(never)]
    fn resume(&mut self, output: &mut Vec<u8>) -> Action {
        let mut unread = std::mem::take(&mut self.unread);
        let (used, next) = self.advance(&unread[self.start..], output);
        self.start += used;
        if self.start == unread.len() {
            clear(&mut unread, RETAINED);
            self.start = 0;
        }
        self.unread = unread;
        self.act_on(next, output)
    }

    /// Offers input until the session wants something else than the rest of it.
    #[inline]
    fn advance(&mut self, input: &[u8], output: &mut Vec<u8>) -> (usize, Next) {
        let mut used = 0;
        while used < input.len() {
            let step = self.session.advance(&input[used..], output);
            used += step.consumed;
            self.unwritten += step.completed;
            match step.next {
                Next::Read if step.consumed > 0 => {
                    if output.len() >= BATCH {
                        self.paused = used < input.len();
                        break;
                    }
                }
                next => return (used, next),
            }
        }
        (used, Next::Read)
    }

    #[inline]
    fn act_on(&mut self, next: Next, output: &[u8]) -> Action {
        match next {
            // What was answered by another way than the output must be counted, too.
            Next::Read if output.is_empty() && self.unwritten == 0 => Action::Read,
            Next::Read => Action::Write,
            next => self.act_on_unusual(next, output),
        }
    }

    #[inline(never)]
    fn act_on_unusual(&mut self, next: Next, output: &[u8]) -> Action {
        let action = match next {
            Next::Read => Action::Read,
            Next::Flush(post) => {
                (self.paused, self.flushed) = (true, Some(post));
                return Action::Write;
            }
            Next::Run(job) => Action::Run(job),
            Next::Close => Action::Close,
            Next::Reject(reason) => {
                self.rejected = Some(reason);
                Action::Close
            }
        };
        if output.is_empty() && self.unwritten == 0 {
            return action;
        }
        self.after_write = action;
        Action::Write
    }
}

impl fmt::Debug for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Protocol")
            .field("unread", &(self.unread.len() - self.start))
            .field("unwritten", &self.unwritten)
            .field("rejected", &self.rejected)
            .finish_non_exhaustive()
    }
}
