//! Which block a run makes next: the time goes where it decides. Pure; the clock is read by the campaign.
//!
//! # The rule
//! Three blocks of each workload first, shuffled. Then, block by block: among the workloads that are undecided, and after those
//! among the decided ones whose winners are not told apart, the one that needs the least time to be decided and whose
//! next look fits into what is left. Never two blocks of one workload in a row while there is another to put between: a model that drifts by itself would look
//! like a difference (simulated: 12.6 % of runs say something false with blocks in a row, 0.5 % with one between). A contestant that is behind
//! all of the front runs no more. What is decided gets nothing more, except to stand between.

use super::interval::{Contest, Family, LOOKS};
use super::settle::{Closeness, Settled};
use super::{MIN_BLOCKS, Status};
use crate::stats::censored::Censored;
use std::collections::BTreeMap;

/// The figures of a run under way, and which contestants still run under which workload.
#[derive(Clone, Debug)]
pub(super) struct Allocation {
    family: Family,
    workloads: Vec<Open>,
}

#[derive(Clone, Debug)]
struct Open {
    contest: Contest,
    runs: Vec<bool>,
    settled: Settled,
    /// Blocks that count so far.
    blocks: usize,
    /// Whether it is a point of a curve beside workloads: it is drawn, and nobody waits for a verdict on it.
    drawn: bool,
}

/// What the run has left, and what it costs.
#[allow(missing_debug_implementations)] // a closure has none
pub struct Means<'a> {
    /// The time a block of a workload takes with those of its contestants that still run, in seconds.
    pub seconds: &'a dyn Fn(usize, &[usize]) -> f64,
    /// The time that is left, in seconds.
    pub left: f64,
    /// The workload whose block was the last.
    pub last: Option<usize>,
}

impl Allocation {
    /// A run of workloads, each with the floor of its figure of merit, so many contestants, and whether it is only drawn.
    pub(super) fn new(workloads: impl IntoIterator<Item = (f64, usize, bool)>) -> Self {
        let workloads: Vec<(f64, usize, bool)> = workloads.into_iter().collect();
        let judged = workloads.iter().filter(|(.., drawn)| !drawn);
        let family = Family::of(judged.map(|(_, contestants, _)| *contestants));
        let open = |(floor, contestants, drawn): (f64, usize, bool)| {
            let contest = Contest { floor, figures: vec![BTreeMap::new(); contestants] };
            let settled = contest.settle(family);
            Open { contest, runs: vec![true; contestants], settled, blocks: 0, drawn }
        };
        Self { family, workloads: workloads.into_iter().map(open).collect() }
    }

    /// Enters the figures of a block that counts, by contestant; one without a figure has none.
    pub(super) fn enter(
        &mut self,
        workload: usize,
        block: u32,
        figures: impl IntoIterator<Item = (usize, Censored)>,
    ) {
        let open = &mut self.workloads[workload];
        for (contestant, figure) in figures {
            open.contest.figures[contestant].insert(block, figure);
        }
        open.blocks += 1;
        open.look(self.family);
    }

    /// The contestants that still run under a workload.
    pub(super) fn running(&self, workload: usize) -> Vec<usize> {
        let runs = &self.workloads[workload].runs;
        (0..runs.len()).filter(|at| runs[*at]).collect()
    }

    /// Whether a workload is only drawn.
    pub(super) fn is_drawn(&self, workload: usize) -> bool {
        self.workloads[workload].drawn
    }

    /// What the figures of a workload say so far.
    pub(super) fn settled(&self, workload: usize) -> &Settled {
        &self.workloads[workload].settled
    }

    /// Workloads that are decided, or where more blocks do not help.
    pub(super) fn settled_count(&self) -> usize {
        let settled = |open: &&Open| !open.drawn && open.wants().is_none_or(|(rank, _)| rank > 0);
        self.workloads.iter().filter(settled).count()
    }

    /// The workload that gets the next block; `None` when nothing is open, or no look fits any more.
    pub(super) fn next(&self, means: &Means<'_>) -> Option<usize> {
        let mut wanted: Vec<(u8, f64, usize)> = Vec::new();
        for (at, open) in self.workloads.iter().enumerate() {
            let Some((rank, needed)) = open.wants() else { continue };
            let Some(step) = open.to_next_look() else { continue };
            let seconds = (means.seconds)(at, &self.running(at));
            if step as f64 * seconds <= means.left {
                wanted.push((rank, needed as f64 * seconds, at));
            }
        }
        wanted.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)));
        let fresh = |at: &usize| Some(*at) != means.last;
        let wanted: Vec<usize> = wanted.into_iter().map(|(_, _, at)| at).collect();
        let other = wanted.iter().copied().find(fresh);
        other.or_else(|| wanted.first().map(|only| self.between(means).unwrap_or(*only)))
    }

    /// A decided workload to put between two blocks of another: the one whose block costs least.
    fn between(&self, means: &Means<'_>) -> Option<usize> {
        let others =
            (0..self.workloads.len()).filter(|at| Some(*at) != means.last && !self.workloads[*at].drawn);
        let cost = |at: &usize| (means.seconds)(*at, &self.running(*at));
        let able = others.filter(|at| self.running(*at).len() > 1 && cost(at) <= means.left);
        able.min_by(|a, b| cost(a).total_cmp(&cost(b)))
    }
}

impl Open {
    fn look(&mut self, family: Family) {
        self.settled = self.contest.settle(family);
        let front = &self.settled.front;
        for (at, runs) in self.runs.iter_mut().enumerate() {
            let behind = !front.is_empty() && front.iter().all(|one| self.settled.is_behind(*one, at));
            // A contestant without a figure by the first look would hold its workload open for ever.
            let silent = self.blocks >= MIN_BLOCKS && self.contest.figures[at].is_empty();
            *runs &= !behind && !silent;
        }
    }

    /// How urgent further blocks are (0 before 1), and about how many; `None` where nothing is open.
    fn wants(&self) -> Option<(u8, usize)> {
        if self.drawn {
            return None;
        }
        if self.blocks < MIN_BLOCKS {
            return Some((0, MIN_BLOCKS - self.blocks));
        }
        match self.settled.status {
            _ if self.runs.iter().filter(|runs| **runs).count() < 2 => None,
            Status::Undecided { more } => Some((0, more?)),
            Status::Decided if self.settled.closeness == Some(Closeness::NotToldApart) => {
                Some((1, self.settled.to_tell_the_front_apart()?))
            }
            Status::Decided | Status::Equal | Status::NoneFits | Status::Provisional => None,
        }
    }

    /// Blocks to the next look; `None` after the last. Those count that all who run have.
    fn to_next_look(&self) -> Option<usize> {
        let shared = self.shared();
        let next = LOOKS.iter().find(|(blocks, _)| *blocks > shared)?;
        Some(next.0 - shared)
    }

    /// The fewest blocks that two who still run share.
    fn shared(&self) -> usize {
        let running: Vec<usize> = (0..self.runs.len()).filter(|at| self.runs[*at]).collect();
        let figures = &self.contest.figures;
        let both = |one: usize, other: usize| {
            figures[one].keys().filter(|block| figures[other].contains_key(block)).count()
        };
        let pairs = running
            .iter()
            .enumerate()
            .flat_map(|(at, one)| running[at + 1..].iter().map(|other| (*one, *other)));
        pairs.map(|(one, other)| both(one, other)).min().unwrap_or(self.blocks)
    }
}
