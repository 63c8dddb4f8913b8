//! Which bytes a Range field asks for: the arithmetic of RFC 9110, 14.1.2 and 14.2.
//!
//! One range is served. Several, other units and what cannot be read are ignored, as a server may; the reply is then
//! the whole.

use crate::services::http::head::number;
use std::ops::Range;

/// What to send of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it.
    Whole,
    /// These bytes, at least one.
    Part(Range<u64>),
    /// There is none of what was asked for.
    Nothing,
}

/// What a Range field with this value wants of `length` bytes.
pub(super) fn wanted(field: &[u8], length: u64) -> Wanted {
    read(field.trim_ascii(), length).unwrap_or(Wanted::Whole)
}

fn read(field: &[u8], length: u64) -> Option<Wanted> {
    let (unit, set) = field.split_at_checked(6)?;
    if !unit.eq_ignore_ascii_case(b"bytes=") {
        return None;
    }
    let dash = set.iter().position(|byte| *byte == b'-')?;
    let (first, last) = (set[..dash].trim_ascii(), set[dash + 1..].trim_ascii());
    let range = match (number(first), number(last)) {
        (None, Some(suffix)) if first.is_empty() => length.saturating_sub(suffix)..length,
        (Some(first), None) if last.is_empty() => first..length,
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(length),
        _ => return None,
    };
    Some(if range.start < range.end { Wanted::Part(range) } else { Wanted::Nothing })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_examples_of_the_rfc_and_the_edges() {
        // RFC 9110, 14.1.2, of 10,000 bytes; then what is refused and what is ignored.
        let part = |first: u64, last: u64| Wanted::Part(first..last + 1);
        for (field, wants) in [
            ("bytes=0-499", part(0, 499)),
            ("bytes=500-999", part(500, 999)),
            ("bytes=-500", part(9_500, 9_999)),
            ("bytes=9500-", part(9_500, 9_999)),
            ("bytes=0-0", part(0, 0)),
            ("bytes=-1", part(9_999, 9_999)),
            ("Bytes= 1 - 2 ", part(1, 2)),
            ("bytes=0-18446744073709551615", part(0, 9_999)),
            ("bytes=-20000", part(0, 9_999)),
            ("bytes=10000-", Wanted::Nothing),
            ("bytes=10000-10001", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=2-1", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("bytes=", Wanted::Whole),
            ("bytes=0-1,3-4", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=--1", Wanted::Whole),
            ("bytes=18446744073709551616-", Wanted::Whole),
            ("lines=0-1", Wanted::Whole),
            ("", Wanted::Whole),
        ] {
            assert_eq!(wanted(field.as_bytes(), 10_000), wants, "{field}");
        }
        for field in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
            assert_eq!(wanted(field.as_bytes(), 0), Wanted::Nothing, "{field} of an empty file");
        }
    }

    proptest! {
        #[test]
        fn a_part_lies_within_the_file_and_is_what_was_asked(
            first in 0_u64..300, last in 0_u64..300, length in 0_u64..200,
        ) {
            let asked = |byte: &u64| (first..=last).contains(byte);
            let expected = (0..length).filter(asked).count() as u64;
            match wanted(format!("bytes={first}-{last}").as_bytes(), length) {
                Wanted::Whole => prop_assert!(last < first),
                Wanted::Nothing => prop_assert_eq!(expected, 0),
                Wanted::Part(range) => {
                    prop_assert_eq!((range.start, range.end - range.start), (first, expected));
                    prop_assert!(range.end <= length);
                }
            }
        }

        #[test]
        fn no_field_is_too_strange(field in prop::collection::vec(any::<u8>(), 0..40), length: u64) {
            if let Wanted::Part(range) = wanted(&[&b"bytes="[..], &field].concat(), length) {
                prop_assert!(range.start < range.end && range.end <= length);
            }
        }
    }
}
