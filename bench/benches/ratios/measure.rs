//! One trial: a server of its own under one client, and what came of it.

use crate::controls::{ClientPart, ClientSpec, Kind, datagrams, run_client};
use bakeoff::host::environment::pin;
use bakeoff::host::topology::CpuPlan;
use bakeoff::process::launch::{Interrupt, Launcher, die_with_parent};
use bakeoff::process::program::Program;
use bakeoff::process::server::{Server as Process, Speaks};
use bakeoff::process::serving::ServeOptions;
use bakeoff::process::workers::{PATIENCE, Workers, expect};
use bakeoff::swarm::spec::{ClientTls, WorkerSpec};
use bakeoff::workload::command::Command;
use bakeoff::workload::load::{DemandShape, Load, RequestShape, Timing, Transport};
use bakeoff_reports::record::Measured;
use bakeoff_servers::ServerConfig;
use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// Payload of every request.
const SIZE: u32 = 64;
/// Before every window: so much, and for each connection what a pool needs to start the process that holds it.
const WARMUP: Duration = Duration::from_millis(100);
const WARMUP_EACH: Duration = Duration::from_millis(2);

fn warmup(connections: u32) -> Duration {
    WARMUP + WARMUP_EACH * connections
}

/// A server to measure.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Server {
    /// A model of the project.
    Model(&'static str),
    /// The same over UDP.
    Datagrams(&'static str),
    /// The same, over TLS.
    Encrypted(&'static str),
    /// The same, with a chat.
    Room(&'static str),
    /// A model, as a command that this program becomes.
    Command(&'static str),
    /// A control of this bench.
    Control(&'static str),
}

impl Server {
    /// What carries its requests.
    pub(crate) fn transport(self) -> Transport {
        match self {
            Self::Datagrams(_) | Self::Control(datagrams::NAME) => Transport::Udp,
            Self::Model(_) | Self::Command(_) | Self::Control(_) | Self::Encrypted(_) | Self::Room(_) => {
                Transport::Tcp
            }
        }
    }
}

/// A client to measure with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Client {
    /// The project's swarm.
    Swarm,
    /// The bare client of this bench.
    Bare,
    /// Its members of a room.
    Room,
}

/// What runs in a trial.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contender {
    pub(crate) server: Server,
    pub(crate) client: Client,
}

/// What a contender did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// Replies per second.
    pub(crate) rate: f64,
    /// CPU time of the client, in nanoseconds a reply.
    pub(crate) client_cpu_ns: f64,
}

/// Where contenders run.
#[derive(Debug)]
pub(crate) struct Stage {
    tool: Launcher,
    this: Launcher,
    cpus: CpuPlan,
    window: Duration,
}

impl Stage {
    pub(crate) fn new(interrupt: Interrupt, window: Duration) -> Self {
        Self {
            tool: Launcher { program: env!("CARGO_BIN_EXE_bakeoff").into(), interrupt: interrupt.clone() },
            this: Launcher::this_program(interrupt),
            cpus: CpuPlan::of_this_machine(),
            window,
        }
    }

    /// A closed loop of so many connections.
    pub(crate) fn figures(&self, contender: &Contender, connections: u32) -> Result<Figures, String> {
        let closed = Load::Closed { clients: connections, think: Duration::ZERO };
        let (completed, cpu_ns) = match contender.client {
            Client::Swarm => {
                let measured = self.by_swarm(contender.server, closed, 1)?;
                (measured.completed_in_window, measured.swarm_cpu_ns)
            }
            Client::Bare => {
                let part = self.by_bare_client(contender.server, connections, Kind::Closed)?;
                (part.completed, part.cpu_ns)
            }
            Client::Room => {
                let part = self.by_bare_client(contender.server, connections, Kind::Room)?;
                (part.completed, part.cpu_ns)
            }
        };
        let completed = completed as f64;
        Ok(Figures { rate: completed / self.window.as_secs_f64(), client_cpu_ns: cpu_ns as f64 / completed })
    }

    /// What `client` brings back from a server of its own.
    fn on<T>(
        &self,
        server: Server,
        connections: u32,
        client: impl FnOnce(&Process) -> Result<T, String>,
    ) -> Result<T, String> {
        let process = self.start(server, connections)?;
        let brought = client(&process);
        process.stop(PATIENCE);
        brought.map_err(|e| format!("{server:?} with {connections} connections: {e}"))
    }

    fn start(&self, server: Server, connections: u32) -> Result<Process, String> {
        let mut config = ServerConfig::for_cpus(self.cpus.server.len());
        config.pool_workers = connections as usize;
        let options = ServeOptions {
            service: if matches!(server, Server::Room(_)) { "chat" } else { "echo" }.into(),
            transport: server.transport(),
            address: "127.0.0.1:0".parse().expect("an address"),
            backlog: 1024,
            congestion_control: Some("cubic".into()),
            cpus: self.cpus.server.clone(),
            tls: matches!(server, Server::Encrypted(_)),
            config,
        };
        let (launcher, arguments, name) = match server {
            Server::Model(model)
            | Server::Datagrams(model)
            | Server::Encrypted(model)
            | Server::Room(model) => (&self.tool, options.arguments(model), model),
            Server::Command(model) => return self.as_command(model, &options),
            Server::Control(name) => {
                let pool = connections.to_string();
                let words = ["--control", name, "--pool", &pool];
                (&self.this, control(&words, &self.cpus.server), name)
            }
        };
        Process::start(launcher, name, arguments, Speaks::Nothing).map_err(|e| e.to_string())
    }

    /// The server of a model by the command that starts it alone.
    fn as_command(&self, model: &str, options: &ServeOptions) -> Result<Process, String> {
        let tool = self.tool.program.display();
        let command = Command::parse(&format!(
            "'{tool}' serve --model {model} --service {{service}} --addr {{address}} --congestion-control cubic"
        ))?;
        let program = Program::Command { launcher: &self.tool, name: model, command: &command };
        let mut process = program.start(options).map_err(|e| e.to_string())?;
        process.go().map_err(|e| e.to_string())?;
        Ok(process)
    }

    /// The swarm's record of a load on a server.
    pub(crate) fn by_swarm(&self, server: Server, load: Load, seed: u64) -> Result<Measured, String> {
        let clients = load.clients();
        self.on(server, clients, |process| self.swarm(process, server.transport(), load, seed))
    }

    fn swarm(
        &self,
        server: &Process,
        transport: Transport,
        load: Load,
        seed: u64,
    ) -> Result<Measured, String> {
        let request = RequestShape::new(SIZE, DemandShape::None);
        let timing = Timing {
            warmup: warmup(load.clients()),
            window: self.window,
            timeout: Duration::from_secs(5),
            drain: Duration::from_secs(5), // not shorter, over UDP; it ends when nothing is outstanding
        };
        let spec = WorkerSpec {
            seed,
            transport,
            congestion_control: Some("cubic".into()),
            tls: server.fingerprint.map(|one| ClientTls { resume: true, fingerprint: Some(one) }),
            ..WorkerSpec::new(server.address, "echo", load, request, timing)
        };
        let run = || {
            let mut workers = Workers::spawn(&self.tool, &spec, 1, &self.cpus.swarm)?;
            workers.start()?;
            let measured = workers.collect();
            workers.shutdown();
            measured
        };
        let measured = run().map_err(|e: bakeoff::process::launch::LaunchError| e.to_string())?;
        let lost = measured.datagrams.as_ref().map_or(0, |datagrams| datagrams.lost);
        if measured.counts.errors_total() + lost > 0 {
            return Err(format!("requests failed: {:?}", measured.counts));
        }
        Ok(measured)
    }

    /// A bare client on a server.
    pub(crate) fn by_bare_client(
        &self,
        server: Server,
        connections: u32,
        kind: Kind,
    ) -> Result<ClientPart, String> {
        self.on(server, connections, |server| self.bare(server.address, connections, kind))
    }

    fn bare(&self, target: SocketAddr, clients: u32, kind: Kind) -> Result<ClientPart, String> {
        let spec = ClientSpec {
            kind,
            target,
            clients: clients as usize,
            size: SIZE as usize,
            warmup_ns: bakeoff::host::clock::nanoseconds(warmup(clients)),
            window_ns: bakeoff::host::clock::nanoseconds(self.window),
        };
        let run = || {
            let mut client = self.this.start("bare client", control(&["--bare-client"], &self.cpus.swarm))?;
            client.send(&serde_json::to_string(&spec).expect("our own type"))?;
            expect(&mut client, "bare client", warmup(clients) + self.window + PATIENCE)
        };
        run().map_err(|e: bakeoff::process::launch::LaunchError| e.to_string())
    }
}

fn control(words: &[&str], cpus: &[u32]) -> Vec<OsString> {
    let cpus = cpus.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    words.iter().map(OsString::from).chain([format!("--cpus={cpus}").into()]).collect()
}

/// The process of a bare client: its orders on standard input, its part on standard output.
pub(crate) fn bare_client(cpus: &[u32], parent: u32) -> Result<(), String> {
    die_with_parent(parent)?;
    // One of them: it has one thread, and so has a worker of the swarm.
    pin(&cpus[..1.min(cpus.len())]).map_err(|e| e.to_string())?;
    bakeoff::host::preflight::raise_descriptor_limit();
    let mut line = String::new();
    io::stdin().read_line(&mut line).map_err(|e| e.to_string())?;
    let spec = serde_json::from_str(&line).map_err(|e| e.to_string())?;
    let part = run_client(&spec).map_err(|e| e.to_string())?;
    println!("{}", serde_json::to_string(&part).expect("our own type"));
    Ok(())
}
