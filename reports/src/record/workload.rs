//! A workload in figures: what a question can be held against, and where a point of a sweep lies.

use serde::{Deserialize, Serialize};

/// What a workload asks of a server, in figures. Means are over requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// How requests arrive.
    pub pacing: Pacing,
    /// Connections that ask (concurrent sessions for churn).
    pub active_connections: u64,
    /// Connections that are held beside them and never ask.
    pub idle_connections: u64,
    /// Requests per second that the schedule asks for on average; absent where the server sets the pace.
    pub rate_per_s: Option<f64>,
    /// Requests on a connection before it is closed; absent where connections stay.
    pub requests_per_connection: Option<u64>,
    /// Requests that a connection may have under way at once; 1 without pipelining.
    pub in_flight_per_connection: u32,
    /// Payload of a request or of its reply, whichever is larger.
    pub payload_bytes: u64,
    /// Mean nominal CPU time that a request asks for beyond moving its bytes.
    pub compute_ns: f64,
    /// Mean time that a request waits for somebody else without holding a thread.
    pub wait_ns: f64,
    /// Mean time that a request holds its thread without using the CPU.
    pub block_ns: f64,
    /// Variance of that demand over its squared mean: 0 fixed, 1 exponential, above it a heavy tail.
    pub demand_scv: f64,
}

/// How requests arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pacing {
    /// Each client waits for its reply before it asks again.
    Closed,
    /// When the schedule says.
    Open,
    /// Connect, some requests, close, again.
    Churn,
}

/// Where a workload lies in a sweep: the same workload at several values of one parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepPoint {
    /// Name of the workload that is swept; the points of one sweep share it.
    pub of: String,
    /// The parameter.
    pub axis: Axis,
    /// Its value here: connections, or requests per second.
    pub value: f64,
}

/// The parameter of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// Connections that ask (concurrent sessions for churn).
    Clients,
    /// Requests per second of an open loop.
    Rate,
    /// Connections that are held and never ask.
    Idle,
}

/// A time in which the schedule asks for more than before and after it. Times are from the window's begin.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Surge {
    /// When it begins.
    pub begin_ns: u64,
    /// When it ends.
    pub end_ns: u64,
    /// How many times the usual rate it asks for.
    pub factor: f64,
}
