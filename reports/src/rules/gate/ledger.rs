//! The ledger of a comparison under way: what has ended, what looks worse. The runner enters each finished trial and asks
//! after each round; what it is told is what the report will find in the same records.

use super::book::{Book, Entry};
use super::rule::{self, Class, Series};
use super::spending::Spending;
use crate::record::{Ended, EndedCell, LookRecord, PlannedLook, Run, Trial};
use std::collections::BTreeSet;

/// The pairs of a comparison under way, and which of its cells still run.
#[derive(Clone, Debug)]
pub struct Ledger {
    seed: u64,
    looks: Vec<PlannedLook>,
    book: Book,
    /// Positions of the cells that run no more.
    ended: BTreeSet<usize>,
}

impl Ledger {
    /// The empty ledger of a run; of one that compares no builds it stays empty.
    pub fn new(run: &Run) -> Self {
        let comparison = run.comparison.as_ref();
        Self {
            seed: run.seed,
            looks: comparison.map(|comparison| comparison.looks.clone()).unwrap_or_default(),
            book: comparison.map_or(Book { cells: Vec::new() }, |comparison| Book::new(run, comparison)),
            ended: BTreeSet::new(),
        }
    }

    /// Enters a finished trial, of either side; of several tries of a round the first valid one counts.
    pub fn add(&mut self, trial: &Trial) {
        self.book.add(trial);
    }

    /// To be asked after each round of the search, with how many are done: which cells run no more, named without a side.
    /// `None` when no look is due and no build fails outright.
    ///
    /// At a planned look a cell ends when every gated figure of it is decided, or its B is broken. After any round a cell
    /// ends of which one side has failed in every round so far, in two at least, so that there is no figure to look at.
    pub fn look(&mut self, rounds_done: u32) -> Option<LookRecord> {
        let due = self.looks.iter().any(|look| look.after_rounds == rounds_done);
        let decided = if due { self.decided(rounds_done) } else { Vec::new() };
        let mut ended = Vec::new();
        for (at, entry) in self.book.cells.iter().enumerate() {
            let why = if entry.hopeless() || (due && entry.faults().broken()) {
                Ended::Fails
            } else if decided.get(at).copied().unwrap_or(false) {
                Ended::Decided
            } else {
                continue;
            };
            if self.ended.insert(at) {
                let (scenario, model) = name(entry);
                ended.push(EndedCell { scenario, model, why });
            }
        }
        let going_on = u32::try_from(self.book.cells.len() - self.ended.len()).unwrap_or(u32::MAX);
        (due || !ended.is_empty()).then_some(LookRecord { after_rounds: rounds_done, ended, going_on })
    }

    /// The cells that look worse by the rule after so many rounds of the search, to be run again on fresh rounds: workload
    /// and model without a side. A cell whose B is broken is none of them; it needs no confirmation.
    pub fn suspects(&self, rounds_done: u32) -> Vec<(String, String)> {
        let classes = self.classes(rounds_done);
        let all = self.book.cells.iter().zip(classes);
        all.filter(|(entry, classes)| classes.contains(&Class::Suspected) && !entry.faults().broken())
            .map(|(entry, _)| name(entry))
            .collect()
    }

    /// The cells whose B fails where A does not: workload and model without a side.
    pub fn broken(&self) -> Vec<(String, String)> {
        self.book.cells.iter().filter(|entry| entry.faults().broken()).map(name).collect()
    }

    fn decided(&self, rounds: u32) -> Vec<bool> {
        let classes = self.classes(rounds);
        classes.iter().map(|cell| !cell.contains(&Class::Open)).collect()
    }

    /// What the rule says of every figure of every cell.
    fn classes(&self, rounds: u32) -> Vec<Vec<Class>> {
        let series: Vec<Vec<Series<'_>>> = self
            .book
            .cells
            .iter()
            .map(|entry| (0..entry.cell.gated.len()).map(|gated| entry.series(gated, rounds)).collect())
            .collect();
        let flat: Vec<Series<'_>> = series.iter().flatten().cloned().collect();
        let mut found = rule::apply(&flat, Spending { looks: &self.looks, rounds }, self.seed).into_iter();
        let cell =
            |cell: &Vec<Series<'_>>| found.by_ref().take(cell.len()).map(|found| found.class).collect();
        series.iter().map(cell).collect()
    }
}

fn name(entry: &Entry) -> (String, String) {
    (entry.cell.scenario.clone(), entry.cell.model.clone())
}
