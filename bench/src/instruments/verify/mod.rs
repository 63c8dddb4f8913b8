//! `bakeoff verify`: does this harness, on this machine, measure what is known?
//!
//! Each oracle builds a situation whose outcome follows from theory, or from a count kept by the other side, and compares
//! ([`oracles`]). A verification that cannot fail shows nothing, so the harness can be broken on purpose
//! ([`Defect`](crate::swarm::defect::Defect)) and [`mutants`] shows which oracle catches which.
//!
//! What it must never do: move a band because of a figure, or repeat a trial because its figure is off. A trial is
//! repeated, twice at most, when something foreign disturbed it; and when a figure that a stall of the host can only make
//! worse is too bad, which a wrong harness's is three times out of three.

pub mod finding;
pub mod mutants;
pub mod oracles;
pub mod peer;
pub mod relay;
pub mod rig;
mod sentinel;
pub mod simulate;
pub mod table;
pub mod theory;

use crate::process::launch::LaunchError;
use finding::{Finding, Status};
use oracles::Oracle;
use rig::Rig;

/// Probability that a sound harness on a quiet machine fails the whole table by chance.
pub const FALSE_ALARM: f64 = 0.01;

/// Room in a statistical band for what is not chance: a machine that drifts during a trial, and the theory's fit to it.
pub const MACHINE: f64 = 0.02;

/// The false alarm rate of one statistical figure: [`FALSE_ALARM`] divided by their number (Bonferroni, so it holds
/// however the figures depend on each other).
pub fn alpha() -> f64 {
    let figures: u32 = oracles::ALL.iter().map(|oracle| oracle.statistical).sum();
    FALSE_ALARM / f64::from(figures.max(1))
}

/// Runs oracles in turn; hands every finding to `show` as soon as its oracle is done.
///
/// # Errors
/// When an oracle cannot run at all, or when interrupted.
pub fn run(
    rig: &Rig<'_>,
    oracles: &[&Oracle],
    mut show: impl FnMut(&Finding),
) -> Result<Vec<Finding>, LaunchError> {
    let mut all = Vec::new();
    for oracle in oracles {
        let findings = (oracle.run)(rig)?;
        findings.iter().for_each(&mut show);
        all.extend(findings);
    }
    Ok(all)
}

/// Whether every figure is right.
pub fn passed(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.verdict() == Status::Pass)
}
