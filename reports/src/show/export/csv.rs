//! A table by RFC 4180 with a row for each trial, those that do not count included, with the reason.
//!
//! Lines end with CR and LF. A figure that could not be measured is empty, never 0; a time of what was never answered is
//! `inf`. A head ends with the unit, and with what it is counted per; one without either is a plain number or a name.

use super::Source;
use super::measure;
use super::text::field;
use crate::cells::gather;
use crate::record::{Measured, Metric, ScenarioRecord, Trial};
use crate::show::words::joined;
use std::collections::BTreeMap;

/// What every row begins with.
const TRIAL: [&str; 8] =
    ["index", "round", "attempt", "workload", "model", "started_unix_ms", "counts", "left_out_because"];

/// The counts of a window.
const COUNTS: [&str; 8] = [
    "window_ns",
    "sent",
    "ok",
    "errors",
    "timeouts",
    "in_flight_at_end",
    "never_written",
    "completed_in_window",
];

pub(super) fn table(source: Source<'_>) -> String {
    let excluded: BTreeMap<_, _> =
        source.analysis.excluded.iter().map(|one| (one.index, joined(&one.reasons))).collect();
    let mut text = line(&head());
    for trial in &source.bundle.trials {
        let scenario = source.bundle.run.scenarios.iter().find(|one| one.name == trial.scenario);
        text.push_str(&line(&row(trial, scenario, excluded.get(&trial.index))));
    }
    text
}

fn line(fields: &[String]) -> String {
    fields.join(",") + "\r\n"
}

fn head() -> Vec<String> {
    let mut names: Vec<String> = TRIAL.into_iter().chain(COUNTS).map(str::to_owned).collect();
    names.extend(["response_mean_of_answered_ns", "response_max_ns"].map(str::to_owned));
    names.extend(Metric::ALL.map(measure::column));
    names.push("doubts".to_owned());
    names
}

fn row(trial: &Trial, scenario: Option<&ScenarioRecord>, left_out: Option<&String>) -> Vec<String> {
    let mut fields = vec![
        trial.index.to_string(),
        trial.round.to_string(),
        trial.attempt.to_string(),
        field(&trial.scenario),
        field(&trial.model),
        trial.started_unix_ms.to_string(),
        if left_out.is_some() { "no" } else { "yes" }.to_owned(),
        left_out.map_or_else(String::new, |why| field(why)),
    ];
    match trial.measured.value() {
        Some(measured) => fields.extend(counts(measured).map(|count| count.to_string())),
        None => fields.extend(COUNTS.map(|_| String::new())),
    }
    fields.extend(figures(trial, scenario).into_iter().map(|value| value.map_or_else(String::new, number)));
    let doubts: Vec<String> = trial.doubts.iter().map(ToString::to_string).collect();
    fields.push(field(&doubts.join("; ")));
    fields
}

fn counts(measured: &Measured) -> [u64; COUNTS.len()] {
    let counts = &measured.counts;
    [
        measured.window_ns,
        counts.sent,
        counts.ok,
        counts.errors_total(),
        counts.timeouts,
        counts.in_flight_at_end,
        counts.never_written,
        measured.completed_in_window,
    ]
}

/// The figures of a trial; all absent where it contradicts itself, which is then the reason it is left out for.
fn figures(trial: &Trial, scenario: Option<&ScenarioRecord>) -> Vec<Option<f64>> {
    let Some(Ok(round)) = scenario.map(|scenario| gather::of_trial(scenario, trial)) else {
        return vec![None; 2 + Metric::ALL.len()];
    };
    let response = &round.response;
    let mut values = vec![response.mean_ns, (response.sent > 0).then_some(response.max_ns)];
    values.extend(Metric::ALL.map(|metric| round.value(metric)));
    values
}

/// The shortest text that is read back as the same number.
fn number(value: f64) -> String {
    if value.is_infinite() { "inf".to_owned() } else { value.to_string() }
}
