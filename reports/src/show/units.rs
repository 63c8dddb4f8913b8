//! Figures as people read them: three significant digits and a unit, in one place. Never "NaN", never a digit that says nothing
//! (`80.0 %`).

use crate::record::cpu_list;
use std::time::Duration;

/// Three significant digits of a number that its unit keeps below 1,000.
fn three(value: f64) -> String {
    match value {
        v if v >= 99.95 => format!("{v:.0}"),
        v if v >= 9.995 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

fn scaled(value: f64, units: &[(f64, &str)]) -> String {
    let fits = |size: f64| value / size < 999.5;
    let (size, unit) =
        units.iter().find(|(size, _)| fits(*size)).or(units.last()).expect("units are not empty");
    format!("{}{unit}", three(value / size))
}

/// A time in nanoseconds: "12.3 µs"; infinite is "never".
pub fn time(ns: f64) -> String {
    if ns.is_infinite() {
        return "never".to_owned();
    }
    if ns < 999.5 {
        return format!("{ns:.0} ns");
    }
    scaled(ns, &[(1e3, " µs"), (1e6, " ms"), (1e9, " s")])
}

/// A span of time that was set, not measured, to its last digit: "200 µs", "1.5 ms".
pub fn span(span: Duration) -> String {
    let ns = span.as_nanos() as f64;
    let units = [(1e9, "s"), (1e6, "ms"), (1e3, "µs")];
    let (size, unit) = units.into_iter().find(|(size, _)| ns >= *size).unwrap_or((1.0, "ns"));
    if span.is_zero() { "0 s".to_owned() } else { format!("{} {unit}", ns / size) }
}

/// A size that was set, not measured, to its last digit: "64 B", "64 KiB".
pub fn bytes_exact(bytes: u32) -> String {
    let units = [(1 << 20, "MiB"), (1 << 10, "KiB")];
    let whole = units.into_iter().find(|(size, _)| bytes >= *size && bytes.is_multiple_of(*size));
    let (size, unit) = whole.unwrap_or((1, "B"));
    format!("{} {unit}", bytes / size)
}

/// A rate: "12.3k/s".
pub fn rate(per_second: f64) -> String {
    if per_second == 0.0 {
        return "0/s".to_owned();
    }
    scaled(per_second, &[(1.0, ""), (1e3, "k"), (1e6, "M"), (1e9, "G")]) + "/s"
}

/// An amount of memory: "12.3 MiB".
pub fn bytes(bytes: f64) -> String {
    if bytes < 1024.0 {
        return format!("{bytes:.0} B");
    }
    let units =
        [(1024.0, " KiB"), (1_048_576.0, " MiB"), (1_073_741_824.0, " GiB"), (1_099_511_627_776.0, " TiB")];
    scaled(bytes, &units)
}

/// A factor: "1.61×"; infinite is "∞×".
pub fn factor(factor: f64) -> String {
    match factor {
        f if f.is_infinite() => "∞×".to_owned(),
        f if f >= 1e6 => "over 1M×".to_owned(),
        f if f >= 9_999.5 => format!("{:.0}k×", f / 1e3),
        f if f > 0.0 && f < 0.005 => "under 0.01×".to_owned(),
        f => format!("{}×", three(f)),
    }
}

/// The ends of an interval of factors: "1.52 to 1.70".
pub fn interval(low: f64, high: f64) -> String {
    let bare = |value: f64| factor(value).trim_end_matches('×').to_owned();
    if bare(low) == bare(high) { bare(low) } else { format!("{} to {}", bare(low), bare(high)) }
}

/// A share or a relative difference as a percentage: "97.5 %", "80 %", "150 %"; infinite is "∞".
pub fn share(share: f64) -> String {
    match share * 100.0 {
        percent if percent.is_infinite() => "∞".to_owned(),
        percent if percent > 0.0 && percent < 0.1 => "under 0.1 %".to_owned(),
        percent if percent > 100_000.0 => "over 100,000 %".to_owned(),
        percent if percent >= 99.95 => format!("{percent:.0} %"),
        percent => format!("{} %", (percent * 10.0).round() / 10.0),
    }
}

/// A ratio whose per cents matter, to three digits behind the point: "1.052", "12.3", "∞".
pub fn ratio(ratio: f64) -> String {
    match ratio {
        f if f.is_infinite() => "∞".to_owned(),
        f if f >= 1_000.0 => "over 1000".to_owned(),
        f if f >= 10.0 => format!("{f:.1}"),
        f => format!("{f:.3}"),
    }
}

/// A percentile's name: "p99.9".
pub fn percentile(p: f64) -> String {
    let text = format!("{:.4}", p * 100.0);
    format!("p{}", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A small quantity such as switches per request: three significant digits, more room below 1.
pub fn quantity(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        v if v < 0.001 => "under 0.001".to_owned(),
        v if v < 0.1 => format!("{v:.3}"),
        v if v < 999.5 => three(v),
        v => grouped(v.round() as u64),
    }
}

/// A count with its thousands set apart: "38,413".
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// "1 round", "2 rounds".
pub fn plural(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// CPUs as the kernel lists them: "CPU 3", "CPUs 0-2,5"; "any CPU" of none, which is what not being pinned means.
pub fn cpus(cpus: &[u32]) -> String {
    match cpus {
        [] => "any CPU".to_owned(),
        [one] => format!("CPU {one}"),
        cpus => format!("CPUs {}", cpu_list(cpus)),
    }
}

/// A moment in milliseconds since the Unix epoch, in UTC: "2026-11-21 03:12:27 UTC".
pub fn moment(unix_ms: u64) -> String {
    i64::try_from(unix_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok()).map_or_else(
        || format!("{unix_ms} ms after 1970"),
        |at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    )
}

/// Names in a sentence: "a", "a or b", "a, b or c".
pub fn any_of(names: &[String]) -> String {
    listed(names, "or")
}

/// Names in a sentence: "a", "a and b", "a, b and c".
pub fn all_of(names: &[String]) -> String {
    listed(names, "and")
}

fn listed(names: &[String], word: &str) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} {word} {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_are_listed_as_the_kernel_does() {
        assert_eq!([cpus(&[]), cpus(&[3]), cpus(&[0, 1])], ["any CPU", "CPU 3", "CPUs 0,1"]);
        assert_eq!(cpu_list(&[0, 1, 2, 5, 8, 9, u32::MAX]), "0-2,5,8,9,4294967295");
        assert_eq!(cpu_list(&[4, 2, 3, 4]), "4,2-4", "in the order given");
    }

    #[test]
    fn units_change_where_three_digits_end() {
        let times = [0.0, 999.0, 999.6, 1_004.0, 99_960.0, 999_600.0, 2e9, 3.6e12, f64::INFINITY];
        let shown =
            ["0 ns", "999 ns", "1.00 µs", "1.00 µs", "100 µs", "1.00 ms", "2.00 s", "3600 s", "never"];
        assert_eq!(times.map(time), shown);
        assert_eq!(
            [0.0, 12.0, 999.6, 48_230.0, 2.2e6].map(rate),
            ["0/s", "12.0/s", "1.00k/s", "48.2k/s", "2.20M/s"]
        );
        assert_eq!([10.0, 1024.0, 5e6].map(bytes), ["10 B", "1.00 KiB", "4.77 MiB"]);
    }

    #[test]
    fn factors_and_counts() {
        assert_eq!(
            [1.0, 1.614, 38.4, 12_345.0, f64::INFINITY].map(factor),
            ["1.00×", "1.61×", "38.4×", "12k×", "∞×"]
        );
        assert_eq!(interval(1.5, f64::INFINITY), "1.50 to ∞");
        assert_eq!(
            [0.0, 0.0004, 0.03, 0.045, 0.8, 0.975, 0.9996, 1.5, 1e9, f64::INFINITY].map(share),
            ["0 %", "under 0.1 %", "3 %", "4.5 %", "80 %", "97.5 %", "100 %", "150 %", "over 100,000 %", "∞"]
        );
        assert_eq!(
            [0, 999, 1000, 38_413, 1_000_000].map(grouped),
            ["0", "999", "1,000", "38,413", "1,000,000"]
        );
        assert_eq!([0.5, 0.99, 0.999, 0.9999].map(percentile), ["p50", "p99", "p99.9", "p99.99"]);
        assert_eq!(
            [1.0, 1.0523, 12.34, 4e3, f64::INFINITY].map(ratio),
            ["1.000", "1.052", "12.3", "over 1000", "∞"]
        );
        assert_eq!(moment(0), "1970-01-01 00:00:00 UTC");
    }
}
