//! Latency histograms: recording, encoding for a record, decoding, merging.
//!
//! One shape for the whole project, so that any two histograms merge without loss: nanoseconds from 1 to one hour at
//! three significant digits ([`Recorder::fine`]) or two ([`Recorder::coarse`], for time slices).

use crate::record::{EncodedHistogram, Spread};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::ZlibDecoder;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{DeserializeError, Deserializer, Serializer as _, V2DeflateSerializer};
use std::io::{ErrorKind, Read as _};

/// The largest value a histogram tells apart, in nanoseconds: one hour. Larger ones are recorded here and counted.
pub const HIGHEST_NS: u64 = 3_600_000_000_000;

/// The most values a recorded histogram may hold: 1.1 million million, twelve days at a million a second. Far above any
/// trial, and so far below 64 bits that merging any number of trials cannot overflow.
pub const MOST_VALUES: u64 = 1 << 40;

/// A histogram could not be decoded or merged.
#[derive(Debug, thiserror::Error)]
pub enum HistogramError {
    /// It holds more than any trial can, so sums over it might overflow.
    #[error("histogram holds more than {MOST_VALUES} values")]
    TooMany,
    /// The text is not base64.
    #[error("histogram is not base64: {0}")]
    Base64(#[from] base64::DecodeError),
    /// The bytes are no V2 histogram.
    #[error("histogram is not in the HDR V2 deflate format: {0}")]
    Format(#[from] DeserializeError),
    /// It states more counts than it has, or than any histogram of the project.
    #[error("histogram states {stated} bytes of counts and has {there}")]
    Length {
        /// Bytes of counts that it states.
        stated: u64,
        /// Bytes of counts that are there.
        there: u64,
    },
    /// The histogram has another range or resolution than the project's, so it would not merge without loss.
    #[error("histogram covers {lowest} to {highest} ns at {digits} digits, not 1 ns to one hour at 2 or 3")]
    Shape {
        /// Its lower end.
        lowest: u64,
        /// Its upper end.
        highest: u64,
        /// Its significant digits.
        digits: u64,
    },
    /// The counts inside and beside the histogram differ.
    #[error("histogram holds {inside} values but its record says {beside}")]
    Count {
        /// Values in the histogram.
        inside: u64,
        /// Values its record claims.
        beside: u64,
    },
}

/// A histogram being filled. Recording never fails, never allocates, and keeps the exact sum and maximum beside the
/// buckets.
#[derive(Clone, Debug)]
pub struct Recorder {
    histogram: Histogram<u64>,
    saturated: u64,
    sum_ns: u64,
    max_ns: u64,
}

impl Recorder {
    /// Three significant digits: the histograms of a window.
    pub fn fine() -> Self {
        Self::with_digits(3)
    }

    /// Two significant digits: the histograms of a time slice.
    pub fn coarse() -> Self {
        Self::with_digits(2)
    }

    fn with_digits(digits: u8) -> Self {
        let histogram = Histogram::new_with_bounds(1, HIGHEST_NS, digits).expect("constant bounds are valid");
        Self { histogram, saturated: 0, sum_ns: 0, max_ns: 0 }
    }

    /// Records one value in nanoseconds.
    #[inline]
    pub fn record(&mut self, value_ns: u64) {
        if value_ns > HIGHEST_NS {
            self.saturated = self.saturated.saturating_add(1);
        }
        self.histogram.saturating_record(value_ns);
        self.sum_ns = self.sum_ns.saturating_add(value_ns);
        self.max_ns = self.max_ns.max(value_ns);
    }

    /// Records a value in nanoseconds `count` times at once.
    pub fn record_n(&mut self, value_ns: u64, count: u64) {
        if count == 0 {
            return;
        }
        if value_ns > HIGHEST_NS {
            self.saturated = self.saturated.saturating_add(count);
        }
        self.histogram.saturating_record_n(value_ns, count);
        self.sum_ns = self.sum_ns.saturating_add(value_ns.saturating_mul(count));
        self.max_ns = self.max_ns.max(value_ns);
    }

    /// Values recorded.
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// The exact largest value in nanoseconds; 0 when empty.
    pub fn max_ns(&self) -> u64 {
        self.max_ns
    }

    /// The exact mean in nanoseconds; `None` when empty, and when the sum has reached its end at 584 years.
    pub fn mean_ns(&self) -> Option<f64> {
        (self.count() > 0 && self.sum_ns < u64::MAX).then(|| self.sum_ns as f64 / self.count() as f64)
    }

    /// The histogram so far.
    pub fn histogram(&self) -> &Histogram<u64> {
        &self.histogram
    }

    /// Forgets everything, keeping the memory.
    pub fn clear(&mut self) {
        self.histogram.reset();
        (self.saturated, self.sum_ns, self.max_ns) = (0, 0, 0);
    }

    /// The form that goes into a record.
    pub fn encode(&self) -> EncodedHistogram {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new()
            .serialize(&self.histogram, &mut bytes)
            .expect("writing to memory cannot fail and the range fits the format");
        EncodedHistogram {
            count: self.histogram.len(),
            saturated: self.saturated,
            sum_ns: self.sum_ns,
            max_ns: self.max_ns,
            hdr_v2: STANDARD.encode(bytes),
        }
    }

    /// Takes a recorded histogram up again.
    pub fn decode(encoded: &EncodedHistogram) -> Result<Self, HistogramError> {
        let bytes = STANDARD.decode(&encoded.hdr_v2)?;
        let inner = inflated(&bytes)?;
        let histogram: Histogram<u64> = Deserializer::new().deserialize(&mut inner.as_slice())?;
        if histogram.len() > MOST_VALUES {
            return Err(HistogramError::TooMany);
        }
        if histogram.len() != encoded.count {
            return Err(HistogramError::Count { inside: histogram.len(), beside: encoded.count });
        }
        Ok(Self { histogram, saturated: encoded.saturated, sum_ns: encoded.sum_ns, max_ns: encoded.max_ns })
    }

    /// Adds another histogram's values to this one.
    pub fn merge(&mut self, other: &Self) {
        self.histogram.add(&other.histogram).expect("all histograms of the project share one range");
        self.saturated = self.saturated.saturating_add(other.saturated);
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
    }
}

/// The most bytes of a histogram that is not compressed: three digits have 35,000 buckets, each a number of nine bytes at most.
const LONGEST: u64 = 512 << 10;

/// The V2 histogram in its compressed frame, once its head is known to be true and of the project's shape: memory is taken by
/// what a head says before anything else is read.
fn inflated(bytes: &[u8]) -> Result<Vec<u8>, HistogramError> {
    let short = || DeserializeError::IoError(ErrorKind::UnexpectedEof.into());
    let (frame, compressed) = bytes.split_first_chunk::<8>().ok_or_else(short)?;
    if frame[..4] != [0x1c, 0x84, 0x93, 0x14] {
        return Err(DeserializeError::InvalidCookie.into());
    }
    let mut inner = Vec::new();
    ZlibDecoder::new(compressed).take(LONGEST).read_to_end(&mut inner).map_err(DeserializeError::IoError)?;
    // Cookie, length of the counts, offset, digits (four bytes each), lowest, highest, ratio (eight).
    let head = inner.first_chunk::<40>().ok_or_else(short)?;
    let number =
        |from: usize, to: usize| head[from..to].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    let (stated, there) = (number(4, 8), inner.len() as u64 - 40);
    if stated > there {
        return Err(HistogramError::Length { stated, there });
    }
    let (lowest, highest, digits) = (number(16, 24), number(24, 32), number(12, 16));
    if lowest != 1 || highest != HIGHEST_NS || !(2..=3).contains(&digits) {
        return Err(HistogramError::Shape { lowest, highest, digits });
    }
    Ok(inner)
}

/// The replies of each connection as a histogram: the same form as times, whose values are counts here. `None` when the
/// spread has none.
///
/// # Errors
/// When it is damaged, or holds other than one value for each connection.
pub fn replies_per_connection(spread: &Spread) -> Result<Option<Recorder>, HistogramError> {
    if spread.hdr_v2.is_empty() {
        return Ok(None);
    }
    let encoded = EncodedHistogram {
        count: spread.connections,
        saturated: 0,
        sum_ns: spread.replies,
        max_ns: spread.most,
        hdr_v2: spread.hdr_v2.clone(),
    };
    Recorder::decode(&encoded).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_survives_its_record() {
        let mut recorder = Recorder::fine();
        for value in [0, 1, 20_000, 20_001, 7_000_000_000, HIGHEST_NS, HIGHEST_NS + 5] {
            recorder.record(value);
        }
        let back = Recorder::decode(&recorder.encode()).expect("our own encoding");
        assert_eq!(back.histogram(), recorder.histogram());
        assert_eq!((back.saturated, back.sum_ns, back.max_ns), (1, recorder.sum_ns, HIGHEST_NS + 5));
    }

    #[test]
    fn merging_parts_is_the_same_as_recording_the_whole() {
        let (mut whole, mut odd, mut even) = (Recorder::coarse(), Recorder::coarse(), Recorder::coarse());
        for value in 0..10_000 {
            whole.record(value * 977);
            if value % 2 == 0 { even.record(value * 977) } else { odd.record(value * 977) }
        }
        odd.merge(&even);
        assert_eq!(odd.encode(), whole.encode());
    }

    #[test]
    fn a_value_many_times_is_that_many_records() {
        for value in [0, 20_001, HIGHEST_NS + 5] {
            let (mut one_by_one, mut at_once) = (Recorder::fine(), Recorder::fine());
            (0..3).for_each(|_| one_by_one.record(value));
            at_once.record_n(value, 0);
            at_once.record_n(value, 3);
            assert_eq!(at_once.encode(), one_by_one.encode());
        }
    }

    #[test]
    fn a_record_that_lies_about_its_count_is_refused() {
        let mut recorder = Recorder::fine();
        recorder.record(5);
        let mut encoded = recorder.encode();
        encoded.count = 2;
        assert!(matches!(Recorder::decode(&encoded), Err(HistogramError::Count { inside: 1, beside: 2 })));
    }

    #[test]
    fn a_histogram_that_states_more_than_it_has_is_refused_before_memory_is_taken() {
        use flate2::Compression;
        use flate2::write::ZlibEncoder;
        use std::io::Write as _;
        let bytes = STANDARD.decode(&Recorder::fine().encode().hdr_v2).expect("our own encoding");
        let mut inner = inflated(&bytes).expect("our own encoding");
        inner[4..8].copy_from_slice(&u32::MAX.to_be_bytes());
        let mut frame = ZlibEncoder::new(bytes[..8].to_vec(), Compression::fast());
        frame.write_all(&inner).expect("to memory");
        let hdr_v2 = STANDARD.encode(frame.finish().expect("to memory"));
        let refused = Recorder::decode(&EncodedHistogram { hdr_v2, ..Recorder::fine().encode() });
        assert!(matches!(refused, Err(HistogramError::Length { stated: 0xffff_ffff, .. })), "{refused:?}");
    }

    #[test]
    fn a_histogram_that_would_not_merge_is_refused() {
        let encode =
            |histogram: Histogram<u64>| Recorder { histogram, saturated: 0, sum_ns: 0, max_ns: 0 }.encode();
        let mut too_many = Recorder::fine().histogram;
        too_many.record_n(7, 1 << 62).expect("in range");
        too_many.record_n(9, 1 << 62).expect("in range");
        assert!(matches!(Recorder::decode(&encode(too_many)), Err(HistogramError::TooMany)));
        let coarse_below = Histogram::new_with_bounds(1_000, HIGHEST_NS, 3).expect("valid bounds");
        let refused = Recorder::decode(&encode(coarse_below));
        assert!(matches!(refused, Err(HistogramError::Shape { lowest: 1_000, .. })), "{refused:?}");
    }
}
