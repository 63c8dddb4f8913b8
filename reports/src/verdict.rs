//! Which models fit a workload: the rule in prose, then in code.
//!
//! # The rule
//! 1. Each workload declares its figure of merit. A round in which a model has too few requests for that figure gives
//!    it none (see [`quantile`](crate::statistics::quantile)); requests that were never answered count as infinite.
//! 2. A model with a figure in fewer than [`MIN_ROUNDS`] = 4 rounds is *undecided*: at least so many more rounds are
//!    needed. With no valid trial at all, although some were run, it is *invalid*.
//! 3. The others are compared pair by pair. For each round that both have, d = ln(how many times worse); a model beats
//!    another when the median of d favours it. The model with the most such wins is the *best*; equal wins are ordered
//!    by the median figure, then by name.
//! 4. A model is *behind* the best when the whole 95 % bootstrap interval of the median factor lies above 1 plus the
//!    practical floor: 3 % for throughput, 5 % for latency. Every other model cannot be told from the best, or differs
//!    by less than matters, and shares first place with it: the winner is a set.
//! 5. When the best model's own figure is infinite, no model fits the workload. With fewer than two models to compare,
//!    the workload is undecided.
//! 6. The reason given is read off the cost figures: context switches and CPU per request, where the first model behind
//!    needs more by a factor of at least 1.2. It is what was measured beside the verdict, not a proof of its cause.
//!
//! # What it does not claim
//! The best is picked from the same rounds that it is then compared over, which favours it slightly. Intervals are per
//! comparison: with many comparisons in a run, some will miss. With 5 or 6 rounds an interval is close to the range of
//! the rounds, and cannot have more confidence than [`confidence_at_most`] says.
//!
//! [`confidence_at_most`]: crate::statistics::bootstrap::confidence_at_most

use crate::cell::Cell;
use crate::reason;
use crate::record::{Merit, ScenarioRecord};
use crate::statistics::paired::{self, Factor};
use crate::statistics::random::Random;
use crate::units;
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// The fewest rounds a comparison is made from. The interval of 4 rounds has 87.5 % confidence at most.
pub const MIN_ROUNDS: usize = 4;

/// The smallest difference in throughput that matters, as a share.
pub const THROUGHPUT_FLOOR: f64 = 0.03;

/// The smallest difference in latency that matters, as a share.
pub const LATENCY_FLOOR: f64 = 0.05;

/// The smallest difference that matters for a figure of merit, as a share.
pub fn floor(merit: Merit) -> f64 {
    match merit {
        Merit::Throughput => THROUGHPUT_FLOOR,
        Merit::ResponseP99 | Merit::ResponseP50 => LATENCY_FLOOR,
    }
}

/// Where a model stands in a workload.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    /// The best.
    Best,
    /// Cannot be told from the best.
    Tied(Factor),
    /// Behind the best.
    Behind(Factor),
    /// Too few rounds.
    Undecided {
        /// How many more are needed at least.
        more: usize,
    },
    /// Tried, and no trial was valid.
    Invalid,
}

/// A model's standing.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// The model.
    pub model: String,
    /// Its place.
    pub place: Place,
    /// Median of its figure of merit over its rounds.
    pub figure: Option<f64>,
    /// Rounds that have the figure.
    pub rounds: usize,
}

impl Standing {
    /// Whether it is among the winners.
    pub fn wins(&self) -> bool {
        matches!(self.place, Place::Best | Place::Tied(_))
    }
}

/// What came out.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// These models fit best; they cannot be told apart.
    Chosen {
        /// The winners, best first.
        winners: Vec<String>,
        /// The first model behind, and how far; absent when there is none.
        next: Option<(String, Factor)>,
    },
    /// Not even the best model has a finite figure.
    NoneFits,
    /// Too little was measured.
    Undecided {
        /// How many more valid rounds are needed at least.
        more: usize,
    },
}

/// The verdict on a workload.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The figure of merit.
    pub merit: Merit,
    /// The models, best first; those that could not be compared last, in the workload's order.
    pub standings: Vec<Standing>,
    /// What came out.
    pub outcome: Outcome,
    /// Why, from the costs, in sentences.
    pub reason: String,
}

impl Verdict {
    /// The standing of a model.
    pub fn standing(&self, model: &str) -> Option<&Standing> {
        self.standings.iter().find(|standing| standing.model == model)
    }

    /// The choice in a few words: "tokio", "tokio or mio-event-loop", "no model", "undecided".
    pub fn choice(&self) -> String {
        match &self.outcome {
            Outcome::Chosen { winners, .. } => units::any_of(winners),
            Outcome::NoneFits => "no model".to_owned(),
            Outcome::Undecided { .. } => "undecided".to_owned(),
        }
    }

    /// How far the choice is ahead, as a sentence.
    pub fn lead(&self) -> String {
        match &self.outcome {
            Outcome::Chosen { winners, next: None } if winners.len() > 1 => {
                format!(
                    "All {} models compared cannot be told apart by {}, or differ by less than matters.",
                    winners.len(),
                    self.merit.label()
                )
            }
            Outcome::Chosen { next: None, .. } => "No other model could be compared.".to_owned(),
            Outcome::Chosen { next: Some((next, factor)), .. } if factor.median.is_infinite() => {
                format!(
                    "The next, {next}, never answered enough of its requests to have a {}.",
                    self.merit.label()
                )
            }
            Outcome::Chosen { winners, next: Some((next, factor)) } => {
                let (best, figure) = (&winners[0], self.merit.label());
                let (by, interval) = (units::factor(factor.median), units::interval(factor.low, factor.high));
                match self.merit {
                    Merit::Throughput => format!("{best} has {by} the {figure} of {next} ({interval})."),
                    _ => format!("{next} has {by} the {figure} of {best} ({interval})."),
                }
            }
            Outcome::NoneFits => {
                format!(
                    "Every model left so many requests unanswered that its {} is infinite.",
                    self.merit.label()
                )
            }
            Outcome::Undecided { more: 0 } => "There are not two models to compare.".to_owned(),
            Outcome::Undecided { more } => {
                format!("Needs at least {}.", units::plural(*more as u64, "more valid round"))
            }
        }
    }
}

struct Contender<'a> {
    cell: &'a Cell,
    figures: Vec<Option<f64>>,
    median: f64,
    wins: usize,
}

/// Applies the rule to the cells of a workload.
pub(crate) fn decide(scenario: &ScenarioRecord, cells: &[Cell], seed: u64) -> Verdict {
    let merit = scenario.merit;
    let rounds: BTreeSet<u32> = cells.iter().flat_map(|cell| &cell.rounds).map(|round| round.round).collect();
    let (ready, waiting): (Vec<&Cell>, Vec<&Cell>) =
        cells.iter().partition(|cell| rounds_of(cell, merit) >= MIN_ROUNDS);
    let contenders = ranked(&ready, merit, &rounds);
    let mut standings: Vec<Standing> = contenders
        .iter()
        .map(|other| standing(other, place(scenario, &contenders[0], other, seed)))
        .collect();
    // The winners first, then those behind by how far they are; stable, so equal ones keep the order of wins.
    standings.sort_by(|a, b| order_key(a).partial_cmp(&order_key(b)).unwrap_or(Ordering::Equal));
    standings.extend(waiting.iter().map(|cell| without_comparison(cell, merit)));
    let outcome = outcome(&standings);
    let reason = reason::explain(cells, &standings, &outcome);
    Verdict { merit, standings, outcome, reason }
}

fn rounds_of(cell: &Cell, merit: Merit) -> usize {
    cell.rounds.iter().filter(|round| round.merit(merit).is_some()).count()
}

fn order_key(standing: &Standing) -> (u8, f64) {
    match standing.place {
        Place::Best => (0, 1.0),
        Place::Tied(factor) => (1, factor.median),
        Place::Behind(factor) => (2, factor.median),
        Place::Undecided { .. } | Place::Invalid => (3, 0.0),
    }
}

fn ranked<'a>(ready: &[&'a Cell], merit: Merit, rounds: &BTreeSet<u32>) -> Vec<Contender<'a>> {
    let mut contenders: Vec<Contender<'a>> = ready
        .iter()
        .map(|cell| {
            let of_round = |at: &u32| cell.rounds.iter().find(|round| round.round == *at)?.merit(merit);
            let figures = rounds.iter().map(of_round).collect();
            let median = cell.merit(merit).expect("a contender has rounds");
            Contender { cell, figures, median, wins: 0 }
        })
        .collect();
    for at in 0..contenders.len() {
        let beaten = contenders.iter().filter(|other| {
            let logs = paired::logs(&contenders[at].figures, &other.figures, merit.better());
            crate::statistics::median(&logs).is_some_and(|median| median > 0.0)
        });
        contenders[at].wins = beaten.count();
    }
    contenders.sort_by(|a, b| {
        let figure = match merit.better() {
            paired::Better::More => b.median.total_cmp(&a.median),
            paired::Better::Less => a.median.total_cmp(&b.median),
        };
        b.wins.cmp(&a.wins).then(figure).then_with(|| a.cell.model.cmp(&b.cell.model))
    });
    contenders
}

fn place(scenario: &ScenarioRecord, best: &Contender<'_>, other: &Contender<'_>, seed: u64) -> Place {
    if std::ptr::eq(best.cell, other.cell) {
        return Place::Best;
    }
    let mut random = Random::named(seed, &[&scenario.name, &best.cell.model, &other.cell.model]);
    match paired::factor(&best.figures, &other.figures, scenario.merit.better(), &mut random) {
        Some(factor) if factor.rounds >= MIN_ROUNDS => {
            let behind = factor.low > 1.0 + floor(scenario.merit);
            if behind { Place::Behind(factor) } else { Place::Tied(factor) }
        }
        few => Place::Undecided { more: MIN_ROUNDS - few.map_or(0, |factor| factor.rounds) },
    }
}

fn standing(contender: &Contender<'_>, place: Place) -> Standing {
    let rounds = contender.figures.iter().flatten().count();
    Standing { model: contender.cell.model.clone(), place, figure: Some(contender.median), rounds }
}

fn without_comparison(cell: &Cell, merit: Merit) -> Standing {
    let rounds = rounds_of(cell, merit);
    let place = if cell.rounds.is_empty() && cell.excluded > 0 {
        Place::Invalid
    } else {
        Place::Undecided { more: MIN_ROUNDS - rounds }
    };
    Standing { model: cell.model.clone(), place, figure: cell.merit(merit), rounds }
}

fn outcome(standings: &[Standing]) -> Outcome {
    let compared = standings.iter().filter(|standing| order_key(standing).0 < 3).count();
    if compared < 2 {
        let more = standings.iter().filter_map(|standing| match standing.place {
            Place::Undecided { more } => Some(more),
            _ => None,
        });
        return Outcome::Undecided { more: more.max().unwrap_or(0) };
    }
    if standings[0].figure.is_none_or(|figure| figure.is_infinite()) {
        return Outcome::NoneFits;
    }
    let winners =
        standings.iter().filter(|standing| standing.wins()).map(|standing| standing.model.clone()).collect();
    let next = standings.iter().find_map(|standing| match standing.place {
        Place::Behind(factor) => Some((standing.model.clone(), factor)),
        _ => None,
    });
    Outcome::Chosen { winners, next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_constants_are_those_of_the_prose() {
        let prose = include_str!("verdict.rs");
        let prose: Vec<&str> = prose.lines().filter_map(|line| line.strip_prefix("//!")).collect();
        let prose = prose.join(" ");
        for stated in [
            format!("[`MIN_ROUNDS`] = {MIN_ROUNDS} rounds"),
            format!(
                "{:.0} % for throughput, {:.0} % for latency",
                THROUGHPUT_FLOOR * 100.0,
                LATENCY_FLOOR * 100.0
            ),
            format!("{:.0} % bootstrap interval", crate::statistics::bootstrap::CONFIDENCE * 100.0),
            format!("a factor of at least {}", reason::TELLING),
        ] {
            assert!(prose.contains(&stated), "the prose does not say {stated:?}");
        }
    }
}
