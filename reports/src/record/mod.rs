//! The versioned schema of what a run leaves on disk: the boundary between measuring and reporting.
//!
//! A bundle is one file of lines. The first is a [`Run`], then come [`Trial`]s, one a line, each appended when it is
//! finished, a [`RoundRecord`] behind those of its round, then [`Anatomy`] and [`envelope::Envelope`] records, and last an [`End`]. Raw histograms
//! and counts are kept, never only summaries, so that every figure of a
//! report can be derived again. A figure that could not be measured is [`Reading::Absent`] with the reason; it is
//! never zero.
//!
//! Units stand in the names: `_ns`, `_bytes`, `_per_s`. Counts have no suffix.

mod anatomy;
pub mod balance;
pub mod bundle;
mod comparison;
mod contestant;
mod costs;
mod cpus;
mod datagrams;
pub mod envelope;
mod fan_out;
mod findings;
pub mod histogram;
mod http;
mod load;
mod metric;
mod ns;
pub(crate) mod number;
mod objective;
mod probe;
mod request;
mod stops;
mod workload;

pub use anatomy::{Anatomy, ConnectionWire, Outcome, Part, Phase, Segments, Step, Untraced};
pub use comparison::{ComparedCell, Comparison, ConfirmRecord, Contender, Gated, Origin, Side};
pub use contestant::{
    Concurrency, ContestantKind, Facts, ModelRecord, PerClient, Refused, Role, ServerSetup, Tuning,
};
pub use costs::{Counted, Switches, Usage, WARMUP_SLICES, Wire};
pub use cpus::{ChosenBy, CoreCounts, CpuChoice, CpuReason, cpu_list};
pub use datagrams::{Datagrams, Transport};
pub use fan_out::{Audience, AudienceKind, FanOut};
pub use findings::{Doubt, FOREIGN_SHARE, Invalid, SCHEDULE_SHARE, STEAL_SHARE};
pub use http::{HttpExpectation, HttpFault, HttpReplies, HttpRequest, StatusCount, WrongReplies};
pub use load::{Arrivals, Background, ConnectionCounts, Load, RateShape, Timing, Tls};
pub use metric::Metric;
pub use objective::Objective;
pub use probe::{Ceiling, CoRun, Overshoot, Probe, Reached, RoundRecord, RoundTrip, Scatter, System};
pub use request::{DemandShape, EXPONENTIAL_CUT, RequestShape, Stage, Work, moments_of_sum};
pub use stops::{Ended, EndedCell, LookRecord, PlannedLook, Sequential};
pub use workload::{Axis, Pacing, Profile, ScenarioRecord, Surge, SweepPoint};

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of this schema. Raised whenever a reader of the old one would misread the new one.
pub const SCHEMA_VERSION: u32 = 4;

/// One line of a bundle: `{"run":{...}}`, `{"trial":{...}}`, `{"round":{...}}`, `{"look":{...}}`,
/// `{"anatomy":{...}}`, `{"envelope":{...}}` or `{"end":{...}}`.
// Tagged from outside: an inner tag would make serde buffer every trial before it can read it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// The head of the bundle.
    Run(Box<Run>),
    /// One finished trial.
    Trial(Box<Trial>),
    /// What the machine did in a round, behind the round's trials.
    Round(RoundRecord),
    /// What a look at the figures found, behind the round before it.
    Look(LookRecord),
    /// What one request makes a model do.
    Anatomy(Box<Anatomy>),
    /// What breaks a model, and how.
    Envelope(Box<envelope::Envelope>),
    /// What a capacity search looked for.
    Objective(Objective),
    /// Where the fresh rounds of a comparison of two builds begin.
    Confirm(ConfirmRecord),
    /// The end of the run. Absent when the tool was killed.
    End(End),
}

/// What was asked, with what, where. The first record of a bundle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The schema the bundle is written in: [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Version of the tool that wrote it.
    pub tool_version: String,
    /// The exact command line, program name first.
    pub command: Vec<String>,
    /// When the run began, in milliseconds since the Unix epoch.
    pub started_unix_ms: u64,
    /// The seed of every schedule and of the order of trials.
    pub seed: u64,
    /// Rounds asked for, or planned from the budget. A round runs every cell once that is not ended.
    pub rounds: u32,
    /// Trials asked for, or planned from the budget.
    pub planned_trials: u32,
    /// The budget and the looks at the figures; absent for a run of fixed rounds, which never looks.
    pub sequential: Option<Sequential>,
    /// The two builds it compares; absent for a run that compares models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
    /// The workloads, in the order to show them.
    pub scenarios: Vec<ScenarioRecord>,
    /// The models, in the order to show them.
    pub models: Vec<ModelRecord>,
    /// Models that were asked for and have no trial, because they cannot start on this machine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refused>,
    /// The machine.
    pub environment: Environment,
    /// The pre-flight measurement: what this machine and this generator can show at most.
    pub probe: Reading<Probe>,
}

/// A figure that may not have been measurable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading<T> {
    /// Measured.
    Value(T),
    /// Not measured, for this reason.
    Absent(String),
}

impl<T> Reading<T> {
    /// The value, if there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent(_) => None,
        }
    }

    /// Why there is none.
    pub fn absence(&self) -> Option<&str> {
        match self {
            Self::Value(_) => None,
            Self::Absent(why) => Some(why),
        }
    }
}

/// The machine and the system a run took place on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// Kernel name and release.
    pub kernel: Reading<String>,
    /// Processor model.
    pub cpu_model: Reading<String>,
    /// CPUs the tool may use.
    pub cpus: Vec<u32>,
    /// CPUs the servers were pinned to.
    pub server_cpus: Vec<u32>,
    /// CPUs the swarm was pinned to.
    pub swarm_cpus: Vec<u32>,
    /// Why these CPUs; absent in bundles that do not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_choice: Option<CpuChoice>,
    /// Total memory.
    pub memory_bytes: Reading<u64>,
    /// Frequency governor.
    pub governor: Reading<String>,
    /// Descriptors one process may open.
    pub max_descriptors: Reading<u64>,
    /// Processes and threads that could still be started before the run (under the smallest limit that applies).
    pub max_processes: Reading<u64>,
    /// The system's cap on a listen backlog.
    pub somaxconn: Reading<u64>,
    /// TCP congestion control used on every socket of the run.
    pub congestion_control: Reading<String>,
    /// Real nanoseconds that one nominal microsecond of the compute service took, alone on a server CPU before the run.
    pub compute_ns_per_nominal_us: Reading<f64>,
    /// What else a reader should know, as name and text.
    pub notes: BTreeMap<String, String>,
}

/// One trial: one model under one workload once, in a server process of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// Position in the run, from 0.
    pub index: u32,
    /// The round it belongs to, from 0.
    pub round: u32,
    /// Which try of this model under this workload in this round it is, from 0; further ones follow invalid ones.
    pub attempt: u32,
    /// Name of the workload.
    pub scenario: String,
    /// Name of the model.
    pub model: String,
    /// When it began, in milliseconds since the Unix epoch.
    pub started_unix_ms: u64,
    /// What the swarm saw; absent when the trial failed.
    pub measured: Reading<Measured>,
    /// What the server counted, as name and count; absent when it did not live to tell.
    pub server: Reading<BTreeMap<String, u64>>,
    /// Of the connections that the server accepted, those of each worker, by its number, where its workers accept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepted_by_worker: Vec<u64>,
    /// What the server's process tree used.
    pub usage: Usage,
    /// Time of a fixed piece of work just before the trial and just after it, in nanoseconds: how fast the machine itself was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loop_ns: Option<[f64; 2]>,
    /// Why the trial must not be compared. Empty for a valid trial.
    pub invalid: Vec<Invalid>,
    /// Reasons for caution, shown wherever the figures are.
    pub doubts: Vec<Doubt>,
}

/// What the swarm saw in the measured window. Latencies are in nanoseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// Length of the window.
    pub window_ns: u64,
    /// Requests whose intended send time lies in the window, by what became of them.
    pub counts: Counts,
    /// Replies completed inside the window, whenever their request was sent: the throughput.
    pub completed_in_window: u64,
    /// Payload and framing bytes of those replies.
    pub reply_bytes_in_window: u64,
    /// Requests sent before the window, to warm up, that came to an outcome.
    pub warmup_sent: u64,
    /// Replies completed before the window, in each of [`WARMUP_SLICES`] equal slices of the time before it.
    pub warmup_completed: Vec<u64>,
    /// Response time: completion minus *intended* send time.
    pub response: EncodedHistogram,
    /// Service time: completion minus actual send time.
    pub service: EncodedHistogram,
    /// Send lag: actual minus intended send time, of every request sent. Includes the wait for a free connection (open
    /// loop) or for the connect (churn).
    pub send_lag: EncodedHistogram,
    /// The part of the send lag that is the generator's own fault: from the intended send time until the swarm acted
    /// on the request, that is wrote it, queued it because every connection was busy, or began to connect for it.
    pub dispatch_lag: EncodedHistogram,
    /// Time of each connect in the window (set-up connects for loads that keep their connections): of TCP, and where a workload
    /// speaks TLS of its handshake.
    pub connect: EncodedHistogram,
    /// Handshakes of TLS completed in the window; absent where the workload speaks none. The time of each is in `connect`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handshakes: Option<Handshakes>,
    /// The window in equal slices, in order.
    pub slices: Vec<Slice>,
    /// How the replies spread over connections.
    pub spread: Spread,
    /// What went over the connections; absent where they were not held until the end.
    pub wire: Reading<Wire>,
    /// What became of the background connections; none where a workload asks for none.
    // As schema 3 called it.
    #[serde(default, skip_serializing_if = "Background::is_none", alias = "companions")]
    pub background: Background<ConnectionCounts>,
    /// The replies by status and fault; empty where none had to be read as HTTP, as those of our own servers.
    #[serde(default, skip_serializing_if = "HttpReplies::is_empty")]
    pub http: HttpReplies,
    /// What became of the datagrams; absent where requests go over connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datagrams: Option<Datagrams>,
    /// What became of the deliveries of messages; absent where a request is answered to whoever sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fan_out: Option<FanOut>,
    /// CPU time of the swarm's workers in the window, in nanoseconds, summed.
    pub swarm_cpu_ns: u64,
    /// Workers (processes, one thread each).
    pub swarm_workers: u32,
    /// Whether the workers wait without sleeping near a send time, so that their CPU time says nothing of their load.
    pub swarm_spins: bool,
}

/// What became of the requests of a window.
/// `sent = ok + errors (summed) + timeouts + in_flight_at_end`, exactly.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Requests due in the window by the schedule (open loop), or begun in it (closed loop, churn); and those from
    /// before the window that had no outcome even when the trial ended, for they were in flight throughout. Requests
    /// that had found no free connection when the trial ended were never written; they count as sent and in flight.
    pub sent: u64,
    /// Answered with exactly the right bytes, or as the workload expects of HTTP.
    pub ok: u64,
    /// Failed, by kind.
    pub errors: BTreeMap<ErrorKind, u64>,
    /// Given up after the request timeout.
    pub timeouts: u64,
    /// Without an answer when the trial ended: censored, counted as infinite in every percentile.
    pub in_flight_at_end: u64,
    /// Of those in flight at the end, the ones never written because every connection was busy or full.
    pub never_written: u64,
}

impl Counts {
    /// Errors of all kinds; `u64::MAX` should they exceed it.
    pub fn errors_total(&self) -> u64 {
        self.errors.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Requests without a right answer: infinite in every percentile. `u64::MAX` should they exceed it.
    pub fn unanswered(&self) -> u64 {
        self.errors_total().saturating_add(self.timeouts).saturating_add(self.in_flight_at_end)
    }

    /// Whether `sent = ok + errors + timeouts + in_flight_at_end`, exactly.
    pub fn balanced(&self) -> bool {
        // Wider than the counts, so that a sum too large for them cannot pass for a balanced one.
        let outcomes = [self.ok, self.timeouts, self.in_flight_at_end];
        let total: u128 = outcomes.iter().chain(self.errors.values()).map(|count| u128::from(*count)).sum();
        u128::from(self.sent) == total && self.never_written <= self.in_flight_at_end
    }
}

/// Handshakes of TLS, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Handshakes {
    /// In which the server proved its identity by a signature.
    pub full: u64,
    /// That resumed an earlier session by a ticket.
    pub resumed: u64,
}

impl Handshakes {
    /// Both together; stays at `u64::MAX` should they exceed it.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            full: self.full.saturating_add(other.full),
            resumed: self.resumed.saturating_add(other.resumed),
        }
    }
}

/// How a request can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The connection was refused.
    Refused,
    /// The connection was reset.
    Reset,
    /// The server closed before the whole reply had come.
    Closed,
    /// The reply was wrong: its bytes, or what a workload expects of HTTP.
    Corrupt,
    /// The connection could not be made in time, or for another reason.
    Connect,
    /// The swarm gave its connection up because of another request on it, which had a wrong reply or timed out
    /// (pipelining).
    Abandoned,
    /// The swarm itself had no port, descriptor or memory left for it: no doing of the server's.
    Shortage,
    /// Another error of the socket.
    Other,
}

/// One slice of the window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slice {
    /// Where it begins, from the window's start.
    pub start_ns: u64,
    /// How long it is.
    pub length_ns: u64,
    /// Replies completed in it.
    pub completed: u64,
    /// Response times of the replies completed in it (two significant digits).
    pub response: EncodedHistogram,
    /// Requests of the window that were found to have failed in it, or given up; in the last slice those after the window, too. All
    /// slices together have `errors + timeouts`.
    #[serde(default, skip_serializing_if = "number::is_zero")]
    pub failed: u64,
}

/// How replies spread over connections, in a form that merges exactly.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// Connections (or concurrent sessions) that were given a request at any time of the trial.
    pub connections: u64,
    /// Those of them that received no reply in the whole trial.
    pub never_served: u64,
    /// Replies completed in the window, summed over connections.
    pub replies: u64,
    /// Squared replies, summed over connections; stays at `u64::MAX` should it reach it.
    pub replies_squared: u64,
    /// Fewest replies on a connection.
    pub fewest: u64,
    /// Most replies on a connection.
    pub most: u64,
    /// Replies of each connection as a histogram in the HDR V2 format (deflated, base64) at two significant digits, so
    /// that a median can be read; empty when there is none. Read it with [`crate::record::histogram::replies_per_connection`].
    pub hdr_v2: String,
}

/// An HDR histogram in the V2 format (deflated, base64), as other tools read it. Values are nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncodedHistogram {
    /// Values recorded, those above the range included.
    pub count: u64,
    /// Values above the range, recorded at its upper end.
    pub saturated: u64,
    /// The sum of the values: exact up to 584 years, where it stays at `u64::MAX`.
    pub sum_ns: u64,
    /// The exact largest value; 0 when empty.
    pub max_ns: u64,
    /// V2 deflate, base64.
    pub hdr_v2: String,
}

/// The end of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// When, in milliseconds since the Unix epoch.
    pub finished_unix_ms: u64,
    /// Trials written.
    pub trials: u32,
    /// Whether the run was interrupted before all its trials.
    pub interrupted: bool,
    /// What [`Environment::compute_ns_per_nominal_us`] was again after the last trial; absent where nothing was computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compute_ns_per_nominal_us: Option<f64>,
}
