//! Random draws by number: the i-th draw of a stream is a function of (seed, stream, lane, i) and of nothing else.
//!
//! That is what lets a shard compute its own requests without computing those of the others, and what makes the
//! schedule the same in every process. The generator is SplitMix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom
//! Number Generators", OOPSLA 2014), whose i-th output is a mixed multiple of an odd constant and so can be had
//! without the ones before. Not for secrets.

/// The odd constant of SplitMix64: 2^64 over the golden ratio.
const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finalizer of SplitMix64 (Stafford's variant 13 of the MurmurHash3 mixer).
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What a stream's draws are for. Different purposes never share draws, so that changing one leaves the others alone.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    /// Gaps between arrivals.
    Gaps = 1,
    /// Demands of the arrivals of an open loop.
    ArrivalDemand = 2,
    /// Demands of the requests of one connection.
    ConnectionDemand = 3,
    /// The order of a round's trials.
    Order = 4,
    /// The seeds of rounds.
    Round = 5,
    /// Which path a request asks for.
    Path = 6,
}

/// One stream of numbered draws.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream {
    state: u64,
}

impl Stream {
    /// The stream of `purpose`; `lane` tells streams of one purpose apart (the connection's number).
    pub(crate) fn new(seed: u64, purpose: Purpose, lane: u64) -> Self {
        let of_purpose = Self { state: seed }.bits(purpose as u64);
        Self { state: Self { state: of_purpose }.bits(lane) }
    }

    /// A stream of its own for part `number` of what the stream draws for, begun from a draw that nobody comes to.
    pub(crate) fn branch(self, number: u64) -> Self {
        Self { state: self.bits(u64::MAX - 1 - number) }
    }

    /// Draw `index`: 64 even bits.
    pub(crate) fn bits(self, index: u64) -> u64 {
        mix(self.state.wrapping_add(GOLDEN_GAMMA.wrapping_mul(index.wrapping_add(1))))
    }

    /// Draw `index`, uniform over (0, 1] in steps of 2^-53. Zero is left out so that its logarithm exists.
    pub(crate) fn unit(self, index: u64) -> f64 {
        ((self.bits(index) >> 11) + 1) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Draw `index`, exponentially distributed with mean 1, by inversion. At most 53 ln 2 = 36.7.
    pub(crate) fn exponential(self, index: u64) -> f64 {
        -self.unit(index).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_splitmix64() {
        // The outputs for seed 1234567 that implementations in other languages are checked against.
        let expected = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431];
        let stream = Stream { state: 1_234_567 };
        assert_eq!([0, 1, 2, 3].map(|i| stream.bits(i)), expected);
    }

    #[test]
    fn the_unit_interval_has_no_zero_and_ends_at_one() {
        assert!(((u64::MAX >> 11) + 1) as f64 * (1.0 / (1u64 << 53) as f64) == 1.0);
        let stream = Stream::new(7, Purpose::Gaps, 0);
        assert!((0..100_000).map(|i| stream.unit(i)).all(|u| u > 0.0 && u <= 1.0));
    }

    #[test]
    fn streams_of_different_purpose_lane_or_seed_differ() {
        let all = [
            Stream::new(1, Purpose::Gaps, 0),
            Stream::new(2, Purpose::Gaps, 0),
            Stream::new(1, Purpose::ArrivalDemand, 0),
            Stream::new(1, Purpose::ConnectionDemand, 0),
            Stream::new(1, Purpose::ConnectionDemand, 1),
        ];
        let mut first: Vec<u64> = all.iter().map(|s| s.bits(0)).collect();
        first.sort_unstable();
        first.dedup();
        assert_eq!(first.len(), all.len());
    }
}
