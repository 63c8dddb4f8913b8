//! The section of one workload: what was asked, the verdict, and around them the figures, pictures and costs that their
//! own files make.
//!
//! It must not show a figure without the doubts about it.

use super::page::{anchor, series_of};
use super::{costs, escape, figures, heat, pictures};
use crate::analysis::{Analysis, Workload};
use crate::cells::cell::Cell;
use crate::rules::verdict::{Outcome, Verdict};
use crate::show::plot;
use crate::show::units;
use std::fmt::Write as _;

/// The sections of all workloads.
pub(super) fn all(analysis: &Analysis) -> String {
    let mut html = String::from("<section id=\"workloads\">\n<h2>Workload by workload</h2>\n");
    if analysis.workloads.is_empty() {
        html.push_str("<p>The run declares none.</p>\n");
    }
    for (number, one) in analysis.workloads.iter().enumerate() {
        let section = section(analysis, one, number);
        match one.scenario.sweep {
            None => html.push_str(&section),
            // There may be many of them, and their sweep shows them together.
            Some(_) => {
                let name = escape(&one.scenario.name);
                let _ =
                    writeln!(html, "<details class=\"more\"><summary>{name}</summary>\n{section}</details>");
            }
        }
    }
    html.push_str("</section>\n");
    html
}

/// The section of a workload.
fn section(analysis: &Analysis, workload: &Workload, number: usize) -> String {
    let scenario = &workload.scenario;
    let id = anchor(number);
    let series = |model: &str| series_of(analysis, model);
    let mut html = format!(
        "<section id=\"{id}\" class=\"workload\">\n<h3>{}</h3>\n<p class=\"lede\">{}. Service <code>{}</code>, {}; a window \
         of {} after {} of warm-up. {} by {}{}.</p>\n",
        escape(&scenario.name),
        escape(&scenario.about),
        escape(&scenario.service),
        escape(&scenario.load),
        units::time(scenario.window_ns as f64),
        units::time(scenario.warmup_ns as f64),
        if analysis.gate.is_some() { "Judged" } else { "Decided" },
        scenario.merit.label(),
        scenario
            .objective_ns
            .map_or_else(String::new, |ns| format!("; objective {}", units::time(ns as f64)))
    );
    // Two builds of one model are no choice between models.
    if analysis.gate.is_none() {
        html.push_str(&verdict(&workload.verdict));
    }
    if scenario.scheduled_rate_per_s.is_none() {
        html.push_str(
            "<p class=\"note\">The next request waits for the last reply here, so a slow server is asked less: response \
             times leave out the waiting that an independent public would have had.</p>\n",
        );
    }
    html.push_str(&figures::figures(workload, &series));
    html.push_str(&doubts(workload));
    html.push_str(&legend(workload, &series));
    html.push_str(&pictures::pictures(analysis, workload, &series, &id));
    html.push_str(&heat::maps(workload, &series, &id));
    html.push_str("<details class=\"more\"><summary>What it cost</summary>\n");
    html.push_str(&costs::costs(workload, &series));
    html.push_str(&costs::counted(workload, &series));
    html.push_str("</details>\n");
    html.push_str(&parameters(workload));
    html.push_str("</section>\n");
    html
}

fn verdict(verdict: &Verdict) -> String {
    format!(
        "<p class=\"verdict{}\"><b>{}</b> {} {}</p>\n",
        if matches!(verdict.outcome, Outcome::Chosen { .. }) { "" } else { " open" },
        escape(&advice(verdict)),
        escape(&verdict.lead()),
        escape(&verdict.reason)
    )
}

fn advice(verdict: &Verdict) -> String {
    match verdict.outcome {
        Outcome::NoneFits => "No model fits.".to_owned(),
        Outcome::Undecided { .. } => "Undecided.".to_owned(),
        Outcome::NoVerdict { .. } => "No verdict.".to_owned(),
        Outcome::Chosen { .. } => format!("Choose {}.", verdict.choice()),
    }
}

/// A model's swatch and name, as HTML.
pub(super) fn name(cell: &Cell, series: &impl Fn(&str) -> usize) -> String {
    format!("{}{}", plot::swatch(series(&cell.model)), escape(&cell.model))
}

/// Cells in the order of the verdict.
pub(super) fn ordered(workload: &Workload) -> impl Iterator<Item = &Cell> {
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
        format!("<div class=\"doubts\"><h4>Doubts</h4>\n<ul>\n{html}</ul></div>\n")
    }
}

fn legend(workload: &Workload, series: &impl Fn(&str) -> usize) -> String {
    let item = |cell: &Cell| format!("<li>{}</li>", name(cell, series));
    format!(
        "<ul class=\"legend\" aria-label=\"Legend\">{}</ul>\n",
        workload.cells.iter().map(item).collect::<String>()
    )
}

fn parameters(workload: &Workload) -> String {
    let scenario = &workload.scenario;
    let mut html = String::from(
        "<details class=\"parameters more\"><summary>Parameters of the workload</summary>\n<dl>\n",
    );
    for (name, value) in &scenario.parameters {
        let _ = writeln!(html, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(value));
    }
    let _ = write!(html, "</dl>\n<pre>{}</pre></details>\n", escape(&scenario.toml));
    html
}
