//! The section of one workload: what was asked, the verdict, and around them the figures, pictures and costs that their
//! own files make.
//!
//! It must not show a figure without the doubts about it.

use super::element::{pairs, section as framed};
use super::model::{anchor, legend, series_of};
use super::{costs, figures, heat, pictures};
use crate::analysis::Analysis;
use crate::cells::cell::Cell;
use crate::rules::verdict::Status;
use crate::rules::workload::Workload;
use crate::show::words::joined;
use crate::show::{units, words};
use maud::{Markup, html};

/// The sections of all workloads.
pub(super) fn all(analysis: &Analysis) -> Markup {
    let body = html! {
        @if analysis.workloads.is_empty() { p { "The run declares none." } }
        @for (number, one) in analysis.workloads.iter().enumerate() {
            @if one.scenario.sweep.is_some() {
                // There may be many of them, and their sweep shows them together.
                details.more { summary { (one.scenario.name) } (section(analysis, one, number)) }
            } @else {
                (section(analysis, one, number))
            }
        }
    };
    framed("workloads", "Workload by workload", &body)
}

/// The section of a workload.
fn section(analysis: &Analysis, workload: &Workload, number: usize) -> Markup {
    let scenario = &workload.scenario;
    let id = anchor(number);
    let series = |model: &str| series_of(analysis, model);
    html! {
        section id=(id) class="workload" {
            h3 { (scenario.name) }
            p.lede {
                (scenario.about) ". Service " code { (scenario.service) } @if !scenario.transport.is_tcp() { " over " (scenario.transport.name().to_uppercase()) } (words::workload::tls(scenario.tls)) ", " (words::workload::load(&scenario.load)) "; a window of "
                (units::time(scenario.window_ns() as f64)) " after " (units::time(scenario.warmup_ns() as f64)) " of warm-up. "
                @if analysis.gate.is_some() { "Judged" } @else { "Decided" } " by " (scenario.merit.label())
                @if let Some(beyond) = words::workload::beyond(workload) { ", " (beyond) }
                @if let Some(ns) = scenario.objective_ns { "; objective " (units::time(ns as f64)) } "."
            }
            // Two builds of one model are no choice between models.
            @if analysis.gate.is_none() { (verdict(workload)) }
            @if scenario.rate_per_s().is_none() {
                p.note {
                    "The next request waits for the last reply here, so a slow server is asked less: response times leave out \
                     the waiting that independent clients would have had."
                }
            }
            (figures::figures(workload, &series))
            (doubts(workload))
            (legend(workload.cells.iter().map(|cell| cell.model.as_str()), series))
            (pictures::pictures(analysis, workload, &series, &id))
            (heat::maps(workload, &series, &id))
            details.more {
                summary { "What it cost" }
                (costs::costs(workload, &series))
                (costs::counted(workload, &series))
            }
            details.parameters.more {
                summary { "Parameters of the workload" }
                (pairs(words::workload::parameters(scenario)))
                pre { (scenario.toml) }
            }
        }
        "\n"
    }
}

fn verdict(workload: &Workload) -> Markup {
    let verdict = &workload.verdict;
    let advice = if verdict.winners.is_empty() {
        format!("{}.", words::capital(&verdict.choice()))
    } else {
        format!("Choose {}.", verdict.choice())
    };
    let open = verdict.winners.is_empty() || verdict.status == Status::Provisional;
    html! { p.verdict.open[open] { b { (advice) } " " (verdict.lead()) " " (workload.reason()) } }
}

fn doubts(workload: &Workload) -> Markup {
    let doubtful: Vec<&Cell> = workload.cells.iter().filter(|cell| !cell.doubts.is_empty()).collect();
    html! {
        @if !doubtful.is_empty() {
            div.doubts {
                h4 { "Doubts" }
                ul { @for cell in doubtful { li { b { (cell.model) } ": " (joined(&cell.doubts)) } } }
            }
        }
    }
}
