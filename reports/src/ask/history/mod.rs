//! Runs over time: what is kept of each, where a series changes, and which commit to look into.
//!
//! A history is for triage, not a gate: runs on different days differ by more than most commits, even as ratios. Two builds
//! are compared in one run, interleaved (see [`crate::rules::gate`]); here the question is when something began.
//!
//! ```text
//! bundle -> analysis -> entry -> (a store keeps them) -> History::of -> text, html::history
//! ```
//!
//! Pure as the rest of the crate: entries come in, words and pages go out. The store is the harness's.

pub mod divisive;
mod entry;
mod extract;
mod machine;
pub(crate) mod series;

pub use entry::{
    Entry, LINE_VERSION, LinesError, Machine, Point, Reference, TEXT_ALONE, from_lines, to_lines,
};
pub use extract::{Facts, NULL_SERVER, compared_commit, entry, key};
pub use machine::machine;
pub use series::{Alert, Change, History, Sample, Series, SeriesKey};
