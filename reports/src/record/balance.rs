//! A balancer before several servers: what stood where, what was done to a server under load, and what everybody counted.
//!
//! Facts of one trial, no judgement on them ([`crate::rules::balance`] has that).

use super::{Doubt, Measured, Reading};
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantArray};

/// One trial: some servers of a model, whatever stands before them, one load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BalanceTrial {
    /// What stands before the servers; absent where one server is asked directly.
    pub balancer: Option<BalancerRecord>,
    /// Name of the model of all servers.
    pub model: String,
    /// What the swarm saw; absent when the trial failed.
    pub measured: Reading<Measured>,
    /// The servers, in the order in which the balancer has them.
    pub servers: Vec<ServerRecord>,
    /// What was done to the first of them; absent where nothing was.
    pub kill: Option<Kill>,
    /// How the balancer, or a server that was not to, ended before it was asked to stop, with its last words.
    pub ended_early: Vec<String>,
    /// Reasons for caution.
    pub doubts: Vec<Doubt>,
}

/// A balancer, with everything that it was told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BalancerRecord {
    /// Its name.
    pub name: String,
    /// What it says of its version.
    pub version: Reading<String>,
    /// How it was told to choose a server; absent for a command, which has a policy of its own.
    pub policy: Option<Policy>,
    /// The configuration that it was given, or the command.
    pub configuration: String,
}

/// How a balancer chooses the server of a request.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, IntoStaticStr, VariantArray,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Policy {
    /// One after the other.
    RoundRobin,
    /// The one with the fewest requests (nginx) or connections in use (HAProxy) under way.
    LeastConnections,
    /// Any, by chance.
    Random,
    /// Of two drawn by chance the one with fewer under way: the power of two choices (Mitzenmacher, 2001).
    TwoChoices,
    /// The one that the client's address and port hash to, on a consistent ring.
    SourceHash,
}

impl Policy {
    /// All of them.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// Its name, as on the command line.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// A server behind a balancer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerRecord {
    /// Where it listens.
    pub address: String,
    /// Requests that it counted itself, the warm-up's included; of one that was killed those since it is back. Absent where it did
    /// not live to tell.
    pub requests: Reading<u64>,
}

/// A server that was killed under load. Times are in nanoseconds from the window's begin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kill {
    /// When it was sent SIGKILL.
    pub killed_ns: u64,
    /// When it listened again, on the same port; absent where it was not to come back, or did not.
    pub back_ns: Reading<u64>,
    /// When it had its first reply after that.
    pub first_reply_ns: Reading<u64>,
}

/// What all trials of one comparison share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BalanceSetup {
    /// Servers behind each balancer; asked directly there is one.
    pub servers: u32,
    /// Requests due per second (Poisson).
    pub rate_per_s: f64,
    /// Connections of the swarm.
    pub clients: u32,
    /// Bytes of content of each reply.
    pub reply_bytes: u32,
    /// Length of the window.
    pub window_ns: u64,
    /// The load before it.
    pub warmup_ns: u64,
    /// When a request is given up.
    pub timeout_ns: u64,
    /// Whether balancers send a request that got nothing of a reply to another server.
    pub retries: bool,
    /// When the first server was to be killed, from the window's begin; absent where none was.
    pub kill_at_ns: Option<u64>,
    /// When it was to come back; absent where it was not.
    pub back_at_ns: Option<u64>,
    /// CPUs of servers and balancer.
    pub server_cpus: Vec<u32>,
    /// CPUs of the swarm.
    pub swarm_cpus: Vec<u32>,
    /// Seed of the schedule, the same for all trials.
    pub seed: u64,
}

/// A balancer that was asked for and took no part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// Its name.
    pub balancer: String,
    /// Why, and what to do about it.
    pub why: String,
}
