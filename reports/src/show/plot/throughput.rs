//! Throughput against latency: a point for each round of each model, so that the spread is seen and not averaged away.

use super::axis::Axis;
use super::canvas::Canvas;
use super::picture::{Drawn, Plot};
use crate::cells::cell::RoundFigures;
use crate::record::Metric;
use crate::rules::workload::Workload;
use crate::show::units;

/// A point for each round and model: replies per second across, response time up.
///
/// `limits` are rates that no model can exceed, each with a word or two; those near enough are drawn in.
pub(crate) fn throughput_latency(
    workload: &Workload,
    limits: &[(f64, &str)],
    series_of: impl Fn(&str) -> usize,
    id: &str,
) -> Drawn {
    let rounds = || workload.cells.iter().flat_map(|cell| &cell.rounds);
    let enough = rounds().filter(|round| round.value(Metric::ResponseP99).is_some()).count();
    // p99 where the rounds have requests enough for it, else the median.
    let p99 = 2 * enough >= rounds().count();
    let metric = if p99 { Metric::ResponseP99 } else { Metric::ResponseP50 };
    let (name, latency) = (metric.label(), |round: &RoundFigures| round.value(metric));
    let rate = |round: &RoundFigures| round.value(Metric::Throughput).unwrap_or(0.0);
    let objective = workload.scenario.objective_ns.map(|ns| ns as f64);
    let figures = rounds().filter_map(latency);
    let y = Axis::logarithmic(figures.clone()).ok_or("No round answered enough requests for a point.")?;
    let y = objective.and_then(|ns| Axis::logarithmic(figures.chain([ns]))).unwrap_or(y);
    let fastest = rounds().map(rate).fold(0.0, f64::max);
    // A limit far beyond every mark would press the marks together.
    let near = |per_s: f64| per_s <= 2.0 * fastest;
    let limits: Vec<(f64, &str)> = limits.iter().copied().filter(|(per_s, _)| near(*per_s)).collect();
    let x = rounds().map(rate).chain(limits.iter().map(|limit| limit.0));
    let x = Axis::from_zero(x).ok_or("No round was valid.")?;
    let x_ticks: Vec<_> = x.ticks(5).into_iter().map(|rate| (rate, units::rate(rate))).collect();
    let y_ticks: Vec<_> = y.ticks(5).into_iter().map(|ns| (ns, units::time(ns))).collect();
    let mut canvas = Canvas::new((x, &x_ticks, "replies per second"), (y, &y_ticks, name));
    if let Some(ns) = objective {
        canvas.rule_across(ns, &format!("objective {}", units::time(ns)));
    }
    for (nth, (per_s, name)) in limits.iter().enumerate() {
        canvas.rule_up(nth as i32, *per_s, name);
    }
    let mut rows = Vec::new();
    let mut never = false;
    for cell in &workload.cells {
        let points: Vec<(f64, f64)> =
            cell.rounds.iter().filter_map(|round| Some((rate(round), latency(round)?))).collect();
        never |= points.iter().any(|(_, ns)| ns.is_infinite());
        canvas.points(series_of(&cell.model), &points);
        rows.extend(cell.rounds.iter().map(|round| {
            let latency = latency(round).map_or_else(|| "too few requests".to_owned(), units::time);
            vec![
                cell.model.clone(),
                (u64::from(round.round) + 1).to_string(),
                units::rate(rate(round)),
                latency,
            ]
        }));
    }
    if never {
        canvas.label_never();
    }
    let title = "Throughput and latency, round by round".to_owned();
    let description = format!("Throughput against {name} under {}.", workload.scenario.name);
    Ok(Plot {
        svg: canvas.finish(id, &format!("{title}, {}", workload.scenario.name), &description),
        title,
        caption: "Each mark is one round of one model; right and low is better. Marks that spread together, along a \
                  line, are the machine's drift, which the paired comparison removes."
            .to_owned(),
        key: &[],
        columns: ["model", "round", "throughput", name].map(str::to_owned).to_vec(),
        rows,
    })
}
