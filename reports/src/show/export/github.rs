//! The files of github-action-benchmark, which has one direction for a whole file: `smaller-is-better.json` for its tool
//! `customSmallerIsBetter`, `bigger-is-better.json` for `customBiggerIsBetter`. A file without an entry is not written.
//!
//! A value is the median over the valid rounds; `range` is half of its 95 % bootstrap interval, `extra` the rounds and the
//! interval. JSON has no infinite number: such a figure is left out.

use super::cells;
use super::measure;
use super::{Export, File, Source};
use crate::record::Metric;
use crate::stats::paired::Better;
use serde_json::{Value, json};

pub(super) fn files(source: Source<'_>) -> Export {
    let (mut smaller, mut bigger, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
    for counted in cells::all(source) {
        for figure in Metric::deciding() {
            let Some(estimate) = counted.cell.estimate(figure) else { continue };
            let label = figure.label();
            if estimate.median.is_infinite() {
                left_out.push(format!("{}: the median {label} is infinite", counted.name()));
                continue;
            }
            let mut entry = json!({
                "name": format!("{}: {label}", counted.key(" / ")),
                "unit": measure::unit(figure),
                "value": estimate.median,
                "extra": format!(
                    "median of {} rounds, 95 % interval {} to {}",
                    estimate.rounds,
                    figure.show(estimate.low),
                    figure.show(estimate.high)
                ),
            });
            let half = (estimate.high - estimate.low) / 2.0;
            if half.is_finite() {
                entry["range"] = json!(format!("± {half}"));
            }
            match figure.better() {
                Better::Less => smaller.push(entry),
                Better::More => bigger.push(entry),
            }
        }
    }
    let both = [("smaller-is-better.json", smaller), ("bigger-is-better.json", bigger)];
    let file = |(name, entries): (&str, Vec<Value>)| {
        let text = serde_json::to_string_pretty(&entries).expect("names and finite numbers") + "\n";
        File::new(name, text)
    };
    Export {
        files: both.into_iter().filter(|(_, entries)| !entries.is_empty()).map(file).collect(),
        left_out,
    }
}
