//! How far a measured workload lies from a question, dimension by dimension.
//!
//! # The distance
//! Most dimensions matter by factors, so each is compared by the logarithm of base 2 of a ratio: one *doubling* is one
//! step, up or down. Below a floor differences do not count, for they are lost beside what every exchange costs. The
//! steps are weighted and added up:
//!
//! | dimension | a doubling costs | floor | why |
//! |---|---|---|---|
//! | rate | 1 | 1/s | waiting grows faster than the rate does |
//! | compute, wait, block per request | 1 each | 10 µs | they decide who is busy, and for how long |
//! | active connections | 0.5 | 1 | a doubling of clients rarely changes the order of models |
//! | idle connections | 0.25 | 64 | they cost memory, and time in few models |
//! | payload | 0.5 | 1 KiB | below one segment bytes hardly count, above it copying grows with them |
//! | requests per connection | 0.5 | 1 | a connection's cost is spread over them |
//! | variability (1 + variance over squared mean) | 0.25 | | it reaches the tail first |
//! | requests in flight per connection | 1 | 1 | pipelining saves a wake-up for each |
//!
//! Categories are no factors and cost much at once: [`OTHER_LIFE`] between connections that stay and ones that are
//! closed after some requests, [`OTHER_WORK`] between kinds of work (none, compute, wait, block), and [`OTHER_PACE`] for the
//! response time where a question has a rate and the clients of the workload waited for replies.
//!
//! A criterion only counts what bears on it ([`Purpose`]): capacity does not depend on the rate asked for, memory hardly
//! on the work. The distance is 0 for the same workload, symmetric, and grows with every ratio. What is unknown on either
//! side costs nothing; that it is unknown is told elsewhere and lowers the confidence.

use super::question::{Question, Work};
use crate::record::{Pacing, Profile};
use serde::{Deserialize, Serialize};

/// Nearer than this is as good as the same workload.
pub const NEAR: f64 = 1.0;
/// Up to this a workload is similar.
pub const SIMILAR: f64 = 3.0;
/// A workload that lies further is not used.
pub const FAR: f64 = 6.0;

/// The cost between connections that stay and ones that are closed after some requests.
pub const OTHER_LIFE: f64 = 6.0;
/// The cost between kinds of work.
pub const OTHER_WORK: f64 = 4.0;
/// The cost between a rate of independent users and clients that wait for replies, for the response time.
pub const OTHER_PACE: f64 = 3.0;

/// What a workload is compared for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The highest rate: all but the rate counts.
    Capacity,
    /// The response time: everything counts.
    Latency,
    /// The memory: connections count as elsewhere, payload and work a quarter.
    Memory,
}

/// What is compared by its ratio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// Requests per second.
    Rate,
    /// Active connections.
    Active,
    /// Idle connections.
    Idle,
    /// Bytes of payload.
    Payload,
    /// Requests on a connection.
    RequestsPerConnection,
    /// Requests in flight on a connection.
    InFlight,
    /// Nanoseconds of work of a request.
    Work(Work),
}

/// How a question and a workload differ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Difference {
    /// In a figure.
    Ratio {
        /// Which.
        measure: Measure,
        /// In the question.
        yours: f64,
        /// In the workload.
        measured: f64,
    },
    /// In how much the work differs from request to request.
    Spread {
        /// Whether it does so more in the question.
        more: bool,
    },
    /// Connections stay on one side and are closed on the other.
    Life {
        /// Whether those of the question are closed.
        yours_close: bool,
    },
    /// In the kind of work that dominates; absent where there is next to none.
    Kind {
        /// In the question.
        yours: Option<Work>,
        /// In the workload.
        measured: Option<Work>,
    },
    /// Requests come by a schedule on one side, clients wait for replies on the other.
    Pace {
        /// Whether the schedule is the question's.
        yours_open: bool,
    },
}

/// One difference between a question and a workload.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// What it adds to the distance, above 0.
    pub cost: f64,
    /// The difference.
    pub difference: Difference,
}

/// A distance with what it is made of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Distance {
    /// The differences, the largest first.
    pub parts: Vec<Part>,
}

impl Distance {
    /// The sum of its parts.
    pub fn total(&self) -> f64 {
        self.parts.iter().map(|part| part.cost).sum()
    }

    fn add(&mut self, cost: f64, difference: Difference) {
        if cost > 1e-9 {
            self.parts.push(Part { cost, difference });
        }
    }
}

/// Either side of a comparison; what is not known is absent.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Whether requests come at times of their own: absent where it does not matter.
    pub open: Option<bool>,
    /// Requests on a connection; absent where it stays.
    pub requests_per_connection: Option<u64>,
    /// Requests per second.
    pub rate_per_s: Option<f64>,
    /// Connections that ask.
    pub active: Option<f64>,
    /// Connections that do not.
    pub idle: Option<f64>,
    /// Payload.
    pub payload_bytes: Option<f64>,
    /// Compute, wait and block, in nanoseconds.
    pub work_ns: [f64; 3],
    /// Variance of the work over its squared mean.
    pub scv: Option<f64>,
    /// Requests in flight on a connection.
    pub in_flight: f64,
}

impl From<&Profile> for Point {
    fn from(profile: &Profile) -> Self {
        let churned = profile.pacing == Pacing::Churn;
        Self {
            open: (!churned).then_some(profile.pacing == Pacing::Open),
            requests_per_connection: profile.requests_per_connection.filter(|_| churned),
            rate_per_s: profile.rate_per_s,
            active: Some(profile.active_connections as f64),
            idle: Some(profile.idle_connections as f64),
            payload_bytes: Some(profile.payload_bytes as f64),
            work_ns: [profile.compute_ns, profile.wait_ns, profile.block_ns],
            scv: Some(profile.demand_scv),
            in_flight: f64::from(profile.in_flight_per_connection),
        }
    }
}

impl From<&Question> for Point {
    fn from(question: &Question) -> Self {
        Self {
            open: question.requests_per_connection.is_none().then_some(question.rate_per_s.is_some()),
            requests_per_connection: question.requests_per_connection,
            rate_per_s: question.rate_per_s,
            active: question.active().map(|n| n as f64),
            idle: question.idle().map(|n| n as f64),
            payload_bytes: question.payload_bytes.map(|bytes| bytes as f64),
            work_ns: [question.compute_ns, question.wait_ns, question.block_ns].map(|ns| ns.unwrap_or(0.0)),
            scv: question.variability.map(|variability| variability.scv()),
            in_flight: 1.0,
        }
    }
}

/// The kinds of work, in the order of [`Point::work_ns`].
const WORK: [Work; 3] = [Work::Compute, Work::Wait, Work::Block];

/// Work shorter than this is lost beside the exchange itself.
const WORK_FLOOR_NS: f64 = 10_000.0;

impl Point {
    /// Which kind of work dominates a request; `None` where there is next to none.
    fn kind(&self) -> Option<Work> {
        let largest = (0..WORK.len()).max_by(|a, b| self.work_ns[*a].total_cmp(&self.work_ns[*b]))?;
        (self.work_ns[largest] > WORK_FLOOR_NS).then_some(WORK[largest])
    }
}

/// Doublings between two figures, neither counted below `floor`.
fn doublings(a: f64, b: f64, floor: f64) -> f64 {
    (a.max(floor) / b.max(floor)).log2().abs()
}

/// Measure, yours, measured, cost of a doubling, floor.
type Compared = (Measure, Option<f64>, Option<f64>, f64, f64);

/// How far `measured` lies from `yours`.
pub fn distance(yours: &Point, measured: &Point, purpose: Purpose) -> Distance {
    let mut all = Distance::default();
    categories(&mut all, yours, measured, purpose);
    let slight = if purpose == Purpose::Memory { 0.25 } else { 1.0 };
    let rate = if purpose == Purpose::Latency { 1.0 } else { 0.0 };
    let requests = |point: &Point| point.requests_per_connection.map(|n| n as f64);
    let figures: [Compared; 6] = [
        (Measure::Rate, yours.rate_per_s, measured.rate_per_s, rate, 1.0),
        (Measure::Active, yours.active, measured.active, 0.5, 1.0),
        (Measure::Idle, yours.idle, measured.idle, 0.25, 64.0),
        (Measure::Payload, yours.payload_bytes, measured.payload_bytes, 0.5 * slight, 1024.0),
        (Measure::RequestsPerConnection, requests(yours), requests(measured), 0.5 * slight, 1.0),
        (Measure::InFlight, Some(yours.in_flight), Some(measured.in_flight), slight, 1.0),
    ];
    let work =
        WORK.into_iter().zip(yours.work_ns).zip(measured.work_ns).map(|((kind, ours), theirs)| {
            (Measure::Work(kind), Some(ours), Some(theirs), slight, WORK_FLOOR_NS)
        });
    for (measure, ours, theirs, weight, floor) in figures.into_iter().chain(work) {
        if let (Some(yours), Some(measured)) = (ours, theirs) {
            all.add(
                weight * doublings(yours, measured, floor),
                Difference::Ratio { measure, yours, measured },
            );
        }
    }
    if let (Some(ours), Some(theirs), true) = (yours.scv, measured.scv, purpose != Purpose::Memory) {
        all.add(0.25 * doublings(1.0 + ours, 1.0 + theirs, 1.0), Difference::Spread { more: ours > theirs });
    }
    all.parts.sort_by(|a, b| b.cost.total_cmp(&a.cost));
    all
}

fn categories(all: &mut Distance, yours: &Point, measured: &Point, purpose: Purpose) {
    let closes = |point: &Point| point.requests_per_connection.is_some();
    if closes(yours) != closes(measured) {
        all.add(OTHER_LIFE, Difference::Life { yours_close: closes(yours) });
    }
    if yours.kind() != measured.kind() && purpose != Purpose::Memory {
        all.add(OTHER_WORK, Difference::Kind { yours: yours.kind(), measured: measured.kind() });
    }
    if let (Some(ours), Some(theirs), Purpose::Latency) = (yours.open, measured.open, purpose)
        && ours != theirs
    {
        all.add(OTHER_PACE, Difference::Pace { yours_open: ours });
    }
}
