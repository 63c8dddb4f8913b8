//! The curves beside a run: a workload along its rate or its clients, coarse, from a block at each point. They are drawn; no verdict
//! is wanted on a point.

use super::axis::Values;
use super::derive::{self, Times};
use super::load::Load;
use super::scenario::Scenario;
use bakeoff_reports::record::{Axis, RateShape};

/// The points of an open workload, as multiples of its own rate. At its own it is measured anyway, and a report puts these figures
/// among the points.
const RATES: [f64; 3] = [0.25, 2.0, 3.0];

/// The points of a closed one, as multiples of its clients: fewer, because a pool with a worker for each of its own would starve more.
const CLIENTS: [f64; 3] = [1.0 / 64.0, 1.0 / 8.0, 1.0 / 2.0];

/// The points of the curve of a workload; none where a curve would say nothing: requests that kill, a load that changes by itself,
/// or memory that is held.
///
/// # Errors
/// A point that the workload cannot take, as its file would be refused.
pub fn points(base: &Scenario, times: Times) -> Result<Vec<Scenario>, String> {
    let times_own = |own: f64, factors: [f64; 3]| {
        let mut values = factors.map(|factor| (own * factor).max(1.0).round()).to_vec();
        values.dedup();
        values
    };
    let values = match &base.load {
        Load::Open { rate_per_s, shape: RateShape::Steady, .. } => {
            Values { axis: Axis::Rate, values: times_own(*rate_per_s, RATES) }
        }
        Load::Closed { clients, .. } => {
            Values { axis: Axis::Clients, values: times_own(f64::from(*clients), CLIENTS) }
        }
        Load::Open { .. } | Load::Churn { .. } | Load::Pipelined { .. } => return Ok(Vec::new()),
    };
    let models = base.contestants_by_default();
    let plain = |point: Scenario| Scenario {
        // A model against its own tunings is a question of the workload itself.
        models: Some(models.iter().filter(|one| !base.also.contains(one)).cloned().collect()),
        also: Vec::new(),
        ..point
    };
    Ok(derive::points(base, &values, times)?.into_iter().map(plain).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_and_a_closed_workload_have_a_curve_and_a_surge_has_none() {
        let of = |name| {
            let base = Scenario::built_in(name).expect("built in");
            let points = points(&base, Times::default()).expect("points");
            points
                .iter()
                .filter_map(|point| point.sweep.as_ref().map(|place| place.value))
                .collect::<Vec<_>>()
        };
        assert_eq!(of("small-echo-closed"), [1.0, 8.0, 32.0]);
        assert_eq!(of("small-echo-open"), [5_000.0, 40_000.0, 60_000.0]);
        assert!(of("overload").is_empty() && of("churn").is_empty());
    }
}
