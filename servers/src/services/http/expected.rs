//! What is right of a reply of HTTP, and what can be wrong with it; typed, no prose.

use std::ops::RangeInclusive;
use std::sync::OnceLock;
use xxhash_rust::xxh3::xxh3_128;

/// The most content of a reply, in bytes.
pub(super) const MAX_CONTENT: u64 = 16 << 20;

/// What is right of a reply.
#[derive(Clone, Copy, Debug)]
pub struct HttpExpected<'a> {
    /// Its status is in one of these.
    pub statuses: &'a [RangeInclusive<u16>],
    /// The request was HEAD: what content there would be is announced, and does not come.
    pub is_head: bool,
    /// Its content has so many bytes (of HEAD and 304, would have).
    pub length: Option<u64>,
    /// It has fields of these names with exactly these values.
    pub headers: &'a [(String, String)],
    /// Its content.
    pub content: Content<'a>,
}

/// What the content of a reply is.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// Whatever the server says.
    Any,
    /// These bytes.
    Exactly(&'a [u8]),
    /// That of the first reply that has some and is right otherwise, which is known here from then on.
    Learned(&'a OnceLock<Digest>),
}

/// What content is known again by, so that none is kept: its length and 128 bits of hash (XXH3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    pub(super) length: u64,
    pub(super) hash: u128,
}

impl Digest {
    /// That of content which is all there.
    pub fn of(content: &[u8]) -> Self {
        Self { length: content.len() as u64, hash: xxh3_128(content) }
    }
}

impl<'a> HttpExpected<'a> {
    /// Status 200 and these bytes.
    pub fn ok(content: &'a [u8]) -> Self {
        const OK: &[RangeInclusive<u16>] = &[200..=200];
        Self { statuses: OK, is_head: false, length: None, headers: &[], content: Content::Exactly(content) }
    }

    /// How long the content must be, where that is known.
    pub(super) fn length(&self) -> Option<u64> {
        match self.content {
            Content::Exactly(bytes) => Some(bytes.len() as u64),
            Content::Any | Content::Learned(_) => self.length,
        }
    }
}

/// What is wrong with a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It has another status.
    Status(u16),
    /// It lacks the expected field of this number, or that one has another value.
    Header(usize),
    /// Its content has so many bytes.
    Length(u64),
    /// Its content differs, first in this byte; of content that is [learnt](Content::Learned) nobody knows where.
    Content(Option<u64>),
    /// It is no HTTP/1.x; how it begins, filled up with zeros.
    NotHttp([u8; 16]),
    /// The server speaks another protocol from here on (101), which nobody asked for.
    Switches,
    /// Its head has more than 8 KiB or more than 100 fields, or too many interim responses come before it.
    HeadTooLarge,
    /// Its `Content-Length` is no number, or there are two.
    ContentLength,
    /// Its transfer coding does not end with `chunked`.
    TransferCoding,
    /// A chunk's size is no number, or its line or the trailer has more than 8 KiB.
    ChunkSize,
    /// A chunk is longer than it says.
    ChunkEnd,
    /// Its content has more than 16 MiB.
    TooLarge,
    /// More bytes come behind it, and nobody asked for more.
    Surplus,
    /// It came, with this status, before its request was sent in full, so the next cannot follow (RFC 9112, 9.3).
    Early(u16),
}
