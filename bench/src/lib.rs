//! The harness: scenarios, the client swarm, launching and sampling servers, the trial loop, the command line.
//!
//! The library exists for the binary, its benches and its tests; it draws no picture and computes no statistic.
#![deny(missing_docs)]

pub mod load;
