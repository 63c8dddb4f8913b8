//! The matrix: workloads down, models across, each held against the best of its workload.
//!
//! Colour is never alone: every cell says in figures and words what its shade means.

use super::page::{anchor, series_of};
use super::{escape, mark};
use crate::analysis::{Analysis, Workload};
use crate::record::Merit;
use crate::rules::verdict::{Outcome, Place, Standing};
use crate::show::plot;
use crate::show::units;
use std::fmt::Write as _;

/// Workloads down, models across: how many times worse than the best.
pub(super) fn matrix(analysis: &Analysis) -> String {
    let mut html = String::from(
        "<section id=\"matrix\">\n<h2>How far behind the best</h2>\n<p class=\"lede\">1.00× is the best model of the \
         workload; 2.00× is half its throughput or twice its latency. Below each, the interval over the rounds. <span \
         class=\"tag win\">= equal</span> is shown to differ from the best by less than matters; <span class=\"tag\">~ not \
         resolved</span> may be equal or behind, and more rounds would tell. ▲ and ▼ stand beside figures at the limit and at the floor of the load generator.</p>\n\
         <div class=\"scroll wide\" tabindex=\"0\" role=\"region\" aria-label=\"Matrix of workloads and models\">\
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
    html.push_str("</tbody></table></div>\n");
    html.push_str(SCALE);
    html.push_str("</section>\n");
    html
}

/// What the shades mean; the limits are those of [`shade`].
const SCALE: &str = "<p class=\"note scale\">Shades: <span class=\"key\"><span class=\"shade f0\"></span>best or equal</span> \
                     <span class=\"key\"><span class=\"shade f1\"></span>otherwise under 1.25×</span> \
                     <span class=\"key\"><span class=\"shade f2\"></span>under 2×</span> \
                     <span class=\"key\"><span class=\"shade f3\"></span>under 5×</span> \
                     <span class=\"key\"><span class=\"shade f4\"></span>5× and more</span> \
                     <span class=\"key\"><span class=\"shade\"></span>undecided, invalid or not run</span></p>\n";

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
        Place::Best | Place::Equal(_) | Place::Unresolved { .. } if !workload.verdict.crowns(standing) => {
            let factor = match standing.place {
                _ if standing.useless(merit) => f64::INFINITY,
                place => place.factor().map_or(1.0, |factor| factor.median),
            };
            format!(
                "<td class=\"none\">{doubt}<strong>{}</strong>{}<small>{figure}</small></td>",
                units::factor(factor),
                uncrowned_interval(standing, merit)
            )
        }
        Place::Best => format!(
            "<td class=\"f0\"><span class=\"tag win\">best</span>{doubt}<strong>1.00×</strong><small>{figure}</small></td>"
        ),
        Place::Equal(factor) | Place::Unresolved { factor, .. } | Place::Behind(factor) => {
            let tag = match standing.place {
                Place::Equal(_) => "<span class=\"tag win\">= equal</span>",
                Place::Unresolved { .. } => "<span class=\"tag\">~ not resolved</span>",
                _ => "",
            };
            format!(
                "<td class=\"f{}\">{tag}{doubt}<strong>{}</strong><small class=\"ci\">{}</small><small>{figure}</small></td>",
                if matches!(standing.place, Place::Equal(_)) { 0 } else { shade(factor.median) },
                units::factor(factor.median),
                units::interval(factor.low, factor.high)
            )
        }
        // More rounds do not help a run that has no verdict at all.
        Place::Undecided { .. } if matches!(workload.verdict.outcome, Outcome::NoVerdict { .. }) => format!(
            "<td class=\"none\"><span class=\"tag\">too few rounds</span>{doubt}<small>{figure}</small></td>"
        ),
        Place::Undecided { more } => format!(
            "<td class=\"none\"><span class=\"tag\">undecided</span>{doubt}<small>{} needed</small><small>{figure}</small></td>",
            units::plural(more as u64, "more round")
        ),
        Place::Invalid => format!(
            "<td class=\"none\"><span class=\"tag bad\">invalid</span>{doubt}<small><a href=\"#discarded\">why</a></small></td>"
        ),
    }
}

/// The interval of a model that ties with a best that nobody crowned.
fn uncrowned_interval(standing: &Standing, merit: Merit) -> String {
    match standing.place.factor() {
        Some(factor) if !standing.useless(merit) => {
            format!("<small class=\"ci\">{}</small>", units::interval(factor.low, factor.high))
        }
        _ => String::new(),
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
