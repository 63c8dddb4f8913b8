//! The page: head, order of the sections, and what stands above and below them.

use super::contents::{Part, SWEEPS, WORKLOADS, contents};
use super::{
    absent, anatomy, answer, costs_overview, data, decision, envelope, escape, evidence, gate, matrix, stops,
    sweep, theory, workload,
};
use crate::analysis::Analysis;
use crate::show::units;
use std::fmt::Write as _;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// The report on a run as an HTML document.
pub fn report(analysis: &Analysis) -> String {
    report_beside(analysis, None)
}

/// The same, which also leads to the bundle: `bundle` is its file name in the folder the page will lie in.
pub fn report_beside(analysis: &Analysis, bundle: Option<&str>) -> String {
    let title = format!("bakeoff, {}", units::moment(analysis.run.started_unix_ms));
    let parts = parts(analysis, bundle);
    let mut body = header(analysis);
    body.push_str(&contents(analysis, &parts));
    body.push_str("<main id=\"main\">\n");
    parts.iter().for_each(|part| body.push_str(&part.html));
    body.push_str("</main>\n");
    let footer = format!(
        "Written by bakeoff {} from the records of the run alone: <code>bakeoff report</code> on the same bundle gives the \
         same bytes.",
        escape(&analysis.run.tool_version)
    );
    document(&title, &body, &footer)
}

/// A whole document around its body, with style and script in it; body and footer are HTML.
pub(super) fn document(title: &str, body: &str, footer: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'\">\n<title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         {body}<footer>{footer}</footer>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n",
        escape(title)
    )
}

/// The page from the answer down to the evidence: the order to read it in. A part without HTML is left out.
fn parts(analysis: &Analysis, bundle: Option<&str>) -> Vec<Part> {
    let part = |id, name, html| Part { id, name, html };
    if analysis.gate.is_some() {
        return of_builds(analysis, bundle);
    }
    vec![
        part("answer", "The answer", of_workloads(analysis, answer::answer)),
        part("matrix", "How far behind the best", of_workloads(analysis, matrix::matrix)),
        part("decision", "Which model for your needs", of_workloads(analysis, decision::section)),
        part(WORKLOADS, "Workload by workload", of_workloads(analysis, workload::all)),
        part(SWEEPS, "Sweeps and capacity", sweeps(analysis)),
        part("cost", "What it costs", of_workloads(analysis, costs_overview::section)),
        part("theory", "What theory allows", of_workloads(analysis, theory::section)),
        part("stops", "What was stopped early", stops::section(analysis)),
        part("anatomy", "Anatomy of a request", anatomy::section(analysis)),
        part("envelope", "Failure envelope", envelope::section(analysis)),
        part("history", "History", absent::history()),
        part("method", "How to read this", evidence::method(analysis)),
        part("models", "The models", evidence::models(analysis)),
        part("run", "The run", evidence::run(analysis)),
        part("limits", "Limits of the measurement", evidence::limits(analysis)),
        part("discarded", "Discarded trials", evidence::discarded(analysis)),
        part("data", "The data", data::section(analysis, bundle)),
    ]
}

/// The page of a comparison of two builds: the verdict, then the evidence. Which model fits is not its question.
fn of_builds(analysis: &Analysis, bundle: Option<&str>) -> Vec<Part> {
    let part = |id, name, html| Part { id, name, html };
    vec![
        part("gate", "The verdict", gate::section(analysis)),
        part(WORKLOADS, "Workload by workload", workload::all(analysis)),
        part("cost", "What it costs", costs_overview::section(analysis)),
        part("method", "How to read this", gate::method()),
        part("models", "The models", evidence::models(analysis)),
        part("run", "The run", evidence::run(analysis)),
        part("limits", "Limits of the measurement", evidence::limits(analysis)),
        part("discarded", "Discarded trials", evidence::discarded(analysis)),
        part("data", "The data", data::section(analysis, bundle)),
    ]
}

/// A section about workloads; a run of sweeps alone has its answers there, and one of failure envelopes alone in these.
fn of_workloads(analysis: &Analysis, section: fn(&Analysis) -> String) -> String {
    let elsewhere = !analysis.sweeps.is_empty() || !analysis.envelopes.is_empty();
    if analysis.workloads.is_empty() && elsewhere { String::new() } else { section(analysis) }
}

fn sweeps(analysis: &Analysis) -> String {
    match (analysis.sweeps.is_empty(), analysis.workloads.is_empty()) {
        (false, _) => sweep::sections(analysis),
        (true, true) if !analysis.envelopes.is_empty() => String::new(),
        (true, _) => absent::sweeps(),
    }
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
        0 if analysis.recorded == 0 => "0 trials".to_owned(),
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
        units::plural(analysis.workloads.len() as u64, "workload"),
        units::plural(analysis.sweeps.len() as u64, "sweep"),
        units::plural(u64::from(analysis.rounds_done()), "round"),
        valid,
    ];
    let question = match analysis.gate {
        Some(_) => gate::TITLE,
        None => "Which server concurrency model fits which workload?",
    };
    let mut html = format!(
        "<a class=\"skip\" href=\"#main\">Skip to the answer</a>\n<header>\n<p class=\"eyebrow\">bakeoff</p>\n\
         <h1>{question}</h1>\n<ul class=\"facts\">"
    );
    for fact in facts.iter().filter(|fact| !fact.starts_with("0 ")) {
        let _ = write!(html, "<li>{}</li>", escape(fact));
    }
    html.push_str("</ul>\n");
    for caveat in analysis.caveats() {
        let _ = writeln!(html, "<p class=\"caveat\" role=\"note\">{}</p>", escape(&caveat));
    }
    html.push_str("</header>\n");
    html
}
