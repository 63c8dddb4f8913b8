//! What the swarm is asked to do, as checked values: the load, the requests, the times.
//!
//! These are the types a scenario file is checked into and a swarm worker is started with.

use crate::swarm::defect::Defect;
use bakeoff_servers::services::{self, ServiceEntry};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::time::Duration;

/// How requests arrive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Load {
    /// `clients` connections, each with one request outstanding; the next is due `think` after the reply.
    Closed {
        /// Connections.
        clients: u32,
        /// Pause between a reply and the next request.
        think: Duration,
    },
    /// Requests at times fixed in advance, whatever the server does, over a pool of `clients` connections. A request
    /// that finds every connection busy queues in the swarm, and that wait counts.
    Open {
        /// Connections in the pool.
        clients: u32,
        /// Requests per second, over all workers.
        rate_per_s: f64,
        /// How the gaps are distributed.
        arrivals: Arrivals,
    },
    /// `clients` concurrent sessions, each again and again: connect, so many requests, close.
    Churn {
        /// Sessions at once.
        clients: u32,
        /// Requests in a session.
        requests_per_connection: u32,
    },
}

impl Load {
    /// Connections open at once.
    pub fn clients(&self) -> u32 {
        match *self {
            Self::Closed { clients, .. } | Self::Open { clients, .. } | Self::Churn { clients, .. } => {
                clients
            }
        }
    }

    /// Requests per second that the schedule asks for; `None` where the server sets the pace.
    pub fn rate_per_s(&self) -> Option<f64> {
        match *self {
            Self::Open { rate_per_s, .. } => Some(rate_per_s),
            Self::Closed { .. } | Self::Churn { .. } => None,
        }
    }
}

/// The distribution of the gaps between arrivals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// All gaps equal.
    Fixed,
    /// Exponential gaps: a Poisson process.
    Poisson,
}

/// What one request demands of the server, drawn per request from the seed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum DemandShape {
    /// Nothing in the request; the service's own default holds.
    None,
    /// Always the same.
    Fixed {
        /// The demand.
        value: Duration,
    },
    /// Exponentially distributed, cut off at 20 times the mean (which loses 2e-9 of the draws).
    Exponential {
        /// The mean.
        mean: Duration,
    },
    /// One of two values.
    Bimodal {
        /// The common demand.
        short: Duration,
        /// The rare one.
        long: Duration,
        /// Probability of the rare one, between 0 and 1.
        long_share: f64,
    },
}

/// What a request is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RequestShape {
    /// Payload in bytes.
    pub size: u32,
    /// Demand.
    pub demand: DemandShape,
}

impl RequestShape {
    /// Checks that a service can be asked this.
    ///
    /// # Errors
    /// Which part it cannot take, and why.
    pub fn check(&self, service: &ServiceEntry) -> Result<(), RequestError> {
        let (size, name) = (self.size, service.name);
        let exchange = (service.exchange)(size);
        let (least, sizes) = (exchange.min_payload(), exchange.sizes());
        if size < least {
            return Err(RequestError::Size(format!(
                "`size` is {size} B; the service {name} needs at least {least} B"
            )));
        }
        if !sizes.is_empty() && !sizes.contains(&size) {
            return Err(RequestError::Size(format!(
                "`size` is {size} B; the replies of the service {name} are of these sizes, in bytes: {sizes:?}"
            )));
        }
        if self.demand == DemandShape::None {
            return Ok(());
        }
        if service.demand.is_none() {
            let working: Vec<_> =
                services::ALL.iter().filter(|s| s.demand.is_some()).map(|s| s.name).collect();
            let working = working.join(", ");
            let reason =
                format!("the service {name} does no work, so `demand` has no meaning; these do: {working}");
            return Err(RequestError::Demand(reason));
        }
        let largest = self.demand.largest();
        if largest > services::MAX_DEMAND {
            let most = services::MAX_DEMAND;
            let reason = format!("a demand of {largest:?} can occur; the services take at most {most:?}");
            return Err(RequestError::Demand(reason));
        }
        Ok(())
    }
}

/// A request that a service cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Its size.
    #[error("{0}")]
    Size(String),
    /// Its demand.
    #[error("{0}")]
    Demand(String),
}

/// The times of a trial, from the common start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// Load that is not measured, to begin with.
    pub warmup: Duration,
    /// The measured window.
    pub window: Duration,
    /// A request without a reply for so long after its actual send is given up; its connection is replaced.
    pub timeout: Duration,
    /// How long after the window's end replies are still waited for; what is then unanswered is censored.
    pub drain: Duration,
}

/// Everything a swarm worker needs to know: shard `shard` of `shards` of one seeded schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerSpec {
    /// Where the server listens.
    pub target: SocketAddr,
    /// Name of the service it speaks.
    pub service: String,
    /// The load, of the whole swarm (not of this shard).
    pub load: Load,
    /// The requests.
    pub request: RequestShape,
    /// The times.
    pub timing: Timing,
    /// Slices the window is cut into, 1 to 1,000.
    pub slices: u32,
    /// Seed of the schedule.
    pub seed: u64,
    /// Which shard this worker is, from 0.
    pub shard: u32,
    /// How many there are.
    pub shards: u32,
    /// CPUs to stay on; empty for any.
    pub cpus: Vec<u32>,
    /// Congestion control to ask for; `None` leaves the system's.
    pub congestion_control: Option<String>,
    /// A way to measure wrongly, for `bakeoff verify`; `None` everywhere else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defect: Option<Defect>,
}

impl DemandShape {
    /// Mean in nanoseconds and squared coefficient of variation (variance over squared mean) of the demand that a request
    /// states; (0, 0) where it states none.
    pub fn moments(&self) -> (f64, f64) {
        let ns = |span: Duration| span.as_secs_f64() * 1e9;
        match *self {
            Self::None => (0.0, 0.0),
            Self::Fixed { value } => (ns(value), 0.0),
            Self::Exponential { mean } => (ns(mean), 1.0),
            Self::Bimodal { short, long, long_share } => {
                let (short, long) = (ns(short), ns(long));
                let mean = short + (long - short) * long_share;
                let variance = (long - short).powi(2) * long_share * (1.0 - long_share);
                (mean, if mean > 0.0 { variance / (mean * mean) } else { 0.0 })
            }
        }
    }

    /// The largest demand that can be drawn.
    pub fn largest(&self) -> Duration {
        match *self {
            Self::None => Duration::ZERO,
            Self::Fixed { value } => value,
            Self::Exponential { mean } => mean * 20,
            Self::Bimodal { short, long, .. } => short.max(long),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_distributions() {
        let us = Duration::from_micros;
        assert_eq!(DemandShape::None.moments(), (0.0, 0.0));
        assert_eq!(DemandShape::Fixed { value: us(200) }.moments(), (200_000.0, 0.0));
        assert_eq!(DemandShape::Exponential { mean: us(5) }.moments(), (5_000.0, 1.0));
        // 50 us and, one in 200, 10 ms: mean 99.75 us, variance 0.005 * 0.995 * (9.95 ms)^2.
        let (mean, scv) =
            DemandShape::Bimodal { short: us(50), long: us(10_000), long_share: 0.005 }.moments();
        assert!((mean - 99_750.0).abs() < 1e-6, "{mean}");
        assert!((scv - 0.004_975 * (9.95e6 / 99_750.0_f64).powi(2)).abs() < 1e-9, "{scv}");
    }
}
