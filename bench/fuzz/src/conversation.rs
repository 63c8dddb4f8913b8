//! A client's bytes given to a session as a driver of connections would, in pieces of any size.

use bakeoff_reports::stats::random::Random;
use bakeoff_servers::drive::protocol::{Action, Protocol};
use bakeoff_servers::{Demand, JobOutput, Service};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// What came of a conversation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Conversation {
    /// All that the server sent.
    pub(crate) sent: Vec<u8>,
    /// The requests it says it answered.
    pub(crate) answered: u32,
    /// How it stands.
    pub(crate) end: End,
}

/// How a conversation stands when all input is taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The server waits for more.
    Open,
    /// The server closes it.
    Closed,
    /// The server closes it because the client broke the protocol.
    Rejected(&'static str),
}

/// Gives the pieces to a new session. A job that only waits is over at once.
pub(crate) fn converse(service: &dyn Service, pieces: &[&[u8]]) -> Conversation {
    let mut protocol = Protocol::new(service.open());
    let (mut sent, mut answered) = (Vec::new(), 0);
    for piece in pieces {
        let mut output = Vec::new();
        let mut action = protocol.on_data(piece, &mut output);
        loop {
            action = match action {
                Action::Read => break,
                Action::Write => {
                    assert!(!output.is_empty(), "there is something to write");
                    sent.append(&mut output);
                    let (requests, next) = protocol.on_written(&mut output);
                    answered += requests;
                    next
                }
                Action::Run(job) => {
                    assert!(output.is_empty(), "replies are gone before a job starts");
                    let result = match job.demand() {
                        Demand::Wait(_) => JobOutput::NOTHING,
                        Demand::Compute | Demand::Block => job.run(),
                    };
                    protocol.on_result(result, &mut output)
                }
                Action::AwaitRoom => panic!("no session here talks to others"),
                Action::Close => {
                    let end = protocol.rejected().map_or(End::Closed, End::Rejected);
                    return Conversation { sent, answered, end };
                }
            }
        }
    }
    Conversation { sent, answered, end: End::Open }
}

/// Some ways to cut an input into pieces, always the same for the same input: at a few places, and byte by byte where that does
/// not take long.
pub(crate) fn cuts(input: &[u8]) -> Vec<Vec<&[u8]>> {
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    let mut random = Random::new(hasher.finish());
    let mut some = Vec::new();
    let mut rest = input;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(1 + random.below(rest.len()));
        some.push(piece);
        rest = behind;
    }
    let mut ways = vec![some];
    if input.len() <= 512 {
        ways.push(input.chunks(1).collect());
    }
    ways
}
