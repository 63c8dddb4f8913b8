//! The section on the failure envelope: how much each model holds, what breaks, what clients saw, what it teaches.
//!
//! One trial each, and limits set low on purpose: it compares no speed, and no figure here is a capacity of the machine.

use super::element::{Field, Row, pairs, section as framed, table};
use super::model::{named, series_of};
use crate::analysis::Analysis;
use crate::record::Reading;
use crate::record::envelope::{Envelope, Findings, Limit, Recovery, Stress};
use crate::show::units::{self, grouped};
use crate::show::words::envelopes::{
    cell, common_caps, find, held, lesson, limit, models, own_caps, raised, sentence, stresses, title,
};
use maud::{Markup, html};

/// The section; it says why there is nothing to show when the run has none.
pub(super) fn section(analysis: &Analysis) -> Markup {
    let body = html! {
        @if analysis.envelopes.is_empty() {
            p.note {
                "Nothing to show: this run raised no stressor until a model failed. " code { "bakeoff run --envelope" }
                " adds it to a run, " code { "bakeoff envelope" } " does it alone."
            }
        } @else {
            p.lede {
                "What breaks each model, and what its clients see then. For each cell a fresh server was put under limits of its \
                 own, and one stressor was raised, doubled from level to level, until a client was not served. The limits are \
                 low on purpose, so that something breaks within seconds: which limit breaks, and how, says something; how \
                 many does not. Each cell is one trial. A limit is named only where something counted shows it."
            }
            (matrix(analysis))
            @for stress in stresses(&analysis.envelopes) { (part(analysis, stress)) }
        }
    };
    framed("envelope", "Failure envelope", &html! { div.envelope { (body) } })
}

fn name(analysis: &Analysis, model: &str) -> Markup {
    named(series_of(analysis, model), model)
}

fn matrix(analysis: &Analysis) -> Markup {
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
    let rows: Vec<Row> = models(&analysis.envelopes).into_iter().map(row).collect();
    html! {
        (table("Failure envelope by model and stress", &columns, &rows))
        p.note {
            "How much was held, and what broke then; “all” is the end of the range. Connections and slow clients are exact, \
             unless the server died of them; the others are the highest level that held, and levels double."
        }
    }
}

/// One stress under every model.
fn part(analysis: &Analysis, stress: Stress) -> Markup {
    let all: Vec<&Envelope> = analysis.envelopes.iter().filter(|one| one.stress == stress).collect();
    let common = common_caps(&all);
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
    let rows: Vec<Row> = all.iter().map(row).collect();
    html! {
        h3 { (title(stress)) }
        p.lede { "Raised: " (raised(stress)) ". Limits: " (common.join(", ")) "." }
        div.told { (table(&format!("{} by model", title(stress)), &columns, &rows)) }
        (lessons(stress, &all))
        (levels(analysis, stress, &all))
    }
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
        Recovery::Gone => Field::figure("never", f64::INFINITY),
    };
    vec![
        failed,
        recovered,
        Field::text(sentence(envelope)),
        Field::text(format!("{}.", findings.evidence.words)),
    ]
}

/// What to learn: a line for each limit that broke, with the models that it broke.
fn lessons(stress: Stress, all: &[&Envelope]) -> Markup {
    let mut broke: Vec<(Limit, Vec<&str>)> = Vec::new();
    for envelope in all {
        let Reading::Value(findings) = &envelope.result else { continue };
        match broke.iter_mut().find(|(limit, _)| *limit == findings.limit) {
            Some((_, models)) => models.push(&envelope.model),
            None => broke.push((findings.limit, vec![&envelope.model])),
        }
    }
    pairs(broke.iter().map(|(which, models)| {
        let what = if *which == Limit::NoneInRange { "nothing broke" } else { limit(*which) };
        (html! { b { (what) } br; (models.join(", ")) }, lesson(stress, *which))
    }))
}

/// Every level that was tried, as a table to open.
fn levels(analysis: &Analysis, stress: Stress, all: &[&Envelope]) -> Markup {
    let mut asked: Vec<u64> = all
        .iter()
        .filter_map(|one| one.result.value())
        .flat_map(|findings| findings.levels.iter().map(|level| level.asked))
        .collect();
    asked.sort_unstable();
    asked.dedup();
    let columns: Vec<String> =
        std::iter::once("model".to_owned()).chain(asked.iter().map(|level| grouped(*level))).collect();
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
    let rows: Vec<Row> = all.iter().map(row).collect();
    html! {
        details {
            summary { "Every level: served of all, slowest answer" }
            (table(&format!("{}, level by level", title(stress)), &columns, &rows))
        }
    }
}
