//! How much a load may ask: the bounds of every value, and what is said of one that breaks them.

use super::load::RateShape;
use super::load::{Background, DemandShape, Load, RequestShape, Timing, Transport};
use super::rate_clock::RateClock;
use crate::host::clock::nanoseconds;
use bakeoff_reports::record::moments_of_sum;
use bakeoff_servers::services::{MAX_MESSAGE, Stages};
use std::time::Duration;

/// Most requests an open loop may schedule, warm-up included. At 8 bytes each in memory: 400 MB.
pub const MAX_REQUESTS: u64 = 50_000_000;
/// Most connections (or concurrent sessions) of a swarm.
pub const MAX_CLIENTS: u32 = 1_000_000;
/// Largest payload in bytes: what the services take.
pub const MAX_SIZE_BYTES: u32 = MAX_MESSAGE;
/// Longest time that a trial, a demand, a think time or a timeout may have: what a histogram tells apart.
pub const MAX_DURATION: Duration = Duration::from_secs(3600);
/// The flattest and the steepest power law of demands: nearer to 0 it is the log-uniform law and the formulas lose their
/// digits, above 100 it is a constant.
pub const MIN_PARETO_SHAPE: f64 = 0.01;
/// As [`MIN_PARETO_SHAPE`].
pub const MAX_PARETO_SHAPE: f64 = 100.0;
/// Most requests that a connection may have under way at once.
pub const MAX_PIPELINE: u32 = 1_024;
/// Most requests that all connections may have under way at once, where they may have several. At 16 bytes each in
/// memory: 128 MB.
pub const MAX_IN_FLIGHT: u64 = 8_000_000;

/// A schedule that cannot be made, with the bound that it breaks.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ScheduleError {
    /// Clients outside 1 to [`MAX_CLIENTS`].
    #[error("{0} clients: give 1 to {MAX_CLIENTS}")]
    Clients(u32),
    /// A rate that is no positive number.
    #[error("a rate of {0} requests per second: give a number above 0")]
    Rate(f64),
    /// More requests than a schedule holds.
    #[error(
        "{rate_per_s} requests per second for {duration:?} are {requests:.0} requests, and a schedule holds \
         {MAX_REQUESTS}: lower the rate or shorten the window"
    )]
    TooManyRequests {
        /// The rate asked for.
        rate_per_s: f64,
        /// Warm-up and window together.
        duration: Duration,
        /// Their product.
        requests: f64,
    },
    /// A pipeline outside 2 to [`MAX_PIPELINE`] (a scenario's `pipeline = 1` is the plain closed loop).
    #[error("a pipeline of {0} requests per connection: give 1 to {MAX_PIPELINE}")]
    Pipeline(u32),
    /// More requests under way than [`MAX_IN_FLIGHT`].
    #[error(
        "{clients} clients with {depth} requests under way each are {} requests at once, and {MAX_IN_FLIGHT} are the \
         most: lower one of the two",
        u64::from(*clients) * u64::from(*depth)
    )]
    TooManyInFlight {
        /// Connections.
        clients: u32,
        /// Requests on each.
        depth: u32,
    },
    /// A change of rate that the window has no room for, or that is none; in words.
    #[error("{0}")]
    Shape(String),
    /// A distribution of demands whose parameters make none; in words.
    #[error("{0}")]
    Demand(String),
    /// More connections than [`MAX_CLIENTS`] with those beside the load.
    #[error("{clients} clients and {background} background connections: {MAX_CLIENTS} are the most together")]
    TooManyInBackground {
        /// Clients of the load.
        clients: u32,
        /// Background connections.
        background: u64,
    },
    /// TLS with what the swarm does on bare sockets alone.
    #[error("{0} cannot go over TLS yet: leave one of the two out")]
    NotOverTls(&'static str),
    /// Sessions without requests.
    #[error("0 requests per connection: give at least 1")]
    EmptySession,
    /// A payload above [`MAX_SIZE_BYTES`].
    #[error("a payload of {0} bytes: give {MAX_SIZE_BYTES} at most")]
    Size(u32),
    /// A probability outside 0 to 1.
    #[error("long_share = {0}: a probability lies between 0 and 1")]
    Share(f64),
    /// A time that must not be zero.
    #[error("{0} is zero: give a positive time")]
    Zero(&'static str),
    /// A time above [`MAX_DURATION`].
    #[error("{what} is {value:?}: the longest is {MAX_DURATION:?}")]
    TooLong {
        /// Which time.
        what: &'static str,
        /// How long it is.
        value: Duration,
    },
    /// A shard that does not exist, or that would have no connection.
    #[error("shard {shard} of {shards} over {clients} clients: shards count from 0, and each needs a client")]
    Shard {
        /// The shard asked for.
        shard: u32,
        /// How many there are.
        shards: u32,
        /// Clients of the swarm.
        clients: u32,
    },
}

/// Checks that a schedule can be made of these values, without making it.
///
/// # Errors
/// The first bound that is broken, with the value and the bound.
pub fn check(
    load: &Load,
    request: &RequestShape,
    timing: &Timing,
    shard: u32,
    shards: u32,
) -> Result<(), ScheduleError> {
    let clients = load.clients();
    if clients == 0 || clients > MAX_CLIENTS {
        return Err(ScheduleError::Clients(clients));
    }
    if shard >= shards || shards > clients {
        return Err(ScheduleError::Shard { shard, shards, clients });
    }
    check_times(timing)?;
    match *load {
        Load::Closed { think, .. } => not_too_long("the think time", think)?,
        Load::Pipelined { depth, .. } => check_pipeline(clients, depth)?,
        Load::Open { rate_per_s, ref shape, .. } => {
            if !(rate_per_s.is_finite() && rate_per_s > 0.0) {
                return Err(ScheduleError::Rate(rate_per_s));
            }
            check_shape(shape, timing.window)?;
            let duration = timing.warmup + timing.window;
            let requests =
                rate_per_s * RateClock::of(shape, timing.warmup).operational_ns(nanoseconds(duration)) / 1e9;
            if requests > MAX_REQUESTS as f64 {
                return Err(ScheduleError::TooManyRequests { rate_per_s, duration, requests });
            }
        }
        Load::Churn { requests_per_connection: 0, .. } => return Err(ScheduleError::EmptySession),
        Load::Churn { .. } => {}
    }
    check_request(request)
}

/// Checks that the background connections of a load are not too many.
///
/// # Errors
/// Both counts, and the bound.
pub fn check_background(load: &Load, background: &Background) -> Result<(), ScheduleError> {
    let (clients, background) = (load.clients(), background.total());
    if u64::from(clients) + background > u64::from(MAX_CLIENTS) {
        return Err(ScheduleError::TooManyInBackground { clients, background });
    }
    Ok(())
}

/// Checks that what a load does can go over TLS.
///
/// # Errors
/// What cannot.
pub fn check_tls(
    tls: bool,
    transport: Transport,
    load: &Load,
    background: &Background,
) -> Result<(), ScheduleError> {
    match load {
        _ if !tls => Ok(()),
        _ if !transport.is_tcp() => Err(ScheduleError::NotOverTls("UDP")),
        Load::Pipelined { .. } => Err(ScheduleError::NotOverTls("a pipeline of requests")),
        _ if background.total() > 0 => Err(ScheduleError::NotOverTls("background connections")),
        Load::Closed { .. } | Load::Open { .. } | Load::Churn { .. } => Ok(()),
    }
}

fn check_pipeline(clients: u32, depth: u32) -> Result<(), ScheduleError> {
    if !(2..=MAX_PIPELINE).contains(&depth) {
        return Err(ScheduleError::Pipeline(depth));
    }
    if u64::from(clients) * u64::from(depth) > MAX_IN_FLIGHT {
        return Err(ScheduleError::TooManyInFlight { clients, depth });
    }
    Ok(())
}

fn check_shape(shape: &RateShape, window: Duration) -> Result<(), ScheduleError> {
    let refuse = |reason| Err(ScheduleError::Shape(reason));
    match *shape {
        RateShape::Steady => Ok(()),
        RateShape::Bursts { on, off } if on.is_zero() || off.is_zero() => {
            refuse(format!("bursts of {on:?} with {off:?} between them: give both a positive time"))
        }
        RateShape::Bursts { on, off } if on + off > window => refuse(format!(
            "bursts of {on:?} with {off:?} between them: one such cycle is longer than the window of {window:?}, so no \
             trial would see one whole; shorten them or lengthen the window"
        )),
        RateShape::Bursts { .. } => Ok(()),
        RateShape::Surge { factor, .. } if !(factor.is_finite() && factor > 1.0) => {
            refuse(format!("a surge to {factor} times the rate: give a factor above 1"))
        }
        RateShape::Surge { lasting, .. } if lasting.is_zero() => {
            refuse("a surge that lasts no time: give `lasting` a positive time".into())
        }
        RateShape::Surge { after, lasting, .. } if after + lasting > window => refuse(format!(
            "a surge from {after:?} to {:?} after the window's begin does not lie within the window of {window:?}",
            after + lasting
        )),
        RateShape::Surge { .. } => Ok(()),
    }
}

fn check_times(timing: &Timing) -> Result<(), ScheduleError> {
    for (what, value) in [
        ("the warm-up", timing.warmup),
        ("the window", timing.window),
        ("the request timeout", timing.timeout),
        ("the drain", timing.drain),
    ] {
        not_too_long(what, value)?;
    }
    for (what, value) in [("the window", timing.window), ("the request timeout", timing.timeout)] {
        if value.is_zero() {
            return Err(ScheduleError::Zero(what));
        }
    }
    Ok(())
}

fn check_request(request: &RequestShape) -> Result<(), ScheduleError> {
    if request.size > MAX_SIZE_BYTES {
        return Err(ScheduleError::Size(request.size));
    }
    if request.stages.len() > Stages::MOST {
        let (stages, most) = (request.stages.len(), Stages::MOST);
        return Err(ScheduleError::Demand(format!(
            "`demand` has {stages} stages; a request can have {most} at most"
        )));
    }
    check_demand(&request.demand)?;
    request.stages.iter().try_for_each(|stage| check_demand(&stage.demand))?;
    Ok(())
}

/// Whether what a person asks for can be measured: where the stages of a request take longer than the window on average, next to no
/// request that begins in it ends in it. Not asked of a calibrated or a shortened trial.
///
/// # Errors
/// Both times.
pub fn check_stages(request: &RequestShape, timing: &Timing) -> Result<(), ScheduleError> {
    let (mean_ns, _) = moments_of_sum(&request.stages);
    let (mean, window) = (Duration::from_nanos(mean_ns as u64), timing.window);
    if mean > window {
        let reason =
            format!("the stages of a request take {mean:?} on average, and the window is {window:?}");
        return Err(ScheduleError::Demand(reason));
    }
    Ok(())
}

fn check_demand(demand: &DemandShape) -> Result<(), ScheduleError> {
    match *demand {
        DemandShape::None => Ok(()),
        DemandShape::Fixed { value } => not_too_long("the demand", value),
        DemandShape::Exponential { mean } => not_too_long("the mean demand", mean),
        DemandShape::Bimodal { short, long, long_share } => {
            not_too_long("the short demand", short)?;
            not_too_long("the long demand", long)?;
            if (0.0..=1.0).contains(&long_share) { Ok(()) } else { Err(ScheduleError::Share(long_share)) }
        }
        DemandShape::Pareto { least, most, shape } => {
            not_too_long("the largest demand", most)?;
            check_pareto(least, most, shape)
        }
        DemandShape::Poison { share } if !(share > 0.0 && share < 1.0) => {
            Err(ScheduleError::Demand(format!("`share` is {share}; it must lie between 0 and 1")))
        }
        DemandShape::Poison { .. } => Ok(()),
    }
}

fn check_pareto(least: Duration, most: Duration, shape: f64) -> Result<(), ScheduleError> {
    let refuse = |reason| Err(ScheduleError::Demand(reason));
    if least.is_zero() || least >= most {
        return refuse(format!("`least` is {least:?} and `most` {most:?}; give 0 < least < most"));
    }
    if !(MIN_PARETO_SHAPE..=MAX_PARETO_SHAPE).contains(&shape) {
        return refuse(format!(
            "`shape` is {shape}; give {MIN_PARETO_SHAPE} to {MAX_PARETO_SHAPE} (1 to 2 is the heavy tail of real services)"
        ));
    }
    Ok(())
}

fn not_too_long(what: &'static str, value: Duration) -> Result<(), ScheduleError> {
    if value > MAX_DURATION { Err(ScheduleError::TooLong { what, value }) } else { Ok(()) }
}
