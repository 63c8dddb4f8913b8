//! The figures of merit in words: what each is called, which way is better, how it is shown. One place for terminal and
//! page, so that a new one cannot be forgotten in either.
//!
//! How a figure is made stands in `cell`, which difference in it matters in `verdict`. It must not decide anything.

use crate::record::Merit;
use crate::show::units;
use crate::stats::paired::Better;

impl Merit {
    /// All there are.
    pub const ALL: [Self; 6] = [
        Self::Throughput,
        Self::ResponseP99,
        Self::ResponseP50,
        Self::Goodput,
        Self::Answered,
        Self::MemoryPerConnection,
    ];

    /// What it is called.
    pub fn label(self) -> &'static str {
        match self {
            Self::Throughput => "throughput",
            Self::ResponseP99 => "response p99",
            Self::ResponseP50 => "response p50",
            Self::Goodput => "goodput",
            Self::Answered => "share answered",
            Self::MemoryPerConnection => "memory per connection",
        }
    }

    /// What a matrix calls it, in a few letters.
    pub fn short(self) -> &'static str {
        match self {
            Self::Throughput => "req/s",
            Self::ResponseP99 => "p99",
            Self::ResponseP50 => "p50",
            Self::Goodput => "good/s",
            Self::Answered => "answd",
            Self::MemoryPerConnection => "B/conn",
        }
    }

    /// What it is called in a scenario file.
    pub fn key(self) -> &'static str {
        match self {
            Self::Throughput => "throughput",
            Self::ResponseP99 => "response-p99",
            Self::ResponseP50 => "response-p50",
            Self::Goodput => "goodput",
            Self::Answered => "answered",
            Self::MemoryPerConnection => "memory-per-connection",
        }
    }

    /// Whether more or less of it is better.
    pub fn better(self) -> Better {
        match self {
            Self::Throughput | Self::Goodput | Self::Answered => Better::More,
            Self::ResponseP99 | Self::ResponseP50 | Self::MemoryPerConnection => Better::Less,
        }
    }

    /// The figure with its unit.
    pub fn show(self, figure: f64) -> String {
        match self {
            Self::Throughput | Self::Goodput => units::rate(figure),
            Self::ResponseP99 | Self::ResponseP50 => units::time(figure),
            Self::Answered => units::share(figure),
            Self::MemoryPerConnection if figure.is_infinite() => "does not serve".to_owned(),
            Self::MemoryPerConnection => units::bytes(figure),
        }
    }

    /// What a figure of 0 says of a model, where more is better: "tokio ...". `None` where less is, and
    /// the figure of a model that does not do the work is infinite.
    pub(crate) fn nothing(self) -> Option<&'static str> {
        match self {
            Self::Throughput => Some("completed no reply in the window"),
            Self::Goodput => Some("answered no request within the objective"),
            Self::Answered => Some("answered no request"),
            Self::ResponseP99 | Self::ResponseP50 | Self::MemoryPerConnection => None,
        }
    }

    /// Why a round may have no such figure: "3 rounds ...".
    pub(crate) fn why_none(self) -> String {
        match self {
            Self::Throughput | Self::Answered => "in which nothing was asked".to_owned(),
            Self::ResponseP99 | Self::ResponseP50 => format!("with too few requests for a {}", self.label()),
            Self::Goodput => "without an objective to hold it against".to_owned(),
            Self::MemoryPerConnection => "in which the memory of a connection could not be read".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_merit_has_names_of_its_own_that_fit() {
        for (at, merit) in Merit::ALL.into_iter().enumerate() {
            for other in &Merit::ALL[..at] {
                assert_ne!(merit.label(), other.label());
                assert_ne!(merit.short(), other.short());
                assert_ne!(merit.key(), other.key());
            }
            assert!(merit.short().len() <= 6, "{} takes too much of a narrow matrix", merit.short());
            assert_eq!(merit.nothing().is_some(), merit.better() == Better::More, "{merit:?}");
        }
    }

    #[test]
    fn figures_are_shown_with_their_units() {
        assert_eq!(Merit::Goodput.show(12_340.0), "12.3k/s");
        assert_eq!(Merit::Answered.show(0.975), "97.5 %");
        assert_eq!(Merit::MemoryPerConnection.show(20_480.0), "20.0 KiB");
        assert_eq!(Merit::MemoryPerConnection.show(f64::INFINITY), "does not serve");
    }
}
