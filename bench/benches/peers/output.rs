//! What the load generators print, read into the figures that can be compared.
//!
//! A figure that a program does not print is `None`, never a guess from others. What cannot be read is an error with
//! the program's words, never a zero.

use bakeoff_reports::record::Counts;
use bakeoff_reports::show::summary::SUMMARY_VERSION;
use serde_json::Value;

/// What one run of a load generator says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Claim {
    /// Requests it says were answered well, in the whole run.
    pub(crate) answered: u64,
    /// Requests it says failed.
    pub(crate) failed: u64,
    /// Replies per second, as it counts the time.
    pub(crate) rate_per_s: f64,
    /// Mean time from a request to its reply, microseconds.
    pub(crate) mean_us: Option<f64>,
    /// Median of the same.
    pub(crate) p50_us: Option<f64>,
    /// 99th percentile of the same.
    pub(crate) p99_us: Option<f64>,
    /// CPU microseconds a request, in the measured window alone, where a program says it.
    pub(crate) window_cpu_us: Option<f64>,
}

/// `bakeoff load --json`. Percentiles of *service* time: from the write, as the others count.
pub(crate) fn swarm(text: &str) -> Result<Claim, String> {
    let summary: Value = serde_json::from_str(text).map_err(|e| format!("{e} in: {text}"))?;
    if summary["summary_version"] != SUMMARY_VERSION {
        return Err(format!("no `summary_version` {SUMMARY_VERSION} in: {text}"));
    }
    let number = |key: &str| summary[key].as_f64().ok_or_else(|| format!("no `{key}` in: {text}"));
    let us = |place: &str| summary.pointer(place)?.as_f64().map(|ns| ns / 1e3);
    let counts: Counts = serde_json::from_value(summary["counts"].clone()).map_err(|e| e.to_string())?;
    Ok(Claim {
        answered: counts.ok + number("warmup_sent")? as u64,
        failed: counts.errors_total() + counts.timeouts,
        rate_per_s: number("requests_per_s")?,
        mean_us: us("/service/mean_ns/value"),
        p50_us: us("/service/p50_ns/value"),
        p99_us: us("/service/p99_ns/value"),
        window_cpu_us: us("/swarm_cpu_ns_per_request/value"),
    })
}

/// wrk with the script of `clients`, which prints one line of figures.
pub(crate) fn wrk(text: &str) -> Result<Claim, String> {
    let words = line(text, "figures ")?;
    let figures: Vec<f64> = words.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [answered, duration_us, failed, mean, p50, p99] = figures[..] else {
        return Err(format!("six figures were expected of: {words}"));
    };
    Ok(Claim {
        answered: answered as u64,
        failed: failed as u64,
        rate_per_s: answered / (duration_us / 1e6),
        mean_us: Some(mean),
        p50_us: Some(p50),
        p99_us: Some(p99),
        window_cpu_us: None,
    })
}

/// h2load, which prints no percentiles.
pub(crate) fn h2load(text: &str) -> Result<Claim, String> {
    let requests = line(text, "requests: ")?;
    let before = |what: &str| -> Result<u64, String> {
        let part = requests.split(',').find(|part| part.trim_end().ends_with(what));
        number(part.unwrap_or_default(), what).map(|n| n as u64)
    };
    let rate = line(text, "finished in ")?.split(", ").nth(1).unwrap_or_default();
    let mean = line(text, "time for request: ")?.split_whitespace().nth(2).unwrap_or_default();
    Ok(Claim {
        answered: before(" succeeded")?,
        failed: before(" failed")? + before(" errored")? + before(" timeout")?,
        rate_per_s: number(rate, "req/s")?,
        mean_us: Some(time_us(mean)?),
        ..Claim::default()
    })
}

/// ab, with the file of percentiles that `-e` writes: milliseconds to the microsecond, where the table has whole ones.
pub(crate) fn ab(text: &str, percentiles: &str) -> Result<Claim, String> {
    let percentile = |share: &str| -> Result<f64, String> {
        let row = percentiles.lines().find_map(|row| row.strip_prefix(share)?.strip_prefix(','));
        Ok(number(row.unwrap_or_default(), "percentile")? * 1e3)
    };
    Ok(Claim {
        answered: number(line(text, "Complete requests:")?, "requests")? as u64,
        failed: number(line(text, "Failed requests:")?, "requests")? as u64,
        rate_per_s: number(line(text, "Requests per second:")?, "requests per second")?,
        p50_us: Some(percentile("50")?),
        p99_us: Some(percentile("99")?),
        ..Claim::default()
    })
}

/// hey, which prints seconds with four decimals.
pub(crate) fn hey(text: &str) -> Result<Claim, String> {
    let us = |label: &str| number(line(text, label)?, "seconds").map(|s| s * 1e6);
    let (mut answered, mut failed) = (0, 0);
    for row in text.lines().map(str::trim) {
        let Some((code, rest)) = row.strip_prefix('[').and_then(|row| row.split_once(']')) else { continue };
        let count = number(rest, "responses").unwrap_or(0.0) as u64;
        if code == "200" { answered += count } else { failed += count }
    }
    Ok(Claim {
        answered,
        failed,
        rate_per_s: number(line(text, "Requests/sec:")?, "requests per second")?,
        mean_us: Some(us("Average:")?),
        p50_us: Some(us("50% in")?),
        p99_us: Some(us("99% in")?),
        window_cpu_us: None,
    })
}

/// What follows `start` on the first line that starts with it.
fn line<'a>(text: &'a str, start: &str) -> Result<&'a str, String> {
    text.lines()
        .find_map(|line| line.trim_start().strip_prefix(start))
        .ok_or_else(|| format!("no line starts with `{start}` in: {text}"))
}

/// The number at the front of `text`.
fn number(text: &str, what: &str) -> Result<f64, String> {
    let word = text.split_whitespace().next().unwrap_or_default();
    word.parse().map_err(|_| format!("a number of {what} was expected, not `{text}`"))
}

/// A time such as 42us, 1.17ms, 2.00s.
fn time_us(text: &str) -> Result<f64, String> {
    for (unit, us) in [("us", 1.0), ("ms", 1e3), ("s", 1e6)] {
        if let Some(value) = text.strip_suffix(unit).and_then(|value| value.parse::<f64>().ok()) {
            return Ok(value * us);
        }
    }
    Err(format!("a time such as 1.17ms was expected, not `{text}`"))
}
