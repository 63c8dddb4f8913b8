//! The section of one workload: figures, pictures, where the time goes, what it cost.

use super::page::{anchor, series_of};
use super::{Field, escape, table};
use crate::analysis::{Analysis, Workload};
use crate::cell::{Cell, Latency, SHOWN};
use crate::plot::{self, Drawn};
use crate::record::Reading;
use crate::units;
use std::fmt::Write as _;

/// The section of a workload.
pub(super) fn section(analysis: &Analysis, workload: &Workload, number: usize) -> String {
    let scenario = &workload.scenario;
    let id = anchor(number);
    let series = |model: &str| series_of(analysis, model);
    let mut html = format!(
        "<section id=\"{id}\" class=\"workload\">\n<h2>{}</h2>\n<p class=\"lede\">{}. Service <code>{}</code>, {}; a window \
         of {} after {} of warm-up. Decided by {}.</p>\n",
        escape(&scenario.name),
        escape(&scenario.about),
        escape(&scenario.service),
        escape(&scenario.load),
        units::time(scenario.window_ns as f64),
        units::time(scenario.warmup_ns as f64),
        scenario.merit.label()
    );
    let verdict = &workload.verdict;
    let _ = writeln!(
        html,
        "<p class=\"verdict\"><b>{}</b> {} {}</p>",
        escape(&capital(&verdict.choice())),
        escape(&verdict.lead()),
        escape(&verdict.reason)
    );
    if scenario.scheduled_rate_per_s.is_none() {
        html.push_str(
            "<p class=\"note\">The next request waits for the last reply here, so a slow server is asked less: response \
             times leave out the waiting that an independent public would have had.</p>\n",
        );
    }
    html.push_str(&figures(workload, &series));
    html.push_str(&doubts(workload));
    html.push_str(&legend(workload, &series));
    html.push_str("<div class=\"plots\">\n");
    html.push_str(&picture(
        plot::throughput_latency(workload, series, &format!("{id}-a")),
        "Throughput and latency",
    ));
    html.push_str(&picture(
        plot::by_percentile(workload, series, &format!("{id}-b")),
        "Response time by percentile",
    ));
    html.push_str(&picture(
        plot::over_time(workload, series, &format!("{id}-c")),
        "Response time over the window",
    ));
    html.push_str(&split(workload, &series));
    html.push_str("</div>\n");
    html.push_str(&costs(workload, &series));
    html.push_str(&counted(workload, &series));
    html.push_str(&parameters(workload));
    html.push_str("</section>\n");
    html
}

fn capital(text: &str) -> String {
    // A model's name stays as it is written; only our own words begin a sentence.
    match text {
        "no model" => "No model fits.".to_owned(),
        "undecided" => "Undecided.".to_owned(),
        name => format!("Choose {name}."),
    }
}

fn name(cell: &Cell, series: &impl Fn(&str) -> usize) -> String {
    format!("{}{}", plot::swatch(series(&cell.model)), escape(&cell.model))
}

fn figures(workload: &Workload, series: &impl Fn(&str) -> usize) -> String {
    let rows: Vec<(String, Vec<Field>)> = ordered(workload)
        .map(|cell| {
            let rounds = format!("{}", cell.rounds.len());
            let mut fields = vec![Field::figure(rounds, cell.rounds.len() as f64)];
            match (&cell.merged, cell.throughput_per_s()) {
                (Some(merged), Some(rate)) => {
                    fields.push(Field::figure(units::rate(rate), rate));
                    fields.extend(merged.response.shown.map(Field::quantile));
                    fields.push(Field::quantile(merged.dispatch_lag.p99()));
                    let failed = merged.errors.values().sum::<u64>() + merged.timeouts + merged.pending;
                    fields.push(Field::figure(units::grouped(failed), failed as f64));
                }
                _ => fields.extend((0..7).map(|_| Field::absent("no valid trial"))),
            }
            (name(cell, series), fields)
        })
        .collect();
    let percentiles = SHOWN.map(units::percentile);
    let mut columns = vec!["model", "rounds", "throughput"];
    columns.extend(percentiles.iter().map(String::as_str));
    columns.extend(["generator lag p99", "unanswered"]);
    let table = table(&format!("Figures of {}", workload.scenario.name), &columns, &rows);
    format!(
        "<h3>Figures</h3>\n{table}<p class=\"note\">Throughput is the median of the rounds. Response percentiles are over \
         all requests sent in all rounds; whatever was never answered counts as infinite, <em>never</em>. Generator lag is \
         how late the load generator itself acted on a request that was due.</p>\n"
    )
}

/// Cells in the order of the verdict.
fn ordered(workload: &Workload) -> impl Iterator<Item = &Cell> {
    workload.verdict.standings.iter().filter_map(|standing| workload.cell(&standing.model))
}

fn doubts(workload: &Workload) -> String {
    let mut html = String::new();
    for cell in workload.cells.iter().filter(|cell| !cell.doubts.is_empty()) {
        let _ =
            writeln!(html, "<li><b>{}</b>: {}</li>", escape(&cell.model), escape(&cell.doubts.join("; ")));
    }
    if html.is_empty() {
        html
    } else {
        format!("<div class=\"doubts\"><h3>Doubts</h3>\n<ul>\n{html}</ul></div>\n")
    }
}

fn legend(workload: &Workload, series: &impl Fn(&str) -> usize) -> String {
    let item = |cell: &Cell| format!("<li>{}</li>", name(cell, series));
    format!(
        "<ul class=\"legend\" aria-label=\"Legend\">{}</ul>\n",
        workload.cells.iter().map(item).collect::<String>()
    )
}

fn picture(drawn: Drawn, title: &str) -> String {
    let plot = match drawn {
        Ok(plot) => plot,
        Err(why) => {
            return format!(
                "<figure><figcaption><b>{title}</b> Nothing to draw: {}</figcaption></figure>\n",
                escape(&why)
            );
        }
    };
    let columns: Vec<&str> = plot.columns.iter().map(String::as_str).collect();
    let row = |row: &Vec<String>| (escape(&row[0]), row[1..].iter().map(Field::text).collect());
    let rows: Vec<(String, Vec<Field>)> = plot.rows.iter().map(row).collect();
    format!(
        "<figure>\n<figcaption><b>{}</b> {}</figcaption>\n{}<details><summary>Data</summary>\n{}</details>\n</figure>\n",
        escape(&plot.title),
        escape(&plot.caption),
        plot.svg,
        table(&plot.title, &columns, &rows).replace(" class=\"sortable\"", "")
    )
}

fn split(workload: &Workload, series: &impl Fn(&str) -> usize) -> String {
    let pair = |latency: &Latency| [Field::quantile(latency.p50()), Field::quantile(latency.p99())];
    let rows: Vec<(String, Vec<Field>)> = ordered(workload)
        .filter_map(|cell| {
            let merged = cell.merged.as_ref()?;
            let parts = [&merged.send_lag, &merged.service, &merged.response];
            Some((name(cell, series), parts.into_iter().flat_map(pair).collect()))
        })
        .collect();
    let title = "Where the time goes";
    if rows.is_empty() {
        return format!(
            "<figure><figcaption><b>{title}</b> No valid trial, so nothing to split.</figcaption></figure>\n"
        );
    }
    let columns = ["model", "send lag p50", "p99", "service p50", "p99", "response p50", "p99"];
    format!(
        "<figure>\n<figcaption><b>{title}</b> Response is send lag plus service, request by request; percentiles do \
         not add up. Send lag is from the intended to the actual send: the generator's own lateness and, in open loop, \
         the wait for a free connection. Queueing inside the server is part of service. Service is over the requests \
         answered, response over all that were sent.</figcaption>\n{}</figure>\n",
        table(&format!("Split of the response time of {}", workload.scenario.name), &columns, &rows)
    )
}

fn costs(workload: &Workload, series: &impl Fn(&str) -> usize) -> String {
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
         the window over replies in it; context switches over the server's life per request it answered; memory as \
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
fn counted(workload: &Workload, series: &impl Fn(&str) -> usize) -> String {
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

fn parameters(workload: &Workload) -> String {
    let scenario = &workload.scenario;
    let mut html =
        String::from("<details class=\"parameters\"><summary>Parameters of the workload</summary>\n<dl>\n");
    for (name, value) in &scenario.parameters {
        let _ = writeln!(html, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(value));
    }
    let _ = write!(html, "</dl>\n<pre>{}</pre></details>\n", escape(&scenario.toml));
    html
}
