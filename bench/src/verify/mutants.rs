//! The harness broken on purpose, in every known way, against the oracles: which one notices.
//!
//! The sound harness goes first, as the control. Runs the oracles at [`Scale::Quick`], where only gross lies show: these
//! are gross.

use super::finding::Verdict;
use super::oracles::{self, Oracle};
use super::rig::{Rig, Scale};
use crate::launch::LaunchError;
use crate::swarm::defect::Defect;

/// The oracles that are tried on every defect: those that differ in what they look at.
pub const TRIED: [&str; 7] = ["stall", "mm1", "closed", "little", "poisson", "faults", "bias"];

/// What the oracles say of one harness, in the order of [`TRIED`].
#[derive(Clone, Debug)]
pub struct Mutant {
    /// How it is broken; `None` for the sound one.
    pub defect: Option<Defect>,
    /// Whether each oracle found a figure outside its band.
    pub caught: Vec<bool>,
}

impl Mutant {
    /// Whether it shows what it should: a broken harness is caught, the sound one is not.
    pub fn as_it_should_be(&self) -> bool {
        self.caught.contains(&true) == self.defect.is_some()
    }
}

/// Whether an oracle finds a figure outside its band with this defect.
///
/// # Errors
/// When the oracle cannot run, or when interrupted.
pub fn catches(rig: &Rig<'_>, oracle: &Oracle, defect: Option<Defect>) -> Result<bool, LaunchError> {
    let rig = Rig { defect, scale: Scale::Quick, cpus: rig.cpus.clone(), ..*rig };
    let findings = (oracle.run)(&rig)?;
    Ok(findings.iter().any(|finding| finding.verdict() != Verdict::Pass))
}

/// Tries every defect, the sound harness first; hands each to `show` when it is done.
///
/// # Errors
/// As [`catches`].
pub fn run(rig: &Rig<'_>, mut show: impl FnMut(&Mutant)) -> Result<Vec<Mutant>, LaunchError> {
    let mut all = Vec::new();
    for defect in std::iter::once(None).chain(Defect::ALL.into_iter().map(Some)) {
        let mut caught = Vec::new();
        for oracle in tried() {
            caught.push(catches(rig, oracle, defect)?);
        }
        let mutant = Mutant { defect, caught };
        show(&mutant);
        all.push(mutant);
    }
    Ok(all)
}

fn tried() -> impl Iterator<Item = &'static Oracle> {
    TRIED.into_iter().filter_map(oracles::find)
}

/// The head of the table.
pub fn head() -> String {
    let names: String = TRIED.iter().map(|name| format!(" {name:>7}")).collect();
    format!("{:<20}{names}", "HARNESS")
}

/// The line of one harness.
pub fn line(mutant: &Mutant) -> String {
    let name = mutant.defect.map_or("sound", Defect::name);
    let marks: String =
        mutant.caught.iter().map(|caught| format!(" {:>7}", if *caught { "CAUGHT" } else { "-" })).collect();
    format!("{name:<20}{marks}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_oracle_tried_exists() {
        assert_eq!(tried().count(), TRIED.len());
    }

    #[test]
    fn a_broken_harness_must_be_caught_and_a_sound_one_must_not() {
        let with = |defect, caught: &[bool]| Mutant { defect, caught: caught.to_vec() }.as_it_should_be();
        assert!(with(None, &[false, false]) && !with(None, &[false, true]));
        assert!(with(Some(Defect::SkipLate), &[false, true]) && !with(Some(Defect::SkipLate), &[false]));
    }

    #[test]
    fn the_table_fits_a_terminal() {
        let mutant = Mutant { defect: Some(Defect::AveragePercentiles), caught: vec![true; TRIED.len()] };
        assert!(head().len() <= 80 && line(&mutant).len() == head().len(), "{}", line(&mutant));
    }
}
