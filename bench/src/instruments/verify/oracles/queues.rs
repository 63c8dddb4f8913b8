//! Queues with known answers: one server with exponential and with constant work, a pool of four with exponential waits.
//!
//! Every connection holds one thread of the pool and has one request outstanding, and what finds none free queues in the
//! swarm: a first-come-first-served queue of as many servers as connections. What a server is busy with for a request is
//! its service time as the swarm sees it, the round trip included; so the closed forms are fed with the moments of the
//! trial's own service times (and M/M/1, whose service is exponential but for that round trip, is computed as M/G/1), the
//! bands with replications drawn from them, and the wait is what must come out. A replay of the very arrivals and demands
//! says it again without the chance: its band is for the machine alone.

use super::super::MACHINE;
use super::super::finding::{Finding, Unit};
use super::super::rig::{Kind, Rig, RigTrial};
use super::super::simulate::{Queue, Replications, Summary, replay};
use super::super::theory::{mg1_wait, mmc_wait_over_service, two_sided_z};
use crate::process::launch::LaunchError;
use crate::process::server::Server;
use crate::process::workers::PATIENCE;
use crate::swarm::schedule::Schedule;
use crate::swarm::spec::WorkerSpec;
use crate::workload::load::{Arrivals, DemandShape, Load, RateShape, RequestShape, Timing};
use bakeoff_reports::record::histogram::Recorder;
use std::time::Duration;

/// Mean work of a request where one worker serves. A wait, not a computation: a machine that stands still for some
/// milliseconds now and then (a virtual one does, and tells nobody) prolongs a computation by all of it, one request
/// after the other, and a wait by what is left of the standstill when the timer is due.
const WORK: Duration = Duration::from_millis(4);
/// How far a figure may be from that of the replay.
const REPLAY: f64 = 0.05;
/// The speed of the machine may change by this factor during a trial.
const DRIFT: f64 = 1.05;
/// A band that reaches above so many times what is expected proves nothing.
const WIDE: f64 = 2.0;
/// Utilisation above which a trial is void: above 0.8, which the oracles aim at at most, bands get too wide to prove much.
const OVERLOAD: f64 = 0.85;
/// Entries of the table that service times are drawn from.
const TABLE: usize = 4096;

/// What is built.
struct Shape {
    oracle: &'static str,
    service: &'static str,
    demand: DemandShape,
    /// Connections and threads.
    c: u32,
    rho: f64,
    window: Duration,
}

/// What was seen, and what theory says of it. Times in nanoseconds.
struct QueueTrial {
    outcome: RigTrial,
    lambda: f64,
    mean: f64,
    mean_square: f64,
    bands: Replications,
    replayed: Summary,
    /// Why the trial proves nothing.
    void: Option<String>,
}

impl QueueTrial {
    /// The findings, marked with what disturbed or voids them.
    fn mark(&self, mut findings: Vec<Finding>) -> Vec<Finding> {
        for finding in &mut findings {
            finding.void.clone_from(&self.void);
            if finding.band.1 > WIDE * finding.expected {
                finding.void = Some("service times scattered so that no figure could be wrong".into());
            }
        }
        self.outcome.mark(findings)
    }
}

/// M/M/1.
pub(super) fn mm1(rig: &Rig<'_>) -> Result<Vec<Finding>, LaunchError> {
    let mean = WORK;
    let shape = Shape {
        oracle: "mm1",
        service: "wait",
        demand: DemandShape::Exponential { mean },
        c: 1,
        rho: rig.scale.pick(0.5, 0.5, 0.7),
        window: Duration::from_secs(rig.scale.pick(5, 6, 50)),
    };
    rig.undisturbed(|seed| {
        let seen = seen(rig, &shape, seed)?;
        let wait = mg1_wait(seen.lambda, seen.mean, seen.mean_square);
        let z = two_sided_z(rig.alpha);
        let mean = (seen.mean + wait, seen.outcome.mean_response_ns());
        let p99 = (seen.bands.p99.centre, seen.outcome.response_ns(0.99));
        let findings = vec![
            Finding::between(
                "mm1",
                "mean response",
                Unit::Time,
                mean,
                widened(seen.bands.mean.band(mean.0, z), mean.0),
            ),
            Finding::between(
                "mm1",
                "p99 response",
                Unit::Time,
                p99,
                widened(seen.bands.p99.band(p99.0, z), p99.0),
            ),
            wait_finding("mm1", "mean wait", &seen, wait, z),
            Finding::within("mm1", "mean, replayed", Unit::Time, (seen.replayed.mean, mean.1), REPLAY),
            Finding::within("mm1", "p99, replayed", Unit::Time, (seen.replayed.p99, p99.1), REPLAY),
        ];
        Ok(seen.mark(findings))
    })
}

/// M/D/1.
pub(super) fn md1(rig: &Rig<'_>) -> Result<Vec<Finding>, LaunchError> {
    let shape = Shape {
        oracle: "md1",
        service: "wait",
        demand: DemandShape::Fixed { value: WORK },
        c: 1,
        rho: rig.scale.pick(0.5, 0.5, 0.7),
        window: Duration::from_secs(rig.scale.pick(2, 5, 50)),
    };
    rig.undisturbed(|seed| {
        let seen = seen(rig, &shape, seed)?;
        let wait = mg1_wait(seen.lambda, seen.mean, seen.mean_square);
        let replayed = (seen.replayed.mean, seen.outcome.mean_response_ns());
        let findings = vec![
            wait_finding("md1", "mean wait", &seen, wait, two_sided_z(rig.alpha)),
            Finding::within("md1", "mean, replayed", Unit::Time, replayed, REPLAY),
        ];
        Ok(seen.mark(findings))
    })
}

/// M/M/c.
pub(super) fn mmc(rig: &Rig<'_>) -> Result<Vec<Finding>, LaunchError> {
    let shape = Shape {
        oracle: "mmc",
        service: "wait",
        demand: DemandShape::Exponential { mean: Duration::from_millis(2) },
        c: 4,
        rho: rig.scale.pick(0.7, 0.7, 0.8),
        window: Duration::from_secs(rig.scale.pick(2, 6, 60)),
    };
    rig.undisturbed(|seed| {
        let seen = seen(rig, &shape, seed)?;
        // The overshoot of the sleeps makes the service a little less than exponential: Lee and Longton's correction
        // (Queueing processes associated with airline passenger check-in, Oper. Res. Q. 10, 1959).
        let variation = seen.mean_square / (seen.mean * seen.mean) - 1.0;
        let load = seen.lambda * seen.mean;
        let wait = mmc_wait_over_service(shape.c, load) * seen.mean * (1.0 + variation) / 2.0;
        let replayed = (seen.replayed.mean, seen.outcome.mean_response_ns());
        let findings = vec![
            wait_finding("mmc", "mean wait (Erlang C)", &seen, wait, two_sided_z(rig.alpha)),
            Finding::within("mmc", "mean, replayed", Unit::Time, replayed, REPLAY),
        ];
        Ok(seen.mark(findings))
    })
}

fn wait_finding(oracle: &'static str, figure: &str, seen: &QueueTrial, wait: f64, z: f64) -> Finding {
    let measured = seen.outcome.mean_response_ns() - seen.outcome.mean_service_ns();
    let band = widened(seen.bands.mean_wait.band(wait, z), wait);
    Finding::between(oracle, figure, Unit::Time, (wait, measured), band)
}

/// The band by chance, with room for the machine.
fn widened((low, high): (f64, f64), expected: f64) -> (f64, f64) {
    (low - MACHINE * expected, high + MACHINE * expected)
}

/// Runs the queue and its theory.
fn seen(rig: &Rig<'_>, shape: &Shape, seed: u64) -> Result<QueueTrial, LaunchError> {
    let server = rig.serve(Kind::Pool(shape.c), shape.service)?;
    let before_ns = pilot(rig, shape, &server)?;
    // How long the work takes here and now decides how often to ask for it.
    let rate_per_s = shape.rho * f64::from(shape.c) * 1e9 / before_ns;
    let load =
        Load::Open { clients: shape.c, rate_per_s, arrivals: Arrivals::Poisson, shape: RateShape::Steady };
    let spec = WorkerSpec {
        request: RequestShape::new(64, shape.demand),
        seed,
        ..rig.spec(server.address, shape.service, load, shape.window)
    };
    let mut outcome = rig.plain_trial(&spec, &server)?;
    let drift = pilot(rig, shape, &server)? / before_ns;
    server.stop(PATIENCE);
    if !(1.0 / DRIFT..=DRIFT).contains(&drift) {
        let reason = format!("the same work took {drift:.2} times as long after it as before");
        outcome.disturbed.get_or_insert(reason);
    }
    let schedule = Schedule::new(spec.seed, &spec.load, &spec.request, &spec.timing, 0, 1)
        .map_err(|e| LaunchError::Refused(format!("the schedule of {} cannot be made: {e}", shape.oracle)))?;
    let warmup_ns = spec.timing.warmup.as_nanos() as u64;
    let skip = schedule.offsets_ns().partition_point(|at| *at < warmup_ns);
    let n = schedule.offsets_ns().len() - skip;
    let services = table(&outcome.service);
    let lambda = rate_per_s / 1e9;
    let queue = Queue { lambda, c: shape.c as usize, services: &services, skip, n };
    let bands = queue.replicate(rig.scale.pick(100, 300, 100), seed);
    let replayed = replay_schedule(&schedule, shape, &outcome, skip);
    let (mean, mean_square) = moments(&outcome);
    let rho = lambda * mean / f64::from(shape.c);
    let void =
        (rho > OVERLOAD).then(|| format!("work took longer than before it: the utilisation was {rho:.2}"));
    Ok(QueueTrial { void, outcome, lambda, mean, mean_square, bands, replayed })
}

/// The median service time of the mean demand with nobody waiting, in nanoseconds.
fn pilot(rig: &Rig<'_>, shape: &Shape, server: &Server) -> Result<f64, LaunchError> {
    let value = match shape.demand {
        DemandShape::Exponential { mean } => mean,
        other => other.largest(),
    };
    let load = Load::Closed { clients: shape.c, think: Duration::ZERO };
    let ms = Duration::from_millis;
    let spec = rig.spec(server.address, shape.service, load, ms(200));
    let spec = WorkerSpec {
        request: RequestShape::new(64, DemandShape::Fixed { value }),
        timing: Timing { warmup: ms(50), ..spec.timing },
        ..spec
    };
    Ok(rig.plain_trial(&spec, server)?.service.histogram().value_at_quantile(0.5) as f64)
}

/// Equally likely service times.
fn table(service: &Recorder) -> Vec<f64> {
    let at = |i: usize| (i as f64 + 0.5) / TABLE as f64;
    (0..TABLE).map(|i| service.histogram().value_at_quantile(at(i)) as f64).collect()
}

/// Mean and mean square of the service times.
fn moments(outcome: &RigTrial) -> (f64, f64) {
    let histogram = outcome.service.histogram();
    let square = |value: u64| (value as f64) * (value as f64);
    let sum: f64 = histogram
        .iter_recorded()
        .map(|step| {
            square(histogram.median_equivalent(step.value_iterated_to())) * step.count_at_value() as f64
        })
        .sum();
    (outcome.mean_service_ns(), sum / histogram.len().max(1) as f64)
}

/// The trial's arrivals and demands through a computed queue. A demand of x takes a + b x here, where a (the round trip)
/// and b (nominal to real) are those that carry the demands' median and 90th percentile to the service times'.
fn replay_schedule(schedule: &Schedule, shape: &Shape, outcome: &RigTrial, skip: usize) -> Summary {
    let count = schedule.offsets_ns().len();
    let demands: Vec<f64> = (0..count).map(|i| schedule.arrival(i).demand_ns as f64).collect();
    let (a, b) = match shape.demand {
        DemandShape::Exponential { .. } => fit(&demands[skip..], &outcome.service),
        _ => (outcome.mean_service_ns(), 0.0),
    };
    let requests = schedule.offsets_ns().iter().zip(&demands).map(|(at, x)| (*at as f64, a + b * x));
    replay(requests, shape.c as usize, skip)
}

fn fit(demands: &[f64], service: &Recorder) -> (f64, f64) {
    let mut sorted = demands.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let demand = |p: f64| sorted.get((p * sorted.len() as f64) as usize).copied().unwrap_or(0.0);
    let took = |p: f64| service.histogram().value_at_quantile(p) as f64;
    let b = (took(0.9) - took(0.5)) / (demand(0.9) - demand(0.5)).max(1.0);
    (took(0.5) - b * demand(0.5), b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fit_finds_the_round_trip_and_the_speed() {
        let demands: Vec<f64> = (1..=10_000).map(|i| f64::from(i) * 100.0).collect();
        let mut service = Recorder::fine();
        demands.iter().for_each(|x| service.record((40_000.0 + 1.25 * x) as u64));
        let (a, b) = fit(&demands, &service);
        assert!((b - 1.25).abs() < 0.01 && (a - 40_000.0).abs() < 4_000.0, "{a} {b}");
        let table = table(&service);
        let mean = table.iter().sum::<f64>() / TABLE as f64;
        assert!((mean / (40_000.0 + 1.25 * 500_050.0) - 1.0).abs() < 0.002, "{mean}");
    }
}
