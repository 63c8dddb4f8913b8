//! Very many connections held at once, one verified echo on each, and what a pair of ends costs in memory.
//!
//! A process may open some thousands of descriptors only, so the connections are spread over as many pairs of a server
//! process and a swarm worker as that takes. Memory is read three times: before anything, with all connections open
//! and silent, and after every one of them carried its echo; nothing is measured while something moves. Servers and
//! workers sit on separate CPUs where there are several.
//!
//! `cargo bench -p bakeoff --bench hold -- 100000`    half a minute
//! `cargo bench -p bakeoff --bench hold -- 1000000`   some minutes and 10 GiB
//! `cargo bench -p bakeoff --bench hold -- --test`    200 connections, to see that it works

mod memory;

use bakeoff::host::environment::descriptor_limit;
use bakeoff::host::topology::CpuPlan;
use bakeoff::process::launch::{Interrupt, Launcher};
use bakeoff::process::server::{Server, Speaks};
use bakeoff::process::serving::ServeOptions;
use bakeoff::process::workers::{PATIENCE, Workers};
use bakeoff::swarm::spec::WorkerSpec;
use bakeoff::workload::load::{Arrivals, DemandShape, Load, RateShape, RequestShape, Timing};
use bakeoff_reports::record::Measured;
use bakeoff_servers::ServerConfig;
use clap::Parser;
use memory::Memory;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Most connections of one process: below the 20,000 descriptors that many systems allow.
const MOST_PER_PROCESS: u64 = 18_000;
/// Descriptors of a process that are no connections.
const OTHER_DESCRIPTORS: u64 = 100;
/// Memory that a pair may need at most before the bench refuses to begin, in bytes: half more than the kernel's part
/// and ours were ever seen to take.
const ROOM_PER_PAIR: u64 = 16 << 10;
/// Echoes per second: one after another over all connections of a worker.
const ECHOES_PER_S: f64 = 20_000.0;

#[derive(Debug, Parser)]
struct Args {
    /// Connections to hold
    #[arg(default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    connections: u32,
    /// Model of the servers
    #[arg(long, default_value = "mio-event-loop")]
    model: String,
    /// Two pairs of processes and 200 connections
    #[arg(long)]
    test: bool,
    /// Passed by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

/// A server, and the swarm that holds connections to it.
struct Pair {
    server: Server,
    workers: Workers,
    clients: u32,
}

fn main() -> ExitCode {
    match hold(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(3),
        Err(error) => {
            eprintln!("hold: {error}");
            ExitCode::from(2)
        }
    }
}

/// Says whether every connection was opened and carried its echo.
fn hold(args: &Args) -> Result<bool, String> {
    let connections = if args.test { 200 } else { args.connections };
    let shares = shares(connections, if args.test { 100 } else { per_process()? });
    let interrupt = Interrupt::on_signals().map_err(|e| e.to_string())?;
    let launcher = Launcher { program: env!("CARGO_BIN_EXE_bakeoff").into(), interrupt };
    let before = Memory::read(&[])?;
    before.require(u64::from(connections) * ROOM_PER_PAIR)?;

    let begin = Instant::now();
    let mut pairs = Vec::new();
    for clients in shares {
        pairs.push(open(&launcher, &args.model, clients)?);
    }
    let opened: u64 = pairs.iter().map(|pair| pair.workers.connected()).sum();
    let opening = begin.elapsed();
    let servers: Vec<u32> = pairs.iter().map(|pair| pair.server.pid()).collect();
    let silent = Memory::read(&servers)?;

    let begin = Instant::now();
    let mut echoed = 0;
    for pair in &mut pairs {
        pair.workers.start().map_err(|e| e.to_string())?;
        echoed += answered(&pair.workers.collect().map_err(|e| e.to_string())?, pair.clients);
    }
    let echoing = begin.elapsed();
    let after = Memory::read(&servers)?;

    println!("{connections} connections, {} servers ({}) and as many workers", pairs.len(), args.model);
    println!("  open                  {opened:>9}  in {:.1} s", opening.as_secs_f64());
    println!("  answered with an echo {echoed:>9}  in {:.1} s, every byte verified", echoing.as_secs_f64());
    memory::print(&before, &silent, &after, u64::from(connections));
    for pair in pairs {
        close(pair);
    }
    let whole = (opened, echoed) == (connections.into(), connections.into());
    if !whole {
        eprintln!("hold: not every connection was opened and answered; the figures are not of {connections}");
    }
    Ok(whole)
}

/// Most connections of one process, under the limit of descriptors.
fn per_process() -> Result<u32, String> {
    let allowed = descriptor_limit().unwrap_or(u64::MAX).saturating_sub(OTHER_DESCRIPTORS);
    match allowed.min(MOST_PER_PROCESS) {
        0 => Err(format!(
            "fewer than {OTHER_DESCRIPTORS} descriptors are allowed: raise the limit (ulimit -n)"
        )),
        most => Ok(most as u32),
    }
}

/// The connections in shares as equal as can be, none above `most`.
fn shares(connections: u32, most: u32) -> Vec<u32> {
    let parts = connections.div_ceil(most);
    (0..parts).map(|i| connections / parts + u32::from(i < connections % parts)).collect()
}

/// Starts a server and connects a worker to it.
fn open(launcher: &Launcher, model: &str, clients: u32) -> Result<Pair, String> {
    let cpus = CpuPlan::of_this_machine();
    let mut config = ServerConfig::for_cpus(cpus.server.len());
    // Models that tie a worker to a connection stop at the most workers there may be.
    config.pool_workers = config.pool_workers.max((clients as usize).min(10_000));
    let options = ServeOptions {
        service: "echo".into(),
        transport: Default::default(),
        address: "127.0.0.1:0".parse().expect("an address"),
        backlog: 4096,
        congestion_control: Some("cubic".into()),
        cpus: cpus.server.clone(),
        tls: false,
        config,
    };
    let server = Server::start(launcher, model, options.arguments(model), Speaks::Counters);
    let server = server.map_err(|e| e.to_string())?;
    let spec = one_echo_each(server.address, clients);
    let workers = Workers::spawn(launcher, &spec, 1, &cpus.swarm).map_err(|e| e.to_string())?;
    Ok(Pair { server, workers, clients })
}

/// As many requests as connections. A pool gives a request to the connection that has been free longest, so that each
/// gets exactly one.
fn one_echo_each(target: SocketAddr, clients: u32) -> WorkerSpec {
    let (rate_per_s, arrivals, shape) = (ECHOES_PER_S, Arrivals::Fixed, RateShape::Steady);
    let load = Load::Open { clients, rate_per_s, arrivals, shape };
    let request = RequestShape::new(64, DemandShape::None);
    let timing = Timing {
        warmup: Duration::ZERO,
        // Request k is due at k / rate: the window ends between the last that is wanted and the next.
        window: Duration::from_secs_f64((f64::from(clients) - 0.5) / ECHOES_PER_S),
        timeout: Duration::from_secs(20),
        drain: Duration::from_secs(20),
    };
    WorkerSpec {
        slices: 1,
        congestion_control: Some("cubic".into()),
        ..WorkerSpec::new(target, "echo", load, request, timing)
    }
}

/// Connections that carried their echo: all were given a request, and so many requests got the right reply.
fn answered(measured: &Measured, clients: u32) -> u64 {
    let each =
        measured.counts.sent == u64::from(clients) && measured.spread.connections == u64::from(clients);
    if each { measured.counts.ok } else { 0 }
}

fn close(pair: Pair) {
    let Pair { server, workers, .. } = pair;
    workers.shutdown();
    server.stop(PATIENCE);
}
