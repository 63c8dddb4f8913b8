//! What to think of the pre-flight measurement: which figures lie at the generator's limit, whether the machine is fit to
//! measure on, what to change.
//!
//! Pure rules over a [`Probe`]; the limits are constants with their reason. It must not measure.

mod advice;

pub(crate) use advice::BACKLOG_NOTED;
pub use advice::{
    Advice, CLOCK_UNFIT_NS, FOREIGN_UNFIT, LOOP_UNFIT_RANGE, STEAL_UNFIT, TIMER_UNFIT_NS, Unfit, advice,
    unfit,
};

use crate::cells::cell::SHOWN;
use crate::record::{Ceiling, Doubt, Invalid, Metric, Probe, Reached, Reading, Trial};
use crate::stats::quantile::Quantile;

/// A rate within this share of the ceiling, or a latency within it of the floor, says as much of the generator as of the
/// server: what a faster server would have shown was not to be seen.
pub const NEAR_SHARE: f64 = 0.20;

/// A closed-loop swarm that uses more of its CPUs than this is at its limit, and what it got is a ceiling.
pub const BUSY_SHARE: f64 = 0.95;

/// How much longer the fixed work may take around a trial than when it was fastest lately: a tenth, above the scatter of the work
/// itself on a quiet machine and below the factors of 1.3 to 1.5 seen between phases of a shared one.
pub const DRIFT_SHARE: f64 = 0.10;

/// Why the generator's limit under a workload is not known.
#[derive(Clone, Debug, PartialEq)]
pub enum NoCeiling {
    /// It was not measured.
    NotMeasured,
    /// It could not be; why.
    Absent(String),
    /// The null server was the limit, not the generator.
    NullServer,
}

/// What the generator and the machine can show of a workload.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bounds {
    /// What the swarm got out of the null server under the workload's payload and clients with all its CPU, in replies per
    /// second.
    pub ceiling_per_s: Option<f64>,
    /// Why there is no ceiling, where that is known.
    pub no_ceiling: Option<NoCeiling>,
    /// Median and 99th percentile of the swarm's response time with one client of the null server, in nanoseconds.
    pub floor_ns: Option<(f64, f64)>,
}

impl Bounds {
    /// What a probe says of a workload.
    pub fn of(probe: Option<&Probe>, scenario: &str) -> Self {
        let Some(probe) = probe else { return Self::default() };
        let floor = probe.floor.value();
        let reached = ceiling(probe, scenario).map(|ceiling| &ceiling.reached);
        let (ceiling_per_s, no_ceiling) = match reached {
            None => (None, Some(NoCeiling::NotMeasured)),
            Some(Reading::Absent(why)) => (None, Some(NoCeiling::Absent(why.clone()))),
            Some(Reading::Value(reached)) if !reached.is_ceiling() => (None, Some(NoCeiling::NullServer)),
            Some(Reading::Value(reached)) => (Some(reached.rate_per_s), None),
        };
        Self {
            ceiling_per_s,
            no_ceiling,
            floor_ns: floor.map(|floor| (floor.p50_ns as f64, floor.p99_ns as f64)),
        }
    }

    /// Raises the ceiling to what a trial reached: the probe is a few goes of a tenth of a second, and what was seen was possible.
    pub fn compare(&mut self, highest_per_s: f64) {
        self.ceiling_per_s = self.ceiling_per_s.map(|ceiling| ceiling.max(highest_per_s));
    }

    /// Whether a rate lies within [`NEAR_SHARE`] of the ceiling, or above it.
    pub fn at_ceiling(&self, rate_per_s: f64) -> bool {
        self.within(rate_per_s, NEAR_SHARE)
    }

    /// Whether a rate lies within a share of the ceiling, or above it.
    pub fn within(&self, rate_per_s: f64, share: f64) -> bool {
        self.ceiling_per_s.is_some_and(|ceiling| rate_per_s >= ceiling * (1.0 - share))
    }

    /// Whether a response time, the quantile `share` (0.5 or 0.99), lies within [`NEAR_SHARE`] of the floor, or below it.
    pub fn at_floor(&self, share: f64, quantile: Quantile) -> bool {
        let (Some((p50, p99)), Some(ns)) = (self.floor_ns, quantile.ns()) else { return false };
        let floor = match share {
            share if share == SHOWN[0] => p50,
            share if share == SHOWN[2] => p99,
            _ => return false,
        };
        ns <= floor * (1.0 + NEAR_SHARE)
    }
}

/// Which limit of the generator a figure lies at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// A rate at the ceiling.
    Ceiling,
    /// A response time at the floor.
    Floor,
}

impl Bounds {
    /// The limit that a figure of merit lies at, if it lies at one.
    pub fn limit(&self, merit: Metric, figure: f64) -> Option<Limit> {
        let ns = || if figure.is_finite() { Quantile::Value(figure as u64) } else { Quantile::NeverAnswered };
        let (at, limit) = match merit {
            Metric::Throughput | Metric::Goodput => (self.at_ceiling(figure), Limit::Ceiling),
            Metric::ResponseP50 => (self.at_floor(SHOWN[0], ns()), Limit::Floor),
            Metric::ResponseP99 => (self.at_floor(SHOWN[2], ns()), Limit::Floor),
            // How much is answered, and what it costs, does not depend on how fast the generator is.
            _ => return None,
        };
        at.then_some(limit)
    }
}

impl Reached {
    /// Whether it was the swarm that could do no more, and not the null server.
    pub fn is_ceiling(&self) -> bool {
        self.swarm_share > BUSY_SHARE
    }
}

/// The ceiling that was measured for a workload.
pub fn ceiling<'a>(probe: &'a Probe, scenario: &str) -> Option<&'a Ceiling> {
    probe.ceilings.iter().find(|ceiling| ceiling.scenarios.iter().any(|name| name == scenario))
}

/// How fast the machine itself was, as far as the trials tell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MachineSpeed {
    /// Trials around which it was looked at.
    pub told: u32,
    /// Of these, made again because it was slower by more than [`DRIFT_SHARE`] than shortly before.
    pub again: u32,
    /// And those that count though it was.
    pub kept: u32,
    /// How many times as long the same work took at most around one of those that count.
    pub most: f64,
}

impl MachineSpeed {
    /// Over the trials of a run.
    pub fn of(trials: &[Trial]) -> Self {
        let mut speed = Self { most: 1.0, ..Self::default() };
        for trial in trials {
            speed.told += u32::from(trial.loop_ns.is_some());
            speed.again += u32::from(trial.invalid.iter().any(|why| matches!(why, Invalid::Slowed { .. })));
            for doubt in &trial.doubts {
                if let Doubt::Slowed { factor } = doubt {
                    (speed.kept, speed.most) = (speed.kept + 1, speed.most.max(*factor));
                }
            }
        }
        speed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn what_lies_near_the_limits_is_known_and_what_was_not_measured_is_not() {
        let probe = sample::probe(&["echo"]);
        let bounds = Bounds::of(Some(&probe), "echo");
        let ceiling = bounds.ceiling_per_s.expect("measured for it");
        assert!(bounds.at_ceiling(ceiling * 0.81) && bounds.at_ceiling(ceiling * 1.5));
        assert!(!bounds.at_ceiling(ceiling * 0.79));
        let (p50, p99) = bounds.floor_ns.expect("measured");
        let near = |share, ns: f64| bounds.at_floor(share, Quantile::Value(ns as u64));
        assert!(near(0.5, p50 * 1.19) && near(0.5, p50 * 0.5) && !near(0.5, p50 * 1.21));
        assert!(near(0.99, p99 * 1.19) && !near(0.99, p99 * 1.21));
        assert!(!near(0.9, p50), "no floor was measured for p90");
        assert!(!bounds.at_floor(0.5, Quantile::NeverAnswered));
        assert_eq!(bounds.limit(Metric::Throughput, ceiling), Some(Limit::Ceiling));
        assert_eq!(bounds.limit(Metric::Throughput, ceiling / 2.0), None);
        assert_eq!(bounds.limit(Metric::Goodput, ceiling), Some(Limit::Ceiling));
        assert_eq!(bounds.limit(Metric::Answered, 1.0), None);
        assert_eq!(bounds.limit(Metric::MemoryPerConnection, 1.0), None);
        assert_eq!(bounds.limit(Metric::ResponseP99, p99), Some(Limit::Floor));
        assert_eq!(bounds.limit(Metric::ResponseP50, p99), None);
        assert_eq!(bounds.limit(Metric::ResponseP50, f64::INFINITY), None);
        assert_eq!(Bounds::of(Some(&probe), "other").ceiling_per_s, None);
        assert_eq!(Bounds::of(None, "echo"), Bounds::default());
        assert!(!Bounds::default().at_ceiling(1e12) && !Bounds::default().at_floor(0.5, Quantile::Value(1)));
    }

    #[test]
    fn what_a_trial_exceeds_is_raised_and_what_the_null_server_limits_is_no_ceiling() {
        let mut probe = sample::probe(&["echo"]);
        let mut bounds = Bounds::of(Some(&probe), "echo");
        let ceiling = bounds.ceiling_per_s.expect("the swarm was busy");
        bounds.compare(ceiling);
        assert_eq!(bounds.ceiling_per_s, Some(ceiling), "reached is not exceeded");
        bounds.compare(ceiling * 1.5);
        assert_eq!(bounds.ceiling_per_s, Some(ceiling * 1.5), "what was seen is possible");
        assert!(!bounds.within(ceiling, 0.1) && bounds.within(ceiling * 1.36, 0.1));
        let Reading::Value(reached) = &mut probe.ceilings[0].reached else { panic!("measured") };
        reached.swarm_share = 0.9;
        let bounds = Bounds::of(Some(&probe), "echo");
        assert_eq!((bounds.ceiling_per_s, bounds.no_ceiling), (None, Some(NoCeiling::NullServer)));
    }

    #[test]
    fn trials_made_again_for_a_slow_machine_are_told_apart_from_those_that_count() {
        let mut bundle = sample::bundle(&sample::Spec::default());
        assert_eq!(MachineSpeed::of(&bundle.trials), MachineSpeed { most: 1.0, ..MachineSpeed::default() });
        bundle.trials.iter_mut().take(3).for_each(|trial| trial.loop_ns = Some([1e6, 1.4e6]));
        bundle.trials[0].invalid.push(Invalid::Slowed { factor: 1.9 });
        bundle.trials[1].doubts.push(Doubt::Slowed { factor: 1.2 });
        let seen = MachineSpeed::of(&bundle.trials);
        assert_eq!(seen, MachineSpeed { told: 3, again: 1, kept: 1, most: 1.2 });
    }
}
