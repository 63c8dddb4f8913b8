//! `bakeoff verify`: known answers through the harness, and the harness broken on purpose.

use super::output;
use bakeoff::children::launch::{Interrupt, LaunchError, Launcher};
use bakeoff::environment::{CpuPlan, allowed_cpus};
use bakeoff::suggest;
use bakeoff::swarm::defect::Defect;
use bakeoff::verify::oracles::{self, Oracle};
use bakeoff::verify::rig::{Rig, Scale};
use bakeoff::verify::{self, mutants, table};
use bakeoff_reports::terminal::wrapped;
use clap::Args;
use std::process::ExitCode;

/// Exit status of a harness that measures wrongly, or of a machine that does not let it tell.
const INVALID: u8 = 3;

/// Check the harness on this machine against known answers
///
/// Stalls, queues with analytic solutions, Little's law, arrivals, a server that fails by plan, and the generator's own
/// bias: expected, measured, and how far apart the two may be. Takes under a minute on a quiet machine; exits with 0 when every figure is
/// right and with 3 when one is not.
#[derive(Debug, Args)]
#[command(after_help = "Break the harness on purpose and see which oracle catches it:\n  \
    bakeoff verify --break actual-time --only stall    (coordinated omission)\n  bakeoff verify --mutants")]
pub(super) struct VerifyArgs {
    /// Take some minutes, for narrower bands
    #[arg(long, conflicts_with = "mutants")]
    long: bool,
    /// Only these oracles; --list names them
    #[arg(long, value_name = "NAME", value_delimiter = ',', conflicts_with = "mutants")]
    only: Vec<String>,
    /// Break the harness in this way; --list names them
    #[arg(long = "break", value_name = "NAME", conflicts_with = "mutants")]
    broken: Option<String>,
    /// Break it in every way and show which oracle catches which (some minutes)
    #[arg(long)]
    mutants: bool,
    /// Seed of schedules and faults
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Name the oracles and the ways to break the harness, and do nothing
    #[arg(long, exclusive = true)]
    list: bool,
}

impl VerifyArgs {
    pub(super) fn run(self) -> Result<ExitCode, String> {
        if self.list {
            return list();
        }
        let oracles = self.oracles()?;
        let defect = self.defect()?;
        let interrupt =
            Interrupt::on_signals().map_err(|e| format!("installing the signal handlers failed: {e}"))?;
        let launcher = Launcher::this_program(interrupt);
        let rig = Rig {
            launcher: &launcher,
            cpus: CpuPlan::split(allowed_cpus()),
            seed: self.seed,
            scale: if self.long { Scale::Long } else { Scale::Short },
            defect,
            alpha: verify::alpha(),
        };
        let right = if self.mutants { show_mutants(&rig) } else { show_oracles(&rig, &oracles) };
        match right {
            Ok(true) => Ok(ExitCode::SUCCESS),
            Ok(false) => Ok(ExitCode::from(INVALID)),
            Err(LaunchError::Interrupted) => Ok(ExitCode::from(130)),
            Err(error) => Err(error.to_string()),
        }
    }

    fn oracles(&self) -> Result<Vec<&'static Oracle>, String> {
        if self.only.is_empty() {
            return Ok(oracles::ALL.iter().collect());
        }
        let find = |name: &String| {
            oracles::find(name)
                .ok_or_else(|| suggest::unknown("oracle", name, oracles::ALL.iter().map(|o| o.name)))
        };
        self.only.iter().map(find).collect()
    }

    fn defect(&self) -> Result<Option<Defect>, String> {
        let Some(name) = &self.broken else { return Ok(None) };
        match Defect::find(name) {
            Some(defect) => Ok(Some(defect)),
            None => Err(suggest::unknown("defect", name, Defect::ALL.into_iter().map(Defect::name))),
        }
    }
}

/// Prints what cannot be returned as an error from where it happens; a closed pipe is none.
fn print(text: &str) -> Result<(), LaunchError> {
    output::print(&format!("{text}\n")).map_err(LaunchError::Refused)
}

fn show_oracles(rig: &Rig<'_>, oracles: &[&Oracle]) -> Result<bool, LaunchError> {
    if let Some(defect) = rig.defect {
        bakeoff::tell(&format!("the harness is broken on purpose: {}", defect.about()));
    }
    bakeoff::tell(&table::where_it_runs(&rig.cpus));
    print(&table::head())?;
    let mut printed = Ok(());
    let findings = verify::run(rig, oracles, |finding| {
        if printed.is_ok() {
            printed = print(&table::line(finding));
        }
    })?;
    printed?;
    print(table::foot(&findings, rig).trim_end())?;
    Ok(verify::passed(&findings))
}

fn show_mutants(rig: &Rig<'_>) -> Result<bool, LaunchError> {
    bakeoff::tell("every way to break the harness against every oracle; this takes some minutes");
    print(&mutants::head())?;
    let mut printed = Ok(());
    let all = mutants::run(rig, |mutant| {
        if printed.is_ok() {
            printed = print(&mutants::line(mutant));
        }
    })?;
    printed?;
    let right = all.iter().all(mutants::Mutant::as_it_should_be);
    print(if right {
        "\nEvery broken harness was caught, and the sound one passed."
    } else {
        "\nNot as it should be: a broken harness passed, or the sound one did not.\n\
         ? is a figure that is off in a trial which other programs disturbed."
    })?;
    Ok(right)
}

fn list() -> Result<ExitCode, String> {
    let width = bakeoff::terminal_width().min(100);
    let line = |name: &str, about: &str| wrapped(about, width, &format!("  {name:<22}"));
    let mut text = String::from("ORACLES (--only)\n");
    oracles::ALL.iter().for_each(|oracle| text.push_str(&line(oracle.name, oracle.about)));
    text.push_str("\nWAYS TO BREAK THE HARNESS (--break)\n");
    Defect::ALL.iter().for_each(|defect| text.push_str(&line(defect.name(), defect.about())));
    output::print(&text)?;
    Ok(ExitCode::SUCCESS)
}
