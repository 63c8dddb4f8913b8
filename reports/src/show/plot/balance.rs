//! What came back and what failed over the window, before each balancer.

use super::axis::Axis;
use super::canvas::{Canvas, HPos};
use super::picture::{Drawn, Plot};
use crate::show::balance::{BalanceReport, Figures};
use crate::show::units;

/// Points of a line: several slices make one, so that chance in a slice of some milliseconds does not hide the course.
const POINTS: usize = 50;

/// What is counted by slice.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    Replies,
    Failures,
}

/// One of them per second over the window, a line for each trial.
pub(crate) fn balance(report: &BalanceReport, counted: Counted, id: &str) -> Drawn {
    let (what, title) = match counted {
        Counted::Replies => ("replies/s", "Replies over the window"),
        Counted::Failures => ("failures/s", "Failures over the window"),
    };
    let lines: Vec<(usize, Vec<(f64, f64)>)> = report
        .trials
        .iter()
        .enumerate()
        .filter_map(|(at, trial)| Some((at, per_second(trial.figures.value()?, counted))))
        .collect();
    let all = || lines.iter().flat_map(|(_, points)| points);
    if counted == Counted::Failures && all().all(|(_, rate)| *rate == 0.0) {
        return Err("no request failed.".to_owned());
    }
    let y = Axis::from_zero(all().map(|(_, rate)| *rate)).ok_or("no trial was measured.")?;
    let x = Axis::exactly(0.0, report.setup.window_ns as f64);
    let label = |ns: f64| (ns, if ns == 0.0 { "0".to_owned() } else { units::time(ns) });
    let x_ticks: Vec<_> = x.ticks(5).into_iter().map(label).collect();
    let y_ticks: Vec<_> = y.ticks(5).into_iter().map(|rate| (rate, units::rate(rate))).collect();
    let mut canvas = Canvas::new((x, &x_ticks, "time since the window began"), (y, &y_ticks, what));
    // The one to the left of its rule, the other to the right of it: however near, they stand apart.
    let events =
        [(report.setup.kill_at_ns, "killed", HPos::Right), (report.setup.back_at_ns, "back", HPos::Left)];
    for (at_ns, label, anchor) in events {
        if let Some(at_ns) = at_ns {
            canvas.event(at_ns as f64, label, anchor);
        }
    }
    let mut rows = Vec::new();
    for (at, points) in &lines {
        canvas.series(*at, points, 5);
        let trial = &report.trials[*at];
        let name = || format!("{}, {}", trial.name, trial.model);
        rows.extend(points.iter().map(|(ns, rate)| vec![name(), units::time(*ns), units::rate(*rate)]));
    }
    let description = format!("{what} in each of {POINTS} parts of the window: one line for each trial.");
    Ok(Plot {
        svg: canvas.finish(id, title, &description),
        title: title.to_owned(),
        caption: match counted {
            Counted::Replies => "By when they came. Where one server is asked directly, it is all there is.",
            Counted::Failures => "By when they were found out; of most failures that is at once.",
        }
        .to_owned(),
        key: &[],
        columns: ["trial", "at", what].map(str::to_owned).to_vec(),
        rows,
    })
}

/// Middle of a part of the window, and how many per second there.
fn per_second(figures: &Figures, counted: Counted) -> Vec<(f64, f64)> {
    let counts = match counted {
        Counted::Replies => &figures.completed_by_slice,
        Counted::Failures => &figures.failed_by_slice,
    };
    let slices = counts.len().div_ceil(POINTS).max(1);
    let slice_ns = figures.slice_ns.max(1) as f64;
    let part = |(at, part): (usize, &[u64])| {
        let length_ns = part.len() as f64 * slice_ns;
        let middle_ns = (at * slices) as f64 * slice_ns + length_ns / 2.0;
        (middle_ns, part.iter().sum::<u64>() as f64 * 1e9 / length_ns)
    };
    counts.chunks(slices).enumerate().map(part).collect()
}
