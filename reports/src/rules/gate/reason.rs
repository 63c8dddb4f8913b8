//! Why a figure of a comparison came to its outcome. A value: `show` makes the words of it.

use super::failure::Faults;
use crate::cells::exclusion::Exclusion;

/// Why. The figures it speaks of stand in the verdict.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// B fails where A does not.
    Broken,
    /// Too many rounds have no pair.
    Lost {
        /// Rounds in which both sides were tried.
        tried: usize,
        /// Of these, the ones without a pair.
        lost: usize,
        /// Rounds that are valid on both sides and have too few requests for the figure.
        without: usize,
        /// What made most of the others invalid.
        commonest: Option<Exclusion>,
    },
    /// Too few rounds were tried.
    Short {
        /// So many.
        tried: usize,
    },
    /// Neither side does the work.
    Useless,
    /// A slowdown that matters is ruled out.
    RuledOut,
    /// B is better, by more than the floor.
    Improved,
    /// It looks worse, and there are too few fresh rounds to confirm it.
    Unconfirmed {
        /// Pairs of fresh rounds.
        fresh: usize,
        /// How many it takes.
        needed: usize,
    },
    /// It looks worse, and fresh rounds say so too.
    Confirmed,
    /// It looked worse, and fresh rounds do not say so.
    Refuted,
    /// The rounds do not tell.
    Open,
}

/// Why, with the failures of either side: a single one is no verdict, but must not go untold.
#[derive(Clone, Debug, PartialEq)]
pub struct Because {
    /// The reason.
    pub reason: Reason,
    /// The rounds in which either side failed.
    pub faults: Faults,
}
