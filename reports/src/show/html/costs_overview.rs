//! What the models cost over all workloads: a picture for each figure, the data beside it, and the reasons that the
//! verdicts read off them.
//!
//! A figure that was not measured has no mark; the table says why.

use super::element::{Field, Row, figure, nothing_to_draw, pairs, section as framed, table};
use super::model::{legend, link, series_of};
use crate::analysis::Analysis;
use crate::cells::cell::Cell;
use crate::metric::{Group, Unit};
use crate::record::{Metric, Reading};
use crate::rules::workload::Workload;
use crate::show::plot::{self, Dots};
use maud::{Markup, Render as _, html};

/// What has a picture: every cost that can decide.
fn pictured() -> impl Iterator<Item = Metric> {
    Metric::deciding().filter(|metric| !matches!(metric.group(), Group::Speed | Group::Outcome))
}

/// The section over all workloads.
pub(super) fn section(analysis: &Analysis) -> Markup {
    let models = analysis.run.models.iter().map(|model| model.name.as_str());
    let body = html! {
        p.lede {
            "Medians of the rounds, over all workloads: a row for each workload, a mark for each model. Further left is \
             cheaper; for fairness, further right is fairer. A figure of 0 stands at the left edge. What each figure means and \
             how it was measured stands with the " a href="#workloads" { "workloads" } "."
        }
        (legend(models, |model| series_of(analysis, model)))
        div.plots {
            @for (nth, cost) in pictured().enumerate() { (picture(analysis, nth, cost)) }
        }
        @if analysis.gate.is_none() { (reasons(analysis)) }
    };
    framed("cost", "What it costs", &body)
}

fn picture(analysis: &Analysis, nth: usize, cost: Metric) -> Markup {
    let (title, axis) = (cost.label(), cost.about());
    let row = |workload| plot::Row { name: name(workload), marks: marks(workload, cost) };
    let rows: Vec<plot::Row<'_>> =
        analysis.workloads.iter().map(row).filter(|row: &plot::Row<'_>| !row.marks.is_empty()).collect();
    let up_to = (cost.unit() == Unit::Index).then_some(1.03);
    let what = Dots { title, axis_label: axis, up_to, rule: None };
    let show = |value: f64| if value == 0.0 { "0".to_owned() } else { cost.show(value * unit(cost)) };
    let series = |model: &str| series_of(analysis, model);
    match plot::dots(&rows, &what, series, show, &format!("cost-{nth}")) {
        None => nothing_to_draw(title, absence(analysis, cost).unwrap_or("no workload has a figure")),
        Some(svg) => figure(title, &axis.render(), &svg, &data(analysis, cost, title)),
    }
}

fn name(workload: &Workload) -> &str {
    &workload.scenario.name
}

/// What an axis counts in, so that its ticks are round: memory in KiB.
fn unit(cost: Metric) -> f64 {
    if cost.unit() == Unit::Bytes { 1_024.0 } else { 1.0 }
}

fn marks(workload: &Workload, cost: Metric) -> Vec<(&str, f64)> {
    let finite = |cell: &Cell| cell.value(cost).filter(|value| value.is_finite());
    let cells = workload.cells.iter();
    cells.filter_map(|cell| Some((cell.model.as_str(), finite(cell)? / unit(cost)))).collect()
}

/// Why a cost is absent where it is, the first reason found.
fn absence(analysis: &Analysis, cost: Metric) -> Option<&str> {
    let cells = analysis.workloads.iter().flat_map(|workload| &workload.cells);
    cells.map(|cell| cell.get(cost)).find_map(Reading::absence)
}

/// Workloads down, models across.
fn data(analysis: &Analysis, cost: Metric, title: &str) -> Markup {
    let models = || analysis.run.models.iter().map(|model| model.name.as_str());
    let columns: Vec<&str> = std::iter::once("workload").chain(models()).collect();
    let field = |workload: &Workload, model: &str| match workload.cell(model).map(|cell| cell.get(cost)) {
        Some(Reading::Value(value)) => Field::figure(cost.show(*value), *value),
        Some(Reading::Absent(why)) => Field::absent(why),
        None => Field::absent("this model did not run it"),
    };
    let row = |workload: &Workload| {
        (name(workload).render(), models().map(|model| field(workload, model)).collect())
    };
    let rows: Vec<Row> = analysis.workloads.iter().map(row).collect();
    table(&format!("{title} by workload and model"), &columns, &rows)
}

/// The reasons of all verdicts, by workload.
fn reasons(analysis: &Analysis) -> Markup {
    let rows: Vec<(Markup, String)> = analysis
        .workloads
        .iter()
        .enumerate()
        .filter(|(_, workload)| !workload.verdict.winners.is_empty())
        .map(|(number, workload)| (link(number, workload), workload.reason()))
        .filter(|(_, reason)| !reason.is_empty())
        .collect();
    html! {
        @if rows.is_empty() {
            p.note {
                "In no workload did a cost explain the difference: either no model needs enough more of anything, or nothing \
                 was decided."
            }
        } @else {
            h3 { "Which cost goes with which verdict" }
            (pairs(rows))
        }
    }
}
