//! The curve of one model along an axis: throughput and response time with their intervals, the knee, the fitted law.

use super::knee::{self, Knee};
use super::queue::{self, Queue};
use super::resample::Grid;
use super::usl::{self, Usl};
use super::{grid, rounds_of, value};
use crate::record::{Axis, Metric};
use crate::rules::workload::Workload;
use crate::stats::estimate::Estimate;
use crate::stats::random::Random;

/// What a model did at one value of the axis.
#[derive(Clone, Debug, PartialEq)]
pub struct At {
    /// The value.
    pub value: f64,
    /// Valid rounds.
    pub rounds: usize,
    /// Replies per second.
    pub throughput: Option<Estimate>,
    /// Median response time in nanoseconds.
    pub p50: Option<Estimate>,
    /// 99th percentile of response time in nanoseconds.
    pub p99: Option<Estimate>,
    /// CPU time of the server for each reply in nanoseconds.
    pub cpu: Option<Estimate>,
}

/// The law fitted to a curve.
#[derive(Clone, Debug, PartialEq)]
pub enum Fit {
    /// Throughput over clients, or over cores.
    Usl(Usl),
    /// Response time over the rate.
    Queue(Queue),
    /// None, for this reason.
    None(String),
}

/// A model along an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// The model.
    pub model: String,
    /// Its points, by ascending value.
    pub points: Vec<At>,
    /// Where more load begins to cost more than it brings.
    pub knee: Knee,
    /// The law.
    pub fit: Fit,
}

pub(super) fn curve(model: &str, axis: Axis, points: &[Workload], seed: u64) -> Curve {
    let rounds = rounds_of(points);
    let values: Vec<f64> = points.iter().map(value).collect();
    let of = |metric| grid(model, points, &rounds, |round| round.value(metric));
    let throughput = of(Metric::Throughput);
    let at = |point: &Workload| {
        let estimate = |metric| point.cell(model)?.estimate(metric);
        At {
            value: value(point),
            rounds: point.cell(model).map_or(0, |cell| cell.rounds.len()),
            throughput: estimate(Metric::Throughput),
            p50: estimate(Metric::ResponseP50),
            p99: estimate(Metric::ResponseP99),
            cpu: estimate(Metric::CpuPerRequest),
        }
    };
    let names = [points[0].scenario.name.as_str(), model];
    let points: Vec<At> = points.iter().map(at).collect();
    let (percentile, response) =
        if enough(&points) { (0.99, of(Metric::ResponseP99)) } else { (0.5, of(Metric::ResponseP50)) };
    let knee = match axis {
        Axis::Idle => Knee::Untold("idle connections are no load".to_owned()),
        Axis::Cores => Knee::Untold("cores are no load".to_owned()),
        Axis::Room => Knee::Untold("messages are said as often in a larger room".to_owned()),
        Axis::Clients | Axis::Rate => {
            let power = power(&throughput, &response);
            // A search tries few rates with each model, and most of them once.
            let tried: Vec<usize> = (0..values.len()).filter(|at| points[*at].rounds > 0).collect();
            let kept = |grid: &Grid| tried.iter().map(|at| grid[*at].clone()).collect::<Grid>();
            let values: Vec<f64> = tried.iter().map(|at| values[*at]).collect();
            let mut random = Random::named(seed, &["knee", names[0], names[1]]);
            knee::knee(&values, &kept(&power), &mut random)
        }
    };
    Curve { model: model.to_owned(), fit: fit(axis, &points, percentile), points, knee }
}

/// Whether most points have requests enough for a p99.
pub(crate) fn enough(points: &[At]) -> bool {
    let of = |has: fn(&At) -> bool| points.iter().filter(|at| has(at)).count();
    2 * of(|at| at.p99.is_some()) >= of(|at| at.p50.is_some())
}

/// Throughput over response time, 0 where nothing was answered in time.
fn power(throughput: &Grid, response: &Grid) -> Grid {
    let rows = throughput.iter().zip(response);
    let both = |(rates, times): (&Vec<Option<f64>>, &Vec<Option<f64>>)| {
        rates.iter().zip(times).map(|(rate, ns)| Some((*rate)? / (*ns)?.max(1.0))).collect()
    };
    rows.map(both).collect()
}

fn fit(axis: Axis, points: &[At], percentile: f64) -> Fit {
    match axis {
        Axis::Clients | Axis::Cores => {
            let points: Vec<(f64, f64)> =
                points.iter().filter_map(|at| Some((at.value, at.throughput?.median))).collect();
            usl::fit(&points).map_or_else(Fit::None, Fit::Usl)
        }
        Axis::Rate => {
            let response = |at: &At| if percentile == 0.99 { at.p99 } else { at.p50 };
            let points: Vec<queue::At> = points
                .iter()
                .filter_map(|at| {
                    let (back_per_s, response_ns) = (at.throughput?.median, response(at)?.median);
                    Some(queue::At { rate_per_s: at.value, back_per_s, response_ns })
                })
                .collect();
            queue::fit(&points, percentile).map_or_else(Fit::None, Fit::Queue)
        }
        Axis::Idle => Fit::None("there is no law of idle connections".to_owned()),
        Axis::Room => Fit::None("there is no law of rooms".to_owned()),
    }
}

impl Fit {
    /// The fitted figure at a value of the axis: replies per second, or nanoseconds; infinite beyond a queue's capacity.
    pub fn at(&self, value: f64) -> Option<f64> {
        match self {
            Self::None(_) => None,
            Self::Usl(usl) => Some(usl.at(value)),
            Self::Queue(queue) => Some(queue.at(value)),
        }
    }
}
