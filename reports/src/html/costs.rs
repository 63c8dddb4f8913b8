//! The tables of what a workload cost the servers, and of what they counted themselves.
//!
//! A cost that could not be measured is shown as absent with the reason, never as zero.

use super::workload::{name, ordered};
use super::{Field, escape, table};
use crate::analysis::Workload;
use crate::cell::Cell;
use crate::record::Reading;
use crate::units;

/// What the servers used, per request and as a whole.
pub(super) fn costs(workload: &Workload, series: &impl Fn(&str) -> usize) -> String {
    let field = |reading: &Reading<f64>, show: fn(f64) -> String| match reading {
        Reading::Value(value) => Field::figure(show(*value), *value),
        Reading::Absent(why) => Field::absent(why),
    };
    let count: fn(f64) -> String = |value| units::grouped(value.round() as u64);
    let rows: Vec<(String, Vec<Field>)> = ordered(workload)
        .map(|cell| {
            let costs = &cell.costs;
            let mut fields = vec![
                field(&costs.cpu_ns_per_request, units::time),
                field(&costs.switches_per_request, units::quantity),
                field(&costs.pss_bytes, units::bytes),
                field(&costs.threads, count),
                field(&costs.processes, count),
            ];
            let connect = cell.merged.as_ref().map(|merged| merged.connect.p50());
            fields.push(connect.map_or_else(|| Field::absent("no valid trial"), Field::quantile));
            let fairness = cell.merged.as_ref().and_then(|merged| merged.fairness);
            fields.push(fairness.map_or_else(
                || Field::absent("no replies"),
                |value| Field::figure(format!("{value:.3}"), value),
            ));
            fields.push(cell.merged.as_ref().map_or_else(
                || Field::absent("no valid trial"),
                |merged| {
                    let text = format!(
                        "{} of {}",
                        units::grouped(merged.never_served),
                        units::grouped(merged.connections)
                    );
                    Field::figure(text, merged.never_served as f64)
                },
            ));
            (name(cell, series), fields)
        })
        .collect();
    let columns = [
        "model",
        "CPU per request",
        "switches per request",
        "memory",
        "threads",
        "processes",
        "connect p50",
        "fairness",
        "never served",
    ];
    let mut absent: Vec<&str> = workload.cells.iter().flat_map(reasons).collect();
    absent.sort_unstable();
    absent.dedup();
    let absent = match absent.as_slice() {
        [] => String::new(),
        reasons => format!(" Absent: {}.", escape(&reasons.join("; "))),
    };
    format!(
        "<h3>What it costs</h3>\n{}<p class=\"note\">Medians of the rounds, of the server's whole process tree: CPU time in \
         the window over replies in it; context switches over the server's life per request that the swarm saw to its end, warm-up included; memory as \
         proportional set size after the window with the clients still connected (churn: at its end). Fairness is Jain's index over connections: 1 when all got the same. \
         Never served counts connections without any reply, over all rounds.{absent}</p>\n",
        table(&format!("Costs of {}", workload.scenario.name), &columns, &rows)
    )
}

fn reasons(cell: &Cell) -> impl Iterator<Item = &str> {
    let costs = &cell.costs;
    let all = [
        &costs.cpu_ns_per_request,
        &costs.switches_per_request,
        &costs.pss_bytes,
        &costs.threads,
        &costs.processes,
    ];
    all.into_iter().filter_map(|reading| match reading {
        Reading::Absent(why) => Some(why.as_str()),
        Reading::Value(_) => None,
    })
}

/// What the servers counted themselves, to hold against what the swarm saw. A counter that is zero everywhere has no
/// column.
pub(super) fn counted(workload: &Workload, series: &impl Fn(&str) -> usize) -> String {
    let mut names: Vec<&str> = Vec::new();
    for (name, count) in workload.cells.iter().flat_map(|cell| &cell.counted) {
        if *count > 0 && !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let row = |cell: &Cell| {
        let fields = names.iter().map(|name| match cell.counted.get(*name) {
            Some(count) => Field::figure(units::grouped(*count), *count as f64),
            None => Field::absent("no server lived to tell"),
        });
        (name(cell, series), fields.collect::<Vec<_>>())
    };
    let rows: Vec<_> = ordered(workload).map(row).collect();
    if names.is_empty() {
        return "<p class=\"note\">No server told what it had counted.</p>\n".to_owned();
    }
    let heads: Vec<String> = names.iter().map(|name| name.replace('_', " ")).collect();
    let columns: Vec<&str> = std::iter::once("model").chain(heads.iter().map(String::as_str)).collect();
    format!(
        "<details><summary>What the servers counted</summary>\n{}<p class=\"note\">Over a server's whole life, warm-up \
         included, summed over the rounds; the peak of open connections is the largest.</p>\n</details>\n",
        table(&format!("Counters of the servers of {}", workload.scenario.name), &columns, &rows)
    )
}
