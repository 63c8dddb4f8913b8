//! An OpenMetrics exposition: a sample for each valid trial, with the time at which it began, so that a database of metrics
//! can be filled from it later (`promtool tsdb create-blocks-from openmetrics`).
//!
//! A percentile of what was never answered is `+Inf`, which the format has. A figure that could not be measured has no
//! sample.

use super::Source;
use super::cells::{self, Counted};
use super::measure;
use super::text::label;
use crate::cells::cell::RoundFigures;
use crate::record::{Datagrams, FanOut, Measured, Metric};
use std::fmt::Write as _;

/// What became of the requests of the window, which is no metric of the table: samples of a family by a label.
const REQUESTS: &str = "bakeoff_requests";

/// The replies by status, where they were read as HTTP: another such family.
const REPLIES: &str = "bakeoff_http_replies";

/// What became of datagrams, where requests are datagrams.
const DATAGRAMS: &str = "bakeoff_datagrams";

/// What became of the deliveries of messages, where others hear them.
const DELIVERIES: &str = "bakeoff_deliveries";

/// A family of metrics: all gauges.
struct Family {
    /// Its name, which ends with the unit, if there is one.
    name: String,
    unit: &'static str,
    help: String,
}

/// The family of a metric, and what its values are multiplied by.
fn family(metric: Metric) -> (Family, f64) {
    let (unit, scale) = measure::base(metric);
    let name = format!("bakeoff_{}", metric.key().replace('-', "_"));
    let name = if unit.is_empty() { name } else { format!("{name}_{unit}") };
    (Family { name, unit, help: metric.about().to_owned() }, scale)
}

fn replies(measured: &Measured) -> Vec<(String, f64)> {
    let each = measured.http.statuses.iter();
    each.map(|one| (format!(",status=\"{}\"", one.status), one.replies as f64)).collect()
}

fn datagrams(measured: &Measured) -> Vec<(String, f64)> {
    let rows = measured.datagrams.iter().flat_map(Datagrams::rows);
    rows.filter_map(|(fate, count)| Some((format!(",fate=\"{fate}\""), count? as f64))).collect()
}

fn deliveries(measured: &Measured) -> Vec<(String, f64)> {
    let rows = measured.fan_out.iter().flat_map(FanOut::rows);
    rows.filter_map(|(fate, count)| Some((format!(",fate=\"{fate}\""), count? as f64))).collect()
}

fn requests(round: &RoundFigures) -> Vec<(String, f64)> {
    let (sent, answered) = (round.response.sent, round.response.answered);
    let outcomes = [("answered", answered), ("unanswered", sent.saturating_sub(answered))];
    outcomes.map(|(outcome, count)| (format!(",outcome=\"{outcome}\""), count as f64)).into()
}

pub(super) fn exposition(source: Source<'_>) -> String {
    let run = &source.bundle.run;
    let mut text = format!(
        "# TYPE bakeoff_run info\n# HELP bakeoff_run The run that the samples are of.\n\
         bakeoff_run_info{{tool_version=\"{}\",seed=\"{}\"}} 1 {}\n",
        label(&run.tool_version),
        run.seed,
        moment(run.started_unix_ms)
    );
    let cells = cells::all(source);
    let help = "requests of the window by outcome".to_owned();
    let outcomes = Family { name: REQUESTS.to_owned(), unit: "", help };
    push(&mut text, &outcomes, &cells, |_, round| requests(round));
    let help = "replies to the requests of the window by status".to_owned();
    let statuses = Family { name: REPLIES.to_owned(), unit: "", help };
    push(&mut text, &statuses, &cells, |measured, _| replies(measured));
    let help = "datagrams by what became of them beyond being answered in time: of the window, but strangers, unasked and overflowed of the \
         whole trial"
        .to_owned();
    let fates = Family { name: DATAGRAMS.to_owned(), unit: "", help };
    push(&mut text, &fates, &cells, |measured, _| datagrams(measured));
    let help = "deliveries of the window\u{2019}s messages by what became of them".to_owned();
    let fates = Family { name: DELIVERIES.to_owned(), unit: "", help };
    push(&mut text, &fates, &cells, |measured, _| deliveries(measured));
    for metric in Metric::ALL {
        let (family, scale) = family(metric);
        push(&mut text, &family, &cells, |_, round| {
            round.value(metric).map(|value| (String::new(), value * scale)).into_iter().collect()
        });
    }
    text.push_str("# EOF\n");
    text
}

/// Appends a family, if it has a sample. A sample of a round has further labels and a value.
fn push(
    text: &mut String,
    family: &Family,
    cells: &[Counted<'_>],
    of_round: impl Fn(&Measured, &RoundFigures) -> Vec<(String, f64)>,
) {
    let mut samples = String::new();
    for counted in cells {
        let (workload, model) = (label(&counted.workload.scenario.name), label(&counted.cell.model));
        for (trial, measured, round) in &counted.rounds {
            for (labels, value) in of_round(measured, round) {
                let _ = writeln!(
                    samples,
                    "{}{{workload=\"{workload}\",model=\"{model}\",round=\"{}\"{labels}}} {} {}",
                    family.name,
                    round.round,
                    number(value),
                    moment(trial.started_unix_ms)
                );
            }
        }
    }
    if samples.is_empty() {
        return;
    }
    let _ = writeln!(text, "# TYPE {} gauge", family.name);
    if !family.unit.is_empty() {
        let _ = writeln!(text, "# UNIT {} {}", family.name, family.unit);
    }
    let _ = writeln!(text, "# HELP {} {}", family.name, label(&family.help));
    text.push_str(&samples);
}

/// A moment as the format has it: in seconds since the Unix epoch. Every sample has one, for filling a database needs it.
fn moment(unix_ms: u64) -> String {
    format!("{}.{:03}", unix_ms / 1_000, unix_ms % 1_000)
}

fn number(value: f64) -> String {
    if value.is_infinite() { "+Inf".to_owned() } else { value.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_name_ends_with_its_unit_and_is_there_once() {
        let mut names = BTreeSet::from([REQUESTS, REPLIES, DATAGRAMS, DELIVERIES].map(str::to_owned));
        for (family, _) in Metric::ALL.map(family) {
            assert!(
                family.unit.is_empty() || family.name.ends_with(&format!("_{}", family.unit)),
                "{}",
                family.name
            );
            assert!(names.insert(family.name));
        }
        assert_eq!([number(f64::INFINITY), number(0.5), number(1e-9)], ["+Inf", "0.5", "0.000000001"]);
    }
}
