//! The figures that the exports tell of: names and units for machines, and their medians over rounds with an interval.

use super::cells::Counted;
use crate::cell::RoundFigures;
use crate::cost::Cost;
use crate::record::{Figure, Merit};
use crate::statistics::bootstrap::median_interval;
use crate::statistics::median;
use crate::statistics::paired::Better;
use crate::statistics::random::Random;
use crate::units;

/// All figures, in the order to write them.
pub(super) const ALL: [Figure; 8] = [
    Figure::Merit(Merit::Throughput),
    Figure::Merit(Merit::ResponseP99),
    Figure::Merit(Merit::ResponseP50),
    Figure::Merit(Merit::Goodput),
    Figure::Merit(Merit::Answered),
    Figure::Merit(Merit::MemoryPerConnection),
    Figure::CpuPerRequest,
    Figure::SwitchesPerRequest,
];

/// What a machine calls it.
pub(super) fn key(figure: Figure) -> &'static str {
    match figure {
        Figure::Merit(merit) => merit.key(),
        Figure::CpuPerRequest => "cpu",
        Figure::SwitchesPerRequest => "switches",
    }
}

/// What a reader calls it.
pub(super) fn label(figure: Figure) -> &'static str {
    match figure {
        Figure::Merit(merit) => merit.label(),
        Figure::CpuPerRequest => "CPU per request",
        Figure::SwitchesPerRequest => "switches per request",
    }
}

/// The unit its value is in.
pub(super) fn unit(figure: Figure) -> &'static str {
    match figure {
        Figure::Merit(Merit::Throughput | Merit::Goodput) => "requests/s",
        Figure::Merit(Merit::ResponseP99 | Merit::ResponseP50) | Figure::CpuPerRequest => "ns",
        Figure::Merit(Merit::Answered) => "share",
        Figure::Merit(Merit::MemoryPerConnection) => "bytes",
        Figure::SwitchesPerRequest => "switches/request",
    }
}

/// Which way is better.
pub(super) fn better(figure: Figure) -> Better {
    match figure {
        Figure::Merit(merit) => merit.better(),
        Figure::CpuPerRequest | Figure::SwitchesPerRequest => Better::Less,
    }
}

/// A value for people.
pub(super) fn show(figure: Figure, value: f64) -> String {
    match figure {
        Figure::Merit(merit) => merit.show(value),
        Figure::CpuPerRequest => units::time(value),
        Figure::SwitchesPerRequest => units::quantity(value),
    }
}

/// The figure of a round; absent as [`RoundFigures::merit`] says, infinite for what was never answered.
pub(super) fn of_round(figure: Figure, round: &RoundFigures) -> Option<f64> {
    match figure {
        Figure::Merit(merit) => round.merit(merit),
        Figure::CpuPerRequest => round.costs.value(Cost::Cpu),
        Figure::SwitchesPerRequest => round.costs.value(Cost::VoluntarySwitches),
    }
}

/// A figure over the rounds of a cell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Summary {
    /// Median over the rounds that have it.
    pub(super) value: f64,
    /// Lower end of its 95 % bootstrap interval.
    pub(super) low: f64,
    /// Upper end.
    pub(super) high: f64,
    /// Rounds that have it.
    pub(super) rounds: usize,
}

/// The figure over a cell's rounds; `None` without any. The same records give the same interval.
pub(super) fn summary(figure: Figure, counted: &Counted<'_>, seed: u64) -> Option<Summary> {
    let values: Vec<f64> =
        counted.rounds.iter().filter_map(|(_, _, round)| of_round(figure, round)).collect();
    let names = [counted.workload.scenario.name.as_str(), &counted.cell.model, key(figure)];
    let (low, high) = median_interval(&values, &mut Random::named(seed, &names))?;
    Some(Summary { value: median(&values)?, low, high, rounds: values.len() })
}
