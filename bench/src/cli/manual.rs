//! `bakeoff completions` and `bakeoff man`: made from the same definition as the command line itself.

use super::{Cli, output};
use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use std::process::ExitCode;

/// Print the completion script of a shell
#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

impl CompletionsArgs {
    pub(super) fn run(self) -> Result<ExitCode, String> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "bakeoff", &mut script);
        output::print(&String::from_utf8_lossy(&script))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Print the manual page, for `man -l -`
#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// A subcommand, for a page of its own
    subcommand: Option<String>,
}

impl ManArgs {
    pub(super) fn run(self) -> Result<ExitCode, String> {
        let mut whole = Cli::command();
        whole.build();
        let command = match &self.subcommand {
            None => whole,
            Some(name) => whole.find_subcommand(name).cloned().ok_or_else(|| {
                let known: Vec<_> =
                    whole.get_subcommands().filter(|c| !c.is_hide_set()).map(|c| c.get_name()).collect();
                bakeoff::suggest::unknown("subcommand", name, known.into_iter())
            })?,
        };
        let mut page = Vec::new();
        clap_mangen::Man::new(command)
            .render(&mut page)
            .map_err(|e| format!("writing the manual page failed: {e}"))?;
        output::print(&String::from_utf8_lossy(&page))?;
        Ok(ExitCode::SUCCESS)
    }
}
