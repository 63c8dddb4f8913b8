//! One measurement alone, what `bakeoff load` saw of somebody's server: as one JSON document for programs, and as a table for a
//! terminal. Neither puts a zero where there is no figure, and the document never rounds.

use crate::record::histogram::{HistogramError, Recorder};
use crate::record::{
    Counts, Datagrams, Doubt, EncodedHistogram, FanOut, Handshakes, HttpReplies, Invalid, Measured, Reading,
};
use crate::show::layout::push;
use crate::show::units;
use crate::show::words::datagrams::{KEY, fates};
use crate::show::words::{self, http, quantile};
use crate::stats::quantile::{Distribution, Quantile};
use serde::{Serialize, Serializer};
use std::fmt::Write as _;

/// The version of this document. Raised whenever a reader of the old one would misread the new one.
pub const SUMMARY_VERSION: u32 = 1;

/// What the swarm saw of one server.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// [`SUMMARY_VERSION`].
    pub summary_version: u32,
    /// Length of the measured window.
    pub window_ns: u64,
    /// Replies completed in the window.
    pub completed_in_window: u64,
    /// The same per second.
    pub requests_per_s: f64,
    /// Bytes of those replies per second, framing included.
    pub reply_bytes_per_s: f64,
    /// Requests whose intended send time lies in the window, by what became of them.
    pub counts: Counts,
    /// The replies by status and fault; left out where none had to be read as HTTP.
    #[serde(skip_serializing_if = "HttpReplies::is_empty")]
    pub http: HttpReplies,
    /// What became of the datagrams; left out where requests go over connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub datagrams: Option<Datagrams>,
    /// What became of the deliveries of messages; left out where nobody hears what others say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fan_out: Option<FanOut>,
    /// Requests before the window that came to an outcome.
    pub warmup_sent: u64,
    /// From the intended send time to the end of the reply, over all requests sent.
    pub response: Times,
    /// From the actual send to the end of the reply, over all requests sent.
    pub service: Times,
    /// From the intended to the actual send; infinite for what was never sent.
    pub send_lag: Times,
    /// The part of the send lag that the generator caused.
    pub dispatch_lag: Times,
    /// Of the connects: of TCP, and over TLS of the handshake.
    pub connect: Times,
    /// Handshakes of TLS completed in the window; left out where there is no TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handshakes: Option<Handshakes>,
    /// CPU time of the swarm's workers in the window.
    pub swarm_cpu_ns: u64,
    /// The same for each reply completed in the window.
    pub swarm_cpu_ns_per_request: Reading<f64>,
    /// Worker processes.
    pub swarm_workers: u32,
    /// Whether the workers spin near a send time: then their CPU time says nothing of their work.
    pub swarm_spins: bool,
    /// Why no figure is to be relied on; empty when they are.
    pub invalid: Vec<Invalid>,
    /// Reasons for caution.
    pub doubts: Vec<Doubt>,
}

/// A distribution of times in nanoseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Times {
    /// Times taken.
    pub count: u64,
    /// Their mean, exact: unanswered requests have none and are left out.
    pub mean_ns: Reading<f64>,
    /// Median. As all percentiles here absent when infinite, or when there are too few requests for it.
    pub p50_ns: Time,
    /// 90th percentile.
    pub p90_ns: Time,
    /// 99th percentile.
    pub p99_ns: Time,
    /// 99.9th percentile.
    pub p99_9_ns: Time,
    /// 99.99th percentile.
    pub p99_99_ns: Time,
    /// The longest, exact; absent when some were never answered.
    pub max_ns: Time,
}

/// A percentile or a longest time, as far as there is one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Time(pub Quantile);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let reading = match self.0 {
            Quantile::Value(ns) => Reading::Value(ns),
            Quantile::NeverAnswered => {
                Reading::Absent("infinite: too many were never answered, or never sent".to_owned())
            }
            Quantile::Insufficient { have: 0, .. } => Reading::Absent(NONE.to_owned()),
            Quantile::Insufficient { have, need } => {
                Reading::Absent(format!("too few: {have} of the {need} that it takes"))
            }
        };
        reading.serialize(to)
    }
}

impl Summary {
    /// The summary of a measurement.
    ///
    /// # Errors
    /// When a histogram is damaged.
    pub fn new(
        measured: &Measured,
        invalid: Vec<Invalid>,
        doubts: Vec<Doubt>,
    ) -> Result<Self, HistogramError> {
        // A window without length holds no reply, and a rate over it is 0, not NaN.
        let seconds = measured.window_ns.max(1) as f64 / 1e9;
        let (completed, sent) = (measured.completed_in_window, measured.counts.sent);
        let cpu = measured.swarm_cpu_ns as f64 / completed as f64;
        Ok(Self {
            summary_version: SUMMARY_VERSION,
            window_ns: measured.window_ns,
            completed_in_window: completed,
            requests_per_s: completed as f64 / seconds,
            reply_bytes_per_s: measured.reply_bytes_in_window as f64 / seconds,
            counts: measured.counts.clone(),
            http: measured.http.clone(),
            datagrams: measured.datagrams.clone(),
            fan_out: measured.fan_out.clone(),
            warmup_sent: measured.warmup_sent,
            response: Times::new(&measured.response, Some(sent))?,
            service: Times::new(&measured.service, Some(sent))?,
            send_lag: Times::new(
                &measured.send_lag,
                Some(measured.send_lag.count + measured.counts.never_written),
            )?,
            dispatch_lag: Times::new(&measured.dispatch_lag, None)?,
            connect: Times::new(&measured.connect, None)?,
            handshakes: measured.handshakes,
            swarm_cpu_ns: measured.swarm_cpu_ns,
            swarm_cpu_ns_per_request: match completed {
                0 => Reading::Absent("no reply was completed in the window".into()),
                _ => Reading::Value(cpu),
            },
            swarm_workers: measured.swarm_workers,
            swarm_spins: measured.swarm_spins,
            invalid,
            doubts,
        })
    }
}

/// Why there is no figure over nothing.
const NONE: &str = "there are none";

impl Times {
    /// With `sent`, what was never answered counts as infinite.
    fn new(encoded: &EncodedHistogram, sent: Option<u64>) -> Result<Self, HistogramError> {
        let recorder = Recorder::decode(encoded)?;
        let count = recorder.count();
        let all = Distribution::new(&recorder, sent.unwrap_or(count));
        let percentile = |share| Time(all.quantile(share));
        Ok(Self {
            count,
            mean_ns: match count {
                0 => Reading::Absent(NONE.into()),
                _ => Reading::Value(encoded.sum_ns as f64 / count as f64),
            },
            p50_ns: percentile(0.5),
            p90_ns: percentile(0.9),
            p99_ns: percentile(0.99),
            p99_9_ns: percentile(0.999),
            p99_99_ns: percentile(0.9999),
            max_ns: Time(match all.max_ns() {
                ns if ns.is_infinite() => Quantile::NeverAnswered,
                _ if count == 0 => Quantile::Insufficient { have: 0, need: 1 },
                _ => Quantile::Value(recorder.max_ns()),
            }),
        })
    }
}

/// Columns of the text, and of the names in it: with six figures of eleven columns it is just full.
const WIDTH: usize = 80;
const NAME: usize = 14;

impl Summary {
    /// The summary as a table, with what makes it invalid or doubtful.
    pub fn table(&self) -> String {
        let mut out = String::new();
        let bytes = units::bytes(self.reply_bytes_per_s);
        let _ = writeln!(out, "{:.0} requests/s, {bytes}/s of replies", self.requests_per_s);
        push(&mut out, &outcome(&self.counts), WIDTH, "");
        if !self.http.is_empty() {
            push(&mut out, &by_status(&self.http), WIDTH, "");
        }
        if let Some(datagrams) = &self.datagrams {
            push(&mut out, &format!("datagrams: {}", fates(datagrams, None)), WIDTH, "");
        }
        if let Some(fan_out) = &self.fan_out {
            push(&mut out, &format!("messages: {}", words::fan_out::deliveries(fan_out)), WIDTH, "");
        }
        if let Some(handshakes) = self.handshakes {
            let seconds = self.window_ns.max(1) as f64 / 1e9;
            push(&mut out, &words::workload::handshakes(handshakes, seconds), WIDTH, "");
        }
        let _ = write!(out, "\n{:NAME$}", "");
        for share in [0.5, 0.9, 0.99, 0.999, 0.9999] {
            let _ = write!(out, "{:>11}", units::percentile(share));
        }
        let _ = writeln!(out, "{:>11}", "max");
        for (name, times) in [
            ("response time", &self.response),
            ("service time", &self.service),
            ("send lag", &self.send_lag),
            ("its own part", &self.dispatch_lag),
            ("connect", &self.connect),
        ] {
            // What was never answered has a response time, an infinite one; of what never happened there is none.
            if times.max_ns.0 != (Quantile::Insufficient { have: 0, need: 1 }) {
                let Times { p50_ns, p90_ns, p99_ns, p99_9_ns, p99_99_ns, max_ns, .. } = times;
                let cells = [p50_ns, p90_ns, p99_ns, p99_9_ns, p99_99_ns, max_ns];
                let cells: String = cells.iter().map(|time| format!("{:>11}", quantile(time.0))).collect();
                let _ = writeln!(out, "{name:NAME$}{cells}");
            }
        }
        out.push('\n');
        let key = "Response time counts from when a request was due, service time from when it was sent. Send lag is \
                   between; its own part is the load generator's fault, the rest waited for a free connection.";
        push(&mut out, key, WIDTH, "");
        if self.datagrams.is_some() {
            push(&mut out, KEY, WIDTH, "");
        }
        if let Some(fan_out) = &self.fan_out {
            push(&mut out, &words::fan_out::key(fan_out.slow > 0), WIDTH, "");
        }
        for reason in &self.invalid {
            push(&mut out, &reason.to_string(), WIDTH, "invalid: ");
        }
        for doubt in &self.doubts {
            push(&mut out, &doubt.to_string(), WIDTH, "careful: ");
        }
        out
    }
}

/// The replies of a window by status, and what was wrong with the wrong ones.
fn by_status(replies: &HttpReplies) -> String {
    let mut text = format!("replies by status: {}", http::statuses(replies));
    if !replies.wrong.is_empty() {
        let _ = write!(text, "; wrong: {}", http::kinds(&replies.wrong));
    }
    if replies.closes > 0 {
        let _ = write!(text, "; the server closed the connection behind {}", units::grouped(replies.closes));
    }
    text
}

fn outcome(counts: &Counts) -> String {
    let mut text =
        format!("{} sent, {} correct replies", units::grouped(counts.sent), units::grouped(counts.ok));
    for (kind, count) in &counts.errors {
        let _ = write!(text, ", {} {}", units::grouped(*count), kind.label());
    }
    for (count, what) in [
        (counts.timeouts, "timed out"),
        (counts.in_flight_at_end, "unanswered at the end"),
        (counts.never_written, "of these never sent"),
    ] {
        if count > 0 {
            let _ = write!(text, ", {} {what}", units::grouped(count));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{ErrorKind, Spread, WARMUP_SLICES};

    fn measured(answered: u64, lost: u64) -> Measured {
        let mut times = Recorder::fine();
        (1..=answered).for_each(|i| times.record(i * 1_000));
        let sent = answered + lost;
        Measured {
            window_ns: 500_000_000,
            counts: Counts { sent, ok: answered, in_flight_at_end: lost, ..Counts::default() },
            completed_in_window: answered,
            reply_bytes_in_window: answered * 64,
            warmup_sent: 3,
            warmup_completed: vec![0; WARMUP_SLICES],
            response: times.encode(),
            service: times.encode(),
            send_lag: times.encode(),
            dispatch_lag: times.encode(),
            connect: Recorder::fine().encode(),
            handshakes: None,
            slices: Vec::new(),
            spread: Spread::default(),
            background: Default::default(),
            http: HttpReplies::default(),
            datagrams: None,
            fan_out: None,
            swarm_cpu_ns: answered * 7_000,
            swarm_workers: 1,
            swarm_spins: false,
            wire: Reading::Absent("not read in this test".into()),
        }
    }

    /// What the document says of a figure that is not there.
    fn absent(figure: &impl Serialize, reason: &str) -> bool {
        let value = serde_json::to_value(figure).expect("JSON");
        value["absent"].as_str().is_some_and(|why| why.contains(reason))
    }

    #[test]
    fn figures_are_those_of_the_histograms() {
        let summary =
            Summary::new(&measured(1_000, 0), Vec::new(), vec![Doubt::SharedCpu]).expect("sound histograms");
        assert_eq!((summary.requests_per_s, summary.reply_bytes_per_s), (2_000.0, 128_000.0));
        assert_eq!(summary.swarm_cpu_ns_per_request, Reading::Value(7_000.0));
        assert_eq!(summary.response.mean_ns, Reading::Value(500_500.0));
        assert_eq!(summary.response.max_ns, Time(Quantile::Value(1_000_000)));
        let p99 = summary.response.p99_ns.0.ns().expect("enough");
        assert!((p99 / 990_000.0 - 1.0).abs() < 0.001, "three digits: {p99}");
        assert!(absent(&summary.response.p99_9_ns, "1000 of the 3838"), "{:?}", summary.response);
        let document = serde_json::to_value(&summary).expect("JSON");
        assert_eq!(document["response"]["max_ns"]["value"], 1_000_000);
    }

    #[test]
    fn handshakes_are_told_by_kind_and_per_second() {
        let mut encrypted = measured(1_000, 0);
        encrypted.handshakes = Some(Handshakes { full: 16, resumed: 984 });
        let text = Summary::new(&encrypted, Vec::new(), Vec::new()).expect("sound histograms").table();
        let line = "TLS: 2,000 handshakes/s: 16 full, 984 resumed";
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn what_is_not_there_is_absent_with_its_reason() {
        let lossy = Summary::new(&measured(900, 100), Vec::new(), Vec::new()).expect("sound histograms");
        assert!(absent(&lossy.response.p99_ns, "infinite") && absent(&lossy.service.max_ns, "infinite"));
        assert!(lossy.send_lag.max_ns.0.ns().is_some(), "what was never answered has no lag of its own");
        assert!(absent(&lossy.connect.mean_ns, "none") && absent(&lossy.connect.max_ns, "none"));
        let silent = Summary::new(&measured(0, 0), Vec::new(), Vec::new()).expect("sound histograms");
        assert!(absent(&silent.swarm_cpu_ns_per_request, "no reply"));
        assert!(absent(&silent.response.p50_ns, "there are none"));
    }

    #[test]
    fn what_was_never_sent_is_infinitely_late() {
        let mut frozen = measured(490, 6_007);
        frozen.counts.never_written = 6_000;
        let summary = Summary::new(&frozen, Vec::new(), Vec::new()).expect("sound histograms");
        assert_eq!(summary.send_lag.p50_ns, Time(Quantile::NeverAnswered));
        let text = summary.table();
        let lag = text.lines().find(|l| l.starts_with("send lag")).unwrap_or_default();
        assert_eq!(lag.split_whitespace().nth(2), Some("never"), "{text}");
        assert!(text.replace('\n', " ").contains("6,000 of these never sent"), "{text}");
    }

    #[test]
    fn the_table_shows_what_was_never_answered_and_what_is_too_few() {
        let mut lossy = measured(490, 7);
        lossy.window_ns = 1_000_000_000;
        lossy.counts.sent = 500;
        lossy.counts.errors.insert(ErrorKind::Reset, 3);
        let text =
            Summary::new(&lossy, Vec::new(), vec![Doubt::SharedCpu]).expect("sound histograms").table();
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
