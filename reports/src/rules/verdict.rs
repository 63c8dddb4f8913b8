//! Which models fit a workload: the rule in prose; `contest.rs` has the code of its comparisons.
//!
//! # The rule
//! 1. Each workload declares its figure of merit. A round in which a model has too few requests for that figure gives
//!    it none (see [`quantile`](crate::stats::quantile)); requests that were never answered count as infinite. A
//!    trial in which nothing was answered counts like any other: its throughput is 0 and its percentiles are infinite.
//! 2. A model with a figure in fewer than [`MIN_ROUNDS`] = 4 rounds is *undecided*: at least so many more rounds are
//!    needed. With no valid trial at all, although some were run, it is *invalid*.
//! 3. The others are compared pair by pair. For each round that both have, d = ln(how many times worse). The model that the
//!    median of d favours over the most others is the *best*; equal wins are ordered by the median figure, then by name.
//! 4. One model *beats* another when two things hold. The whole 95 % bootstrap interval of the median factor lies above 1
//!    plus the practical floor of the metric ([`metric`](crate::metric)). And a sign-flip permutation test of d less the floor
//!    ([`signed_rank`]), adjusted for all comparisons of the run
//!    ([`multiple`](crate::stats::multiple)), has q of at most 0.05.
//! 5. A model that some other beats is *behind*. So is one whose own figure says that it does not do the work (infinite, or
//!    a rate or share of 0) where the best does, whatever the interval. A model is *equal* to the best when the interval lies
//!    wholly within the floor to both sides and two one-sided permutation tests reject, at 0.05, that it lies beyond
//!    either. Any other is *not resolved*: the rounds do not tell. The winner is a set: the best, its equals, and,
//!    named apart, whoever could not be resolved.
//! 6. When the best model's own figure is infinite, or a rate or share of 0, no model fits the workload. With fewer than two
//!    models to compare, or fewer than half of the workload's models, the workload is undecided: the survivors of a run
//!    that failed the others are no choice. Models that could not be compared are always named.
//!    When more than 15 % of a whole run's trials have no valid try, no workload of it has a verdict.
//! 7. The reason given is read off the figures beside the verdict. First the costs: context switches, system calls, page
//!    faults, CPU and segments per request, where the first model behind needs more by a factor of at least 1.2, and of at
//!    least the lead to the power of 0.5. Then where its requests wait (`waiting.rs`), then who was left
//!    without a reply. It is what was measured, not a proof of the cause.
//!
//! # How many rounds
//! The test is two-sided, because the data choose the direction: its p is twice that of the side they chose, and no smaller
//! than 2/2^R with R rounds. The family is every pair of models under every workload of the run, whatever came of it, so the
//! best being picked from the same rounds costs nothing: the pair would have been tested whoever was best. A family of m
//! rejects k at once when k of its p are at most 0.05 k/m. With 5 rounds p is 0.0625 at least and nothing is ever behind.
//! With 6 it is 0.0313: 63 % of all comparisons must be as clear as can be. With [`DEFAULT_ROUNDS`] = 8 it is 0.0078 and
//! 16 % must; with 10 it is 0.0020 and 4 % must. Most pairs of models differ by far more than the floor, so 8 do.
//!
//! The least factor that R rounds would find in 4 of 5 runs is (1 + floor) exp(4 s / sqrt(R)), with s the spread of d from
//! its median absolute deviation ([`power`](crate::stats::power)): 2.8 standard errors of a median, and what the rule asks beyond them; it is printed beside every verdict. The same formula
//! the other way round estimates the rounds that a comparison not resolved would take.
//!
//! # Looks
//! A run with a time budget looks at its figures at stated rounds and stops what is decided ([`sequential`](crate::rules::sequential)).
//! Every look has a weight, said before the run; a p at a look is divided by its weight, the smallest of a comparison's
//! p counts, and all weights add up to 1 at most, so the error rate holds over all looks (a weighted Bonferroni bound). With
//! the smallest p over looks taken, what was behind at a look stays behind.
//!
//! # What it does not claim
//! The intervals shown are per comparison, of the rounds as they are, and not adjusted. With few rounds an interval is close
//! to the range of the rounds, and cannot have more confidence than [`confidence_at_most`] says. *Equal* is not adjusted for
//! the number of comparisons. The test asks that noise is as likely to fall on either side, which shuffling within the
//! round gives it.
//!
//! [`confidence_at_most`]: crate::stats::bootstrap::confidence_at_most

use crate::cells::cell::Cell;
use crate::record::{Axis, Metric, PlannedLook, ScenarioRecord};
use crate::rules::contest::{self, Contest, Contestant, Placed, Spending};
use crate::stats::estimate::Estimate;
use crate::stats::{median, signed_rank};

/// The fewest rounds a comparison is made from. The interval of 4 rounds has 87.5 % confidence at most.
pub const MIN_ROUNDS: usize = 4;

/// Rounds of a run unless told otherwise: with fewer, too many comparisons would have to be clear for one to count.
pub const DEFAULT_ROUNDS: u32 = 8;

/// The expected share of false claims among those of a run that call one model behind another; and the error rate of a
/// claim that two are equal.
pub const LEVEL: f64 = 0.05;

/// An estimate of further rounds never says more than this.
pub const MOST_MORE: usize = 1_000;

/// The share of planned trials (a model under a workload in a round) that may stay without any valid one before the run has
/// no verdict at all.
pub const MOST_LEFT_OUT: f64 = 0.15;

/// A cost that differs by less than this factor explains nothing.
pub const TELLING: f64 = 1.2;

/// A cost whose factor is less than this power of the lead's explains too little of it: half the lead, as factors go.
pub const OF_THE_LEAD: f64 = 0.5;

/// The fewest rounds whose clearest outcome has a two-sided p of at most `level`: 6 for 0.05.
pub fn rounds_to_tell(level: f64) -> usize {
    (1..64).find(|rounds| 2.0 * signed_rank::least(*rounds) <= level).unwrap_or(64)
}

/// Where a model stands in a workload.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    /// The best.
    Best,
    /// Shown to differ from the best by less than matters.
    Equal(Estimate),
    /// The rounds do not tell whether it is behind the best.
    Unresolved {
        /// How far it came out behind.
        factor: Estimate,
        /// About how many more rounds would tell: 1 to [`MOST_MORE`], which stands for any number above it.
        more: usize,
    },
    /// Behind.
    Behind(Estimate),
    /// Too few rounds.
    Undecided {
        /// How many more are needed at least.
        more: usize,
    },
    /// Tried, and no trial was valid.
    Invalid,
}

impl Place {
    /// How far behind the best it came out; 1 for the best, `None` where nothing was compared.
    pub fn factor(&self) -> Option<Estimate> {
        match *self {
            Self::Equal(factor) | Self::Unresolved { factor, .. } | Self::Behind(factor) => Some(factor),
            Self::Best | Self::Undecided { .. } | Self::Invalid => None,
        }
    }
}

/// A model's standing.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// The model.
    pub model: String,
    /// Its place.
    pub place: Place,
    /// The model that it is behind, where that is not the best.
    pub beaten_by: Option<String>,
    /// p of its difference to the best, adjusted for all comparisons of the run; absent where nothing was compared.
    pub q: Option<f64>,
    /// The least factor behind the best that as many rounds would find in 4 of 5 runs; absent for the best, with fewer
    /// rounds than tell anything, and where most of its rounds are infinite.
    pub detectable: Option<f64>,
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
    /// Whether it is not behind: the best, its equals, and who could not be resolved. See [`Verdict::is_winner`] for whether
    /// that makes it a winner.
    pub fn wins(&self) -> bool {
        matches!(self.place, Place::Best | Place::Equal(_) | Place::Unresolved { .. })
    }

    /// Whether it could be compared at all.
    pub fn compared(&self) -> bool {
        self.wins() || matches!(self.place, Place::Behind(_))
    }

    /// Whether its figure says that it does not do the work: an infinite time, or a rate or share of 0.
    pub fn useless(&self, merit: Metric) -> bool {
        self.figure.is_some_and(|figure| merit.useless(figure))
    }
}

/// What came out.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// These models are not behind.
    Chosen {
        /// The winners: the best, then its equals, then those in `perhaps`.
        winners: Vec<String>,
        /// Those of the winners that merely could not be resolved.
        perhaps: Vec<String>,
        /// The first model behind, and how far; absent when there is none.
        next: Option<(String, Estimate)>,
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

/// A place on an axis where the best model changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Flip {
    /// Best below it.
    pub before: String,
    /// Best above it.
    pub after: String,
    /// The axis.
    pub axis: Axis,
    /// Where, and the interval.
    pub at: (f64, f64, f64),
}

/// The verdict on a workload.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The figure of merit.
    pub merit: Metric,
    /// The models, best first; those that could not be compared last, in the workload's order.
    pub standings: Vec<Standing>,
    /// What came out.
    pub outcome: Outcome,
    /// The least factor between two models that this run would find in 4 of 5 runs: the median over the comparisons with the
    /// best; absent where none has it.
    pub detectable: Option<f64>,
    /// Where it flips, when a sweep of the workload shows that.
    pub boundary: Vec<Flip>,
}

impl Verdict {
    /// The standing of a model.
    pub fn standing(&self, model: &str) -> Option<&Standing> {
        self.standings.iter().find(|standing| standing.model == model)
    }

    /// Takes the verdict back, because of what happened to the run as a whole.
    pub(crate) fn withhold(&mut self, lost: u32, asked: u32) {
        self.outcome = Outcome::NoVerdict { lost, asked };
    }

    /// Whether a model is among the winners. Where nothing was chosen, nobody is, however the models stand.
    pub fn is_winner(&self, standing: &Standing) -> bool {
        matches!(self.outcome, Outcome::Chosen { .. }) && standing.wins()
    }
}

/// Applies the rule to the workloads of a run, given with their cells.
pub(crate) fn decide(
    workloads: &[(&ScenarioRecord, &[Cell])],
    looks: &[PlannedLook],
    rounds: u32,
    seed: u64,
) -> Vec<Verdict> {
    let contests: Vec<Contest<'_>> =
        workloads.iter().map(|(scenario, cells)| contest_of(scenario, cells)).collect();
    let places = contest::settle(&contests, Spending { looks, rounds }, seed);
    let all = workloads.iter().zip(&contests).zip(places);
    all.map(|(((scenario, cells), contest), placed)| verdict(scenario, cells, contest, &placed)).collect()
}

fn contest_of<'a>(scenario: &'a ScenarioRecord, cells: &'a [Cell]) -> Contest<'a> {
    let contestant = |cell: &'a Cell| {
        let figures =
            cell.rounds.iter().filter_map(|round| Some((round.round, round.value(scenario.merit)?)));
        Contestant { model: &cell.model, figures: figures.collect() }
    };
    Contest { name: &scenario.name, merit: scenario.merit, models: cells.iter().map(contestant).collect() }
}

fn verdict(scenario: &ScenarioRecord, cells: &[Cell], contest: &Contest<'_>, placed: &[Placed]) -> Verdict {
    let merit = scenario.merit;
    let standings: Vec<Standing> =
        placed.iter().map(|placed| standing(&cells[placed.at], contest, placed)).collect();
    let outcome = outcome(&standings, merit);
    let detectable: Vec<f64> = standings.iter().filter_map(|standing| standing.detectable).collect();
    Verdict { merit, standings, outcome, detectable: median(&detectable), boundary: Vec::new() }
}

fn standing(cell: &Cell, contest: &Contest<'_>, placed: &Placed) -> Standing {
    let contestant = &contest.models[placed.at];
    let rounds = contestant.figures.len();
    let untried = cell.rounds.is_empty() && cell.excluded > 0;
    Standing {
        model: cell.model.clone(),
        place: if untried { Place::Invalid } else { placed.place },
        beaten_by: placed.beaten_by.map(|at| contest.models[at].model.to_owned()),
        q: placed.q,
        detectable: placed.detectable,
        figure: contestant.figure(),
        rounds,
        without_figure: cell.rounds.len().saturating_sub(rounds),
        excluded: cell.excluded,
    }
}

fn outcome(standings: &[Standing], merit: Metric) -> Outcome {
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
    let names = |wanted: fn(&Standing) -> bool| {
        standings.iter().filter(|standing| wanted(standing)).map(|standing| standing.model.clone()).collect()
    };
    let winners = names(Standing::wins);
    let perhaps = names(|standing| matches!(standing.place, Place::Unresolved { .. }));
    let next = standings.iter().find_map(|standing| match standing.place {
        Place::Behind(factor) => Some((standing.model.clone(), factor)),
        _ => None,
    });
    Outcome::Chosen { winners, perhaps, next }
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
            format!("{:.0} % bootstrap interval", crate::stats::bootstrap::CONFIDENCE * 100.0),
            format!("a factor of at least {}", TELLING),
            format!("lead to the power of {}", OF_THE_LEAD),
            format!("{:.0} % of a whole run's trials", MOST_LEFT_OUT * 100.0),
            format!("q of at most {LEVEL}"),
            format!("reject, at {LEVEL}"),
            format!("at most {LEVEL} k/m"),
            format!("[`DEFAULT_ROUNDS`] = {DEFAULT_ROUNDS} it is"),
            format!("exp({} s / sqrt(R))", crate::stats::power::STANDARD_ERRORS),
        ] {
            assert!(prose.contains(&stated), "the prose does not say {stated:?}");
        }
    }
    #[test]
    fn the_rounds_of_the_prose_are_those_of_the_test() {
        assert_eq!(rounds_to_tell(LEVEL), 6);
        let least = |rounds| 2.0 * signed_rank::least(rounds);
        for (rounds, p, share) in [(6, "0.0313", "63"), (8, "0.0078", "16"), (10, "0.0020", "4")] {
            assert_eq!(format!("{:.4}", least(rounds) + 1e-9), p);
            assert_eq!((least(rounds) / LEVEL * 100.0).ceil().to_string(), share);
        }
        assert!(least(5) > LEVEL);
    }
}
