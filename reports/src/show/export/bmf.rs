//! The Bencher Metric Format: `{"<workload>/<model>": {"<figure>": {"value", "lower_value", "upper_value"}}}`.
//!
//! A slash in the name of a workload is written `%2F` and a per cent sign `%25`, so that the first slash ends it.
//!
//! A value is the median over the valid rounds, the bounds are its 95 % bootstrap interval. JSON has no infinite number: a
//! figure whose median is infinite is left out, and so is a bound that is.

use super::cells;
use super::measure::{self, Summary};
use super::{Export, File, Source};
use crate::record::Figure;
use serde_json::{Map, Value, json};

pub(super) fn document(source: Source<'_>) -> Export {
    let (mut benchmarks, mut left_out) = (Map::new(), Vec::new());
    for counted in cells::all(source) {
        let mut measures = Map::new();
        for figure in Figure::ALL {
            let Some(summary) = measure::summary(figure, &counted, source.bundle.run.seed) else { continue };
            match metric(summary) {
                Some(metric) => drop(measures.insert(figure.key().to_owned(), metric)),
                None => {
                    left_out.push(format!("{}: the median {} is infinite", counted.name(), figure.label()));
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

fn metric(summary: Summary) -> Option<Value> {
    if summary.value.is_infinite() {
        return None;
    }
    let mut metric = json!({ "value": summary.value });
    for (name, bound) in [("lower_value", summary.low), ("upper_value", summary.high)] {
        if bound.is_finite() {
            metric[name] = json!(bound);
        }
    }
    Some(metric)
}
