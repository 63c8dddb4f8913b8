//! The speed targets, as ratios: models against hand-written twins and a bare epoll server, the swarm against a bare
//! epoll client.
//!
//! A figure alone says little on a machine that drifts by a factor of two between minutes. So every round runs all
//! contenders once, in shuffled order, each server in a fresh process pinned to one half of the CPUs and the client to
//! the other, and what is printed are ratios paired by round with their bootstrap intervals.
//!
//! `cargo bench --bench ratios`             20 rounds, about ten minutes
//! `cargo bench --bench ratios -- --rounds 6 --connections 64`
//! `cargo bench --bench ratios -- --test`   one tiny round, to see that it works

mod controls;
mod measure;
mod sys;

use bakeoff::launch::Interrupt;
use bakeoff_reports::statistics::paired::{Better, factor};
use bakeoff_reports::statistics::random::Random;
use clap::Parser;
use measure::{Client, Contender, Server, Stage};
use std::process::ExitCode;
use std::time::Duration;

#[derive(Debug, Parser)]
struct Args {
    /// Rounds
    #[arg(long, default_value_t = 20)]
    rounds: u32,
    /// Measured window of each trial, in milliseconds
    #[arg(long, default_value_t = 400)]
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
    /// Only comparisons whose name contains this
    filter: Option<String>,
    #[arg(long, hide = true)]
    control: Option<String>,
    #[arg(long, hide = true)]
    bare_client: bool,
    #[arg(long, hide = true, value_delimiter = ',')]
    cpus: Vec<u32>,
    #[arg(long, hide = true, default_value_t = 0)]
    parent: u32,
}

/// One ratio and the least it should be.
struct Comparison {
    name: String,
    subject: usize,
    limit: usize,
    target: f64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match (&args.control, args.bare_client) {
        (Some(name), _) => controls::run_server(name, &args.cpus, args.parent),
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
    let stage = Stage::new(interrupt, window);
    let all = if args.test { vec![1, 64] } else { vec![1, 64, 1000] };
    for connections in all.into_iter().filter(|c| args.connections.is_none_or(|only| only == *c)) {
        let (mut contenders, mut comparisons) = field(connections);
        if let Some(filter) = &args.filter {
            comparisons.retain(|c| c.name.contains(filter.as_str()));
        }
        if comparisons.is_empty() {
            continue;
        }
        // Only what some comparison needs; positions stay.
        let needed = |i: usize| comparisons.iter().any(|c| c.subject == i || c.limit == i);
        let rates = rounds_of(&stage, &mut contenders, needed, connections, rounds)?;
        print(connections, &comparisons, &rates, &contenders);
    }
    Ok(())
}

/// Who runs at this many connections, and what is compared with what.
fn field(connections: u32) -> (Vec<Contender>, Vec<Comparison>) {
    let mut contenders = Vec::new();
    let mut comparisons = Vec::new();
    for (name, _) in controls::SERVERS {
        contenders.push(Contender { server: Server::Control(name), client: Client::Swarm });
    }
    for (twin, (name, _)) in controls::SERVERS.iter().enumerate().skip(1) {
        let subject = contenders.len();
        contenders.push(Contender { server: Server::Model(name), client: Client::Swarm });
        comparisons.push(Comparison {
            name: format!("{name} / its hand-written twin"),
            subject,
            limit: twin,
            target: 0.98,
        });
        let target = match *name {
            "mio-event-loop" => 0.98,
            "tokio-current-thread" => 0.95,
            _ => continue,
        };
        comparisons.push(Comparison {
            name: format!("{name} / bare epoll server"),
            subject,
            limit: 0,
            target,
        });
    }
    if connections == 64 {
        let limit = contenders.len();
        contenders.push(Contender { server: Server::Control("epoll"), client: Client::Bare });
        comparisons.push(Comparison {
            name: "swarm / bare epoll client".into(),
            subject: 0,
            limit,
            target: 0.95,
        });
    }
    (contenders, comparisons)
}

/// Replies per second by contender and round.
fn rounds_of(
    stage: &Stage,
    contenders: &mut [Contender],
    needed: impl Fn(usize) -> bool,
    connections: u32,
    rounds: u32,
) -> Result<Vec<Vec<Option<f64>>>, String> {
    let mut rates = vec![Vec::new(); contenders.len()];
    let mut random = Random::named(u64::from(connections), &["order of a round"]);
    for _ in 0..rounds {
        let mut order: Vec<usize> = (0..contenders.len()).filter(|i| needed(*i)).collect();
        for last in (1..order.len()).rev() {
            order.swap(last, random.below(last + 1));
        }
        for i in order {
            rates[i].push(Some(stage.rate(&contenders[i], connections)?));
        }
    }
    Ok(rates)
}

fn print(connections: u32, comparisons: &[Comparison], rates: &[Vec<Option<f64>>], contenders: &[Contender]) {
    println!("\n{connections} connection(s), 64 B echo, closed loop");
    println!("  {:<48} {:>6}  {:<15} {:>6}  {:>9}", "ratio", "median", "95 % interval", "target", "limit/s");
    for comparison in comparisons {
        let (subject, limit) = (&rates[comparison.subject], &rates[comparison.limit]);
        let mut random = Random::named(1, &[&comparison.name]);
        // How many times less the limit does than the subject: the subject's rate over the limit's.
        let Some(ratio) = factor(subject, limit, Better::More, &mut random) else { continue };
        let verdict = match comparison.target {
            target if ratio.low >= target => "met",
            target if ratio.high < target => "missed",
            _ => "not decided",
        };
        let limit_rate =
            bakeoff_reports::statistics::median(&limit.iter().flatten().copied().collect::<Vec<_>>());
        println!(
            "  {:<48} {:>6.3}  [{:.3}, {:.3}]  {:>6.2}  {:>9.0}  {verdict}",
            comparison.name,
            ratio.median,
            ratio.low,
            ratio.high,
            comparison.target,
            limit_rate.unwrap_or(f64::NAN),
        );
    }
    let rounds = rates.iter().map(|r| r.iter().flatten().count()).max().unwrap_or(0);
    println!("  {rounds} rounds of {} contenders, shuffled", contenders.len());
}
