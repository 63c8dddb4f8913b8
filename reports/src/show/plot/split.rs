//! Where the mean response time goes: the generator's own lag, the wait for a connection, the service.
//!
//! Only means are stacked, because only they add up; percentiles stand in the table beside it.

use super::axis::Axis;
use super::picture::{Drawn, Plot};
use super::rows::Rows;
use crate::cells::cell::{Cell, Latency, Merged};
use crate::record::Pacing;
use crate::rules::workload::Workload;
use crate::show::units;
use crate::show::words::quantile;

/// Means of a model in nanoseconds.
struct Parts<'a> {
    cell: &'a Cell,
    merged: &'a Merged,
    /// The generator's own lag, the wait for a connection, the service.
    means: [f64; 3],
}

impl<'a> Parts<'a> {
    /// `None` when nothing was answered.
    fn of(cell: &'a Cell) -> Option<Self> {
        let merged = cell.merged.as_ref()?;
        let (response, service) = (merged.response.mean_ns?, merged.service.mean_ns?);
        // Response and service are over the same requests, so that their difference is exactly the mean send lag of the
        // answered ones. The generator's own part is over all that were sent, and cannot be more than that.
        let lag = (response - service).max(0.0);
        let own = merged.dispatch_lag.mean_ns.unwrap_or(0.0).min(lag);
        Some(Self { cell, merged, means: [own, lag - own, service] })
    }

    fn total(&self) -> f64 {
        self.means.iter().sum()
    }

    fn row(&self) -> Vec<String> {
        let pair = |latency: &Latency| [latency.p50(), latency.p99()].map(quantile);
        let means = self.means.iter().chain([&self.total()]).map(|ns| units::time(*ns)).collect::<Vec<_>>();
        let merged = self.merged;
        let pairs = [&merged.send_lag, &merged.service].into_iter().flat_map(pair);
        [self.cell.model.clone()].into_iter().chain(means).chain(pairs).collect()
    }
}

/// A bar for each model, of its three parts.
pub(crate) fn split(workload: &Workload, id: &str) -> Drawn {
    let all: Vec<Parts<'_>> = workload.cells.iter().filter_map(Parts::of).collect();
    let axis = Axis::from_zero(all.iter().map(Parts::total)).ok_or("No request was answered.")?;
    let ticks: Vec<_> = axis.ticks(4).into_iter().map(|ns| (ns, tick(ns))).collect();
    let names: Vec<&str> = all.iter().map(|parts| parts.cell.model.as_str()).collect();
    let mut rows = Rows::new(&names, 62, axis, &ticks, "mean response time");
    for (at, parts) in all.iter().enumerate() {
        let mut from = 0.0;
        for (part, ns) in parts.means.iter().enumerate().filter(|(_, ns)| **ns > 0.0) {
            rows.bar(at, &format!("p{part}"), from, from + ns);
            from += ns;
        }
    }
    let title = "Where the time goes".to_owned();
    let description = format!(
        "Mean response time under {}, one bar for each model, of the generator's lag, the wait for a connection and the \
         service.",
        workload.scenario.name
    );
    let columns = [
        "model",
        "mean generator lag",
        "mean wait",
        "mean service",
        "mean response",
        "send lag p50",
        "send lag p99",
        "service p50",
        "service p99",
    ];
    Ok(Plot {
        svg: rows.finish(id, &format!("{title}, {}", workload.scenario.name), &description),
        title,
        caption: caption(workload),
        key: &[("p0", "generator's lag"), ("p1", "wait to be sent"), ("p2", "service")],
        columns: columns.map(str::to_owned).to_vec(),
        rows: all.iter().map(Parts::row).collect(),
    })
}

fn caption(workload: &Workload) -> String {
    let own = match workload.scenario.profile().pacing {
        Pacing::Closed => {
            " In a closed loop a request is due when its client is ready to send it: without a time to think, lag and wait are 0 \
             by definition."
        }
        Pacing::Open => " The wait is for a free connection: a queue outside the server, of its making.",
        Pacing::Churn => " The wait is the connect, for the first request of a session.",
    };
    format!(
        "Means of the answered requests, which add up; percentiles do not, so they stand in the data only. Queueing inside the server is part of service.{own}"
    )
}

fn tick(ns: f64) -> String {
    if ns == 0.0 { "0".to_owned() } else { units::time(ns) }
}
