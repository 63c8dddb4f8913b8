//! Closed loops: the throughput of a pool with waits, and Little's law.

use super::super::finding::{Finding, Unit};
use super::super::rig::{Kind, OwnWork, Rig};
use crate::host::clock::nanoseconds;
use crate::process::launch::LaunchError;
use crate::process::workers::PATIENCE;
use crate::swarm::spec::WorkerSpec;
use crate::workload::load::{DemandShape, Load, RequestShape, Timing};
use std::time::Duration;

/// Threads of the pool.
const POOL: u32 = 8;
/// The wait of a request: so long that the overshoot of a sleep (some 60 us) is a small part of it.
const WAIT: Duration = Duration::from_millis(20);
/// How far the throughput may be off.
const TOLERANCE: f64 = 0.03;
/// How far Little's law may be off.
const LITTLE: f64 = 0.02;

/// N clients on a pool of c whose requests wait W: min(N, c) / W.
pub(super) fn pool(rig: &Rig<'_>) -> Result<Vec<Finding>, LaunchError> {
    let window = Duration::from_millis(rig.scale.pick(1_200, 2_000, 20_000));
    rig.undisturbed(|seed| {
        let mut findings = Vec::new();
        for clients in [POOL / 2, POOL * 2] {
            let server = rig.serve(Kind::Pool(POOL), "wait")?;
            let load = Load::Closed { clients, think: Duration::ZERO };
            let mut spec = WorkerSpec { seed, ..rig.spec(server.address, "wait", load, window) };
            spec.request = RequestShape::new(64, DemandShape::Fixed { value: WAIT });
            // The clients beyond the pool are never served; nobody waits for them.
            spec.timing = Timing { drain: WAIT * 5, ..spec.timing };
            let mut outcome = rig.plain_trial(&spec, &server)?;
            server.stop(PATIENCE);
            // Nobody computes here: what a nap overshoots by, every wait does.
            let late = outcome.nap_late_ns / nanoseconds(WAIT) as f64;
            if late > TOLERANCE / 3.0 {
                let words = format!("sleeps ended {:.2} ms late", outcome.nap_late_ns / 1e6);
                outcome.disturbed.get_or_insert(words);
            }
            let expected = f64::from(clients.min(POOL)) / WAIT.as_secs_f64();
            let pair = (expected, outcome.throughput_per_ns() * 1e9);
            let figure = format!("rate, N = {clients}, c = {POOL}");
            let finding = Finding::within("closed", &figure, Unit::Rate, pair, TOLERANCE).only_worse();
            findings.extend(outcome.mark(vec![finding]));
        }
        Ok(findings)
    })
}

/// N = X (R + Z), with one worker and merged from three.
pub(super) fn little(rig: &Rig<'_>) -> Result<Vec<Finding>, LaunchError> {
    let window = Duration::from_millis(rig.scale.pick(600, 1_200, 20_000));
    let (clients, think) = (48, Duration::from_millis(5));
    rig.undisturbed(|seed| {
        let mut findings = Vec::new();
        for workers in [1, 3] {
            let server = rig.serve(Kind::Each, "echo")?;
            let load = Load::Closed { clients, think };
            let spec = WorkerSpec { seed, ..rig.spec(server.address, "echo", load, window) };
            let outcome = rig.trial(&spec, workers, OwnWork::Server(server.pid()), |_| Ok(()))?;
            server.stop(PATIENCE);
            let cycle_ns = outcome.mean_response_ns() + think.as_nanos() as f64;
            let pair = (f64::from(clients), outcome.throughput_per_ns() * cycle_ns);
            let figure = format!("X (R + Z), {workers} worker{}", if workers == 1 { "" } else { "s" });
            findings.extend(outcome.mark(vec![Finding::within(
                "little",
                &figure,
                Unit::Number,
                pair,
                LITTLE,
            )]));
        }
        Ok(findings)
    })
}
