//! Latency and threads over the window: whether a model was steady, or stalled, and whether its threads followed the load.

use super::axis::Axis;
use super::canvas::Canvas;
use super::picture::{Drawn, Plot};
use crate::cells::cell::{Cell, Latency, Moment};
use crate::rules::workload::Workload;
use crate::show::units;

/// What the axis of time is called.
const TIME: &str = "time since the window began";

/// The axis of the window, the same for all pictures over it.
fn time_axis<'a>(
    workload: &Workload,
    moments: impl Iterator<Item = &'a Moment>,
) -> (Axis, Vec<(f64, String)>) {
    let last = moments.map(|moment| moment.at_ns).max().unwrap_or(0);
    let x = Axis::exactly(0.0, workload.scenario.window_ns().max(last) as f64);
    let label = |ns: f64| (ns, if ns == 0.0 { "0".to_owned() } else { units::time(ns) });
    let ticks = x.ticks(5).into_iter().map(label).collect();
    (x, ticks)
}

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
    let (x, x_ticks) = time_axis(workload, moments());
    let y_ticks: Vec<_> = y.ticks(5).into_iter().map(|ns| (ns, units::time(ns))).collect();
    let mut canvas = Canvas::new((x, &x_ticks, TIME), (y, &y_ticks, &format!("response {name}")));
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

/// Threads of the servers at the end of each slice, the median of the rounds.
pub(crate) fn threads(workload: &Workload, series_of: impl Fn(&str) -> usize, id: &str) -> Drawn {
    let of = |cell: &Cell| -> Vec<(f64, f64)> {
        let moments = cell.merged.iter().flat_map(|merged| &merged.moments);
        moments.filter_map(|moment| Some((moment.at_ns as f64, moment.threads?))).collect()
    };
    let lines: Vec<(&Cell, Vec<(f64, f64)>)> =
        workload.cells.iter().map(|cell| (cell, of(cell))).filter(|(_, points)| !points.is_empty()).collect();
    let y = Axis::from_zero(lines.iter().flat_map(|(_, points)| points).map(|(_, threads)| *threads))
        .ok_or("The threads of no server were read over the window.")?;
    let moments =
        workload.cells.iter().filter_map(|cell| cell.merged.as_ref()).flat_map(|merged| &merged.moments);
    let (x, x_ticks) = time_axis(workload, moments);
    let count = |threads: f64| units::grouped(threads.round() as u64);
    let y_ticks: Vec<_> = y.ticks(5).into_iter().map(|threads| (threads, count(threads))).collect();
    let mut canvas = Canvas::new((x, &x_ticks, TIME), (y, &y_ticks, "threads"));
    let mut rows = Vec::new();
    for (cell, points) in &lines {
        canvas.series(series_of(&cell.model), points, 3);
        rows.extend(
            points.iter().map(|(at, threads)| vec![cell.model.clone(), units::time(*at), count(*threads)]),
        );
    }
    let title = "Threads over the window".to_owned();
    let description = format!(
        "Threads of the server over the window under {}: one line for each model.",
        workload.scenario.name
    );
    Ok(Plot {
        svg: canvas.finish(id, &format!("{title}, {}", workload.scenario.name), &description),
        title,
        caption: "Threads of the server at the end of each slice, the median of the rounds. The area under a line is what the \
                  model paid in thread-seconds; servers of several processes are not here."
            .to_owned(),
        key: &[],
        columns: ["model", "at", "threads"].map(str::to_owned).to_vec(),
        rows,
    })
}
