//! How the error rate of a comparison is spent over its looks.

use crate::record::PlannedLook;

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
