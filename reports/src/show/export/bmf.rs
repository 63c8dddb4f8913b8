//! The Bencher Metric Format: `{"<workload>/<model>": {"<figure>": {"value", "lower_value", "upper_value"}}}`.
//!
//! A slash in the name of a workload is written `%2F` and a per cent sign `%25`, so that the first slash ends it.
//!
//! A value is the median over the valid rounds, the bounds are its 95 % bootstrap interval. JSON has no infinite number: a
//! figure whose median is infinite is left out, and so is a bound that is.

use super::cells;
use super::{Export, File, Source};
use crate::record::Metric;
use crate::stats::estimate::Estimate;
use serde_json::{Map, Value, json};

pub(super) fn document(source: Source<'_>) -> Export {
    let (mut benchmarks, mut left_out) = (Map::new(), Vec::new());
    for counted in cells::all(source) {
        let mut measures = Map::new();
        for metric in Metric::deciding() {
            let Some(estimate) = counted.cell.estimate(metric) else { continue };
            match measure(estimate) {
                Some(measure) => drop(measures.insert(metric.key().to_owned(), measure)),
                None => {
                    left_out.push(format!("{}: the median {} is infinite", counted.name(), metric.label()));
                }
            }
        }
        if measures.is_empty() {
            left_out.push(format!("{}: no figure", counted.name()));
        } else {
            benchmarks.insert(counted.key("/"), Value::Object(measures));
        }
    }
    if benchmarks.is_empty() {
        return Export { files: Vec::new(), left_out };
    }
    let text = serde_json::to_string_pretty(&benchmarks).expect("names and finite numbers") + "\n";
    Export { files: vec![File::new(super::file_name(super::Format::Bmf), text)], left_out }
}

fn measure(estimate: Estimate) -> Option<Value> {
    if estimate.median.is_infinite() {
        return None;
    }
    let mut measure = json!({ "value": estimate.median });
    for (name, bound) in [("lower_value", estimate.low), ("upper_value", estimate.high)] {
        if bound.is_finite() {
            measure[name] = json!(bound);
        }
    }
    Some(measure)
}
