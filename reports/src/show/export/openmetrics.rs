//! An OpenMetrics exposition: a sample for each valid trial, with the time at which it began, so that a database of metrics
//! can be filled from it later (`promtool tsdb create-blocks-from openmetrics`).
//!
//! A percentile of what was never answered is `+Inf`, which the format has. A figure that could not be measured has no
//! sample.

use super::Source;
use super::cells::{self, Counted};
use super::text::label;
use crate::cells::cell::{RoundFigures, SHOWN};
use crate::metric::cost::Cost;
use crate::show::units;
use std::fmt::Write as _;

/// A family of metrics: all gauges.
struct Family {
    /// Its name, which ends with the unit, if there is one.
    name: &'static str,
    unit: &'static str,
    help: &'static str,
    /// The samples of a round: further labels, and the value.
    samples: fn(&RoundFigures) -> Vec<(String, f64)>,
}

const FAMILIES: [Family; 9] = [
    Family {
        name: "bakeoff_throughput_requests_per_second",
        unit: "requests_per_second",
        help: "Replies completed in the window.",
        samples: |round| plain(Some(round.throughput_per_s)),
    },
    Family {
        name: "bakeoff_goodput_requests_per_second",
        unit: "requests_per_second",
        help: "Requests answered rightly within the objective of the workload.",
        samples: |round| plain(round.goodput_per_s),
    },
    Family {
        name: "bakeoff_response_seconds",
        unit: "seconds",
        help: "Response time from the intended send time, by percentile of the requests sent; +Inf was never answered.",
        samples: response,
    },
    Family {
        name: "bakeoff_requests",
        unit: "",
        help: "Requests of the window by outcome.",
        samples: requests,
    },
    Family {
        name: "bakeoff_cpu_per_request_seconds",
        unit: "seconds",
        help: "CPU time of the server's process tree per reply.",
        samples: |round| plain(round.costs.value(Cost::Cpu).map(|ns| ns / 1e9)),
    },
    Family {
        name: "bakeoff_switches_per_request",
        unit: "",
        help: "Context switches of the server's process tree per request.",
        samples: switches,
    },
    Family {
        name: "bakeoff_system_calls_per_request",
        unit: "",
        help: "System calls of the server's process tree per reply.",
        samples: |round| plain(round.costs.value(Cost::SystemCalls)),
    },
    Family {
        name: "bakeoff_memory_bytes",
        unit: "bytes",
        help: "Proportional set size of the server's process tree under load.",
        samples: |round| plain(round.costs.value(Cost::Pss)),
    },
    Family {
        name: "bakeoff_memory_per_connection_bytes",
        unit: "bytes",
        help: "What one more held connection takes in the server.",
        samples: |round| plain(round.costs.value(Cost::MemoryPerConnection)),
    },
];

fn plain(value: Option<f64>) -> Vec<(String, f64)> {
    value.into_iter().map(|value| (String::new(), value)).collect()
}

fn response(round: &RoundFigures) -> Vec<(String, f64)> {
    let shown = SHOWN.iter().zip(&round.response.shown);
    let sample = |(share, quantile): (&f64, &crate::stats::quantile::Quantile)| {
        let percentile = units::percentile(*share);
        Some((format!(",percentile=\"{}\"", percentile.trim_start_matches('p')), quantile.ns()? / 1e9))
    };
    shown.filter_map(sample).collect()
}

fn requests(round: &RoundFigures) -> Vec<(String, f64)> {
    let (sent, answered) = (round.response.sent, round.response.answered);
    let outcomes = [("answered", answered), ("unanswered", sent.saturating_sub(answered))];
    outcomes.map(|(outcome, count)| (format!(",outcome=\"{outcome}\""), count as f64)).into()
}

fn switches(round: &RoundFigures) -> Vec<(String, f64)> {
    let kinds = [("voluntary", Cost::VoluntarySwitches), ("involuntary", Cost::InvoluntarySwitches)];
    let sample = |(kind, cost)| Some((format!(",kind=\"{kind}\""), round.costs.value(cost)?));
    kinds.into_iter().filter_map(sample).collect()
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
    for family in &FAMILIES {
        let samples: String = cells.iter().map(|counted| of_cell(family, counted)).collect();
        if samples.is_empty() {
            continue;
        }
        let _ = writeln!(text, "# TYPE {} gauge", family.name);
        if !family.unit.is_empty() {
            let _ = writeln!(text, "# UNIT {} {}", family.name, family.unit);
        }
        let _ = writeln!(text, "# HELP {} {}", family.name, label(family.help));
        text.push_str(&samples);
    }
    text.push_str("# EOF\n");
    text
}

fn of_cell(family: &Family, counted: &Counted<'_>) -> String {
    let mut text = String::new();
    let (workload, model) = (label(&counted.workload.scenario.name), label(&counted.cell.model));
    for (trial, _, round) in &counted.rounds {
        let began = moment(trial.started_unix_ms);
        for (labels, value) in (family.samples)(round) {
            let _ = writeln!(
                text,
                "{}{{workload=\"{workload}\",model=\"{model}\",round=\"{}\"{labels}}} {} {began}",
                family.name,
                round.round,
                number(value)
            );
        }
    }
    text
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

    #[test]
    fn a_name_ends_with_its_unit_and_is_there_once() {
        for (at, family) in FAMILIES.iter().enumerate() {
            assert!(
                family.unit.is_empty() || family.name.ends_with(&format!("_{}", family.unit)),
                "{}",
                family.name
            );
            assert!(FAMILIES[..at].iter().all(|other| other.name != family.name));
        }
        assert_eq!([number(f64::INFINITY), number(0.5), number(1e-9)], ["+Inf", "0.5", "0.000000001"]);
    }
}
