//! A datagram of the swarm: its number and the time it was sent, then a payload that the number alone decides.
//!
//! The number says which request a reply is to, without a connection to say it; the stamp that it is of this trial.

use crate::workload::transport::MIN_DATAGRAM;
use bakeoff_servers::exchange::{Exchange, Parts, Request};

/// Bytes before the payload: number and stamp, in network byte order.
const HEAD: usize = MIN_DATAGRAM as usize;

/// The number of a datagram that asks before the start whether anybody answers.
pub(super) const PROBE: u64 = u64::MAX;

/// What tells one datagram from all others of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Which datagram of the swarm.
    pub(super) number: u64,
    /// When it was sent, in nanoseconds from the common start.
    pub(super) sent_ns: u64,
}

impl Head {
    fn bytes(self) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        bytes[..8].copy_from_slice(&self.number.to_be_bytes());
        bytes[8..].copy_from_slice(&self.sent_ns.to_be_bytes());
        bytes
    }

    /// The head that `bytes` begin with; `None` where they are too few.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let (number, rest) = bytes.split_first_chunk()?;
        let (sent_ns, _) = rest.split_first_chunk()?;
        Some(Self { number: u64::from_be_bytes(*number), sent_ns: u64::from_be_bytes(*sent_ns) })
    }

    fn message<'a>(self, exchange: &'a dyn Exchange, size: u32) -> Parts<'a> {
        let request = Request::new(self.number, size - HEAD as u32, 0);
        Parts::new(&self.bytes(), exchange.request(&request).body, &[])
    }

    /// Writes the whole datagram, of `size` bytes, to the front of `buffer`.
    pub(super) fn write(self, exchange: &dyn Exchange, size: u32, buffer: &mut [u8]) {
        let message = self.message(exchange, size);
        let (head, rest) = buffer[..size as usize].split_at_mut(HEAD);
        head.copy_from_slice(message.head());
        rest.copy_from_slice(message.body);
    }

    /// Whether `bytes` are this datagram, to the last byte.
    pub(super) fn is_whole(self, exchange: &dyn Exchange, size: u32, bytes: &[u8]) -> bool {
        bytes.len() == size as usize && self.message(exchange, size).verify(0, bytes) == Ok(bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_is_known_by_its_head_and_held_to_every_byte() {
        const SIZE: u32 = 300;
        let echo = (bakeoff_servers::services::find("echo").expect("built in").exchange)(SIZE);
        let head = Head { number: 77, sent_ns: 123_456_789 };
        let mut buffer = [0; 512];
        head.write(&*echo, SIZE, &mut buffer);
        let bytes = &mut buffer[..SIZE as usize];
        assert_eq!(Head::of(bytes), Some(head));
        assert!(head.is_whole(&*echo, SIZE, bytes) && !head.is_whole(&*echo, SIZE, &bytes[1..]));
        assert!(!head.is_whole(&*echo, SIZE, &bytes[..299]));
        for at in 0..SIZE as usize {
            bytes[at] ^= 1;
            assert!(!head.is_whole(&*echo, SIZE, bytes), "byte {at}");
            bytes[at] ^= 1;
        }
        assert_eq!(Head::of(&[0; HEAD - 1]), None);
        let smallest = Head { number: 1, sent_ns: 2 };
        smallest.write(&*echo, HEAD as u32, &mut buffer);
        assert!(smallest.is_whole(&*echo, HEAD as u32, &buffer[..HEAD]));
    }
}
