//! The section on the failure envelope: how much each model holds, what breaks, what clients saw, what it teaches.
//!
//! One trial each, and limits set low on purpose: it compares no speed, and no figure here is a capacity of the machine.

use super::page::series_of;
use super::{Field, escape, table};
use crate::analysis::Analysis;
use crate::record::Reading;
use crate::record::envelope::{Envelope, Findings, Limit, Recovery, Stress};
use crate::show::plot;
use crate::show::units::{self, grouped};
use crate::show::words::envelopes::{
    cell, common_caps, find, held, lesson, limit, models, own_caps, raised, sentence, stresses, title,
};
use std::fmt::Write as _;

/// The section; it says why there is nothing to show when the run has none.
pub(super) fn section(analysis: &Analysis) -> String {
    let mut html = String::from("<section id=\"envelope\" class=\"envelope\">\n<h2>Failure envelope</h2>\n");
    if analysis.envelopes.is_empty() {
        html.push_str(
            "<p class=\"note\">Nothing to show, because this run raised nothing until it broke. <code>bakeoff run \
             --envelope</code> adds it to a run, <code>bakeoff envelope</code> does it alone.</p>\n</section>\n",
        );
        return html;
    }
    html.push_str(
        "<p class=\"lede\">What breaks each model, and what its clients see then. For each cell a fresh server was put under \
         limits of its own, and one thing was raised, doubled from level to level, until a client was not served. The limits \
         are low on purpose, so that something breaks within seconds: it is which limit, and how, that says something, not \
         how many. Each cell is one trial. A limit is named only where something counted shows it.</p>\n",
    );
    html.push_str(&matrix(analysis));
    for stress in stresses(&analysis.envelopes) {
        html.push_str(&part(analysis, stress));
    }
    html.push_str("</section>\n");
    html
}

fn name(analysis: &Analysis, model: &str) -> String {
    format!("{}{}", plot::swatch(series_of(analysis, model)), escape(model))
}

fn matrix(analysis: &Analysis) -> String {
    let stresses = stresses(&analysis.envelopes);
    let columns: Vec<&str> = std::iter::once("model").chain(stresses.iter().map(|one| title(*one))).collect();
    let field = |model: &str, stress: Stress| match find(&analysis.envelopes, model, stress) {
        None => Field::absent("not tried"),
        Some(Envelope { result: Reading::Absent(why), .. }) => Field::absent(why),
        Some(envelope @ Envelope { result: Reading::Value(findings), .. }) => {
            let (count, broke) = cell(envelope);
            let then = if broke.is_empty() { String::new() } else { format!(", then {broke}") };
            Field::figure(format!("{count}{then}"), held(stress, findings) as f64)
        }
    };
    let row =
        |model: &str| (name(analysis, model), stresses.iter().map(|stress| field(model, *stress)).collect());
    let rows: Vec<_> = models(&analysis.envelopes).into_iter().map(row).collect();
    let key = "How much was held, and what broke then; \u{201c}all\u{201d} is the end of the range. Connections and slow \
               clients are exact, unless the server died of them; the others are the highest level that held, and levels \
               double.";
    format!("{}<p class=\"note\">{key}</p>\n", table("Failure envelope by model and stress", &columns, &rows))
}

/// One stress under every model.
fn part(analysis: &Analysis, stress: Stress) -> String {
    let all: Vec<&Envelope> = analysis.envelopes.iter().filter(|one| one.stress == stress).collect();
    let common = common_caps(&all);
    let mut html = format!(
        "<h3>{}</h3>\n<p class=\"lede\">Raised: {}. Limits: {}.</p>\n",
        title(stress),
        escape(raised(stress)),
        escape(&common.join(", "))
    );
    let columns =
        ["model", "breaks at", "recovered after", "what happened", "what shows it", "its own limits"];
    let row = |envelope: &&Envelope| {
        let fields = match &envelope.result {
            Reading::Absent(why) => (0..4).map(|_| Field::absent(why)).collect(),
            Reading::Value(findings) => figures(envelope, findings),
        };
        let own = own_caps(envelope, &common);
        let limits = Field::text(if own.is_empty() { "–".to_owned() } else { own.join(", ") });
        (name(analysis, &envelope.model), fields.into_iter().chain([limits]).collect())
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    let _ = writeln!(
        html,
        "<div class=\"told\">{}</div>",
        table(&format!("{} by model", title(stress)), &columns, &rows)
    );
    html.push_str(&lessons(stress, &all));
    html.push_str(&levels(analysis, stress, &all));
    html
}

fn figures(envelope: &Envelope, findings: &Findings) -> Vec<Field> {
    let failed = match findings.failed() {
        Some(level) => Field::figure(grouped(level.asked), level.asked as f64),
        None => Field::text("never"),
    };
    let recovered = match findings.recovery {
        _ if findings.failed().is_none() => Field::text("–"),
        Recovery::Answered { after_ns, .. } => Field::figure(units::time(after_ns as f64), after_ns as f64),
        Recovery::Censored { waited_ns } => {
            Field::figure(format!("over {}", units::time(waited_ns as f64)), f64::INFINITY)
        }
        Recovery::Gone => Field::figure("never".to_owned(), f64::INFINITY),
    };
    vec![
        failed,
        recovered,
        Field::text(sentence(envelope)),
        Field::text(format!("{}.", findings.evidence.words)),
    ]
}

/// What to learn: a line for each limit that broke, with the models that it broke.
fn lessons(stress: Stress, all: &[&Envelope]) -> String {
    let mut broke: Vec<(Limit, Vec<&str>)> = Vec::new();
    for envelope in all {
        let Reading::Value(findings) = &envelope.result else { continue };
        match broke.iter_mut().find(|(limit, _)| *limit == findings.limit) {
            Some((_, models)) => models.push(&envelope.model),
            None => broke.push((findings.limit, vec![&envelope.model])),
        }
    }
    let mut html = String::from("<dl class=\"pairs\">\n");
    for (which, models) in broke {
        let what = if which == Limit::NoneInRange { "nothing broke" } else { limit(which) };
        let _ = writeln!(
            html,
            "<dt><b>{what}</b><br>{}</dt><dd>{}</dd>",
            escape(&models.join(", ")),
            escape(lesson(stress, which))
        );
    }
    html.push_str("</dl>\n");
    html
}

/// Every level that was tried, as a table to open.
fn levels(analysis: &Analysis, stress: Stress, all: &[&Envelope]) -> String {
    let mut asked: Vec<u64> = all
        .iter()
        .filter_map(|one| one.result.value())
        .flat_map(|findings| findings.levels.iter().map(|level| level.asked))
        .collect();
    asked.sort_unstable();
    asked.dedup();
    let heads: Vec<String> = asked.iter().map(|level| grouped(*level)).collect();
    let columns: Vec<&str> = std::iter::once("model").chain(heads.iter().map(String::as_str)).collect();
    let field =
        |findings: &Findings, asked: u64| match findings.levels.iter().find(|level| level.asked == asked) {
            None => Field::text("–"),
            Some(level) => {
                let slowest = level
                    .slowest_answer_ns
                    .map_or_else(|| "no answer".to_owned(), |ns| units::time(ns as f64));
                let text = format!("{} of {}, {slowest}", grouped(level.served), grouped(level.clients));
                Field::figure(text, level.served as f64)
            }
        };
    let row = |envelope: &&Envelope| {
        let fields = match &envelope.result {
            Reading::Value(findings) => asked.iter().map(|level| field(findings, *level)).collect(),
            Reading::Absent(why) => asked.iter().map(|_| Field::absent(why)).collect(),
        };
        (name(analysis, &envelope.model), fields)
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    format!(
        "<details><summary>Every level: served of all, slowest answer</summary>\n{}</details>\n",
        table(&format!("{}, level by level", title(stress)), &columns, &rows)
    )
}
