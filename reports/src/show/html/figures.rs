//! The tables of times and rates of a workload.
//!
//! A percentile here is over the requests sent, or says over what else; none is shown that the samples do not bear.

use super::element::{Field, Row, table};
use super::model::{named, ordered};
use crate::cells::cell::Cell;
use crate::cells::recovery::{RECOVERED_FACTOR, Recovery};
use crate::metric::Group;
use crate::record::{Metric, RateShape, Reading};
use crate::rules::probe::NEAR_SHARE;
use crate::rules::workload::Workload;
use crate::show::{units, words};
use crate::stats::quantile::Quantile;
use maud::{Markup, html};

/// Throughput, percentiles over all that was sent, and what was never answered.
pub(super) fn figures(workload: &Workload, series: &impl Fn(&str) -> usize) -> Markup {
    let columns = columns(workload);
    let row = |cell: &Cell| {
        let mut fields = vec![Field::count(cell.rounds.len() as u64)];
        match &cell.merged {
            Some(merged) => {
                fields.extend(shown(workload).map(|metric| field(workload, cell, metric)));
                fields.push(lag(workload, merged.dispatch_lag.p99()));
                fields.push(Field::count(merged.unanswered()));
                fields.extend(cell.recovery().map(recovery));
                fields.extend(
                    (!workload.scenario.transport.is_tcp()).then(|| told(words::datagrams::of(cell))),
                );
                fields.extend(workload.scenario.audience.map(|_| told(words::fan_out::of(cell))));
                fields.extend(reads_http(workload).then(|| Field::text(words::http::statuses(&merged.http))));
            }
            _ => fields.extend((2..columns.len()).map(|_| Field::absent("no valid trial"))),
        }
        (named(series(&cell.model), &cell.model), fields)
    };
    let rows: Vec<Row> = ordered(workload).map(row).collect();
    html! {
        h4 { "Figures" }
        (table(&format!("Figures of {}", workload.scenario.name), &columns, &rows))
        p.note {
            "Medians of the rounds. A response percentile of a round is over all requests sent in it; whatever was never \
             answered counts as infinite, " em { "never" } ". Generator lag is how late the load generator itself \
             acted on a request that was due. " (explained(workload)) (limits(workload))
        }
    }
}

/// The metrics of speed that the workload can have.
fn shown(workload: &Workload) -> impl Iterator<Item = Metric> {
    let has_objective = workload.scenario.objective_ns.is_some();
    let speeds = Metric::ALL.into_iter().filter(|metric| metric.group() == Group::Speed);
    speeds.filter(move |metric| *metric != Metric::Goodput || has_objective)
}

/// The median of a metric, with a mark where it lies at a limit of the generator.
fn field(workload: &Workload, cell: &Cell, metric: Metric) -> Field {
    match cell.get(metric) {
        Reading::Value(value) => {
            Field::figure(metric.show(*value), *value).marked(workload.bounds.limit(metric, *value))
        }
        Reading::Absent(why) => Field::absent(why),
    }
}

/// What the table of a workload shows.
fn columns(workload: &Workload) -> Vec<String> {
    let mut columns: Vec<String> = ["model", "rounds"].map(str::to_owned).to_vec();
    columns.extend(shown(workload).map(|metric| metric.label().trim_start_matches("response ").to_owned()));
    columns.extend(["generator lag p99", "unanswered"].map(str::to_owned));
    columns.extend(workload.scenario.load.varies().then(|| "recovery".to_owned()));
    columns.extend((!workload.scenario.transport.is_tcp()).then(|| "datagrams".to_owned()));
    columns.extend(workload.scenario.audience.map(|_| "deliveries".to_owned()));
    columns.extend(reads_http(workload).then(|| "replies by status".to_owned()));
    columns
}

/// What became of the datagrams or deliveries of all rounds.
fn told(words: Option<String>) -> Field {
    match words {
        Some(words) => Field::text(words),
        None => Field::absent("the record does not tell"),
    }
}

/// Whether replies of some server were read as HTTP, so that their statuses are known.
fn reads_http(workload: &Workload) -> bool {
    let mut merged = workload.cells.iter().filter_map(|cell| cell.merged.as_ref());
    merged.any(|merged| !merged.http.statuses.is_empty())
}

/// How late the generator was. A request that is due when the reply before it has come is sent at once: 0 by definition, which is
/// no measurement.
fn lag(workload: &Workload, p99: Quantile) -> Field {
    match (workload.scenario.rate_per_s(), p99) {
        (None, Quantile::Value(0)) => Field::absent("a request is due when it is sent here"),
        _ => Field::quantile(p99),
    }
}

fn recovery(recovery: Recovery) -> Field {
    match recovery {
        Recovery::Within(ns) => Field::figure(format!("≤ {}", units::time(ns)), ns),
        Recovery::NotWithin(ns) => Field::figure(format!("> {}", units::time(ns)), f64::INFINITY),
        Recovery::Unknown(why) => Field::absent(&why),
    }
}

/// What the columns mean that only some workloads have.
fn explained(workload: &Workload) -> String {
    let mut text = String::new();
    if let Some(objective) = workload.scenario.objective_ns {
        let objective = units::time(objective as f64);
        text += &format!("Goodput is how many correct replies a second came within {objective}. ");
    }
    if !workload.scenario.transport.is_tcp() {
        text += words::datagrams::KEY;
        text.push(' ');
    }
    if let Some(audience) = workload.scenario.audience {
        text += &words::fan_out::key(audience.slow > 0);
        text.push(' ');
    }
    if let Some(surge) = workload.scenario.load.surge() {
        let lasting = surge.end_ns.saturating_sub(surge.begin_ns) as f64;
        text += &format!(
            "From {} after the window\u{2019}s begin, {} times the requests are due for {}. Recovery is the time \
             from its end until every further slice of the window has at most {} times the median response of before \
             it and at least half as many replies; > where the window ended first. ",
            units::time(surge.begin_ns as f64),
            units::quantity(surge.factor),
            units::time(lasting),
            units::quantity(RECOVERED_FACTOR)
        );
    }
    if let RateShape::Bursts { on, off } = workload.scenario.load.shape() {
        text += &format!(
            "Requests are due for {}, then none for {}. Recovery is the time from the end of a burst to the end of the last \
             slice before the next in which a reply was completed, the median of the bursts; > where that was the last slice of \
             the pause, or a request was never answered. ",
            units::time(on.as_secs_f64() * 1e9),
            units::time(off.as_secs_f64() * 1e9)
        );
    }
    text
}

/// What the marks mean here, or why there are none.
fn limits(workload: &Workload) -> String {
    let near = units::share(NEAR_SHARE);
    let ceiling = workload.bounds.ceiling_per_s.map(|rate| {
        format!(
            "▲ within {near} of the {} that the null server did with this payload and these clients: at the generator's \
             limit, a faster server might not have shown.",
            units::rate(rate)
        )
    });
    let floor = workload.bounds.floor_ns.map(|(p50, p99)| {
        format!(
            "▼ within {near} of what one client of the null server sees (p50 {}, p99 {}): at the generator's floor.",
            units::time(p50),
            units::time(p99)
        )
    });
    let ceiling = ceiling.unwrap_or_else(|| match &workload.bounds.no_ceiling {
        None => "The generator's limit was not measured for this workload.".to_owned(),
        Some(why) => format!("The generator's limit for this workload is not known: {}.", why.words()),
    });
    [Some(ceiling), floor].into_iter().flatten().collect::<Vec<_>>().join(" ")
}
