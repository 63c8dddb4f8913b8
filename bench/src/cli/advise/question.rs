//! The question of `bakeoff advise`, from flags and from a file; a flag goes before the file.
//!
//! Every figure is checked where it stands, so that an error names the flag, or the file and its line.

use bakeoff::workload::scenario::units::{parse_duration, parse_positive_duration};
use bakeoff_reports::ask::advise::{Question, Variability};
use bytesize::ByteSize;
use clap::{Args, ValueEnum, value_parser};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A question file that explains every key.
pub(super) const EXAMPLE: &str = include_str!("example.toml");

/// What is asked.
#[derive(Debug, Args)]
pub(super) struct QuestionArgs {
    /// A question as a file (TOML); flags go before what it says
    #[arg(long, value_name = "FILE")]
    question: Option<PathBuf>,
    /// Requests per second of independent users; leave it out where each client waits for its reply
    #[arg(long, value_parser = parse_rate, allow_negative_numbers = true)]
    rate: Option<f64>,
    /// Connections at once, idle ones included
    #[arg(long, value_parser = value_parser!(u64).range(1..))]
    clients: Option<u64>,
    /// Share of the connections that are held but do not ask, 0 to below 1
    #[arg(long, value_name = "SHARE", value_parser = parse_share, allow_negative_numbers = true)]
    idle_share: Option<f64>,
    /// Payload of a request or its reply, whichever is larger: "64 B", "16 KiB"
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    payload: Option<u64>,
    /// Requests on a connection before it is closed; leave it out where connections stay
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    requests_per_connection: Option<u64>,
    /// CPU time of a request beyond moving its bytes, on average
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    compute: Option<Duration>,
    /// Time a request waits for somebody else without holding a thread, such as a database with an asynchronous driver
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    wait: Option<Duration>,
    /// Time a request holds its thread without using the CPU, such as a library that blocks
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    block: Option<Duration>,
    /// How much that work differs from request to request
    #[arg(long, value_enum)]
    variability: Option<Spread>,
    /// The response time that 99 of 100 requests must keep under
    #[arg(long, value_name = "TIME", value_parser = parse_positive_duration)]
    p99: Option<Duration>,
    /// What the server may use of memory: "512 MiB"
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    memory: Option<u64>,
    /// A request that crashes its handler must leave all other clients alone
    #[arg(long)]
    isolation: bool,
}

/// As in [`Variability`].
#[derive(Clone, Copy, Debug, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Spread {
    /// All the same
    Fixed,
    /// Many small ones, a few of several times the mean
    Exponential,
    /// Most take half the mean, one in two hundred a hundred times it
    HeavyTail,
}

/// The question file.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct File {
    rate: Option<Rate>,
    clients: Option<Count>,
    idle_share: Option<Share>,
    payload: Option<Bytes>,
    requests_per_connection: Option<Count>,
    compute: Option<Span>,
    wait: Option<Span>,
    block: Option<Span>,
    variability: Option<Spread>,
    p99: Option<PositiveSpan>,
    memory: Option<Bytes>,
    isolation: bool,
}

impl QuestionArgs {
    /// The question, checked.
    pub(super) fn read(&self) -> Result<Question, String> {
        let file = self.question.as_deref().map(read_file).transpose()?.unwrap_or_default();
        let ns = |flag: Option<Duration>, file: Option<Duration>| flag.or(file).map(|t| t.as_nanos() as f64);
        let question = Question {
            rate_per_s: self.rate.or(file.rate.map(|value| value.0)),
            connections: self.clients.or(file.clients.map(|value| value.0)),
            idle_share: self.idle_share.or(file.idle_share.map(|value| value.0)),
            payload_bytes: self.payload.or(file.payload.map(|value| value.0)),
            requests_per_connection: self
                .requests_per_connection
                .or(file.requests_per_connection.map(|value| value.0)),
            compute_ns: ns(self.compute, file.compute.map(|value| value.0)),
            wait_ns: ns(self.wait, file.wait.map(|value| value.0)),
            block_ns: ns(self.block, file.block.map(|value| value.0)),
            variability: self.variability.or(file.variability).map(|spread| match spread {
                Spread::Fixed => Variability::Fixed,
                Spread::Exponential => Variability::Exponential,
                Spread::HeavyTail => Variability::HeavyTail,
            }),
            p99_ns: ns(self.p99, file.p99.map(|value| value.0)),
            memory_bytes: self.memory.or(file.memory.map(|value| value.0)),
            isolation: self.isolation || file.isolation,
        };
        question.check().map_err(|why| match &self.question {
            Some(path) => format!("the question in {}: {why}", path.display()),
            None => format!("the question: {why}; `bakeoff advise --example` explains all that can be asked"),
        })?;
        Ok(question)
    }
}

fn read_file(path: &Path) -> Result<File, String> {
    let shown = path.display();
    let text = fs::read_to_string(path).map_err(|e| format!("reading the question {shown} failed: {e}"))?;
    toml::from_str(&text).map_err(|e| {
        let at = e.span().map_or(0, |span| span.start).min(text.len());
        let line = text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("question `{shown}`, line {line}: {}", e.message().replace('\n', " "))
    })
}

fn parse_rate(text: &str) -> Result<f64, String> {
    let form = "a rate is a number of requests per second above zero, such as 5000";
    let rate: f64 = text.trim().parse().map_err(|_| format!("`{text}` is not a number; {form}"))?;
    rate_in_range(rate)
}

fn rate_in_range(rate: f64) -> Result<f64, String> {
    match rate.is_finite() && rate > 0.0 {
        true => Ok(rate),
        false => Err(format!("{rate} is not above zero; a rate is a number of requests per second")),
    }
}

fn parse_share(text: &str) -> Result<f64, String> {
    let share =
        text.trim().parse().map_err(|_| format!("`{text}` is not a number; a share is 0 to below 1"))?;
    share_in_range(share)
}

fn share_in_range(share: f64) -> Result<f64, String> {
    match (0.0..1.0).contains(&share) {
        true => Ok(share),
        false => Err(format!("{share} is not a share: give 0 to below 1, such as 0.9 for 90 %")),
    }
}

fn parse_bytes(text: &str) -> Result<u64, String> {
    let size: ByteSize = text
        .trim()
        .parse()
        .map_err(|_| format!("`{text}` is not a size; write \"64 B\", \"16 KiB\" or \"512 MiB\""))?;
    match size.as_u64() {
        0 => Err(format!("`{text}` is zero; it must be more")),
        bytes => Ok(bytes),
    }
}

fn count(n: i64) -> Result<u64, String> {
    u64::try_from(n).ok().filter(|n| *n > 0).ok_or_else(|| format!("{n} is too few; give at least 1"))
}

macro_rules! checked {
    ($(#[$doc:meta])* $name:ident($inner:ty), $from:ty, $parse:expr) => {
        $(#[$doc])*
        struct $name($inner);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = <$from>::deserialize(deserializer)?;
                $parse(value).map(Self).map_err(D::Error::custom)
            }
        }
    };
}

checked!(
    /// Requests per second.
    Rate(f64), f64, rate_in_range
);
checked!(
    /// 0 to below 1.
    Share(f64), f64, share_in_range
);
checked!(
    /// At least 1.
    Count(u64), i64, count
);
checked!(
    /// A size in bytes.
    Bytes(u64), String, |text: String| parse_bytes(&text)
);
checked!(
    /// A duration that may be zero.
    Span(Duration), String, |text: String| parse_duration(&text)
);
checked!(
    /// A duration above zero.
    PositiveSpan(Duration), String, |text: String| parse_positive_duration(&text)
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_a_whole_question() {
        let file: File = toml::from_str(EXAMPLE).expect("the example can be read");
        let all = [file.rate.is_some(), file.clients.is_some(), file.idle_share.is_some()];
        assert_eq!(all, [true; 3]);
        let error = toml::from_str::<File>("nonsense = 1").map(drop).expect_err("an unknown key").to_string();
        let known = error.split("expected").nth(1).expect("the known keys");
        for key in known.split('`').skip(1).step_by(2) {
            assert!(EXAMPLE.contains(&format!("{key} =")), "{key} is not explained");
        }
    }
}
