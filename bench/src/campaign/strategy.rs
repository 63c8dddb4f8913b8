//! What a campaign asks of a strategy: which trials come next, and what it makes of those that are done.
//!
//! A strategy decides between steps and blocks, from records alone. It never starts a process, never reads a clock and never
//! writes a file; the loop of the campaign does all of that, the same for every strategy.

use bakeoff_reports::record::{Record, Run, Trial};
use std::time::Duration;

/// A contestant under a workload, by their positions in the campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cell {
    /// Position of the workload.
    pub scenario: usize,
    /// Position of the contestant.
    pub contestant: usize,
}

/// When a disturbed trial is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// Not when others took from the CPUs: the strategy repeats the whole block. What the generator spoiled is repeated at the
    /// block's end.
    ByBlock,
    /// At once, so that it stays a neighbour in time of the next.
    AtOnce,
    /// When the block's other trials are done, by when the disturbance may be over.
    AtTheEnd,
}

/// Trials that run back to back and belong together in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its number, from 0: of its workload in a run, of the round where blocks make up rounds. It seeds the schedules.
    pub number: u32,
    /// The cells, in their order.
    pub cells: Vec<Cell>,
    /// When a disturbed one is repeated.
    pub repeat: Repeat,
}

/// A way through a campaign: rounds, a budget, pairs of builds, a search.
pub trait Strategy {
    /// The campaign begins: what its head declares. Returns what the bundle holds before the first trial.
    fn begin(&mut self, head: &Run) -> Vec<Record> {
        let _ = head;
        Vec::new()
    }

    /// The blocks of the step of this number (from 0), when the campaign has taken `elapsed`; `None` when it is over.
    fn next_round(&mut self, round: u32, elapsed: Duration) -> Option<Vec<Block>>;

    /// A trial is done and took so long; `last` says that it is not repeated.
    fn observe(&mut self, cell: Cell, trial: &Trial, took: Duration, last: bool);

    /// A block is done.
    fn end_block(&mut self, block: &Block) {
        let _ = block;
    }

    /// What is known so far, in a few words for who waits; nothing where nothing is.
    fn so_far(&self) -> String {
        String::new()
    }

    /// So many steps are done: what follows from them, for the bundle.
    fn end_round(&mut self, rounds: u32, elapsed: Duration) -> Vec<Record> {
        let _ = (rounds, elapsed);
        Vec::new()
    }
}
