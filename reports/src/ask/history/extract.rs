//! From a run to its entry in a history: which figures are kept, and what each is held against.
//!
//! # The reference
//! A figure moves with the machine's mood from one day to the next by more than most commits move it. So what a history
//! watches is the ratio to a reference measured in the same run, in which that cancels:
//!
//! - Throughput and goodput of loads that follow the server (closed loop, churn), and response times: the **null server**,
//!   the tightest echo there is, as the probe before the run found it. For rates it is what the swarm got out of it under the
//!   workload's own payload and clients; for response times the same percentile with one client.
//! - Where that was not measured, or has no such figure (services that work or wait, the rate of an open loop, which the
//!   schedule sets, CPU, switches, memory): the model **`thread-per-client`** when it ran the same workload, paired round by
//!   round. It is the plainest of the models, so it changes least. A change of that model shows as the opposite change of all
//!   others under the workload. It has no reference of its own there.
//! - In a comparison of two builds: **side A**, paired by round. Its name is part of the series, so that a ratio to one
//!   baseline is never continued by the ratio to another.
//!
//! A figure with no reference is kept and shown, but no change point is looked for in it.

use super::entry::{Entry, Interval, LINE_VERSION, Point, Reference, figure_key};
use super::machine::machine;
use crate::analysis::Analysis;
use crate::cells::cell::{Cell, RoundFigures};
use crate::metric::cost::Cost;
use crate::record::{Comparison, Contender, Figure, Merit, Origin, Probe, ScenarioRecord, Side};
use crate::rules::gate::FEWEST_SWITCHES;
use crate::rules::probe::ceiling;
use crate::rules::workload::Workload;
use crate::stats::bootstrap::median_interval;
use crate::stats::median;
use crate::stats::paired::{Better, log_behind};
use crate::stats::random::Random;

/// What the reference of the probe is called.
pub const NULL_SERVER: &str = "null server";

/// The model that others are held against where the null server has no such figure.
pub const REFERENCE_MODEL: &str = "thread-per-client";

/// What a bundle does not know of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// See [`Entry::key`].
    pub key: String,
    /// See [`Entry::commit`].
    pub commit: Option<String>,
    /// See [`Entry::committed_unix_ms`].
    pub committed_unix_ms: Option<u64>,
    /// See [`Entry::label`].
    pub label: Option<String>,
}

/// What a run is known by: when it began and the CRC-32 of its bundle's first line. A copy of a bundle, or a later state of
/// the same one, has the same key.
pub fn key(bundle: &[u8], started_unix_ms: u64) -> String {
    let head = bundle.split(|byte| *byte == b'\n').next().unwrap_or_default();
    format!("{started_unix_ms}-{:08x}", crc32fast::hash(head))
}

/// The commit that a comparison of two builds is about: that of side B, if it was built from one.
pub fn compared_commit(comparison: &Comparison) -> Option<&str> {
    match &comparison.b.origin {
        Origin::Commit { commit, .. } => Some(commit),
        Origin::Binary { .. } | Origin::Command { .. } => None,
    }
}

/// The entry of a run.
pub fn entry(analysis: &Analysis, facts: Facts) -> Entry {
    let run = &analysis.run;
    let points = match &run.comparison {
        Some(comparison) => compared(analysis, comparison),
        None => analysis.measured().flat_map(|workload| of_workload(analysis, workload)).collect(),
    };
    Entry {
        line_version: LINE_VERSION,
        key: facts.key,
        started_unix_ms: run.started_unix_ms,
        tool_version: run.tool_version.clone(),
        commit: facts.commit,
        committed_unix_ms: facts.committed_unix_ms,
        label: facts.label,
        machine: machine(&run.environment),
        trials: analysis.recorded,
        points,
    }
}

fn of_workload(analysis: &Analysis, workload: &Workload) -> Vec<Point> {
    let scenario = &workload.scenario;
    let probe = analysis.run.probe.value();
    let figures = [Figure::Merit(scenario.merit), Figure::CpuPerRequest, Figure::SwitchesPerRequest];
    let plain = workload.cell(REFERENCE_MODEL);
    let mut points = Vec::new();
    for cell in &workload.cells {
        for figure in figures {
            let Some((value, rounds)) = summary(cell, figure) else { continue };
            let reference = match probe.and_then(|probe| null_figure(probe, scenario, figure)) {
                Some(null) => Some(against_constant(NULL_SERVER, null, value)),
                None => plain
                    .filter(|plain| plain.model != cell.model)
                    .and_then(|plain| against(plain.model.clone(), plain, cell, figure)),
            };
            points.push(point(scenario, &cell.model, figure, (value, rounds), reference));
        }
    }
    points
}

fn compared(analysis: &Analysis, comparison: &Comparison) -> Vec<Point> {
    let name = baseline(&comparison.a);
    let mut points = Vec::new();
    for compared in &comparison.cells {
        let Some(workload) = analysis.measured().find(|one| one.scenario.name == compared.scenario) else {
            continue;
        };
        let [a, b] = Side::BOTH.map(|side| workload.cell(&side.model(&compared.model)));
        let Some(b) = b else { continue };
        for gated in &compared.gated {
            let Some(summary) = summary(b, gated.figure) else { continue };
            let reference = a.and_then(|a| against(name.clone(), a, b, gated.figure));
            points.push(point(&workload.scenario, &compared.model, gated.figure, summary, reference));
        }
    }
    points
}

/// What a series calls its baseline: of a commit its hash, because a ref moves on.
fn baseline(side: &Contender) -> String {
    match &side.origin {
        Origin::Commit { commit, .. } => format!("build {commit}"),
        Origin::Binary { .. } | Origin::Command { .. } => format!("build {}", side.label),
    }
}

fn point(
    scenario: &ScenarioRecord,
    model: &str,
    figure: Figure,
    (value, rounds): (Interval, u32),
    reference: Option<Reference>,
) -> Point {
    Point {
        scenario: scenario.name.clone(),
        definition: definition(scenario),
        model: model.to_owned(),
        figure,
        value,
        rounds,
        reference,
    }
}

/// What was measured: the workload's text, and for how long, which the command line may set apart from the text.
fn definition(scenario: &ScenarioRecord) -> String {
    let mut hash = crc32fast::Hasher::new();
    hash.update(scenario.toml.as_bytes());
    hash.update(&scenario.warmup_ns().to_le_bytes());
    hash.update(&scenario.window_ns().to_le_bytes());
    format!("{:08x}", hash.finalize())
}

/// A figure of a round.
fn of_round(round: &RoundFigures, figure: Figure) -> Option<f64> {
    match figure {
        Figure::Merit(merit) => round.merit(merit),
        Figure::CpuPerRequest => round.costs.value(Cost::Cpu),
        Figure::SwitchesPerRequest => round.costs.value(Cost::VoluntarySwitches),
    }
}

/// The median over the rounds that have the figure, and how many those are.
fn summary(cell: &Cell, figure: Figure) -> Option<(Interval, u32)> {
    let values: Vec<f64> = cell.rounds.iter().filter_map(|round| of_round(round, figure)).collect();
    Some((interval(&values, cell, figure)?, values.len() as u32))
}

fn interval(values: &[f64], cell: &Cell, figure: Figure) -> Option<Interval> {
    let (low, high) = median_interval(values, &mut Random::named(0, &[&cell.model, figure_key(figure)]))?;
    Some(Interval { median: median(values)?, low, high })
}

/// What the null server shows of a figure, if it was measured and moves with the machine as the figure does.
fn null_figure(probe: &Probe, scenario: &ScenarioRecord, figure: Figure) -> Option<f64> {
    let floor = probe.floor.value();
    let null = match figure {
        Figure::Merit(Merit::Throughput | Merit::Goodput) if scenario.rate_per_s().is_none() => {
            ceiling(probe, &scenario.name)?.reached.value()?.rate_per_s
        }
        Figure::Merit(Merit::ResponseP50) => floor?.p50_ns as f64,
        Figure::Merit(Merit::ResponseP99) => floor?.p99_ns as f64,
        _ => return None,
    };
    (null.is_finite() && null > 0.0).then_some(null)
}

fn against_constant(name: &str, reference: f64, value: Interval) -> Reference {
    let ratio = Interval {
        median: value.median / reference,
        low: value.low / reference,
        high: value.high / reference,
    };
    Reference { name: name.to_owned(), value: reference, ratio }
}

/// The ratio of `cell` to `reference`, paired by round; `None` without a round in which both have a figure above zero. So few
/// switches that they are all the same, as a gate has it, are no ratio away from each other.
fn against(name: String, reference: &Cell, cell: &Cell, figure: Figure) -> Option<Reference> {
    let least = if figure == Figure::SwitchesPerRequest { FEWEST_SWITCHES } else { 0.0 };
    let mut values = Vec::new();
    let mut ratios = Vec::new();
    for round in &cell.rounds {
        let Some(other) = reference.rounds.iter().find(|other| other.round == round.round) else { continue };
        let (Some(own), Some(base)) = (of_round(round, figure), of_round(other, figure)) else { continue };
        let [clamped, clamped_base] = [own, base].map(|value| value.max(least));
        if clamped_base > 0.0 || clamped_base == clamped {
            values.push(base);
            // Own over base, defined for infinities; which way is better does not matter here.
            ratios.push(log_behind(clamped_base, clamped, Better::Less).exp());
        }
    }
    let value = median(&values)?;
    Some(Reference { name, value, ratio: interval(&ratios, cell, figure)? })
}
