//! The program that serves for a contestant: some build of this one with a model, or a command of somebody else's.
//!
//! A build speaks lines of JSON: it says where it listens, waits for the word to go, and counts. A command knows nothing of
//! that. So this program starts first in its place: it takes a free port and says it, waits for the word, and then *becomes*
//! the command, in the same process. What reads the process from outside (CPU time, memory, counters of events) need not know
//! the difference, and the command dies with the runner like every other child. What it starts itself ends
//! when the trial does, in whatever group or session it is ([`super::orphans`]), but not when the runner is killed by SIGKILL:
//! that is then up to the command.

use super::launch::{LaunchError, Launcher};
use super::server::{Server, Speaks};
use super::serving::{AWAIT_GO, ServeOptions};
use crate::workload::command::Command;
use bakeoff_servers::TunedModel;
use std::ffi::OsString;

/// What is started to serve.
#[derive(Clone, Copy, Debug)]
pub enum Program<'a> {
    /// A model of a build of this program.
    Model {
        /// Starts the build.
        launcher: &'a Launcher,
        /// The model's name in that build, with its tuning where it has one: it goes before the sizes that a workload sets.
        model: &'a str,
        /// Busy time added to every request, in nanoseconds: 0 but where the gate itself is tested.
        tax_ns: u64,
    },
    /// A command that listens where it is told.
    Command {
        /// Starts this program, which becomes the command.
        launcher: &'a Launcher,
        /// What a reader calls it.
        name: &'a str,
        /// The command.
        command: &'a Command,
    },
}

/// How a command is asked over TLS none the less.
pub const ASK_IT: &str = "start it yourself, and `bakeoff load --tls` asks any server";

/// The hidden subcommand that becomes a command.
pub const BECOME: &str = "become";

impl Program<'_> {
    /// What a reader calls it.
    pub fn name(&self) -> &str {
        match self {
            Self::Model { model, .. } => model,
            Self::Command { name, .. } => name,
        }
    }

    /// Starts it as far as it waits for the word to go; it says where it will listen. A command is told the service of
    /// `options` where its words have a place for it; otherwise it serves what it serves.
    ///
    /// # Errors
    /// It cannot be started, ends at once, with its words, or names an address that it was not given.
    pub fn start(&self, options: &ServeOptions) -> Result<Server, LaunchError> {
        self.start_with(options, &[])
    }

    /// The same; a model's server gets `more` arguments of `bakeoff serve`, which the program must know.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with(&self, options: &ServeOptions, more: &[&str]) -> Result<Server, LaunchError> {
        let server = match *self {
            Self::Model { launcher, model, tax_ns } => {
                // A build of another version may have models that this one does not know: their names go on as they are.
                let mut arguments = match TunedModel::parse(model) {
                    Ok(tuned) => {
                        let config = tuned.config(&options.config);
                        ServeOptions { config, ..options.clone() }.arguments(tuned.model().name())
                    }
                    Err(_) => options.arguments(model),
                };
                arguments.push(AWAIT_GO.into());
                arguments.extend(more.iter().map(Into::into));
                if tax_ns > 0 {
                    arguments.push(format!("--tax-ns={tax_ns}").into());
                }
                Server::start(launcher, &format!("server {model}"), arguments, Speaks::Counters)
            }
            Self::Command { name, .. } if options.tls => {
                return Err(LaunchError::Refused(format!(
                    "{name} is a command, which is asked without TLS; {ASK_IT}"
                )));
            }
            Self::Command { launcher, name, command } => {
                let arguments = arguments_to_become(command, options);
                Server::start(launcher, &format!("server {name}"), arguments, Speaks::Nothing)
            }
        }?;
        // It is loaded where it was told to serve, and nowhere else: it could name a machine of somebody else's.
        let (address, asked) = (server.address, options.address);
        if address.ip() != asked.ip() {
            return Err(LaunchError::Elsewhere { address, asked });
        }
        Ok(server)
    }
}

/// What makes this program become a command.
pub(crate) fn arguments_to_become(command: &Command, options: &ServeOptions) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec![
        BECOME.into(),
        format!("--addr={}", options.address).into(),
        format!("--service={}", options.service).into(),
    ];
    if !options.cpus.is_empty() {
        let cpus: Vec<String> = options.cpus.iter().map(u32::to_string).collect();
        arguments.push(format!("--cpus={}", cpus.join(",")).into());
    }
    if let Some(folder) = &command.folder {
        arguments.push("--folder".into());
        arguments.push(folder.into());
    }
    arguments.push(format!("--command={}", command.text).into());
    arguments
}
