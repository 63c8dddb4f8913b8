//! Why a trial is in no figure, in words.

use crate::cells::exclusion::Exclusion;
use crate::record::Invalid;
use std::fmt;

impl fmt::Display for Exclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(reason) => reason.fmt(f),
            Self::NotMeasured(why) => write!(f, "nothing was measured: {why}"),
            Self::Miscounted { values, answered } => {
                write!(f, "its response histogram holds {values} values for {answered} answered requests")
            }
            Self::Histogram { of, why } => write!(f, "its {of} {why}"),
            Self::DisturbedBlock | Self::Undeclared | Self::Repeated | Self::NoWindow => {
                f.write_str(self.kind())
            }
        }
    }
}

impl Exclusion {
    /// The kind of reason, without the figures of one trial.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Invalid(reason) => reason.kind(),
            Self::DisturbedBlock => "another trial of its block was disturbed",
            Self::Undeclared => "the head of the bundle does not declare this workload with this model",
            Self::Repeated => "the same round of this model and workload was recorded before",
            Self::NotMeasured(_) => "nothing was measured",
            Self::NoWindow => "its window has no length",
            Self::Miscounted { .. } => "its response histogram does not hold as many values as were answered",
            Self::Histogram { .. } => "one of its histograms cannot be read",
        }
    }
}

impl Invalid {
    /// The kind of reason, without the figures of one trial.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ServerDidNotStart { .. } => "the server did not start",
            Self::ServerDied { .. } => "the server ended during the trial",
            Self::NothingConnected { .. } => "the server accepted no connection",
            Self::SwarmFailed { .. } => "the swarm failed",
            Self::WrongReply { .. } => "replies were wrong",
            Self::Unbalanced => "the requests do not add up",
            Self::GeneratorLate { .. } | Self::GeneratorTail { .. } => "the swarm itself sent too late",
            Self::GeneratorBound { .. } => "the swarm was slowed down",
            Self::BehindSchedule { .. } => "the swarm fell behind its schedule while the server was idle",
            Self::GeneratorShort { .. } => "the load generator ran out of ports, descriptors or memory",
            Self::GeneratorOverflowed { .. } => "the load generator's own receive buffers were full",
            Self::Unanswered { .. } => "most requests went unanswered",
            Self::Throttled { .. } => "a CPU quota took too much of the pinned CPUs",
            Self::Unsteady { .. } => "there was no steady state",
            Self::Slowed { .. } => "the machine itself was slower than shortly before",
            Self::ForeignLoad { .. } => "other programs took too much of the pinned CPUs",
            Self::Stolen { .. } => "the hypervisor took too much of the pinned CPUs",
        }
    }
}
