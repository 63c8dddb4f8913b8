//! What a person wants to serve, in figures: the question that measured records are held against.
//!
//! A figure that is not known stays unknown; nothing is filled in here that the answer does not say it assumed.

use crate::show::units;
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

impl Question {
    /// Whether every figure lies in its range, and enough is known to look for anything.
    ///
    /// # Errors
    /// Which figure is wrong, and what it may be.
    pub fn check(&self) -> Result<(), String> {
        let positive = |name: &str, value: Option<f64>| match value {
            Some(value) if !(value.is_finite() && value > 0.0) => {
                Err(format!("the {name} is {value}; it must be above zero"))
            }
            _ => Ok(()),
        };
        positive("rate", self.rate_per_s)?;
        positive("p99 objective", self.p99_ns)?;
        if self.rate_per_s.is_some_and(|rate| rate > MOST_RATE_PER_S) {
            return Err(format!(
                "the rate is above {}, more than can be measured",
                units::rate(MOST_RATE_PER_S)
            ));
        }
        for (name, value) in [("compute", self.compute_ns), ("wait", self.wait_ns), ("block", self.block_ns)]
        {
            if value.is_some_and(|value| !(value.is_finite() && value >= 0.0)) {
                return Err(format!("the time of {name} is not a time; it must be zero or longer"));
            }
        }
        if let Some(n) = self.connections.filter(|n| !(1..=MOST_CONNECTIONS).contains(n)) {
            let most = units::grouped(MOST_CONNECTIONS);
            return Err(format!("there are {n} connections; it must be 1 to {most}"));
        }
        if let Some(share) = self.idle_share {
            if !(0.0..1.0).contains(&share) {
                return Err(format!("the idle share is {share}; it must be from 0 to below 1"));
            }
            if self.connections.is_none() {
                return Err("an idle share needs the number of connections it is a share of".to_owned());
            }
        }
        if self.requests_per_connection == Some(0) {
            return Err("a connection must carry at least 1 request".to_owned());
        }
        if self.memory_bytes == Some(0) {
            return Err("a memory limit of 0 lets nothing run".to_owned());
        }
        let load = [self.rate_per_s, self.compute_ns, self.wait_ns, self.block_ns];
        let sizes = [self.connections, self.payload_bytes, self.requests_per_connection];
        if load.iter().all(Option::is_none) && sizes.iter().all(Option::is_none) {
            return Err("nothing is known of the load; give at least the rate, the clients, the payload, the requests per \
                        connection, or the work of a request"
                .to_owned());
        }
        Ok(())
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
    pub fn assumptions(&self) -> Vec<String> {
        let mut all = Vec::new();
        let unknown = [self.compute_ns, self.wait_ns, self.block_ns].iter().all(Option::is_none);
        if unknown {
            all.push("a request asks for no work beyond moving its bytes".to_owned());
        }
        if self.requests_per_connection.is_none() {
            all.push("connections stay open".to_owned());
        }
        if self.connections.is_some() && self.idle_share.is_none() {
            all.push("all connections are active".to_owned());
        }
        if self.rate_per_s.is_none() {
            all.push("no rate is set: each client waits for its reply before it asks again".to_owned());
        }
        all
    }

    /// Figures that are not known, so that nothing could be compared by them.
    pub fn unknown(&self) -> Vec<&'static str> {
        let known = [
            ("the number of connections", self.connections.is_some()),
            ("the payload", self.payload_bytes.is_some()),
            ("how much the work differs from request to request", {
                self.variability.is_some() || self.work_ns() == 0.0
            }),
        ];
        known.into_iter().filter(|(_, known)| !known).map(|(name, _)| name).collect()
    }

    /// The question on one line.
    pub fn in_words(&self) -> String {
        let time = |name: &str, ns: Option<f64>| {
            ns.filter(|ns| *ns > 0.0).map(|ns| format!("{} of {name} a request", units::time(ns)))
        };
        let connections = self.connections.map(|n| match self.idle() {
            Some(idle) if idle > 0 => {
                format!("{}, {} of them idle", units::plural(n, "connection"), units::grouped(idle))
            }
            _ => units::plural(n, "connection"),
        });
        let parts = [
            self.rate_per_s.map(units::rate),
            connections,
            self.payload_bytes.map(|bytes| format!("payload {}", units::bytes(bytes as f64))),
            self.requests_per_connection.map(|n| format!("{} a connection", units::plural(n, "request"))),
            time("computing", self.compute_ns),
            time("waiting", self.wait_ns),
            time("blocking", self.block_ns),
            self.p99_ns.map(|ns| format!("p99 within {}", units::time(ns))),
            self.memory_bytes.map(|bytes| format!("memory within {}", units::bytes(bytes as f64))),
            self.isolation.then(|| "a crash must not spread".to_owned()),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}
