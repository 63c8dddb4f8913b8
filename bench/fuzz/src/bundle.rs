//! Bundles: what is read is written and read as the same, a bundle cut anywhere gives what stands before the cut.

use bakeoff_reports::record::bundle::{Bundle, parse, to_bytes};
use std::path::Path;

/// Takes the input for a bundle, or for the bodies of one, a line each, whose checksums are then put right.
///
/// # Panics
/// Where a bundle does not survive being written, or its beginning is not its beginning.
pub fn check(data: &[u8]) {
    let bytes = framed(data);
    let Some(bundle) = read(&bytes) else { return };
    let whole = Bundle { damage: Vec::new(), ..bundle };
    let written = to_bytes(&whole).expect("what was read can be written");
    assert_eq!(read(&written).as_ref(), Some(&whole), "it is another one when it is written and read");
    // Somewhere, and the same place for the same bytes.
    let at = crc32fast::hash(&written) as usize % written.len();
    if let Some(begun) = read(&written[..at]) {
        assert_eq!(begun.run, whole.run);
        assert!(whole.trials.starts_with(&begun.trials), "the trials before the cut are others");
        assert!(begun.damage.len() <= 1, "{:?}", begun.damage);
    }
}

pub(crate) fn read(bytes: &[u8]) -> Option<Bundle> {
    parse(bytes, Path::new("fuzz.jsonl")).ok()
}

/// The lines of a bundle: those of the input, or around each a checksum that holds.
pub(crate) fn framed(data: &[u8]) -> Vec<u8> {
    if data.starts_with(b"{\"crc32\"") {
        return data.to_vec();
    }
    let mut bytes = Vec::new();
    for body in data.split(|byte| *byte == b'\n').filter(|body| !body.is_empty()) {
        bytes
            .extend_from_slice(format!("{{\"crc32\":\"{:08x}\",\"body\":", crc32fast::hash(body)).as_bytes());
        bytes.extend_from_slice(body);
        bytes.extend_from_slice(b"}\n");
    }
    bytes
}
