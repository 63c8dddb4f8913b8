//! The curves beside a run: a workload along its rate or its clients, coarse, from a block at each point. They are drawn; no verdict
//! is wanted on a point.

use super::axis::Values;
use super::derive::{self, Times};
use super::load::Load;
use super::scenario::Scenario;
use bakeoff_reports::record::{Axis, RateShape};

/// The points of an open workload, as multiples of its own rate. At its own a run that has the workload measures it anyway, and a
/// report puts these figures among the points.
const RATES: [f64; 4] = [0.25, OWN, 2.0, 3.0];

/// The points of a closed one, as multiples of its clients: fewer, because a pool with a worker for each of its own would starve more.
const CLIENTS: [f64; 4] = [1.0 / 64.0, 1.0 / 8.0, 1.0 / 2.0, OWN];

/// As the workload itself is.
const OWN: f64 = 1.0;

/// The points of the curve of a workload; none where a curve would say nothing: requests that kill, a load that changes by itself,
/// or memory that is held. Its own point is among them only where the workload is `not_run` beside its curve.
///
/// # Errors
/// A point that the workload cannot take, as its file would be refused.
pub fn points(base: &Scenario, times: Times, not_run: bool) -> Result<Vec<Scenario>, String> {
    let times_own = |own: f64, factors: [f64; 4]| {
        let factors = factors.into_iter().filter(|factor| not_run || *factor != OWN);
        let mut values: Vec<f64> = factors.map(|factor| (own * factor).max(1.0).round()).collect();
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
        let of = |name, not_run| {
            let base = Scenario::built_in(name).expect("built in");
            let points = points(&base, Times::default(), not_run).expect("points");
            points
                .iter()
                .filter_map(|point| point.sweep.as_ref().map(|place| place.value))
                .collect::<Vec<_>>()
        };
        assert_eq!(of("small-echo-closed", false), [1.0, 8.0, 32.0]);
        assert_eq!(of("small-echo-open", false), [5_000.0, 40_000.0, 60_000.0]);
        assert_eq!(of("small-echo-open", true), [5_000.0, 20_000.0, 40_000.0, 60_000.0]);
        assert!(of("overload", true).is_empty() && of("churn", true).is_empty());
    }
}
