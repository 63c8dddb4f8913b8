//! The conformance suite: every model under every service, generated from the two registries; what only some models
//! can do; every model that serves datagrams under these; and the ring that one of them is built on.
//!
//! Left out, for time: a variant of another model ([`VARIANTS`]), which shares the code that drives a connection, is asked
//! every case under `echo`, and under the other services only what depends on who does a request's work
//! ([`OF_JOBS`]). What the bytes of those services mean to that code is asked of the model it is a variant of.
//!
//! Each case runs its server in a process of its own, which is this same executable started again: a model may fork,
//! and what it leaks shows in procfs. Nothing here asserts that something is fast; timeouts are guards against hanging. A case
//! that cannot run here is ignored, with the reason before its name.

mod cases;
mod chat;
mod client;
mod datagrams;
mod faulty;
mod limits;
mod poison;
mod ring;
mod server;
mod stages;
mod stopping;
mod tls;

use bakeoff_servers::model::{Concurrency, Isolation};
use bakeoff_servers::{ServerModel, ServiceEntry, models, services};
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
    fn concurrency(&self) -> usize {
        self.model.meta().most_served(&server::config()).unwrap_or(usize::MAX)
    }

    /// Whether each client that is served has a process, which a crash takes along and nobody else.
    fn isolates(&self) -> bool {
        self.model.meta().isolation() == Isolation::Connection
    }

    /// The processes that the server has started before its clients, with the configuration here.
    fn processes(&self) -> usize {
        match self.model.meta().concurrency {
            Concurrency::HeldByProcess(workers) => workers.of(&server::config()),
            _ => 0,
        }
    }
}

/// Models that drive a connection by the code of another model, and that model. A model that is not here is asked
/// everything.
const VARIANTS: &[(&str, &str)] = &[
    ("iterative", "thread-per-client"),
    ("fork-per-client", "thread-per-client"),
    ("thread-pool", "thread-per-client"),
    ("thread-pool-per-request", "thread-per-client"),
    ("elastic-pool", "thread-per-client"),
    ("prethread", "thread-per-client"),
    ("prefork", "thread-per-client"),
    ("prefork-fd-passing", "thread-per-client"),
    ("mio-event-loop-inline", "mio-event-loop"),
    ("poll-reactor", "mio-event-loop"),
    ("coroutines", "mio-event-loop"),
    ("multi-reactor", "mio-event-loop"),
    ("multi-reactor-shared", "mio-event-loop"),
    ("tokio-current-thread", "tokio"),
    ("tokio-per-core", "tokio"),
];

/// What depends on who does the work of a request: replies in order, and the end while some are at work.
const OF_JOBS: [&str; 3] = ["pipelined_requests_in_order", "stop_while_busy", "stop_past_the_deadline"];

/// Something that must hold.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    run: fn(&Pair),
    /// Whether it can be asked of them.
    applies: fn(&Pair) -> bool,
    needs_root: bool,
}

/// The case of that function: asked of every model and service, or of those for which a condition holds.
macro_rules! case {
    ($run:ident) => {
        case!($run, |_| true)
    };
    ($run:ident, $applies:expr) => {
        $crate::Case { name: stringify!($run), run: $run, applies: $applies, needs_root: false }
    };
}
use case;

fn main() -> ExitCode {
    if let Some(code) = server::serve_if_asked().or_else(server::change_limit_if_asked) {
        return code;
    }
    let arguments = Arguments::from_args();
    let mut trials = ring::trials();
    for &model in models::ALL {
        let missing = model.unavailable();
        if let Some(reason) = &missing {
            eprintln!("ignored: every case of {}: {reason}", model.name());
        }
        for &service in services::ALL.iter().chain([&&faulty::ENTRY]) {
            let pair = Pair { model, service };
            trials.extend(cases_of(&pair).into_iter().map(|case| trial(pair, case, missing.is_some())));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// What is asked of them.
fn cases_of(pair: &Pair) -> Vec<Case> {
    let own = match pair.service.name {
        "faulty" => return faulty::ALL.to_vec(),
        "poison" => poison::ALL,
        "chat" => chat::ALL,
        "stages" => stages::ALL,
        _ => &[],
    };
    let mut every = [cases::ALL, stopping::ALL].concat();
    if pair.service.talks() && !pair.model.meta().joins_clients() {
        return Vec::new(); // no process can reach the clients of another
    }
    let is_variant = VARIANTS.iter().any(|(variant, _)| *variant == pair.model.name());
    if is_variant && pair.service.name != "echo" {
        every.retain(|case| OF_JOBS.contains(&case.name));
    }
    let by_datagrams = pair.service.name == "echo" && pair.model.datagrams().is_some();
    let datagrams = if by_datagrams { datagrams::ALL } else { &[] };
    let all = [&every, limits::ALL, tls::ALL, own, datagrams].concat();
    all.into_iter().filter(|case| (case.applies)(pair)).collect()
}

fn trial(pair: Pair, case: Case, unavailable: bool) -> Trial {
    let name = format!("{}::{}::{}", pair.model.name(), pair.service.name, case.name);
    let root = rustix::process::geteuid().is_root();
    let reason = match (unavailable, case.needs_root && !root) {
        (true, _) => "the model is unavailable here",
        (false, true) => "needs root",
        (false, false) => "",
    };
    let test = move || {
        (case.run)(&pair);
        Ok(())
    };
    Trial::test(name, test).with_kind(reason).with_ignored_flag(!reason.is_empty())
}
