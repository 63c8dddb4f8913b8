//! Accounting: a server that fails by plan counts what it did, and the swarm must have counted the same, to the last
//! request.

use super::super::finding::Finding;
use super::super::peer::{Fate, FaultPlan, MESSAGE, Peer};
use super::super::rig::{OwnWork, Rig};
use crate::process::launch::LaunchError;
use crate::swarm::spec::WorkerSpec;
use crate::workload::load::{Load, RequestShape, Timing};
use bakeoff_reports::record::{Counts, ErrorKind};
use std::time::Duration;

/// Clients, each with one request outstanding.
const CLIENTS: u32 = 32;
/// The patience that ends silence: far above any delay that the plan or a busy machine makes.
const PATIENCE: Duration = Duration::from_millis(1_000);
/// Everything that can go wrong with a reply.
const FAULTS: &[Fate] = &[
    Fate::Cut,
    Fate::Delayed,
    Fate::Corrupted,
    Fate::Doubled,
    Fate::Reset,
    Fate::Closed,
    Fate::ClosedMidway,
    Fate::Silence,
];

/// Runs it.
pub(super) fn run(rig: &Rig<'_>) -> Result<Vec<Finding>, LaunchError> {
    let window = Duration::from_millis(rig.scale.pick(600, 1_500, 20_000));
    let all = FaultPlan { seed: rig.seed, faults: FAULTS, one_in: 100 };
    let (peer, counts) = trial(rig, all, window, (PATIENCE, PATIENCE * 2))?;
    let error = |kind| counts.errors.get(&kind).copied().unwrap_or(0);
    let exact = |figure: &str, expected, measured| Finding::exact("faults", figure, expected, measured);
    let mut findings = vec![
        exact("requests sent", peer.read(), counts.sent),
        exact("right, cut, delayed", peer.count(&[Fate::Whole, Fate::Cut, Fate::Delayed]), counts.ok),
        exact("corrupted, doubled", peer.count(&[Fate::Corrupted, Fate::Doubled]), error(ErrorKind::Corrupt)),
        exact("reset", peer.count(&[Fate::Reset]), error(ErrorKind::Reset)),
        exact("closed early", peer.count(&[Fate::Closed, Fate::ClosedMidway]), error(ErrorKind::Closed)),
        exact("silence: timeouts", peer.count(&[Fate::Silence]), counts.timeouts),
        exact("left in flight", 0, counts.in_flight_at_end),
    ];
    // The same silence, but the trial ends before the patience does.
    let silent = FaultPlan { seed: rig.seed, faults: &[Fate::Silence], one_in: 50 };
    let (peer, counts) = trial(rig, silent, window / 2, (PATIENCE * 20, Duration::from_millis(300)))?;
    findings.push(exact("silence: in flight", peer.count(&[Fate::Silence]), counts.in_flight_at_end));
    Ok(findings)
}

/// A closed loop without warm-up, so that every request the server reads is one of the window's.
fn trial(
    rig: &Rig<'_>,
    plan: FaultPlan,
    window: Duration,
    (timeout, drain): (Duration, Duration),
) -> Result<(Peer, Counts), LaunchError> {
    let peer = Peer::start(plan, &rig.context.cpus.server)
        .map_err(|e| LaunchError::Refused(format!("starting the faulty server failed: {e}")))?;
    let load = Load::Closed { clients: CLIENTS, think: Duration::from_millis(5) };
    let spec = WorkerSpec {
        request: RequestShape {
            size: MESSAGE as u32,
            ..rig.spec(peer.address, "echo", load.clone(), window).request
        },
        timing: Timing { warmup: Duration::ZERO, window, timeout, drain },
        ..rig.spec(peer.address, "echo", load, window)
    };
    let outcome = rig.trial(&spec, 1, OwnWork::Ourselves, |_| Ok(()))?;
    Ok((peer, outcome.measured.counts))
}
