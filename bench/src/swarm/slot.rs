//! A slot: one client of the swarm, whatever connection it has at the moment.

use super::connection::Connection;
use bakeoff_servers::exchange::Request;

/// What a slot is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing: it may be given a request.
    Free,
    /// Thinking, or backing off after a failure.
    Pausing,
    /// Making its connection, with a request waiting for it (none during set-up).
    Connecting,
    /// Sending a request or receiving its reply.
    Busy,
    /// With several requests under way, which [`Pipes`](super::pipeline::Pipes) keeps.
    Streaming,
}

/// One client: it has at most one request, and at most one connection.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) phase: Phase,
    pub(super) connection: Option<Connection>,
    /// Counts the slot's connections; an event of an earlier one is recognised by it and dropped.
    pub(super) generation: u32,
    /// The request it has, if connecting or busy.
    pub(super) request: Request,
    /// When that request should have been sent.
    pub(super) intended_ns: u64,
    /// When it was sent; while connecting, when the connecting began.
    pub(super) sent_ns: u64,
    /// Number of its next request (closed loop, churn).
    pub(super) next: u64,
    /// Requests left in the session (churn).
    pub(super) left: u32,
    /// Failures since the last right reply.
    pub(super) failures: u32,
    /// The server sent bytes that nobody asked for: no reply on this connection can be trusted.
    pub(super) unsolicited: bool,
    /// The request could not go out at once.
    pub(super) held_up: bool,
}

impl Slot {
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::Free,
            connection: None,
            generation: 0,
            request: Request::new(0, 0, 0),
            intended_ns: 0,
            sent_ns: 0,
            next: 0,
            left: 0,
            failures: 0,
            unsolicited: false,
            held_up: false,
        }
    }
}
