//! The page: head, order of the sections, and what stands above and below them.

use super::{anatomy, answer, decision, envelope, escape, evidence, workload};
use crate::analysis::Analysis;
use crate::units;
use std::fmt::Write as _;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// The report on a run as an HTML document.
pub fn report(analysis: &Analysis) -> String {
    let title = format!("bakeoff, {}", units::moment(analysis.run.started_unix_ms));
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'\">\n<title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
        escape(&title)
    );
    html.push_str(&header(analysis));
    html.push_str("<main id=\"main\">\n");
    html.push_str(&answer::answer(analysis));
    html.push_str(&answer::matrix(analysis));
    html.push_str(&decision::section(analysis));
    for (number, one) in analysis.workloads.iter().enumerate() {
        html.push_str(&workload::section(analysis, one, number));
    }
    html.push_str(&anatomy::section(analysis));
    html.push_str(&envelope::section(analysis));
    html.push_str(&evidence::sections(analysis));
    html.push_str("</main>\n");
    let _ = write!(
        html,
        "<footer>Written by bakeoff {} from the records of the run alone: <code>bakeoff report</code> on the same \
         bundle gives the same bytes.</footer>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n",
        escape(&analysis.run.tool_version)
    );
    html
}

/// Where a model stands in the run, which decides its colour and marker on the whole page.
pub(super) fn series_of(analysis: &Analysis, model: &str) -> usize {
    analysis.run.models.iter().position(|record| record.name == model).unwrap_or(analysis.run.models.len())
}

/// A fragment's name for a workload: by number, because names are free text.
pub(super) fn anchor(number: usize) -> String {
    format!("workload-{}", number + 1)
}

fn header(analysis: &Analysis) -> String {
    let run = &analysis.run;
    let left_out = analysis.excluded.len() as u64;
    let valid = match left_out {
        0 => format!("all {} trials valid", units::grouped(u64::from(analysis.valid))),
        _ => format!(
            "{} of {} trials valid",
            units::grouped(u64::from(analysis.valid)),
            units::grouped(u64::from(analysis.recorded))
        ),
    };
    let facts = [
        units::moment(run.started_unix_ms),
        units::plural(run.models.len() as u64, "model"),
        units::plural(run.scenarios.len() as u64, "workload"),
        units::plural(u64::from(run.rounds), "round"),
        valid,
    ];
    let mut html = String::from(
        "<a class=\"skip\" href=\"#main\">Skip to the answer</a>\n<header>\n<p class=\"eyebrow\">bakeoff</p>\n\
         <h1>Which server concurrency model fits which workload?</h1>\n<ul class=\"facts\">",
    );
    for fact in &facts {
        let _ = write!(html, "<li>{}</li>", escape(fact));
    }
    html.push_str("</ul>\n");
    for caveat in analysis.caveats() {
        let _ = writeln!(html, "<p class=\"caveat\" role=\"note\">{}</p>", escape(&caveat));
    }
    html.push_str(
        "<nav aria-label=\"Sections\"><a href=\"#answer\">Answer</a><a href=\"#matrix\">Matrix</a><a href=\"#decision\">Decision</a>",
    );
    for (number, workload) in analysis.workloads.iter().enumerate() {
        let _ = write!(html, "<a href=\"#{}\">{}</a>", anchor(number), escape(&workload.scenario.name));
    }
    if !analysis.anatomies.is_empty() {
        html.push_str("<a href=\"#anatomy\">Anatomy</a>");
    }
    html.push_str("<a href=\"#envelope\">Failure envelope</a><a href=\"#method\">Method</a><a href=\"#run\">Run</a><a href=\"#limits\">Limits</a><a href=\"#discarded\">Discarded</a></nav>\n</header>\n");
    html
}
