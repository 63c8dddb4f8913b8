//! Which models fit a workload: the rule in prose, then in code.
//!
//! # The rule
//! 1. Each workload declares its figure of merit. A round in which a model has too few requests for that figure gives
//!    it none (see [`quantile`](crate::statistics::quantile)); requests that were never answered count as infinite. A
//!    trial in which nothing was answered counts like any other: its throughput is 0 and its percentiles are infinite.
//! 2. A model with a figure in fewer than [`MIN_ROUNDS`] = 4 rounds is *undecided*: at least so many more rounds are
//!    needed. With no valid trial at all, although some were run, it is *invalid*.
//! 3. The others are compared pair by pair. For each round that both have, d = ln(how many times worse); a model beats
//!    another when the median of d favours it. The model with the most such wins is the *best*; equal wins are ordered
//!    by the median figure, then by name.
//! 4. A model is *behind* the best when the whole 95 % bootstrap interval of the median factor lies above 1 plus the
//!    practical floor: 3 % for throughput and goodput, 5 % for latency, 1 % for the share answered (of a hundred
//!    requests, one), 10 % for memory (which is bought in larger steps). Every other model cannot be told from the best, or differs
//!    by less than matters, and shares first place with it: the winner is a set. A model whose own figure says that it
//!    does not do the work (infinite, or a rate or share of 0) is behind a best that does, however wide the interval.
//! 5. When the best model's own figure is infinite, or a rate or share of 0, no model fits the workload. With fewer than two
//!    models to compare, or fewer than half of the workload's models, the workload is undecided: the survivors of a run
//!    that failed the others are no choice. Models that could not be compared are always named.
//!    When more than 15 % of a whole run's trials have no valid try, no workload of it has a verdict.
//! 6. The reason given is read off the cost figures: context switches, system calls, page faults, CPU and segments per
//!    request, where the first model behind needs more by a factor of at least 1.2, and of at least the
//!    lead to the power of 0.5. It is what was measured beside the verdict, not a proof of its cause.
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
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// The fewest rounds a comparison is made from. The interval of 4 rounds has 87.5 % confidence at most.
pub const MIN_ROUNDS: usize = 4;

/// The smallest difference in throughput that matters, as a share.
pub const THROUGHPUT_FLOOR: f64 = 0.03;

/// The smallest difference in latency that matters, as a share.
pub const LATENCY_FLOOR: f64 = 0.05;

/// The smallest difference in the share answered that matters, as a share: one request in a hundred, what a 99th
/// percentile would notice.
pub const ANSWERED_FLOOR: f64 = 0.01;

/// The smallest difference in memory that matters, as a share: it comes in pages and is bought in larger steps still.
pub const MEMORY_FLOOR: f64 = 0.10;

/// The smallest difference that matters for a figure of merit, as a share.
pub fn floor(merit: Merit) -> f64 {
    match merit {
        Merit::Throughput | Merit::Goodput => THROUGHPUT_FLOOR,
        Merit::ResponseP99 | Merit::ResponseP50 => LATENCY_FLOOR,
        Merit::Answered => ANSWERED_FLOOR,
        Merit::MemoryPerConnection => MEMORY_FLOOR,
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
    /// Valid rounds with too few requests for it.
    pub without_figure: usize,
    /// Rounds that were left out as invalid: without any valid try.
    pub excluded: u32,
}

impl Standing {
    /// Whether it cannot be told from the best; see [`Verdict::crowns`] for whether that makes it a winner.
    pub fn wins(&self) -> bool {
        matches!(self.place, Place::Best | Place::Tied(_))
    }

    /// Whether it could be compared at all.
    pub fn compared(&self) -> bool {
        matches!(self.place, Place::Best | Place::Tied(_) | Place::Behind(_))
    }

    /// Whether its figure says that it does not do the work: an infinite time, or a rate or share of 0.
    pub fn useless(&self, merit: Merit) -> bool {
        self.figure.is_some_and(|figure| useless(merit, figure))
    }
}

fn useless(merit: Merit, figure: f64) -> bool {
    match merit.better() {
        paired::Better::More => figure == 0.0,
        paired::Better::Less => figure.is_infinite(),
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
    /// Not even the best model does the work: its figure is infinite, or a throughput of 0.
    NoneFits,
    /// Too few models could be compared.
    Undecided {
        /// How many more valid rounds are needed at least; 0 when there are not two models.
        more: usize,
    },
    /// Too many trials of the run were invalid: nothing is said of any of its workloads.
    NoVerdict {
        /// Rounds of a model under a workload without a valid trial, in the whole run.
        lost: u32,
        /// Of so many.
        asked: u32,
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

    /// Takes the verdict back, because of what happened to the run as a whole.
    pub(crate) fn withhold(&mut self, lost: u32, asked: u32) {
        self.outcome = Outcome::NoVerdict { lost, asked };
        self.reason = "The reasons stand with the discarded trials.".to_owned();
    }

    /// Whether a model is among the winners. Where nothing was chosen, nobody is, however the models stand.
    pub fn crowns(&self, standing: &Standing) -> bool {
        matches!(self.outcome, Outcome::Chosen { .. }) && standing.wins()
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
    let outcome = outcome(&standings, merit);
    let reason = reason::explain(merit, cells, &standings, &outcome);
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
            let failed = |contender: &Contender<'_>| useless(scenario.merit, contender.median);
            let behind = factor.low > 1.0 + floor(scenario.merit) || failed(other) && !failed(best);
            if behind { Place::Behind(factor) } else { Place::Tied(factor) }
        }
        few => Place::Undecided { more: MIN_ROUNDS - few.map_or(0, |factor| factor.rounds) },
    }
}

fn standing(contender: &Contender<'_>, place: Place) -> Standing {
    stand(contender.cell, place, Some(contender.median), contender.figures.iter().flatten().count())
}

fn without_comparison(cell: &Cell, merit: Merit) -> Standing {
    let rounds = rounds_of(cell, merit);
    let place = if cell.rounds.is_empty() && cell.excluded > 0 {
        Place::Invalid
    } else {
        Place::Undecided { more: MIN_ROUNDS - rounds }
    };
    stand(cell, place, cell.merit(merit), rounds)
}

fn stand(cell: &Cell, place: Place, figure: Option<f64>, rounds: usize) -> Standing {
    let without_figure = cell.rounds.len().saturating_sub(rounds);
    Standing { model: cell.model.clone(), place, figure, rounds, without_figure, excluded: cell.excluded }
}

fn outcome(standings: &[Standing], merit: Merit) -> Outcome {
    let compared = standings.iter().filter(|standing| standing.compared()).count();
    let wanted = standings.len().div_ceil(2).max(2);
    if compared < wanted {
        let needs = |standing: &Standing| match standing.place {
            Place::Undecided { more } => Some(more),
            Place::Invalid => Some(MIN_ROUNDS),
            _ => None,
        };
        let mut needs: Vec<usize> = standings.iter().filter_map(needs).collect();
        needs.sort_unstable();
        // Of those that are missing, the ones nearest to a comparison would be enough.
        return Outcome::Undecided { more: needs.get(wanted - compared - 1).copied().unwrap_or(0) };
    }
    if standings[0].useless(merit) {
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
        let prose: Vec<&str> =
            prose.lines().filter_map(|line| line.strip_prefix("//!")).map(str::trim).collect();
        let prose = prose.join(" ");
        for stated in [
            format!("[`MIN_ROUNDS`] = {MIN_ROUNDS} rounds"),
            format!(
                "{:.0} % for throughput and goodput, {:.0} % for latency, {:.0} % for the share answered",
                THROUGHPUT_FLOOR * 100.0,
                LATENCY_FLOOR * 100.0,
                ANSWERED_FLOOR * 100.0
            ),
            format!("{:.0} % for memory", MEMORY_FLOOR * 100.0),
            format!("{:.0} % bootstrap interval", crate::statistics::bootstrap::CONFIDENCE * 100.0),
            format!("a factor of at least {}", reason::TELLING),
            format!("lead to the power of {}", reason::OF_THE_LEAD),
            format!("{:.0} % of a whole run's trials", crate::analysis::MOST_LEFT_OUT * 100.0),
        ] {
            assert!(prose.contains(&stated), "the prose does not say {stated:?}");
        }
    }
}
