//! What the swarm asks, and when: a pure function of the seed and the load. No clock, no socket.
//!
//! The whole schedule is never built by anyone: shard *i* of *n* takes the arrivals *k* with `k % n == i` and the
//! connections *c* with `c % n == i`, and because every draw is numbered (SplitMix64 by counter: Steele, Lea, Flood,
//! OOPSLA 2014), the union over the shards is exactly the schedule of one shard.
//!
//! Request numbers (ids) are unique over the swarm and never come twice in a trial: in an open loop the arrival's
//! number *k*; otherwise `c + j * clients` for the *j*-th request of connection *c*.

use super::draw::{Purpose, Stream};
use crate::host::clock::nanoseconds;
use crate::workload::bounds::{ScheduleError, check};
use crate::workload::load::{
    Arrivals, DemandShape, EXPONENTIAL_CUT, Load, RequestShape, Stage, Timing, Work,
};
use crate::workload::rate_clock::RateClock;
use bakeoff_servers::exchange::Request;
use bakeoff_servers::services::{self as servers, StageKind, Stages};

/// The seed of the schedule of a round (from 0) of a run: every round has one of its own, so that a comparison over
/// rounds is not about a single draw; all models of a round share it.
pub fn seed_of_round(seed: u64, round: u32) -> u64 {
    Stream::new(seed, Purpose::Round, 0).bits(round.into())
}

/// One shard's part of a schedule.
#[derive(Clone, Debug)]
pub struct Schedule {
    size: u32,
    demand: DemandShape,
    stages: Vec<Stage>,
    seed: u64,
    clients: u32,
    shard: u32,
    shards: u32,
    offsets_ns: Vec<u64>,
}

impl Schedule {
    /// The part of shard `shard` of `shards`.
    ///
    /// # Errors
    /// As [`check`].
    pub fn new(
        seed: u64,
        load: &Load,
        request: &RequestShape,
        timing: &Timing,
        shard: u32,
        shards: u32,
    ) -> Result<Self, ScheduleError> {
        check(load, request, timing, shard, shards)?;
        let offsets_ns = match *load {
            Load::Open { rate_per_s, arrivals, ref shape, .. } => {
                let process =
                    Process { seed, rate_per_s, arrivals, clock: RateClock::of(shape, timing.warmup) };
                process.offsets(nanoseconds(timing.warmup + timing.window), shard, shards)
            }
            Load::Closed { .. } | Load::Pipelined { .. } | Load::Churn { .. } => Vec::new(),
        };
        let clients = load.clients();
        let RequestShape { size, demand, ref stages, .. } = *request;
        Ok(Self { size, demand, stages: stages.clone(), seed, clients, shard, shards, offsets_ns })
    }

    /// How many connections (or concurrent sessions) are this shard's.
    pub fn connections(&self) -> u32 {
        (self.clients - self.shard).div_ceil(self.shards)
    }

    /// The swarm-wide number of this shard's connection `index`.
    pub fn connection(&self, index: u32) -> u32 {
        self.shard + index * self.shards
    }

    /// Open loop: the intended send times of this shard's arrivals, in nanoseconds from the start, ascending, from
    /// warm-up to the end of the window. Empty for loads that follow the server.
    pub fn offsets_ns(&self) -> &[u64] {
        &self.offsets_ns
    }

    /// Open loop: the request of this shard's arrival `index`.
    pub fn arrival(&self, index: usize) -> Request {
        let k = u64::from(self.shard) + index as u64 * u64::from(self.shards);
        self.request(k, Purpose::ArrivalDemand, 0, k)
    }

    /// Closed loop and churn: request `j` of connection (or session slot) `connection`, swarm-wide number.
    pub fn request_of(&self, connection: u32, j: u64) -> Request {
        let lane = u64::from(connection);
        self.request(lane + j * u64::from(self.clients), Purpose::ConnectionDemand, lane, j)
    }

    /// The request with demand number `index` of a lane. Draws only where there is something to draw.
    fn request(&self, id: u64, purpose: Purpose, lane: u64, index: u64) -> Request {
        let stream = || Stream::new(self.seed, purpose, lane);
        let demand_ns = draw_ns(&self.demand, stream, index);
        let stage = |(number, stage): (u64, &Stage)| servers::Stage {
            kind: match stage.work {
                Work::Compute => StageKind::Compute,
                Work::Block => StageKind::Block,
                Work::Wait | Work::Stages | Work::Poison => StageKind::Wait, // no other is let in
            },
            demand_ns: draw_ns(&stage.demand, || stream().branch(number), index).min(MOST_NS),
        };
        let stages = if self.stages.is_empty() {
            Stages::NONE
        } else {
            Stages::new((0..).zip(&self.stages).map(stage))
        };
        Request { id, size: self.size, demand_ns, stages }
    }
}

/// The longest stage that a request can ask for.
const MOST_NS: u64 = servers::MAX_DEMAND.as_nanos() as u64;

/// Draw number `index` of a demand, in nanoseconds.
fn draw_ns(demand: &DemandShape, stream: impl Fn() -> Stream, index: u64) -> u64 {
    match *demand {
        DemandShape::None => 0,
        DemandShape::Fixed { value } => nanoseconds(value),
        DemandShape::Exponential { mean } => {
            let times_mean = stream().exponential(index).min(EXPONENTIAL_CUT);
            // Zero would ask for the server's default.
            ((times_mean * nanoseconds(mean) as f64).round() as u64).max(1)
        }
        DemandShape::Bimodal { short, long, long_share } => {
            nanoseconds(if stream().unit(index) <= long_share { long } else { short })
        }
        DemandShape::Pareto { .. } => demand.quantile_ns(stream().unit(index)).round() as u64,
        DemandShape::Poison { share } => u64::from(stream().unit(index) <= share),
    }
}

impl Schedule {
    /// Puts the arrivals at uniform gaps of the same mean, from 0 to twice that: a schedule that is not Poisson, for
    /// [`Defect`](super::defect::Defect).
    pub(super) fn make_gaps_uniform(&mut self, seed: u64, end_ns: u64) {
        if self.offsets_ns.is_empty() {
            return; // a load that follows the server has no gaps
        }
        let gaps = Stream::new(seed, Purpose::Gaps, u64::from(self.shard) + 1);
        let widest_ns = 2.0 * end_ns as f64 / self.offsets_ns.len() as f64;
        let times = (0_u64..).scan(0.0_f64, |at_ns, k| {
            *at_ns += gaps.unit(k) * widest_ns;
            Some(at_ns.round() as u64)
        });
        self.offsets_ns = times.take_while(|at| *at < end_ns).collect();
    }
}

/// The process that makes the arrivals of an open loop.
struct Process {
    seed: u64,
    rate_per_s: f64,
    arrivals: Arrivals,
    clock: RateClock,
}

impl Process {
    /// The arrivals of a shard before `end_ns`. Every shard walks all of them, because a Poisson arrival's time is the sum
    /// of all gaps before it, in the same order and so with the same rounding; it keeps its own.
    fn offsets(&self, end_ns: u64, shard: u32, shards: u32) -> Vec<u64> {
        let mean_gap_ns = 1e9 / self.rate_per_s;
        let expected = self.clock.operational_ns(end_ns) / mean_gap_ns / f64::from(shards);
        let mut offsets = Vec::with_capacity((expected * 1.01) as usize + 64);
        let gaps = Stream::new(self.seed, Purpose::Gaps, 0);
        let mut at_ns = 0.0_f64;
        for k in 0_u64.. {
            match self.arrivals {
                Arrivals::Fixed => at_ns = k as f64 * mean_gap_ns,
                Arrivals::Poisson => at_ns += gaps.exponential(k) * mean_gap_ns,
            }
            let offset = self.clock.real_ns(at_ns);
            if offset >= end_ns {
                break;
            }
            if k % u64::from(shards) == u64::from(shard) {
                offsets.push(offset);
            }
        }
        offsets
    }
}
