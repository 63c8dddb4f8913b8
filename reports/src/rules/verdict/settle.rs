//! From the intervals of all pairs to a status: every word of a verdict is read off them. See the rule in [`verdict`](super).

use super::interval::{Contest, Family, LOOKS, Pair, cut, quantile, share_at_most, weight};
use super::{CLOSE, LEAST_EXCLUDED, Status};
use std::collections::BTreeMap;

/// What came of a contest. Contestants are named by their positions in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Settled {
    /// What the blocks say; never provisional, which depends on whose blocks they are.
    pub status: Status,
    /// Nobody is shown to be ahead of these, the best by its mean first.
    pub front: Vec<usize>,
    /// The smallest set that holds the front and whose members are all ahead of everybody outside.
    pub top: Vec<usize>,
    /// How alike the members of the front are; `None` where it has one.
    pub closeness: Option<Closeness>,
    /// Every contestant that was compared with somebody, the best by its mean first.
    pub order: Vec<usize>,
    /// Every pair that has been compared, the first before the second.
    pub pairs: Vec<Pair>,
    floor: f64,
    family: Family,
    likeness: bool,
}

/// How alike the members of a front are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Closeness {
    /// They differ by less than matters, and no large share of bad processes is possible.
    Equal,
    /// They differ by less than a factor of [`CLOSE`].
    Near,
    /// The blocks do not tell them apart.
    NotToldApart,
}

impl Contest {
    /// Applies the rule.
    pub fn settle(&self, family: Family) -> Settled {
        self.read(self.pairs(family), family, true)
    }

    /// What is read off these intervals; with `likeness` near and equal, too.
    pub(super) fn read(&self, pairs: Vec<Pair>, family: Family, likeness: bool) -> Settled {
        let all = self.figures.len();
        let mut settled = Settled {
            status: Status::Undecided { more: None },
            front: Vec::new(),
            top: Vec::new(),
            closeness: None,
            order: (0..all)
                .filter(|at| pairs.iter().any(|pair| pair.first == *at || pair.second == *at))
                .collect(),
            pairs,
            floor: self.floor,
            family,
            likeness,
        };
        let lead =
            |at: usize| -> f64 { (0..all).filter_map(|other| Some(settled.pair(other, at)?.centre)).sum() };
        let mut order: Vec<(f64, usize)> = settled.order.iter().map(|at| (lead(*at), *at)).collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        settled.order = order.into_iter().map(|(_, at)| at).collect();
        settled.front = settled.front_of();
        settled.top = settled.top_of();
        settled.closeness = settled.closeness_of();
        settled.status = self.status(&settled);
        settled
    }

    fn status(&self, settled: &Settled) -> Status {
        if settled.pairs.is_empty() {
            let most = self.figures.iter().map(BTreeMap::len).max().unwrap_or(0);
            return Status::Undecided { more: Some(LOOKS[0].0.saturating_sub(most).max(1)) };
        }
        let useless = |at: &usize| {
            let figures = &self.figures[*at];
            !figures.is_empty() && figures.values().all(|figure| figure.never)
        };
        let everyone_in_front = settled.front.len() == self.figures.len();
        if settled.front.is_empty() {
            Status::Undecided { more: settled.needed() }
        } else if settled.front.iter().all(useless) {
            Status::NoneFits
        } else if everyone_in_front && settled.closeness == Some(Closeness::Equal) {
            Status::Equal
        } else if settled.is_chosen() || settled.all_near() {
            Status::Decided
        } else {
            Status::Undecided { more: settled.needed() }
        }
    }
}

impl Settled {
    /// What a difference has to lie beyond, as a share.
    pub fn floor(&self) -> f64 {
        self.floor
    }

    /// How far the second is behind the first; `None` where they share too few blocks.
    pub fn pair(&self, first: usize, second: usize) -> Option<Pair> {
        let known = |pair: &&Pair| (pair.first, pair.second) == (first.min(second), first.max(second));
        let pair = *self.pairs.iter().find(known)?;
        Some(if first < second { pair } else { pair.turned() })
    }

    /// Whether the second is shown to be behind the first by more than matters.
    pub fn is_behind(&self, first: usize, second: usize) -> bool {
        self.pair(first, second).is_some_and(|pair| pair.is_behind(self.floor.ln_1p()))
    }

    /// Who is shown to be ahead of a contestant, the best first.
    pub fn ahead_of(&self, at: usize) -> impl Iterator<Item = usize> + '_ {
        self.order.iter().copied().filter(move |other| *other != at && self.is_behind(*other, at))
    }

    /// How alike two are.
    pub fn closeness_between(&self, first: usize, second: usize) -> Closeness {
        let pair = self.pair(first, second).filter(|pair| self.likeness && pair.is_steady());
        let Some(pair) = pair else { return Closeness::NotToldApart };
        let bad = pair.bad[0].max(pair.bad[1]);
        let possible = || share_at_most(bad, pair.blocks, weight(pair.blocks), self.family);
        if pair.is_within(self.floor.ln_1p()) && possible() <= LEAST_EXCLUDED {
            Closeness::Equal
        } else if pair.is_within(CLOSE.ln()) {
            Closeness::Near
        } else {
            Closeness::NotToldApart
        }
    }

    /// The pairs among these.
    fn among(members: &[usize]) -> impl Iterator<Item = (usize, usize)> + '_ {
        members.iter().enumerate().flat_map(|(at, one)| members[at + 1..].iter().map(|other| (*one, *other)))
    }

    /// Who is behind nobody, and has been compared with the first of these.
    fn front_of(&self) -> Vec<usize> {
        let mut front = self.order.iter().copied().filter(|at| self.ahead_of(*at).next().is_none());
        let Some(leader) = front.next() else { return Vec::new() };
        let compared = front.filter(|at| self.pair(leader, *at).is_some()).collect::<Vec<_>>();
        [vec![leader], compared].concat()
    }

    fn closeness_of(&self) -> Option<Closeness> {
        Self::among(&self.front).map(|(one, other)| self.closeness_between(one, other)).max()
    }

    fn all_near(&self) -> bool {
        self.order.len() > 1
            && Self::among(&self.order)
                .all(|(one, other)| self.closeness_between(one, other) <= Closeness::Near)
    }

    /// Whether the best is narrowed down: a cut behind the top, or half of the contestants (rounded down) shown not to be it. One that
    /// was never compared with the leader is in no front, and not shown to be behind.
    pub(super) fn is_chosen(&self) -> bool {
        let behind = self.order.iter().filter(|at| self.ahead_of(**at).next().is_some()).count();
        self.top.len() < self.order.len() || behind > 0 && behind >= self.order.len() / 2
    }

    fn top_of(&self) -> Vec<usize> {
        let mut top = self.front.clone();
        loop {
            let ahead = |at: &usize| top.iter().all(|one| self.is_behind(*one, *at));
            let more: Vec<usize> =
                self.order.iter().copied().filter(|at| !top.contains(at) && !ahead(at)).collect();
            if more.is_empty() {
                break;
            }
            top.extend(more);
        }
        top
    }

    /// The fewest further blocks after which some cut (all of the better ones ahead of all the others), half of the contestants each
    /// behind somebody, or all near, is expected. `None` where more blocks do not help.
    fn needed(&self) -> Option<usize> {
        let behind = |pair: Pair| self.blocks_to(pair, Wanted::Behind);
        let near = |pair: Pair| self.blocks_to(pair, Wanted::Near);
        let most = |pairs: Vec<(usize, usize)>, of: &dyn Fn(Pair) -> Option<usize>| {
            let each =
                pairs.into_iter().map(|(one, other)| self.pair(one, other).map_or(Some(LOOKS[0].0), of));
            each.into_iter().try_fold(0, |most: usize, blocks| Some(most.max(blocks?)))
        };
        let cuts = (1..self.order.len()).filter_map(|better| {
            let (better, rest) = self.order.split_at(better);
            let across = better.iter().flat_map(|one| rest.iter().map(|other| (*one, *other)));
            most(across.collect(), &behind)
        });
        let near = most(Self::among(&self.order).collect(), &near);
        let behind_somebody = |at: &usize| {
            let others = self.order.iter().filter(|other| *other != at);
            others.filter_map(|other| behind(self.pair(*other, *at)?)).min()
        };
        let mut each: Vec<usize> = self.order.iter().filter_map(behind_somebody).collect();
        each.sort_unstable();
        let half = each.get((self.order.len() / 2).max(1) - 1).copied();
        cuts.chain(near).chain(half).min().map(|blocks| blocks.max(1))
    }

    /// Further blocks until every two of the front are expected to be told apart, or near. `None` where more do not help.
    pub(super) fn to_tell_the_front_apart(&self) -> Option<usize> {
        let either = |pair: Pair| {
            let ways = [self.blocks_to(pair, Wanted::Behind), self.blocks_to(pair.turned(), Wanted::Behind)];
            ways.into_iter().chain([self.blocks_to(pair, Wanted::Near)]).flatten().min()
        };
        let mut blocks = Self::among(&self.front).map(|(one, other)| either(self.pair(one, other)?));
        blocks.try_fold(1, |most: usize, blocks| Some(most.max(blocks?)))
    }

    /// Further blocks until a pair is expected to show what is wanted, with centre and variance as they are.
    fn blocks_to(&self, pair: Pair, wanted: Wanted) -> Option<usize> {
        let (floor, near, bad) = (self.floor.ln_1p(), CLOSE.ln(), pair.bad[0].max(pair.bad[1]));
        let (shown, possible) = match wanted {
            Wanted::Behind => (pair.low > floor, pair.low > f64::NEG_INFINITY),
            Wanted::Near => {
                (pair.is_within(near) && pair.is_steady(), pair.low.is_finite() && pair.high.is_finite())
            }
        };
        if shown {
            return Some(0);
        }
        if !possible {
            return None;
        }
        let later = || LOOKS.iter().filter(|(blocks, _)| *blocks > pair.have);
        let expected = later().find(|(blocks, weight)| {
            let kept = blocks - 2 * cut(*blocks);
            let half =
                quantile(*weight, self.family, pair.prior + kept - 1) * (pair.variance / kept as f64).sqrt();
            match wanted {
                Wanted::Behind => pair.centre - half > floor,
                // No more bad blocks than there are, if all goes well.
                Wanted::Near => pair.centre.abs() + half < near && 10 * bad <= *blocks,
            }
        });
        // After the last look nothing is read any more.
        later().next()?;
        Some(expected.map_or_else(|| more_than(pair.have), |(blocks, _)| blocks - pair.have))
    }
}

/// What stands for more blocks than the last look asks.
fn more_than(blocks: usize) -> usize {
    LOOKS[LOOKS.len() - 1].0.saturating_sub(blocks) + 1
}

#[derive(Clone, Copy)]
enum Wanted {
    Behind,
    Near,
}
