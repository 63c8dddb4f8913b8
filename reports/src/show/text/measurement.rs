//! One measurement alone, for a terminal: what `bakeoff load` saw of somebody's server.

use crate::record::histogram::{HistogramError, Recorder};
use crate::record::{Counts, Doubt, EncodedHistogram, Measured};
use crate::show::layout::push;
use crate::show::units;
use crate::show::words::quantile;
use crate::stats::quantile::Distribution;
use std::fmt::Write as _;

/// Columns of the text, and of the names in it: with six figures of eleven columns it is just full.
const WIDTH: usize = 80;
const NAME: usize = 14;

/// Percentiles shown, each where there are enough requests for it.
const SHARES: [f64; 5] = [0.5, 0.9, 0.99, 0.999, 0.9999];

/// The measurement as a table, with its doubts.
///
/// # Errors
/// When a histogram is damaged.
pub fn table(measured: &Measured, doubts: &[Doubt]) -> Result<String, HistogramError> {
    let mut out = String::new();
    // A window without length holds no reply, and a rate over it is 0, not NaN.
    let seconds = measured.window_ns.max(1) as f64 / 1e9;
    let rate = measured.completed_in_window as f64 / seconds;
    let bytes = measured.reply_bytes_in_window as f64 / seconds;
    let _ = writeln!(out, "{rate:.0} requests/s, {}/s of replies", units::bytes(bytes));
    push(&mut out, &outcome(&measured.counts), WIDTH, "");
    out.push('\n');
    let _ = write!(out, "{:NAME$}", "");
    for share in SHARES {
        let _ = write!(out, "{:>11}", units::percentile(share));
    }
    let _ = writeln!(out, "{:>11}", "max");
    let sent = measured.counts.sent;
    row(&mut out, "response time", &measured.response, Some(sent))?;
    row(&mut out, "service time", &measured.service, Some(sent))?;
    row(&mut out, "send lag", &measured.send_lag, None)?;
    row(&mut out, "its own part", &measured.dispatch_lag, None)?;
    row(&mut out, "connect", &measured.connect, None)?;
    out.push('\n');
    let key = "Response time counts from when a request was due, service time from when it was sent. Send lag is between; \
               its own part is the load generator's fault, the rest waited for a free connection.";
    push(&mut out, key, WIDTH, "");
    for doubt in doubts {
        push(&mut out, &doubt.to_string(), WIDTH, "careful: ");
    }
    Ok(out)
}

fn outcome(counts: &Counts) -> String {
    let mut text =
        format!("{} sent, {} correct replies", units::grouped(counts.sent), units::grouped(counts.ok));
    for (kind, count) in &counts.errors {
        let _ = write!(text, ", {} {}", units::grouped(*count), kind.label());
    }
    for (count, what) in [(counts.timeouts, "timed out"), (counts.in_flight_at_end, "unanswered at the end")]
    {
        if count > 0 {
            let _ = write!(text, ", {} {what}", units::grouped(count));
        }
    }
    text
}

/// A row of percentiles. With `sent`, what was never answered counts as infinite.
fn row(
    out: &mut String,
    name: &str,
    encoded: &EncodedHistogram,
    sent: Option<u64>,
) -> Result<(), HistogramError> {
    let recorder = Recorder::decode(encoded)?;
    if recorder.count() == 0 && sent.is_none() {
        return Ok(());
    }
    let distribution = Distribution::new(&recorder, sent.unwrap_or(recorder.count()));
    let _ = write!(out, "{name:NAME$}");
    for share in SHARES {
        let _ = write!(out, "{:>11}", quantile(distribution.quantile(share)));
    }
    let _ = writeln!(out, "{:>11}", units::time(distribution.max_ns()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{ErrorKind, Reading, Spread};

    #[test]
    fn a_measurement_shows_what_was_never_answered_and_what_is_too_few() {
        let mut times = Recorder::fine();
        (1..=490).for_each(|i| times.record(i * 1_000));
        let mut counts = Counts { sent: 500, ok: 490, in_flight_at_end: 7, ..Counts::default() };
        counts.errors.insert(ErrorKind::Reset, 3);
        let measured = Measured {
            window_ns: 1_000_000_000,
            counts,
            completed_in_window: 490,
            reply_bytes_in_window: 490 * 64,
            warmup_sent: 0,
            warmup_completed: Vec::new(),
            response: times.encode(),
            service: times.encode(),
            send_lag: times.encode(),
            dispatch_lag: times.encode(),
            connect: Recorder::fine().encode(),
            slices: Vec::new(),
            spread: Spread::default(),
            wire: Reading::Absent("not measured in this test".to_owned()),
            companions: Default::default(),
            swarm_cpu_ns: 0,
            swarm_workers: 1,
            swarm_spins: true,
        };
        let text = table(&measured, &[Doubt::SharedCpu]).expect("sound histograms");
        let line = |start: &str| text.lines().find(|l| l.starts_with(start)).unwrap_or_default().to_string();
        assert!(
            text.starts_with("490 requests/s, 30.6 KiB/s of replies\n500 sent, 490 correct replies, 3 "),
            "{text}"
        );
        assert!(line("response time").contains("never"), "the 99th of 500 with 10 unanswered: {text}");
        assert!(!line("response time").contains("too few"), "p99.9 is no earlier than p99: {text}");
        assert!(line("send lag").contains("too few"), "490 are too few for p99.9: {text}");
        assert!(line("send lag").contains("486 µs"), "what was never answered has no lag of its own: {text}");
        assert_eq!(line("connect"), "", "no connect was timed: {text}");
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(text.contains("careful: server and swarm shared a CPU"), "{text}");
    }
}
