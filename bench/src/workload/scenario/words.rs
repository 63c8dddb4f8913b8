//! What a scenario asks, in words for people and in figures for questions: both go into the bundle.

use super::{POISON, Scenario};
use crate::host::clock::nanoseconds;
use crate::workload::load::{Arrivals, Beside, DemandShape, Load, RateShape};
use crate::workload::units::show_duration;
use bakeoff_reports::record::{Pacing, Profile};
use bakeoff_servers::services;

impl Scenario {
    /// The load in words.
    pub fn load_in_words(&self) -> String {
        match self.load {
            Load::Closed { clients, think } if think.is_zero() => format!("closed loop, {clients} clients"),
            Load::Closed { clients, think } => {
                format!("closed loop, {clients} clients, {} think time", show_duration(think))
            }
            Load::Pipelined { clients, depth } => {
                format!("closed loop, {clients} clients, up to {depth} requests under way on each connection")
            }
            Load::Open { clients, rate_per_s, arrivals, ref shape } => {
                let arrivals = match arrivals {
                    Arrivals::Fixed => "evenly spaced",
                    Arrivals::Poisson => "Poisson",
                };
                let shape = shape_in_words(shape);
                format!("open loop, {rate_per_s} requests/s {arrivals}{shape}, {clients} connections")
            }
            Load::Churn { clients, requests_per_connection } => {
                format!(
                    "churn, {clients} sessions at once, {requests_per_connection} request(s) per connection"
                )
            }
        }
    }

    /// The workload in figures.
    pub fn profile(&self) -> Profile {
        let (pacing, requests_per_connection) = match self.load {
            Load::Closed { .. } | Load::Pipelined { .. } => (Pacing::Closed, None),
            Load::Open { .. } => (Pacing::Open, None),
            Load::Churn { requests_per_connection, .. } => {
                (Pacing::Churn, Some(u64::from(requests_per_connection)))
            }
        };
        let kind = services::find(&self.service).and_then(|service| service.demand);
        let (mean_ns, demand_scv) = self.demand_moments(kind);
        let of = |name: &str| if kind == Some(name) { mean_ns } else { 0.0 };
        Profile {
            pacing,
            active_connections: self.load.clients().into(),
            idle_connections: self.beside.idle.into(),
            rate_per_s: self.load.rate_per_s(self.timing.window),
            requests_per_connection,
            in_flight_per_connection: self.load.in_flight_per_connection(),
            payload_bytes: self.request.size.into(),
            compute_ns: of("compute"),
            wait_ns: of("wait"),
            block_ns: of("block"),
            demand_scv,
        }
    }

    /// Mean in nanoseconds and squared coefficient of variation of what a request demands; a request that states no
    /// demand gets the service's own, if it has one.
    fn demand_moments(&self, kind: Option<&str>) -> (f64, f64) {
        match self.request.demand {
            DemandShape::None if kind == Some(POISON) => (0.0, 0.0),
            DemandShape::None => (nanoseconds(services::ServiceConfig::default().default_demand) as f64, 0.0),
            ref shape => shape.moments(),
        }
    }
}

fn shape_in_words(shape: &RateShape) -> String {
    match *shape {
        RateShape::Steady => String::new(),
        RateShape::Bursts { on, off } => {
            format!(" in bursts of {} every {}", show_duration(on), show_duration(on + off))
        }
        RateShape::Surge { factor, after, lasting } => {
            let (after, lasting) = (show_duration(after), show_duration(lasting));
            format!(", {factor} times as many for {lasting} from {after} on")
        }
    }
}

/// A demand in words.
pub(super) fn demand(demand: &DemandShape) -> String {
    match *demand {
        DemandShape::None => "none".into(),
        DemandShape::Fixed { value } => show_duration(value),
        DemandShape::Exponential { mean } => format!("exponential, mean {}", show_duration(mean)),
        DemandShape::Bimodal { short, long, long_share } => {
            format!("{}, and {} with probability {long_share}", show_duration(short), show_duration(long))
        }
        DemandShape::Pareto { least, most, shape } => {
            format!("bounded Pareto, {} to {}, shape {shape}", show_duration(least), show_duration(most))
        }
        DemandShape::Poison { share } => format!("aborts its handler with probability {share}"),
    }
}

/// The connections beside the load in words; `None` where there are none.
pub(super) fn beside(beside: &Beside) -> Option<String> {
    let parts = [
        (beside.idle, "idle"),
        (beside.slow_readers, "that read slowly"),
        (beside.slow_senders, "that send slowly"),
    ];
    let words: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn companions_are_named_where_there_are_any() {
        assert_eq!(beside(&Beside::default()), None);
        let some = Beside { idle: 2000, slow_readers: 0, slow_senders: 8 };
        assert_eq!(beside(&some), Some("2000 idle, 8 that send slowly".into()));
    }
}
