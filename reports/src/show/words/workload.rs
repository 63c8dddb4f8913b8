//! What a workload asks, in words: its load, and everything else about it as names and values.

use crate::record::{
    Arrivals, Background, DemandShape, Handshakes, Load, RateShape, RequestShape, ScenarioRecord,
    ServerSetup, Tls, Transport, Tuning, Work, cpu_list,
};
use crate::rules::workload::Workload;
use crate::show::units::{bytes_exact, grouped, plural, share, span};
use crate::stats::quantile;

/// The load on one line: "open loop, 20,000 requests/s, Poisson, 32 connections".
pub fn load(load: &Load) -> String {
    match *load {
        Load::Closed { clients, think } => {
            let think = if think.is_zero() { String::new() } else { format!(", {} think time", span(think)) };
            format!("closed loop, {}{think}", plural(clients.into(), "client"))
        }
        Load::Pipelined { clients, depth } => {
            let clients = plural(clients.into(), "client");
            format!("closed loop, {clients}, up to {depth} requests in flight on each connection")
        }
        Load::Open { clients, rate_per_s, arrivals, shape } => {
            let arrivals = match arrivals {
                Arrivals::Fixed => "evenly spaced",
                Arrivals::Poisson => "Poisson",
            };
            let (rate, shape) = (rate(rate_per_s), self::shape(shape));
            format!("open loop, {rate}, {arrivals}{shape}, {}", plural(clients.into(), "connection"))
        }
        Load::Churn { clients, requests_per_connection } => {
            let requests = plural(requests_per_connection.into(), "request");
            format!("churn, {} at once, {requests} per connection", plural(clients.into(), "session"))
        }
    }
}

/// How its connections are encrypted, to go behind the name of its service; nothing where they are not.
pub fn tls(tls: Option<Tls>) -> &'static str {
    match tls {
        None => "",
        Some(Tls { resume: true }) => " over TLS, sessions resumed",
        Some(Tls { resume: false }) => " over TLS, each handshake a full one",
    }
}

/// The handshakes of a window of so many seconds: "TLS: 2,000 handshakes/s: 16 full, 984 resumed".
pub fn handshakes(handshakes: Handshakes, seconds: f64) -> String {
    let Handshakes { full, resumed } = handshakes;
    let per_s = full.saturating_add(resumed) as f64 / seconds;
    let (full, resumed) = (grouped(full), grouped(resumed));
    format!("TLS: {} handshakes/s: {full} full, {resumed} resumed", grouped(per_s.round() as u64))
}

/// How firm the percentile is that decides: "with at least 312 requests beyond it in each block"; `None` where none decides.
pub fn beyond(workload: &Workload) -> Option<String> {
    let beyond = workload.requests_beyond()?;
    let requests = plural(beyond, "request");
    Some(if beyond as f64 >= quantile::BEYOND {
        format!("with at least {requests} beyond it in each block")
    } else {
        format!(
            "with no more than {requests} beyond it in some block, where {} make it firm: the same server's figure scatters",
            quantile::BEYOND
        )
    })
}

fn rate(per_s: f64) -> String {
    if per_s.fract() == 0.0 && per_s < 1e15 {
        format!("{} requests/s", grouped(per_s as u64))
    } else {
        format!("{per_s} requests/s")
    }
}

fn shape(shape: RateShape) -> String {
    match shape {
        RateShape::Steady => String::new(),
        RateShape::Bursts { on, off } => format!(" in bursts of {} every {}", span(on), span(on + off)),
        RateShape::Surge { factor, after, lasting } => {
            format!(" with a surge to {factor}× for {} from {} on", span(lasting), span(after))
        }
    }
}

/// Everything else that is set about a workload, as names and values.
pub fn parameters(scenario: &ScenarioRecord) -> Vec<(&'static str, String)> {
    let ServerSetup { backlog, ballast_mib, workers } = &scenario.server;
    let mut rows = match &scenario.request.http {
        Some(http) => vec![("request", http.to_string()), ("right replies", http.expect.to_string())],
        None => vec![("payload", bytes_exact(scenario.request.size)), ("demand", demand_of(scenario))],
    };
    rows.extend((!scenario.transport.is_tcp()).then(|| ("transport", scenario.transport.to_string())));
    rows.extend(scenario.audience.map(|audience| ("audience", audience.to_string())));
    rows.extend((scenario.loss > 0.0).then(|| ("loss", loss(scenario))));
    rows.extend(background(scenario.background).map(|words| ("background", words)));
    rows.extend([
        ("request timeout", span(scenario.timing.timeout)),
        ("drain", span(scenario.timing.drain)),
        ("backlog", grouped((*backlog).into())),
    ]);
    rows.extend(workers.iter().map(|(tuning, count)| (self::tuning(*tuning), grouped((*count).into()))));
    rows.extend((!scenario.server_cpus.is_empty()).then(|| ("server CPUs", cpu_list(&scenario.server_cpus))));
    rows.extend((*ballast_mib > 0).then(|| ("ballast", format!("{ballast_mib} MiB"))));
    rows
}

/// How much is lost on the way, and of what.
fn loss(scenario: &ScenarioRecord) -> String {
    let of = match scenario.transport {
        Transport::Tcp => "segments, which are sent again",
        Transport::Udp => "datagrams",
    };
    format!("{} of what comes to the swarm: {of}", share(scenario.loss))
}

/// What a size of a server is called.
pub fn tuning(tuning: Tuning) -> &'static str {
    match tuning {
        Tuning::PoolWorkers => "pool workers",
        Tuning::PoolFloor => "pool floor",
        Tuning::PoolCeiling => "pool ceiling",
        Tuning::BlockingWorkers => "blocking workers",
        Tuning::ComputeWorkers => "compute workers",
        Tuning::RuntimeWorkers => "runtime workers",
    }
}

/// What a request demands: a demand, or one after the other those of its stages.
fn demand_of(scenario: &ScenarioRecord) -> String {
    let RequestShape { demand: one, stages, .. } = &scenario.request;
    match stages.as_slice() {
        [] => demand(scenario.work, one),
        stages => {
            let each: Vec<String> =
                stages.iter().map(|stage| demand(Some(stage.work), &stage.demand)).collect();
            each.join(", then ")
        }
    }
}

/// A demand, and what it makes the server do.
fn demand(work: Option<Work>, demand: &DemandShape) -> String {
    let time = match *demand {
        DemandShape::None => return "none".to_owned(),
        DemandShape::Poison { share } => return format!("aborts its handler with probability {share}"),
        DemandShape::Fixed { value } => span(value),
        DemandShape::Exponential { mean } => format!("exponential, mean {}", span(mean)),
        DemandShape::Bimodal { short, long, long_share } => {
            format!("{}, and {} with probability {long_share}", span(short), span(long))
        }
        DemandShape::Pareto { least, most, shape } => {
            format!("bounded Pareto, {} to {}, shape {shape}", span(least), span(most))
        }
    };
    let of = match work {
        Some(Work::Compute) => " of computing",
        Some(Work::Wait) => " of waiting",
        Some(Work::Block) => " of blocking",
        Some(Work::Stages | Work::Poison) | None => "",
    };
    time + of
}

/// The background connections; `None` where there are none.
pub(crate) fn background(background: Background) -> Option<String> {
    let Background { idle, slow_readers, slow_senders } = background;
    let kinds = [(idle, "idle"), (slow_readers, "that read slowly"), (slow_senders, "that send slowly")];
    let some = kinds.into_iter().filter(|(count, _)| *count > 0);
    let words: Vec<String> = some.map(|(count, what)| format!("{} {what}", grouped(count.into()))).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn loads_are_told_by_their_type() {
        let ms = Duration::from_millis;
        let open =
            |rate_per_s, arrivals, shape| load(&Load::Open { clients: 64, rate_per_s, arrivals, shape });
        let surge = RateShape::Surge { factor: 3.0, after: ms(100), lasting: ms(100) };
        assert_eq!(
            open(2_500.0, Arrivals::Poisson, surge),
            "open loop, 2,500 requests/s, Poisson with a surge to 3× for 100 ms from 100 ms on, 64 connections"
        );
        let bursts = RateShape::Bursts { on: ms(20), off: ms(80) };
        assert_eq!(
            open(0.5, Arrivals::Fixed, bursts),
            "open loop, 0.5 requests/s, evenly spaced in bursts of 20 ms every 100 ms, 64 connections"
        );
        let closed = Load::Closed { clients: 1, think: Duration::from_micros(1_500) };
        assert_eq!(load(&closed), "closed loop, 1 client, 1.5 ms think time");
        let churn = Load::Churn { clients: 16, requests_per_connection: 1 };
        assert_eq!(load(&churn), "churn, 16 sessions at once, 1 request per connection");
    }

    #[test]
    fn background_connections_are_named_where_there_are_any() {
        assert_eq!(background(Background::default()), None);
        let some = Background { idle: 2000, slow_readers: 0, slow_senders: 8 };
        assert_eq!(background(some), Some("2,000 idle, 8 that send slowly".into()));
    }
}
