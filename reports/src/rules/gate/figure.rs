//! The figures that can fail a comparison of two builds: what each is called, which way is better, how it is read off a
//! round, and which difference in it matters.
//!
//! The practical floors are those of [`verdict`], with two exceptions. A 99th percentile has 10 % and not
//! 5 %: it stands on the hundredth part of the requests, and a gate is asked far more often than a bake-off. Context
//! switches have 5 %: they are nearly free of noise, but a batch that comes out a little larger or smaller moves them.

use crate::cells::cell::RoundFigures;
use crate::metric::cost::Cost;
use crate::record::{Figure, Gated, Merit};
use crate::rules::verdict;
use crate::show::units;
use crate::stats::paired::{self, Better};

/// The smallest rise of a 99th percentile that matters, as a share.
pub const P99_FLOOR: f64 = 0.10;

/// The smallest rise of CPU time for each request that matters, as a share.
pub const CPU_FLOOR: f64 = 0.03;

/// The smallest rise of context switches for each request that matters, as a share.
pub const SWITCHES_FLOOR: f64 = 0.05;

/// Context switches for each request below this are all the same: one in a hundred requests costs next to nothing, while
/// twice as many of nearly none would be a factor of two.
pub const FEWEST_SWITCHES: f64 = 0.01;

impl Figure {
    /// All there are.
    pub const ALL: [Self; 8] = [
        Self::Merit(Merit::Throughput),
        Self::Merit(Merit::ResponseP99),
        Self::Merit(Merit::ResponseP50),
        Self::Merit(Merit::Goodput),
        Self::Merit(Merit::Answered),
        Self::Merit(Merit::MemoryPerConnection),
        Self::CpuPerRequest,
        Self::SwitchesPerRequest,
    ];

    /// What it is called.
    pub fn label(self) -> &'static str {
        match self {
            Self::Merit(merit) => merit.label(),
            Self::CpuPerRequest => "CPU per request",
            Self::SwitchesPerRequest => "switches per request",
        }
    }

    /// What it is called on a command line and in a file.
    pub fn key(self) -> &'static str {
        match self {
            Self::Merit(merit) => merit.key(),
            Self::CpuPerRequest => "cpu",
            Self::SwitchesPerRequest => "switches",
        }
    }

    /// The figure with this key.
    pub fn of_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|figure| figure.key() == key)
    }

    /// A value of it with its unit.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Merit(merit) => merit.show(value),
            Self::CpuPerRequest => units::time(value),
            Self::SwitchesPerRequest => units::quantity(value),
        }
    }

    /// Whether more or less of it is better.
    pub fn better(self) -> Better {
        match self {
            Self::Merit(merit) => merit.better(),
            Self::CpuPerRequest | Self::SwitchesPerRequest => Better::Less,
        }
    }

    /// The smallest slowdown that matters unless told otherwise, as a share above 0.
    pub fn floor(self) -> f64 {
        match self {
            Self::Merit(Merit::ResponseP99) => P99_FLOOR,
            Self::Merit(merit) => verdict::floor(merit),
            Self::CpuPerRequest => CPU_FLOOR,
            Self::SwitchesPerRequest => SWITCHES_FLOOR,
        }
    }

    /// The figure with its own floor.
    pub fn gated(self) -> Gated {
        Gated { figure: self, floor: self.floor() }
    }

    /// The figure in a round, in its own unit; `None` when there were too few requests for it, or it could not be read.
    pub fn of(self, round: &RoundFigures) -> Option<f64> {
        match self {
            Self::Merit(merit) => round.merit(merit),
            Self::CpuPerRequest => round.costs.value(Cost::Cpu),
            Self::SwitchesPerRequest => round.costs.value(Cost::VoluntarySwitches),
        }
    }

    /// Why a round may have no such figure: "3 rounds ...".
    pub(crate) fn why_none(self) -> String {
        match self {
            Self::Merit(merit) => merit.why_none(),
            Self::CpuPerRequest => "in which the CPU time could not be read".to_owned(),
            Self::SwitchesPerRequest => "in which the context switches could not be read".to_owned(),
        }
    }

    /// The natural logarithm of how many times worse `b` is than `a`. Never NaN.
    pub(crate) fn log_behind(self, a: f64, b: f64) -> f64 {
        let least = if self == Self::SwitchesPerRequest { FEWEST_SWITCHES } else { 0.0 };
        paired::log_behind(a.max(least), b.max(least), self.better())
    }

    /// Whether a figure says that the work is not done: an infinite time, or a rate or share of 0.
    pub(crate) fn useless(self, value: f64) -> bool {
        matches!(self, Self::Merit(merit) if merit.useless(value))
    }
}

/// What is gated under a workload unless told otherwise: its figure of merit and the CPU time for each request, which is far
/// less noisy on a shared machine; and the share answered, so that a build cannot become faster by failing requests.
pub fn defaults(merit: Merit) -> Vec<Gated> {
    let mut figures = vec![Figure::Merit(merit), Figure::CpuPerRequest, Figure::Merit(Merit::Answered)];
    // Goodput counts what is answered; it says the same.
    let twice = matches!(merit, Merit::Answered | Merit::Goodput);
    figures.truncate(if twice { 2 } else { 3 });
    figures.into_iter().map(Figure::gated).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_is_found_by_its_key_and_no_other() {
        for figure in Figure::ALL {
            assert_eq!(Figure::of_key(figure.key()), Some(figure));
            assert!(figure.floor() > 0.0 && figure.floor() <= 0.10, "{figure:?}");
        }
        assert_eq!(Figure::of_key("speed"), None);
        assert!(Merit::ALL.into_iter().all(|merit| Figure::ALL.contains(&Figure::Merit(merit))));
    }

    #[test]
    fn next_to_no_switches_are_all_the_same() {
        let switches = Figure::SwitchesPerRequest;
        assert_eq!(switches.log_behind(0.0, 0.009), 0.0);
        assert_eq!(switches.log_behind(0.0, 0.02), 2_f64.ln());
        assert_eq!(switches.log_behind(1.0, 2.0), 2_f64.ln());
    }

    #[test]
    fn a_share_answered_is_gated_once() {
        let keys = |merit| defaults(merit).iter().map(|gated| gated.figure.key()).collect::<Vec<_>>();
        assert_eq!(keys(Merit::Throughput), ["throughput", "cpu", "answered"]);
        assert_eq!(keys(Merit::Answered), ["answered", "cpu"]);
    }
}
