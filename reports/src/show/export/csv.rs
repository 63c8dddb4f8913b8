//! A table by RFC 4180 with a row for each trial, those that do not count included, with the reason.
//!
//! Lines end with CR and LF. A figure that could not be measured is empty, never 0; a time of what was never answered is
//! `inf`. A head ends with the unit, and with what it is counted per; one without either is a plain number or a name. Where replies
//! were read as HTTP there is a column more, with their statuses; where requests are datagrams, or messages that others hear, one for
//! each thing that became of them.

use super::Source;
use super::measure;
use super::text::field;
use crate::analysis::Analysis;
use crate::cells::cell::RoundFigures;
use crate::cells::gather;
use crate::record::{Datagrams, FanOut, Measured, Metric, ScenarioRecord, Trial};
use crate::show::words::{http, joined};
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
    let analysed = analysed(source.analysis);
    let is_http = |trial: &Trial| trial.measured.value().is_some_and(|measured| !measured.http.is_empty());
    let any_http = source.bundle.trials.iter().any(is_http);
    let mut names = head();
    names.extend(any_http.then(|| "http_statuses".to_owned()));
    let any_datagrams = source.bundle.trials.iter().any(|trial| datagrams(trial).is_some());
    if any_datagrams {
        names.extend(Datagrams::default().rows().map(|(name, _)| format!("datagrams_{name}")));
    }
    let any_fan_out = source.bundle.trials.iter().any(|trial| fan_out(trial).is_some());
    if any_fan_out {
        names.extend(FanOut::default().rows().map(|(name, _)| format!("deliveries_{name}")));
    }
    let mut text = line(&names);
    for trial in &source.bundle.trials {
        let left_out = excluded.get(&trial.index);
        let figures = match analysed.get(&key(&trial.scenario, &trial.model, trial.round)) {
            Some(round) if left_out.is_none() => figures(round),
            _ => {
                let scenario = source.bundle.run.scenarios.iter().find(|one| one.name == trial.scenario);
                figures_alone(trial, scenario)
            }
        };
        let mut row = row(trial, left_out, figures);
        if any_http {
            let replies = trial.measured.value().map(|measured| http::statuses(&measured.http));
            row.push(field(&replies.unwrap_or_default()));
        }
        if any_datagrams {
            let counts = datagrams(trial).map(|datagrams| datagrams.rows().map(|(_, count)| count));
            row.extend(counts.unwrap_or_default().map(known));
        }
        if any_fan_out {
            let counts = fan_out(trial).map(|fan_out| fan_out.rows().map(|(_, count)| count));
            row.extend(counts.unwrap_or_default().map(known));
        }
        text.push_str(&line(&row));
    }
    text
}

/// A count, empty where it is not known.
fn known(count: Option<u64>) -> String {
    count.map_or_else(String::new, |count| count.to_string())
}

/// What became of a trial's datagrams, if it had any.
fn datagrams(trial: &Trial) -> Option<&Datagrams> {
    trial.measured.value().and_then(|measured| measured.datagrams.as_ref())
}

/// What became of the deliveries of a trial's messages, if others heard them.
fn fan_out(trial: &Trial) -> Option<&FanOut> {
    trial.measured.value().and_then(|measured| measured.fan_out.as_ref())
}

/// A round of a model under a workload.
type Key<'a> = (&'a str, &'a str, u32);

fn key<'a>(scenario: &'a str, model: &'a str, round: u32) -> Key<'a> {
    (scenario, model, round)
}

/// The figures of the trials that count: opening their histograms a second time would take most of an export's time.
fn analysed(analysis: &Analysis) -> BTreeMap<Key<'_>, &RoundFigures> {
    let rounds = analysis.measured().flat_map(|workload| {
        let of = |cell| (workload.scenario.name.as_str(), cell);
        let cells = workload.cells.iter().map(of);
        cells.flat_map(|(scenario, cell)| {
            cell.rounds.iter().map(move |round| (key(scenario, &cell.model, round.round), round))
        })
    });
    rounds.collect()
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

fn row(trial: &Trial, left_out: Option<&String>, figures: Vec<Option<f64>>) -> Vec<String> {
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
    fields.extend(figures.into_iter().map(|value| value.map_or_else(String::new, number)));
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

/// The figures of a trial that does not count; all absent where it contradicts itself, which is then the reason it is left out
/// for.
fn figures_alone(trial: &Trial, scenario: Option<&ScenarioRecord>) -> Vec<Option<f64>> {
    match scenario.map(|scenario| gather::of_trial(scenario, trial)) {
        Some(Ok(round)) => figures(&round),
        _ => vec![None; 2 + Metric::ALL.len()],
    }
}

fn figures(round: &RoundFigures) -> Vec<Option<f64>> {
    let response = &round.response;
    let mut values = vec![response.mean_ns, (response.sent > 0).then_some(response.max_ns)];
    values.extend(Metric::ALL.map(|metric| round.value(metric)));
    values
}

/// The shortest text that is read back as the same number.
fn number(value: f64) -> String {
    if value.is_infinite() { "inf".to_owned() } else { value.to_string() }
}
