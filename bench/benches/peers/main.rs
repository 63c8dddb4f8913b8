//! Peers as witnesses: the swarm and the load generators of others drive the same HTTP server, in turn, and what they
//! say of it is compared.
//!
//! One CPU serves, another runs the client. A round runs the swarm and each peer back to back, in either order by
//! chance, each against a fresh server of the model; the peers of a round come in shuffled order. Ratios are paired by
//! round, their medians have bootstrap intervals. Two witnesses nobody can talk round stand beside: the server's own
//! count of requests, and Little's law (replies per second times mean latency is the number of connections). The CPU
//! time of a client is that of its processes from start to end, divided by what the server counted.
//!
//! `cargo bench -p bakeoff --bench peers`                11 rounds of 1 s a run, two models, about four minutes
//! `cargo bench -p bakeoff --bench peers -- --rounds 21 --model mio-event-loop wrk`
//! `cargo bench -p bakeoff --bench peers -- --test`      one tiny round, to see that it works
//!
//! A peer that is not installed is skipped, with a line; `scripts/peers` installs them. It never fails for a difference.

mod clients;
mod output;
mod run;
mod table;

use bakeoff::host::environment::allowed_cpus;
use bakeoff::host::topology::CpuPlan;
use bakeoff::process::launch::Interrupt;
use bakeoff::suggest;
use bakeoff_reports::stats::random::Random;
use bakeoff_servers::models;
use clap::{Parser, value_parser};
use clients::{Client, PEERS, SWARM};
use run::{Run, Stage, watch};
use std::process::{Command, ExitCode};
use std::time::Duration;

#[derive(Debug, Parser)]
struct Args {
    /// Rounds
    #[arg(long, default_value_t = 11, value_parser = value_parser!(u32).range(1..=1_000))]
    rounds: u32,
    /// Measured window of each run, in whole seconds, as wrk takes them
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// Connections
    #[arg(long, default_value_t = 64, value_parser = value_parser!(u32).range(1..=10_000))]
    connections: u32,
    /// The server's model; may be given several times
    #[arg(long, default_values_t = ["mio-event-loop".to_string(), "tokio-current-thread".into()])]
    model: Vec<String>,
    /// One tiny round
    #[arg(long)]
    test: bool,
    /// Passed by cargo
    #[arg(long, hide = true)]
    bench: bool,
    /// Only the peer of this name
    peer: Option<String>,
}

/// A peer and the rounds it has been through: the swarm's run and its own.
struct Duel {
    peer: &'static Client,
    rounds: Vec<(Run, Run)>,
}

fn main() -> ExitCode {
    let interrupt = match Interrupt::on_signals() {
        Ok(interrupt) => interrupt,
        Err(error) => {
            eprintln!("peers: installing the signal handlers failed: {error}");
            return ExitCode::from(2);
        }
    };
    match compare(&Args::parse(), &interrupt) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) if interrupt.is_set() => ExitCode::from(130),
        Err(error) => {
            eprintln!("peers: {error}");
            ExitCode::from(2)
        }
    }
}

fn compare(args: &Args, interrupt: &Interrupt) -> Result<(), String> {
    let present = present(args.peer.as_deref(), interrupt)?;
    if present.is_empty() {
        return Ok(());
    }
    let folder = tempfile::tempdir().map_err(|e| format!("making a temporary folder failed: {e}"))?;
    std::fs::write(folder.path().join("done.lua"), clients::WRK_SCRIPT)
        .map_err(|e| format!("writing wrk's script to {} failed: {e}", folder.path().display()))?;
    let window = if args.test { Duration::from_millis(100) } else { Duration::from_secs(args.seconds) };
    let stage = Stage {
        interrupt: interrupt.clone(),
        cpus: CpuPlan::of_this_machine(),
        connections: if args.test { args.connections.min(8) } else { args.connections },
        window,
        folder: folder.path(),
    };
    if stage.cpus.shared() {
        println!("careful: there is one CPU, which server and clients share; no figure here says much");
    }
    let (rounds, models) = if args.test { (1, &args.model[..1]) } else { (args.rounds, &args.model[..]) };
    for name in models {
        let model = models::find(name)
            .ok_or_else(|| suggest::unknown("model", name, models::ALL.iter().map(|m| m.name())))?;
        let mut duels: Vec<Duel> = present.iter().map(|&peer| Duel { peer, rounds: Vec::new() }).collect();
        measure(&stage, model.name(), &mut duels, rounds)?;
        table::print(&stage, model.name(), &duels);
    }
    Ok(())
}

/// The peers that are installed, each with a line on its version or that it is skipped.
fn present(only: Option<&str>, interrupt: &Interrupt) -> Result<Vec<&'static Client>, String> {
    if let Some(only) = only.filter(|only| PEERS.iter().all(|peer| peer.name != *only)) {
        return Err(suggest::unknown("peer", only, PEERS.iter().map(|peer| peer.name)));
    }
    let mut present = Vec::new();
    for peer in PEERS.iter().filter(|peer| only.is_none_or(|only| only == peer.name)) {
        let name = peer.name;
        let Some(program) = peer.program() else {
            println!("skipped: {name} is not installed; scripts/peers installs it where it may");
            continue;
        };
        let said = peer.version.and_then(|flag| {
            let mut ask = Command::new(&program);
            ask.arg(flag);
            let (text, _) = watch(ask, &allowed_cpus(), Duration::from_secs(10), interrupt).ok()?;
            Some(text.lines().next()?.chars().take(70).collect::<String>())
        });
        println!("{}", said.unwrap_or_else(|| format!("{name}, which does not say its version")));
        present.push(peer);
    }
    Ok(present)
}

fn measure(stage: &Stage<'_>, model: &'static str, duels: &mut [Duel], rounds: u32) -> Result<(), String> {
    let mut random = Random::named(u64::from(stage.connections), &["order of a round", model]);
    for _ in 0..rounds {
        let mut order: Vec<usize> = (0..duels.len()).collect();
        for last in (1..order.len()).rev() {
            order.swap(last, random.below(last + 1));
        }
        for i in order {
            let duel = &mut duels[i];
            let (ours, theirs);
            if random.below(2) == 0 {
                ours = stage.run(model, &SWARM)?;
                theirs = stage.run(model, duel.peer)?;
            } else {
                theirs = stage.run(model, duel.peer)?;
                ours = stage.run(model, &SWARM)?;
            }
            duel.rounds.push((ours, theirs));
        }
    }
    Ok(())
}
