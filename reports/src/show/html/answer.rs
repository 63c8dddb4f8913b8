//! The answer: for each workload what to choose, how far ahead it is, and why.
//!
//! Nothing is called best where the verdict chooses nothing.

use super::element::{picture, section};
use super::model::{legend, link, series_of};
use super::trust;
use crate::analysis::Analysis;
use crate::rules::verdict::{Place, Status, Verdict};
use crate::rules::workload::Workload;
use crate::show::plot;
use crate::show::words::verdict::place;
use crate::show::words::{capital, limit};
use maud::{Markup, html};

/// With more workloads than this the cards are set closer, and their reasons are opened one by one.
const MANY: usize = 9;

/// One card for each workload: what to choose, how far ahead it is, why.
pub(super) fn answer(analysis: &Analysis) -> Markup {
    let many = analysis.workloads.len() > MANY;
    let models = || analysis.run.models.iter().map(|model| model.name.as_str());
    let body = html! {
        @if analysis.workloads.is_empty() { p { "The run declares no workload, so there is nothing to answer." } }
        @if let Ok(drawn) = plot::overview(&analysis.workloads, |model| series_of(analysis, model), "overview") {
            div.overview { (picture(Ok(drawn), "Every model under every workload")) (legend(models(), |model| series_of(analysis, model))) }
        }
        div.cards.many[many] {
            @for (number, workload) in analysis.workloads.iter().enumerate() {
                (card(analysis, workload, number, many))
            }
        }
        (trust::trust(analysis))
    };
    section("answer", "The answer", &body)
}

fn card(analysis: &Analysis, workload: &Workload, number: usize, short: bool) -> Markup {
    let verdict = &workload.verdict;
    let (class, label) = match verdict.status {
        Status::Undecided { .. } => ("card open", verdict.status.words()),
        Status::NoneFits => ("card open", "nothing fits".to_owned()),
        Status::Provisional => ("card provisional", verdict.status.words()),
        Status::Decided | Status::Equal if verdict.winners.len() > 1 => {
            ("card chosen", "choose any of".to_owned())
        }
        Status::Decided | Status::Equal => ("card chosen", "choose".to_owned()),
    };
    let reasons = [Some(workload.reason()).filter(|reason| !reason.is_empty()), limit(workload)];
    let reasons: Vec<String> = reasons.into_iter().flatten().collect();
    let why = html! { @for reason in &reasons { p.why { (reason) } } };
    html! {
        article class=(class) {
            h3 { (link(number, workload)) }
            p.about { (workload.scenario.about) }
            p.label { (capital(&label)) }
            (winners(analysis, verdict))
            p.lead { (verdict.lead()) }
            @if short && !reasons.is_empty() { details { summary { "Why" } (why) } } @else { (why) }
        }
        "\n"
    }
}

fn winners(analysis: &Analysis, verdict: &Verdict) -> Markup {
    let winners = &verdict.winners;
    if winners.is_empty() {
        return html! {};
    }
    let tag = |model: &str| {
        let standing = verdict.standing(model)?;
        let several = matches!(standing.place, Place::Equal(_) | Place::Near(_) | Place::Open(_));
        several.then(|| place(verdict, standing))
    };
    let figure = |model: &str| verdict.standing(model).and_then(|standing| standing.figure);
    html! {
        ul.winners.several[winners.len() > 3] {
            @for model in winners {
                li {
                    (plot::swatch(series_of(analysis, model))) b { (model) }
                    @if let Some(tag) = tag(model) { " " span.tag { (tag) } }
                    " " span.figure { @if let Some(figure) = figure(model) { (verdict.merit.show(figure)) } }
                }
            }
        }
    }
}
