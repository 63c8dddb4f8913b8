//! A run: what runs in which order, one trial at a time, each on disk before the next begins.

pub mod budget;
pub mod plan;
pub mod progress;
pub mod runner;
