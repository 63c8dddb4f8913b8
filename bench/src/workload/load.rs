//! What the swarm is asked to do, as checked values: the load, the requests, the times.
//!
//! These are the types a scenario file is checked into and a swarm worker is started with.

mod demand;
pub(crate) mod pattern;

pub use demand::{DemandShape, EXPONENTIAL_CUT};
pub use pattern::{Beside, RateShape};

use bakeoff_servers::services::{self, ServiceEntry};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The kind of demand (and the name of the service) whose requests may abort their handler.
pub(crate) use bakeoff_servers::services::POISON;

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
    /// `clients` connections, each with up to `depth` requests under way at once, whose replies come in order; the next
    /// is due when a reply has made room for it.
    Pipelined {
        /// Connections.
        clients: u32,
        /// Requests that a connection may have under way, 2 to 1,024; with 1 it would be the closed loop.
        depth: u32,
    },
    /// Requests at times fixed in advance, whatever the server does, over a pool of `clients` connections. A request
    /// that finds every connection busy queues in the swarm, and that wait counts.
    Open {
        /// Connections in the pool.
        clients: u32,
        /// Requests per second, over all workers: the mean, or with a surge the rate outside it.
        rate_per_s: f64,
        /// How the gaps are distributed.
        arrivals: Arrivals,
        /// How the rate changes over time.
        #[serde(default)]
        shape: RateShape,
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
            Self::Closed { clients, .. }
            | Self::Pipelined { clients, .. }
            | Self::Open { clients, .. }
            | Self::Churn { clients, .. } => clients,
        }
    }

    /// Requests that a connection may have under way at once.
    pub fn in_flight_per_connection(&self) -> u32 {
        match *self {
            Self::Pipelined { depth, .. } => depth,
            Self::Closed { .. } | Self::Open { .. } | Self::Churn { .. } => 1,
        }
    }

    /// Requests per second that the schedule of an open loop states; `None` where the server sets the pace.
    pub fn stated_rate(&self) -> Option<f64> {
        match *self {
            Self::Open { rate_per_s, .. } => Some(rate_per_s),
            Self::Closed { .. } | Self::Pipelined { .. } | Self::Churn { .. } => None,
        }
    }

    /// Requests per second that the schedule asks for, over the measured window; `None` where the server sets the pace.
    pub fn rate_per_s(&self, window: Duration) -> Option<f64> {
        match *self {
            Self::Open { rate_per_s, ref shape, .. } => Some(rate_per_s * shape.mean_factor(window)),
            Self::Closed { .. } | Self::Pipelined { .. } | Self::Churn { .. } => None,
        }
    }

    /// Whether the load itself changes in the course of the window, so that the window's halves need not be alike.
    pub fn varies(&self) -> bool {
        matches!(self, Self::Open { shape, .. } if *shape != RateShape::Steady)
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
        let poisons = matches!(self.demand, DemandShape::Poison { .. });
        if poisons != (service.demand == Some(POISON)) {
            let reason = if poisons {
                format!(
                    "a demand of kind \"poison\" is for the service {POISON}; {name} would take it for a time"
                )
            } else {
                format!("the service {name} takes a demand of kind \"poison\" alone, not a time")
            };
            return Err(RequestError::Demand(reason));
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A service as the registry would list it.
    fn service(name: &'static str, demand: Option<&'static str>) -> ServiceEntry {
        let echo = services::find("echo").expect("it is built in");
        ServiceEntry { name, summary: "", demand, build: echo.build, exchange: echo.exchange }
    }

    #[test]
    fn poison_is_for_its_service_alone_which_takes_nothing_else() {
        let asks = |demand| RequestShape { size: 64, demand };
        let poison = asks(DemandShape::Poison { share: 0.01 });
        let time = asks(DemandShape::Fixed { value: Duration::from_millis(1) });
        let (poisonous, waiting, idle) =
            (service(POISON, Some(POISON)), service("wait", Some("wait")), service("echo", None));
        assert_eq!(poison.check(&poisonous), Ok(()));
        assert_eq!(asks(DemandShape::None).check(&poisonous), Ok(()), "then nothing is poisoned");
        assert_eq!(time.check(&waiting), Ok(()));
        for (request, service, word) in [
            (&poison, &waiting, "for the service poison"),
            (&poison, &idle, "for the service poison"),
            (&time, &poisonous, "not a time"),
            (&time, &idle, "does no work"),
        ] {
            let error = request.check(service).expect_err(word).to_string();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn the_rate_of_the_window_is_the_mean_over_it() {
        let of = |shape| {
            let load = Load::Open { clients: 1, rate_per_s: 100.0, arrivals: Arrivals::Fixed, shape };
            load.rate_per_s(Duration::from_millis(400))
        };
        let ms = Duration::from_millis;
        assert_eq!(of(RateShape::Steady), Some(100.0));
        assert_eq!(of(RateShape::Bursts { on: ms(20), off: ms(80) }), Some(100.0));
        // 3 times the rate for a quarter of the window.
        assert_eq!(of(RateShape::Surge { factor: 3.0, after: ms(100), lasting: ms(100) }), Some(150.0));
    }
}
