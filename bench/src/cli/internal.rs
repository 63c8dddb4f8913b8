//! What the tool starts itself as: servers and workers of a trial. No help, completion or hint knows of these.

use super::{become_command, build_command, probe, serve, worker};
use crate::exit::Exit;
use clap::{Parser, Subcommand};

/// A child of the tool.
#[derive(Debug, Parser)]
#[command(name = "bakeoff")]
pub(crate) struct Internal {
    #[command(subcommand)]
    child: Child,
}

#[derive(Debug, Subcommand)]
enum Child {
    SwarmWorker(worker::WorkerArgs),
    NullServer(probe::NullServerArgs),
    Become(become_command::BecomeArgs),
    KeepBuild(build_command::BuildArgs),
    Serve(serve::RunnerServeArgs),
}

impl Internal {
    /// Whether the command line is one that only the tool itself gives.
    pub(crate) fn is_meant() -> bool {
        let mut words = std::env::args_os().skip(1);
        let first = words.next();
        match first.as_ref().and_then(|word| word.to_str()) {
            Some("swarm-worker" | "null-server" | "become" | "keep-build") => true,
            Some("serve") => words.next().is_some_and(|word| word == "--for-runner"),
            _ => false,
        }
    }

    /// Does what the runner asks.
    pub(crate) fn run(self) -> Result<Exit, String> {
        match self.child {
            Child::SwarmWorker(args) => args.run(),
            Child::NullServer(args) => args.run(),
            Child::Become(args) => args.run(),
            Child::KeepBuild(args) => args.run(),
            Child::Serve(args) => args.run(),
        }
    }
}
