//! Two runs against each other, from their bundles alone: a look at a trend, and never a verdict.
//!
//! # What it cannot show
//! Within a run, two builds meet the same machine in every round, and what it does to one it does to the other. Two runs met
//! it at different times: another neighbour, another temperature, another layout of memory. The same commit differs between
//! runs on shared machines by far more than the regressions one looks for, and no number of rounds within a run helps, because
//! the rounds of a run share its moment. So the intervals here speak of the rounds of these two runs and not of the two
//! builds, nothing is called a regression, and the status tells nobody to stop.
//!
//! What both runs measured of the machine itself stands beside the figures: how fast it computed, and what the null server
//! reached. A ratio of the models that the null server shares is the machine's.
//!
//! Compared are models under workloads of one text (the scenario file, warm-up and window included), the points of sweeps
//! among them, on one machine unless the caller insists. The interval of a ratio is the percentile bootstrap over the rounds
//! of either run, drawn apart.

use crate::analysis::{Analysis, analyse};
use crate::cells::cell::Cell;
use crate::record::bundle::Bundle;
use crate::record::{Environment, Metric, Probe, Reading, ScenarioRecord};
use crate::rules::probe::ceiling;
use crate::rules::workload::Workload;
use crate::stats::bootstrap::{CONFIDENCE, RESAMPLES};
use crate::stats::estimate::Estimate;
use crate::stats::paired::{Better, log_behind};
use crate::stats::random::Random;
use crate::stats::{median, median_in_place};

/// Two runs side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct Across {
    /// What both measured.
    pub rows: Vec<Row>,
    /// What cannot be compared, with the reason.
    pub left_out: Vec<LeftOut>,
    /// What must be known of either run before its figures: made up, interrupted, damaged, without a verdict.
    pub caveats: Vec<String>,
    /// What differs between the machines. Empty on one machine.
    pub machine: Vec<Difference>,
    /// How much longer the second run's machine took for a fixed piece of work; absent when one was not timed.
    pub machine_factor: Option<f64>,
}

/// A model under a workload in both runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The workload.
    pub scenario: String,
    /// The model.
    pub model: String,
    /// The figure of merit.
    pub merit: Metric,
    /// Its median in the first run.
    pub a: f64,
    /// Its median in the second.
    pub b: f64,
    /// How many times worse the second is, with the interval over rounds; of `rounds` the smaller number.
    pub factor: Estimate,
    /// How many times worse the null server was under this load; absent where a run did not measure it.
    pub null_factor: Option<f64>,
}

/// One of the two runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The first.
    First,
    /// The second.
    Second,
}

/// Something that cannot be compared.
#[derive(Clone, Debug, PartialEq)]
pub struct LeftOut {
    /// The workload.
    pub scenario: String,
    /// The model; absent where it is the whole workload.
    pub model: Option<String>,
    /// Why.
    pub why: Why,
}

/// Why something cannot be compared.
#[derive(Clone, Debug, PartialEq)]
pub enum Why {
    /// One run alone has it.
    Only(Which),
    /// One run at most has figures of it.
    NoFigures,
    /// They ask for other work, as their heads say.
    OtherWork(Box<[ScenarioRecord; 2]>),
    /// Window or warm-up differ, each as (window, warm-up) in nanoseconds.
    Times([(u64, u64); 2]),
}

/// What a property of the machine is in either run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The property.
    pub what: &'static str,
    /// In the first run.
    pub first: String,
    /// In the second.
    pub second: String,
}

/// Two bundles cannot be compared at all.
#[derive(Debug, PartialEq)]
pub enum AcrossError {
    /// They have nothing in common.
    NothingInCommon {
        /// What was left out, and why.
        why: Vec<LeftOut>,
    },
    /// They ran on different machines.
    Machines {
        /// What differs.
        differences: Vec<Difference>,
    },
}

/// Puts two runs side by side. `any_machine` lets them be of different machines.
///
/// # Errors
/// Nothing in common; different machines, unless they may be.
pub fn compare(a: &Bundle, b: &Bundle, any_machine: bool) -> Result<Across, AcrossError> {
    let machine = differences(&a.run.environment, &b.run.environment);
    if !machine.is_empty() && !any_machine {
        return Err(AcrossError::Machines { differences: machine });
    }
    let (a, b) = (analyse(a), analyse(b));
    let (mut rows, mut left_out) = (Vec::new(), Vec::new());
    let out = |scenario: &str, model: Option<&str>, why: Why| LeftOut {
        scenario: scenario.to_owned(),
        model: model.map(str::to_owned),
        why,
    };
    for workload in a.measured() {
        let name = &workload.scenario.name;
        let Some(other) = workload_of(&b, name) else {
            left_out.push(out(name, None, Why::Only(Which::First)));
            continue;
        };
        if let Some(why) = other_work(&workload.scenario, &other.scenario) {
            left_out.push(out(name, None, why));
            continue;
        }
        let merit = workload.scenario.merit;
        for cell in &workload.cells {
            let model = &cell.model;
            match (figures(cell, merit), other.cell(model).map(|other| figures(other, merit))) {
                (Some(first), Some(Some(second))) => {
                    rows.push(row(name, model, merit, &first, &second, &a, &b));
                }
                (_, None) => left_out.push(out(name, Some(model), Why::Only(Which::First))),
                _ => left_out.push(out(name, Some(model), Why::NoFigures)),
            }
        }
        let only = other.cells.iter().filter(|cell| workload.cell(&cell.model).is_none());
        left_out.extend(only.map(|cell| out(name, Some(&cell.model), Why::Only(Which::Second))));
    }
    let only = b.measured().filter(|other| workload_of(&a, &other.scenario.name).is_none());
    left_out.extend(only.map(|other| out(&other.scenario.name, None, Why::Only(Which::Second))));
    if rows.is_empty() {
        return Err(AcrossError::NothingInCommon { why: left_out });
    }
    let speed = |analysis: &Analysis| analysis.run.environment.compute_ns_per_nominal_us.value().copied();
    let machine_factor = speed(&a).zip(speed(&b)).map(|(a, b)| b / a);
    Ok(Across { rows, left_out, caveats: caveats(&a, &b), machine, machine_factor })
}

/// A workload by its name, or a point of a sweep.
fn workload_of<'a>(analysis: &'a Analysis, name: &str) -> Option<&'a Workload> {
    analysis.measured().find(|workload| workload.scenario.name == name)
}

/// The figure of merit in every round that has it; `None` without one.
fn figures(cell: &Cell, merit: Metric) -> Option<Vec<f64>> {
    let figures: Vec<f64> = cell.rounds.iter().filter_map(|round| round.value(merit)).collect();
    (!figures.is_empty()).then_some(figures)
}

/// The caveats of either run, with the run they are of.
fn caveats(a: &Analysis, b: &Analysis) -> Vec<String> {
    let told = |run: &Analysis| -> Vec<String> { run.caveats().iter().map(ToString::to_string).collect() };
    let [first, second] = [a, b].map(told);
    let (both, first): (Vec<_>, Vec<_>) = first.into_iter().partition(|caveat| second.contains(caveat));
    let second = second.into_iter().filter(|caveat| !both.contains(caveat)).collect();
    let of = [("Both runs", &both), ("First run", &first), ("Second run", &second)];
    of.iter().flat_map(|(run, caveats)| caveats.iter().map(move |text| format!("{run}: {text}"))).collect()
}

/// Why two workloads of one name are not the same work.
fn other_work(a: &ScenarioRecord, b: &ScenarioRecord) -> Option<Why> {
    let asks = |one: &ScenarioRecord| {
        let ScenarioRecord {
            service, transport, loss, load, background, request, work, timing, server, ..
        } = one.clone();
        let times = (timing.timeout, timing.drain);
        ((service, transport, loss), load, background, request, work, times, server)
    };
    if asks(a) != asks(b) {
        return Some(Why::OtherWork(Box::new([a.clone(), b.clone()])));
    }
    let times = [a, b].map(|scenario| (scenario.window_ns(), scenario.warmup_ns()));
    (times[0] != times[1]).then_some(Why::Times(times))
}

fn row(
    scenario: &str,
    model: &str,
    merit: Metric,
    first: &[f64],
    second: &[f64],
    a: &Analysis,
    b: &Analysis,
) -> Row {
    let reached =
        |probe: Option<&Probe>| ceiling(probe?, scenario)?.reached.value().map(|reached| reached.rate_per_s);
    let null = |analysis: &Analysis| reached(analysis.run.probe.value());
    let mut random = Random::named(a.run.seed, &["across", scenario, model]);
    Row {
        scenario: scenario.to_owned(),
        model: model.to_owned(),
        merit,
        a: median(first).unwrap_or(0.0),
        b: median(second).unwrap_or(0.0),
        factor: factor(first, second, merit, &mut random),
        null_factor: null(a).zip(null(b)).map(|(a, b)| log_behind(a, b, Better::More).exp()),
    }
}

/// How many times worse the second's median is, with the percentile bootstrap over both, drawn apart.
fn factor(first: &[f64], second: &[f64], merit: Metric, random: &mut Random) -> Estimate {
    let better = merit.better();
    let behind = |a: f64, b: f64| log_behind(a, b, better);
    let drawn = |from: &[f64], random: &mut Random| {
        let mut resample: Vec<f64> = from.iter().map(|_| from[random.below(from.len())]).collect();
        median_in_place(&mut resample).unwrap_or(0.0)
    };
    let mut all: Vec<f64> =
        (0..RESAMPLES).map(|_| behind(drawn(first, random), drawn(second, random))).collect();
    all.sort_unstable_by(f64::total_cmp);
    let low = ((1.0 - CONFIDENCE) / 2.0 * RESAMPLES as f64) as usize;
    let middle = behind(median(first).unwrap_or(0.0), median(second).unwrap_or(0.0));
    Estimate {
        median: middle.exp(),
        low: all[low].exp(),
        high: all[RESAMPLES - 1 - low].exp(),
        rounds: first.len().min(second.len()),
    }
}

/// What makes two machines two: processor, CPUs, memory, kernel, how the CPUs were divided, congestion control.
pub fn differences(a: &Environment, b: &Environment) -> Vec<Difference> {
    fn text<T: ToString>(reading: &Reading<T>) -> String {
        reading.value().map_or_else(|| "unknown".to_owned(), ToString::to_string)
    }
    // The memory that a kernel counts changes a little with its version.
    let gib = |memory: &Reading<u64>| match memory {
        Reading::Value(bytes) => format!("{:.0} GiB", *bytes as f64 / 1024.0_f64.powi(3)),
        Reading::Absent(_) => "unknown".to_owned(),
    };
    let all = [
        ("processor", text(&a.cpu_model), text(&b.cpu_model)),
        ("CPUs", a.cpus.len().to_string(), b.cpus.len().to_string()),
        ("CPUs of servers", a.server_cpus.len().to_string(), b.server_cpus.len().to_string()),
        ("memory", gib(&a.memory_bytes), gib(&b.memory_bytes)),
        ("kernel", text(&a.kernel), text(&b.kernel)),
        ("governor", text(&a.governor), text(&b.governor)),
        ("congestion control", text(&a.congestion_control), text(&b.congestion_control)),
    ];
    let differ = all.into_iter().filter(|(_, first, second)| first != second);
    differ.map(|(what, first, second)| Difference { what, first, second }).collect()
}

#[cfg(test)]
mod tests;
