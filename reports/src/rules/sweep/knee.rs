//! The knee of a curve: where more load begins to cost more in response time than it brings in throughput.
//!
//! # Definition
//! The power of a point is its throughput over its response time at the 99th percentile (the median, where a round has too
//! few requests for a p99). The knee is where power is largest: there a ray from the origin touches the curve of response time
//! over throughput, and one more per cent of throughput costs one more per cent of response time. Source: Kleinrock, Power
//! and deterministic rules of thumb for probabilistic problems in computer communications, ICC 1979. It needs no sensitivity
//! to be chosen; for M/M/1 it lies at half the capacity, for a queue without chance at the whole capacity.
//!
//! Between points it is the vertex of the parabola through the largest point and its neighbours, in logarithms. Its interval
//! is a bootstrap over rounds. When the largest power is at an end of the range in more than one resample in twenty, the range
//! holds no knee that could be shown.

use super::resample::{Grid, ends, median_of, over_rounds};
use crate::stats::bootstrap::{CONFIDENCE, MIN_ROUNDS};
use crate::stats::random::Random;

/// Where the knee of a curve is.
#[derive(Clone, Debug, PartialEq)]
pub enum Knee {
    /// Inside the range.
    At {
        /// The value on the axis.
        value: f64,
        /// Lower end of its interval.
        low: f64,
        /// Upper end of its interval.
        high: f64,
    },
    /// Power falls from the first point on: the knee is there or below.
    Before(f64),
    /// Power still rises at the last point: the knee is there or above.
    Beyond(f64),
    /// It cannot be told, for this reason.
    Untold(String),
}

/// The knee over the points `values` (ascending) of which `power` holds throughput over response time in every round.
pub(crate) fn knee(values: &[f64], power: &Grid, random: &mut Random) -> Knee {
    let rounds = power.first().map_or(0, Vec::len);
    if values.len() < 3 {
        return Knee::Untold("it takes three points".to_owned());
    }
    let fewest = power.iter().map(|point| point.iter().flatten().count()).min().unwrap_or(0);
    if fewest < MIN_ROUNDS {
        return Knee::Untold(format!(
            "it takes {MIN_ROUNDS} valid rounds at every point, and one has {fewest}"
        ));
    }
    let all: Vec<usize> = (0..rounds).collect();
    let Some(top) = top(values, power, &all) else {
        return Knee::Untold("no point has both a throughput and a response time".to_owned());
    };
    let tops: Vec<Top> = over_rounds(rounds, random, |drawn, _| self::top(values, power, drawn))
        .into_iter()
        .flatten()
        .collect();
    let share = |wanted: fn(&Top) -> bool| {
        tops.iter().filter(|top| wanted(top)).count() as f64 / tops.len().max(1) as f64
    };
    let (first, last) = (values[0], values[values.len() - 1]);
    let inside: Vec<f64> = tops
        .iter()
        .filter_map(|top| if let Top::Inside(value) = top { Some(*value) } else { None })
        .collect();
    match top {
        Top::First => Knee::Before(first),
        Top::Last => Knee::Beyond(last),
        Top::Inside(value) if inside.len() as f64 >= CONFIDENCE * tops.len() as f64 => {
            let (low, high) = ends(inside).unwrap_or((value, value));
            Knee::At { value, low: low.min(value), high: high.max(value) }
        }
        Top::Inside(_) if share(|top| matches!(top, Top::First)) > share(|top| matches!(top, Top::Last)) => {
            Knee::Before(first)
        }
        Top::Inside(_) => Knee::Beyond(last),
    }
}

/// Where power is largest.
#[derive(Clone, Copy, Debug)]
enum Top {
    First,
    Inside(f64),
    Last,
}

fn top(values: &[f64], power: &Grid, drawn: &[usize]) -> Option<Top> {
    let medians: Vec<Option<f64>> =
        power.iter().map(|point| median_of(point, drawn).filter(|power| *power > 0.0)).collect();
    let of = |at: usize| medians[at].unwrap_or(0.0);
    let at =
        (0..values.len()).filter(|at| medians[*at].is_some()).max_by(|a, b| of(*a).total_cmp(&of(*b)))?;
    if at == 0 {
        return Some(Top::First);
    }
    if at + 1 == values.len() {
        return Some(Top::Last);
    }
    let x = |at: usize| values[at].ln();
    let (Some(before), Some(after)) = (medians[at - 1], medians[at + 1]) else {
        return Some(Top::Inside(values[at]));
    };
    Some(Top::Inside(vertex([(x(at - 1), before.ln()), (x(at), of(at).ln()), (x(at + 1), after.ln())]).exp()))
}

/// The vertex of the parabola through three points, the middle one the highest.
fn vertex([(x0, y0), (x1, y1), (x2, y2)]: [(f64, f64); 3]) -> f64 {
    let (left, right) = ((y1 - y0) / (x1 - x0), (y2 - y1) / (x2 - x1));
    let bend = left - right;
    // The slope falls from `left` at the middle of the first gap to `right` at that of the second.
    let (from, to) = ((x0 + x1) / 2.0, (x1 + x2) / 2.0);
    if bend > 0.0 { (from + (to - from) * left / bend).clamp(x0, x2) } else { x1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rates of 0.05 to 0.9 of the capacity, 14 of them, and M/M/1's p99 with noise of 5 % in every round.
    fn mm1(random: &mut Random, scale: f64) -> (Vec<f64>, Grid) {
        let values: Vec<f64> = (0..14).map(|at| scale * 0.05 * 18_f64.powf(f64::from(at) / 13.0)).collect();
        let power = values.iter().map(|rate| {
            let p99 = 100_f64.ln() / (scale - rate);
            (0..6).map(|_| Some(rate / p99 * (1.0 + 0.05 * random.normal()))).collect()
        });
        let power = power.collect();
        (values, power)
    }

    #[test]
    fn the_knee_of_mm1_lies_at_half_its_capacity() {
        // Power is rho (1 - rho): within 4 % of its maximum from rho = 0.4 to 0.6, so noise of 5 % moves the argmax by a
        // point or two. Over 40 simulated sweeps the median knee must be within 10 % of theory.
        let mut knees: Vec<f64> = (0..40)
            .filter_map(|seed| {
                let (values, power) = mm1(&mut Random::new(seed), 8_000.0);
                match knee(&values, &power, &mut Random::new(seed)) {
                    Knee::At { value, low, high } => {
                        assert!(low <= value && value <= high);
                        Some(value)
                    }
                    _ => None,
                }
            })
            .collect();
        assert!(knees.len() >= 38, "a knee inside the range: {} of 40", knees.len());
        let median = median_in_place(&mut knees).expect("some");
        assert!((median / 4_000.0 - 1.0).abs() < 0.1, "{median}");
    }

    use crate::stats::median_in_place;

    #[test]
    fn a_curve_that_only_rises_or_only_falls_has_no_knee_in_its_range() {
        let values = [1.0, 2.0, 4.0, 8.0];
        let power = |of: fn(f64) -> f64| values.iter().map(|v| vec![Some(of(*v)); 5]).collect::<Grid>();
        assert_eq!(knee(&values, &power(|v| v), &mut Random::new(1)), Knee::Beyond(8.0));
        assert_eq!(knee(&values, &power(|v| 1.0 / v), &mut Random::new(1)), Knee::Before(1.0));
        let never = knee(&values, &power(|_| 0.0), &mut Random::new(1));
        assert!(matches!(never, Knee::Untold(_)), "no point answers its p99: {never:?}");
        let few = knee(&values, &values.iter().map(|_| vec![Some(1.0); 3]).collect(), &mut Random::new(1));
        assert!(matches!(few, Knee::Untold(why) if why.contains("4 valid rounds")));
    }

    #[test]
    fn the_vertex_is_that_of_the_parabola() {
        let y = |x: f64| 3.0 - (x - 1.7).powi(2);
        assert!((vertex([(0.0, y(0.0)), (1.5, y(1.5)), (4.0, y(4.0))]) - 1.7).abs() < 1e-12);
    }
}
