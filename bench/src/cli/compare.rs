//! `bakeoff compare`: two runs that were made at different times, side by side.

use super::{output, report};
use crate::exit::Exit;
use bakeoff_reports::ask::across;
use bakeoff_reports::record::bundle;
use clap::Args;
use std::path::{Path, PathBuf};

/// Put two stored runs side by side: a trend, not a verdict
///
/// Two runs met the machine at different times, so a difference between them may be the machine's, whatever the number of
/// rounds. To find out whether a build became slower, use `bakeoff ab`.
#[derive(Debug, Args)]
#[command(after_help = "Exit status: 0, or 2 when there is nothing to compare.\n\nExample: bakeoff compare \
    bakeoff-results/monday bakeoff-results/friday")]
pub(super) struct CompareArgs {
    /// The first bundle, or the folder that holds it
    a: PathBuf,
    /// The second
    b: PathBuf,
    /// Compare runs of different machines, too: the figures then tell the machines apart
    #[arg(long)]
    any_machine: bool,
}

impl CompareArgs {
    pub(super) fn run(self) -> Result<Exit, String> {
        let (a, b) = (read(&self.a)?, read(&self.b)?);
        let across = across::compare(&a, &b, self.any_machine).map_err(|error| {
            let insist = matches!(error, across::AcrossError::Machines { .. });
            format!("{error}{}", if insist { "; give --any-machine to see them all the same" } else { "" })
        })?;
        output::print(&bakeoff_reports::show::text::across::text(&across, crate::terminal_width()))?;
        Ok(Exit::Fine)
    }
}

fn read(given: &Path) -> Result<bundle::Bundle, String> {
    let path = if given.is_dir() { given.join(report::BUNDLE_NAME) } else { given.to_owned() };
    let loaded = bundle::load(&path).map_err(|e| e.to_string())?;
    for damage in &loaded.damage {
        crate::print_to_stderr(&format!("bakeoff: {}: {damage}", path.display()));
    }
    Ok(loaded)
}
