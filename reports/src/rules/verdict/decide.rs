//! From the cells of a run to verdicts: which figures the rule compares, in which family.

use super::interval::{Contest, Family, Pair};
use super::settle::{Closeness, Settled};
use super::{
    CAPPED_SHARE, CPU_ALLOWANCE, MIN_BLOCKS, Place, Provisional, Standing, Status, UNSERVED, Verdict,
};
use crate::cells::cell::{Cell, RoundFigures};
use crate::metric::Unit;
use crate::record::{Metric, ScenarioRecord};
use crate::rules::probe::Bounds;
use crate::stats::censored::Censored;
use crate::stats::estimate::Estimate;
use crate::stats::median;
use std::collections::BTreeMap;

/// A workload whose cells are to be judged.
#[derive(Clone, Copy)]
pub(crate) struct Judged<'a> {
    pub(crate) scenario: &'a ScenarioRecord,
    pub(crate) cells: &'a [Cell],
    pub(crate) bounds: &'a Bounds,
    pub(crate) clean_blocks: usize,
    pub(crate) disturbed_blocks: usize,
}

/// The verdict of undisturbed blocks. `family` holds the comparisons of the whole run.
pub(crate) fn decide(judged: Judged<'_>, family: Family) -> Verdict {
    let settled = contest(judged.scenario.merit, judged.cells.iter(), judged.bounds).settle(family);
    verdict(judged, &settled, settled.status)
}

/// The verdict of all blocks where the clean ones do not decide. `taken` is the share of one CPU that others took.
pub(crate) fn provisional(judged: Judged<'_>, family: Family, taken: f64) -> Verdict {
    let Judged { scenario, cells, bounds, .. } = judged;
    let merit = scenario.merit;
    let (by, allowance) = match merit {
        Metric::Throughput if scenario.load.is_closed() => (Metric::CpuPerRequest, CPU_ALLOWANCE),
        Metric::MemoryPerConnection => (merit, 1.0),
        _ => (merit, 1.0 / (1.0 - taken.clamp(0.0, 0.9))),
    };
    let mut compared = contest(by, cells.iter(), bounds);
    compared.floor = (1.0 + merit.floor()) * allowance - 1.0;
    let mut pairs = compared.pairs(family);
    if by != merit {
        let seen = contest(merit, cells.iter(), bounds).pairs(family);
        let agrees = |pair: &Pair| {
            let same = |other: &&Pair| (other.first, other.second) == (pair.first, pair.second);
            seen.iter().find(same).is_some_and(|seen| seen.centre * pair.centre > 0.0)
        };
        // A pair whose throughput says otherwise tells nothing.
        pairs.iter_mut().filter(|pair| !agrees(pair)).for_each(|pair| {
            (pair.low, pair.high) = (f64::NEG_INFINITY, f64::INFINITY);
        });
    }
    let settled = compared.read(pairs, family, false);
    let provisional = Some(Provisional { by, allowance });
    Verdict { provisional, ..verdict(judged, &settled, Status::Provisional) }
}

/// The contest of cells by a metric.
pub(crate) fn contest<'a>(metric: Metric, cells: impl Iterator<Item = &'a Cell>, bounds: &Bounds) -> Contest {
    let cells: Vec<&Cell> = cells.collect();
    let mut blocks: BTreeMap<u32, Vec<(usize, &RoundFigures)>> = BTreeMap::new();
    for (at, cell) in cells.iter().enumerate() {
        cell.rounds.iter().for_each(|round| blocks.entry(round.round).or_default().push((at, round)));
    }
    let mut figures = vec![BTreeMap::new(); cells.len()];
    for (number, rounds) in blocks {
        for (at, figure) in block(metric, &rounds, bounds) {
            figures[at].insert(number, figure);
        }
    }
    Contest { floor: metric.floor(), figures }
}

/// The figures of a block, by contestant. A report and a run under way read them here.
pub(super) fn block(
    metric: Metric,
    rounds: &[(usize, &RoundFigures)],
    bounds: &Bounds,
) -> Vec<(usize, Censored)> {
    let of = |(at, round): &(usize, &RoundFigures)| Some((*at, figure(metric, round, bounds)?));
    let mut figures: Vec<(usize, Censored)> = rounds.iter().filter_map(of).collect();
    if metric.unit() == Unit::Bytes {
        let served = figures.iter().filter(|(_, figure)| !figure.never);
        let most = served.map(|(_, figure)| figure.seen).fold(0.0, f64::max);
        let unserved = Censored::never(most + UNSERVED.ln());
        let not_served = rounds.iter().filter(|(_, round)| round.value(metric) == Some(f64::INFINITY));
        for (at, _) in not_served {
            figures.retain(|(known, _)| known != at);
            figures.push((*at, unserved));
        }
    }
    figures
}

/// The figure of a block; `None` where it has none.
fn figure(metric: Metric, round: &RoundFigures, bounds: &Bounds) -> Option<Censored> {
    let censored = round.censored(metric)?;
    let capped = matches!(metric, Metric::Throughput | Metric::Goodput)
        && round.value(metric).is_some_and(|rate| bounds.within(rate, CAPPED_SHARE));
    Some(if capped { censored.capped() } else { censored })
}

fn verdict(judged: Judged<'_>, settled: &Settled, status: Status) -> Verdict {
    let Judged { scenario, cells, .. } = judged;
    let merit = scenario.merit;
    let mut standings: Vec<Standing> = placed(settled)
        .into_iter()
        .map(|at| standing(&cells[at], merit, place(settled, at), settled, cells, at))
        .collect();
    for (at, cell) in cells.iter().enumerate().filter(|(at, _)| !settled.order.contains(at)) {
        let have = cell.rounds.iter().filter(|round| round.value(merit).is_some()).count();
        let untried = cell.rounds.is_empty() && cell.excluded > 0;
        let more = MIN_BLOCKS.saturating_sub(have).max(1);
        let place = if untried { Place::Invalid } else { Place::TooFew { more } };
        standings.push(standing(cell, merit, place, settled, cells, at));
    }
    let chosen = match status {
        Status::Decided | Status::Equal => true,
        Status::Provisional => settled.is_chosen(),
        Status::NoneFits | Status::Undecided { .. } => false,
    };
    let winners = settled.front.iter().filter(|_| chosen).map(|at| cells[*at].model.clone()).collect();
    Verdict {
        merit,
        status,
        winners,
        closeness: settled.closeness.filter(|_| chosen),
        standings,
        pairs: settled.pairs.clone(),
        floor: settled.floor(),
        clean_blocks: judged.clean_blocks,
        disturbed_blocks: judged.disturbed_blocks,
        provisional: None,
        boundary: Vec::new(),
    }
}

/// Who was compared: the front, then those behind some of it, then those behind all of it, each by its mean.
fn placed(settled: &Settled) -> Vec<usize> {
    let rank = |at: &usize| match (settled.front.contains(at), settled.top.contains(at)) {
        (true, _) => 0,
        (false, true) => 1,
        (false, false) => 2,
    };
    let mut order = settled.order.clone();
    order.sort_by_key(rank);
    order
}

fn place(settled: &Settled, at: usize) -> Place {
    let leader = settled.front.first().or(settled.order.first()).copied().unwrap_or(at);
    if at == leader {
        return Place::Leader;
    }
    let Some(pair) = settled.pair(leader, at) else { return Place::TooFew { more: MIN_BLOCKS } };
    let factor = Estimate {
        median: pair.centre.exp(),
        low: pair.low.exp(),
        high: pair.high.exp(),
        rounds: pair.blocks,
    };
    if settled.front.contains(&at) {
        match settled.closeness_between(leader, at) {
            Closeness::Equal => Place::Equal(factor),
            Closeness::Near => Place::Near(factor),
            Closeness::NotToldApart => Place::Open(factor),
        }
    } else if settled.front.iter().all(|one| settled.is_behind(*one, at)) {
        Place::Behind(factor)
    } else {
        Place::Between(factor)
    }
}

fn standing(
    cell: &Cell,
    merit: Metric,
    place: Place,
    settled: &Settled,
    cells: &[Cell],
    at: usize,
) -> Standing {
    let figures: Vec<f64> = cell.rounds.iter().filter_map(|round| round.value(merit)).collect();
    let bad =
        settled.front.first().and_then(|leader| settled.pair(*leader, at)).map_or(0, |pair| pair.bad[1]);
    Standing {
        model: cell.model.clone(),
        place,
        behind: settled.ahead_of(at).map(|other| cells[other].model.clone()).collect(),
        figure: median(&figures),
        blocks: figures.len(),
        bad_blocks: bad,
        without_figure: cell.rounds.len().saturating_sub(figures.len()),
        excluded: cell.excluded,
    }
}
