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
//!   schedule sets, CPU, switches, memory): the **reference model** of the run (the one whose facts say so: the plainest) when it ran the same workload, paired round by
//!   round. It changes least. A change of that model shows as the opposite change of all
//!   others under the workload. It has no reference of its own there.
//! - In a comparison of two builds: **side A**, paired by round. Its name is part of the series, so that a ratio to one
//!   baseline is never continued by the ratio to another.
//!
//! A figure with no reference is kept and shown, but no change point is looked for in it.

use super::entry::{Entry, LINE_VERSION, Point, Reference};
use super::machine::machine;
use crate::analysis::Analysis;
use crate::cells::cell::Cell;
use crate::metric::Group;
use crate::record::{Comparison, Contender, Metric, ModelRecord, Origin, Probe, Role, ScenarioRecord, Side};
use crate::rules::probe::ceiling;
use crate::rules::verdict::Status;
use crate::rules::workload::Workload;
use crate::stats::estimate::{Estimate, Subject};
use crate::stats::median;
use crate::stats::paired::Better;

/// What the reference of the probe is called.
pub const NULL_SERVER: &str = "null server";

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
        // A figure of disturbed blocks has no place in a trend.
        None => analysis
            .measured()
            .filter(|workload| workload.verdict.status != Status::Provisional)
            .flat_map(|workload| of_workload(analysis, workload))
            .collect(),
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

/// The model that others are held against where the null server has no such figure.
fn reference_model(analysis: &Analysis) -> Option<&str> {
    let mut models = analysis.run.models.iter();
    let is_reference =
        |model: &&ModelRecord| model.facts.as_ref().is_some_and(|facts| facts.role == Role::Reference);
    models.find(is_reference).map(|model| model.name.as_str())
}

fn of_workload(analysis: &Analysis, workload: &Workload) -> Vec<Point> {
    let scenario = &workload.scenario;
    let probe = analysis.run.probe.value();
    let kept =
        |metric: &Metric| *metric == scenario.merit || metric.decides() && metric.group() == Group::Request;
    let plain = reference_model(analysis).and_then(|model| workload.cell(model));
    let mut points = Vec::new();
    for cell in &workload.cells {
        for figure in Metric::ALL.into_iter().filter(kept) {
            let Some(value) = cell.estimate(figure) else { continue };
            let reference = match probe.and_then(|probe| null_figure(probe, scenario, figure)) {
                Some(null) => Some(against_constant(NULL_SERVER, null, value)),
                None => plain
                    .filter(|plain| plain.model != cell.model)
                    .and_then(|plain| against(plain.model.clone(), plain, cell, figure)),
            };
            points.push(point(scenario, &cell.model, figure, value, reference));
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
            let Some(value) = b.estimate(gated.figure) else { continue };
            let reference = a.and_then(|a| against(name.clone(), a, b, gated.figure));
            points.push(point(&workload.scenario, &compared.model, gated.figure, value, reference));
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
    figure: Metric,
    value: Estimate,
    reference: Option<Reference>,
) -> Point {
    Point {
        scenario: scenario.name.clone(),
        definition: definition(scenario),
        model: model.to_owned(),
        figure,
        value,
        reference,
    }
}

/// What was measured: the workload's text, and for how long, which the command line may set apart from the text.
fn definition(scenario: &ScenarioRecord) -> String {
    let mut hash = crc32fast::Hasher::new();
    // `[background]` was called `[beside]`: the same workload goes on under its old definition.
    hash.update(scenario.toml.replace("[background]", "[beside]").as_bytes());
    hash.update(&scenario.warmup_ns().to_le_bytes());
    hash.update(&scenario.window_ns().to_le_bytes());
    format!("{:08x}", hash.finalize())
}

/// What the null server shows of a figure, if it was measured and moves with the machine as the figure does.
fn null_figure(probe: &Probe, scenario: &ScenarioRecord, figure: Metric) -> Option<f64> {
    let floor = probe.floor.value();
    let null = match figure {
        Metric::Throughput | Metric::Goodput if scenario.rate_per_s().is_none() => {
            ceiling(probe, &scenario.name)?.reached.value()?.rate_per_s
        }
        Metric::ResponseP50 => floor?.p50_ns as f64,
        Metric::ResponseP99 => floor?.p99_ns as f64,
        _ => return None,
    };
    (null.is_finite() && null > 0.0).then_some(null)
}

fn against_constant(name: &str, reference: f64, value: Estimate) -> Reference {
    let ratio = value.map(|value| value / reference);
    Reference { name: name.to_owned(), value: reference, ratio }
}

/// The ratio of `cell` to `reference`, paired by round; `None` without a round in which both have a figure above zero. So few
/// switches that they are all the same, as a gate has it, are no ratio away from each other.
fn against(name: String, reference: &Cell, cell: &Cell, figure: Metric) -> Option<Reference> {
    let (mut values, mut logs) = (Vec::new(), Vec::new());
    for round in &cell.rounds {
        let Some(other) = reference.rounds.iter().find(|other| other.round == round.round) else { continue };
        let (Some(own), Some(base)) = (round.value(figure), other.value(figure)) else { continue };
        let behind = figure.log_behind(base, own);
        // Own over base, whichever way is better; infinite where the base is nothing and the other is not.
        let log = if figure.better() == Better::More { -behind } else { behind };
        if log < f64::INFINITY || base > 0.0 {
            values.push(base);
            logs.push(log);
        }
    }
    let (workload, seed) = &cell.subject;
    let contestants = [cell.model.as_str(), &reference.model];
    let subject = Subject { seed: *seed, workload, contestants: &contestants, metric: figure };
    Some(Reference { name, value: median(&values)?, ratio: Estimate::of_logs(&logs, &subject)? })
}
