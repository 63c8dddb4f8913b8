//! `bakeoff history import`: bundles, or the lines that another history exported.

use super::super::output;
use super::super::report::BUNDLE_NAME;
use crate::exit::Exit;
use crate::history::import::{Given, Unfit, read};
use crate::history::{Recorded, Store};
use bakeoff_reports::ask::history::{Entry, from_lines};
use bakeoff_reports::show::units;
use clap::Args;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Record runs: each once, however often it is given
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 all are recorded; 2 one could not be read or written, 3 one is an invalid \
    measurement; the others\nare recorded all the same.\n\nWithout --commit, the commit checked out in this folder is \
    taken, unless it is younger than the run. A comparison\nof two builds is recorded under the commit of its side B."
)]
pub(super) struct ImportArgs {
    /// Bundles, or folders that hold one
    #[arg(required_unless_present = "jsonl")]
    bundles: Vec<PathBuf>,
    /// The commit that was measured
    #[arg(long, value_name = "COMMIT")]
    commit: Option<String>,
    /// What to call the runs, such as a branch or a release [default: the branch, when the commit is read from this folder]
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,
    /// Import exported JSON lines instead, from this file; - reads standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["bundles", "commit", "label"])]
    jsonl: Option<PathBuf>,
}

impl ImportArgs {
    pub(super) fn run(self, store: &Path) -> Result<Exit, String> {
        if let Some(lines) = &self.jsonl {
            let entries = lines_of(lines)?;
            let mut store = Store::create(store).map_err(|e| e.to_string())?;
            let mut new = 0;
            for entry in &entries {
                new += usize::from(store.record(entry).map_err(|e| e.to_string())? == Recorded::Added);
            }
            let runs = units::plural(entries.len() as u64, "run");
            output::print(&format!("{runs} read, {} new\n", units::grouped(new as u64)))?;
            return Ok(Exit::Fine);
        }
        let given = Given { commit: self.commit, label: self.label };
        let mut exit = Exit::Fine;
        // Made only when there is something to put in.
        let mut open: Option<Store> = None;
        for bundle in &self.bundles {
            let path = if bundle.is_dir() { bundle.join(BUNDLE_NAME) } else { bundle.clone() };
            let read = match read(&path, &given) {
                Ok(read) => read,
                Err(Unfit::Invalid(why)) => {
                    crate::print_to_stderr(&format!("bakeoff: {why}"));
                    exit = if exit == Exit::Fine { Exit::Invalid } else { exit };
                    continue;
                }
                Err(Unfit::Unusable(why)) => {
                    crate::print_to_stderr(&format!("bakeoff: {why}"));
                    exit = Exit::Failed;
                    continue;
                }
            };
            for remark in &read.remarks {
                crate::print_to_stderr(&format!("bakeoff: {}: {remark}", path.display()));
            }
            let store = match &mut open {
                Some(store) => store,
                closed => closed.insert(Store::create(store).map_err(|e| e.to_string())?),
            };
            let recorded = store.record(&read.entry).map_err(|e| e.to_string())?;
            output::print(&format!("{}: {}\n", path.display(), told(&recorded, &read.entry)))?;
        }
        Ok(exit)
    }
}

fn lines_of(path: &Path) -> Result<Vec<Entry>, String> {
    let failed = |e: std::io::Error| format!("reading the lines {} failed: {e}", path.display());
    let text = if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text).map_err(failed)?
    } else {
        std::fs::read_to_string(path).map_err(failed)?
    };
    from_lines(&text).map_err(|e| format!("{}: {e}; nothing was imported", path.display()))
}

fn told(recorded: &Recorded, entry: &Entry) -> String {
    let figures = units::plural(entry.points.len() as u64, "figure");
    match recorded {
        Recorded::Added => format!("recorded, {figures}"),
        Recorded::Completed => format!("recorded in place of an earlier state of the same run, {figures}"),
        Recorded::Named => "it was recorded before; commit or label added".to_owned(),
        Recorded::Known { commit } if entry.commit.is_some() && *commit != entry.commit => {
            format!("it was recorded before, under {}", commit.as_deref().unwrap_or("no commit"))
        }
        Recorded::Known { .. } => "it was recorded before".to_owned(),
    }
}
