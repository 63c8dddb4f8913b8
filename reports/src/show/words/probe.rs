//! The probe in words: as facts, and as a line for a summary. What is absent is said with its reason.

use crate::record::{Ceiling, Probe, Reading, RoundTrip, Scatter};
use crate::rules::probe::Limit;
pub(crate) use crate::rules::probe::advice;
use crate::show::units;

impl Limit {
    /// A sign to put beside a figure, and what it means.
    pub fn sign(self) -> (&'static str, &'static str) {
        match self {
            Self::Ceiling => ("▲", "at the generator's limit"),
            Self::Floor => ("▼", "at the generator's floor"),
        }
    }
}

/// Every figure of the probe, as name and text.
pub(crate) fn facts(probe: &Probe) -> Vec<(String, String)> {
    let mut facts = vec![
        ("floor of latency".to_owned(), or_why(&probe.floor, trip) + ", swarm with the null server"),
        ("bare ping-pong".to_owned(), or_why(&probe.ping_pong, trip)),
    ];
    let ceilings = probe.ceilings.iter().map(|one| format!("{}: {}", name(one), reached(one)));
    facts.extend(ceilings.map(|text| ("ceiling of rate".to_owned(), text)));
    facts.push(("clock read".to_owned(), or_why(&probe.clock_read_ns, |ns| units::time(*ns))));
    match &probe.timers {
        Reading::Absent(why) => facts.push(("timers".to_owned(), format!("absent: {why}"))),
        Reading::Value(timers) => facts.extend(timers.iter().map(|timer| {
            let late = |ns: u64| units::time(ns as f64);
            (
                format!("sleep of {}", units::time(timer.asked_ns as f64)),
                format!("{} late at p50, {} at p99", late(timer.p50_ns), late(timer.p99_ns)),
            )
        })),
    }
    let steady = |what: &'static str| move |one: &Scatter| format!("{}: how steady {what} is", scatter(one));
    facts.push(("fixed loop".to_owned(), or_why(&probe.fixed_loop_ns, steady("the CPU"))));
    facts.push(("ping-pong p50".to_owned(), or_why(&probe.ping_pong_ns, steady("a wake-up"))));
    let share = |share: &f64| format!("at most {} of the pinned CPUs", units::share(share.max(0.0)));
    facts.push(("other programs".to_owned(), or_why(&probe.foreign_share, share)));
    facts.push(("hypervisor".to_owned(), or_why(&probe.steal_share, share)));
    facts.extend(system(probe));
    facts
}

fn system(probe: &Probe) -> Vec<(String, String)> {
    let system = &probe.system;
    let count = |value: &u64| units::grouped(*value);
    let on = |on: &bool| if *on { "on" } else { "off" }.to_owned();
    [
        ("CPUs", count(&system.cpus)),
        ("CPU quota", or_why(&system.quota_cpus, |cpus| format!("{cpus:.2} CPUs"))),
        ("tasks running", or_why(&system.running_tasks, count)),
        ("frequency governor", or_why(&system.governor, String::clone)),
        ("turbo", or_why(&system.turbo, on)),
        ("hardware threads", or_why(&system.smt, on)),
        ("descriptors", or_why(&system.descriptors, |n| format!("{} a process", units::grouped(*n)))),
        ("processes", or_why(&system.processes, |n| format!("{} more", units::grouped(*n)))),
        ("memory mappings", or_why(&system.mappings, |n| format!("{} a process", units::grouped(*n)))),
        ("locked memory", or_why(&system.locked_bytes, |n| units::bytes(*n as f64))),
        ("outgoing ports", or_why(&system.local_ports, count)),
        ("listen backlog", or_why(&system.somaxconn, |n| format!("{} at most", units::grouped(*n)))),
        ("half-open backlog", or_why(&system.syn_backlog, count)),
        (
            "default congestion",
            or_why(&system.congestion_control, |name| format!("{name}, for sockets that ask for none")),
        ),
        ("perf_event_paranoid", or_why(&system.perf_event_paranoid, i64::to_string)),
        ("tracefs", or_why(&system.tracefs, String::clone)),
    ]
    .map(|(name, text)| (name.to_owned(), text))
    .to_vec()
}

/// The limits in one sentence, for a summary.
pub(crate) fn brief(probe: &Reading<Probe>) -> String {
    let probe = match probe {
        Reading::Absent(why) => return format!("Limits of the generator: not measured, {why}."),
        Reading::Value(probe) => probe,
    };
    let best = probe.ceilings.iter().filter_map(|one| {
        Some((one, one.reached.value().filter(|reached| reached.is_ceiling())?.rate_per_s))
    });
    let best = best.max_by(|a, b| a.1.total_cmp(&b.1));
    let best = best.map_or_else(
        || "no ceiling of rate is known".to_owned(),
        |(one, rate)| format!("a rate of {} ({})", units::rate(rate), name(one)),
    );
    let floor = or_why(&probe.floor, trip);
    format!("Limits of the generator, against a null server: response time {floor} at least; {best}.")
}

fn or_why<T>(reading: &Reading<T>, show: impl Fn(&T) -> String) -> String {
    match reading {
        Reading::Value(value) => show(value),
        Reading::Absent(why) => format!("absent: {why}"),
    }
}

fn trip(trip: &RoundTrip) -> String {
    format!("p50 {}, p99 {}", units::time(trip.p50_ns as f64), units::time(trip.p99_ns as f64))
}

fn scatter(scatter: &Scatter) -> String {
    format!(
        "{}, varies by {}, {} from p10 to p90 of {} goes",
        units::time(scatter.median),
        units::share(scatter.variation),
        units::factor(scatter.range),
        scatter.goes
    )
}

/// The load of a ceiling in a few words.
fn name(ceiling: &Ceiling) -> String {
    let payload = units::bytes(ceiling.payload_bytes as f64);
    let clients = units::plural(ceiling.clients, "client");
    match (ceiling.requests_per_connection, ceiling.in_flight_per_connection) {
        (None, 1) => format!("{payload}, {clients}"),
        (None, depth) => format!("{payload}, {clients}, {depth} at once"),
        (Some(requests), _) => format!("{payload}, {clients}, {requests} a connection"),
    }
}

fn reached(ceiling: &Ceiling) -> String {
    or_why(&ceiling.reached, |reached| {
        let server = or_why(&reached.server_share, |share| units::share(*share));
        let limit = if reached.is_ceiling() { "" } else { "; no ceiling: the null server was the limit" };
        format!(
            "{} (CPU: swarm {}, null server {server}){limit}",
            units::rate(reached.rate_per_s),
            units::share(reached.swarm_share)
        )
    })
}
