//! Whether a build became slower than another: the verdict on a comparison of two builds in one run.
//!
//! # The rule
//! 1. A cell is a model under a workload; the head of the bundle says which figures of it can fail the run, and the
//!    practical floor of each: the smallest slowdown that matters. For each round in which both sides have the figure,
//!    d = ln(how many times worse B is than A). Requests that were never answered count as infinite, as everywhere.
//! 2. A claim that B is worse or better must clear the *bar*: the larger of the practical floor and the noise floor, which is
//!    what chance alone makes of these very rounds (`noise.rs`). Only a claim needs it. A *pass* must hold
//!    against the practical floor: were it held against a noise floor of 12 %, a loud machine would pass what a quiet one
//!    fails.
//! 3. B is *suspected* when the lower end of the interval of the median factor lies above 1 plus the bar, and the
//!    one-sided signed-rank test of d less the bar, divided by the weight of its look (the smallest over looks counts) and
//!    adjusted for every figure of every cell of the run (Benjamini-Hochberg), has q of at most 0.05. The interval is a
//!    bootstrap of the median with a confidence of 90 %: each claim looks at one end of it only, and each end is a bound that
//!    holds with 95 %. A 95 % interval would ask for 2.5 % of every claim.
//! 4. What is suspected runs again on fresh rounds, and is *regressed* when these alone say so: their median lies beyond the
//!    practical floor and the test of d less that floor has p of at most 0.10. That is one question asked once, in a
//!    direction known beforehand, of rounds nobody has looked at, so neither weights nor an adjustment belong to it. It may
//!    be asked at 0.10 because it only ever follows a suspicion: both together err in 0.5 % of cases, and a gate must
//!    stay below 1 %; at 0.05 it would lose one in twenty true slowdowns for nothing. At least [`CONFIRM_PAIRS`] = 20 pairs,
//!    or as many as were planned, less the 15 % that any run may lose, and never fewer than [`MIN_PAIRS`] = 6.
//!    Suspected and not confirmed is *inconclusive*: the two halves of the run contradict each other, or the second is missing.
//! 5. *Improved* is the mirror image of suspected: it fails nobody, so it needs no confirmation. *Pass*: the upper end of the
//!    interval is at most 1 plus the practical floor, and the mirrored test has p of at most 0.05 after its weight. It is
//!    not adjusted for how many figures there are: each figure that is truly slower by the floor is let pass in 5 % of runs
//!    at most. Anything else is *inconclusive*, with an estimate of the rounds that would tell.
//! 6. *Broken* (`failure.rs` has its rule): a build that answers wrongly, dies or does not start, where the other does not, is
//!    regressed whatever its speed, without fresh rounds: by a wrong byte in two rounds, by anything else in so many that chance
//!    would give them to B alone in 5 % of cases at most. That is looked at after every round and not adjusted.
//! 7. *Invalid*: more than 15 % of the rounds tried are without a pair of the figure, or neither side does the work (infinite
//!    times, or rates of 0). Fewer than 6 rounds tried are too short: inconclusive.
//!
//! # What it costs to look
//! The search looks after fixed rounds, the first after [`FIRST_LOOK`] = 20. A cell stops when all its figures are decided: pass,
//! improved or suspected. The looks share at most half of the error rate, so that the end, where small
//! slowdowns are found, keeps most of it; for a clear pass or a clear slowdown the little is enough. What is decided at a look stays
//! decided, because its pairs stay as they are, the smallest p over looks can only fall, and a figure that is not to be trusted
//! any more counts with the p of the looks at which it was: it can claim nothing then, but what was decided beside it stands, as
//! it would have stood had the run ended there.
//!
//! # How often it is wrong, and what it finds
//! A false alarm takes a suspicion, which is wrong in 5 % of cases at most, and a confirmation of it, which is wrong in 10 %:
//! 0.5 % where B is slower by just the floor, and far less where it is the same, a whole floor away. Simulated with noise that
//! drifts and has one pair in twenty hit by a neighbour, 60 pairs to search with and 40 to confirm by, and a floor of 3 %:
//!
//! | spread of a pair | the same build | slower by 3 % | by 5 % | by 10 % |
//! |---|---|---|---|---|
//! | 3 % | 0 of 600 | 1 of 600 | 574 of 600 | 600 of 600 |
//! | 5 % | 0 of 600 | 2 of 600 | 312 of 600 | 600 of 600 |
//!
//! are called regressed. At a spread of 5 % a slowdown of 5 % takes 150 and 80 pairs: 559 of 600. With six figures gated, of which
//! one is slower, 5 % at a spread of 3 % is found in 546 of 600. None of the slowdowns of 5 % was let pass. The tests beside
//! this file hold smaller runs of the same against these rates.

mod book;
mod failure;
mod judge;
mod ledger;
mod noise;
mod plan;
mod reason;
mod replay;
mod rule;
#[cfg(test)]
mod simulation;
mod spending;
mod verdict;

pub use failure::{Fault, Faults};
pub use judge::judge;
pub use ledger::Ledger;
pub use plan::{
    CONFIDENCE, CONFIRM_LEVEL, CONFIRM_PAIRS, FIRST_LOOK, LEVEL, MIN_PAIRS, MOST_MORE, defaults, looks,
};
pub use reason::{Because, Reason};
pub use replay::{FEWEST_RECORDED, Replay, Tally, replay};
pub use verdict::{Gate, Outcome, Paired, Verdict};
