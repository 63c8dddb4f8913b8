//! `bakeoff swarm-worker`: one worker of the swarm, started by the runner, spoken with by lines.

use crate::exit::Exit;
use crate::host::preflight::raise_descriptor_limit;
use crate::process::launch::die_with_parent;
use crate::swarm::http_exchange::exchange;
use crate::swarm::protocol::run_worker;
use crate::swarm::spec::WorkerSpec;
use bakeoff_servers::services;
use clap::Args;
use std::io;

#[derive(Debug, Args)]
pub(super) struct WorkerArgs {
    /// Process id of the runner; the worker ends with it
    #[arg(long)]
    parent: u32,
}

impl WorkerArgs {
    pub(super) fn run(self) -> Result<Exit, String> {
        die_with_parent(self.parent)?;
        raise_descriptor_limit();
        let exchange = |spec: &WorkerSpec| {
            services::find(&spec.service).map(|entry| exchange(entry, &spec.request, spec.seed))
        };
        run_worker(io::stdin().lock(), io::stdout().lock(), exchange).map_err(|e| e.to_string())?;
        Ok(Exit::Fine)
    }
}
