//! `bakeoff serve`: one model alone.

use super::names;
use bakeoff::exit::Exit;
use bakeoff::host::environment::allowed_cpus;
use bakeoff::host::preflight::require_loopback;
use bakeoff::process::serving::{Around, ServeOptions, serve};
use bakeoff::workload::scenario::{DEFAULT_BACKLOG, ServerTuning};
use bakeoff_servers::ServerModel;
use bakeoff_servers::services::{Dotfiles, ServiceEntry};
use clap::{Args, ValueHint, value_parser};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Run one server until Ctrl-C: any model with any service
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bakeoff serve --model thread-per-client --service line\n  nc 127.0.0.1 5000\n\n  \
    bakeoff serve --model tokio --service static --root DIR --addr 127.0.0.1:8000"
)]
pub(super) struct ServeArgs {
    /// The concurrency model (see `bakeoff list`)
    #[arg(long, short, value_parser = names::model(), hide_possible_values = true)]
    model: &'static dyn ServerModel,
    /// The service (see `bakeoff list`)
    #[arg(long, short, default_value = "line", value_parser = names::service(), hide_possible_values = true)]
    service: &'static ServiceEntry,
    /// The folder that the service `static` serves, instead of its built-in site
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    root: Option<PathBuf>,
    /// Serve what begins with a dot in that folder, too, such as .git and .env
    #[arg(long, requires = "root")]
    dotfiles: bool,
    /// Where to listen; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:5000", value_parser = super::parse_address)]
    addr: SocketAddr,
    /// Listen on an address that others can reach
    #[arg(long)]
    allow_remote: bool,
    /// Connections the kernel may hold before they are accepted
    #[arg(long, default_value_t = DEFAULT_BACKLOG, value_parser = value_parser!(u32).range(1..=65_535))]
    backlog: u32,
    /// Threads of the thread pool; each holds a connection
    #[arg(long, value_parser = value_parser!(u64).range(1..=10_000))]
    pool_workers: Option<u64>,
    /// Threads that the asynchronous models give to blocking jobs
    #[arg(long, value_parser = value_parser!(u64).range(1..=10_000))]
    blocking_workers: Option<u64>,
    /// Threads that the asynchronous models give to computing jobs
    #[arg(long, value_parser = value_parser!(u64).range(1..=1_024))]
    compute_workers: Option<u64>,
    /// Threads of the multi-threaded task runtime
    #[arg(long, value_parser = value_parser!(u64).range(1..=1_024))]
    runtime_workers: Option<u64>,
    /// Memory to hold from the start, in MiB: what a fork has to copy the page tables of
    #[arg(long, value_name = "MIB", default_value_t = 0, value_parser = value_parser!(u32).range(0..=4_096))]
    ballast: u32,
    /// CPUs to stay on, such as 0,2
    #[arg(long, value_delimiter = ',')]
    cpus: Vec<u32>,
    /// TCP congestion control of its sockets; the system's default otherwise
    #[arg(long)]
    congestion_control: Option<String>,
}

// What the runner says besides when it starts a server; a person never does.
#[derive(Debug, Args)]
pub(super) struct RunnerServeArgs {
    #[command(flatten)]
    serve: ServeArgs,
    /// Speak JSON lines with the runner
    #[arg(long, required = true)]
    for_runner: bool,
    /// Wait for a line on standard input between being ready and serving
    #[arg(long)]
    await_go: bool,
    /// Busy time added to every request, in nanoseconds: a known slowdown, for tests of the gate
    #[arg(long, default_value_t = 0)]
    tax_ns: u64,
    /// Process id of the runner; the server ends with it
    #[arg(long)]
    parent: u32,
}

impl RunnerServeArgs {
    pub(super) fn run(self) -> Result<Exit, String> {
        let tax = Duration::from_nanos(self.tax_ns);
        let runner = Around { parent: Some(self.parent), await_go: self.await_go, tax, ..Around::default() };
        self.serve.serve(runner)
    }
}

impl ServeArgs {
    pub(super) fn run(self) -> Result<Exit, String> {
        self.serve(Around::default())
    }

    fn serve(self, around: Around<'_>) -> Result<Exit, String> {
        if !self.allow_remote {
            require_loopback(self.addr.ip(), "say --allow-remote if others shall reach this server")?;
        }
        let cpus = if self.cpus.is_empty() { allowed_cpus().len() } else { self.cpus.len() };
        let tuning = ServerTuning {
            backlog: Some(self.backlog),
            pool_workers: self.pool_workers.map(|n| n as usize),
            blocking_workers: self.blocking_workers.map(|n| n as usize),
            compute_workers: self.compute_workers.map(|n| n as usize),
            runtime_workers: self.runtime_workers.map(|n| n as usize),
            ballast_mib: Some(self.ballast),
        };
        let options = ServeOptions {
            service: self.service.name.into(),
            address: self.addr,
            backlog: self.backlog,
            congestion_control: self.congestion_control,
            cpus: self.cpus,
            config: tuning.config(cpus),
        };
        let dotfiles = if self.dotfiles { Dotfiles::Served } else { Dotfiles::Hidden };
        serve(self.model, &options, Around { root: self.root.as_deref(), dotfiles, ..around })?;
        Ok(Exit::Fine)
    }
}
