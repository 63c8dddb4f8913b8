//! Reasons and doubts in words, the same in every report.
//!
//! A reason names what happened and its size; it never guesses at a cause that was not measured.

use crate::record::{Doubt, ErrorKind, Invalid, Merit};
use crate::statistics::paired::Better;
use crate::units;
use std::fmt;

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServerDidNotStart { detail } => write!(f, "the server did not start: {detail}"),
            Self::ServerDied { detail } => write!(f, "the server ended during the trial: {detail}"),
            Self::SwarmFailed { detail } => write!(f, "the swarm failed: {detail}"),
            Self::WrongReply { replies } => {
                write!(f, "replies with a wrong byte: {}", units::grouped(*replies))
            }
            Self::NothingAnswered => write!(f, "no request was answered in the window"),
            Self::Unbalanced => {
                write!(f, "the requests do not add up: sent is not answered + failed + pending")
            }
            Self::GeneratorLate { lag_p50_ns, response_p50_ns } => write!(
                f,
                "the swarm itself sent too late: send lag p50 {} against a response p50 of {}",
                units::time(*lag_p50_ns as f64),
                units::time(*response_p50_ns as f64)
            ),
            Self::Stolen { share } => {
                write!(f, "the hypervisor took {} of the server's CPUs", units::share(*share))
            }
        }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GeneratorBusy { share } => {
                write!(
                    f,
                    "the swarm used {} of its CPU: the figure may be the generator's limit",
                    units::share(*share)
                )
            }
            Self::Unsteady { ratio } => {
                write!(
                    f,
                    "not steady: the second half of the window ran at {} the first",
                    units::factor(*ratio)
                )
            }
            Self::Starved { connections } => {
                write!(f, "{} never served", units::plural(*connections, "connection"))
            }
            Self::Unanswered { requests, sent } => {
                write!(
                    f,
                    "{} of {} requests failed or went unanswered",
                    units::grouped(*requests),
                    units::grouped(*sent)
                )
            }
            Self::SharedCpu => write!(f, "server and swarm shared a CPU"),
            Self::KilledAtStop => write!(f, "the server did not stop in time and was killed"),
            Self::LittlesLaw { off } => {
                write!(
                    f,
                    "clients, throughput and response time disagree by {} (Little's law)",
                    units::share(*off)
                )
            }
            Self::Saturated { values } => {
                write!(f, "{} lay above the histogram's range of one hour", units::plural(*values, "value"))
            }
        }
    }
}

impl Doubt {
    /// What kind of doubt it is: doubts of one kind are told once per cell.
    pub(crate) fn kind(&self) -> u8 {
        match self {
            Self::GeneratorBusy { .. } => 0,
            Self::Unsteady { .. } => 1,
            Self::Starved { .. } => 2,
            Self::Unanswered { .. } => 3,
            Self::SharedCpu => 4,
            Self::KilledAtStop => 5,
            Self::LittlesLaw { .. } => 6,
            Self::Saturated { .. } => 7,
        }
    }

    /// How grave it is among doubts of its kind.
    pub(crate) fn gravity(&self) -> f64 {
        match self {
            Self::GeneratorBusy { share } => *share,
            Self::Unsteady { ratio } => ratio.max(1e-9).ln().abs(),
            Self::Starved { connections } => *connections as f64,
            Self::Unanswered { requests, .. } => *requests as f64,
            Self::SharedCpu | Self::KilledAtStop => 0.0,
            Self::LittlesLaw { off } => off.abs(),
            Self::Saturated { values } => *values as f64,
        }
    }
}

impl ErrorKind {
    /// What it is called in a table.
    pub fn label(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::Closed => "closed early",
            Self::Corrupt => "wrong bytes",
            Self::Connect => "connect failed",
            Self::Other => "other",
        }
    }
}

impl Merit {
    /// What it is called.
    pub fn label(self) -> &'static str {
        match self {
            Self::Throughput => "throughput",
            Self::ResponseP99 => "response p99",
            Self::ResponseP50 => "response p50",
        }
    }

    /// Whether more or less of it is better.
    pub fn better(self) -> Better {
        match self {
            Self::Throughput => Better::More,
            Self::ResponseP99 | Self::ResponseP50 => Better::Less,
        }
    }

    /// The figure with its unit.
    pub fn show(self, figure: f64) -> String {
        match self {
            Self::Throughput => units::rate(figure),
            Self::ResponseP99 | Self::ResponseP50 => units::time(figure),
        }
    }
}
