//! What the models cost over all workloads: a picture for each figure, the data beside it, and the reasons that the
//! verdicts read off them.
//!
//! A figure that was not measured has no mark; the table says why.

use super::page::{anchor, series_of};
use super::{Field, escape, table};
use crate::analysis::{Analysis, Workload};
use crate::metric::cost::Cost;
use crate::record::Reading;
use crate::rules::verdict::Outcome;
use crate::show::plot::{self, Dots, Row};
use std::fmt::Write as _;

/// A figure of the overview: title, the axis in words, and how to read it.
const SHOWN: [(Cost, &str, &str); 5] = [
    (Cost::Cpu, "CPU time", "CPU time of the server for each request"),
    (Cost::SystemCalls, "System calls", "system calls of the server for each request"),
    (Cost::Switches, "Context switches", "context switches for each request"),
    (Cost::MemoryPerConnection, "Memory per connection", "memory that one more connection takes"),
    (Cost::Fairness, "Fairness", "Jain's index: 1 when every connection got the same"),
];

/// The section over all workloads.
pub(super) fn section(analysis: &Analysis) -> String {
    let mut html = String::from(
        "<section id=\"cost\">\n<h2>What it costs</h2>\n<p class=\"lede\">Medians of the rounds, over all workloads: a row for \
         each workload, a mark for each model. Further left is cheaper; for fairness, further right is fairer. A figure of 0 \
         stands at the left edge. What each \
         figure means and how it was measured stands with the <a href=\"#workloads\">workloads</a>.</p>\n",
    );
    html.push_str(&legend(analysis));
    html.push_str("<div class=\"plots\">\n");
    for (nth, (cost, title, axis)) in SHOWN.into_iter().enumerate() {
        html.push_str(&picture(analysis, nth, cost, (title, axis)));
    }
    html.push_str("</div>\n");
    if analysis.gate.is_none() {
        html.push_str(&reasons(analysis));
    }
    html.push_str("</section>\n");
    html
}

/// Swatch and name of every model of the run.
pub(super) fn legend(analysis: &Analysis) -> String {
    let item = |(series, model): (usize, &crate::record::ModelRecord)| {
        format!("<li>{}{}</li>", plot::swatch(series), escape(&model.name))
    };
    let items: String = analysis.run.models.iter().enumerate().map(item).collect();
    format!("<ul class=\"legend\" aria-label=\"Legend\">{items}</ul>\n")
}

fn picture(analysis: &Analysis, nth: usize, cost: Cost, (title, axis): (&str, &str)) -> String {
    let row = |workload| Row { name: name(workload), marks: marks(analysis, workload, cost) };
    let rows: Vec<Row<'_>> =
        analysis.workloads.iter().map(row).filter(|row: &Row<'_>| !row.marks.is_empty()).collect();
    let up_to = (cost == Cost::Fairness).then_some(1.03);
    let what = Dots { title, axis_label: axis, up_to, rule: None };
    let show = |value: f64| if value == 0.0 { "0".to_owned() } else { cost.show(value * unit(cost)) };
    let Some(svg) = plot::dots(&rows, &what, show, &format!("cost-{nth}")) else {
        let why = absence(analysis, cost).unwrap_or("no workload has a figure");
        return format!(
            "<figure><figcaption><b>{title}</b> Nothing to draw: {}.</figcaption></figure>\n",
            escape(why)
        );
    };
    format!(
        "<figure>\n<figcaption><b>{title}</b> {axis}</figcaption>\n{svg}<details><summary>Data</summary>\n{}</details>\n\
         </figure>\n",
        data(analysis, cost, title)
    )
}

fn name(workload: &Workload) -> &str {
    &workload.scenario.name
}

/// What an axis counts in, so that its ticks are round: memory in KiB.
fn unit(cost: Cost) -> f64 {
    if cost == Cost::MemoryPerConnection { 1_024.0 } else { 1.0 }
}

fn marks(analysis: &Analysis, workload: &Workload, cost: Cost) -> Vec<(usize, f64)> {
    let mark = |cell: &crate::cells::cell::Cell| {
        Some((series_of(analysis, &cell.model), cell.costs.value(cost)? / unit(cost)))
    };
    workload.cells.iter().filter_map(mark).collect()
}

/// Why a cost is absent where it is, the first reason found.
fn absence(analysis: &Analysis, cost: Cost) -> Option<&str> {
    let cells = analysis.workloads.iter().flat_map(|workload| &workload.cells);
    cells.map(|cell| cell.costs.get(cost)).find_map(Reading::absence)
}

/// Workloads down, models across.
fn data(analysis: &Analysis, cost: Cost, title: &str) -> String {
    let mut columns = vec!["workload"];
    columns.extend(analysis.run.models.iter().map(|model| model.name.as_str()));
    let field = |workload: &Workload, model: &str| match workload.cell(model).map(|cell| cell.costs.get(cost))
    {
        Some(Reading::Value(value)) => Field::figure(cost.show(*value), *value),
        Some(Reading::Absent(why)) => Field::absent(why),
        None => Field::absent("this model did not run it"),
    };
    let rows: Vec<(String, Vec<Field>)> = analysis
        .workloads
        .iter()
        .map(|workload| {
            let fields = analysis.run.models.iter().map(|model| field(workload, &model.name)).collect();
            (escape(name(workload)), fields)
        })
        .collect();
    table(&format!("{title} by workload and model"), &columns, &rows)
}

/// The reasons of all verdicts, by workload.
fn reasons(analysis: &Analysis) -> String {
    let mut html = String::new();
    for (number, workload) in analysis.workloads.iter().enumerate() {
        let chosen = matches!(workload.verdict.outcome, Outcome::Chosen { .. });
        if chosen && !workload.verdict.reason.is_empty() {
            let _ = writeln!(
                html,
                "<dt><a href=\"#{}\">{}</a></dt><dd>{}</dd>",
                anchor(number),
                escape(name(workload)),
                escape(&workload.verdict.reason)
            );
        }
    }
    if html.is_empty() {
        return "<p class=\"note\">In no workload did a cost explain the difference: either none needs enough more of \
                anything, or nothing was decided.</p>\n"
            .to_owned();
    }
    format!("<h3>Which cost goes with which verdict</h3>\n<dl class=\"pairs\">\n{html}</dl>\n")
}
