//! `http`: HTTP/1.1 with keep-alive, GET and HEAD, so that load generators of others (wrk, h2load, ab, hey) can drive
//! the models, and ours can be compared with them on the same server.
//!
//! `GET /` is a short page. `GET /bytes/N?id=K` is N bytes (up to 4 MiB) that are a function of K, which is what the
//! swarm asks for and checks to the last byte. Everything else is answered as RFC 9110 and 9112 say: 404, 405 with
//! `Allow`, and before the connection is closed 400, 413, 431, 501, 505. One write per reply; pipelined requests that
//! arrive together share one.
//!
//! *No Date field.* RFC 9110 (6.6.1) wants one of a server with a clock and forbids it to one without. A session has no
//! clock, by contract: its reply is a function of its request alone, which is what makes it comparable byte by byte.
//! *No Content-Type* on the bytes: a client that is not told assumes application/octet-stream (RFC 9110, 8.3), which
//! is what they are.
//!
//! A refused connection is closed at once, as in all services, not lingered on: a client that is still sending may see a
//! reset instead of the reply that says why (RFC 9112, 9.6).

pub(crate) mod expected;
pub(super) mod head;
pub(crate) mod reply;

use super::payload::{Block, start};
use super::{Hosts, MAX_MESSAGE, ServiceConfig, ServiceEntry};
use crate::{Advance, Exchange, Next, Parts, Request, Service, Session};
use expected::HttpExpected;
use head::{After, Head, Method, Refusal, number};
use itoa::Buffer as Digits;
use std::sync::Arc;

/// The registry's line.
pub(super) static ENTRY: ServiceEntry = ServiceEntry {
    name: "http",
    summary: "HTTP/1.1 with keep-alive: GET / is a short page, GET /bytes/N?id=K is N bytes",
    demand: None,
    build,
    exchange,
};

/// The page at `/`: 64 bytes.
const PAGE: &[u8; 64] = b"bakeoff speaks HTTP/1.1: GET / or GET /bytes/N?id=K, N <= 4 MiB\n";

/// What a reply with content begins with, up to the length.
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: ";
const END: &[u8] = b"\r\n\r\n";

fn build(config: &ServiceConfig) -> Arc<dyn Service> {
    let (block, hosts) = (Arc::new(Block::repeating(0)), config.hosts);
    let open = move || HttpSession { block: Arc::clone(&block), hosts, to_skip: 0 };
    Arc::new(move || Box::new(open()) as Box<dyn Session>)
}

fn exchange(max_payload: u32) -> Box<dyn Exchange> {
    Box::new(HttpExchange { block: Block::repeating(max_payload) })
}

struct HttpSession {
    block: Arc<Block>,
    hosts: Hosts,
    /// Bytes of the last request's content that are still to come.
    to_skip: usize,
}

impl Session for HttpSession {
    /// One request a call, so that the driver can flush between replies that are larger than their requests.
    fn advance(&mut self, input: &[u8], output: &mut Vec<u8>) -> Advance {
        if self.to_skip > 0 {
            let consumed = input.len().min(self.to_skip);
            self.to_skip -= consumed;
            return Advance { consumed, completed: 0, next: Next::Read };
        }
        match head::read(input, self.hosts) {
            Ok(Some((length, head))) => {
                self.reply(&head, output);
                let next = if head.after == After::Close { Next::Close } else { Next::Read };
                self.to_skip = head.content as usize;
                Advance { consumed: length, completed: 1, next }
            }
            Ok(None) => Advance { consumed: 0, completed: 0, next: Next::Read },
            Err(Refusal { status, reason }) => {
                other(output, status, "", reason, After::Close, Method::Get);
                Advance { consumed: 0, completed: 0, next: Next::Reject(reason) }
            }
        }
    }
}

impl HttpSession {
    fn reply(&self, head: &Head<'_>, output: &mut Vec<u8>) {
        let Head { method, target, after, .. } = *head;
        match (method, Target::of(target)) {
            (Method::Other, _) => {
                let allow = "Allow: GET, HEAD\r\n";
                other(output, "405 Method Not Allowed", allow, "GET and HEAD only", after, method);
            }
            (_, Target::Unknown) => {
                let reason = "there are / and /bytes/N?id=K, N up to 4194304";
                other(output, "404 Not Found", "", reason, after, method);
            }
            (_, Target::Page) => {
                output
                    .extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 64");
                end_head(output, after);
                if method == Method::Get {
                    output.extend_from_slice(PAGE);
                }
            }
            (_, Target::Bytes { size, id }) => {
                output.extend_from_slice(OK);
                output.extend_from_slice(Digits::new().format(size).as_bytes());
                end_head(output, after);
                if method == Method::Get {
                    self.block.append_repeating(id, size, output);
                }
            }
        }
    }
}

/// What a request target means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    /// `/`
    Page,
    /// `/bytes/N?id=K`
    Bytes {
        size: u32,
        id: u64,
    },
    Unknown,
}

impl Target {
    fn of(text: &str) -> Self {
        let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
        if path == "/" {
            return Self::Page;
        }
        let size = path.strip_prefix("/bytes/").and_then(|digits| number(digits.as_bytes()));
        let id = match query {
            None => Some(0),
            Some(query) => query.strip_prefix("id=").and_then(|digits| number(digits.as_bytes())),
        };
        match (size, id) {
            (Some(size), Some(id)) if size <= u64::from(MAX_MESSAGE) => Self::Bytes { size: size as u32, id },
            _ => Self::Unknown,
        }
    }
}

/// Ends a head behind the last field's value.
pub(super) fn end_head(output: &mut Vec<u8>, after: After) {
    output.extend_from_slice(match after {
        After::Keep => END,
        After::KeepAndSay => b"\r\nConnection: keep-alive\r\n\r\n",
        After::Close => b"\r\nConnection: close\r\n\r\n",
    });
}

/// A reply that is not 200: `fields` are whole lines, `text` is its content as a line.
fn other(output: &mut Vec<u8>, status: &str, fields: &str, text: &str, after: After, method: Method) {
    for piece in ["HTTP/1.1 ", status, "\r\n", fields, "Content-Type: text/plain\r\nContent-Length: "] {
        output.extend_from_slice(piece.as_bytes());
    }
    output.extend_from_slice(Digits::new().format(text.len() + 1).as_bytes());
    end_head(output, after);
    if method != Method::Head {
        output.extend_from_slice(text.as_bytes());
        output.push(b'\n');
    }
}

struct HttpExchange {
    block: Block,
}

/// Puts the pieces of a head together.
fn head<'a>(pieces: [&[u8]; 5], body: &'a [u8]) -> Parts<'a> {
    let (mut bytes, mut length) = ([0; Parts::HEAD], 0);
    for piece in pieces {
        bytes[length..length + piece.len()].copy_from_slice(piece);
        length += piece.len();
    }
    Parts::new(&bytes[..length], body, &[])
}

impl Exchange for HttpExchange {
    fn min_payload(&self) -> u32 {
        0
    }

    /// The payload is that of the reply. Only what the payload depends on of the number goes out: five digits at most.
    fn request(&self, request: &Request) -> Parts<'_> {
        let (mut size, mut id) = (Digits::new(), Digits::new());
        let (size, id) = (size.format(request.size).as_bytes(), id.format(start(request.id)).as_bytes());
        head([b"GET /bytes/", size, b"?id=", id, b" HTTP/1.1\r\nHost: localhost\r\n\r\n"], &[])
    }

    fn reply(&self, request: &Request) -> Parts<'_> {
        let payload = self.block.payload(request.id, request.size);
        head([OK, Digits::new().format(request.size).as_bytes(), END, &[], &[]], payload)
    }

    fn expected(&self, request: &Request) -> Option<HttpExpected<'_>> {
        Some(HttpExpected::ok(self.block.payload(request.id, request.size)))
    }
}

#[cfg(test)]
mod tests;
