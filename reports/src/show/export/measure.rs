//! The figures that the exports tell of: names and units for machines, and their medians over rounds with an interval.

use super::cells::Counted;
use crate::cells::cell::RoundFigures;
use crate::metric::cost::Cost;
use crate::record::{Figure, Merit};
use crate::stats::bootstrap::median_interval;
use crate::stats::median;
use crate::stats::random::Random;

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
    let names = [counted.workload.scenario.name.as_str(), &counted.cell.model, figure.key()];
    let (low, high) = median_interval(&values, &mut Random::named(seed, &names))?;
    Some(Summary { value: median(&values)?, low, high, rounds: values.len() })
}
