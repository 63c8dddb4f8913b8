//! The speed targets, as ratios: models against hand-written twins and a bare epoll server, the swarm against a bare
//! epoll client.
//!
//! A figure alone says little on a machine that drifts by a factor of two between minutes. So the two sides of a ratio
//! run one right after the other, in either order by chance, each server in a fresh process pinned to one half of the
//! CPUs and the client to the other; a round does that for every ratio, in shuffled order; and what is printed is the
//! median over the rounds with its bootstrap interval. The last section, `lag`, is about time: how well an open loop at
//! half the ceiling keeps its schedule.
//!
//! `cargo bench --bench ratios`             20 rounds, about ten minutes
//! `cargo bench --bench ratios -- --rounds 6 --connections 64`
//! `cargo bench --bench ratios -- "swarm / bare"`   only the pair of that name
//! `cargo bench --bench ratios -- lag`      only the open loop
//! `cargo bench --bench ratios -- sampling` only what the sampling of costs takes from the throughput
//! `cargo bench --bench ratios -- --test`   one tiny round, to see that it works

mod controls;
mod lag;
mod measure;
mod sampling;
mod sys;

use bakeoff::process::launch::Interrupt;
use bakeoff_reports::stats::median;
use bakeoff_reports::stats::paired::{Better, factor};
use bakeoff_reports::stats::random::Random;
use clap::Parser;
use measure::{Client, Contender, Figures, Server, Stage};
use std::process::ExitCode;
use std::time::Duration;

#[derive(Debug, Parser)]
struct Args {
    /// Rounds
    #[arg(long, default_value_t = 20)]
    rounds: u32,
    /// Measured window of each trial, in milliseconds
    #[arg(long, default_value_t = 250)]
    window_ms: u64,
    /// Only this many connections (1, 64 or 1000)
    #[arg(long)]
    connections: Option<u32>,
    /// One tiny round
    #[arg(long)]
    test: bool,
    /// Passed by cargo
    #[arg(long, hide = true)]
    bench: bool,
    /// Only comparisons whose name contains this; `lag` for the open loop
    filter: Option<String>,
    #[arg(long, hide = true)]
    control: Option<String>,
    #[arg(long, hide = true, default_value_t = 0)]
    pool: usize,
    #[arg(long, hide = true)]
    bare_client: bool,
    #[arg(long, hide = true, value_delimiter = ',')]
    cpus: Vec<u32>,
    #[arg(long, hide = true, default_value_t = 0)]
    parent: u32,
}

/// Most clients of a comparison over UDP.
const MOST_FLOWS: u32 = 64;

/// One ratio, the least it should be (0: none is set), and what was measured on both sides, by round.
struct Comparison {
    name: String,
    subject: Contender,
    limit: Contender,
    target: f64,
    rates: Vec<(Figures, Figures)>,
}

impl Comparison {
    fn new(name: String, subject: Contender, limit: Contender, target: f64) -> Self {
        Self { name, subject, limit, target, rates: Vec::new() }
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match (&args.control, args.bare_client) {
        (Some(name), _) => controls::run_server(name, args.pool, &args.cpus, args.parent),
        (None, true) => measure::bare_client(&args.cpus, args.parent),
        (None, false) => compare(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ratios: {error}");
            ExitCode::from(2)
        }
    }
}

fn compare(args: &Args) -> Result<(), String> {
    let (rounds, window) = if args.test {
        (1, Duration::from_millis(40))
    } else {
        (args.rounds, Duration::from_millis(args.window_ms))
    };
    let interrupt = Interrupt::on_signals().map_err(|e| e.to_string())?;
    let stage = Stage::new(interrupt.clone(), window);
    let all = if args.test { vec![1, 64] } else { vec![1, 64, 1000] };
    for connections in all.into_iter().filter(|c| args.connections.is_none_or(|only| only == *c)) {
        let mut comparisons = field();
        // A thousand datagrams at once do not fit the receive buffer that a server has by default.
        comparisons.retain(|c| connections <= MOST_FLOWS || c.subject.server.transport().is_tcp());
        // Nobody hears whoever is alone in a room.
        comparisons.retain(|c| connections > 1 || !matches!(c.subject.client, Client::Room));
        if let Some(filter) = &args.filter {
            comparisons.retain(|c| c.name.contains(filter.as_str()));
        }
        if !comparisons.is_empty() {
            measure(&stage, &mut comparisons, connections, rounds)?;
            print(connections, &comparisons);
        }
    }
    let lag = args.connections.is_none_or(|only| only == lag::CONNECTIONS);
    if lag && args.filter.as_ref().is_none_or(|filter| lag::NAME.contains(filter.as_str())) {
        lag::run(&stage, rounds)?;
    }
    if args.filter.as_ref().is_none_or(|filter| sampling::NAME.contains(filter.as_str())) {
        sampling::run(interrupt, rounds, window)?;
    }
    Ok(())
}

/// What is compared with what.
fn field() -> Vec<Comparison> {
    let model = |name| Contender { server: Server::Model(name), client: Client::Swarm };
    let control = |name| Contender { server: Server::Control(name), client: Client::Swarm };
    let epoll = control("epoll");
    let mut comparisons = Vec::new();
    for (name, _) in controls::SERVERS.iter().filter(|(name, _)| *name != "epoll") {
        let twin = format!("{name} / its hand-written twin");
        comparisons.push(Comparison::new(twin, model(name), control(name), 0.98));
    }
    // What these do otherwise happens when a client comes, or costs next to nothing.
    for (name, plain) in [
        ("tokio-shared-buffers", "tokio"),
        ("prefork-fd-passing", "prefork"),
        ("multi-reactor-shared", "multi-reactor"),
        ("elastic-pool", "thread-pool-per-request"),
    ] {
        let pair = format!("{name} / the plain {plain} server");
        comparisons.push(Comparison::new(pair, model(name), control(plain), 0.98));
    }
    for (name, target) in [("mio-event-loop", 0.98), ("tokio-current-thread", 0.95)] {
        comparisons.push(Comparison::new(format!("{name} / bare epoll server"), model(name), epoll, target));
    }
    let loops = "mio-event-loop";
    let commanded = Contender { server: Server::Command(loops), client: Client::Swarm };
    comparisons.push(Comparison::new(
        format!("{loops} as a command / itself"),
        commanded,
        model(loops),
        0.99,
    ));
    for name in ["iterative", "mio-event-loop", "tokio-current-thread"] {
        let over_udp = Contender { server: Server::Datagrams(name), client: Client::Swarm };
        let pair = format!("{name} over UDP / bare recvfrom, sendto");
        comparisons.push(Comparison::new(pair, over_udp, control(controls::datagrams::NAME), 0.97));
    }
    // What encryption costs a model is shown; no target is set for it.
    let encrypted = |name| Contender { server: Server::Encrypted(name), client: Client::Swarm };
    for name in ["mio-event-loop", "tokio"] {
        let limit = control(controls::OVER_TLS);
        comparisons.push(Comparison::new(
            format!("{name} over TLS / rustls epoll loop"),
            encrypted(name),
            limit,
            0.97,
        ));
        comparisons.push(Comparison::new(
            format!("{name} over TLS / itself without"),
            encrypted(name),
            model(name),
            0.0,
        ));
    }
    for name in ["mio-event-loop", "thread-per-client", "tokio"] {
        let room = |server| Contender { server, client: Client::Room };
        let limit = room(Server::Control(controls::room::NAME));
        let pair = format!("{name} in a chat / bare epoll fan-out");
        comparisons.push(Comparison::new(pair, room(Server::Room(name)), limit, 0.95));
    }
    let bare = Contender { client: Client::Bare, ..epoll };
    comparisons.push(Comparison::new("swarm / bare epoll client".into(), epoll, bare, 0.97));
    comparisons
}

fn measure(
    stage: &Stage,
    comparisons: &mut [Comparison],
    connections: u32,
    rounds: u32,
) -> Result<(), String> {
    let mut random = Random::named(u64::from(connections), &["order of a round"]);
    for _ in 0..rounds {
        let mut order: Vec<usize> = (0..comparisons.len()).collect();
        for last in (1..order.len()).rev() {
            order.swap(last, random.below(last + 1));
        }
        for i in order {
            let pair = &mut comparisons[i];
            let (subject, limit);
            if random.below(2) == 0 {
                subject = stage.figures(&pair.subject, connections)?;
                limit = stage.figures(&pair.limit, connections)?;
            } else {
                limit = stage.figures(&pair.limit, connections)?;
                subject = stage.figures(&pair.subject, connections)?;
            }
            pair.rates.push((subject, limit));
        }
    }
    Ok(())
}

fn print(connections: u32, comparisons: &[Comparison]) {
    println!("\n{connections} connection(s), 64 B echo, closed loop");
    println!("  {:<54} {:>6}  {:<15} {:>6} {:>9}", "ratio", "median", "95 % interval", "target", "limit/s");
    for comparison in comparisons {
        let (subject, limit): (Vec<_>, Vec<_>) =
            comparison.rates.iter().map(|(subject, limit)| (Some(subject.rate), Some(limit.rate))).unzip();
        let mut random = Random::named(1, &[&comparison.name]);
        // How many times less the limit does than the subject: the subject's rate over the limit's.
        let Some(ratio) = factor(&subject, &limit, Better::More, &mut random) else { continue };
        let verdict = match comparison.target {
            0.0 => "",
            target if ratio.low >= target => "met",
            target if ratio.high < target => "missed",
            target if ratio.median >= target => "met by the median",
            _ => "missed by the median",
        };
        let limit = median(&limit.into_iter().flatten().collect::<Vec<_>>()).unwrap_or(f64::NAN);
        println!(
            "  {:<54} {:>6.3}  [{:.3}, {:.3}]  {:>6.2} {limit:>9.0}  {verdict}",
            comparison.name, ratio.median, ratio.low, ratio.high, comparison.target
        );
        if matches!(comparison.limit.client, Client::Bare) {
            print_client_cpu(comparison);
        }
    }
    let rounds = comparisons.iter().map(|c| c.rates.len()).max().unwrap_or(0);
    println!("  {rounds} rounds");
}

/// Prints the client's CPU time a reply, the subject's over the limit's: what decides where the client is the slower side.
fn print_client_cpu(comparison: &Comparison) {
    let (subject, limit): (Vec<_>, Vec<_>) = comparison
        .rates
        .iter()
        .map(|(subject, limit)| (Some(subject.client_cpu_ns), Some(limit.client_cpu_ns)))
        .unzip();
    let mut random = Random::named(1, &[&comparison.name, "client CPU"]);
    let Some(ratio) = factor(&subject, &limit, Better::More, &mut random) else { return };
    let limit_us = median(&limit.into_iter().flatten().collect::<Vec<_>>()).unwrap_or(f64::NAN) / 1_000.0;
    println!(
        "  {:<54} {:>6.3}  [{:.3}, {:.3}]  {:>6} {limit_us:>6.2} us",
        "  client CPU a reply", ratio.median, ratio.low, ratio.high, ""
    );
}
