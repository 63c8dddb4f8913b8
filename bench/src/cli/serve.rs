//! `bakeoff serve`: one model alone.

use super::flags::TransportFlag;
use super::names;
use crate::exit::Exit;
use crate::host::environment::allowed_cpus;
use crate::host::preflight::require_loopback;
use crate::process::serving::{Around, ServeOptions, serve};
use crate::workload::server::{DEFAULT_BACKLOG, Key, ServerSettings};
use crate::workload::transport::{self, BY_DATAGRAMS};
use bakeoff_reports::record::Transport;
use bakeoff_servers::TunedModel;
use bakeoff_servers::services::{Dotfiles, ServiceEntry};
use bakeoff_servers::tuning::Tuning;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, ValueHint, value_parser};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Run one server until Ctrl-C: any model with any service
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bakeoff serve --model thread-per-client --service line\n  nc 127.0.0.1 5000\n\n  \
    bakeoff serve --model tokio --service static --root DIR --addr 127.0.0.1:8000\n\n  \
    bakeoff serve --model mio-event-loop --transport udp\n  \
    bakeoff serve --model tokio --service http --tls\n  curl -k https://127.0.0.1:5000/"
)]
pub(super) struct ServeArgs {
    /// The concurrency model (see `bakeoff list`)
    #[arg(long, short, value_parser = names::model(), hide_possible_values = true)]
    model: TunedModel,
    /// The service (see `bakeoff list`) [default: line; echo over UDP]
    #[arg(long, short, value_parser = names::service(), hide_possible_values = true)]
    service: Option<&'static ServiceEntry>,
    #[command(flatten)]
    transport: TransportFlag,
    /// The folder that the service `static` serves, instead of its built-in site
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    root: Option<PathBuf>,
    /// Serve what begins with a dot in that folder, too, such as .git and .env
    #[arg(long, requires = "root")]
    dotfiles: bool,
    /// Speak TLS (1.3 and 1.2), with a self-signed certificate that is new with each start
    #[arg(long)]
    tls: bool,
    /// Where to listen; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:5000", value_parser = super::parse_address)]
    addr: SocketAddr,
    /// Listen on an address that others can reach
    #[arg(long)]
    allow_remote: bool,
    #[command(flatten)]
    settings: SettingFlags,
    /// CPUs to stay on, such as 0,2
    #[arg(long, value_delimiter = ',')]
    cpus: Vec<u32>,
    /// TCP congestion control of its sockets; the system's default otherwise
    #[arg(long)]
    congestion_control: Option<String>,
}

// The settings of a server as flags: one for each key, with the range that it has in scenario files.
#[derive(Clone, Debug)]
struct SettingFlags(ServerSettings);

/// The keys that are flags here; on which CPUs it stays is a flag of its own, by number.
fn keys() -> impl Iterator<Item = Key> {
    Key::all().filter(|key| *key != Key::Cpus)
}

/// The flag of a key.
fn flag(key: Key) -> Arg {
    let long = match key {
        Key::Cpus => "cpus",
        Key::Backlog => "backlog",
        Key::Ballast => "ballast",
        Key::Size(Tuning::PoolWorkers) => "pool-workers",
        Key::Size(Tuning::PoolFloor) => "pool-floor",
        Key::Size(Tuning::PoolCeiling) => "pool-ceiling",
        Key::Size(Tuning::BlockingWorkers) => "blocking-workers",
        Key::Size(Tuning::ComputeWorkers) => "compute-workers",
        Key::Size(Tuning::RuntimeWorkers) => "runtime-workers",
    };
    let range = value_parser!(u32).range(1..=key.most().into());
    let flag = Arg::new(key.name()).long(long).value_parser(range).help(key.about());
    match key {
        Key::Backlog => flag.help(format!("{} [default: {DEFAULT_BACKLOG}]", key.about())),
        Key::Ballast => flag.value_name("MIB"),
        Key::Cpus | Key::Size(_) => flag.value_name("COUNT"),
    }
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self(ServerSettings::default());
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for key in keys() {
            if let Some(value) = matches.get_one::<u32>(key.name()) {
                let refuse = |why| clap::Error::raw(clap::error::ErrorKind::ValueValidation, why);
                self.0.set(key, *value).map_err(refuse)?;
            }
        }
        Ok(())
    }
}

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        command.args(keys().map(flag))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
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
    /// Say when the first reply has been made
    #[arg(long)]
    tell_first_reply: bool,
    /// Process id of the runner; the server ends with it
    #[arg(long)]
    parent: u32,
}

impl RunnerServeArgs {
    pub(super) fn run(self) -> Result<Exit, String> {
        let tax = Duration::from_nanos(self.tax_ns);
        let runner = Around {
            parent: Some(self.parent),
            await_go: self.await_go,
            tax,
            tells_first_reply: self.tell_first_reply,
            ..Around::default()
        };
        self.serve.serve(runner)
    }
}

/// Why nobody else may reach a server of datagrams.
const REFLECTS: &str = "over UDP nobody proves where a datagram comes from, and a server that echoes it to whom it names can be made to \
    flood others: serve on loopback";

impl ServeArgs {
    pub(super) fn run(self) -> Result<Exit, String> {
        self.serve(Around::default())
    }

    /// Refuses what does not go over this transport, or does nothing there; the runner says only what does something.
    fn check_transport(&self, carrier: Transport) -> Result<(), String> {
        if carrier.is_tcp() {
            return Ok(());
        }
        if self.allow_remote {
            return Err(format!("{REFLECTS}, without --allow-remote"));
        }
        require_loopback(self.addr.ip(), REFLECTS)?;
        if self.congestion_control.is_some() {
            return Err("--congestion-control is of connections: leave it out over UDP".into());
        }
        if self.settings.0.backlog.is_some() {
            return Err("--backlog is of connections, and over UDP there are none: leave it out".into());
        }
        let (model, set) = (self.model.model(), &self.settings.0.sizes);
        if let Some(why) = transport::refusal(model, carrier) {
            return Err(why);
        }
        let mut sizes = [self.model.sizes(), set].into_iter();
        sizes.try_for_each(|sizes| transport::check_sizes(model, sizes, carrier)).map_err(|e| e.to_string())
    }

    fn serve(self, around: Around<'_>) -> Result<Exit, String> {
        let transport = self.transport.transport;
        self.check_transport(transport)?;
        if !self.allow_remote {
            require_loopback(self.addr.ip(), "say --allow-remote if others shall reach this server")?;
        }
        let cpus = if self.cpus.is_empty() { allowed_cpus().len() } else { self.cpus.len() };
        let usual = if transport.is_tcp() { "line" } else { BY_DATAGRAMS };
        let config = self.model.config(&self.settings.0.config(cpus));
        let options = ServeOptions {
            service: self.service.map_or(usual, |service| service.name).into(),
            transport,
            address: self.addr,
            backlog: self.settings.0.backlog(),
            congestion_control: self.congestion_control,
            cpus: self.cpus,
            tls: self.tls,
            config,
        };
        let dotfiles = if self.dotfiles { Dotfiles::Served } else { Dotfiles::Hidden };
        serve(self.model.model(), &options, Around { root: self.root.as_deref(), dotfiles, ..around })?;
        Ok(Exit::Fine)
    }
}
