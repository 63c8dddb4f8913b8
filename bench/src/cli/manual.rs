//! `bakeoff completions` and `bakeoff man`: made from the same definition as the command line itself.

use super::{help, names, output};
use crate::exit::Exit;
use clap::Args;
use clap_complete::Shell;

/// Print the completion script of a shell
#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

impl CompletionsArgs {
    pub(super) fn run(self) -> Result<Exit, String> {
        output::print(&script(self.shell))?;
        Ok(Exit::Fine)
    }
}

/// The script of a shell.
fn script(shell: Shell) -> String {
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut help::definition(), "bakeoff", &mut bytes);
    let script = String::from_utf8_lossy(&bytes).into_owned();
    let scenarios = names::scenario().names().join(" ");
    // A scenario is a name or a file. The generator knows one or the other, and in fish no argument without a flag.
    match shell {
        Shell::Zsh => script.replace(
            &format!(":({scenarios})'"),
            &format!(":{{_alternative \"names:scenario:({scenarios})\" \"files:file:_files\"}}'"),
        ),
        Shell::Fish => {
            let takes = |command: &&str| {
                format!(
                    "complete -c bakeoff -n \"__fish_bakeoff_using_subcommand {command}\" -a \"{scenarios}\"\n"
                )
            };
            script + &["run", "sweep", "capacity", "ab"].iter().map(takes).collect::<String>()
        }
        _ => script,
    }
}

/// Print the manual page, for `man -l -`
#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// A subcommand, for a page of its own
    subcommand: Option<String>,
}

impl ManArgs {
    pub(super) fn run(self) -> Result<Exit, String> {
        let mut whole = help::definition();
        whole.build();
        let command = match &self.subcommand {
            None => whole,
            Some(name) => whole.find_subcommand(name).cloned().ok_or_else(|| {
                let known = whole.get_subcommands().map(clap::Command::get_name);
                crate::suggest::unknown("subcommand", name, known)
            })?,
        };
        let mut page = Vec::new();
        clap_mangen::Man::new(command)
            .render(&mut page)
            .map_err(|e| format!("writing the manual page failed: {e}"))?;
        output::print(&String::from_utf8_lossy(&page))?;
        Ok(Exit::Fine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bakeoff_reports::show::export::Format;
    use bakeoff_servers::{models, services};

    #[test]
    fn completions_know_every_name_and_nothing_that_is_internal() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = script(shell);
            let names = models::all().map(|model| model.name());
            let names = names.chain(services::ALL.iter().map(|service| service.name));
            let names =
                names.chain(Format::ALL.iter().map(|format| format.name())).chain(names::scenario().names());
            names.for_each(|name| assert!(script.contains(name), "{shell} does not know {name}"));
            for internal in ["swarm-worker", "null-server", "keep-build", "for-runner", "await-go", "tax-ns"]
            {
                assert!(!script.contains(internal), "{shell} offers {internal}");
            }
        }
        assert!(script(Shell::Zsh).contains("_alternative"), "a scenario may be a file");
    }
}
