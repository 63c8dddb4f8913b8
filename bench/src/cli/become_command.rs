//! `bakeoff become`: takes a free port, says it to the runner, waits for its word, and becomes a command that serves there.

use crate::exit::Exit;
use crate::host::environment;
use crate::host::preflight;
use crate::process::launch::die_with_parent;
use crate::process::serving::{FromServer, say, was_told_to_go};
use crate::workload::command::Command;
use bakeoff_servers::limits::refuse_core_dumps;
use clap::Args;
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct BecomeArgs {
    /// Where the command is to listen; port 0 takes a free one
    #[arg(long, value_parser = super::parse_address)]
    addr: SocketAddr,
    /// The service, for a command that is told it
    #[arg(long)]
    service: String,
    /// CPUs to stay on
    #[arg(long, value_delimiter = ',')]
    cpus: Vec<u32>,
    /// Where the command runs
    #[arg(long)]
    folder: Option<PathBuf>,
    /// The command
    #[arg(long, allow_hyphen_values = true)]
    command: String,
    /// Process id of the runner; the command ends with it
    #[arg(long)]
    parent: u32,
}

impl BecomeArgs {
    pub(super) fn run(self) -> Result<Exit, String> {
        preflight::require_loopback(self.addr.ip(), "a command is loaded on this machine only")?;
        die_with_parent(self.parent)?;
        let command = Command::parse(&self.command)?;
        environment::pin(&self.cpus).map_err(|e| e.to_string())?;
        preflight::raise_descriptor_limit();
        refuse_core_dumps();
        let address = free_address(self.addr)?;
        say(&FromServer::Ready { address, fingerprint: None });
        if !was_told_to_go()? {
            return Ok(Exit::Fine);
        }
        // What it prints is no word to the runner, which keeps the end of what goes to standard error for its messages.
        let stderr = rustix::stdio::stderr();
        let null = File::open("/dev/null").map_err(|e| format!("opening /dev/null failed: {e}"))?;
        rustix::stdio::dup2_stdout(stderr)
            .and_then(|()| rustix::stdio::dup2_stdin(&null))
            .map_err(|e| format!("turning the command's output to standard error failed: {e}"))?;
        let words = command.at(address, &self.service);
        let mut program = std::process::Command::new(&words[0]);
        program.args(&words[1..]).env("PORT", address.port().to_string());
        if let Some(folder) = &self.folder {
            program.current_dir(folder);
        }
        // Comes back only when it failed.
        let error = program.exec();
        Err(format!(
            "starting `{}` failed: {error}; give a program that can be run from here",
            words.join(" ")
        ))
    }
}

/// An address that nobody listens on now. Somebody may take it before the command does; then the command says so.
fn free_address(wanted: SocketAddr) -> Result<SocketAddr, String> {
    TcpListener::bind(wanted)
        .and_then(|listener| listener.local_addr())
        .map_err(|e| format!("taking the address {wanted} for the command failed: {e}"))
}
