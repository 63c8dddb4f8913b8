//! Payload bytes for requests: a random block made once, and a window into it chosen by the request's number.
//!
//! Sending copies nothing and verifying is a `memcmp`. The same number gives the same bytes in any process.

/// How many places in the block a payload can start at: a prime, so that numbers in any regular stride use them all.
const OFFSETS: usize = 65_521;

/// Seed of the block. Fixed: a payload is part of the protocol between two processes, not of an experiment.
const SEED: u64 = 0x6261_6b65_6f66_6621; // "bakeoff!"

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014): the next value.
///
/// It stands here although the generator of schedules and the bootstrap have the like: the bytes of a payload are part
/// of a protocol and must not change with them, and this crate depends on neither of theirs.
pub fn splitmix64(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Where in the block the payload of request `id` starts; numbers with the same start have the same payload.
pub fn start(id: u64) -> usize {
    (id % OFFSETS as u64) as usize
}

/// A block of random bytes.
#[derive(Debug)]
pub struct Block {
    bytes: Vec<u8>,
}

impl Block {
    /// A block for payloads of up to `max_payload` bytes, each byte of it passed through `map`.
    pub fn new(max_payload: u32, map: impl Fn(u8) -> u8) -> Self {
        let length = max_payload as usize + OFFSETS;
        let mut bytes = Vec::with_capacity(length + 8);
        let mut state = SEED;
        while bytes.len() < length {
            bytes.extend(splitmix64(&mut state).to_le_bytes().map(&map));
        }
        bytes.truncate(length);
        Self { bytes }
    }

    /// A block of capital letters and digits for payloads of up to `max_payload` bytes: no line feed, and never `exit`.
    pub fn printable(max_payload: u32) -> Self {
        const PRINTABLE: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        Self::new(max_payload, |byte| PRINTABLE[usize::from(byte % 32)])
    }

    /// A block whose bytes repeat, for payloads of up to `max_payload` bytes: any size can be had from the smallest
    /// such block by [`Self::append_repeating`]. The price: bytes of one payload that trade places over a multiple of
    /// 65,521 bytes are the same bytes.
    pub fn repeating(max_payload: u32) -> Self {
        let mut block = Self::new(0, |byte| byte);
        let length = max_payload as usize + OFFSETS;
        while block.bytes.len() < length {
            let missing = length - block.bytes.len();
            block.bytes.extend_from_within(..OFFSETS.min(missing));
        }
        block
    }

    /// Appends what [`Self::payload`] of a [repeating](Self::repeating) block is, whatever block this one was made for.
    pub fn append_repeating(&self, id: u64, size: u32, output: &mut Vec<u8>) {
        let mut offset = start(id);
        let mut left = size as usize;
        while left > 0 {
            let n = left.min(OFFSETS - offset);
            output.extend_from_slice(&self.bytes[offset..offset + n]);
            left -= n;
            offset = 0;
        }
    }

    /// The payload of request `id`, `size` bytes long.
    ///
    /// # Panics
    /// If `size` is larger than the block was made for.
    pub fn payload(&self, id: u64, size: u32) -> &[u8] {
        let offset = start(id);
        &self.bytes[offset..offset + size as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitmix64_gives_the_published_sequence() {
        // The first values for seed 1234567, as the reference implementation prints them.
        let mut state = 1_234_567;
        let values: Vec<u64> = (0..3).map(|_| splitmix64(&mut state)).collect();
        assert_eq!(values, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn a_small_repeating_block_gives_what_a_large_one_holds() {
        let (small, large) = (Block::repeating(0), Block::repeating(200_000));
        for (id, size) in [(0, 0), (7, 64), (65_520, 1), (65_520, 2), (65_521, 65_521), (30_000, 200_000)] {
            let mut appended = vec![1, 2];
            small.append_repeating(id, size, &mut appended);
            assert!(appended[2..] == *large.payload(id, size), "{size} bytes of {id}");
        }
    }

    #[test]
    fn different_requests_have_different_payloads() {
        let block = Block::new(64, |byte| byte);
        let mut seen = std::collections::HashSet::new();
        for id in 0..OFFSETS as u64 {
            assert!(seen.insert(block.payload(id, 64)), "payload of {id} was seen before");
        }
        assert_eq!(block.payload(3, 64), Block::new(1 << 20, |byte| byte).payload(3, 64), "any block agrees");
    }
}
