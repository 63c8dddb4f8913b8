//! Datagrams: a relay that loses, doubles, holds back and delays by plan counts what it did, and the swarm must have called each what it
//! was, to the last datagram. And of the loss that the swarm has the kernel make, the numbers say which it must be.

use super::super::finding::Finding;
use super::super::relay::{Fate, Relay, RelayPlan, Relayed};
use super::super::rig::{OwnWork, Rig};
use crate::process::launch::LaunchError;
use crate::process::workers::PATIENCE;
use crate::swarm::loss::Loss;
use crate::swarm::spec::WorkerSpec;
use crate::workload::load::{Arrivals, Load, RateShape, Timing, Transport};
use bakeoff_reports::record::{Counts, Datagrams, Reading};
use bakeoff_servers::models;
use std::time::Duration;

const CLIENTS: u32 = 4;
/// Low enough that the relay's buffers hold what comes while it does not run for 200 ms.
const RATE_PER_S: f64 = 1_000.0;
/// When a datagram is given up: far above what the relay and a busy machine need.
const TIMEOUT: Duration = Duration::from_millis(500);
/// Everything that can happen on the way.
const FAULTS: &[Fate] =
    &[Fate::LostThere, Fate::LostBack, Fate::Doubled, Fate::Held, Fate::Delayed, Fate::Shadowed];
/// The share that the swarm's sockets lose in the second trial.
const SHARE: f64 = 0.05;

/// What a trial showed on both sides.
struct Seen {
    relayed: Relayed,
    counts: Counts,
    datagrams: Datagrams,
    /// What the server counted as answered.
    answered: u64,
    /// What disturbed the trial, and why its figures cannot be told, if so.
    spoiled: (Option<String>, Option<String>),
}

impl Seen {
    fn exact(&self, figure: &str, expected: u64, measured: u64) -> Finding {
        let (disturbed, void) = self.spoiled.clone();
        Finding { disturbed, void, ..Finding::exact("loss", figure, expected, measured) }
    }
}

/// Why a trial tells nothing: buffers of the relay, of the server or of the swarm lost something that no plan says. What the swarm cannot
/// tell from the rule of a loss shows in the figures.
fn void(relay: u64, server: u64, swarm: &Reading<u64>) -> Option<String> {
    let full = relay + server + swarm.value().copied().unwrap_or(0);
    (full > 0).then(|| format!("full buffers lost {full} datagrams on the way"))
}

/// Runs it.
pub(super) fn run(rig: &Rig<'_>) -> Result<Vec<Finding>, LaunchError> {
    let delay = TIMEOUT + TIMEOUT / 2;
    let plan = RelayPlan { seed: rig.seed, faults: FAULTS, one_in: 40, delay };
    let seen = trial(rig, plan, 0.0)?;
    let exact = |figure: &str, expected, measured| seen.exact(figure, expected, measured);
    let Seen { relayed, counts, datagrams, answered, .. } = &seen;
    let sent = relayed.numbers.len() as u64;
    let mut findings = vec![
        exact("datagrams sent", sent, counts.sent),
        exact("reached the server", relayed.forwarded, *answered),
        exact("in time", sent - relayed.lost - relayed.late, counts.ok),
        exact("lost", relayed.lost, datagrams.lost),
        exact("late", relayed.late, datagrams.late),
        exact("timed out: lost and late", relayed.lost + relayed.late, counts.timeouts),
        exact("duplicated", relayed.doubled, datagrams.duplicated),
        exact("reordered", relayed.reordered, datagrams.reordered),
        exact("from strangers", relayed.strange, datagrams.strangers),
        exact("dropped by no rule", 0, datagrams.dropped),
    ];
    let sound = RelayPlan { faults: &[], ..plan };
    let seen = trial(rig, sound, SHARE)?;
    let exact = |figure: &str, expected, measured| seen.exact(figure, expected, measured);
    let Seen { relayed, counts, datagrams, .. } = &seen;
    let rule = Loss::new(SHARE, rig.seed).expect("a share above zero");
    let taken = relayed.numbers.iter().filter(|number| rule.takes(**number)).count() as u64;
    findings.extend([
        exact("by a rule: lost", taken, datagrams.lost),
        exact("by a rule: dropped", taken, datagrams.dropped),
        exact("by a rule: in time", relayed.numbers.len() as u64 - taken, counts.ok),
    ]);
    Ok(findings)
}

/// An open loop without warm-up through the relay, so that every datagram it sees is one of the window's.
fn trial(rig: &Rig<'_>, plan: RelayPlan, loss: f64) -> Result<Seen, LaunchError> {
    let window = Duration::from_millis(rig.scale.pick(600, 2_000, 20_000));
    let model = models::all().find(|model| model.datagrams().is_some()).expect("some serve datagrams");
    let server = rig.serve_datagrams(model.name())?;
    let failed = |what: &str, e: std::io::Error| LaunchError::Refused(format!("{what} failed: {e}"));
    let relay = Relay::start(plan, server.address, &rig.context.cpus.server);
    let relay = relay.map_err(|e| failed("starting the relay", e))?;
    let (clients, arrivals, shape) = (CLIENTS, Arrivals::Poisson, RateShape::Steady);
    let load = Load::Open { clients, rate_per_s: RATE_PER_S, arrivals, shape };
    let spec = WorkerSpec {
        transport: Transport::Udp,
        loss,
        timing: Timing { warmup: Duration::ZERO, window, timeout: TIMEOUT, drain: TIMEOUT * 3 },
        ..rig.spec(relay.address, "echo", load, window)
    };
    let outcome = rig.trial(&spec, 2, OwnWork::Ourselves, |_| Ok(()))?;
    let relayed = relay.end().map_err(|e| failed("relaying", e))?;
    let counters = server.stop(PATIENCE).counters?;
    let datagrams = outcome.measured.datagrams.ok_or_else(|| {
        LaunchError::Refused("the swarm says nothing of the datagrams that it was to send".into())
    })?;
    let void = void(relayed.overflowed, counters.overflowed, &datagrams.overflowed);
    Ok(Seen {
        relayed,
        counts: outcome.measured.counts,
        datagrams,
        answered: counters.requests,
        spoiled: (outcome.disturbed, void),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_full_buffer_voids_its_trial_and_an_untold_one_does_not() {
        let none = Reading::Value(0);
        assert_eq!(void(0, 0, &none), None);
        assert_eq!(void(0, 0, &Reading::Absent("under a loss".into())), None);
        for reason in [void(1, 0, &none), void(0, 1, &none), void(0, 0, &Reading::Value(1))] {
            assert!(reason.is_some_and(|reason| reason.contains("lost 1 ")));
        }
    }
}
