//! The question of `bakeoff advise`, from flags and from a file; a flag goes before the file.
//!
//! Every figure is checked where it stands, so that an error names the flag, or the file and its line.

use crate::workload::units::{Bytes, Count, PositiveSpan, Rate, Share, Span};
use bakeoff_reports::ask::advise::{Question, Variability};
use clap::{Args, ValueEnum};
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};

/// A question file that explains every key.
pub(super) const EXAMPLE: &str = include_str!("example.toml");

// What is asked. A question file has the same keys, in snake case.
#[derive(Debug, Default, Args, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct QuestionArgs {
    /// A question as a file (TOML); flags go before what it says
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    question: Option<PathBuf>,
    /// Requests per second of independent users, such as 5k; leave it out where each client waits for its reply
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    rate: Option<Rate>,
    /// Connections at once, idle ones included
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    clients: Option<Count>,
    /// Share of the connections that are held but do not ask: 95% or 0.95, below 100%
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true)]
    idle_share: Option<Share>,
    /// Payload of a request or its reply, whichever is larger: "64 B", "16 KiB"
    #[arg(long, value_name = "SIZE")]
    payload: Option<Bytes>,
    /// Requests on a connection before it is closed; leave it out where connections stay
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    requests_per_connection: Option<Count>,
    /// CPU time of a request beyond moving its bytes, on average
    #[arg(long, value_name = "TIME")]
    compute: Option<Span>,
    /// Time a request waits for somebody else without holding a thread, such as a database with an asynchronous driver
    #[arg(long, value_name = "TIME")]
    wait: Option<Span>,
    /// Time a request holds its thread without using the CPU, such as a library that blocks
    #[arg(long, value_name = "TIME")]
    block: Option<Span>,
    /// How much that work differs from request to request
    #[arg(long, value_enum)]
    variability: Option<Spread>,
    /// The response time that 99 of 100 requests must keep under
    #[arg(long, value_name = "TIME")]
    p99: Option<PositiveSpan>,
    /// What the server may use of memory: "512 MiB"
    #[arg(long, value_name = "SIZE")]
    memory: Option<Bytes>,
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

impl QuestionArgs {
    /// The question, checked.
    pub(super) fn read(&self) -> Result<Question, String> {
        let file = self.question.as_deref().map(read_file).transpose()?.unwrap_or_default();
        let ns = |flag: Option<Span>, file: Option<Span>| flag.or(file).map(|time| time.0.as_nanos() as f64);
        let question = Question {
            rate_per_s: self.rate.or(file.rate).map(|rate| rate.0),
            connections: self.clients.or(file.clients).map(|count| count.0),
            idle_share: self.idle_share.or(file.idle_share).map(|share| share.0),
            payload_bytes: self.payload.or(file.payload).map(|bytes| bytes.0),
            requests_per_connection: self
                .requests_per_connection
                .or(file.requests_per_connection)
                .map(|count| count.0),
            compute_ns: ns(self.compute, file.compute),
            wait_ns: ns(self.wait, file.wait),
            block_ns: ns(self.block, file.block),
            variability: self.variability.or(file.variability).map(|spread| match spread {
                Spread::Fixed => Variability::Fixed,
                Spread::Exponential => Variability::Exponential,
                Spread::HeavyTail => Variability::HeavyTail,
            }),
            p99_ns: self.p99.or(file.p99).map(|time| time.0.as_nanos() as f64),
            memory_bytes: self.memory.or(file.memory).map(|bytes| bytes.0),
            isolation: self.isolation || file.isolation,
        };
        question.check().map_err(|why| match &self.question {
            Some(path) => format!("the question in {}: {why}", path.display()),
            None => format!("the question: {why}; `bakeoff advise --example` explains all that can be asked"),
        })?;
        Ok(question)
    }
}

fn read_file(path: &Path) -> Result<QuestionArgs, String> {
    let shown = path.display();
    let text = fs::read_to_string(path).map_err(|e| format!("reading the question {shown} failed: {e}"))?;
    toml::from_str(&text).map_err(|e| {
        let at = e.span().map_or(0, |span| span.start).min(text.len());
        let line = text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("question `{shown}`, line {line}: {}", e.message().replace('\n', " "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_a_whole_question() {
        let file: QuestionArgs = toml::from_str(EXAMPLE).expect("the example can be read");
        let all = [file.rate.is_some(), file.clients.is_some(), file.idle_share.is_some()];
        assert_eq!(all, [true; 3]);
        let error =
            toml::from_str::<QuestionArgs>("nonsense = 1").map(drop).expect_err("an unknown key").to_string();
        let known = error.split("expected").nth(1).expect("the known keys");
        for key in known.split('`').skip(1).step_by(2) {
            assert!(EXAMPLE.contains(&format!("{key} =")), "{key} is not explained");
        }
    }
}
