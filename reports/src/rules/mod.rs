//! Pure decisions over cells, each with its rule in prose beside its constants. No room above this one may be used here.

pub(crate) mod contest;
pub mod gate;
pub mod probe;
pub mod sequential;
pub mod sweep;
pub mod verdict;
pub mod workload;
