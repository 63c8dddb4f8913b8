//! The pairs of a comparison: what each round says of A and of B, for every cell, entered trial by trial.
//!
//! Of several tries of a side in a round the first valid one counts, as everywhere. A round in which a build *fails* is
//! remembered as such: it answered with a wrong byte, ended before it was asked to, did not start, or let nobody in. Such
//! trials are not tried again, and what the machine did is no excuse for any of them.

use super::failure::{Fault, Faults};
use super::rule::{self, Series};
use crate::cells::exclusion::Exclusion;
use crate::cells::gather;
use crate::record::bundle::Bundle;
use crate::record::{ComparedCell, Comparison, Gated, Run, ScenarioRecord, Side, Trial};
use crate::stats::threads;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;

/// The cells of a comparison with their rounds.
#[derive(Clone, Debug)]
pub(crate) struct Book {
    pub(crate) cells: Vec<Entry>,
}

/// One cell.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) cell: ComparedCell,
    scenario: ScenarioRecord,
    /// What its model is called in trials, by side.
    names: [String; 2],
    rounds: BTreeMap<u32, Round>,
}

/// A round of a cell: A, then B.
#[derive(Clone, Debug, Default)]
struct Round {
    sides: [Half; 2],
}

/// A side in a round.
#[derive(Clone, Debug, Default)]
struct Half {
    tried: bool,
    fault: Option<Fault>,
    /// Why its last try does not count, where none does.
    loss: Option<Exclusion>,
    /// The gated figures of the try that counts; absent without one.
    figures: Option<Vec<Option<f64>>>,
}

/// What a trial says.
struct Said {
    cell: usize,
    side: usize,
    round: u32,
    half: Half,
}

/// How the pairs of a figure came out.
#[derive(Clone, Debug)]
pub(crate) struct Pairs {
    /// The logarithm of how many times worse B is than A, by round.
    pub(crate) logs: Vec<(u32, f64)>,
    /// The figures of A in these rounds, and those of B.
    pub(crate) figures: [Vec<f64>; 2],
    /// Rounds in which both sides were tried.
    pub(crate) tried: usize,
    /// Those of them without a pair.
    pub(crate) lost: Vec<u32>,
    /// Rounds in which both sides have a valid trial.
    pub(crate) valid: usize,
}

impl Book {
    /// The empty book of a comparison. A cell whose workload the head does not declare has no place in it.
    pub(crate) fn new(run: &Run, comparison: &Comparison) -> Self {
        let entry = |cell: &ComparedCell| {
            let scenario = run.scenarios.iter().find(|scenario| scenario.name == cell.scenario)?;
            let names = Side::BOTH.map(|side| side.model(&cell.model));
            Some(Entry { cell: cell.clone(), scenario: scenario.clone(), names, rounds: BTreeMap::new() })
        };
        Self { cells: comparison.cells.iter().filter_map(entry).collect() }
    }

    /// The book of a bundle.
    pub(crate) fn of(bundle: &Bundle, comparison: &Comparison) -> Self {
        let mut book = Self::new(&bundle.run, comparison);
        threads::prepare();
        let said: Vec<Said> = bundle.trials.par_iter().filter_map(|trial| book.read(trial)).collect();
        said.into_iter().for_each(|said| book.enter(said));
        book
    }

    /// Enters a trial; one of a cell that is not compared is passed over.
    pub(crate) fn add(&mut self, trial: &Trial) {
        if let Some(said) = self.read(trial) {
            self.enter(said);
        }
    }

    /// Reads a trial as the report does: one that contradicts itself gives no figure.
    fn read(&self, trial: &Trial) -> Option<Said> {
        let of = |at: usize| self.cells[at].names.iter().position(|name| *name == trial.model);
        let mine = |at: &usize| self.cells[*at].cell.scenario == trial.scenario && of(*at).is_some();
        let cell = (0..self.cells.len()).find(mine)?;
        let (side, entry) = (of(cell)?, &self.cells[cell]);
        let mut half = Half { tried: true, fault: Fault::of(trial), ..Half::default() };
        if let Some(reason) = trial.invalid.first() {
            half.loss = Some(Exclusion::Invalid(reason.clone()));
        } else {
            match gather::of_trial(&entry.scenario, trial) {
                Err(why) => half.loss = Some(why),
                Ok(round) => {
                    let figures = entry.cell.gated.iter().map(|gated| round.value(gated.figure));
                    half.figures = Some(figures.collect());
                }
            }
        }
        Some(Said { cell, side, round: trial.round, half })
    }

    fn enter(&mut self, said: Said) {
        let round = self.cells[said.cell].rounds.entry(said.round).or_default();
        let known = &mut round.sides[said.side];
        known.tried = true;
        if known.fault.is_none() {
            known.fault = said.half.fault;
        }
        if known.figures.is_none() {
            known.figures = said.half.figures;
            known.loss = said.half.loss;
        }
    }
}

impl Entry {
    /// The pairs of one gated figure, by its position, in these rounds.
    pub(crate) fn pairs(&self, gated: usize, rounds: Range<u32>) -> Pairs {
        let figure = self.cell.gated[gated].figure;
        let mut pairs =
            Pairs { logs: Vec::new(), figures: Default::default(), tried: 0, lost: Vec::new(), valid: 0 };
        for (number, round) in self.rounds.range(rounds) {
            let [a, b] = &round.sides;
            if !(a.tried && b.tried) {
                continue;
            }
            pairs.tried += 1;
            let valid = a.figures.as_ref().zip(b.figures.as_ref());
            pairs.valid += usize::from(valid.is_some());
            match valid.and_then(|(a, b)| a[gated].zip(b[gated])) {
                Some((a, b)) => {
                    pairs.logs.push((*number, figure.log_behind(a, b)));
                    pairs.figures[0].push(a);
                    pairs.figures[1].push(b);
                }
                None => pairs.lost.push(*number),
            }
        }
        pairs
    }

    /// The figure as the rule sees it, by the rounds before this one. One that cannot be judged stays in the family.
    pub(crate) fn series(&self, gated: usize, before: u32) -> Series<'_> {
        let pairs = self.pairs(gated, 0..before);
        let Gated { figure, floor } = self.cell.gated[gated];
        let names = [self.cell.scenario.as_str(), self.cell.model.as_str(), figure.key()];
        Series { names, floor, search: pairs.logs, lost: pairs.lost }
    }

    /// In which rounds either side failed.
    pub(crate) fn faults(&self) -> Faults {
        let both = self.rounds.values().filter(|round| round.sides.iter().all(|half| half.tried));
        Faults::count(both.map(|round| [round.sides[0].fault.as_ref(), round.sides[1].fault.as_ref()]))
    }

    /// Whether a side failed in every round so far and no pair is valid: no figure will ever come. (Where servers die of their
    /// workload, each round may hold a death and a valid trial.)
    pub(crate) fn hopeless(&self) -> bool {
        let pair = |round: &Round| round.sides.iter().all(|half| half.figures.is_some());
        self.faults().always() && !self.rounds.values().any(pair)
    }

    /// The reason that most rounds without a valid pair share, by one of its kind.
    pub(crate) fn commonest_loss(&self, rounds: Range<u32>) -> Option<Exclusion> {
        let halves = self.rounds.range(rounds).flat_map(|(_, round)| &round.sides);
        let each = halves.filter_map(|half| half.loss.as_ref()).map(|reason| vec![reason]);
        Exclusion::commonest(each).map(|(reason, _)| reason.clone())
    }
}

impl Pairs {
    /// Whether there are pairs to judge by.
    pub(crate) fn enough(&self) -> bool {
        rule::enough(self.logs.len(), self.lost.len())
    }
}
