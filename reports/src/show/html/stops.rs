//! What a run with a time budget stopped on the way, look by look. Nothing for a run of fixed rounds, whose head says so.

use super::element::{any_table, section as framed};
use crate::analysis::Analysis;
use crate::show::units;
use crate::show::words::stops;
use maud::{Markup, Render as _, html};

/// The section on the looks; empty for a run of fixed rounds.
pub(super) fn section(analysis: &Analysis) -> Markup {
    let (Some(sequential), Some(brief)) = (&analysis.run.sequential, stops::brief(analysis)) else {
        return html! {};
    };
    let spent: Vec<String> = sequential
        .looks
        .iter()
        .map(|look| format!("{} of it after round {}", units::share(look.weight), look.after_rounds))
        .collect();
    let rows = html! {
        @for look in &analysis.looks {
            @let ended = stops::ended(look);
            tr {
                th scope="row" { (look.after_rounds) }
                td {
                    @if ended.is_empty() { "nothing" }
                    @for (at, text) in ended.iter().enumerate() { @if at > 0 { br; } (text) }
                }
                td { (look.going_on) }
            }
        }
    };
    let heads = ["after round", "stopped", "cells left"].map(|head| head.render());
    let body = html! {
        p.lede { (brief) }
        @if !spent.is_empty() {
            p.note {
                "Who looks often enough finds something. So the error rate was divided among the looks before the run \
                 began: " (units::all_of(&spent)) "; the end has what the looks taken left. A model that is behind at a \
                 look runs no more under that workload, and a workload runs no more once every other model is behind or \
                 equal to the best."
            }
        }
        @if !analysis.looks.is_empty() { (any_table("Looks", None, heads.into_iter(), &rows)) }
    };
    framed("stops", "What was stopped on the way", &body)
}
