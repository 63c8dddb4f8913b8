//! The client's half of a service: what a request looks like, and the only reply that is right for it.
//!
//! It stands beside the server's half, in the same file of `services/`, so that the two cannot drift apart. Requests
//! and replies are described as [`Parts`] that borrow from a block made once: sending copies nothing, and verifying
//! every byte is a `memcmp`.

use crate::services::Stages;
pub use crate::services::http::expected::{Content, Digest, HttpExpected, Wrong};
pub use crate::services::http::reply::{HttpReply, Progress};

/// What identifies a request and says what it asks for. The same values make the same bytes, in any process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The request's number in its run; selects the payload, so that a stale or foreign reply does not pass.
    pub id: u64,
    /// Payload length in bytes, at least the service's [`min_payload`](Exchange::min_payload).
    pub size: u32,
    /// What the request demands of the server, in (nominal) nanoseconds; 0 leaves it to the server's own default.
    /// Services that do no work ignore it; one that does several kinds of work takes it for a third of each.
    pub demand_ns: u64,
    /// What the request demands of such a service, one stage after the other, in place of a single time. The others ignore it.
    pub stages: Stages,
}

impl Request {
    /// A request that demands one time, or nothing.
    pub const fn new(id: u64, size: u32, demand_ns: u64) -> Self {
        Self { id, size, demand_ns, stages: Stages::NONE }
    }
}

/// A message in up to three pieces: a short head, a borrowed body, a borrowed tail. Any piece may be empty.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    head: [u8; Parts::HEAD],
    head_len: u8,
    /// The payload.
    pub body: &'a [u8],
    /// What ends the message (a line feed, say).
    pub tail: &'a [u8],
}

impl<'a> Parts<'a> {
    /// Longest head in bytes: room for a whole HTTP request of ours, which then goes out as one piece.
    pub const HEAD: usize = 63;

    /// A message of `head`, `body` and `tail`.
    ///
    /// # Panics
    /// If `head` is longer than [`Parts::HEAD`].
    pub fn new(head: &[u8], body: &'a [u8], tail: &'a [u8]) -> Self {
        let mut bytes = [0; Self::HEAD];
        bytes[..head.len()].copy_from_slice(head);
        Self { head: bytes, head_len: head.len() as u8, body, tail }
    }

    /// The head's bytes.
    pub fn head(&self) -> &[u8] {
        &self.head[..usize::from(self.head_len)]
    }

    /// The pieces in order.
    pub fn pieces(&self) -> [&[u8]; 3] {
        [self.head(), self.body, self.tail]
    }

    /// Length of the whole message in bytes.
    #[allow(clippy::len_without_is_empty)] // a message is never empty
    pub fn len(&self) -> usize {
        usize::from(self.head_len) + self.body.len() + self.tail.len()
    }

    /// The whole message, copied together.
    pub fn to_vec(&self) -> Vec<u8> {
        self.pieces().concat()
    }

    /// Compares `bytes` with this message from `offset` on. Returns how many of `bytes` belong to this message (the
    /// rest is the next one's), or the position in the message of the first wrong byte.
    pub fn verify(&self, offset: usize, bytes: &[u8]) -> Result<usize, usize> {
        let mut start = 0;
        let mut taken = 0;
        for piece in self.pieces() {
            let end = start + piece.len();
            let position = offset + taken;
            if position < end && taken < bytes.len() {
                let expected = &piece[position - start..];
                let n = expected.len().min(bytes.len() - taken);
                let got = &bytes[taken..taken + n];
                if got != &expected[..n] {
                    let wrong = got.iter().zip(expected).position(|(a, b)| a != b).unwrap_or(0);
                    return Err(position + wrong);
                }
                taken += n;
            }
            start = end;
        }
        Ok(taken)
    }
}

/// The client's half of a service.
pub trait Exchange: Send + Sync {
    /// Smallest payload a request can have, in bytes (1 for echo: an empty message cannot be answered).
    fn min_payload(&self) -> u32;
    /// The only payloads in bytes that a scenario can ask for, where a reply cannot be of any size: a site has the files
    /// it has. Empty when every size can be had. A request for another size is answered with the next smaller one.
    fn sizes(&self) -> &'static [u32] {
        &[]
    }
    /// The bytes of a request.
    fn request(&self, request: &Request) -> Parts<'_>;
    /// The bytes of the only right reply to it. Of a service that [expects](Exchange::expected) something of other servers,
    /// those of our own; empty where our own send nothing that could be known.
    fn reply(&self, request: &Request) -> Parts<'_>;
    /// What is right of a reply to it in the words of other servers, for a protocol that leaves them a choice; an [`HttpReply`]
    /// holds it to that.
    fn expected(&self, request: &Request) -> Option<HttpExpected<'_>> {
        let _ = request;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_verified_across_any_split() {
        let parts = Parts::new(b"head", b"the body", b"\n");
        let whole = parts.to_vec();
        assert_eq!(whole.len(), parts.len());
        for cut in 0..=whole.len() {
            assert_eq!(parts.verify(0, &whole[..cut]), Ok(cut));
            assert_eq!(parts.verify(cut, &whole[cut..]), Ok(whole.len() - cut));
        }
        let mut next = whole.clone();
        next.extend_from_slice(b"next");
        assert_eq!(parts.verify(0, &next), Ok(whole.len()), "the next message is not ours");
    }

    #[test]
    fn every_wrong_byte_is_found_where_it_is() {
        let parts = Parts::new(b"he", b"body", b"\n");
        for at in 0..parts.len() {
            let mut wrong = parts.to_vec();
            wrong[at] ^= 1;
            assert_eq!(parts.verify(0, &wrong), Err(at));
        }
    }
}
