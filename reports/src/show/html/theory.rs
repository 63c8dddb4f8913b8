//! Theory beside measurement: the limits of each workload, how much of them was reached, and the queue that the same work
//! would make.
//!
//! The residual is named, not explained away: it is what the formula leaves out.

use super::costs_overview::legend;
use super::page::{anchor, series_of};
use super::workload::{name, ordered};
use super::{Field, escape, table};
use crate::analysis::{Analysis, Workload};
use crate::ask::theory::limits::{Limit, Queue, common, least, of_model, queue};
use crate::cells::cell::Cell;
use crate::show::plot::{self, Dots, Row};
use crate::show::units;
use std::fmt::Write as _;

/// At this share of its least limit a model is at it: what is left is within the limits' own accuracy.
const REACHED: f64 = 0.90;

/// From this share of the schedule on a model served what was asked: the rest is the scatter of Poisson arrivals.
const KEPT: f64 = 0.95;

/// The section.
pub(super) fn section(analysis: &Analysis) -> String {
    let mut html = String::from(
        "<section id=\"theory\">\n<h2>What theory allows</h2>\n<p class=\"lede\">No closed loop is faster than its clients \
         ask, N / (R + Z), and no server faster than its busiest part serves, m / D: the asymptotic bounds (Denning and \
         Buzen 1978; Lazowska and others 1984). R is the least response: what one client of the null server sees, and the \
         work asked for. Z, the time between reply and next request, is taken as 0, which leaves it a bound. D is the CPU \
         time measured for a request, m the server's CPUs, c / W a pool whose workers are held for W.</p>\n",
    );
    html.push_str(&reached(analysis));
    for (number, workload) in analysis.workloads.iter().enumerate() {
        html.push_str(&one(analysis, workload, number));
    }
    html.push_str("</section>\n");
    html
}

/// The share of its least limit that a model reached, with that limit.
fn share(analysis: &Analysis, workload: &Workload, cell: &Cell) -> Option<(f64, Limit)> {
    let limits = of_model(&analysis.run, workload, cell);
    let least = least(&limits)?;
    Some((cell.throughput_per_s()? / least.per_s, least.clone()))
}

/// One picture over all workloads whose pace the server sets: an open loop is asked for less than it could do.
fn reached(analysis: &Analysis) -> String {
    let marks = |workload: &Workload| -> Vec<(usize, f64)> {
        let mark = |cell: &Cell| Some((series_of(analysis, &cell.model), share(analysis, workload, cell)?.0));
        workload.cells.iter().filter_map(mark).collect()
    };
    let own_pace = analysis.workloads.iter().filter(|one| one.scenario.scheduled_rate_per_s.is_none());
    let rows: Vec<Row<'_>> = own_pace
        .map(|workload| Row { name: &workload.scenario.name, marks: marks(workload) })
        .filter(|row| !row.marks.is_empty())
        .collect();
    let most = rows.iter().flat_map(|row| &row.marks).map(|(_, share)| *share).fold(1.0, f64::max);
    let what = Dots {
        title: "How much of its least limit each model reached",
        axis_label: "throughput over the least limit",
        up_to: Some((most * 1.05).min(2.0)),
        rule: Some(1.0),
    };
    let show = |value: f64| format!("{:.0} %", value * 100.0);
    match plot::dots(&rows, &what, show, "theory-reached") {
        None => "<p class=\"note\">No workload of this run lets the server set the pace and has a known limit, so none is \
                 drawn.</p>\n"
            .to_owned(),
        Some(svg) => {
            let data = |row: &Row<'_>| {
                let of = |series: &usize| {
                    analysis.run.models.get(*series).map_or_else(String::new, |model| escape(&model.name))
                };
                row.marks
                    .iter()
                    .map(|(series, share)| {
                        let fields = vec![
                            Field::text(row.name),
                            Field::figure(units::share(*share), *share),
                        ];
                        (of(series), fields)
                    })
                    .collect::<Vec<_>>()
            };
            let rows: Vec<(String, Vec<Field>)> = rows.iter().flat_map(data).collect();
            format!(
                "{}<figure class=\"single\">\n<figcaption><b>{}</b> Workloads in which the server sets the pace. At the \
                 line the limit is reached; left of it something else holds the model back. A mark beyond the line says \
                 that a limit was measured too low.</figcaption>\n{svg}<details><summary>Data</summary>\n{}</details>\n\
                 </figure>\n",
                legend(analysis),
                what.title,
                table(what.title, &["model", "workload", "share reached"], &rows)
            )
        }
    }
}

fn one(analysis: &Analysis, workload: &Workload, number: usize) -> String {
    let scenario = &workload.scenario;
    let mut html = format!(
        "<details class=\"more\"><summary>{}: limits and residuals</summary>\n<p class=\"note\"><a href=\"#{}\">To the \
         workload</a></p>\n",
        escape(&scenario.name),
        anchor(number)
    );
    html.push_str(&limits(analysis, workload));
    match queue(&analysis.run, workload) {
        Ok(queue) => html.push_str(&queueing(analysis, workload, &queue)),
        Err(why) => {
            let _ =
                writeln!(html, "<p class=\"note\">No mean wait is predicted (M/G/1): {}.</p>", escape(&why));
        }
    }
    html.push_str("</details>\n");
    html
}

fn limits(analysis: &Analysis, workload: &Workload) -> String {
    let series = |model: &str| series_of(analysis, model);
    let shared: Vec<Limit> = common(&analysis.run, workload);
    let row = |cell: &Cell| {
        let limits = of_model(&analysis.run, workload, cell);
        let rate = cell.throughput_per_s()?;
        let least = least(&limits)?;
        let own: Vec<String> = limits.iter().filter(|limit| !shared.contains(limit)).map(words).collect();
        let share = rate / least.per_s;
        let fields = vec![
            Field::figure(units::rate(rate), rate),
            Field::figure(format!("{} ({})", units::rate(least.per_s), least.formula), least.per_s),
            Field::figure(units::share(share), share),
            Field::text(residual(workload, rate, share, least)),
            Field::text(own.join("; ")),
        ];
        Some((name(cell, &series), fields))
    };
    let rows: Vec<(String, Vec<Field>)> = ordered(workload).filter_map(row).collect();
    if rows.is_empty() {
        return "<p>No limit of throughput is known: no CPU time was measured, and nothing the workload asks for bounds \
                it.</p>\n"
            .to_owned();
    }
    let all = match shared.as_slice() {
        [] => String::new(),
        shared => {
            let told: Vec<String> = shared.iter().map(words).collect();
            format!("<p>For every model: {}.</p>\n", escape(&told.join("; ")))
        }
    };
    let columns = ["model", "throughput", "least limit", "reached", "what is left", "limits of its own"];
    let label = format!("Limits of {}", workload.scenario.name);
    format!("{all}<div class=\"words\">{}</div>", table(&label, &columns, &rows))
}

/// A limit with what it is made of.
fn words(limit: &Limit) -> String {
    format!("{} = {} ({})", limit.formula, units::rate(limit.per_s), limit.made_of)
}

/// The residual in words: what the distance from the limit means by its own law, never a guess at its cause.
fn residual(workload: &Workload, rate: f64, share: f64, least: &Limit) -> String {
    let kept = |scheduled: &f64| rate >= KEPT * scheduled;
    if workload.scenario.scheduled_rate_per_s.as_ref().is_some_and(kept) {
        return "all that was asked for was served".to_owned();
    }
    let near =
        if workload.bounds.at_ceiling(rate) { "; the load generator is near its own limit" } else { "" };
    match share {
        share if share > 1.1 => format!("above the limit, so {} was measured too low", least.by),
        share if share >= REACHED => format!("at the limit of {}{near}", least.by),
        share => {
            let (used, idle) = (units::share(share), units::share(1.0 - share));
            match least.formula {
                "m / D" => format!("the server used {used} of its CPU time{near}"),
                "c / W" => format!("its workers were held for {used} of the time{near}"),
                "N / (R + Z)" => {
                    format!("a response took {} its least, by Little's law{near}", units::factor(1.0 / share))
                }
                _ => format!("{idle} of the limit of {} is left{near}", least.by),
            }
        }
    }
}

fn queueing(analysis: &Analysis, workload: &Workload, queue: &Queue) -> String {
    let series = |model: &str| series_of(analysis, model);
    let row = |cell: &Cell| {
        let mean = cell.merged.as_ref()?.response.mean_ns?;
        let against = |theory: f64| {
            if theory.is_finite() {
                Field::figure(units::factor(mean / theory), mean / theory)
            } else {
                Field::absent("theory has no mean here: more work arrives than one CPU can do")
            }
        };
        let fields =
            vec![Field::figure(units::time(mean), mean), against(queue.in_turn_ns), against(queue.shared_ns)];
        Some((name(cell, &series), fields))
    };
    let rows: Vec<(String, Vec<Field>)> = ordered(workload).filter_map(row).collect();
    format!(
        "<p>The computing asked for, {} on average, keeps one CPU busy for {} of the time. Poisson arrivals to one CPU \
         (M/G/1) then have a mean response of <b>{}</b> when each request is served to its end in turn (Pollaczek and \
         Khinchine), and of <b>{}</b> when all present share the CPU (processor sharing). An event loop is near the first, a \
         thread for each client near the second. The residual is what the formulas leave out: moving the bytes, \
         hand-offs, the wire, and a sample that ends. Means are of the answered requests only.</p>\n{}",
        units::time(queue.work_ns),
        units::share(queue.utilisation),
        units::time(queue.in_turn_ns),
        units::time(queue.shared_ns),
        table(
            &format!("Mean response and theory of {}", workload.scenario.name),
            &["model", "mean response", "over in turn", "over shared"],
            &rows
        )
    )
}
