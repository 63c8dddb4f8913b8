//! Latency by percentile: how long the slowest one in ten, in a hundred, in a thousand took.

use super::axis::Axis;
use super::canvas::Canvas;
use super::picture::{Drawn, Plot};
use crate::cells::cell::{Cell, SHOWN};
use crate::rules::workload::Workload;
use crate::show::units;
use crate::show::words::quantile;
use crate::stats::quantile::Quantile;

/// Markers of a series stand this many points apart.
const MARKER_EVERY: usize = 9;

/// Response time of every model over the share of requests that were faster, which grows by nines.
pub(crate) fn by_percentile(workload: &Workload, series_of: impl Fn(&str) -> usize, id: &str) -> Drawn {
    let curves: Vec<(&str, &[(f64, Quantile)])> = workload
        .cells
        .iter()
        .filter_map(|cell| Some((cell.model.as_str(), cell.merged.as_ref()?.response.curve.as_slice())))
        .collect();
    let values = || curves.iter().flat_map(|(_, curve)| *curve).filter_map(|(_, quantile)| quantile.ns());
    let objective = workload.scenario.objective_ns.map(|ns| ns as f64);
    let y = Axis::logarithmic(values()).ok_or("No request was answered often enough to draw a curve.")?;
    let y = objective.and_then(|ns| Axis::logarithmic(values().chain([ns]))).unwrap_or(y);
    let nines =
        curves.iter().filter_map(|(_, curve)| curve.last()).map(|(p, _)| nines(*p)).fold(1.0, f64::max);
    let x_ticks: Vec<(f64, String)> = (0..=nines.ceil() as i32)
        .map(|at| (f64::from(at), 1.0 - 10_f64.powi(-at)))
        .filter(|(at, _)| *at <= nines + 0.05)
        .map(|(at, p)| {
            (at, if at == 0.0 { "0 %".to_owned() } else { units::percentile(p).replace('p', "") + " %" })
        })
        .collect();
    let y_ticks: Vec<(f64, String)> = y.ticks(5).into_iter().map(|ns| (ns, units::time(ns))).collect();
    let mut canvas = Canvas::new(
        (Axis::exactly(0.0, nines + 0.08), &x_ticks, "share of requests that were faster"),
        (y, &y_ticks, "response time"),
    );
    if let Some(ns) = objective {
        canvas.rule_across(ns, &format!("objective {}", units::time(ns)));
    }
    for (model, curve) in &curves {
        let points: Vec<(f64, f64)> =
            curve.iter().filter_map(|(p, ns)| Some((self::nines(*p), ns.ns()?))).collect();
        canvas.series(series_of(model), &points, MARKER_EVERY);
    }
    if values().any(f64::is_infinite) {
        canvas.label_never();
    }
    let title = "Response time by percentile".to_owned();
    let caption = "Over the requests of all rounds together. Lower is better; further right is rarer. A curve ends where too few requests were sent to go on, and \
                   leaves through the top where requests were never answered.";
    let description =
        format!("Response time by percentile under {}: one curve for each model.", workload.scenario.name);
    Ok(Plot {
        svg: canvas.finish(id, &format!("{title}, {}", workload.scenario.name), &description),
        title,
        caption: caption.to_owned(),
        key: &[],
        columns: ["model".to_owned()].into_iter().chain(SHOWN.map(units::percentile)).collect(),
        rows: rows(workload),
    })
}

/// 0.9 is 1 nine, 0.99 is 2: the decimal logarithm of 1/(1-p).
fn nines(p: f64) -> f64 {
    -(1.0 - p).log10()
}

fn rows(workload: &Workload) -> Vec<Vec<String>> {
    let row = |cell: &Cell| {
        let shown = cell.merged.as_ref()?.response.shown;
        Some([cell.model.clone()].into_iter().chain(shown.map(quantile)).collect())
    };
    workload.cells.iter().filter_map(row).collect()
}
