//! The answer, and the matrix behind it.

use super::page::{anchor, series_of};
use super::{escape, mark};
use crate::analysis::{Analysis, Workload};
use crate::plot;
use crate::record::Merit;
use crate::units;
use crate::verdict::{Outcome, Place, Standing};
use crate::words::limit;
use std::fmt::Write as _;

/// One card for each workload: what to choose, how far ahead it is, why.
pub(super) fn answer(analysis: &Analysis) -> String {
    let mut html = String::from("<section id=\"answer\">\n<h2>The answer</h2>\n");
    if analysis.workloads.is_empty() {
        html.push_str("<p>The run declares no workload, so there is nothing to answer.</p>\n");
    }
    html.push_str("<div class=\"cards\">\n");
    for (number, workload) in analysis.workloads.iter().enumerate() {
        html.push_str(&card(analysis, workload, number));
    }
    html.push_str("</div>\n</section>\n");
    html
}

fn card(analysis: &Analysis, workload: &Workload, number: usize) -> String {
    let (scenario, verdict) = (&workload.scenario, &workload.verdict);
    let (class, label) = match &verdict.outcome {
        Outcome::Chosen { winners, .. } if winners.len() > 1 => ("chosen", "Choose any of"),
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
    if let Outcome::Chosen { winners, .. } = &verdict.outcome {
        html.push_str("<ul class=\"winners\">");
        for model in winners {
            let figure = verdict.standing(model).and_then(|standing| standing.figure);
            let figure = figure.map_or_else(String::new, |figure| verdict.merit.show(figure));
            let swatch = plot::swatch(series_of(analysis, model));
            let _ = write!(
                html,
                "<li>{swatch}<b>{}</b> <span class=\"figure\">{}</span></li>",
                escape(model),
                escape(&figure)
            );
        }
        html.push_str("</ul>\n");
    }
    let _ = writeln!(html, "<p class=\"lead\">{}</p>", escape(&verdict.lead()));
    if !verdict.reason.is_empty() {
        let _ = writeln!(html, "<p class=\"why\">{}</p>", escape(&verdict.reason));
    }
    if let Some(limit) = limit(workload) {
        let _ = writeln!(html, "<p class=\"why\">{}</p>", escape(&limit));
    }
    html.push_str("</article>\n");
    html
}

/// Workloads down, models across: how many times worse than the best.
pub(super) fn matrix(analysis: &Analysis) -> String {
    let mut html = String::from(
        "<section id=\"matrix\">\n<h2>How far behind the best</h2>\n<p class=\"lede\">1.00× is the best model of the \
         workload; 2.00× is half its throughput or twice its latency. Below each, the interval over the rounds. Models \
         marked <span class=\"tag win\">best</span> or <span class=\"tag win\">tied</span> cannot be told apart, or differ by \
         less than matters. ▲ and ▼ stand beside figures at the limit and at the floor of the load generator.</p>\n\
         <div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Matrix of workloads and models\">\
         <table class=\"matrix\"><thead><tr><th scope=\"col\">workload</th>",
    );
    for model in &analysis.run.models {
        let swatch = plot::swatch(series_of(analysis, &model.name));
        let name = escape(&model.name).replace('-', "-<wbr>");
        let _ =
            write!(html, "<th scope=\"col\" title=\"{}\">{swatch}<br>{name}</th>", escape(&model.summary));
    }
    html.push_str("</tr></thead><tbody>\n");
    for (number, workload) in analysis.workloads.iter().enumerate() {
        let _ = write!(
            html,
            "<tr><th scope=\"row\"><a href=\"#{}\">{}</a><small>{}</small></th>",
            anchor(number),
            escape(&workload.scenario.name),
            workload.verdict.merit.label()
        );
        for model in &analysis.run.models {
            html.push_str(&matrix_cell(workload, &model.name));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n</section>\n");
    html
}

/// A cell of the matrix: how far a model is behind the best of a workload, and how sure that is.
pub(super) fn matrix_cell(workload: &Workload, model: &str) -> String {
    let merit = workload.verdict.merit;
    let Some(standing) = workload.verdict.standing(model) else {
        return "<td class=\"none\"><span class=\"quiet\">not run</span></td>".to_owned();
    };
    let doubts = workload.cell(model).map(|cell| cell.doubts.join("; ")).unwrap_or_default();
    let doubt = if doubts.is_empty() {
        String::new()
    } else {
        format!(" <abbr class=\"doubt\" title=\"{}\">?</abbr>", escape(&doubts))
    };
    let limit = standing.figure.and_then(|figure| workload.bounds.limit(merit, figure));
    let limit = limit.map_or_else(String::new, |limit| mark(limit.sign()));
    let figure = figure(standing, merit) + &limit;
    match standing.place {
        // Where nothing was chosen, nothing is called best.
        Place::Best | Place::Tied(_) if !workload.verdict.crowns(standing) => {
            let factor = match standing.place {
                _ if standing.useless(merit) => f64::INFINITY,
                Place::Tied(factor) => factor.median,
                _ => 1.0,
            };
            format!(
                "<td class=\"none\">{doubt}<strong>{}</strong><small>{figure}</small></td>",
                units::factor(factor)
            )
        }
        Place::Best => format!(
            "<td class=\"f0\"><span class=\"tag win\">best</span>{doubt}<strong>1.00×</strong><small>{figure}</small></td>"
        ),
        Place::Tied(factor) | Place::Behind(factor) => {
            let tied = matches!(standing.place, Place::Tied(_));
            let tag = if tied { "<span class=\"tag win\">tied</span>" } else { "" };
            format!(
                "<td class=\"f{}\">{tag}{doubt}<strong>{}</strong><small class=\"ci\">{}</small><small>{figure}</small></td>",
                if tied { 0 } else { shade(factor.median) },
                units::factor(factor.median),
                units::interval(factor.low, factor.high)
            )
        }
        Place::Undecided { more } => format!(
            "<td class=\"none\"><span class=\"tag\">undecided</span>{doubt}<small>{} needed</small><small>{figure}</small></td>",
            units::plural(more as u64, "more round")
        ),
        Place::Invalid => format!(
            "<td class=\"none\"><span class=\"tag bad\">invalid</span>{doubt}<small><a href=\"#discarded\">why</a></small></td>"
        ),
    }
}

fn figure(standing: &Standing, merit: Merit) -> String {
    standing.figure.map_or_else(|| "no figure".to_owned(), |figure| escape(&merit.show(figure)))
}

/// How dark a cell is: the figure says the same, so colour is never alone.
fn shade(factor: f64) -> u8 {
    match factor {
        f if f < 1.25 => 1,
        f if f < 2.0 => 2,
        f if f < 5.0 => 3,
        _ => 4,
    }
}
