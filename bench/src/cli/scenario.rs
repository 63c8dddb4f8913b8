//! `bakeoff scenario`: the built-in scenarios as files, to read and to change.

use super::output;
use bakeoff::scenario::{BUILT_IN, BuiltIn, REFERENCE};
use bakeoff::suggest;
use clap::{Args, Subcommand};
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

/// Show, copy or check scenario files
#[derive(Debug, Args)]
pub(super) struct ScenarioArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print a built-in scenario file; `reference` explains every key
    Show {
        /// Its name
        name: String,
    },
    /// Copy the built-in scenario files into a folder, to start your own from; existing files are left alone
    Init {
        /// The folder; made if it is not there
        #[arg(default_value = "scenarios")]
        folder: PathBuf,
    },
    /// Check scenario files and say what is wrong with them
    Check {
        /// The files
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

impl ScenarioArgs {
    pub(super) fn run(self) -> Result<ExitCode, String> {
        match self.action {
            Action::Show { name } => {
                let found = files().find(|b| b.name == name);
                let built_in =
                    found.ok_or_else(|| suggest::unknown("scenario", &name, files().map(|b| b.name)))?;
                output::print(built_in.toml)?;
            }
            Action::Init { folder } => init(&folder)?,
            Action::Check { files } => {
                for file in &files {
                    let scenario = super::run::read_scenario(file)?;
                    output::print(&format!(
                        "{}: {}, {}\n",
                        file.display(),
                        scenario.name,
                        scenario.load_in_words()
                    ))?;
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The files there are to show and to copy: the built-in scenarios, and one that explains every key.
fn files() -> impl Iterator<Item = &'static BuiltIn> {
    BUILT_IN.iter().chain([&REFERENCE])
}

fn init(folder: &PathBuf) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|e| format!("making the folder {} failed: {e}", folder.display()))?;
    for built_in in files() {
        let path = folder.join(format!("{}.toml", built_in.name));
        let made = fs::File::create_new(&path)
            .and_then(|mut f| std::io::Write::write_all(&mut f, built_in.toml.as_bytes()));
        match made {
            Ok(()) => output::print(&format!("wrote {}\n", path.display()))?,
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                output::print(&format!("left {} as it is\n", path.display()))?;
            }
            Err(e) => return Err(format!("writing {} failed: {e}", path.display())),
        }
    }
    output::print(&format!("run one with: bakeoff run {}/NAME.toml\n", folder.display()))
}
