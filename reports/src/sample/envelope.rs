//! Made-up failure envelopes for the made-up bundles of [`crate::sample`]: one that held, one that broke, one that died
//! and one that could not be tried. Never a measurement.

use crate::record::envelope::*;
use crate::record::{Concurrency, Facts, ModelRecord, PerClient, Reading};
use std::collections::BTreeMap;

/// Connections and poison for each model.
pub(crate) fn envelopes(models: &[ModelRecord]) -> Vec<Envelope> {
    let both = |model: &ModelRecord| [connections(model), poison(model)];
    models.iter().flat_map(both).collect()
}

fn per_client(model: &ModelRecord) -> PerClient {
    model.facts.as_ref().map_or(PerClient::Nothing, |facts| facts.per_client)
}

fn holds_connections(model: &ModelRecord) -> bool {
    let held =
        |facts: &Facts| matches!(facts.concurrency, Concurrency::HeldBy(_) | Concurrency::HeldByProcess(_));
    model.facts.as_ref().is_some_and(held)
}

fn caps(model: &ModelRecord, descriptors: Reading<u64>) -> Caps {
    let not_set = || Reading::Absent("not limited for this stress".to_owned());
    let tasks = descriptors.value().map_or_else(not_set, |_| Reading::Value(200));
    Caps {
        tasks_by: tasks.value().map(|_| "a control group (pids.max)".to_owned()),
        descriptors,
        tasks,
        address_space_bytes: not_set(),
        backlog: 4096,
        concurrency: holds_connections(model).then_some(64),
        patience_ns: 1_000_000_000,
        range: 1024,
    }
}

fn level(asked: u64, clients: u64, served: u64) -> Level {
    let slowest_answer_ns = (served > 0).then_some(1_000_000 + 10_000 * served);
    Level { asked, clients, served, slowest_answer_ns, holds: served == clients }
}

fn connections(model: &ModelRecord) -> Envelope {
    let (limit, served, failed_at, counter) = match per_client(model) {
        PerClient::Process => (Limit::Processes, 199, 256, "spawns_refused"),
        PerClient::Thread => (Limit::Threads, 199, 256, "spawns_refused"),
        PerClient::Nothing if holds_connections(model) => (Limit::Workers, 64, 128, "accepted"),
        PerClient::Nothing => (Limit::Descriptors, 390, 512, "accepts_out_of_descriptors"),
    };
    let levels =
        vec![level(failed_at / 2, failed_at / 2, failed_at / 2), level(failed_at, failed_at, served)];
    let saw = Saw { clients: failed_at, answered: served, waiting: failed_at - served, ..Saw::default() };
    let recovery = Recovery::Answered { after_ns: 41_000_000, attempt: 1 };
    let life = Life { lived: true, end: None };
    let words = format!("the server counted 16 {counter}");
    let evidence = evidence(Reading::Value(BTreeMap::from([(counter.to_owned(), 16)])), &words);
    let before = Holding { descriptors: 8, threads: 1, processes: 1 };
    let rest = Reading::Value(Rest { before, after: before });
    let caps = caps(model, Reading::Value(400));
    let result = Reading::Value(Findings { levels, limit, evidence, saw, life, recovery, rest });
    Envelope {
        model: model.name.clone(),
        stress: Stress::Connections,
        service: "echo".to_owned(),
        caps,
        result,
    }
}

fn poison(model: &ModelRecord) -> Envelope {
    let forks = model.facts.as_ref().is_some_and(Facts::isolates_crashes);
    let levels = match forks {
        true => vec![level(1, 16, 16), level(2, 16, 16)],
        false => vec![level(1, 16, 0)],
    };
    let saw = match forks {
        true => Saw { clients: 16, answered: 16, ..Saw::default() },
        false => Saw { clients: 16, closed: 14, reset: 2, ..Saw::default() },
    };
    let end = (!forks).then(|| "the server was ended by signal 6".to_owned());
    let words = end.clone().unwrap_or_else(|| "2 processes died, each with one client".to_owned());
    let gone = || "the server had ended".to_owned();
    let counts = match forks {
        true => Reading::Value(BTreeMap::from([("crashed".to_owned(), 2)])),
        false => Reading::Absent(gone()),
    };
    let findings = Findings {
        levels,
        limit: if forks { Limit::NoneInRange } else { Limit::Crash },
        evidence: evidence(counts, &words),
        saw,
        life: Life { lived: forks, end },
        recovery: match forks {
            true => Recovery::Answered { after_ns: 700_000, attempt: 1 },
            false => Recovery::Gone,
        },
        rest: Reading::Absent(gone()),
    };
    // As where a server cannot be started.
    let result = match model.name.as_str() {
        "tokio-current-thread" => Reading::Absent("the server did not start".to_owned()),
        _ => Reading::Value(findings),
    };
    let caps = caps(model, Reading::Absent("not limited for this stress".to_owned()));
    Envelope { model: model.name.clone(), stress: Stress::Poison, service: "poison".to_owned(), caps, result }
}

fn evidence(server: Reading<BTreeMap<String, u64>>, words: &str) -> Evidence {
    let absent = || Reading::Absent("made up".to_owned());
    Evidence {
        server,
        tasks_refused: absent(),
        listen_overflows: Reading::Value(0),
        listen_drops: Reading::Value(0),
        threads: absent(),
        processes: absent(),
        descriptors: absent(),
        address_space_bytes: absent(),
        words: words.to_owned(),
    }
}
