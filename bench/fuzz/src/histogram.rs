//! Histograms: encoded and decoded they are the same, merged in any order they are the whole, and what is damaged is refused.

use bakeoff_reports::record::EncodedHistogram;
use bakeoff_reports::record::histogram::{HistogramError, Recorder};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use std::io::Write as _;

/// Takes the input for values, and for the inside of an encoded histogram.
///
/// # Panics
/// Where one of these does not hold.
pub fn check(data: &[u8]) {
    values(data);
    encoded(data);
}

fn values(data: &[u8]) {
    // A fine one has 35,000 buckets, eight times as many: seldom.
    let new = if data.first() == Some(&1) { Recorder::fine } else { Recorder::coarse };
    let (mut whole, mut parts) = (new(), [new(), new(), new()]);
    let (eights, _) = data.as_chunks::<8>();
    for (at, eight) in eights.iter().enumerate() {
        // Of all magnitudes, and not only of the largest.
        let value = u64::from_le_bytes(*eight) >> (eight[0] % 64);
        let count = u64::from(eight[1] % 3);
        whole.record_n(value, count);
        (0..count).for_each(|_| parts[at % 3].record(value));
    }
    let [a, b, c] = &parts;
    for order in [[a, b, c], [c, b, a]] {
        let mut sum = new();
        order.into_iter().for_each(|part| sum.merge(part));
        assert_eq!(sum.encode(), whole.encode(), "merged parts are not the whole");
    }
    survives(&whole);
}

/// The input as what is inside a V2 histogram: the frame and the compression around it are put right.
fn encoded(data: &[u8]) {
    let mut compressed = ZlibEncoder::new(Vec::new(), Compression::fast());
    compressed.write_all(data).expect("to memory");
    let compressed = compressed.finish().expect("to memory");
    let cookie = 0x1c84_9314_u32.to_be_bytes();
    let bytes = [&cookie[..], &(compressed.len() as u32).to_be_bytes(), &compressed].concat();
    let with = |count| EncodedHistogram {
        count,
        saturated: 0,
        sum_ns: 0,
        max_ns: 0,
        hdr_v2: STANDARD.encode(&bytes),
    };
    let count = match Recorder::decode(&with(0)) {
        Err(HistogramError::Count { inside, .. }) => inside,
        Err(_) => return,
        Ok(_) => 0,
    };
    let recorder = Recorder::decode(&with(count)).expect("with the right count");
    let histogram = recorder.histogram();
    let quantiles = [0.0, 0.5, 0.99, 1.0].map(|q| histogram.value_at_quantile(q));
    assert!(quantiles.is_sorted(), "{quantiles:?}");
    survives(&recorder);
    let mut doubled = recorder.clone();
    doubled.merge(&recorder);
    assert_eq!(doubled.count(), 2 * count);
}

fn survives(recorder: &Recorder) {
    let encoded = recorder.encode();
    let back = Recorder::decode(&encoded).expect("our own encoding");
    assert_eq!(back.histogram(), recorder.histogram());
    assert_eq!(back.encode(), encoded);
}
