//! `line`: every line comes back as it is, CRLF or LF; the line `exit` closes the connection. Usable with `nc`.

use super::payload::Block;
use super::{MAX_MESSAGE, ServiceConfig, ServiceEntry};
use crate::{Advance, Exchange, Next, Parts, Request, Service, Session};
use std::sync::Arc;

/// The registry's line.
pub(super) static ENTRY: ServiceEntry = ServiceEntry {
    name: "line",
    summary: "every line comes back; the line `exit` closes the connection",
    demand: None,
    build,
    exchange,
};

fn build(_: &ServiceConfig) -> Arc<dyn Service> {
    Arc::new(|| Box::new(LineSession { scanned: 0 }) as Box<dyn Session>)
}

fn exchange(max_payload: u32) -> Box<dyn Exchange> {
    Box::new(LineExchange(Block::printable(max_payload)))
}

struct LineSession {
    /// Bytes at the front of the next input that are known to hold no line feed, so that a long line that comes in
    /// many pieces is looked at once.
    scanned: usize,
}

impl Session for LineSession {
    fn advance(&mut self, input: &[u8], output: &mut Vec<u8>) -> Advance {
        let (mut consumed, mut completed) = (0, 0);
        let next = loop {
            match next_line(&input[consumed..], &mut self.scanned) {
                Line::Whole(b"exit\n" | b"exit\r\n") => break Next::Close,
                Line::Whole(line) => {
                    consumed += line.len();
                    completed += 1;
                }
                Line::Part => break Next::Read,
                Line::TooLong => break TOO_LONG,
            }
        };
        output.extend_from_slice(&input[..consumed]);
        Advance { consumed, completed, next }
    }
}

/// What the front of some input is.
pub(super) enum Line<'a> {
    /// A line, with its end.
    Whole(&'a [u8]),
    /// The beginning of one, or nothing.
    Part,
    /// More than the longest line has.
    TooLong,
}

/// What becomes of a client that sends one.
pub(super) const TOO_LONG: Next = Next::Reject("a line longer than 4 MiB");

/// The line at the front of `input`. `scanned`: bytes there that are known to hold no line feed.
pub(super) fn next_line<'a>(input: &'a [u8], scanned: &mut usize) -> Line<'a> {
    let from = std::mem::take(scanned);
    let end = find_line_feed(&input[from..]).map(|at| from + at + 1);
    if end.unwrap_or(input.len()) > MAX_MESSAGE as usize {
        return Line::TooLong;
    }
    match end {
        Some(end) => Line::Whole(&input[..end]),
        None => {
            *scanned = input.len();
            Line::Part
        }
    }
}

/// Where the first line feed is. Whole blocks are asked first, without a branch per byte, so that the compiler can use
/// vector instructions: a search that stops at the first match would cost more than the socket for long lines.
fn find_line_feed(bytes: &[u8]) -> Option<usize> {
    const BLOCK: usize = 64;
    let holds = |block: &[u8; BLOCK]| block.iter().fold(false, |found, &byte| found | (byte == b'\n'));
    let (blocks, _) = bytes.as_chunks::<BLOCK>();
    let without = blocks.iter().take_while(|block| !holds(block)).count() * BLOCK;
    bytes[without..].iter().position(|&byte| byte == b'\n').map(|at| without + at)
}

struct LineExchange(Block);

impl Exchange for LineExchange {
    fn min_payload(&self) -> u32 {
        1
    }

    fn request(&self, request: &Request) -> Parts<'_> {
        Parts::new(&[], self.0.payload(request.id, request.size.saturating_sub(1)), b"\n")
    }

    fn reply(&self, request: &Request) -> Parts<'_> {
        self.request(request)
    }
}

#[cfg(test)]
mod tests {
    use super::find_line_feed;

    #[test]
    fn the_first_line_feed_is_found_wherever_it_is() {
        for length in [0, 1, 63, 64, 65, 200] {
            let mut bytes = vec![b'a'; length];
            assert_eq!(find_line_feed(&bytes), None);
            for at in (0..length).rev() {
                bytes[at] = b'\n'; // those behind it stay
                assert_eq!(find_line_feed(&bytes), Some(at), "{length}");
            }
        }
    }
}
