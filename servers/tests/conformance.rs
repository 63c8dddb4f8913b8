//! Conformance: every model x every service, generated from the two registries, plus what only some models can do.
//!
//! Each test runs its server in a process of its own, which is this same executable started again: a model may fork,
//! and what it leaks shows in procfs. Nothing here asserts on elapsed time; timeouts are guards against hanging.

#[path = "conformance/cases.rs"]
mod cases;
#[path = "conformance/client.rs"]
mod client;
#[path = "conformance/faulty.rs"]
mod faulty;
#[path = "conformance/limits.rs"]
mod limits;
#[path = "conformance/poison.rs"]
mod poison;
#[path = "conformance/server.rs"]
mod server;
#[path = "conformance/stopping.rs"]
mod stopping;

use bakeoff_servers::{ServerConfig, ServerModel, ServiceEntry, models, services};
use libtest_mimic::{Arguments, Trial};
use std::process::ExitCode;

/// What a case is about.
#[derive(Clone, Copy)]
struct Pair {
    model: &'static dyn ServerModel,
    service: &'static ServiceEntry,
}

impl Pair {
    /// How many clients the model serves at once, where it sets a bound, with the server's configuration here.
    fn concurrency(&self, config: &ServerConfig) -> usize {
        self.model.meta().most_served(config).unwrap_or(usize::MAX)
    }
}

/// A case, by name.
type Case = (&'static str, fn(&Pair));

fn main() -> ExitCode {
    if let Some(code) = server::serve_if_asked().or_else(server::change_limit_if_asked) {
        return code;
    }
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    for &model in models::ALL {
        if let Some(reason) = model.unavailable() {
            eprintln!("skipped: every case of {}: {reason}", model.name());
            continue;
        }
        for &service in services::ALL {
            let pair = Pair { model, service };
            let all = cases::ALL.iter().chain(stopping::ALL);
            trials.extend(all.map(|&case| trial(pair, case)));
            let limits = limits::ALL.iter().filter(|(_, _, applies)| applies(model.meta(), service.name));
            trials.extend(limits.map(|&(name, case, _)| trial(pair, (name, case))));
        }
        let deadly = services::find("poison").expect("a service");
        trials.extend(poison::ALL.iter().map(|&case| trial(Pair { model, service: deadly }, case)));
        let pair = Pair { model, service: &faulty::ENTRY };
        trials.extend(faulty::ALL.iter().map(|&case| trial(pair, case)));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(pair: Pair, (name, case): Case) -> Trial {
    let name = format!("{}::{}::{name}", pair.model.name(), pair.service.name);
    Trial::test(name, move || {
        case(&pair);
        Ok(())
    })
}
