//! Loss on the way to the swarm: a share of what comes to its sockets, dropped by the kernel before they take it in, as if a
//! network had lost it. Of TCP it is segments, which the server sends again; of UDP it is datagrams, which nobody does.
//!
//! A filter on the socket (`SO_ATTACH_FILTER`, socket(7)) needs no privilege, no namespace and no relay, which would add its own
//! time to every request. Which datagrams are lost is a function of their number and the seed; TCP's are drawn by the kernel, since
//! a segment that is sent again must have another chance.

use rustix::io::Errno;
use socket2::{SockFilter, SockRef};
use std::io;
use std::os::fd::AsFd;

/// Which share is lost, and by which draw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loss {
    /// Draws below this are lost.
    threshold: u32,
    seed: u32,
}

// Instructions of the classic BPF (linux/bpf_common.h), as far as they are used.
const LOAD_WORD: u16 = 0x20;
const LOAD_BYTE: u16 = 0x30;
const JUMP_SET: u16 = 0x45;
const JUMP_AT_LEAST: u16 = 0x35;
const RETURN: u16 = 0x06;
const XOR_CONSTANT: u16 = 0xa4;
const MULTIPLY: u16 = 0x24;
const SHIFT_RIGHT: u16 = 0x74;
const XOR_INDEX: u16 = 0xac;
const TO_INDEX: u16 = 0x07;
/// Where a load finds a random number of the kernel's (`SKF_AD_OFF + SKF_AD_RANDOM`).
const RANDOM: u32 = 0xffff_f000 + 56;
/// Lets the whole packet pass.
const WHOLE: u32 = u32::MAX;
/// Where the low half of a datagram's number lies: behind the head of UDP and the high half.
const NUMBER_LOW: u32 = 8 + 4;
/// The flags of a segment, and the one of those that open a connection.
const TCP_FLAGS: u32 = 13;
const SYN: u32 = 0x02;
/// The finalizer of MurmurHash3, which a filter can compute: (shift, multiplier) twice, then a last shift.
const MIX: [(u32, u32); 2] = [(16, 0x85eb_ca6b), (13, 0xc2b2_ae35)];
const LAST_SHIFT: u32 = 16;

impl Loss {
    /// A loss of `share`, from 0 to 1; `None` where that is nothing.
    pub fn new(share: f64, seed: u64) -> Option<Self> {
        let threshold = (share * (1_u64 << 32) as f64).round() as u64;
        let threshold = u32::try_from(threshold).unwrap_or(u32::MAX);
        (threshold > 0).then_some(Self { threshold, seed: (seed ^ seed >> 32) as u32 })
    }

    /// Whether the datagram of this number is lost.
    pub fn takes(&self, number: u64) -> bool {
        let mut hash = number as u32 ^ self.seed;
        for (shift, multiplier) in MIX {
            hash = (hash ^ hash >> shift).wrapping_mul(multiplier);
        }
        (hash ^ hash >> LAST_SHIFT) < self.threshold
    }

    /// Loses datagrams that come to this socket from now on.
    ///
    /// # Errors
    /// When the kernel refuses the filter.
    pub(super) fn of_datagrams(&self, socket: impl AsFd) -> io::Result<()> {
        let one = SockFilter::new;
        let mut filter = vec![one(LOAD_WORD, 0, 0, NUMBER_LOW), one(XOR_CONSTANT, 0, 0, self.seed)];
        let shifted =
            |shift| [one(TO_INDEX, 0, 0, 0), one(SHIFT_RIGHT, 0, 0, shift), one(XOR_INDEX, 0, 0, 0)];
        for (shift, multiplier) in MIX {
            filter.extend(shifted(shift));
            filter.push(one(MULTIPLY, 0, 0, multiplier));
        }
        filter.extend(shifted(LAST_SHIFT));
        filter.extend(self.verdict());
        SockRef::from(&socket).attach_filter(&filter)
    }

    /// Loses segments that come to this socket from now on, but for those that open the connection.
    ///
    /// # Errors
    /// When the kernel refuses the filter.
    pub(super) fn of_segments(&self, socket: impl AsFd) -> Result<(), Errno> {
        let one = SockFilter::new;
        let [lost, kept, dropped] = self.verdict();
        let filter = [
            one(LOAD_BYTE, 0, 0, TCP_FLAGS),
            one(JUMP_SET, 2, 0, SYN), // to where it is kept
            one(LOAD_WORD, 0, 0, RANDOM),
            lost,
            kept,
            dropped,
        ];
        let attached = SockRef::from(&socket).attach_filter(&filter);
        attached.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::INVAL))
    }

    /// Drops the packet where the accumulator is below the threshold.
    fn verdict(&self) -> [SockFilter; 3] {
        [
            SockFilter::new(JUMP_AT_LEAST, 0, 1, self.threshold),
            SockFilter::new(RETURN, 0, 0, WHOLE),
            SockFilter::new(RETURN, 0, 0, 0),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    #[test]
    fn the_share_is_kept_and_the_seed_says_which() {
        const NUMBERS: u64 = 100_000;
        let lost = |seed| {
            let loss = Loss::new(0.01, seed).expect("some");
            (0..NUMBERS).filter(|number| loss.takes(*number)).collect::<Vec<u64>>()
        };
        // Five standard deviations of a binomial(100,000, 1/100): 157; the seeds are fixed.
        assert!([1, 2, 3].map(lost).iter().all(|lost| lost.len().abs_diff(1_000) < 157));
        assert_eq!(lost(1), lost(1));
        assert_ne!(lost(1), lost(2));
        assert_eq!(Loss::new(0.0, 1), None);
        let all = Loss::new(1.0, 1).expect("some");
        assert!((0..1_000).all(|number| all.takes(number)));
    }

    #[test]
    fn the_kernel_loses_those_that_the_rule_takes() {
        let (ours, theirs) = (socket(), socket());
        let address = ours.local_addr().expect("bound");
        ours.set_nonblocking(true).expect("a flag");
        let loss = Loss::new(0.3, 7).expect("some");
        loss.of_datagrams(&ours).expect("a sound filter");
        for number in 0..200_u64 {
            theirs.send_to(&number.to_be_bytes(), address).expect("room");
        }
        let mut bytes = [0; 8];
        let came: Vec<u64> =
            std::iter::from_fn(|| ours.recv(&mut bytes).ok().map(|_| u64::from_be_bytes(bytes))).collect();
        assert_eq!(came, (0..200).filter(|number| !loss.takes(*number)).collect::<Vec<u64>>());
    }

    fn socket() -> UdpSocket {
        UdpSocket::bind("127.0.0.1:0").expect("loopback")
    }
}
