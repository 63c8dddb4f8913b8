//! Stall: an open loop runs against one FIFO, and the server's process is stopped for a while. What the users of such a
//! server feel is known exactly; a generator that waits with it, or looks away, reports a millisecond.

use super::super::finding::{Finding, Unit};
use super::super::rig::{Kind, OwnWork, Rig};
use super::super::theory::stall_quantile;
use crate::host::clock::monotonic_ns;
use crate::process::launch::LaunchError;
use crate::process::server::Server;
use crate::process::workers::{PATIENCE, Window};
use crate::swarm::spec::WorkerSpec;
use crate::workload::load::{Arrivals, Load, RateShape};
use rustix::process::{Pid, Signal, kill_process};
use std::cell::Cell;
use std::time::Duration;

/// How far a quantile may be off.
const TOLERANCE: f64 = 0.05;
/// Requests per second: so few that the utilisation, the only thing here that is measured and not known, hardly counts.
const RATE_PER_S: f64 = 200.0;

/// Runs it.
pub(super) fn run(rig: &Rig<'_>) -> Result<Vec<Finding>, LaunchError> {
    let ms = Duration::from_millis;
    let (window, stall, quantiles) = rig.scale.pick(
        (ms(2_500), ms(500), [0.99, 0.95]),
        (ms(6_000), ms(1_000), [0.99, 0.95]),
        (ms(60_000), ms(2_000), [0.99, 0.98]),
    );
    rig.undisturbed(|seed| {
        // Evenly spaced, so that the number of requests in the stall is not left to chance.
        let load = Load::Open {
            clients: 1,
            rate_per_s: RATE_PER_S,
            arrivals: Arrivals::Fixed,
            shape: RateShape::Steady,
        };
        let server = rig.serve(Kind::One, "echo")?;
        let spec = WorkerSpec { seed, ..rig.spec(server.address, "echo", load, window) };
        let stood = Cell::new(Stall::default());
        let outcome = rig.trial(&spec, 1, OwnWork::Server(server.pid()), |window| {
            stood.set(stall_server(rig, &server, window, stall)?);
            Ok(())
        })?;
        server.stop(PATIENCE);
        let service_ns = outcome.service.histogram().value_at_quantile(0.5) as f64;
        let rho = RATE_PER_S * service_ns / 1e9;
        let findings = quantiles.map(|q| {
            let expected = |ns: u64| stall_quantile(q, ns as f64, window.as_nanos() as f64, rho);
            let (least, most) = (expected(stood.get().at_least_ns), expected(stood.get().at_most_ns));
            let figure = format!("p{:.0}", q * 100.0);
            let pair = (least, outcome.response_ns(q));
            let band = (least * (1.0 - TOLERANCE), most * (1.0 + TOLERANCE));
            Finding::between("stall", &figure, Unit::Time, pair, band).only_worse()
        });
        Ok(outcome.mark(findings.into()))
    })
}

/// For how long the server was stopped: whoever sends the signals may himself be held up beside them.
#[derive(Clone, Copy, Debug, Default)]
struct Stall {
    at_least_ns: u64,
    at_most_ns: u64,
}

/// Stops the server in the middle of the window; returns for how long. A server that is left stopped by an interruption is
/// killed with its handle.
fn stall_server(
    rig: &Rig<'_>,
    server: &Server,
    window: Window,
    stall: Duration,
) -> Result<Stall, LaunchError> {
    let wait = |until| {
        if rig.context.launcher.interrupt.sleep_until(until) { Ok(()) } else { Err(LaunchError::Interrupted) }
    };
    let pid = Pid::from_raw(server.pid() as i32).expect("a process id is above zero");
    let send = |signal| {
        kill_process(pid, signal)
            .map_err(|e| LaunchError::Refused(format!("sending {signal:?} to the server failed: {e}")))
    };
    let middle = window.begin + (window.end - window.begin) / 2;
    wait(middle - stall / 2)?;
    let before_stop = monotonic_ns();
    send(Signal::STOP)?;
    let after_stop = monotonic_ns();
    wait(middle + stall / 2)?;
    let before_go = monotonic_ns();
    send(Signal::CONT)?;
    let after_go = monotonic_ns();
    Ok(Stall { at_least_ns: before_go - after_stop, at_most_ns: after_go - before_stop })
}
