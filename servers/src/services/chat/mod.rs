//! `chat`: what a client says, the others in its room hear. Usable with `nc`.
//!
//! A line is said to everybody else in the room; whoever connects is in [the lobby](hall::LOBBY). Lines that begin with a slash are commands, which
//! `/help` lists; what the server itself says begins with `*`, or with `!` where it refuses. `exit` ends the connection; the
//! room stays, and who comes back finds it.
//!
//! A message reaches every member of a room in the same order, since the room is locked while it is handed round; one
//! that is whispered, or said to another room or group, may overtake it. Who leaves more unread of what others say than a
//! [`Post`] keeps is shut out, and nobody waits for it. What it is answered itself is never too much: its next line is
//! not read before the answer to the last is sent.
//!
//! This is the client's line of the protocol; [`hall`] knows who is where.

mod hall;

use super::line::{Line, TOO_LONG, next_line};
use super::payload::Block;
use super::{ServiceConfig, ServiceEntry};
use crate::{Advance, Exchange, Next, Parts, Post, Request, Service, Session};
use hall::{ECHO, Guest, Hall};
use std::sync::Arc;

/// The registry's line.
pub(super) static ENTRY: ServiceEntry = ServiceEntry {
    name: super::CHAT,
    summary: "what a client says, the others in its room hear; rooms, groups, whispers",
    demand: None,
    build,
    exchange,
};

struct Chat(Arc<Hall>);

impl Service for Chat {
    fn open(&self) -> Box<dyn Session> {
        Box::new(ChatSession { hall: Arc::clone(&self.0), guest: None, scanned: 0 })
    }

    fn talks(&self) -> bool {
        true
    }
}

fn build(_: &ServiceConfig) -> Arc<dyn Service> {
    Arc::new(Chat(Arc::default()))
}

struct ChatSession {
    hall: Arc<Hall>,
    /// The client in the hall, once it can be reached.
    guest: Option<Guest>,
    /// Bytes at the front of the next input that are known to hold no line feed.
    scanned: usize,
}

impl Session for ChatSession {
    fn attach(&mut self, post: Arc<dyn Post>) {
        self.guest = Some(self.hall.enter(post));
    }

    fn advance(&mut self, input: &[u8], _: &mut Vec<u8>) -> Advance {
        let (mut consumed, mut completed) = (0, 0);
        let Some(guest) = &mut self.guest else {
            return Advance { consumed, completed, next: Next::Reject("nobody can be reached from here") };
        };
        let next = loop {
            match next_line(&input[consumed..], &mut self.scanned) {
                Line::Whole(line) => {
                    consumed += line.len();
                    let line = line.strip_suffix(b"\n").unwrap_or(line);
                    let line = line.strip_suffix(b"\r").unwrap_or(line);
                    if line == b"exit" {
                        break Next::Close;
                    }
                    completed += 1;
                    if let Some(answer) = guest.says(line) {
                        let post = guest.post();
                        post.answer(&answer);
                        if !post.flush() {
                            break Next::Flush(Arc::clone(post));
                        }
                    }
                }
                Line::Part => break Next::Read,
                Line::TooLong => break TOO_LONG,
            }
        };
        Advance { consumed, completed, next }
    }
}

/// A client that hears itself: what any client can do without another.
struct Echoed(Block);

fn exchange(max_payload: u32) -> Box<dyn Exchange> {
    Box::new(Echoed(Block::printable(max_payload)))
}

impl Exchange for Echoed {
    fn min_payload(&self) -> u32 {
        1
    }

    fn request(&self, request: &Request) -> Parts<'_> {
        Parts::new(ECHO, self.0.payload(request.id, request.size.saturating_sub(1)), b"\n")
    }

    fn reply(&self, request: &Request) -> Parts<'_> {
        Parts::new(&[], self.0.payload(request.id, request.size.saturating_sub(1)), b"\n")
    }
}
