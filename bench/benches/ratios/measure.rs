//! One figure: replies per second of one server under one client.

use crate::controls::{ClientSpec, run_client};
use bakeoff::environment::{CpuPlan, allowed_cpus, pin};
use bakeoff::launch::{Child, Interrupt, Launcher, die_with_parent};
use bakeoff::load::{DemandShape, Load, RequestShape, Timing, WorkerSpec};
use bakeoff::serving::{FromServer, ServeOptions};
use bakeoff::squad::{PATIENCE, Squad, expect};
use bakeoff_servers::ServerConfig;
use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Payload of every request.
const SIZE: u32 = 64;
/// Before every window.
const WARMUP: Duration = Duration::from_millis(100);

/// A server to measure.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Server {
    /// A model of the project.
    Model(&'static str),
    /// A control of this bench.
    Control(&'static str),
}

/// A client to measure with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Client {
    /// The project's swarm.
    Swarm,
    /// The bare client of this bench.
    Bare,
}

/// What runs in a trial.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contender {
    pub(crate) server: Server,
    pub(crate) client: Client,
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
            cpus: CpuPlan::split(allowed_cpus()),
            window,
        }
    }

    /// Replies per second.
    pub(crate) fn rate(&self, contender: &Contender, connections: u32) -> Result<f64, String> {
        let (mut server, address) = self.start(contender.server, connections)?;
        let completed = match contender.client {
            Client::Swarm => self.by_swarm(address, connections),
            Client::Bare => self.by_bare_client(address, connections),
        };
        server.ask_to_stop();
        server.reap(Instant::now() + PATIENCE);
        Ok(completed.map_err(|e| format!("{contender:?} with {connections} connections: {e}"))? as f64
            / self.window.as_secs_f64())
    }

    fn start(&self, server: Server, connections: u32) -> Result<(Child, SocketAddr), String> {
        let (launcher, arguments, name) = match server {
            Server::Model(model) => {
                let mut config = ServerConfig::for_cpus(self.cpus.server.len());
                config.pool_workers = connections as usize;
                let options = ServeOptions {
                    model: model.into(),
                    service: "echo".into(),
                    address: "127.0.0.1:0".parse().expect("an address"),
                    backlog: 1024,
                    congestion_control: Some("cubic".into()),
                    cpus: self.cpus.server.clone(),
                    config,
                };
                (&self.tool, options.arguments(), model)
            }
            Server::Control(name) => {
                let pool = connections.to_string();
                let words = ["--control", name, "--pool", &pool];
                (&self.this, control(&words, &self.cpus.server), name)
            }
        };
        let mut child = launcher.start(name, arguments).map_err(|e| e.to_string())?;
        match expect(&mut child, name, PATIENCE).map_err(|e| e.to_string())? {
            FromServer::Ready { address } => Ok((child, address)),
            FromServer::Served { .. } => Err(format!("{name} ended before it began")),
        }
    }

    fn by_swarm(&self, target: SocketAddr, clients: u32) -> Result<u64, String> {
        let spec = WorkerSpec {
            target,
            service: "echo".into(),
            load: Load::Closed { clients, think: Duration::ZERO },
            request: RequestShape { size: SIZE, demand: DemandShape::None },
            timing: Timing {
                warmup: WARMUP,
                window: self.window,
                timeout: Duration::from_secs(5),
                drain: Duration::from_millis(200),
            },
            slices: 10,
            seed: 1,
            shard: 0,
            shards: 1,
            cpus: Vec::new(),
            congestion_control: Some("cubic".into()),
            defect: None,
        };
        let run = || {
            let mut squad = Squad::gather(&self.tool, &spec, 1, &self.cpus.swarm)?;
            squad.start()?;
            let measured = squad.collect();
            squad.dismiss();
            measured
        };
        let measured = run().map_err(|e: bakeoff::launch::LaunchError| e.to_string())?;
        if measured.counts.errors_total() > 0 {
            return Err(format!("requests failed: {:?}", measured.counts));
        }
        Ok(measured.completed_in_window)
    }

    fn by_bare_client(&self, target: SocketAddr, clients: u32) -> Result<u64, String> {
        let spec = ClientSpec {
            target,
            clients: clients as usize,
            size: SIZE as usize,
            warmup_ns: bakeoff::clock::nanoseconds(WARMUP),
            window_ns: bakeoff::clock::nanoseconds(self.window),
        };
        let run = || {
            let mut client = self.this.start("bare client", control(&["--bare-client"], &self.cpus.swarm))?;
            client.send(&serde_json::to_string(&spec).expect("our own type"))?;
            expect(&mut client, "bare client", WARMUP + self.window + PATIENCE)
        };
        run().map_err(|e: bakeoff::launch::LaunchError| e.to_string())
    }
}

fn control(words: &[&str], cpus: &[u32]) -> Vec<OsString> {
    let cpus = cpus.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    words.iter().map(OsString::from).chain([format!("--cpus={cpus}").into()]).collect()
}

/// The process of the bare client: its orders on standard input, its count on standard output.
pub(crate) fn bare_client(cpus: &[u32], parent: u32) -> Result<(), String> {
    if !die_with_parent(parent) {
        return Err("the bench has ended".into());
    }
    // One of them: it has one thread, and so has a worker of the swarm.
    pin(&cpus[..1.min(cpus.len())]).map_err(|e| e.to_string())?;
    bakeoff::preflight::raise_descriptor_limit();
    let mut line = String::new();
    io::stdin().read_line(&mut line).map_err(|e| e.to_string())?;
    let spec = serde_json::from_str(&line).map_err(|e| e.to_string())?;
    println!("{}", run_client(&spec).map_err(|e| e.to_string())?);
    Ok(())
}
