//! Who serves in a trial: a model of some build of this program, or a command of somebody else's.
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
use bakeoff_servers::TunedModel;
use std::ffi::OsString;
use std::net::SocketAddr;

/// Who serves.
#[derive(Clone, Copy, Debug)]
pub enum Contestant<'a> {
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

/// A command that serves: its words, with `{port}`, `{host}` or `{address}` where these go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// As it was given.
    pub text: String,
    /// Its words.
    pub words: Vec<String>,
    /// Where it runs; the tool's own folder otherwise.
    pub folder: Option<std::path::PathBuf>,
}

impl Command {
    /// Splits a command into words, as a shell would that knows quotes and backslashes and nothing else.
    ///
    /// # Errors
    /// A quote without end, no word, or no place for the port.
    pub fn parse(text: &str) -> Result<Self, String> {
        let words =
            shell_words::split(text).map_err(|_| format!("the command `{text}` has a quote without end"))?;
        if words.is_empty() {
            return Err("an empty command cannot serve".into());
        }
        if !["{port}", "{address}"].iter().any(|place| text.contains(place)) {
            return Err(format!(
                "the command `{text}` does not say where the port goes: write {{port}}, or {{address}} for host and \
                 port, such as './server --port {{port}}'"
            ));
        }
        Ok(Self { text: text.into(), words, folder: None })
    }

    /// The words with an address in the places for it.
    pub fn at(&self, address: SocketAddr) -> Vec<String> {
        let fill = |word: &String| {
            word.replace("{port}", &address.port().to_string())
                .replace("{host}", &address.ip().to_string())
                .replace("{address}", &address.to_string())
        };
        self.words.iter().map(fill).collect()
    }
}

/// The hidden subcommand that becomes a command.
pub const BECOME: &str = "become";

impl Contestant<'_> {
    /// Starts it as far as it waits for the word to go; it says where it will listen. A command serves what it serves,
    /// whatever `options` say of the service.
    ///
    /// # Errors
    /// It cannot be started, ends at once, with its words, or names an address that it was not given.
    pub fn start(&self, options: &ServeOptions) -> Result<Server, LaunchError> {
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
                if tax_ns > 0 {
                    arguments.push(format!("--tax-ns={tax_ns}").into());
                }
                Server::start(launcher, &format!("server {model}"), arguments, Speaks::Counters)
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
fn arguments_to_become(command: &Command, options: &ServeOptions) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec![BECOME.into(), format!("--addr={}", options.address).into()];
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_words_with_places_for_the_address() {
        let command = Command::parse("python3 'my server.py' --bind {host}:{port}").expect("a command");
        let address: SocketAddr = "127.0.0.1:4242".parse().expect("an address");
        assert_eq!(command.at(address), ["python3", "my server.py", "--bind", "127.0.0.1:4242"]);
        let whole = Command::parse("serve {address}").expect("a command");
        assert_eq!(whole.at("[::1]:5".parse().expect("an address")), ["serve", "[::1]:5"]);
    }

    #[test]
    fn a_command_without_a_place_for_the_port_or_an_end_is_refused() {
        for (text, word) in [("./server", "{port}"), ("", "empty"), ("'./server {port}", "quote")] {
            let error = Command::parse(text).expect_err(text);
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
