//! Sweeps and capacity searches: the same scenario at several values of one parameter.
//!
//! A point is a scenario like any other, derived by editing the text of the one it comes from, so that it parses back and
//! keeps every key it knows nothing of. A sweep is then an ordinary run. A capacity search decides between rounds at which
//! rate each model is tried next. Nothing here computes a statistic of a run.

pub mod capacity;
pub mod search;
