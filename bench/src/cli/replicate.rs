//! `bakeoff replicate`: whole runs again and again, and whether their answers agree.

use super::report::{self, BUNDLE_NAME};
use super::results::new_folder;
use super::run::RunArgs;
use bakeoff::exit::Exit;
use clap::{Args, value_parser};
use std::path::PathBuf;

/// Run the same several times, and tell how often each answer repeats
#[derive(Debug, Args)]
#[command(
    after_help = "Each run has a seed of its own, and a folder of its own in that of --out. `bakeoff report A B C` compares \
    runs that are there.\n\nExamples:\n  bakeoff replicate 10\n  bakeoff replicate 5 churn wait --budget 3m"
)]
pub(super) struct ReplicateArgs {
    /// How many runs
    #[arg(value_parser = value_parser!(u32).range(2..=100))]
    runs: u32,
    #[command(flatten)]
    run: RunArgs,
}

impl ReplicateArgs {
    pub(super) fn run(self) -> Result<Exit, String> {
        let folder = new_folder(self.run.out())?;
        let mut bundles: Vec<PathBuf> = Vec::new();
        let mut failed = Vec::new();
        for at in 0..self.runs {
            let own = folder.join(format!("run-{}", at + 1));
            if self.run.tells() {
                bakeoff::print_to_stderr(&format!("run {} of {}", at + 1, self.runs));
            }
            match self.run.clone().one_of_several(&own, at).run() {
                Ok(Exit::Interrupted) => return Ok(Exit::Interrupted),
                // A run that says nothing would be told apart from one that failed by its bundle.
                Ok(_) => bundles.push(own.join(BUNDLE_NAME)),
                Err(why) => failed.push(format!("run {} failed and is left out: {why}", at + 1)),
            }
        }
        for why in &failed {
            bakeoff::print_to_stderr(why);
        }
        let contradictions = report::replication(&bundles)?;
        Ok(if contradictions > 0 || !failed.is_empty() { Exit::Invalid } else { Exit::Fine })
    }
}
