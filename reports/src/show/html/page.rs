//! The page: the order of its sections, and what stands above and below them.

use super::contents::{Part, SWEEPS, WORKLOADS, contents};
use super::element::{document, header, section};
use super::{
    anatomy, answer, costs_overview, data, decision, envelope, evidence, gate, matrix, sweep, theory,
    workload,
};
use crate::analysis::Analysis;
use crate::show::units::{grouped, moment, plural};
use crate::show::words::gate::QUESTION as WHETHER_SLOWER;
use maud::{Markup, html};

/// The report on a run as an HTML document.
pub fn report(analysis: &Analysis) -> String {
    report_beside(analysis, None)
}

/// The same, which also leads to the bundle: `bundle` is its file name in the folder the page will lie in.
pub fn report_beside(analysis: &Analysis, bundle: Option<&str>) -> String {
    let parts = parts(analysis, bundle);
    let body = html! {
        (top(analysis))
        (contents(analysis, &parts))
        main #main { @for part in &parts { (part.html) } }
    };
    let footer = html! {
        "Written by bakeoff " (analysis.run.tool_version) " from the records of the run alone: " code { "bakeoff report" }
        " on the same bundle gives the same bytes."
    };
    document(&format!("bakeoff, {}", moment(analysis.run.started_unix_ms)), &body, &footer)
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
        part("anatomy", "Anatomy of a request", anatomy::section(analysis)),
        part("envelope", "Failure envelope", envelope::section(analysis)),
        part("history", "History", no_history()),
        part("method", "How to read this", evidence::method(analysis)),
        part("models", "The models", evidence::models(analysis)),
        part("run", "The run", evidence::run(analysis)),
        part("limits", "Limits of the measurement", evidence::limits(analysis)),
        part("discarded", "Discarded trials", evidence::discarded(analysis)),
        part("data", "The data", data::section(bundle)),
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
        part("data", "The data", data::section(bundle)),
    ]
}

/// A section about workloads; a run of sweeps alone has its answers there, and one of failure envelopes alone in these.
fn of_workloads(analysis: &Analysis, section: fn(&Analysis) -> Markup) -> Markup {
    let elsewhere = !analysis.sweeps.is_empty() || !analysis.envelopes.is_empty();
    if analysis.workloads.is_empty() && elsewhere {
        html! {}
    } else {
        section(analysis)
    }
}

fn sweeps(analysis: &Analysis) -> Markup {
    match (analysis.sweeps.is_empty(), analysis.workloads.is_empty()) {
        (false, _) => sweep::sections(analysis),
        (true, true) if !analysis.envelopes.is_empty() => html! {},
        (true, _) => no_sweeps(),
    }
}

fn no_sweeps() -> Markup {
    let why = html! {
        p.lede {
            "No sweep in this bundle: every workload ran at one rate or one number of clients, so the knee of its curve, its \
             capacity under an objective and the point where two models cross are not known. " code { "bakeoff sweep" }
            " and " code { "bakeoff capacity" } " measure them."
        }
    };
    section(SWEEPS, "Sweeps and capacity", &why)
}

fn no_history() -> Markup {
    let why = html! {
        p.lede {
            "No history in this bundle: it holds one run. The same build can differ by half between runs on a shared \
             machine, so two reports side by side do not compare two builds. " code { "bakeoff history" }
            " keeps runs by commit, as ratios to a reference of the same run, and says where they changed."
        }
    };
    section("history", "History", &why)
}

fn top(analysis: &Analysis) -> Markup {
    let run = &analysis.run;
    let (valid, recorded) = (u64::from(analysis.valid), u64::from(analysis.recorded));
    let valid = match analysis.excluded.len() {
        0 if recorded == 0 => "0 trials".to_owned(),
        0 => format!("all {} trials valid", grouped(valid)),
        _ => format!("{} of {} trials valid", grouped(valid), grouped(recorded)),
    };
    let mut facts = vec![
        moment(run.started_unix_ms),
        plural(run.models.len() as u64, "model"),
        plural(analysis.workloads.len() as u64, "workload"),
        plural(analysis.sweeps.len() as u64, "sweep"),
        analysis.length(),
        valid,
    ];
    facts.retain(|fact| !fact.starts_with("0 "));
    let question = match analysis.gate {
        Some(_) => WHETHER_SLOWER,
        None => "Which server concurrency model fits which workload?",
    };
    let caveats: Vec<String> = analysis.caveats().iter().map(ToString::to_string).collect();
    header("the answer", "bakeoff", question, &facts, &caveats)
}
