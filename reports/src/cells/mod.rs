//! From trials to cells: the figures of one model under one workload, round by round and merged. It decides nothing.

pub mod cell;
pub mod exclusion;
pub(crate) mod gather;

pub mod recovery;
