//! `bakeoff keep-build`: a build in the care of this process.

use crate::exit::Exit;
use crate::process::building::Building;
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct BuildArgs {
    /// The command, for a shell
    #[arg(long, allow_hyphen_values = true)]
    command: OsString,
    /// Where it runs
    #[arg(long)]
    folder: PathBuf,
    /// The file for what it says
    #[arg(long)]
    log: PathBuf,
    /// Where cargo builds
    #[arg(long)]
    target: Option<PathBuf>,
    /// Process id of the runner; the build ends with it
    #[arg(long)]
    parent: u32,
}

impl BuildArgs {
    pub(super) fn run(self) -> Result<Exit, String> {
        let Self { command, folder, log, target, parent } = self;
        Building { command, folder, log, target }.keep(parent)?;
        Ok(Exit::Fine)
    }
}
