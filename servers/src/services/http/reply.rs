//! A right reply of a server of somebody else's, in whatever words HTTP/1.x has for it: other fields, another order or case, a
//! chunked body, a body that ends with the connection, HTTP/1.0, interim responses before.
//!
//! Our own servers' replies are compared byte by byte and never come here. What must be the same is the status, 200, and every
//! byte of the content. It never decides what becomes of the connection; it says whether the server means to close it.

use super::head::{MAX_HEAD, number};
use httparse::{EMPTY_HEADER, Response, Status};

/// More fields than any server sends.
const MAX_FIELDS: usize = 100;

/// How far a reply has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// More must come.
    Part,
    /// It is whole.
    Whole {
        /// Whether the server closes the connection behind it.
        closes: bool,
    },
}

/// It is no right reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wrong;

/// Where in the message the next byte belongs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Head,
    /// So many bytes of content are still to come.
    Content(u64),
    /// Content to the end of the connection.
    UntilEnd,
    /// The line with a chunk's size.
    ChunkSize {
        size: u64,
        digits: u32,
        /// Behind the digits: white space, an extension, the end of the line.
        over: bool,
    },
    /// In a chunk.
    Chunk(u64),
    /// The line end behind a chunk.
    ChunkEnd,
    /// Lines behind the last chunk; whether this one has anything in it.
    Trailer {
        empty: bool,
    },
    Done,
}

/// A reply under way.
#[derive(Debug, Default)]
pub struct HttpReply {
    at: At,
    head: Vec<u8>,
    /// Bytes of content that have come.
    content: usize,
    closes: bool,
}

impl HttpReply {
    /// Begins with the next reply.
    pub fn restart(&mut self) {
        (self.at, self.content, self.closes) = (At::Head, 0, false);
        self.head.clear();
    }

    /// Takes bytes of a reply whose content must be `payload`.
    ///
    /// # Errors
    /// Another status or content, what is no HTTP/1.x, or bytes behind the reply.
    pub fn on_data(&mut self, mut bytes: &[u8], payload: &[u8]) -> Result<Progress, Wrong> {
        while let [first, rest @ ..] = bytes {
            match self.at {
                At::Head => {
                    self.head.push(*first);
                    bytes = rest;
                    if *first == b'\n' {
                        self.read_head(payload)?;
                    }
                }
                At::Content(left) | At::Chunk(left) => {
                    let count = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    self.compare(&bytes[..count], payload)?;
                    bytes = &bytes[count..];
                    let left = left - count as u64;
                    self.at = match self.at {
                        At::Chunk(_) if left == 0 => At::ChunkEnd,
                        At::Chunk(_) => At::Chunk(left),
                        _ if left == 0 => At::Done,
                        _ => At::Content(left),
                    };
                }
                At::UntilEnd => {
                    self.compare(bytes, payload)?;
                    bytes = &[];
                }
                At::ChunkSize { .. } | At::ChunkEnd | At::Trailer { .. } => {
                    self.at = self.framing(*first)?;
                    bytes = rest;
                }
                At::Done => return Err(Wrong),
            }
        }
        match self.at {
            At::Done if self.content == payload.len() => Ok(Progress::Whole { closes: self.closes }),
            At::Done => Err(Wrong),
            _ => Ok(Progress::Part),
        }
    }

    /// The connection has ended: the reply is whole if that is how it was to end.
    pub fn is_whole_at_end(&self, payload: &[u8]) -> bool {
        self.at == At::UntilEnd && self.content == payload.len()
    }

    fn compare(&mut self, bytes: &[u8], payload: &[u8]) -> Result<(), Wrong> {
        let end = self.content + bytes.len();
        if payload.get(self.content..end) != Some(bytes) {
            return Err(Wrong);
        }
        self.content = end;
        Ok(())
    }

    /// Reads the head if all of it is there.
    fn read_head(&mut self, payload: &[u8]) -> Result<(), Wrong> {
        let mut fields = [EMPTY_HEADER; MAX_FIELDS];
        let mut response = Response::new(&mut fields);
        match response.parse(&self.head) {
            Ok(Status::Complete(_)) => {}
            Ok(Status::Partial) if self.head.len() <= MAX_HEAD => return Ok(()),
            _ => return Err(Wrong),
        }
        match response.code {
            Some(200) => {}
            // Interim: the reply itself comes behind it (RFC 9110, 15.2). 101 would be another protocol.
            Some(100 | 102..=199) => {
                self.head.clear();
                return Ok(());
            }
            _ => return Err(Wrong),
        }
        let (mut length, mut chunked, mut keeps) = (None, false, response.version == Some(1));
        for field in response.headers.iter() {
            let is = |name: &str| field.name.eq_ignore_ascii_case(name);
            let options = || field.value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
            let says = |option: &str| options().any(|one| one.eq_ignore_ascii_case(option.as_bytes()));
            if is("content-length") {
                let stated = number(field.value.trim_ascii()).ok_or(Wrong)?;
                if length.is_some_and(|before| before != stated) {
                    return Err(Wrong);
                }
                length = Some(stated);
            } else if is("transfer-encoding") {
                chunked = options().next_back().is_some_and(|last| last.eq_ignore_ascii_case(b"chunked"));
                if !chunked {
                    return Err(Wrong);
                }
            } else if is("connection") {
                keeps = !says("close") && (keeps || says("keep-alive"));
            }
        }
        self.closes = !keeps;
        self.at = match length {
            _ if chunked => At::CHUNK_SIZE,
            Some(length) if length != payload.len() as u64 => return Err(Wrong),
            Some(0) => At::Done,
            Some(length) => At::Content(length),
            None => At::UntilEnd,
        };
        Ok(())
    }

    /// Where a byte of a chunked body's own framing leads (RFC 9112, 7.1).
    fn framing(&self, byte: u8) -> Result<At, Wrong> {
        match (self.at, byte) {
            (At::ChunkSize { size: 0, digits: 1.., .. }, b'\n') => Ok(At::Trailer { empty: true }),
            (At::ChunkSize { size, digits: 1.., .. }, b'\n') => Ok(At::Chunk(size)),
            (At::ChunkSize { size, digits, over: false }, _) if byte.is_ascii_hexdigit() && digits < 16 => {
                let digit = u64::from(char::from(byte).to_digit(16).unwrap_or_default());
                Ok(At::ChunkSize { size: size << 4 | digit, digits: digits + 1, over: false })
            }
            (At::ChunkSize { size, digits: digits @ 1.., over }, _)
                if over || matches!(byte, b';' | b' ' | b'\t' | b'\r') =>
            {
                Ok(At::ChunkSize { size, digits, over: true })
            }
            (At::ChunkEnd, b'\r') => Ok(At::ChunkEnd),
            (At::ChunkEnd, b'\n') => Ok(At::CHUNK_SIZE),
            (At::Trailer { empty: true }, b'\n') => Ok(At::Done),
            (At::Trailer { .. }, b'\n') => Ok(At::Trailer { empty: true }),
            (At::Trailer { empty }, b'\r') => Ok(At::Trailer { empty }),
            (At::Trailer { .. }, _) => Ok(At::Trailer { empty: false }),
            _ => Err(Wrong),
        }
    }
}

impl At {
    const CHUNK_SIZE: Self = Self::ChunkSize { size: 0, digits: 0, over: false };
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYLOAD: &[u8] = b"sixteen bytes ok";

    /// What comes of a message, in two pieces cut anywhere: the same for each cut.
    fn outcome(message: &[u8]) -> Result<Progress, Wrong> {
        let whole = HttpReply::default().on_data(message, PAYLOAD);
        for cut in 0..message.len() {
            let mut reply = HttpReply::default();
            let first = reply.on_data(&message[..cut], PAYLOAD);
            let both = first.and_then(|_| reply.on_data(&message[cut..], PAYLOAD));
            assert_eq!(both, whole, "cut at {cut} of {:?}", String::from_utf8_lossy(message));
        }
        whole
    }

    fn reply(head: &str, content: &[u8]) -> Vec<u8> {
        [head.as_bytes(), content].concat()
    }

    const KEPT: Result<Progress, Wrong> = Ok(Progress::Whole { closes: false });
    const CLOSED: Result<Progress, Wrong> = Ok(Progress::Whole { closes: true });

    #[test]
    fn a_right_reply_is_right_in_any_words() {
        for head in [
            "HTTP/1.1 200 OK\r\nServer: x\r\ncontent-length: 16\r\nDate: now\r\n\r\n",
            "HTTP/1.1 200 Fine\r\nCONTENT-LENGTH:16\r\nConnection: keep-alive\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 16\r\nContent-Length: 16\r\n\r\n",
            "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 16\r\n\r\n",
            "HTTP/1.1 200 OK\nContent-Length: 16\n\n",
        ] {
            assert_eq!(outcome(&reply(head, PAYLOAD)), KEPT, "{head}");
        }
        for head in [
            "HTTP/1.1 200 OK\r\nContent-Length: 16\r\nConnection: close\r\n\r\n",
            "HTTP/1.0 200 OK\r\nContent-Length: 16\r\n\r\n",
        ] {
            assert_eq!(outcome(&reply(head, PAYLOAD)), CLOSED, "{head}");
        }
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n";
        for body in [
            "10\r\nsixteen bytes ok\r\n0\r\n\r\n",
            "7;name=value\r\nsixteen\r\n09\r\n bytes ok\r\n000\r\nTrailer: x\r\n\r\n",
        ] {
            assert_eq!(outcome(&reply(chunked, body.as_bytes())), KEPT, "{body}");
        }
    }

    #[test]
    fn a_reply_without_a_length_ends_with_its_connection() {
        let mut whole = HttpReply::default();
        let message = reply("HTTP/1.0 200 OK\r\nServer: x\r\n\r\n", PAYLOAD);
        for (at, byte) in message.iter().enumerate() {
            assert!(!whole.is_whole_at_end(PAYLOAD), "after {at} bytes");
            assert_eq!(whole.on_data(&[*byte], PAYLOAD), Ok(Progress::Part));
        }
        assert!(whole.is_whole_at_end(PAYLOAD));
        whole.restart();
        assert!(!whole.is_whole_at_end(PAYLOAD));
    }

    #[test]
    fn what_is_wrong_is_wrong() {
        let length = "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n";
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        for (head, content) in [
            (length, "sixteen bytes no"),
            (length, "sixteen bytes ok!"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n", "sixteen bytes o"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 16\r\nContent-Length: 17\r\n\r\n", ""),
            ("HTTP/1.1 200 OK\r\nContent-Length: +16\r\n\r\n", ""),
            ("HTTP/1.1 404 Not Found\r\nContent-Length: 16\r\n\r\n", ""),
            ("HTTP/1.1 101 Switching\r\n\r\n", ""),
            ("HTTP/2 200 OK\r\n\r\n", ""),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", ""),
            ("ssh\n\n", ""),
            (chunked, "g\r\n"),
            (chunked, "\r\n"),
            (chunked, "7\r\nsixteenX"),
            (chunked, "7\r\nsixteen\r\n0\r\n\r\n"),
            (chunked, "11111111111111111\r\n"),
            (chunked, "10\r\nsixteen bytes ok\r\n0\r\n\r\nmore"),
        ] {
            let message = reply(head, content.as_bytes());
            let mut one = HttpReply::default();
            let all = message.iter().try_for_each(|byte| one.on_data(&[*byte], PAYLOAD).map(drop));
            assert_eq!(all, Err(Wrong), "{head}{content}");
        }
        let endless = format!("HTTP/1.1 200 OK\r\n{}", "X: y\r\n".repeat(MAX_HEAD));
        assert_eq!(HttpReply::default().on_data(endless.as_bytes(), PAYLOAD), Err(Wrong));
    }
}
