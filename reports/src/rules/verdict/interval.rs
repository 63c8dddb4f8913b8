//! The interval of a pair: how many times one contestant is behind another, as a logarithm, after so many blocks. See the rule
//! in [`verdict`](super) for what it promises.

use super::{BAD, BELIEVED, CUT_FROM, LEVEL, PRIOR_BLOCKS};
use crate::stats::censored::Censored;
use statrs::distribution::{Beta, ContinuousCDF, StudentsT};
use std::collections::BTreeMap;

/// The looks: after so many blocks of a workload it is judged, and may spend so much of the error rate. The weights add up to 1.
pub const LOOKS: [(usize, f64); 10] = [
    (3, 0.25),
    (4, 0.15),
    (6, 0.15),
    (8, 0.15),
    (12, 0.05),
    (20, 0.05),
    (32, 0.05),
    (50, 0.05),
    (80, 0.05),
    (128, 0.05),
];

/// Who is compared with whom, in how many blocks: the figures of each contestant by block.
#[derive(Clone, Debug)]
pub struct Contest {
    /// The smallest share that matters.
    pub floor: f64,
    /// For each contestant its figures by number of block; blocks in which it did not run, or has no figure, are missing.
    pub figures: Vec<BTreeMap<u32, Censored>>,
}

/// The comparisons that share one error rate: those of a whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Family {
    /// Pairs of contestants, over all workloads.
    pub pairs: usize,
    /// Contestants, over all workloads; one that runs under two counts twice.
    pub contestants: usize,
}

impl Family {
    /// The family of workloads with so many contestants each.
    pub fn of(contestants: impl IntoIterator<Item = usize>) -> Self {
        contestants.into_iter().fold(Self::default(), |sum, n| Self {
            pairs: sum.pairs + n * n.saturating_sub(1) / 2,
            contestants: sum.contestants + n,
        })
    }
}

/// Two contestants, by their positions, and how far the second is behind the first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// Position of the first.
    pub first: usize,
    /// Position of the second.
    pub second: usize,
    /// Blocks that decided: those of the last look.
    pub blocks: usize,
    /// Blocks that both have.
    pub have: usize,
    /// The trimmed mean of the logarithms.
    pub centre: f64,
    /// Lower end, over all looks.
    pub low: f64,
    /// Upper end, over all looks.
    pub high: f64,
    /// Variance of one block.
    pub(super) variance: f64,
    /// Blocks that the workload's mean variance counts for.
    pub(super) prior: usize,
    /// Blocks in which the first, and in which the second, was far worse than usual against the other.
    pub bad: [usize; 2],
}

impl Pair {
    /// The same pair the other way round.
    #[must_use]
    pub fn turned(self) -> Self {
        Self {
            first: self.second,
            second: self.first,
            centre: -self.centre,
            low: -self.high,
            high: -self.low,
            bad: [self.bad[1], self.bad[0]],
            ..self
        }
    }

    /// Whether at most a tenth of the blocks was bad for either.
    pub(crate) fn is_steady(&self) -> bool {
        10 * self.bad[0].max(self.bad[1]) <= self.blocks
    }

    /// Whether both ends lie within `most`, a logarithm.
    pub(crate) fn is_within(&self, most: f64) -> bool {
        -most <= self.low && self.low <= self.high && self.high <= most
    }

    /// Whether the second is behind by more than `least`, a logarithm.
    pub(crate) fn is_behind(&self, least: f64) -> bool {
        least < self.low && self.low <= self.high
    }
}

/// The blocks left out at either end of so many: none below [`CUT_FROM`], then a fifth.
pub(super) fn cut(blocks: usize) -> usize {
    if blocks >= CUT_FROM { blocks / 5 } else { 0 }
}

/// Blocks that the mean spread of a workload counts for, with so many contestants to tell it.
fn prior(contestants: usize) -> usize {
    if contestants < 3 { 0 } else { PRIOR_BLOCKS.min(contestants - 1) }
}

/// The half width of an interval, in standard errors, at a look of this weight.
pub(super) fn quantile(weight: f64, family: Family, freedom: usize) -> f64 {
    let tail = LEVEL * weight / (2 * family.pairs.max(1)) as f64;
    StudentsT::new(0.0, 1.0, freedom.max(1) as f64).map_or(f64::INFINITY, |t| -t.inverse_cdf(tail))
}

/// The largest share of bad blocks that so many of so many still allow, at a look of this weight (Clopper and Pearson 1934).
pub(super) fn share_at_most(bad: usize, blocks: usize, weight: f64, family: Family) -> f64 {
    if bad >= blocks {
        return 1.0;
    }
    let level = LEVEL * weight / family.contestants.max(1) as f64;
    Beta::new((bad + 1) as f64, (blocks - bad) as f64).map_or(1.0, |beta| beta.inverse_cdf(1.0 - level))
}

/// What a look after so many blocks may spend; 0 where none is.
pub(super) fn weight(blocks: usize) -> f64 {
    LOOKS.iter().find(|(after, _)| *after == blocks).map_or(0.0, |(_, weight)| *weight)
}

impl Contest {
    /// The blocks that both have, the first `most` of them.
    fn shared(&self, first: usize, second: usize, most: usize) -> Vec<(Censored, Censored)> {
        let other = &self.figures[second];
        let both = self.figures[first].iter().filter_map(|(block, one)| Some((*one, *other.get(block)?)));
        both.take(most).collect()
    }

    /// The mean variance over the pairs that tell it, and the blocks it counts for; `None` where no pair does.
    fn pooled(&self, blocks: usize) -> Option<(f64, usize)> {
        let first = |at: &usize| self.figures[*at].values().take(blocks);
        let enough = |at: &usize| first(at).count() >= LOOKS[0].0;
        let all: Vec<usize> = (0..self.figures.len()).filter(enough).collect();
        let known = all.iter().copied().filter(|at| first(at).all(Censored::is_known)).collect::<Vec<_>>();
        let telling = if known.len() < 2 { all } else { known };
        let mut variances = Vec::new();
        for (at, one) in telling.iter().enumerate() {
            for other in &telling[at + 1..] {
                let logs: Vec<f64> =
                    self.shared(*one, *other, blocks).iter().map(|(a, b)| b.seen - a.seen).collect();
                if logs.len() >= LOOKS[0].0 {
                    variances.push(winsorised_variance(&logs));
                }
            }
        }
        let mean = variances.iter().sum::<f64>() / variances.len().max(1) as f64;
        (!variances.is_empty()).then(|| (mean, prior(telling.len())))
    }

    /// Every pair that has reached its first look, with the ends of all its looks.
    pub fn pairs(&self, family: Family) -> Vec<Pair> {
        let pooled: Vec<Option<(f64, usize)>> =
            LOOKS.iter().map(|(blocks, _)| self.pooled(*blocks)).collect();
        let mut pairs = Vec::new();
        for first in 0..self.figures.len() {
            for second in first + 1..self.figures.len() {
                let shared = self.shared(first, second, usize::MAX);
                let looks = LOOKS.iter().zip(&pooled).take_while(|((blocks, _), _)| *blocks <= shared.len());
                let seen = looks.map(|((blocks, weight), pooled)| {
                    at_a_look([first, second], &shared[..*blocks], *weight, *pooled, family)
                });
                // An interval may only shrink from look to look: the bound is a sum over looks.
                let last = seen.reduce(|before, now| Pair {
                    low: before.low.max(now.low),
                    high: before.high.min(now.high),
                    ..now
                });
                pairs.extend(last.map(|pair| Pair { have: shared.len(), ..pair }));
            }
        }
        pairs
    }
}

/// The interval of a pair at one look.
fn at_a_look(
    [first, second]: [usize; 2],
    shared: &[(Censored, Censored)],
    weight: f64,
    pooled: Option<(f64, usize)>,
    family: Family,
) -> Pair {
    let blocks = shared.len();
    let kept = blocks - 2 * cut(blocks);
    let logs = |of: fn(&(Censored, Censored)) -> f64| shared.iter().map(of).collect::<Vec<f64>>();
    let seen = logs(|(a, b)| b.seen - a.seen);
    let own = winsorised_variance(&seen);
    let (pool, prior) = pooled.unwrap_or((own, 0));
    let freedom = prior + kept - 1;
    let variance = (prior as f64 * pool + (kept - 1) as f64 * own) / freedom as f64;
    let half = quantile(weight, family, freedom) * (variance / kept as f64).sqrt();
    let centre = trimmed_mean(&seen);
    let off = |sign: f64| seen.iter().filter(|log| sign * (**log - centre) > BAD.ln()).count();
    Pair {
        first,
        second,
        blocks,
        have: blocks,
        centre,
        low: trimmed_mean(&logs(|(a, b)| bound(b.low, a.high, f64::NEG_INFINITY))) - half,
        high: trimmed_mean(&logs(|(a, b)| bound(b.high, a.low, f64::INFINITY))) + half,
        variance,
        prior,
        bad: [off(-1.0), off(1.0)],
    }
}

/// The difference of two bounds; `unbounded` where either has none.
fn bound(worse: f64, better: f64, unbounded: f64) -> f64 {
    if worse.is_infinite() || better.is_infinite() { unbounded } else { worse - better }
}

/// The mean of what is left when [`cut`] is taken off either end; infinite where that still holds an infinite one.
fn trimmed_mean(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let cut = cut(sorted.len());
    let core = &sorted[cut..sorted.len() - cut];
    core.iter().sum::<f64>() / core.len() as f64
}

/// The variance of one block behind a trimmed mean: its standard error is the root of this over the blocks kept (Yuen, The
/// two-sample trimmed t for unequal population variances, 1974). Never below what is believed of any figure.
fn winsorised_variance(logs: &[f64]) -> f64 {
    let mut sorted = logs.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (blocks, cut) = (sorted.len(), cut(sorted.len()));
    let held = || sorted.iter().map(|log| log.clamp(sorted[cut], sorted[blocks - 1 - cut]));
    let mean = held().sum::<f64>() / blocks as f64;
    let squares: f64 = held().map(|log| (log - mean).powi(2)).sum();
    (squares / (blocks - 2 * cut - 1) as f64).max(BELIEVED * BELIEVED)
}
