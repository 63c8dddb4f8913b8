//! A reply of a server of somebody else's, in whatever words HTTP/1.x has for it: other fields, another order or case, a
//! chunked body, a body that ends with the connection, none at all, HTTP/1.0, interim responses before (RFC 9110 and 9112).
//!
//! Our own servers' replies are compared byte by byte and never come here. What is right of a reply is told by
//! [`HttpExpected`]. A reply that is wrong but whole leaves its connection fit for the next; one whose end nobody can tell
//! does not. What a server may send is bounded, and no content is kept: what is learnt of it is a hash. It never
//! decides what becomes of the connection; it says whether the server means to close it.

use super::expected::{Content, Digest, HttpExpected, MAX_CONTENT, Wrong};
use super::head::{MAX_HEAD, number};
use httparse::{Error, Header, ParserConfig, Response, Status};
use std::fmt;
use std::mem::MaybeUninit;
use xxhash_rust::xxh3::Xxh3;

/// More fields than any server sends.
const MAX_FIELDS: usize = 100;
/// More interim responses than any server sends before a reply.
const MAX_INTERIM: u8 = 16;

/// How far a reply has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// More must come.
    Part,
    /// It is whole, and right.
    Whole {
        /// Whether the server closes the connection behind it.
        closes: bool,
    },
    /// It is whole, and [wrong](HttpReply::wrong).
    Wrong {
        /// Whether the server closes the connection behind it.
        closes: bool,
    },
}

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
    /// The head as far as it has come, where it comes in pieces.
    head: Vec<u8>,
    status: Option<u16>,
    interim: u8,
    /// Bytes of content that have come.
    content: u64,
    /// Bytes of a chunk's line or of the trailer.
    framing: usize,
    closes: bool,
    wrong: Option<Wrong>,
    /// Of the content as far as it has come, where it is held against that of another reply.
    hash: Option<Hash>,
}

/// A hash of bytes that stream by.
#[derive(Default)]
struct Hash(Box<Xxh3>);

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hash").field(&self.0.digest128()).finish()
    }
}

impl HttpReply {
    /// Begins with the next reply.
    pub fn restart(&mut self) {
        let (mut head, mut hash) = (std::mem::take(&mut self.head), self.hash.take());
        head.clear();
        if let Some(hash) = &mut hash {
            hash.0.reset();
        }
        *self = Self { head, hash, ..Self::default() };
    }

    /// The status, once the head has come.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// The first thing that is wrong with it, as far as it has come.
    pub fn wrong(&self) -> Option<Wrong> {
        self.wrong
    }

    /// It is whole, and its request is not yet sent in full.
    pub fn is_early(&mut self) {
        self.wrong = self.status.map(Wrong::Early);
    }

    /// Takes bytes of a reply.
    ///
    /// # Errors
    /// What makes it impossible to tell where the reply ends, or bytes behind it. The connection is of no use any more.
    pub fn on_data(&mut self, bytes: &[u8], expected: &HttpExpected<'_>) -> Result<Progress, Wrong> {
        let taken = self.take(bytes, expected);
        if let Err(why) = taken {
            self.wrong = Some(why);
        }
        taken
    }

    /// The connection has ended; `None` where the reply was not to end with it.
    pub fn on_end(&mut self, expected: &HttpExpected<'_>) -> Option<Progress> {
        if self.at != At::UntilEnd {
            return None;
        }
        self.finish(expected);
        Some(self.ending())
    }

    fn take(&mut self, mut bytes: &[u8], expected: &HttpExpected<'_>) -> Result<Progress, Wrong> {
        while let [first, rest @ ..] = bytes {
            match self.at {
                At::Head => bytes = self.on_head(bytes, expected)?,
                At::Content(left) | At::Chunk(left) => {
                    let count = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    self.on_content(&bytes[..count], expected)?;
                    bytes = &bytes[count..];
                    let left = left - count as u64;
                    match self.at {
                        At::Chunk(_) if left == 0 => self.at = At::ChunkEnd,
                        At::Chunk(_) => self.at = At::Chunk(left),
                        _ if left == 0 => self.finish(expected),
                        _ => self.at = At::Content(left),
                    }
                }
                At::UntilEnd => {
                    self.on_content(bytes, expected)?;
                    bytes = &[];
                }
                At::ChunkSize { .. } | At::ChunkEnd | At::Trailer { .. } => {
                    self.at = self.on_framing(*first)?;
                    if self.at == At::Done {
                        self.finish(expected);
                    }
                    bytes = rest;
                }
                At::Done => return Err(Wrong::Surplus),
            }
        }
        Ok(if self.at == At::Done { self.ending() } else { Progress::Part })
    }

    fn ending(&self) -> Progress {
        match self.wrong {
            None => Progress::Whole { closes: self.closes },
            Some(_) => Progress::Wrong { closes: self.closes },
        }
    }

    /// Notes what is wrong; the first counts.
    fn note(&mut self, why: Wrong) {
        self.wrong.get_or_insert(why);
    }

    /// All of the reply has come.
    fn finish(&mut self, expected: &HttpExpected<'_>) {
        self.at = At::Done;
        let comes = !expected.is_head && self.status != Some(304);
        if comes && expected.length().is_some_and(|length| length != self.content) {
            self.note(Wrong::Length(self.content));
        }
        let (Content::Learned(known), None, true) = (expected.content, self.wrong, comes) else { return };
        let hash = self.hash.get_or_insert_default().0.digest128();
        let first = known.get_or_init(|| Digest { length: self.content, hash });
        if first.length != self.content {
            self.note(Wrong::Length(self.content));
        } else if first.hash != hash {
            self.note(Wrong::Content(None));
        }
    }

    fn on_content(&mut self, bytes: &[u8], expected: &HttpExpected<'_>) -> Result<(), Wrong> {
        let begin = self.content;
        self.content += bytes.len() as u64;
        if self.content > MAX_CONTENT {
            return Err(Wrong::TooLarge);
        }
        if self.wrong.is_some() {
            return Ok(());
        }
        let right = match expected.content {
            Content::Any => return Ok(()),
            Content::Learned(_) => {
                self.hash.get_or_insert_default().0.update(bytes);
                return Ok(());
            }
            Content::Exactly(right) => right,
        };
        // What goes beyond its end is a length, which is told when all has come.
        let right = right.get(begin as usize..).unwrap_or(&[]);
        let both = right.len().min(bytes.len());
        if bytes[..both] != right[..both] {
            let at = bytes.iter().zip(right).position(|(got, right)| got != right).unwrap_or(0);
            self.note(Wrong::Content(Some(begin + at as u64)));
        }
        Ok(())
    }

    /// Takes bytes of the head; returns those behind it.
    fn on_head<'b>(&mut self, bytes: &'b [u8], expected: &HttpExpected<'_>) -> Result<&'b [u8], Wrong> {
        // As a rule it comes in one piece, and nothing is copied.
        if self.head.is_empty() {
            return Ok(match self.read_head(bytes, expected)? {
                Some(length) => &bytes[length..],
                None => {
                    self.head.extend_from_slice(bytes);
                    &[]
                }
            });
        }
        let before = self.head.len();
        let mut head = std::mem::take(&mut self.head);
        head.extend_from_slice(bytes);
        let length = self.read_head(&head, expected)?;
        self.head = head;
        Ok(match length {
            Some(length) => {
                self.head.clear();
                &bytes[length - before..]
            }
            None => &[],
        })
    }

    /// Reads the head at the front of `bytes`; returns its length, or `None` while it is not all there.
    fn read_head(&mut self, bytes: &[u8], expected: &HttpExpected<'_>) -> Result<Option<usize>, Wrong> {
        let mut fields = [const { MaybeUninit::<Header<'_>>::uninit() }; MAX_FIELDS];
        let mut response = Response::new(&mut []);
        // No further, so that it makes no difference in how many pieces it comes.
        let most = &bytes[..bytes.len().min(MAX_HEAD)];
        let config = ParserConfig::default();
        let length = match config.parse_response_with_uninit_headers(&mut response, most, &mut fields) {
            Ok(Status::Complete(length)) => length,
            Ok(Status::Partial) if bytes.len() < MAX_HEAD => return Ok(None),
            Ok(Status::Partial) | Err(Error::TooManyHeaders) => return Err(Wrong::HeadTooLarge),
            Err(_) => {
                let mut begins = [0; 16];
                let count = most.len().min(begins.len());
                begins[..count].copy_from_slice(&most[..count]);
                return Err(Wrong::NotHttp(begins));
            }
        };
        let status = response.code.expect("it is complete");
        match status {
            101 => return Err(Wrong::Switches),
            // Interim: the reply itself comes behind it (RFC 9110, 15.2).
            100..200 if self.interim == MAX_INTERIM => return Err(Wrong::HeadTooLarge),
            100..200 => {
                self.interim += 1;
                return Ok(Some(length));
            }
            _ => self.status = Some(status),
        }
        let is_1_1 = response.version == Some(1);
        let frame = Frame::read(response.headers, is_1_1)?;
        self.closes = !frame.keeps;
        self.judge_head(status, response.headers, &frame, expected);
        self.begin_content(status, &frame, expected)?;
        Ok(Some(length))
    }

    /// What of a head can be wrong where its reply can be read all the same.
    fn judge_head(&mut self, status: u16, fields: &[Header<'_>], frame: &Frame, expected: &HttpExpected<'_>) {
        if !expected.statuses.iter().any(|right| right.contains(&status)) {
            self.note(Wrong::Status(status));
        }
        let has = |(name, value): &(String, String)| {
            let mut named = fields.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
            named.any(|field| field.value.trim_ascii() == value.as_bytes())
        };
        if let Some(missing) = expected.headers.iter().position(|header| !has(header)) {
            self.note(Wrong::Header(missing));
        }
        if let (Some(stated), Some(right), false) = (frame.length, expected.length(), frame.is_chunked)
            && stated != right
        {
            self.note(Wrong::Length(stated));
        }
    }

    /// Where the content begins and how it ends (RFC 9112, 6.3).
    fn begin_content(
        &mut self,
        status: u16,
        frame: &Frame,
        expected: &HttpExpected<'_>,
    ) -> Result<(), Wrong> {
        if expected.is_head || matches!(status, 204 | 304) {
            self.finish(expected);
            return Ok(());
        }
        match frame.length {
            _ if frame.is_chunked => self.at = At::CHUNK_SIZE,
            Some(length) if length > MAX_CONTENT => return Err(Wrong::TooLarge),
            Some(0) => self.finish(expected),
            Some(length) => self.at = At::Content(length),
            None => (self.at, self.closes) = (At::UntilEnd, true),
        }
        Ok(())
    }

    /// Where a byte of a chunked body's own framing leads (RFC 9112, 7.1).
    fn on_framing(&mut self, byte: u8) -> Result<At, Wrong> {
        self.framing += 1;
        if self.framing > MAX_HEAD {
            return Err(Wrong::ChunkSize);
        }
        match (self.at, byte) {
            (At::ChunkSize { size, digits: 1.., .. }, b'\n') => {
                self.framing = 0;
                Ok(if size == 0 { At::Trailer { empty: true } } else { At::Chunk(size) })
            }
            (At::ChunkSize { size, digits, over: false }, _) if byte.is_ascii_hexdigit() && digits < 16 => {
                let digit = u64::from(char::from(byte).to_digit(16).unwrap_or_default());
                Ok(At::ChunkSize { size: size << 4 | digit, digits: digits + 1, over: false })
            }
            (At::ChunkSize { size, digits: digits @ 1.., over }, _)
                if over || matches!(byte, b';' | b' ' | b'\t' | b'\r') =>
            {
                Ok(At::ChunkSize { size, digits, over: true })
            }
            (At::ChunkSize { .. }, _) => Err(Wrong::ChunkSize),
            (At::ChunkEnd, b'\r') => Ok(At::ChunkEnd),
            (At::ChunkEnd, b'\n') => Ok(At::CHUNK_SIZE),
            (At::Trailer { empty: true }, b'\n') => Ok(At::Done),
            (At::Trailer { .. }, b'\n') => Ok(At::Trailer { empty: true }),
            (At::Trailer { empty }, b'\r') => Ok(At::Trailer { empty }),
            (At::Trailer { .. }, _) => Ok(At::Trailer { empty: false }),
            _ => Err(Wrong::ChunkEnd),
        }
    }
}

impl At {
    const CHUNK_SIZE: Self = Self::ChunkSize { size: 0, digits: 0, over: false };
}

/// What the fields of a head say of how its message ends.
struct Frame {
    length: Option<u64>,
    is_chunked: bool,
    /// Whether the connection stays behind it.
    keeps: bool,
}

impl Frame {
    fn read(fields: &[Header<'_>], is_1_1: bool) -> Result<Self, Wrong> {
        let mut frame = Self { length: None, is_chunked: false, keeps: is_1_1 };
        let (mut is_coded, mut closes) = (false, false);
        for field in fields {
            let is = |name: &str| field.name.eq_ignore_ascii_case(name);
            let options = || field.value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
            let says = |option: &str| options().any(|one| one.eq_ignore_ascii_case(option.as_bytes()));
            if is("content-length") {
                let stated = number(field.value.trim_ascii()).ok_or(Wrong::ContentLength)?;
                if frame.length.is_some_and(|before| before != stated) {
                    return Err(Wrong::ContentLength);
                }
                frame.length = Some(stated);
            } else if is("transfer-encoding") {
                // Several fields are one list (RFC 9110, 5.3), and its last coding counts.
                is_coded = true;
                let last = options().next_back();
                frame.is_chunked = last.is_some_and(|last| last.eq_ignore_ascii_case(b"chunked"));
            } else if is("connection") {
                closes |= says("close");
                frame.keeps |= says("keep-alive");
            }
        }
        if is_coded && !frame.is_chunked {
            return Err(Wrong::TransferCoding);
        }
        frame.keeps &= !closes;
        Ok(frame)
    }
}

#[cfg(test)]
mod tests;
