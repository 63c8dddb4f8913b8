//! Servers that do what no server should, for the tests of faults: started in place of the tool, they misbehave as their
//! model's name says, while the workers are the real ones. It must never serve anything but loopback.

mod cast;
mod server;

use bakeoff::process::launch::die_with_parent;
use bakeoff::swarm::protocol::run_worker;
use bakeoff::swarm::spec::WorkerSpec;
use bakeoff_servers::services;
use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    let option = |name: &str| {
        let with = format!("--{name}=");
        words.iter().find_map(|word| word.strip_prefix(&with)).map(str::to_owned)
    };
    let parent = || option("parent").and_then(|pid| pid.parse().ok()).expect("the runner's process id");
    match words.get(1).map(String::as_str) {
        Some("serve") => {
            die_with_parent(parent()).expect("the runner lives");
            server::misbehave(&option("model").expect("a model"))
        }
        Some("swarm-worker") => {
            die_with_parent(parent()).expect("the runner lives");
            let exchange = |spec: &WorkerSpec| {
                services::find(&spec.service).map(|entry| (entry.exchange)(spec.request.size))
            };
            let done = run_worker(io::stdin().lock(), io::stdout().lock(), exchange);
            if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        _ => {
            eprintln!("faulty-server is started by the tests of faults, as `serve` or as `swarm-worker`");
            ExitCode::from(2)
        }
    }
}
