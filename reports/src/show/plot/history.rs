//! A figure over the runs of a history: the ratio to its reference run by run, its levels, and where they change.

use super::axis::Axis;
use super::canvas::Canvas;
use super::picture::{Drawn, Plot};
use crate::ask::history::{History, Sample, Series, divisive};
use crate::show::units;
use crate::show::words::history as words;
use crate::stats::estimate::Estimate;

/// The colour and marker of the runs, and those of the levels.
const RUNS: usize = 2;
const LEVELS: usize = 7;

/// Runs that are drawn, the newest: those that are tested. More would lie on top of each other.
const MOST_RUNS: usize = divisive::LONGEST;

/// Words at rules that stand above one another before they begin again at the bottom.
const STACKED: usize = 3;

/// The picture of a series; `id` must be unique in the page.
pub(crate) fn history(history: &History, series: &Series, id: &str) -> Drawn {
    let figure = |sample: &Sample| match series.key.reference {
        Some(_) => sample.ratio.filter(|_| sample.comparable().is_some()),
        None => Some(sample.value).filter(|value| value.median.is_finite()),
    };
    let from = series.samples.len().saturating_sub(MOST_RUNS);
    let shown: Vec<(usize, Estimate)> = series
        .samples
        .iter()
        .enumerate()
        .skip(from)
        .filter_map(|(at, sample)| Some((at, figure(sample)?)))
        .collect();
    let (x, y) = axes(series, from, &shown).ok_or("no run has a finite figure.")?;
    let names: Vec<_> = x
        .ticks(4)
        .into_iter()
        .filter(|at| at.fract() == 0.0)
        .filter_map(|at| Some((at, tick(history, series.samples.get(at as usize)?))))
        .collect();
    let amount = |value: f64| match series.key.reference {
        Some(_) => units::quantity(value),
        None => series.key.figure.show(value),
    };
    let y_ticks: Vec<_> = y.ticks(5).into_iter().map(|value| (value, amount(value))).collect();
    let across = "runs, the oldest at the left";
    let up = match series.key.reference.as_deref() {
        Some(name) => format!("{} / {}", series.key.figure.label(), words::reference(name)),
        None => series.key.figure.label().to_owned(),
    };
    let mut canvas = Canvas::new((x, &names, across), (y, &y_ticks, &up));
    let whiskers: Vec<_> = shown
        .iter()
        .filter(|(_, value)| value.low.is_finite() && value.high.is_finite())
        .map(|(at, value)| (*at as f64, value.low, value.high))
        .collect();
    canvas.whiskers(0, &whiskers);
    levels(&mut canvas, series, from);
    canvas.points(RUNS, &shown.iter().map(|(at, value)| (*at as f64, value.median)).collect::<Vec<_>>());
    let title = words::series(history, series);
    let description = format!("{title}, under {}: {}.", series.key.scenario, summary(history, series));
    Ok(Plot {
        svg: canvas.finish(id, &format!("{title}, {}", series.key.scenario), &description),
        title,
        caption: format!("{}; {}.", words::direction(series), summary(history, series)),
        key: &[],
        columns: ["run", "began", series.key.figure.label(), "ratio", "95 % interval"]
            .map(str::to_owned)
            .to_vec(),
        rows: series.samples.iter().rev().map(|sample| row(history, series, sample)).collect(),
    })
}

fn axes(series: &Series, from: usize, shown: &[(usize, Estimate)]) -> Option<(Axis, Axis)> {
    let ends =
        || shown.iter().flat_map(|(_, one)| [one.median, one.low, one.high]).filter(|end| end.is_finite());
    let (low, high) =
        ends().fold((f64::INFINITY, 0.0), |(low, high), end| (f64::min(low, end), f64::max(high, end)));
    if !low.is_finite() {
        return None;
    }
    // A range of a twentieth at least, so that noise does not fill the picture.
    let room = (high - low).mul_add(0.08, (0.05 * high - (high - low)).max(0.0) / 2.0);
    // The words at the rules stand below the marks.
    let words = (high - low + 2.0 * room) * 0.09 * series.changes.len().min(STACKED) as f64;
    let last = series.samples.len() as f64 - 0.5;
    Some((Axis::exactly(from as f64 - 0.5, last), Axis::exactly((low - room - words).max(0.0), high + room)))
}

/// A run under the axis: its commit, or its day.
fn tick(history: &History, sample: &Sample) -> String {
    let entry = &history.entries[sample.entry];
    match &entry.commit {
        Some(commit) => commit.chars().take(7).collect(),
        None => units::moment(entry.started_unix_ms).chars().take(10).collect(),
    }
}

/// The level of each stretch as a line, and a rule where one ends.
fn levels(canvas: &mut Canvas, series: &Series, from: usize) {
    let Some(first) = series.changes.first() else { return };
    let ends: Vec<usize> =
        series.changes.iter().map(|change| change.at).chain([series.samples.len()]).collect();
    let mut level = |begin: usize, end: usize, ratio: f64| {
        if end > from {
            canvas.fitted(LEVELS, &[(begin.max(from) as f64 - 0.5, ratio), (end as f64 - 0.5, ratio)]);
        }
    };
    level(0, first.at, first.before);
    for (nth, change) in series.changes.iter().enumerate() {
        level(change.at, ends[nth + 1], change.after);
    }
    for (nth, change) in series.changes.iter().enumerate().filter(|(_, change)| change.at > from) {
        canvas.rule_up((nth % STACKED) as i32, change.at as f64 - 0.5, &words::extent(series, change));
    }
}

fn summary(history: &History, series: &Series) -> String {
    let runs = units::plural(series.samples.len() as u64, "run");
    let changes: Vec<String> = series
        .changes
        .iter()
        .map(|change| {
            let first = &history.entries[series.samples[change.at].entry];
            format!("{} since {}", words::extent(series, change), words::run(first))
        })
        .collect();
    match (&series.untested, changes.is_empty()) {
        (Some(why), _) => format!("{runs}, no change point looked for: {why}"),
        (None, true) => format!("{runs}, no change point"),
        (None, false) => format!("{runs}, {}", changes.join(", ")),
    }
}

fn row(history: &History, series: &Series, sample: &Sample) -> Vec<String> {
    let entry = &history.entries[sample.entry];
    let (ratio, interval) = match sample.ratio {
        Some(ratio) => (units::factor(ratio.median), units::interval(ratio.low, ratio.high)),
        None => ("none".to_owned(), "none".to_owned()),
    };
    vec![
        words::commit(entry),
        units::moment(entry.started_unix_ms),
        series.key.figure.show(sample.value.median),
        ratio,
        interval,
    ]
}
