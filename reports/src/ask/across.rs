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

use crate::analysis::{Analysis, Workload, analyse};
use crate::cells::cell::Cell;
use crate::record::bundle::Bundle;
use crate::record::{Environment, Merit, Probe, Reading, ScenarioRecord};
use crate::rules::probe::ceiling;
use crate::show::layout::{clean, cut};
use crate::show::units;
use crate::show::units::ratio;
use crate::show::words::gate::with_interval;
use crate::stats::bootstrap::{CONFIDENCE, RESAMPLES};
use crate::stats::paired::{Better, Factor, log_behind};
use crate::stats::random::Random;
use crate::stats::{median, median_in_place};
use std::fmt::Write as _;

/// Two runs side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct Across {
    /// What both measured.
    pub rows: Vec<Row>,
    /// What cannot be compared, with the reason.
    pub left_out: Vec<String>,
    /// What must be known of either run before its figures: made up, interrupted, damaged, without a verdict.
    pub caveats: Vec<String>,
    /// What differs between the machines, in words. Empty on one machine.
    pub machine: Vec<String>,
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
    pub merit: Merit,
    /// Its median in the first run.
    pub a: f64,
    /// Its median in the second.
    pub b: f64,
    /// How many times worse the second is, with the interval over rounds; of `rounds` the smaller number.
    pub factor: Factor,
    /// How many times worse the null server was under this load; absent where a run did not measure it.
    pub null_factor: Option<f64>,
}

/// Two bundles cannot be compared at all.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AcrossError {
    /// They have nothing in common.
    #[error("the two runs have nothing in common to compare: {}", if why.is_empty() { "neither measured a model under a workload".to_owned() } else { clean(&why.join("; ")) })]
    NothingInCommon {
        /// What was left out, and why.
        why: Vec<String>,
    },
    /// They ran on different machines.
    #[error("the two runs are of different machines ({}): their ratios would say nothing of the builds", clean(&differences.join("; ")))]
    Machines {
        /// What differs.
        differences: Vec<String>,
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
    for workload in a.measured() {
        let name = &workload.scenario.name;
        let Some(other) = workload_of(&b, name) else {
            left_out.push(format!("`{name}` is in the first run only"));
            continue;
        };
        if let Some(why) = other_work(&workload.scenario, &other.scenario) {
            left_out.push(format!("`{name}` {why}"));
            continue;
        }
        let merit = workload.scenario.merit;
        for cell in &workload.cells {
            let model = &cell.model;
            match (figures(cell, merit), other.cell(model).map(|other| figures(other, merit))) {
                (Some(first), Some(Some(second))) => {
                    rows.push(row(name, model, merit, &first, &second, &a, &b));
                }
                (_, None) => left_out.push(format!("{model} under `{name}` is in the first run only")),
                _ => left_out.push(format!("{model} under `{name}` has figures in one run at most")),
            }
        }
        let only = other.cells.iter().filter(|cell| workload.cell(&cell.model).is_none());
        left_out.extend(only.map(|cell| format!("{} under `{name}` is in the second run only", cell.model)));
    }
    let only = b.measured().filter(|other| workload_of(&a, &other.scenario.name).is_none());
    left_out.extend(only.map(|other| format!("`{}` is in the second run only", other.scenario.name)));
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
fn figures(cell: &Cell, merit: Merit) -> Option<Vec<f64>> {
    let figures: Vec<f64> = cell.rounds.iter().filter_map(|round| round.merit(merit)).collect();
    (!figures.is_empty()).then_some(figures)
}

/// The caveats of either run, with the run they are of.
fn caveats(a: &Analysis, b: &Analysis) -> Vec<String> {
    let [first, second] = [a, b].map(Analysis::caveats);
    let (both, first): (Vec<_>, Vec<_>) = first.into_iter().partition(|caveat| second.contains(caveat));
    let second = second.into_iter().filter(|caveat| !both.contains(caveat)).collect();
    let of = [("Both runs", &both), ("First run", &first), ("Second run", &second)];
    of.iter().flat_map(|(run, caveats)| caveats.iter().map(move |text| format!("{run}: {text}"))).collect()
}

/// Why two workloads of one name are not the same work.
fn other_work(a: &ScenarioRecord, b: &ScenarioRecord) -> Option<String> {
    if a.toml != b.toml || a.parameters != b.parameters {
        let differs = a.parameters.iter().find(|(name, value)| b.parameters.get(*name) != Some(value));
        return Some(match differs {
            Some((name, value)) => {
                let other = b.parameters.get(name).map_or("nothing", String::as_str);
                format!("is other work: {name} is {value} in the first run, {other} in the second")
            }
            None => "is another text in each run".to_owned(),
        });
    }
    let times = |s: &ScenarioRecord| (s.warmup_ns, s.window_ns);
    (times(a) != times(b)).then(|| {
        let [a, b] = [a, b].map(|s| {
            format!(
                "{} after {} of warm-up",
                units::time(s.window_ns as f64),
                units::time(s.warmup_ns as f64)
            )
        });
        format!("was measured for {a} a trial in the first run, {b} in the second")
    })
}

fn row(
    scenario: &str,
    model: &str,
    merit: Merit,
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
fn factor(first: &[f64], second: &[f64], merit: Merit, random: &mut Random) -> Factor {
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
    Factor {
        median: middle.exp(),
        low: all[low].exp(),
        high: all[RESAMPLES - 1 - low].exp(),
        rounds: first.len().min(second.len()),
    }
}

/// What makes two machines two, in words: processor, CPUs, memory, kernel, how the CPUs were divided, congestion control.
pub fn differences(a: &Environment, b: &Environment) -> Vec<String> {
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
    all.into_iter().filter(|(_, a, b)| a != b).map(|(what, a, b)| format!("{what}: {a}, {b}")).collect()
}

/// The two runs as text of at most `width` columns, 60 at least.
pub fn text(across: &Across, width: usize) -> String {
    let width = width.max(60);
    let mut out = String::new();
    push(&mut out, "Two runs side by side; a ratio above 1 says that the second was worse", width, "");
    for caveat in &across.caveats {
        push(&mut out, caveat, width, "! ");
    }
    out.push('\n');
    table(&mut out, &across.rows, width);
    for why in &across.left_out {
        push(&mut out, why, width, "not compared: ");
    }
    out.push('\n');
    for difference in &across.machine {
        push(&mut out, difference, width, "! another machine: ");
    }
    if let Some(factor) = across.machine_factor {
        let factor = ratio(factor);
        let words = format!("A fixed piece of work took {factor} times as long in the second run.");
        push(&mut out, &words, width, "");
    }
    let caution = "This shows a trend and no regression. The runs met the machine at different times, and the same build \
                   differs between runs by more than what is looked for; more rounds in either run do not help. Intervals are \
                   of the rounds of these runs. To compare two builds, run them in pairs: bakeoff ab --a OLD --b NEW";
    push(&mut out, caution, width, "");
    out
}

/// The rows under their workloads. A name for which there is no room beside the figures has a line of its own.
fn table(out: &mut String, rows: &[Row], width: usize) {
    let told: Vec<(String, String)> = rows.iter().map(|row| (clean(&row.model), beside(row))).collect();
    let columns = |text: &String| text.chars().count();
    let figures = told.iter().map(|(_, figures)| columns(figures)).max().unwrap_or(0);
    let room = width.saturating_sub(2 + figures);
    let names = told.iter().map(|(name, _)| columns(name)).filter(|name| *name <= room).max().unwrap_or(0);
    let mut scenario = None;
    for (row, (name, figures)) in rows.iter().zip(&told) {
        if scenario != Some(&row.scenario) {
            scenario = Some(&row.scenario);
            let null =
                row.null_factor.map_or_else(String::new, |null| format!("; null server {}", ratio(null)));
            push(out, &format!("{}, {}{null}", row.scenario, row.merit.label()), width, "");
        }
        if columns(name) > names {
            let _ = writeln!(out, "  {}\n  {:names$}{figures}", cut(name, width - 2), "");
        } else {
            let _ = writeln!(out, "  {name:names$}{figures}");
        }
    }
}

/// What stands beside the name of a model.
fn beside(row: &Row) -> String {
    let (a, b) = (row.merit.show(row.a), row.merit.show(row.b));
    format!("  {a:>9} {b:>9}  {}", with_interval(row.factor))
}

/// Text on lines of at most `width` columns, whatever its words are: names come from bundles.
fn push(out: &mut String, text: &str, width: usize, indent: &str) {
    let room = width.saturating_sub(indent.chars().count());
    let words: Vec<String> = text.split_whitespace().map(|word| cut(&clean(word), room)).collect();
    crate::show::layout::push(out, &words.join(" "), width, indent);
}

#[cfg(test)]
mod tests;
