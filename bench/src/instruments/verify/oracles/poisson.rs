//! Poisson arrivals: the gaps of the schedule, and those between the requests as a server receives them.

use super::super::finding::{Finding, Unit};
use super::super::peer::{FaultPlan, Peer};
use super::super::rig::{OwnWork, Rig};
use super::super::theory::{ks_critical, ks_exponential};
use crate::process::launch::LaunchError;
use crate::swarm::schedule::Schedule;
use crate::swarm::spec::WorkerSpec;
use crate::workload::load::{Arrivals, DemandShape, Load, RateShape, RequestShape, Timing};
use std::time::Duration;

/// What the wake-ups of a sender and of a receiver may add to the distance. At 2,000 received gaps chance alone exceeds
/// it once in 11,000: 2 exp(-2 n d^2) (Dvoretzky, Kiefer, Wolfowitz; Massart 1990).
const RECEIVED: f64 = 0.05;
/// Connections the received requests come over.
const CONNECTIONS: u32 = 16;
/// Arrivals per second.
const RATE_PER_S: f64 = 1_000.0;

/// Runs it.
pub(super) fn run(rig: &Rig<'_>) -> Result<Vec<Finding>, LaunchError> {
    let load = Load::Open {
        clients: CONNECTIONS,
        rate_per_s: RATE_PER_S,
        arrivals: Arrivals::Poisson,
        shape: RateShape::Steady,
    };
    let window = Duration::from_secs(rig.scale.pick(2, 3, 20));
    let mut findings = rig.undisturbed(|seed| received(rig, &load, window, seed))?;
    findings.insert(0, scheduled(rig, &load)?);
    Ok(findings)
}

/// The gaps between requests as a server reads them.
fn received(rig: &Rig<'_>, load: &Load, window: Duration, seed: u64) -> Result<Vec<Finding>, LaunchError> {
    let none = FaultPlan { seed, faults: &[], one_in: 1 };
    let peer = Peer::start(none, &rig.context.cpus.server)
        .map_err(|e| LaunchError::Refused(format!("starting the recording server failed: {e}")))?;
    let spec = WorkerSpec { seed, ..rig.spec(peer.address, "echo", load.clone(), window) };
    let outcome = rig.trial(&spec, 1, OwnWork::Ourselves, |_| Ok(()))?;
    let stamps = peer.stamps();
    let mut gaps: Vec<f64> = stamps.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
    let distance = ks_exponential(&mut gaps, 1e9 / RATE_PER_S);
    let figure = format!("KS, {} received", stamps.len());
    let pair = (0.0, distance);
    Ok(outcome.mark(vec![Finding::between("poisson", &figure, Unit::Number, pair, (0.0, RECEIVED))]))
}

/// The gaps of a long schedule, which no clock has touched.
fn scheduled(rig: &Rig<'_>, load: &Load) -> Result<Finding, LaunchError> {
    let second = Duration::from_secs(1);
    let timing = Timing { warmup: Duration::ZERO, window: second * 100, timeout: second, drain: second };
    let request = RequestShape::new(64, DemandShape::None);
    let schedule = Schedule::new(rig.seed, load, &request, &timing, 0, 1)
        .map_err(|e| LaunchError::Refused(e.to_string()))?;
    let times = schedule.offsets_ns();
    let mut gaps: Vec<f64> = times.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
    let distance = ks_exponential(&mut gaps, 1e9 / RATE_PER_S);
    let most = ks_critical(gaps.len(), rig.alpha);
    let figure = format!("KS, {} scheduled", times.len());
    Ok(Finding::between("poisson", &figure, Unit::Number, (0.0, distance), (0.0, most)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swarm::schedule::seed_of_round;

    #[test]
    fn schedules_of_many_seeds_exceed_the_distance_as_often_as_chance_does() {
        let (load, second) = (
            Load::Open {
                clients: 1,
                rate_per_s: RATE_PER_S,
                arrivals: Arrivals::Poisson,
                shape: RateShape::Steady,
            },
            Duration::from_secs(1),
        );
        let timing = Timing { warmup: Duration::ZERO, window: second * 5, timeout: second, drain: second };
        let request = RequestShape::new(64, DemandShape::None);
        let far = |round: u32| {
            let seed = seed_of_round(3, round);
            let schedule = Schedule::new(seed, &load, &request, &timing, 0, 1).expect("within bounds");
            let times = schedule.offsets_ns();
            let mut gaps: Vec<f64> = times.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
            ks_exponential(&mut gaps, 1e9 / RATE_PER_S) > ks_critical(gaps.len(), 0.05)
        };
        let alarms = (0..200).filter(|round| far(*round)).count();
        // Expected 10 of 200 with a standard deviation of 3.1; fixed seed.
        assert!((1..=20).contains(&alarms), "{alarms}");
    }
}
