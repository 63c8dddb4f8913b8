//! What a person wants to serve, in figures: the question that measured records are held against.
//!
//! A figure that is not known stays unknown; nothing is filled in here that the answer does not say it assumed.

use serde::{Deserialize, Serialize};

/// The most connections a question may have, which is the most the swarm can open.
pub const MOST_CONNECTIONS: u64 = 1_000_000;

/// The highest rate of a question, in requests per second: more than a swarm can send.
pub const MOST_RATE_PER_S: f64 = 1e7;

/// A situation to serve. At least one figure of the load must be known; see [`Question::check`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Requests per second of independent users, above 0; absent where each client waits for its reply.
    pub rate_per_s: Option<f64>,
    /// Connections held at once, idle ones included, 1 to [`MOST_CONNECTIONS`]; for short ones, sessions at once.
    pub connections: Option<u64>,
    /// Share of the connections that are held and do not ask, 0 to below 1.
    pub idle_share: Option<f64>,
    /// Payload of a request or of its reply, whichever is larger.
    pub payload_bytes: Option<u64>,
    /// Requests on a connection before it is closed, from 1; absent where connections stay.
    pub requests_per_connection: Option<u64>,
    /// Mean CPU time of a request beyond moving its bytes.
    pub compute_ns: Option<f64>,
    /// Mean time that a request waits without holding a thread.
    pub wait_ns: Option<f64>,
    /// Mean time that a request holds its thread without using the CPU.
    pub block_ns: Option<f64>,
    /// How much that work differs from request to request.
    pub variability: Option<Variability>,
    /// The response time that 99 of 100 requests must keep under.
    pub p99_ns: Option<f64>,
    /// What the server may use of memory.
    pub memory_bytes: Option<u64>,
    /// Whether a request that crashes its handler must leave all other clients alone.
    pub isolation: bool,
}

/// How much the work of a request differs from request to request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variability {
    /// All requests ask for the same.
    Fixed,
    /// Exponential: many small ones, a few of several times the mean.
    Exponential,
    /// Most ask for half the mean, one in two hundred for a hundred times it.
    HeavyTail,
}

impl Variability {
    /// The variance over the squared mean. For the heavy tail, half the mean with probability 0.995 and a hundred times
    /// it otherwise: (0.995 * 0.25 + 0.005 * 10,000) / 0.9975^2 - 1 = 49.8.
    pub fn scv(self) -> f64 {
        match self {
            Self::Fixed => 0.0,
            Self::Exponential => 1.0,
            Self::HeavyTail => 49.8,
        }
    }
}

/// What is wrong with a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutOfRange {
    /// The rate is not above zero.
    Rate,
    /// The objective is not above zero.
    Objective,
    /// The rate is above [`MOST_RATE_PER_S`].
    RateTooHigh,
    /// A time of work is not one.
    Time(Work),
    /// The number of connections is not 1 to [`MOST_CONNECTIONS`].
    Connections(u64),
    /// The idle share is not from 0 to below 1.
    IdleShare,
    /// An idle share without the number of connections.
    IdleShareOfNothing,
    /// No request on a connection.
    NoRequest,
    /// A memory limit of 0.
    NoMemory,
    /// Nothing is known of the load.
    Nothing,
}

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// Uses a CPU.
    Compute,
    /// Occupies nobody.
    Wait,
    /// Holds its thread.
    Block,
}

/// Something an answer takes for granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Assumption {
    /// A request asks for no work beyond moving its bytes.
    NoWork,
    /// Connections stay open.
    ConnectionsStay,
    /// All connections are active.
    AllActive,
    /// No rate is set: each client waits for its reply.
    NoRate,
}

/// A figure that a question does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unasked {
    /// The number of connections.
    Connections,
    /// The payload.
    Payload,
    /// How much the work differs from request to request.
    Variability,
}

impl Question {
    /// Whether every figure lies in its range, and enough is known to look for anything.
    ///
    /// # Errors
    /// Which figure is wrong, and what it may be.
    pub fn check(&self) -> Result<(), OutOfRange> {
        use OutOfRange as Fault;
        let above_zero = |value: Option<f64>| value.is_none_or(|value| value.is_finite() && value > 0.0);
        let a_time = |value: Option<f64>| value.is_none_or(|value| value.is_finite() && value >= 0.0);
        let idle_is_a_share = self.idle_share.is_none_or(|share| (0.0..1.0).contains(&share));
        let connections = self.connections.filter(|n| !(1..=MOST_CONNECTIONS).contains(n));
        let load = [self.rate_per_s, self.compute_ns, self.wait_ns, self.block_ns];
        let sizes = [self.connections, self.payload_bytes, self.requests_per_connection];
        let nothing = load.iter().all(Option::is_none) && sizes.iter().all(Option::is_none);
        let faults = [
            (!above_zero(self.rate_per_s), Fault::Rate),
            (!above_zero(self.p99_ns), Fault::Objective),
            (self.rate_per_s.is_some_and(|rate| rate > MOST_RATE_PER_S), Fault::RateTooHigh),
            (!a_time(self.compute_ns), Fault::Time(Work::Compute)),
            (!a_time(self.wait_ns), Fault::Time(Work::Wait)),
            (!a_time(self.block_ns), Fault::Time(Work::Block)),
            (connections.is_some(), Fault::Connections(connections.unwrap_or_default())),
            (!idle_is_a_share, Fault::IdleShare),
            (self.idle_share.is_some() && self.connections.is_none(), Fault::IdleShareOfNothing),
            (self.requests_per_connection == Some(0), Fault::NoRequest),
            (self.memory_bytes == Some(0), Fault::NoMemory),
            (nothing, Fault::Nothing),
        ];
        faults.into_iter().find(|(wrong, _)| *wrong).map_or(Ok(()), |(_, fault)| Err(fault))
    }

    /// Connections that are held and do not ask.
    pub fn idle(&self) -> Option<u64> {
        let held = self.connections?;
        // At least one must ask.
        Some(((held as f64 * self.idle_share.unwrap_or(0.0)).round() as u64).min(held - 1))
    }

    /// Connections that ask.
    pub fn active(&self) -> Option<u64> {
        Some(self.connections? - self.idle()?)
    }

    /// All work of a request: compute, wait and block, in nanoseconds.
    pub fn work_ns(&self) -> f64 {
        [self.compute_ns, self.wait_ns, self.block_ns].into_iter().flatten().sum()
    }

    /// What the answer takes for granted because the question does not say it.
    pub fn assumptions(&self) -> Vec<Assumption> {
        let no_work = [self.compute_ns, self.wait_ns, self.block_ns].iter().all(Option::is_none);
        let all = [
            (no_work, Assumption::NoWork),
            (self.requests_per_connection.is_none(), Assumption::ConnectionsStay),
            (self.connections.is_some() && self.idle_share.is_none(), Assumption::AllActive),
            (self.rate_per_s.is_none(), Assumption::NoRate),
        ];
        all.into_iter().filter(|(assumed, _)| *assumed).map(|(_, assumption)| assumption).collect()
    }

    /// Figures that are not known, so that nothing could be compared by them.
    pub fn unknown(&self) -> Vec<Unasked> {
        let all = [
            (self.connections.is_none(), Unasked::Connections),
            (self.payload_bytes.is_none(), Unasked::Payload),
            (self.variability.is_none() && self.work_ns() != 0.0, Unasked::Variability),
        ];
        all.into_iter().filter(|(unknown, _)| *unknown).map(|(_, name)| name).collect()
    }
}
