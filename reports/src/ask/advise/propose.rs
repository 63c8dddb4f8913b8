//! The run that would settle what the records do not tell: a whole scenario file and how to run it.
//!
//! The file asks for what the question says, as far as one scenario can; whatever it leaves out is told.

use super::answer::{Criterion, Finding, ModelAnswer, Proposal, Stand};
use super::by_shortfall;
use super::question::{Question, Variability};
use crate::show::units;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Requests of a round that make a steady 99th percentile.
const ENOUGH_REQUESTS: f64 = 10_000.0;
/// The largest payload a scenario can ask for.
const MOST_PAYLOAD: u64 = 4_194_304;
/// The payload where the question does not say.
const SOME_PAYLOAD: u64 = 64;
/// The longest demand that a request may state.
const MOST_DEMAND_NS: f64 = 10e9;
/// The longest objective of a scenario: an hour.
const LONGEST_NS: f64 = 3.6e12;
/// Clients where the question does not say how many.
const SOME_CLIENTS: u64 = 64;
/// Rounds unless a figure straddles its objective.
const ROUNDS: u32 = 10;
/// Rounds at most.
const MOST_ROUNDS: u32 = 30;

/// Proposes a run for a question, given what is known of the models, best first, and the texts of those that are commands.
pub(super) fn propose(
    question: &Question,
    models: &[ModelAnswer],
    recommended: &[String],
    mut commands: BTreeMap<String, String>,
) -> Proposal {
    let mut notes = Vec::new();
    let window_s = window_s(question);
    let toml = toml(question, window_s, &mut notes);
    let mut chosen: Vec<String> = recommended.to_vec();
    let rest = models.iter().filter(|one| one.stand != Stand::Fails).chain(by_shortfall(models));
    for one in rest {
        let open = one.stand != Stand::Fails || chosen.len() < 2;
        if open && !chosen.contains(&one.model) {
            chosen.push(one.model.clone());
        }
    }
    let rounds = rounds(question, models);
    let trials = f64::from(rounds) * chosen.len() as f64;
    // Warm-up, window, and what it takes to start and stop a server.
    let seconds = trials * (0.1 + window_s + 0.4) + 5.0;
    commands.retain(|name, _| chosen.contains(name));
    Proposal { toml, models: chosen, commands, rounds, seconds, notes }
}

/// As many rounds as tell the figures that straddle the objective from it: (2.8 s / gap)^2 for a power of 80 %, where s
/// is the spread of the logarithm over rounds and gap how far the median lies from the objective. The interval of a median
/// of n rounds is about 1.25 * 1.96 s / sqrt(n) to either side.
fn rounds(question: &Question, models: &[ModelAnswer]) -> u32 {
    let Some(objective) = question.p99_ns else { return ROUNDS };
    let needed = |finding: &Finding| {
        let (value, (low, high)) = (*finding.value.value()?, finding.interval?);
        if !(low < objective && objective < high) {
            return None;
        }
        let half = (high / low).ln() / 2.0;
        let spread = half * f64::from(finding.rounds).sqrt() / (1.25 * 1.96);
        let gap = (value / objective).ln().abs().max(0.01);
        Some((2.8 * spread / gap).powi(2).ceil())
    };
    let findings = models.iter().filter(|one| one.stand == Stand::NotKnown);
    let most = findings.filter_map(|one| needed(one.finding(Criterion::P99)?)).fold(0.0, f64::max);
    (most as u32).clamp(ROUNDS, MOST_ROUNDS)
}

fn window_s(question: &Question) -> f64 {
    let window = question.rate_per_s.map_or(1.0, |rate| ENOUGH_REQUESTS / rate).clamp(0.3, 5.0);
    // A scenario's window holds the work of a request, of which each kind is cut at a tenth of the longest demand.
    let work = question.work_ns().min(3.0 * MOST_DEMAND_NS / 10.0) / 1e9 + 0.001;
    // In whole milliseconds, as the file says it.
    (window.max(work) * 1000.0).ceil() / 1000.0
}

/// The service for the work of a request, and its demand as a scenario says it; `None` where there is no work.
fn work(question: &Question, notes: &mut Vec<String>) -> Option<(&'static str, String)> {
    let kinds = [
        ("hash", "compute", question.compute_ns),
        ("wait", "wait", question.wait_ns),
        ("block", "block", question.block_ns),
    ];
    let some = kinds.into_iter().filter_map(|(service, kind, ns)| {
        let ns = ns.filter(|ns| *ns > 0.0)?;
        Some((service, kind, demand(question.variability, ns, notes)))
    });
    match some.collect::<Vec<_>>().as_slice() {
        [] => None,
        [(service, _, demand)] => Some((service, demand.clone())),
        several => {
            notes.push(
                "in which order a request does its work is not known: each kind once was taken".to_owned(),
            );
            let stages: Vec<String> =
                several.iter().map(|(_, kind, demand)| format!("{{ {kind} = {demand} }}")).collect();
            Some(("stages", format!("[{}]", stages.join(", "))))
        }
    }
}

fn toml(question: &Question, window_s: f64, notes: &mut Vec<String>) -> String {
    let work = work(question, notes);
    let payload = question.payload_bytes.unwrap_or(SOME_PAYLOAD).clamp(1, MOST_PAYLOAD);
    match question.payload_bytes {
        None => notes.push(format!("the payload is not known: {payload} B was taken")),
        Some(asked) if asked != payload => {
            notes.push(format!("a payload of {asked} B is not possible: {payload} B was taken"));
        }
        Some(_) => {}
    }
    let clients = question.active().unwrap_or(SOME_CLIENTS);
    if question.connections.is_none() {
        notes.push(format!("the number of connections is not known: {clients} was taken"));
    }
    let by_time = question.rate_per_s.is_some() && question.requests_per_connection.is_none();
    let merit = if by_time { "response-p99" } else { "throughput" };
    let mut text = String::from("# Proposed by `bakeoff advise`: the question as a workload.\n");
    let _ = writeln!(text, "name = \"question\"");
    let _ = writeln!(text, "about = {:?}", question.in_words());
    let service = work.as_ref().map_or("echo", |(service, _)| service);
    let _ = writeln!(text, "service = {service:?}\nmerit = {merit:?}");
    if let Some(ns) = question.p99_ns {
        let _ = writeln!(text, "objective = {:?}", span(ns.min(LONGEST_NS)));
    }
    load(&mut text, question, clients, notes);
    let _ = writeln!(text, "\n[request]\nsize = \"{payload} B\"");
    if let Some((_, demand)) = work {
        let _ = writeln!(text, "demand = {demand}");
    }
    let _ = writeln!(text, "\n[trial]\nwindow = {:?}", span(window_s * 1e9));
    text
}

/// A time as a scenario says it: at least a nanosecond, in the largest unit that keeps it whole.
fn span(ns: f64) -> String {
    let ns = (ns.round() as u64).max(1);
    let units = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us"), (1, "ns")];
    let (size, unit) = units.into_iter().find(|(size, _)| ns.is_multiple_of(*size)).unwrap_or((1, "ns"));
    format!("{}{unit}", ns / size)
}

fn load(text: &mut String, question: &Question, clients: u64, notes: &mut Vec<String>) {
    let _ = writeln!(text, "\n[load]");
    match (question.requests_per_connection, question.rate_per_s) {
        (Some(requests), rate) => {
            let requests = requests.min(1_000_000);
            let _ =
                writeln!(text, "kind = \"churn\"\nclients = {clients}\nrequests_per_connection = {requests}");
            if rate.is_some() {
                notes.push(
                    "connections that are closed again have no schedule: compare the throughput with your rate"
                        .to_owned(),
                );
            }
        }
        (None, Some(rate)) => {
            let _ =
                writeln!(text, "kind = \"open\"\nclients = {clients}\nrate = {rate}\narrivals = \"poisson\"");
        }
        (None, None) => {
            let _ = writeln!(text, "kind = \"closed\"\nclients = {clients}");
        }
    }
    if let Some(idle) = question.idle().filter(|idle| *idle > 0) {
        let _ = writeln!(text, "\n[beside]\nidle = {idle}");
    }
}

fn demand(variability: Option<Variability>, mean_ns: f64, notes: &mut Vec<String>) -> String {
    let most = if variability == Some(Variability::HeavyTail) {
        MOST_DEMAND_NS / 100.0
    } else {
        MOST_DEMAND_NS / 10.0
    };
    let ns = |factor: f64| span(mean_ns.min(most) * factor);
    if mean_ns > most {
        let most = units::time(most);
        let note = format!("work of more than {most} a request is not possible: that was taken");
        if !notes.contains(&note) {
            notes.push(note); // once, for however many kinds of work
        }
    }
    match variability.unwrap_or(Variability::Fixed) {
        Variability::Fixed => format!("{{ kind = \"fixed\", value = \"{}\" }}", ns(1.0)),
        Variability::Exponential => format!("{{ kind = \"exponential\", mean = \"{}\" }}", ns(1.0)),
        Variability::HeavyTail => format!(
            "{{ kind = \"bimodal\", short = \"{}\", long = \"{}\", long_share = 0.005 }}",
            ns(0.5),
            ns(100.0)
        ),
    }
}
