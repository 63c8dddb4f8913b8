//! The answer: for each workload what to choose, how far ahead it is, and why.
//!
//! Nothing is called best where the verdict chooses nothing.

use super::page::{anchor, series_of};
use super::{escape, trust};
use crate::analysis::{Analysis, Workload};
use crate::rules::verdict::Outcome;
use crate::show::plot;
use crate::show::words::limit;
use std::fmt::Write as _;

/// One card for each workload: what to choose, how far ahead it is, why.
pub(super) fn answer(analysis: &Analysis) -> String {
    let mut html = String::from("<section id=\"answer\">\n<h2>The answer</h2>\n");
    if analysis.workloads.is_empty() {
        html.push_str("<p>The run declares no workload, so there is nothing to answer.</p>\n");
    }
    let many = analysis.workloads.len() > MANY;
    let class = if many { " many" } else { "" };
    let _ = writeln!(html, "<div class=\"cards{class}\">");
    for (number, workload) in analysis.workloads.iter().enumerate() {
        html.push_str(&card(analysis, workload, number, many));
    }
    html.push_str("</div>\n");
    html.push_str(&trust::trust(analysis));
    html.push_str("</section>\n");
    html
}

/// With more workloads than this the cards are set closer, and their reasons are opened one by one.
const MANY: usize = 9;

fn card(analysis: &Analysis, workload: &Workload, number: usize, short: bool) -> String {
    let (scenario, verdict) = (&workload.scenario, &workload.verdict);
    let (class, label) = match &verdict.outcome {
        Outcome::Chosen { winners, perhaps, .. } if winners.len() - perhaps.len() > 1 => {
            ("chosen", "Choose any of")
        }
        Outcome::Chosen { .. } => ("chosen", "Choose"),
        Outcome::NoneFits => ("open", "Nothing fits"),
        Outcome::Undecided { .. } => ("open", "Undecided"),
        Outcome::NoVerdict { .. } => ("open", "No verdict"),
    };
    let mut html = format!(
        "<article class=\"card {class}\">\n<h3><a href=\"#{}\">{}</a></h3>\n<p class=\"about\">{}</p>\n\
         <p class=\"label\">{label}</p>\n",
        anchor(number),
        escape(&scenario.name),
        escape(&scenario.about)
    );
    if let Outcome::Chosen { winners, perhaps, .. } = &verdict.outcome {
        html.push_str(if winners.len() > 3 {
            "<ul class=\"winners several\">"
        } else {
            "<ul class=\"winners\">"
        });
        for model in winners {
            let figure = verdict.standing(model).and_then(|standing| standing.figure);
            let figure = figure.map_or_else(String::new, |figure| verdict.merit.show(figure));
            let swatch = plot::swatch(series_of(analysis, model));
            let _ = write!(
                html,
                "<li>{swatch}<b>{}</b>{} <span class=\"figure\">{}</span></li>",
                escape(model),
                if perhaps.contains(model) { " <span class=\"tag\">perhaps</span>" } else { "" },
                escape(&figure)
            );
        }
        html.push_str("</ul>\n");
    }
    let _ = writeln!(html, "<p class=\"lead\">{}</p>", escape(&verdict.lead()));
    let reasons = [Some(verdict.reason.clone()).filter(|reason| !reason.is_empty()), limit(workload)];
    let why: String = reasons
        .into_iter()
        .flatten()
        .map(|reason| format!("<p class=\"why\">{}</p>\n", escape(&reason)))
        .collect();
    if short && !why.is_empty() {
        let _ = write!(html, "<details><summary>Why</summary>\n{why}</details>\n");
    } else {
        html.push_str(&why);
    }
    html.push_str("</article>\n");
    html
}
