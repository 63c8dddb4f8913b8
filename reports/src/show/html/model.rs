//! How the page names models and workloads, the same everywhere.

use crate::analysis::Analysis;
use crate::cells::cell::Cell;
use crate::rules::workload::Workload;
use crate::show::plot;
use maud::{Markup, html};

/// The series of a model: its colour, mark and dash in every picture.
pub(super) fn series_of(analysis: &Analysis, model: &str) -> usize {
    plot::series(model, analysis.run.models.iter().map(|record| record.name.as_str()))
}

/// A model's swatch and name.
pub(super) fn named(series: usize, model: &str) -> Markup {
    html! { (plot::swatch(series)) (model) }
}

/// A model as the head of a narrow column: its swatch above its name, which may break at its hyphens.
pub(super) fn column(series: usize, model: &str) -> Markup {
    html! {
        (plot::swatch(series)) br;
        @for (at, part) in model.split('-').enumerate() { @if at > 0 { "-" wbr; } (part) }
    }
}

/// Swatches and names of these models.
pub(super) fn legend<'a>(models: impl Iterator<Item = &'a str>, series: impl Fn(&str) -> usize) -> Markup {
    html! { ul.legend aria-label="Legend" { @for model in models { li { (named(series(model), model)) } } } }
}

/// Cells in the order of the verdict.
pub(super) fn ordered(workload: &Workload) -> impl Iterator<Item = &Cell> {
    workload.verdict.standings.iter().filter_map(|standing| workload.cell(&standing.model))
}

/// A fragment's name for a workload: by number, because names are free text.
pub(super) fn anchor(number: usize) -> String {
    format!("workload-{}", number + 1)
}

/// A workload's name, which leads to its section.
pub(super) fn link(number: usize, workload: &Workload) -> Markup {
    html! { a href={ "#" (anchor(number)) } { (workload.scenario.name) } }
}
