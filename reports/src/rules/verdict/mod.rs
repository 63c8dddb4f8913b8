//! Which models fit a workload: the rule in prose. `interval.rs` has the interval of a pair, `settle.rs` what is read off the
//! intervals, `decide.rs` which figures go in, `allocation.rs` which blocks a run makes next.
//!
//! # The rule
//! For every pair of contestants of a workload there is one interval for "how many times behind", so wide that in 95 % of runs
//! *all* intervals of the run hold the truth at *all* looks. Every word of a verdict is read off these intervals, and the
//! interval shown is the one that decided.
//!
//! 1. *Figures.* A block (one workload, all its contestants back to back) gives each contestant a figure by the workload's figure
//!    of merit: how bad it is, as a logarithm, or bounds for it ([`Censored`](crate::stats::censored)). So many requests lost
//!    that a percentile is surely infinite: at least the timeout. Losses so near the percentile that they do not tell: at least
//!    the percentile of the answered ones, perhaps infinite. Nothing done: at most one reply. Memory of a model that does not
//!    serve: at least [`UNSERVED`] = 10 times the most of its block. A rate within [`CAPPED_SHARE`] = 10 % of the generator's ceiling:
//!    at least what was seen. They are outcomes of the comparison; none is an exception before it.
//! 2. *Interval.* Of the blocks that both have, from [`CUT_FROM`] = 8 on the fifth with the smallest and the fifth with the
//!    largest differences is left out: a tenth of processes may be bad. The mean of the others is the centre. Its variance
//!    is the pair's own (winsorised) and the workload's mean over all pairs, which counts for [`PRIOR_BLOCKS`] = 4 further
//!    blocks (fewer with fewer than five contestants, none with two): Smyth, Linear models and empirical Bayes methods (2004). The half width is Student's t at the error rate of the look over twice the pairs
//!    of the run. Over looks an interval only shrinks.
//! 3. *Looks* come after so many blocks of a workload as [`LOOKS`] says, each with its share of the error rate [`LEVEL`] = 0.05. The
//!    bound is a sum over looks and pairs, so which workload gets the next blocks, and when a run stops, may depend on anything.
//! 4. *Words.* One is *behind* another when the interval lies beyond 1 plus the practical floor of the metric. Two are *near*
//!    when it lies within [`CLOSE`] = 1.25 to either side and at most a tenth of the blocks was bad, that is more than
//!    [`BAD`] = 1.5 times off the centre. They are *equal* when it lies within the floor to both sides and, in addition, no share
//!    of bad processes above [`LEAST_EXCLUDED`] = 1/3 is possible (Clopper and Pearson 1934). Who is behind nobody is in the *front*. The *top* is
//!    the smallest set that holds the front and whose members are all ahead of everybody outside.
//! 5. *Status.* *Decided*: the top is not everybody, or half of the contestants (rounded down) are behind somebody, or all are near;
//!    the front wins. It holds the best in 95 % of runs, whatever is told apart within it or behind it (Gupta 1965, Hsu 1984). *Equal*: all are. *None fits*: everybody in
//!    the front surely leaves the work undone. Otherwise *undecided*, with the fewest further blocks after which a cut, or all
//!    near, is expected if centre and variance stay as they are. As every floor is below 1.25, no difference stays open for ever.
//! 6. *Disturbed blocks*, in which other programs, the hypervisor or a quota took from the pinned CPUs, decide nothing. Where
//!    the clean ones of a workload do not decide it, all of its blocks are judged in the same way and the status is
//!    *provisional*: only "behind" is claimed, and it takes more. In a closed loop the replies per second of server CPU are
//!    compared, beyond a further [`CPU_ALLOWANCE`] = 1.10, with throughput on the same side; for all else but memory the interval
//!    must lie beyond what the others took, as if they had taken it from one contestant alone. A generator that was late beside them
//!    was made late by them: its lateness is in the times of all contestants, and only makes factors smaller.
//! 7. *The reason* is read off the costs: context switches, system calls, page faults, CPU and segments per request, where the first
//!    model behind needs more by a factor of at least [`TELLING`] = 1.2, and of at least the lead to the power of
//!    [`OF_THE_LEAD`] = 0.5. Then where its requests wait, then who was left without a reply. It is what was measured, not a proof.
//!
//! What the promise is of: the undisturbed blocks of a run's workloads. The points of curves are a family of their own, with an
//! error rate of their own, and so are the intervals of provisional answers, which are made again from more blocks. In a run of a
//! single workload its blocks follow each other, and a model that drifts by itself over many of them can pass for a difference.
//!
//! `reports/design/verdict-rule.md` has the simulated error rates and power, what was tried and rejected, and the vectors that
//! the tests hold this code against. What 95 % does not cover is a state of one model that outlasts the run: only repeated runs
//! see that.

mod allocation;
pub(crate) mod decide;
mod interval;
mod ledger;
mod settle;
#[cfg(test)]
mod tests;

pub use allocation::Means;
pub use interval::{Contest, Family, LOOKS, Pair};
pub use ledger::Ledger;
pub use settle::{Closeness, Settled};

use crate::record::{Axis, Metric};
use crate::stats::estimate::Estimate;

/// The share of runs that may say anything false.
pub const LEVEL: f64 = 0.05;

/// Blocks from which on the fifth at either end is left out.
pub const CUT_FROM: usize = 8;

/// Blocks that the mean spread of a workload's pairs counts for: how unlike the spreads of contestants are in recorded runs.
pub const PRIOR_BLOCKS: usize = 4;

/// The least spread of a logarithm that is believed: some figures are counts, or whole pages.
pub const BELIEVED: f64 = 0.005;

/// Within this factor two contestants are near: half of what one model moves between phases of a machine.
pub const CLOSE: f64 = 1.25;

/// A block that is further off its usual place than this factor is a bad one.
pub const BAD: f64 = 1.5;

/// Contestants are equal only if a larger share of bad processes is excluded.
pub const LEAST_EXCLUDED: f64 = 1.0 / 3.0;

/// A rate within this share of the generator's ceiling may be better than it was seen.
pub const CAPPED_SHARE: f64 = 0.10;

/// The memory of a model that does not serve is at least so many times the most of its block.
pub const UNSERVED: f64 = 10.0;

/// What the replies per second of CPU must differ by beyond the floor in disturbed blocks: they were off by at most 1.085 where a
/// neighbour took 30 % of a CPU.
pub const CPU_ALLOWANCE: f64 = 1.10;

/// A cost that differs by less than this factor explains nothing.
pub const TELLING: f64 = 1.2;

/// A cost whose factor is less than this power of the lead's explains too little of it: half the lead, as factors go.
pub const OF_THE_LEAD: f64 = 0.5;

/// The fewest blocks that anything can be said from.
pub const MIN_BLOCKS: usize = LOOKS[0].0;

/// Blocks of each workload unless told otherwise, where their number is fixed.
pub const DEFAULT_BLOCKS: u32 = 8;

/// Where a model stands in a workload. Factors are how far it is behind the leader.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    /// The first of the front.
    Leader,
    /// In the front, and shown to be equal to the leader.
    Equal(Estimate),
    /// In the front, and shown to be near the leader.
    Near(Estimate),
    /// In the front: not told apart from the leader.
    Open(Estimate),
    /// Behind one of the front, not told apart from another.
    Between(Estimate),
    /// Behind all of the front.
    Behind(Estimate),
    /// Too few blocks.
    TooFew {
        /// How many more are needed at least.
        more: usize,
    },
    /// Tried, and no trial was valid.
    Invalid,
}

impl Place {
    /// How far behind the leader; `None` for the leader itself, and where nothing was compared.
    pub fn factor(&self) -> Option<Estimate> {
        match *self {
            Self::Equal(factor)
            | Self::Near(factor)
            | Self::Open(factor)
            | Self::Between(factor)
            | Self::Behind(factor) => Some(factor),
            Self::Leader | Self::TooFew { .. } | Self::Invalid => None,
        }
    }

    /// Whether nobody is shown to be ahead of it.
    pub fn is_front(&self) -> bool {
        matches!(self, Self::Leader | Self::Equal(_) | Self::Near(_) | Self::Open(_))
    }

    /// Whether it could be compared at all.
    pub fn is_compared(&self) -> bool {
        !matches!(self, Self::TooFew { .. } | Self::Invalid)
    }
}

/// A model's standing.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// The model.
    pub model: String,
    /// Its place.
    pub place: Place,
    /// The models shown to be ahead of it, the best first.
    pub behind: Vec<String>,
    /// Median of its figure of merit over its blocks.
    pub figure: Option<f64>,
    /// Blocks that have the figure.
    pub blocks: usize,
    /// Of those that decided between it and the leader, how many were bad for it.
    pub bad_blocks: usize,
    /// Valid trials with too few requests for the figure.
    pub without_figure: usize,
    /// Blocks that were left out: without any valid trial of it.
    pub excluded: u32,
}

impl Standing {
    /// Whether its figure says that it does not do the work: an infinite time, or a rate or share of 0.
    pub fn useless(&self, merit: Metric) -> bool {
        self.figure.is_some_and(|figure| merit.useless(figure))
    }
}

/// What can be said of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Some are behind, or all are near: the front wins.
    Decided,
    /// All are equal.
    Equal,
    /// Everybody in the front leaves the work undone.
    NoneFits,
    /// The blocks do not tell yet.
    Undecided {
        /// About how many more blocks would; `None` where more do not help.
        more: Option<usize>,
    },
    /// It rests on disturbed blocks: what is behind is behind, nothing more is claimed.
    Provisional,
}

impl Status {
    /// Its name in documents: `decided`, `equal`, `undecided` or `provisional`. That none fits is decided, without a winner.
    pub fn name(self) -> &'static str {
        match self {
            Self::Decided | Self::NoneFits => "decided",
            Self::Equal => "equal",
            Self::Undecided { .. } => "undecided",
            Self::Provisional => "provisional",
        }
    }
}

/// What a provisional verdict was read off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Provisional {
    /// The figure that was compared.
    pub by: Metric,
    /// How far beyond the floor a difference had to lie, as a factor.
    pub allowance: f64,
}

/// A place on an axis where the best model changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Flip {
    /// Best below it.
    pub before: String,
    /// Best above it.
    pub after: String,
    /// The axis.
    pub axis: Axis,
    /// Where, and the interval.
    pub at: (f64, f64, f64),
}

/// The verdict on a workload.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The figure of merit.
    pub merit: Metric,
    /// What can be said.
    pub status: Status,
    /// Who wins, the best first: nobody is shown to be ahead of them. Empty where nothing is chosen.
    pub winners: Vec<String>,
    /// How alike the winners are; `None` for one.
    pub closeness: Option<Closeness>,
    /// The models, best first; those that could not be compared last, in the workload's order.
    pub standings: Vec<Standing>,
    /// Every pair that was compared, by positions in the workload's order.
    pub pairs: Vec<Pair>,
    /// What a difference had to lie beyond, as a share: the practical floor, with the allowance of a provisional verdict.
    pub floor: f64,
    /// Undisturbed blocks.
    pub clean_blocks: usize,
    /// Disturbed blocks.
    pub disturbed_blocks: usize,
    /// How a provisional verdict was made.
    pub provisional: Option<Provisional>,
    /// Where it flips, when a sweep of the workload shows that.
    pub boundary: Vec<Flip>,
}

impl Verdict {
    /// How far one contestant is behind another, by their positions in the workload's order; `None` where they were not compared.
    pub fn pair(&self, first: usize, second: usize) -> Option<Pair> {
        let same = |pair: &&Pair| (pair.first, pair.second) == (first.min(second), first.max(second));
        let pair = *self.pairs.iter().find(same)?;
        Some(if first < second { pair } else { pair.turned() })
    }

    /// The standing of a model.
    pub fn standing(&self, model: &str) -> Option<&Standing> {
        self.standings.iter().find(|standing| standing.model == model)
    }

    /// Whether a model is among the winners.
    pub fn wins(&self, model: &str) -> bool {
        self.winners.iter().any(|winner| winner == model)
    }

    /// The first model that is behind all winners, and how far it is behind the leader.
    pub fn next(&self) -> Option<(&Standing, Estimate)> {
        self.standings.iter().find_map(|standing| match standing.place {
            Place::Behind(factor) => Some((standing, factor)),
            _ => None,
        })
    }
}
