//! The rule of [`verdict`](crate::rules::verdict) in code, from figures by round to places. It knows no records and no costs, so
//! that a run under way, a report years later and a simulation all apply the same one.

use crate::record::{Metric, PlannedLook};
use crate::rules::verdict::{LEVEL, MIN_ROUNDS, MOST_MORE, Place, rounds_to_tell};
use crate::stats::estimate::{Estimate, Subject};
use crate::stats::paired::Better;
use crate::stats::threads;
use crate::stats::{median, multiple, power, signed_rank};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// A workload as the rule sees it.
#[derive(Clone, Debug)]
pub(crate) struct Contest<'a> {
    /// The workload's name.
    pub(crate) name: &'a str,
    /// What decides.
    pub(crate) merit: Metric,
    /// The models it was run with.
    pub(crate) models: Vec<Contestant<'a>>,
}

/// A model in a contest.
#[derive(Clone, Debug)]
pub(crate) struct Contestant<'a> {
    /// Its name.
    pub(crate) model: &'a str,
    /// Its figure in each round that has one.
    pub(crate) figures: BTreeMap<u32, f64>,
}

impl Contestant<'_> {
    /// The median figure.
    pub(crate) fn figure(&self) -> Option<f64> {
        median(&self.figures.values().copied().collect::<Vec<_>>())
    }

    fn useless(&self, merit: Metric) -> bool {
        self.figure().is_some_and(|figure| merit.useless(figure))
    }
}

/// How the error rate is spent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spending<'a> {
    /// The looks of the run; none for a run whose rounds were fixed.
    pub(crate) looks: &'a [PlannedLook],
    /// Rounds done.
    pub(crate) rounds: u32,
}

impl Spending<'_> {
    /// The data sets that were looked at, as a number of rounds with the share that it may spend. A look taken counts; so
    /// does the end, with what the looks left, unless a look was the end.
    pub(crate) fn evaluations(&self) -> Vec<(u32, f64)> {
        let taken = self.looks.iter().filter(|look| look.after_rounds <= self.rounds);
        let mut all: Vec<(u32, f64)> = taken.map(|look| (look.after_rounds, look.weight)).collect();
        if all.last().is_none_or(|(rounds, _)| *rounds != self.rounds) {
            let spent: f64 = all.iter().map(|(_, weight)| weight).sum();
            all.push((self.rounds, (1.0 - spent).max(0.0)));
        }
        all
    }
}

/// Two models of a contest, by their positions in it.
#[derive(Debug)]
struct Pair {
    first: usize,
    second: usize,
    /// How far the second is behind the first, as logarithms, by round.
    logs: Vec<(u32, f64)>,
    /// p that the second is not behind the first by more than the floor; two-sided.
    second_behind: f64,
    /// The same the other way round.
    first_behind: f64,
    /// p that they differ by the floor or more.
    equal: f64,
    /// The smaller of both, adjusted for all comparisons of the run.
    q: f64,
}

/// A model's place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Placed {
    /// Its position in the contest.
    pub(crate) at: usize,
    /// Its place.
    pub(crate) place: Place,
    /// The model that it is behind, where that is not the best.
    pub(crate) beaten_by: Option<usize>,
    /// Adjusted p of its difference to the best.
    pub(crate) q: Option<f64>,
    /// The least factor behind the best that as many rounds would find.
    pub(crate) detectable: Option<f64>,
}

/// What the rule says of a model, without how far it is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// The best.
    Best,
    /// Equal to the best.
    Equal,
    /// Behind this model.
    Behind(usize),
    /// Not resolved.
    Open,
    /// Too few rounds to compare.
    Few,
}

/// The places in every contest of a run, the best first. Those with too few rounds come last, in the contest's order.
pub(crate) fn settle(contests: &[Contest<'_>], spending: Spending<'_>, seed: u64) -> Vec<Vec<Placed>> {
    judge(contests, spending, seed, |judge| judge.places())
}

/// The class of every model of every contest, in the contests' order: what a look needs, without the intervals it does not.
pub(crate) fn classes(contests: &[Contest<'_>], spending: Spending<'_>, seed: u64) -> Vec<Vec<Class>> {
    judge(contests, spending, seed, |judge| judge.classes())
}

fn judge<T: Send>(
    contests: &[Contest<'_>],
    spending: Spending<'_>,
    seed: u64,
    what: impl Fn(&Judge<'_>) -> T + Sync,
) -> Vec<T> {
    threads::prepare();
    let evaluations = spending.evaluations();
    let mut pairs: Vec<Vec<Pair>> =
        contests.par_iter().map(|contest| pairs_of(contest, &evaluations)).collect();
    let p: Vec<f64> = pairs.iter().flatten().map(|pair| pair.second_behind.min(pair.first_behind)).collect();
    let q = multiple::adjusted(&p);
    pairs.iter_mut().flatten().zip(&q).for_each(|(pair, q)| pair.q = *q);
    let found = q.iter().filter(|q| **q <= LEVEL).count();
    // What one more finding would need if everything else stayed as it is.
    let alone = rounds_to_tell(LEVEL * (found + 1).min(q.len()) as f64 / q.len().max(1) as f64);
    let all = contests.par_iter().zip(&pairs);
    all.map(|(contest, pairs)| what(&Judge { contest, pairs, alone, seed })).collect()
}

/// Every pair of a contest's models, those that cannot be compared included: which comparisons a run makes must not depend
/// on how they come out.
fn pairs_of(contest: &Contest<'_>, evaluations: &[(u32, f64)]) -> Vec<Pair> {
    let models = &contest.models;
    let floor = (1.0 + contest.merit.floor()).ln();
    let mut pairs = Vec::new();
    for first in 0..models.len() {
        for second in first + 1..models.len() {
            let logs = logs(&models[first], &models[second], contest.merit);
            let mut pair =
                Pair { first, second, logs, second_behind: 1.0, first_behind: 1.0, equal: 1.0, q: 1.0 };
            for (rounds, weight) in evaluations {
                pair.evaluate(*rounds, *weight, floor);
            }
            pairs.push(pair);
        }
    }
    pairs
}

fn logs(reference: &Contestant<'_>, other: &Contestant<'_>, merit: Metric) -> Vec<(u32, f64)> {
    let shared = reference
        .figures
        .iter()
        .filter_map(|(round, figure)| Some((*round, *figure, *other.figures.get(round)?)));
    shared.map(|(round, reference, other)| (round, merit.log_behind(reference, other))).collect()
}

impl Pair {
    fn evaluate(&mut self, rounds: u32, weight: f64, floor: f64) {
        let logs = self.logs.iter().filter(|(round, _)| *round < rounds).map(|(_, log)| *log);
        let logs: Vec<f64> = logs.collect();
        if logs.len() < MIN_ROUNDS {
            return;
        }
        let p = |turned: fn(f64, f64) -> f64| {
            let shifted: Vec<f64> = logs.iter().map(|log| turned(*log, floor)).collect();
            signed_rank::p_above_zero(&shifted)
        };
        // Twice, because the data choose the direction.
        let (behind, ahead) = (2.0 * p(|log, floor| log - floor), 2.0 * p(|log, floor| -log - floor));
        let equal = p(|log, floor| floor - log).max(p(|log, floor| floor + log));
        let spend = |p: f64| if weight > 0.0 { (p / weight).min(1.0) } else { 1.0 };
        self.second_behind = self.second_behind.min(spend(behind));
        self.first_behind = self.first_behind.min(spend(ahead));
        self.equal = self.equal.min(spend(equal));
    }
}

/// A contest with the figures of its comparisons.
struct Judge<'a> {
    contest: &'a Contest<'a>,
    pairs: &'a [Pair],
    /// Rounds that a further finding takes at least.
    alone: usize,
    seed: u64,
}

impl Judge<'_> {
    /// The models with enough rounds, and the others.
    fn parted(&self) -> (Vec<usize>, Vec<usize>) {
        let models = &self.contest.models;
        (0..models.len()).partition(|at| models[*at].figures.len() >= MIN_ROUNDS)
    }

    fn classes(&self) -> Vec<Class> {
        let (ready, _) = self.parted();
        let best = self.best(&ready);
        let class =
            |at| best.filter(|_| ready.contains(&at)).map_or(Class::Few, |best| self.class(best, at, &ready));
        (0..self.contest.models.len()).map(class).collect()
    }

    fn places(&self) -> Vec<Placed> {
        let models = &self.contest.models;
        let (ready, waiting) = self.parted();
        let Some(best) = self.best(&ready) else {
            return waiting.into_iter().map(|at| self.without_comparison(at)).collect();
        };
        let mut placed: Vec<Placed> = ready.iter().map(|at| self.place(best, *at, &ready)).collect();
        placed.sort_by(|a, b| {
            let (a_key, b_key) = (order_key(&a.place), order_key(&b.place));
            let names = || models[a.at].model.cmp(models[b.at].model);
            a_key.0.cmp(&b_key.0).then(a_key.1.total_cmp(&b_key.1)).then_with(names)
        });
        placed.extend(waiting.into_iter().map(|at| self.without_comparison(at)));
        placed
    }

    fn without_comparison(&self, at: usize) -> Placed {
        let more = MIN_ROUNDS - self.contest.models[at].figures.len();
        Placed { at, place: Place::Undecided { more }, beaten_by: None, q: None, detectable: None }
    }

    /// The model that the median favours over the most others; equal wins by the median figure, then by name.
    fn best(&self, ready: &[usize]) -> Option<usize> {
        let models = &self.contest.models;
        let better = self.contest.merit.better();
        let wins = |at: usize| {
            let beaten = ready
                .iter()
                .filter(|other| median(&self.behind(at, **other)).is_some_and(|median| median > 0.0));
            beaten.count()
        };
        ready.iter().copied().max_by(|a, b| {
            let (a_figure, b_figure) =
                (models[*a].figure().unwrap_or(0.0), models[*b].figure().unwrap_or(0.0));
            let figure = match better {
                Better::More => a_figure.total_cmp(&b_figure),
                Better::Less => b_figure.total_cmp(&a_figure),
            };
            wins(*a).cmp(&wins(*b)).then(figure).then_with(|| models[*b].model.cmp(models[*a].model))
        })
    }

    fn pair(&self, a: usize, b: usize) -> Option<&Pair> {
        let (first, second) = (a.min(b), a.max(b));
        self.pairs.iter().find(|pair| (pair.first, pair.second) == (first, second))
    }

    /// How far `other` is behind `reference`, over the rounds that both have.
    fn behind(&self, reference: usize, other: usize) -> Vec<f64> {
        let sign = if reference < other { 1.0 } else { -1.0 };
        let logs = self.pair(reference, other).map_or(&[][..], |pair| &pair.logs);
        logs.iter().map(|(_, log)| sign * log).collect()
    }

    /// The factor between two models with these logarithms, if they share a round.
    fn factor(&self, reference: usize, other: usize, logs: &[f64]) -> Option<Estimate> {
        let models = &self.contest.models;
        let contestants = [models[reference].model, models[other].model];
        let (workload, metric) = (self.contest.name, self.contest.merit);
        Estimate::of_logs(logs, &Subject { seed: self.seed, workload, contestants: &contestants, metric })
    }

    /// Whether `winner` beats `other` by more than the floor, beyond what chance explains.
    fn beats(&self, winner: usize, other: usize) -> bool {
        let Some(pair) = self.pair(winner, other).filter(|pair| pair.q <= LEVEL) else { return false };
        let other_is_behind = (pair.second_behind < pair.first_behind) == (other > winner);
        let least = 1.0 + self.contest.merit.floor();
        let logs = self.behind(winner, other);
        // An interval does not leave the range; it is drawn only where the range does not tell, because it takes time.
        other_is_behind
            && (logs.iter().all(|log| *log > least.ln())
                || self.factor(winner, other, &logs).is_some_and(|factor| factor.low > least))
    }

    /// Whether `at` is shown to differ from the best by less than the floor.
    fn equals(&self, best: usize, at: usize) -> bool {
        let floor = self.contest.merit.floor();
        let logs = self.behind(best, at);
        self.pair(best, at).is_some_and(|pair| pair.equal <= LEVEL)
            && (logs.iter().all(|log| log.abs() <= (1.0 + floor).ln())
                || self.factor(best, at, &logs).is_some_and(|factor| factor.inside(floor)))
    }

    fn class(&self, best: usize, at: usize, ready: &[usize]) -> Class {
        let (models, merit) = (&self.contest.models, self.contest.merit);
        if at == best {
            return Class::Best;
        }
        if self.pair(best, at).is_none_or(|pair| pair.logs.len() < MIN_ROUNDS) {
            return Class::Few;
        }
        let useless = models[at].useless(merit) && !models[best].useless(merit);
        if useless || self.beats(best, at) {
            return Class::Behind(best);
        }
        match ready.iter().find(|other| self.beats(**other, at)) {
            Some(other) => Class::Behind(*other),
            None if self.equals(best, at) => Class::Equal,
            None => Class::Open,
        }
    }

    fn place(&self, best: usize, at: usize, ready: &[usize]) -> Placed {
        let plain = |place| Placed { at, place, beaten_by: None, q: None, detectable: None };
        let class = self.class(best, at, ready);
        let logs = self.behind(best, at);
        let Some(factor) = self.factor(best, at, &logs).filter(|_| class != Class::Few) else {
            let few = Place::Undecided { more: MIN_ROUNDS.saturating_sub(logs.len()) };
            return plain(if class == Class::Best { Place::Best } else { few });
        };
        let (place, beaten_by) = match class {
            Class::Behind(by) => (Place::Behind(factor), Some(by).filter(|by| *by != best)),
            Class::Equal => (Place::Equal(factor), None),
            _ => (Place::Unresolved { factor, more: self.more(&logs) }, None),
        };
        let detectable = power::spread(&logs)
            .filter(|_| logs.len() >= rounds_to_tell(LEVEL))
            .map(|spread| (1.0 + self.contest.merit.floor()) * power::detectable(spread, logs.len()).exp());
        Placed { at, place, beaten_by, q: self.pair(best, at).map(|pair| pair.q), detectable }
    }

    /// About how many more rounds would settle which side of the floor a difference lies on.
    fn more(&self, logs: &[f64]) -> usize {
        let floor = (1.0 + self.contest.merit.floor()).ln();
        let rounds = match (power::spread(logs), median(logs)) {
            (Some(spread), Some(median)) => power::rounds_for(spread, median.abs() - floor, MOST_MORE),
            // No spread to go by: as many again.
            _ => 2 * logs.len(),
        };
        match rounds.max(self.alone) {
            rounds if rounds >= MOST_MORE => MOST_MORE,
            rounds => rounds.saturating_sub(logs.len()).max(1),
        }
    }
}

fn order_key(place: &Place) -> (u8, f64) {
    match place {
        Place::Best => (0, 1.0),
        Place::Equal(factor) => (1, factor.median),
        Place::Unresolved { factor, .. } => (2, factor.median),
        Place::Behind(factor) => (3, factor.median),
        Place::Undecided { .. } | Place::Invalid => (4, 0.0),
    }
}
