//! What a server does with bytes: services, sessions, and the work a request demands.
//!
//! Sans-IO: nothing here reads a socket, starts a thread or looks at a clock. A session turns input bytes into reply
//! bytes; work that occupies somebody for a time is handed out as a [`Job`], and the *model* decides where it runs.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A service: what the bytes of a connection mean. Shared by all connections of a server.
pub trait Service: Send + Sync {
    /// Opens the state of one new connection.
    fn open(&self) -> Box<dyn Session>;

    /// Whether its sessions talk to each other: then each is [attached](Session::attach) to a post before anything else.
    fn talks(&self) -> bool {
        false
    }
}

/// A way to a client, for whoever has something to tell it: its own session and those of others. Never waits, keeps messages in
/// their order, and never mixes the bytes of two.
pub trait Post: fmt::Debug + Send + Sync {
    /// Sends what others say to the client. One that has left too much of that unread is shut out: its connection ends, and messages
    /// for it are dropped.
    fn deliver(&self, message: &Arc<[u8]>);

    /// Sends what its own session answers the client, which is shut out for none of that: its session makes no further answer while
    /// there is [no room](Self::flush), and waits for that by [`Next::Flush`].
    fn answer(&self, message: &Arc<[u8]>) {
        self.deliver(message);
    }

    /// Sends what the client has room for now; returns whether its session may answer more: next to nothing is kept of its answers,
    /// or it is gone.
    fn flush(&self) -> bool {
        true
    }
}

impl<F: Fn() -> Box<dyn Session> + Send + Sync> Service for F {
    fn open(&self) -> Box<dyn Session> {
        self()
    }
}

/// The state machine of one connection, from bytes to bytes.
///
/// The driver calls [`advance`](Session::advance) whenever there is input and no job is running. At most one job runs
/// at a time in a session, so replies keep the order of their requests.
pub trait Session: Send {
    /// Consumes what it can of `input`, appends replies to `output`, says what comes next.
    ///
    /// Bytes that were not consumed are offered again, with what arrived since behind them. A session that needs more
    /// bytes to go on answers [`Next::Read`]; it may consume nothing. It must consume something, or ask for a job, or
    /// close, before it can expect to be called again with the same bytes. Replies appended in one call are bounded by
    /// the input consumed plus one reply.
    fn advance(&mut self, input: &[u8], output: &mut Vec<u8>) -> Advance;

    /// Takes the result of the job it last asked for, appends the reply to `output`, says what comes next.
    ///
    /// A reply that is larger than one should hold in memory is made in pieces: each but the last is answered with
    /// [`Next::Run`] for the next one, which runs when the piece is sent. So is each stage but the last of a request that asks for
    /// several, without a piece. The request counts as completed with the last.
    /// Not called where no job is asked for.
    fn complete(&mut self, result: JobOutput, output: &mut Vec<u8>) -> Next {
        let _ = (result, output);
        Next::Read
    }

    /// Hands the session the way to its client, over which all that it says must go from then on: `output` stays empty, since others
    /// may be writing to the same client. Not called where no session [talks](Service::talks).
    fn attach(&mut self, post: Arc<dyn Post>) {
        let _ = post;
    }

    /// The client sends no more, and the connection is about to close: appends what the protocol says in parting, if anything.
    fn end(&mut self, output: &mut Vec<u8>) {
        let _ = output;
    }
}

/// What one call of [`Session::advance`] did.
#[derive(Debug)]
pub struct Advance {
    /// Bytes of `input` that are dealt with, from its front.
    pub consumed: usize,
    /// Requests completed in this call (their reply is in `output`). A request that asked for a job counts when it
    /// completes, and the driver counts that one.
    pub completed: u32,
    /// What the session wants now.
    pub next: Next,
}

/// What a session wants from its driver.
#[derive(Debug)]
pub enum Next {
    /// More input.
    Read,
    /// Room for more answers on this post, then more input: a client that does not read is read no further.
    Flush(Arc<dyn Post>),
    /// This work done, then [`Session::complete`] called with its result.
    Run(Job),
    /// The replies sent, then the connection closed: the connection ends as the protocol says (`exit`).
    Close,
    /// The replies sent, then the connection closed: the peer broke the protocol, for the reason given.
    Reject(&'static str),
}

/// How a job occupies whoever runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// Uses a CPU all the time.
    Compute,
    /// Holds its thread without using the CPU: a library call that blocks.
    Block,
    /// Occupies nobody: an answer that comes later, as from a database. Lasts the stated time.
    Wait(Duration),
}

/// What a job leads to, brought from where it ran to the session that asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobOutput {
    /// A number: a digest, or 0 of a job that is only over.
    Number(u64),
    /// Bytes made where the job ran: a reply, or a piece of one.
    Bytes(Vec<u8>),
}

impl JobOutput {
    /// What a job gives that has no result: the number 0.
    pub const NOTHING: Self = Self::Number(0);

    /// The number, 0 for bytes.
    pub fn number(&self) -> u64 {
        match self {
            Self::Number(number) => *number,
            Self::Bytes(_) => 0,
        }
    }

    /// The bytes, none for a number.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Number(_) => &[],
            Self::Bytes(bytes) => bytes,
        }
    }
}

impl From<u64> for JobOutput {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<Vec<u8>> for JobOutput {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

/// Work that a request demands: what kind, and how to do it.
pub struct Job {
    demand: Demand,
    work: Option<Box<dyn FnOnce() -> JobOutput + Send>>,
}

impl Job {
    /// A job that computes a number or bytes.
    pub fn compute<T: Into<JobOutput>>(work: impl FnOnce() -> T + Send + 'static) -> Self {
        Self { demand: Demand::Compute, work: Some(Box::new(|| work().into())) }
    }

    /// A job whose thread is stuck for a while.
    pub fn block<T: Into<JobOutput>>(work: impl FnOnce() -> T + Send + 'static) -> Self {
        Self { demand: Demand::Block, work: Some(Box::new(|| work().into())) }
    }

    /// A job that is over after `delay`, with [nothing](JobOutput::NOTHING) as its result. Whoever runs it chooses how to wait.
    pub fn wait(delay: Duration) -> Self {
        Self { demand: Demand::Wait(delay), work: None }
    }

    /// How this job occupies whoever runs it.
    pub fn demand(&self) -> Demand {
        self.demand
    }

    /// Does the job on the calling thread, waiting included; returns its result.
    pub fn run(self) -> JobOutput {
        if let Demand::Wait(delay) = self.demand {
            std::thread::sleep(delay);
        }
        self.work.map_or(JobOutput::NOTHING, |work| work())
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("demand", &self.demand).finish_non_exhaustive()
    }
}
