//! Quantities as people write them, alike in scenario files, in questions and on the command line: "200us", "64 KiB", "20k",
//! "95%". Each knows its range, so that a bad value is refused where it stands.

use bytesize::ByteSize;
use jiff::SignedDuration;
use serde::de::{Deserialize, Deserializer, Error};
use std::fmt::Display;
use std::str::FromStr;
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

/// Parses a number of bytes such as "64 B", "64 KiB", "512 MiB" or 512, above zero.
///
/// # Errors
/// What is wrong with the text, and how it should look.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let size: ByteSize = text
        .trim()
        .parse()
        .map_err(|_| format!("`{text}` is not a size; write \"64 B\", \"64 KiB\" or \"1 MiB\""))?;
    match size.as_u64() {
        0 => Err(format!("`{text}` is zero; it must be at least 1 B")),
        bytes => Ok(bytes),
    }
}

/// Parses a payload size: as [`parse_bytes`], at most 4 MiB, what the services take.
///
/// # Errors
/// As there, and for more.
pub fn parse_size(text: &str) -> Result<u32, String> {
    match parse_bytes(text)? {
        bytes @ 0..=4_194_304 => Ok(bytes as u32),
        _ => Err(format!("`{text}` is larger than 4 MiB, the largest payload the services take")),
    }
}

/// Parses a number such as 64, "2.5k" or "1M".
///
/// # Errors
/// What is wrong with the text, and how it should look.
pub fn parse_number(text: &str) -> Result<f64, String> {
    let trimmed = text.trim();
    let (digits, unit) = match trimmed.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 1e3),
        None => trimmed.strip_suffix('M').map_or((trimmed, 1.0), |digits| (digits, 1e6)),
    };
    let value = digits.parse::<f64>().ok().map(|value| value * unit).filter(|value| value.is_finite());
    value.ok_or_else(|| format!("`{text}` is not a number; write numbers such as 64, 2.5k or 1M"))
}

/// Parses a whole number such as 64, "20k" or "1M".
///
/// # Errors
/// As [`parse_number`], and for a fraction.
pub fn parse_whole(text: &str) -> Result<i64, String> {
    match parse_number(text)? {
        // Exact in a float, and so in a whole number.
        value if value.fract() == 0.0 && value.abs() < 1e15 => Ok(value as i64),
        _ => Err(format!("`{text}` is not a whole number; write 64, 20k or 1M")),
    }
}

/// Parses a count: as [`parse_whole`], at least 1.
///
/// # Errors
/// As there, and for less.
pub fn parse_count(text: &str) -> Result<u64, String> {
    match parse_whole(text)? {
        count @ 1.. => Ok(count as u64),
        _ => Err(format!("`{text}` is too few; give at least 1")),
    }
}

/// Parses a rate in requests per second, above zero.
///
/// # Errors
/// As [`parse_number`], and for what is not above zero.
pub fn parse_rate(text: &str) -> Result<f64, String> {
    match parse_number(text)? {
        rate if rate > 0.0 => Ok(rate),
        _ => Err(format!("a rate of {text} requests per second; it must be above zero")),
    }
}

/// Parses a share such as "95%" or 0.95; not negative. Above 1 it must be a percentage.
///
/// # Errors
/// What is wrong with the text, and how it should look.
pub fn parse_share(text: &str) -> Result<f64, String> {
    let refuse = || format!("`{text}` is not a share; write 5% or 0.05");
    let (digits, of) =
        text.trim().strip_suffix('%').map_or((text.trim(), 1.0), |digits| (digits.trim(), 100.0));
    let share = digits.parse::<f64>().map_err(|_| refuse())? / of;
    if share.is_finite() && share >= 0.0 && (of > 1.0 || share <= 1.0) { Ok(share) } else { Err(refuse()) }
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

/// A value in a file: text, or a bare number.
#[derive(serde::Deserialize)]
#[serde(untagged, expecting = "a number, or a text such as \"200us\", \"64 KiB\", \"20k\" or \"95%\"")]
enum Written {
    Text(String),
    Whole(i64),
    Number(f64),
}

fn read<'de, T, E: Display, D: Deserializer<'de>>(
    deserializer: D,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<T, D::Error> {
    let text = match Written::deserialize(deserializer)? {
        Written::Text(text) => text,
        Written::Whole(number) => number.to_string(),
        Written::Number(number) => number.to_string(),
    };
    parse(&text).map_err(D::Error::custom)
}

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident, $inner:ty, $parse:path) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $name(pub $inner);

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                $parse(text).map(Self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                read(deserializer, Self::from_str)
            }
        }
    };
}

quantity!(
    /// A duration that may be zero.
    Span, Duration, parse_duration
);
quantity!(
    /// A duration above zero.
    PositiveSpan, Duration, parse_positive_duration
);
quantity!(
    /// A payload size.
    Size, u32, parse_size
);
quantity!(
    /// A number of bytes above zero.
    Bytes, u64, parse_bytes
);
quantity!(
    /// Requests per second, above zero.
    Rate, f64, parse_rate
);
quantity!(
    /// A share, 0 and up.
    Share, f64, parse_share
);
quantity!(
    /// At least 1.
    Count, u64, parse_count
);
quantity!(
    /// A whole number.
    Whole, i64, parse_whole
);

#[cfg(test)]
mod tests {
    use super::*;
    use bakeoff_reports::show::units::bytes_exact;
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
        assert!(parse_size("-1").is_err() && parse_size("0 B").is_err());
        assert_eq!((parse_size("512"), parse_bytes("512 MiB")), (Ok(512), Ok(512 << 20)));
    }

    #[test]
    fn numbers_rates_and_shares_are_read_alike_everywhere() {
        assert_eq!(
            (parse_number("2.5k"), parse_whole("20k"), parse_whole("1M")),
            (Ok(2_500.0), Ok(20_000), Ok(1_000_000))
        );
        assert_eq!(
            (parse_rate("20k"), parse_share("95%"), parse_share("0.95")),
            (Ok(20_000.0), Ok(0.95), Ok(0.95))
        );
        assert!(parse_rate("0").is_err() && parse_rate("-5").is_err() && parse_whole("1.5").is_err());
        assert!(parse_share("5").is_err() && parse_share("-1%").is_err() && parse_share("inf%").is_err());
        assert_eq!(parse_share("500%"), Ok(5.0));
        #[derive(serde::Deserialize)]
        struct File {
            size: Size,
            rate: Rate,
        }
        let file: File = toml::from_str("size = 512\nrate = \"20k\"").expect("both forms");
        assert_eq!((file.size, file.rate), (Size(512), Rate(20_000.0)));
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(ns in 0u64..3_600_000_000_000, bytes in 1u32..=4_194_304) {
            prop_assert_eq!(parse_duration(&show_duration(Duration::from_nanos(ns))), Ok(Duration::from_nanos(ns)));
            prop_assert_eq!(parse_size(&bytes_exact(bytes)), Ok(bytes));
        }
    }
}
