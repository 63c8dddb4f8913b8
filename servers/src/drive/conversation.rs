//! The conversation with one client, without I/O: bytes in, what is needed next out. All models drive this.
//!
//! It keeps the order that bounds memory: replies are flushed before more is read, and a job starts only when the
//! replies before it are gone. A client that stops reading therefore costs one batch of replies and what one read
//! brought, never more: at most twice the service's largest message plus two reads. Requests that arrive together and
//! ask for more than they bring (HTTP) are answered in batches, each flushed before the next is made.

use super::buffers::{READ_SIZE, RETAINED, clear};
use crate::{Job, JobOutput, Next, Session};
use std::fmt;

/// Replies are flushed when so many bytes of them are made, though more requests have arrived: small replies to all that
/// one read brings still go out in one write.
const BATCH: usize = 4 * READ_SIZE;

/// What a conversation needs from its driver to go on.
#[derive(Debug)]
pub enum Need {
    /// Bytes: read, then [`Conversation::take_in`], or [`Conversation::end_of_input`].
    Read,
    /// `output` sent whole, then [`Conversation::flushed`].
    Flush,
    /// The job done, then [`Conversation::complete`].
    Run(Job),
    /// The connection closed.
    Close,
}

/// The state of one conversation.
pub struct Conversation {
    session: Box<dyn Session>,
    /// Input not consumed yet, from `start` on; empty unless a request is partial or a job is running.
    leftover: Vec<u8>,
    start: usize,
    /// What comes when the output is flushed; [`Need::Read`] whenever no flush is under way.
    after_flush: Need,
    /// Whether requests that have arrived wait for the flush.
    paused: bool,
    /// Requests answered in the output that is being flushed.
    unflushed: u32,
    rejected: Option<&'static str>,
}

impl Conversation {
    /// Begins a conversation: it needs [`Need::Read`].
    pub fn new(session: Box<dyn Session>) -> Self {
        Self {
            session,
            leftover: Vec::new(),
            start: 0,
            after_flush: Need::Read,
            paused: false,
            unflushed: 0,
            rejected: None,
        }
    }

    /// Takes in bytes that were read, replies into the empty `output`.
    #[inline]
    pub fn take_in(&mut self, input: &[u8], output: &mut Vec<u8>) -> Need {
        if self.leftover.is_empty() {
            let (used, next) = self.advance(input, output);
            if used < input.len() {
                self.leftover.extend_from_slice(&input[used..]);
            }
            return self.settle(next, output);
        }
        self.take_in_more(input, output)
    }

    /// Takes in bytes that come after others. Apart, as is all that is not the usual request, so that the usual one can
    /// be inlined into its driver.
    #[inline(never)]
    fn take_in_more(&mut self, input: &[u8], output: &mut Vec<u8>) -> Need {
        if self.start > 0 {
            self.leftover.drain(..self.start);
            self.start = 0;
        }
        self.leftover.extend_from_slice(input);
        self.resume(output)
    }

    /// The client will send no more: what is answered is answered, a partial request is dropped.
    pub fn end_of_input(&mut self) -> Need {
        Need::Close
    }

    /// Takes the result of the job that was asked for, replies into the empty `output`.
    pub fn complete(&mut self, result: JobOutput, output: &mut Vec<u8>) -> Need {
        let next = self.session.complete(result, output);
        // A job after a job is for the next piece of the reply: the request goes on.
        self.unflushed += u32::from(!matches!(next, Next::Run(_)));
        match next {
            Next::Read => self.resume(output),
            next => self.settle(next, output),
        }
    }

    /// The output has been handed to the kernel. Returns how many requests that answered, and what is needed next: to
    /// flush again, perhaps, with replies in the empty `output` to requests that had arrived before.
    #[inline]
    pub fn flushed(&mut self, output: &mut Vec<u8>) -> (u32, Need) {
        let answered = std::mem::take(&mut self.unflushed);
        if self.paused {
            self.paused = false;
            return (answered, self.resume(output));
        }
        match self.after_flush {
            Need::Read => (answered, Need::Read), // nearly always; a job is not moved for nothing
            _ => (answered, std::mem::replace(&mut self.after_flush, Need::Read)),
        }
    }

    /// Why the peer was rejected, if it was.
    pub fn rejected(&self) -> Option<&'static str> {
        self.rejected
    }

    /// Goes on with what is left over.
    #[inline(never)]
    fn resume(&mut self, output: &mut Vec<u8>) -> Need {
        let mut leftover = std::mem::take(&mut self.leftover);
        let (used, next) = self.advance(&leftover[self.start..], output);
        self.start += used;
        if self.start == leftover.len() {
            clear(&mut leftover, RETAINED);
            self.start = 0;
        }
        self.leftover = leftover;
        self.settle(next, output)
    }

    /// Offers input until the session wants something else than the rest of it.
    #[inline]
    fn advance(&mut self, input: &[u8], output: &mut Vec<u8>) -> (usize, Next) {
        let mut used = 0;
        while used < input.len() {
            let step = self.session.advance(&input[used..], output);
            used += step.consumed;
            self.unflushed += step.completed;
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
    fn settle(&mut self, next: Next, output: &[u8]) -> Need {
        match next {
            Next::Read if output.is_empty() => Need::Read,
            Next::Read => Need::Flush,
            next => self.settle_otherwise(next, output),
        }
    }

    #[inline(never)]
    fn settle_otherwise(&mut self, next: Next, output: &[u8]) -> Need {
        let need = match next {
            Next::Read => Need::Read,
            Next::Run(job) => Need::Run(job),
            Next::Close => Need::Close,
            Next::Reject(reason) => {
                self.rejected = Some(reason);
                Need::Close
            }
        };
        if output.is_empty() {
            return need;
        }
        self.after_flush = need;
        Need::Flush
    }
}

impl fmt::Debug for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversation")
            .field("leftover", &(self.leftover.len() - self.start))
            .field("unflushed", &self.unflushed)
            .field("rejected", &self.rejected)
            .finish_non_exhaustive()
    }
}
