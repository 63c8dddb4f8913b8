//! The folder that criterion leaves behind, as critcmp reads it:
//! `<workload>/<model>/<figure>/<baseline>/{benchmark.json,sample.json,estimates.json}`.
//!
//! # What the sample is
//! One value for each valid round, in nanoseconds. Where throughput decides, the window over the replies completed in it:
//! time per request, of one element each, so that critcmp shows requests a second, too. Where goodput decides, the same
//! with the requests answered within the objective. Where a percentile of the response time decides, that percentile.
//! The share answered and the memory of a connection are no times and are left out, and so is a cell with a round whose
//! time is infinite, for JSON has no such number and the mean of the other rounds would flatter it.
//!
//! An `estimates.json` without its `benchmark.json` makes critcmp fail as a whole, so it is the last of each three.
//! A comparison of two builds has two baselines, `A-<label>` and `B-<label>`.

use super::cells::{self, Counted};
use super::estimate::estimates;
use super::text::{RESERVED, Unique, component, cut};
use super::{Export, ExportError, File, Source};
use crate::metric::Unit;
use crate::record::{Metric, Side};
use crate::show::units;
use crate::stats::random::Random;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What a run is called as a baseline unless told otherwise.
const BASELINE: &str = "bakeoff";

/// The most characters of a title; criterion cuts there.
const LONGEST_TITLE: usize = 100;

/// What is measured in one round: so many requests in so many nanoseconds.
struct Sample {
    /// What critcmp shows as the benchmark's parameter.
    value: &'static str,
    /// Whether one iteration is one request, so that requests a second make sense.
    per_request: bool,
    iters: Vec<f64>,
    times: Vec<f64>,
}

pub(super) fn folder(source: Source<'_>, baseline: Option<&str>) -> Result<Export, ExportError> {
    let baselines = Baselines::of(source, baseline)?;
    let (mut files, mut left_out) = (Vec::new(), Vec::new());
    let (mut taken, mut functions) = (Unique::default(), BTreeMap::new());
    for counted in cells::all(source) {
        let (model, side) = cells::side(source, &counted.cell.model);
        let group = &counted.workload.scenario.name;
        let parts = [component(group), component(model)];
        // Sides of one model share a folder; any other two cells do not. Cells left out take one, too: the names of the
        // others must not depend on what became of them.
        let function = functions.entry((group, model));
        let function = &*function.or_insert_with(|| taken.name(&parts[0], &parts[1]));
        let sample = match sample(&counted) {
            Ok(sample) => sample,
            Err(why) => {
                left_out.push(format!("{}: {why}", counted.name()));
                continue;
            }
        };
        let baseline = baselines.of_side(side);
        let directory = format!("{}/{function}/{}", parts[0], sample.value);
        // critcmp tells benchmarks apart by their id alone: where the names do not make one of their own, the folder does.
        let plain = !group.contains('/') && !model.contains('/') && *function == parts[1];
        let id = if plain { format!("{group}/{model}/{}", sample.value) } else { directory.clone() };
        let head = benchmark(group, model, &sample, &id, &directory);
        let per_iteration: Vec<f64> =
            sample.times.iter().zip(&sample.iters).map(|(time, iters)| time / iters).collect();
        let mut random = Random::named(source.bundle.run.seed, &[group, &counted.cell.model, "criterion"]);
        let kept = json!({ "sampling_mode": "Flat", "iters": sample.iters, "times": sample.times });
        let documents =
            [("benchmark", head), ("sample", kept), ("estimates", estimates(&per_iteration, &mut random))];
        files.extend(documents.map(|(name, document)| {
            File::new(format!("{directory}/{baseline}/{name}.json"), document.to_string())
        }));
    }
    Ok(Export { files, left_out })
}

/// What the baselines are called.
struct Baselines {
    one: String,
    sides: Option<[String; 2]>,
}

impl Baselines {
    fn of(source: Source<'_>, given: Option<&str>) -> Result<Self, ExportError> {
        let Some(comparison) = &source.bundle.run.comparison else {
            let one = given.unwrap_or(BASELINE);
            if RESERVED.contains(&one.to_lowercase().as_str()) {
                let names = RESERVED.map(|name| format!("`{name}`"));
                let reserved = units::all_of(&names);
                return Err(ExportError::ReservedBaseline { name: one.to_owned(), reserved });
            }
            return Ok(Self { one: component(one), sides: None });
        };
        if given.is_some() {
            return Err(ExportError::TwoBaselines);
        }
        let name = |side: Side, label: &str| component(&format!("{}-{label}", side.letter()));
        let sides = [name(Side::A, &comparison.a.label), name(Side::B, &comparison.b.label)];
        Ok(Self { one: BASELINE.to_owned(), sides: Some(sides) })
    }

    fn of_side(&self, side: Option<Side>) -> &str {
        match (&self.sides, side) {
            (Some([a, _]), Some(Side::A)) => a,
            (Some([_, b]), Some(Side::B)) => b,
            _ => &self.one,
        }
    }
}

/// The sample of a cell, or why there is none.
fn sample(counted: &Counted<'_>) -> Result<Sample, String> {
    let merit = counted.workload.scenario.merit;
    let rounds = counted.rounds.iter();
    let (value, pairs): (_, Vec<Option<(f64, f64)>>) = match merit {
        Metric::Throughput => (
            "time-per-request",
            rounds.map(|(_, m, _)| Some((m.completed_in_window as f64, m.window_ns as f64))).collect(),
        ),
        Metric::Goodput => {
            let good = rounds.map(|(_, m, round)| {
                Some(((round.value(Metric::Goodput)? * m.window_ns as f64 / 1e9).round(), m.window_ns as f64))
            });
            ("time-per-good-request", good.collect())
        }
        _ if merit.unit() == Unit::Time => {
            (merit.key(), rounds.map(|(_, _, round)| Some((1.0, round.value(merit)?))).collect())
        }
        _ => return Err(format!("{} is no time", merit.label())),
    };
    // A round without a figure is absent; one with an infinite time is not.
    let (iters, times): (Vec<f64>, Vec<f64>) = pairs.into_iter().flatten().unzip();
    if times.len() < 2 {
        return Err(format!(
            "{} with a {}, and a spread needs two",
            units::plural(times.len() as u64, "valid round"),
            merit.label()
        ));
    }
    if iters.contains(&0.0) || times.iter().any(|time| time.is_infinite()) {
        return Err(format!(
            "its {} is infinite in a round, or nothing was answered, which JSON has no number for",
            value.replace('-', " ")
        ));
    }
    let per_request = matches!(merit, Metric::Throughput | Metric::Goodput);
    Ok(Sample { value, per_request, iters, times })
}

/// The contents of `benchmark.json`.
fn benchmark(group: &str, model: &str, sample: &Sample, id: &str, directory: &str) -> Value {
    json!({
        "group_id": group,
        "function_id": model,
        "value_str": sample.value,
        "throughput": if sample.per_request { json!({ "Elements": 1 }) } else { Value::Null },
        "full_id": id,
        "directory_name": directory,
        "title": cut(id, LONGEST_TITLE),
    })
}
