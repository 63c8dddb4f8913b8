//! `bakeoff replicate`: whole runs again and again, and whether their answers agree.

use super::report::{self, BUNDLE_NAME};
use super::results::new_folder;
use super::run::RunArgs;
use crate::exit::Exit;
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
        let (mut failed, mut weak, mut interrupted) = (Vec::new(), false, false);
        for at in 0..self.runs {
            let own = folder.join(format!("run-{}", at + 1));
            if self.run.tells() {
                crate::print_to_stderr(&format!("run {} of {}", at + 1, self.runs));
            }
            match self.run.clone().one_of_several(&own, at).run() {
                Ok(Exit::Interrupted) => {
                    interrupted = true;
                    break;
                }
                // Not firm enough for --strict, or nothing measured; what it says is compared all the same.
                Ok(exit) => {
                    weak |= exit == Exit::Invalid;
                    bundles.push(own.join(BUNDLE_NAME));
                }
                Err(why) => failed.push(format!("run {} failed and is left out: {why}", at + 1)),
            }
        }
        for why in &failed {
            crate::print_to_stderr(why);
        }
        if interrupted && bundles.len() < 2 {
            return Ok(Exit::Interrupted);
        }
        let contradictions = report::replication(&bundles)?;
        Ok(match interrupted {
            true => Exit::Interrupted,
            false if contradictions > 0 || weak || !failed.is_empty() => Exit::Invalid,
            false => Exit::Fine,
        })
    }
}
