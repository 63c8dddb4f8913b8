//! Quantities as people write them in scenario files: "200us", "64 KiB". Each knows its range, so that a bad value is
//! refused where it stands.

use bytesize::ByteSize;
use jiff::SignedDuration;
use serde::de::{Deserialize, Deserializer, Error};
use std::time::Duration;

/// Parses a duration such as "200us", "1.5ms", "2s"; not negative, at most an hour.
///
/// # Errors
/// What is wrong with the text, and how it should look.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let form = "a duration is a number and a unit: \"200us\", \"1.5ms\", \"2s\"";
    let signed: SignedDuration =
        text.trim().parse().map_err(|_| format!("`{text}` is not a duration; {form}"))?;
    let duration = Duration::try_from(signed).map_err(|_| format!("`{text}` is negative; {form}"))?;
    if duration > Duration::from_secs(3600) {
        return Err(format!("`{text}` is longer than an hour, the longest a trial can use"));
    }
    Ok(duration)
}

/// Parses a duration that must not be zero.
///
/// # Errors
/// As [`parse_duration`], and for zero.
pub fn parse_positive_duration(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err(format!("`{text}` is zero; it must be longer")),
        duration => Ok(duration),
    }
}

/// Parses a payload size such as "64 B", "64 KiB", "1 MiB"; at most 4 MiB, what the services take.
///
/// # Errors
/// What is wrong with the text, and how it should look.
pub fn parse_size(text: &str) -> Result<u32, String> {
    let size: ByteSize = text
        .trim()
        .parse()
        .map_err(|_| format!("`{text}` is not a size; write \"64 B\", \"64 KiB\" or \"1 MiB\""))?;
    match size.as_u64() {
        bytes @ 0..=4_194_304 => Ok(bytes as u32),
        _ => Err(format!("`{text}` is larger than 4 MiB, the largest payload the services take")),
    }
}

/// Writes a duration the way [`parse_duration`] reads it.
pub fn show_duration(duration: Duration) -> String {
    let ns = duration.as_nanos();
    match ns {
        0 => "0s".into(),
        _ if ns.is_multiple_of(1_000_000_000) => format!("{}s", ns / 1_000_000_000),
        _ if ns.is_multiple_of(1_000_000) => format!("{}ms", ns / 1_000_000),
        _ if ns.is_multiple_of(1_000) => format!("{}us", ns / 1_000),
        _ => format!("{ns}ns"),
    }
}

/// Writes a size the way [`parse_size`] reads it.
pub fn show_size(bytes: u32) -> String {
    match bytes {
        b if b >= 1 << 20 && b.is_multiple_of(1 << 20) => format!("{} MiB", b >> 20),
        b if b >= 1 << 10 && b.is_multiple_of(1 << 10) => format!("{} KiB", b >> 10),
        b => format!("{b} B"),
    }
}

macro_rules! from_text {
    ($(#[$doc:meta])* $name:ident, $inner:ty, $parse:path) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub(super) struct $name(pub(super) $inner);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                $parse(&text).map(Self).map_err(D::Error::custom)
            }
        }
    };
}

from_text!(
    /// A duration that may be zero.
    Span, Duration, parse_duration
);
from_text!(
    /// A duration above zero.
    PositiveSpan, Duration, parse_positive_duration
);
from_text!(
    /// A payload size.
    Size, u32, parse_size
);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, ns) in
            [("200us", 200_000), ("1.5ms", 1_500_000), ("2s", 2_000_000_000), ("0s", 0), ("3 ms", 3_000_000)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_nanos(ns)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_a_reason() {
        for (text, word) in [
            ("200", "unit"),
            ("-1ms", "negative"),
            ("2h", "hour"),
            ("fast", "not a duration"),
            ("3 MiB", "not a duration"),
        ] {
            let error = parse_duration(text).expect_err(text);
            assert!(error.contains(word), "{text}: {error}");
        }
        assert!(parse_positive_duration("0ms").expect_err("zero").contains("zero"));
    }

    #[test]
    fn sizes_have_units_and_a_limit() {
        assert_eq!(parse_size("64 KiB"), Ok(65_536));
        assert_eq!(parse_size("64B"), Ok(64));
        assert!(parse_size("5 MiB").expect_err("too large").contains("4 MiB"));
        assert!(parse_size("64us").expect_err("no size").contains("not a size"));
        assert!(parse_size("-1").is_err());
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(ns in 0u64..3_600_000_000_000, bytes in 0u32..=4_194_304) {
            prop_assert_eq!(parse_duration(&show_duration(Duration::from_nanos(ns))), Ok(Duration::from_nanos(ns)));
            prop_assert_eq!(parse_size(&show_size(bytes)), Ok(bytes));
        }
    }
}
