//! The matrix: workloads down, models across, each held against the best of its workload.
//!
//! Colour is never alone: every cell says in figures and words what its shade means.

use super::element::{any_table, mark, section, shade};
use super::model::{column, link, series_of};
use crate::analysis::Analysis;
use crate::rules::verdict::Place;
use crate::rules::workload::Workload;
use crate::show::units;
use crate::show::words::joined;
use crate::show::words::verdict::place;
use crate::stats::estimate::Estimate;
use maud::{Markup, html};

/// Workloads down, models across: how many times worse than the best.
pub(super) fn matrix(analysis: &Analysis) -> Markup {
    let models = &analysis.run.models;
    let heads: Vec<Markup> = std::iter::once(html! { "workload" })
        .chain(models.iter().map(|model| {
            html! { span title=(model.summary) { (column(series_of(analysis, &model.name), &model.name)) } }
        }))
        .collect();
    let rows = html! {
        @for (number, workload) in analysis.workloads.iter().enumerate() {
            tr {
                th scope="row" { (link(number, workload)) small { (workload.verdict.merit.label()) } }
                @for model in models { (matrix_cell(workload, &model.name)) }
            }
            "\n"
        }
    };
    let body = html! {
        p.lede {
            "1.00× is the best model of the workload; 2.00× is half its throughput or twice its latency. Below each, the \
             interval; all intervals of a run hold together. " span.tag.win { "equal" } " is shown to differ from the best by \
             less than matters, " span.tag.win { "near" } " by less than 1.25×; " span.tag { "not told apart" } " may be ahead \
             or behind. ▲ and ▼ mark \
             figures at the limit and at the floor of the load generator."
        }
        (any_table("Matrix of workloads and models", Some("matrix"), heads.into_iter(), &rows))
        // The limits are those of `darkness`.
        p.note.scale {
            "Shades: " (shade("f0", "best, equal or near")) " " (shade("f1", "otherwise under 1.25×")) " "
            (shade("f2", "under 2×")) " " (shade("f3", "under 5×")) " " (shade("f4", "5× and more")) " "
            (shade("", "undecided, invalid or not run"))
        }
    };
    section("matrix", "How far behind the best", &body)
}

/// A cell of the matrix: how far a model is behind the best of a workload, and how sure that is.
pub(super) fn matrix_cell(workload: &Workload, model: &str) -> Markup {
    let merit = workload.verdict.merit;
    let Some(standing) = workload.verdict.standing(model) else {
        return html! { td.none { span.quiet { "not run" } } };
    };
    let doubts = workload.cell(model).map(|cell| joined(&cell.doubts)).unwrap_or_default();
    let doubt = html! { @if !doubts.is_empty() { " " abbr.doubt title=(doubts) { "?" } } };
    let limit = standing.figure.and_then(|figure| workload.bounds.limit(merit, figure));
    let figure = html! {
        @match standing.figure { Some(figure) => (merit.show(figure)), None => "no figure" }
        @if let Some(limit) = limit { (mark(limit)) }
    };
    let interval = |factor: Estimate| html! { small.ci { (units::interval(factor.low, factor.high)) } };
    let wins = workload.verdict.wins(model);
    let word = place(&workload.verdict, standing);
    let (class, tag, factor, below) = match standing.place {
        // Where nothing was chosen, nothing is called best.
        _ if standing.place.is_front() && standing.useless(merit) => {
            ("none", Some(("", word)), Some(f64::INFINITY), html! { small { (figure) } })
        }
        Place::Leader if wins => ("f0", Some(("win", word)), Some(1.0), html! { small { (figure) } }),
        Place::Leader => ("none", Some(("", word)), Some(1.0), html! { small { (figure) } }),
        Place::Equal(factor) | Place::Near(factor) => {
            let below = html! { (interval(factor)) small { (figure) } };
            ("f0", Some((if wins { "win" } else { "" }, word)), Some(factor.median), below)
        }
        Place::Open(factor) | Place::Between(factor) | Place::Behind(factor) => {
            let open = !matches!(standing.place, Place::Behind(_));
            let below = html! { (interval(factor)) small { (figure) } };
            (darkness(factor.median), open.then_some(("", word)), Some(factor.median), below)
        }
        Place::TooFew { .. } => ("none", Some(("", word)), None, html! { small { (figure) } }),
        Place::Invalid => {
            ("none", Some(("bad", word)), None, html! { small { a href="#discarded" { "why" } } })
        }
    };
    html! {
        td class=(class) {
            @if let Some((class, words)) = tag { span class={ "tag " (class) } { (words) } }
            (doubt)
            @if let Some(factor) = factor { strong { (units::factor(factor)) } }
            (below)
        }
    }
}

/// How dark a cell is: the figure says the same, so colour is never alone.
fn darkness(factor: f64) -> &'static str {
    match factor {
        f if f < 1.25 => "f1",
        f if f < 2.0 => "f2",
        f if f < 5.0 => "f3",
        _ => "f4",
    }
}
