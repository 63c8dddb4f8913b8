//! The harness broken on purpose, in every known way, against the oracles: which one notices.
//!
//! The sound harness goes first, as the control. Runs the oracles at [`Scale::Quick`], where only gross lies show: these
//! are gross.

use super::finding::Status;
use super::oracles::{self, Oracle};
use super::rig::{Rig, Scale};
use crate::process::launch::LaunchError;
use crate::swarm::defect::Defect;
use clap::ValueEnum as _;

/// The oracles that are tried on every defect: those that differ in what they look at.
pub const TRIED: [&str; 7] = ["stall", "mm1", "closed", "little", "poisson", "faults", "bias"];

/// What an oracle says of a harness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detection {
    /// Every figure is in its band.
    Right,
    /// Figures are off, in trials that something disturbed: the defect's doing, or not.
    Unknown,
    /// A figure is wrong.
    Caught,
}

/// What the oracles say of one harness, in the order of [`TRIED`].
#[derive(Clone, Debug)]
pub struct Mutant {
    /// How it is broken; `None` for the sound one.
    pub defect: Option<Defect>,
    /// What each oracle says.
    pub answers: Vec<Detection>,
}

impl Mutant {
    /// Whether it shows what it should: a broken harness is caught, the sound one is not.
    pub fn as_it_should_be(&self) -> bool {
        self.answers.contains(&Detection::Caught) == self.defect.is_some()
    }
}

/// What an oracle says of the harness with this defect.
///
/// # Errors
/// When the oracle cannot run, or when interrupted.
pub fn ask(rig: &Rig<'_>, oracle: &Oracle, defect: Option<Defect>) -> Result<Detection, LaunchError> {
    let rig = Rig { defect, scale: Scale::Quick, ..*rig };
    let findings = (oracle.run)(&rig)?;
    let answers = findings.iter().map(|finding| match finding.verdict() {
        Status::Pass => Detection::Right,
        Status::Unknown(_) => Detection::Unknown,
        Status::Fail => Detection::Caught,
    });
    Ok(answers.max_by_key(|answer| *answer as u8).unwrap_or(Detection::Right))
}

/// Tries every defect, the sound harness first; hands each to `show` when it is done.
///
/// # Errors
/// As [`ask`].
pub fn run(rig: &Rig<'_>, mut show: impl FnMut(&Mutant)) -> Result<Vec<Mutant>, LaunchError> {
    let mut all = Vec::new();
    for defect in std::iter::once(None).chain(Defect::value_variants().iter().copied().map(Some)) {
        let mut answers = Vec::new();
        for oracle in tried() {
            answers.push(ask(rig, oracle, defect)?);
        }
        let mutant = Mutant { defect, answers };
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
    let name = mutant.defect.map_or_else(|| "sound".into(), Defect::name);
    let mark = |answer: &Detection| match answer {
        Detection::Right => "-",
        Detection::Unknown => "?",
        Detection::Caught => "CAUGHT",
    };
    let marks: String = mutant.answers.iter().map(|answer| format!(" {:>7}", mark(answer))).collect();
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
        use Detection::{Caught, Right, Unknown};
        let with =
            |defect, answers: [Detection; 2]| Mutant { defect, answers: answers.into() }.as_it_should_be();
        assert!(with(None, [Right, Unknown]) && !with(None, [Right, Caught]));
        let broken = Some(Defect::SkipLate);
        assert!(with(broken, [Right, Caught]) && !with(broken, [Right, Unknown]));
    }

    #[test]
    fn the_table_fits_a_terminal() {
        let mutant = Mutant {
            defect: Some(Defect::AveragePercentiles),
            answers: vec![Detection::Caught; TRIED.len()],
        };
        assert!(head().len() <= 80 && line(&mutant).len() == head().len(), "{}", line(&mutant));
    }
}
