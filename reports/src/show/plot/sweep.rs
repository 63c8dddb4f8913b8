//! The pictures of a sweep: throughput and response time along the axis with the fitted law, response time over throughput
//! with the knee and the objective, and capacities with their intervals.

use super::axis::Axis;
use super::canvas::Canvas;
use super::picture::{Drawn, Plot};
use crate::record;
use crate::rules::sweep::capacity::Found;
use crate::rules::sweep::{At, Curve, Fit, Knee, Sweep, enough};
use crate::show::units;
use crate::show::words::capital;
use crate::stats::estimate::Estimate;

/// Points of a fitted line.
const FIT_POINTS: u32 = 60;

/// Which percentile of the response time a sweep can show, with its name.
fn response(sweep: &Sweep) -> (&'static str, fn(&At) -> Option<Estimate>) {
    let full = sweep.curves.iter().filter(|curve| enough(&curve.points)).count();
    if 2 * full >= sweep.curves.len() { ("p99", |at| at.p99) } else { ("p50", |at| at.p50) }
}

/// The axis that was swept, with its ticks and name.
fn across(sweep: &Sweep) -> Option<(Axis, Vec<(f64, String)>)> {
    let values = || sweep.curves.iter().flat_map(|curve| &curve.points).map(|at| at.value);
    let axis = match sweep.axis {
        record::Axis::Idle => Axis::from_zero(values()),
        record::Axis::Clients | record::Axis::Rate | record::Axis::Cores | record::Axis::Room => {
            Axis::logarithmic(values())
        }
    }?;
    Some((axis, axis.ticks(6).into_iter().map(|at| (at, sweep.axis.bare(at))).collect()))
}

/// Replies per second along the axis, with the law where it is one of throughput.
pub(crate) fn throughput_along(sweep: &Sweep, series_of: impl Fn(&str) -> usize, id: &str) -> Drawn {
    along(sweep, series_of, id, ("throughput", "replies per second"), |at| at.throughput, units::rate)
}

/// CPU time of the server for each reply along the axis.
pub(crate) fn cpu_along(sweep: &Sweep, series_of: impl Fn(&str) -> usize, id: &str) -> Drawn {
    let name = "server CPU per request";
    along(sweep, series_of, id, (name, name), |at| at.cpu, units::time)
}

/// A percentile of the response time along the axis, with the law where it is one of that.
pub(crate) fn response_along(sweep: &Sweep, series_of: impl Fn(&str) -> usize, id: &str) -> Drawn {
    let (name, of) = response(sweep);
    let name = format!("response {name}");
    along(sweep, series_of, id, (&name, &name), of, units::time)
}

fn along(
    sweep: &Sweep,
    series_of: impl Fn(&str) -> usize,
    id: &str,
    (name, unit): (&str, &str),
    of: impl Fn(&At) -> Option<Estimate>,
    show: fn(f64) -> String,
) -> Drawn {
    let (x, x_ticks) = across(sweep).ok_or("The sweep has no point.")?;
    let all = || sweep.curves.iter().flat_map(|curve| &curve.points).filter_map(&of);
    let y = Axis::logarithmic(all().flat_map(|estimate| [estimate.low, estimate.median, estimate.high]))
        .ok_or("No point has a figure.")?;
    let y_ticks: Vec<_> = y.ticks(5).into_iter().map(|at| (at, show(at))).collect();
    let mut canvas = Canvas::new((x, &x_ticks, sweep.axis.label()), (y, &y_ticks, unit));
    let lawful = |fit: &Fit| match fit {
        Fit::Usl(_) => name == "throughput",
        Fit::Queue(queue) => name == format!("response {}", units::percentile(queue.percentile)),
        Fit::None(_) => false,
    };
    for curve in &sweep.curves {
        let series = series_of(&curve.model);
        if lawful(&curve.fit) {
            canvas.fitted(series, &fitted(curve, &of));
        }
        let points: Vec<(f64, Estimate)> =
            curve.points.iter().filter_map(|at| Some((at.value, of(at)?))).collect();
        canvas.whiskers(series, &points.iter().map(|(x, e)| (*x, e.low, e.high)).collect::<Vec<_>>());
        canvas.series(series, &points.iter().map(|(x, e)| (*x, e.median)).collect::<Vec<_>>(), 1);
    }
    if let Some(objective) = sweep.capacity.as_ref().map(|one| &one.objective)
        && name == format!("response {}", units::percentile(objective.percentile))
    {
        canvas.rule_across(objective.limit_ns as f64, "objective");
    }
    if all().any(|estimate| estimate.high.is_infinite()) {
        canvas.label_never();
    }
    let law =
        if sweep.curves.iter().any(|curve| lawful(&curve.fit)) { " Dotted: the fitted law." } else { "" };
    let title = format!("{} over {}", capital(name), sweep.axis.label());
    Ok(Plot {
        key: &[],
        svg: canvas.finish(
            id,
            &format!("{title}, {}", sweep.of),
            &format!("{title}: one line for each model."),
        ),
        title,
        caption: format!("Marks are medians over rounds, upright lines their intervals.{law}"),
        columns: ["model", sweep.axis.label(), name, "interval", "rounds"].map(str::to_owned).to_vec(),
        rows: rows(sweep, |at| {
            let estimate = of(at)?;
            Some(vec![show(estimate.median), between(estimate, show), at.rounds.to_string()])
        }),
    })
}

/// The law where the curve was measured, and no further up than a little above what was measured.
fn fitted(curve: &Curve, of: &impl Fn(&At) -> Option<Estimate>) -> Vec<(f64, f64)> {
    let values = || curve.points.iter().filter(|at| of(at).is_some()).map(|at| at.value);
    let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
    let most =
        curve.points.iter().filter_map(of).map(|e| e.median).filter(|e| e.is_finite()).fold(0.0, f64::max);
    let at = |step: u32| low * (high / low).powf(f64::from(step) / f64::from(FIT_POINTS));
    (0..=FIT_POINTS)
        .map(at)
        .filter_map(|value| Some((value, curve.fit.at(value)?)))
        .take_while(|(_, figure)| *figure <= most * 1.3)
        .collect()
}

/// Response time over throughput, point after point along the axis, with the knee and the objective.
pub(crate) fn throughput_response(sweep: &Sweep, series_of: impl Fn(&str) -> usize, id: &str) -> Drawn {
    let (name, of) = response(sweep);
    let points = |curve: &Curve| -> Vec<(f64, f64, f64)> {
        let one = |at: &At| Some((at.value, at.throughput?.median, of(at)?.median));
        curve.points.iter().filter_map(one).filter(|(_, rate, _)| *rate > 0.0).collect()
    };
    let all: Vec<(f64, f64, f64)> = sweep.curves.iter().flat_map(points).collect();
    let x = Axis::logarithmic(all.iter().map(|(_, rate, _)| *rate)).ok_or("No point has a throughput.")?;
    let y = Axis::logarithmic(all.iter().map(|(.., ns)| *ns)).ok_or("No point has a response time.")?;
    let x_ticks: Vec<_> = x.ticks(5).into_iter().map(|rate| (rate, units::rate(rate))).collect();
    let y_ticks: Vec<_> = y.ticks(5).into_iter().map(|ns| (ns, units::time(ns))).collect();
    let mut canvas =
        Canvas::new((x, &x_ticks, "replies per second"), (y, &y_ticks, &format!("response {name}")));
    for curve in &sweep.curves {
        let (series, points) = (series_of(&curve.model), points(curve));
        canvas.series(series, &points.iter().map(|(_, rate, ns)| (*rate, *ns)).collect::<Vec<_>>(), 1);
        if let Some(at) = knee(curve, &points) {
            canvas.ring(series, at);
        }
    }
    if let Some(objective) = sweep.capacity.as_ref().map(|one| &one.objective)
        && units::percentile(objective.percentile) == name
    {
        canvas.rule_across(objective.limit_ns as f64, "objective");
    }
    if all.iter().any(|(.., ns)| ns.is_infinite()) {
        canvas.label_never();
    }
    let title = "Throughput and response time".to_owned();
    Ok(Plot {
        key: &[],
        svg: canvas.finish(
            id,
            &format!("{title}, {}", sweep.of),
            &format!(
                "Response {name} over throughput, one line for each model along {}.",
                sweep.axis.label()
            ),
        ),
        title,
        caption: format!(
            "Each line follows one model along {}; right and low is better. A ring marks the knee, where throughput over \
             response time is largest.",
            sweep.axis.label()
        ),
        columns: ["model", sweep.axis.label(), "throughput", &format!("response {name}")]
            .map(str::to_owned)
            .to_vec(),
        rows: rows(sweep, |at| Some(vec![units::rate(at.throughput?.median), units::time(of(at)?.median)])),
    })
}

/// Where the knee lies on the line of points (value, across, up): between its neighbours, by logarithms.
fn knee(curve: &Curve, points: &[(f64, f64, f64)]) -> Option<(f64, f64)> {
    let Knee::At { value, .. } = curve.knee else { return None };
    let pair = points.windows(2).find(|pair| pair[0].0 <= value && value <= pair[1].0)?;
    let part = (value / pair[0].0).ln() / (pair[1].0 / pair[0].0).ln();
    let between = |from: f64, to: f64| from * (to / from).powf(part);
    let at = (between(pair[0].1, pair[1].1), between(pair[0].2, pair[1].2));
    (at.0.is_finite() && at.1.is_finite()).then_some(at)
}

/// Capacities as bars, the largest on top.
pub(crate) fn capacities(sweep: &Sweep, series_of: impl Fn(&str) -> usize, id: &str) -> Drawn {
    let capacities = sweep.capacity.as_ref().ok_or("The sweep has no objective.")?;
    let bars: Vec<(&str, f64, f64, f64)> = capacities
        .models
        .iter()
        .filter_map(|one| match one.found {
            Found::At { value, low, high } => {
                let top = one.tried.last().map_or(value, |(last, ..)| *last);
                Some((one.model.as_str(), value, low.max(0.0), high.min(top.max(value))))
            }
            Found::AtLeast { value, .. } => Some((&one.model, value, value, value)),
            Found::Below { .. } | Found::Unknown { .. } => None,
        })
        .collect();
    let x = Axis::from_zero(bars.iter().map(|(.., high)| *high)).ok_or("No model has a capacity.")?;
    let x_ticks: Vec<_> = x.ticks(4).into_iter().map(|value| (value, capacities.axis.bare(value))).collect();
    let count = bars.len() as f64;
    let mut canvas =
        Canvas::new((x, &x_ticks, capacities.axis.label()), (Axis::exactly(0.0, count), &[], ""));
    for (at, (model, rate, low, high)) in bars.iter().enumerate() {
        let half = (0.9 / count).min(0.18);
        let y = count - at as f64 - 1.0 + half * 1.5;
        canvas.bar(series_of(model), (y, half), *rate, (*low, *high), model);
    }
    let title = "Capacity".to_owned();
    let of = crate::show::words::sweep::objective(&capacities.objective);
    let most = capital(capacities.axis.most());
    Ok(Plot {
        key: &[],
        svg: canvas.finish(
            id,
            &format!("{title}, {}", sweep.of),
            &format!("{most} with a {of}, one bar for each model."),
        ),
        title,
        caption: format!("{most} with a {of}; the fine line is the interval."),
        columns: ["model", "capacity", "trials"].map(str::to_owned).to_vec(),
        rows: capacities
            .models
            .iter()
            .map(|one| {
                let trials: usize = one.tried.iter().map(|(_, trials, _)| trials).sum();
                vec![one.model.clone(), one.brief(capacities.axis), trials.to_string()]
            })
            .collect(),
    })
}

fn rows(sweep: &Sweep, cells: impl Fn(&At) -> Option<Vec<String>>) -> Vec<Vec<String>> {
    let row = |curve: &Curve, at: &At| {
        let mut row = vec![curve.model.clone(), sweep.axis.bare(at.value)];
        row.extend(cells(at)?);
        Some(row)
    };
    sweep.curves.iter().flat_map(|curve| curve.points.iter().filter_map(move |at| row(curve, at))).collect()
}

fn between(estimate: Estimate, show: fn(f64) -> String) -> String {
    format!("{} to {}", show(estimate.low), show(estimate.high))
}
