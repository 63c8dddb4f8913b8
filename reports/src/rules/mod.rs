//! Pure decisions over cells, each with its rule in prose beside its constants. No room above this one may be used here.

pub mod balance;
pub mod gate;
pub mod probe;
pub mod sweep;
pub mod verdict;
pub mod workload;

/// The share of what was planned that may stay without a valid trial before the rest is no fair sample of a sweep, or of a pair of
/// builds.
pub const MOST_LEFT_OUT: f64 = 0.15;
