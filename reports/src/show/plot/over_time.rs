//! Latency over the window: whether a model was steady, or stalled.

use super::axis::Axis;
use super::canvas::Canvas;
use super::picture::{Drawn, Plot};
use crate::cells::cell::{Cell, Latency};
use crate::rules::workload::Workload;
use crate::show::units;

/// Response time of the replies completed in each slice, over all rounds.
pub(crate) fn over_time(workload: &Workload, series_of: impl Fn(&str) -> usize, id: &str) -> Drawn {
    let lines: Vec<(&Cell, _)> = workload
        .cells
        .iter()
        .filter_map(|cell| Some((cell, cell.merged.as_ref()?.moments.as_slice())))
        .collect();
    let moments = || lines.iter().flat_map(|(_, moments)| *moments);
    if moments().next().is_none() {
        return Err("The records hold no time slices.".to_owned());
    }
    let enough = moments().filter(|moment| moment.response.p99().ns().is_some()).count();
    let (name, pick): (_, fn(&Latency) -> Option<f64>) = if 2 * enough >= moments().count() {
        ("p99", |response| response.p99().ns())
    } else {
        ("p50", |response| response.p50().ns())
    };
    let y = Axis::logarithmic(moments().filter_map(|moment| pick(&moment.response)))
        .ok_or("No slice holds enough replies for a figure.")?;
    let last = moments().map(|moment| moment.at_ns).max().unwrap_or(0);
    let end = workload.scenario.window_ns().max(last) as f64;
    let x = Axis::exactly(0.0, end);
    let x_ticks: Vec<_> = x
        .ticks(5)
        .into_iter()
        .map(|ns| (ns, if ns == 0.0 { "0".to_owned() } else { units::time(ns) }))
        .collect();
    let y_ticks: Vec<_> = y.ticks(5).into_iter().map(|ns| (ns, units::time(ns))).collect();
    let mut canvas =
        Canvas::new((x, &x_ticks, "time since the window began"), (y, &y_ticks, &format!("response {name}")));
    let mut rows = Vec::new();
    for (cell, moments) in &lines {
        let points: Vec<(f64, f64)> = moments
            .iter()
            .filter_map(|moment| Some((moment.at_ns as f64, pick(&moment.response)?)))
            .collect();
        canvas.series(series_of(&cell.model), &points, 3);
        rows.extend(
            points.iter().map(|(at, ns)| vec![cell.model.clone(), units::time(*at), units::time(*ns)]),
        );
    }
    let title = "Response time over the window".to_owned();
    let description =
        format!("Response {name} over the window under {}: one line for each model.", workload.scenario.name);
    Ok(Plot {
        svg: canvas.finish(id, &format!("{title}, {}", workload.scenario.name), &description),
        title,
        caption: "Of the replies completed in each slice, all rounds together; level is steady. Requests that were never \
                  answered do not appear here."
            .to_owned(),
        key: &[],
        columns: ["model", "at", &format!("response {name}")].map(str::to_owned).to_vec(),
        rows,
    })
}
