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
    const PRINTABLE: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"; // no lower case: never `exit`
    Box::new(LineExchange(Block::new(max_payload, |byte| PRINTABLE[usize::from(byte % 32)])))
}

struct LineSession {
    /// Bytes at the front of the next input that are known to hold no line feed, so that a long line that comes in
    /// many pieces is looked at once.
    scanned: usize,
}

impl Session for LineSession {
    fn advance(&mut self, input: &[u8], output: &mut Vec<u8>) -> Advance {
        let mut consumed = 0;
        let mut completed = 0;
        let mut scanned = std::mem::take(&mut self.scanned);
        while let Some(at) = find_line_feed(&input[consumed + scanned..]) {
            let line = &input[consumed..=consumed + scanned + at];
            scanned = 0;
            if line.len() > MAX_MESSAGE as usize {
                return too_long(output, input, consumed, completed);
            }
            consumed += line.len();
            if matches!(line, b"exit\n" | b"exit\r\n") {
                output.extend_from_slice(&input[..consumed - line.len()]);
                return Advance { consumed, completed, next: Next::Close };
            }
            completed += 1;
        }
        if input.len() - consumed > MAX_MESSAGE as usize {
            return too_long(output, input, consumed, completed);
        }
        self.scanned = input.len() - consumed;
        output.extend_from_slice(&input[..consumed]);
        Advance { consumed, completed, next: Next::Read }
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

/// The lines before it are answered, then the connection is closed.
fn too_long(output: &mut Vec<u8>, input: &[u8], consumed: usize, completed: u32) -> Advance {
    output.extend_from_slice(&input[..consumed]);
    Advance { consumed, completed, next: Next::Reject("a line longer than 4 MiB") }
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
