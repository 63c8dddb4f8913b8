//! Whether the generator kept its schedule in open loop, by a yardstick that is the same for all models of a workload.
//!
//! Measured against a model's own response time, the same lateness would leave out the trials of a fast model and keep those
//! of a slow one. It must never look at what a server did to exclude a trial.

use super::{Judgement, Terms, quantile};
use crate::workload::load::DemandShape;
use crate::workload::scenario::Scenario;
use bakeoff_reports::metric::Group;
use bakeoff_reports::record::{Doubt, Invalid, Measured, Metric};
use bakeoff_reports::rules::probe::Bounds;
use bakeoff_servers::services::ServiceConfig;

/// The typical send must not be later than this share of the least typical response there can be, or the response time says
/// more of the generator than of the server. Of a model's own tail the same share is a doubt.
pub const LAG_SHARE: f64 = 0.10;
/// Where the 99th percentile decides, the generator's own must not exceed this share of the least there can be: a lag of 10
/// to 40 us is usual, against a floor of about 80; a disturbed generator is late by hundreds.
pub const TAIL_SHARE: f64 = 1.0;
/// The floor's median and 99th percentile where no probe tells, and the most that is believed of one: a machine that is
/// worse than this for a bare exchange was disturbed when it was probed, which must not excuse a late swarm.
const FLOOR_NS: (f64, f64) = (100_000.0, 200_000.0);

/// The least response time that any server of a workload can show: the swarm's floor and the demand of the request itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Least {
    /// Its median in nanoseconds.
    pub p50_ns: f64,
    /// Its 99th percentile in nanoseconds.
    pub p99_ns: f64,
}

impl Least {
    /// What a probe and a workload say of it.
    pub fn of(bounds: &Bounds, scenario: &Scenario) -> Self {
        let stages = scenario.request.stages(scenario.work());
        Self::from_parts(bounds.floor_ns, &stages.iter().map(|stage| stage.demand).collect::<Vec<_>>())
    }

    /// Of a request that asks for these demands, one after the other.
    fn from_parts(floor_ns: Option<(f64, f64)>, demands: &[DemandShape]) -> Self {
        let floor = floor_ns.unwrap_or(FLOOR_NS);
        Self {
            p50_ns: floor.0.min(FLOOR_NS.0) + demand_ns(demands, 0.5),
            p99_ns: floor.1.min(FLOOR_NS.1) + demand_ns(demands, 0.99),
        }
    }
}

/// A quantile of what requests ask for, in nanoseconds: exact for one demand, and for several no more than that of their sum, which
/// is at least that of any of them with the least of all others.
fn demand_ns(demands: &[DemandShape], share: f64) -> f64 {
    let of = |demand: &DemandShape, share| match demand {
        DemandShape::None => ServiceConfig::default().default_demand.as_nanos() as f64,
        stated => stated.quantile_ns(share),
    };
    let least: f64 = demands.iter().map(|demand| of(demand, 0.0)).sum();
    let beyond = demands.iter().map(|demand| of(demand, share) - of(demand, 0.0));
    least + beyond.fold(0.0, f64::max)
}

/// Whether a figure of merit is made of times, or of how many requests there were to a time.
pub(crate) fn depends_on_time(merit: Metric) -> bool {
    merit.group() == Group::Speed
}

/// Whether the generator kept its schedule, at the median and in the tail.
pub(super) fn judge(measured: &Measured, terms: &Terms<'_>, judgement: &mut Judgement) {
    let lag = |share| quantile(&measured.dispatch_lag, share);
    let limit_ns = (LAG_SHARE * terms.least.p50_ns) as u64;
    // How much is answered, and in how much memory, is the same a little later: there a late generator is a doubt about
    // the times beside it, and no reason to leave the trial out.
    let by_time = depends_on_time(terms.merit);
    if let Some(lag_p50_ns) = lag(0.5).filter(|lag| by_time && *lag > limit_ns) {
        judgement.invalid.push(Invalid::GeneratorLate { lag_p50_ns, limit_ns });
    }
    let Some(lag_p99_ns) = lag(0.99) else { return };
    // What decides by p95 or p99.9 needs a generator that keeps its schedule there; the limit stays that of p99.
    let decided_at = match terms.merit {
        Metric::ResponseP95 => lag(0.95),
        Metric::ResponseP99 => Some(lag_p99_ns),
        Metric::ResponseP999 => lag(0.999),
        _ => None,
    };
    let limit_ns = (TAIL_SHARE * terms.least.p99_ns) as u64;
    if let Some(lag_p99_ns) = decided_at.filter(|lag| *lag > limit_ns) {
        judgement.invalid.push(Invalid::GeneratorTail { lag_p99_ns, limit_ns });
    } else if let Some(response_p99_ns) = quantile(&measured.response, 0.99)
        && lag_p99_ns as f64 > LAG_SHARE * response_p99_ns as f64
    {
        judgement.doubts.push(Doubt::GeneratorTail { lag_p99_ns, response_p99_ns });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn no_server_is_faster_than_the_floor_and_the_demand() {
        let several = |floor, demands: &[DemandShape]| {
            let Least { p50_ns, p99_ns } = Least::from_parts(floor, demands);
            (p50_ns.round(), p99_ns.round())
        };
        let least = |floor, demand: DemandShape| several(floor, &[demand]);
        let (us, ms) = (Duration::from_micros, Duration::from_millis);
        let floor = Some((55_000.0, 82_000.0));
        let nothing = DemandShape::Fixed { value: Duration::ZERO };
        assert_eq!(least(floor, nothing), (55_000.0, 82_000.0));
        assert_eq!(least(None, nothing), FLOOR_NS);
        assert_eq!(least(Some((60_000.0, 9e6)), nothing), (60_000.0, FLOOR_NS.1), "a disturbed probe");
        let bimodal = |long_share| DemandShape::Bimodal { short: us(50), long: ms(10), long_share };
        assert_eq!(least(floor, bimodal(0.005)), (105_000.0, 132_000.0));
        assert_eq!(least(floor, bimodal(0.02)), (105_000.0, 10_082_000.0));
        // ln 2 and ln 100 means: 0.6931 and 4.6052.
        let exponential = DemandShape::Exponential { mean: ms(1) };
        assert_eq!(least(floor, exponential), (55_000.0 + 693_147.0, 82_000.0 + 4_605_170.0));
        // Two of them take at least what the longer one takes, and the least of the other.
        let stages = [bimodal(0.02), DemandShape::Fixed { value: ms(1) }, exponential];
        assert_eq!(
            several(floor, &stages),
            (55_000.0 + 1_050_000.0 + 693_147.0, 82_000.0 + 1_050_000.0 + 9_950_000.0)
        );
        assert_eq!(several(floor, &[]), (55_000.0, 82_000.0));
        let mut scenario = Scenario::built_in("wait").expect("built in");
        assert_eq!(Least::of(&Bounds::default(), &scenario).p50_ns, FLOOR_NS.0 + 5e6);
        scenario.service = "echo".into();
        assert_eq!(Least::of(&Bounds::default(), &scenario).p50_ns, FLOOR_NS.0, "an echo asks for no work");
    }
}
