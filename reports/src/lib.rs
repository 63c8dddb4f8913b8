//! Records of bake-off runs, the statistics over them, and the reports made from them.
//!
//! [`record`] is the boundary: whoever measures writes these records, and everything else in this crate is derived
//! from them and from nothing else. The crate is pure: it opens no socket, reads no clock, starts no process; the same
//! records give the same bytes.
//!
//! ```text
//! bundle::load -> analysis::analyse -> html::report
//!                                   -> terminal::summary
//!                                   -> export::export
//! ```
#![deny(missing_docs)]

pub mod across;
pub mod advise;
pub mod analysis;
pub mod anatomy;
pub mod bundle;
pub mod cell;
mod contest;
pub mod cost;
pub mod envelope;
pub mod export;
pub mod gate;
mod gather;
pub mod histogram;
pub mod history;
pub mod html;
pub mod measurement;
pub mod merit;
pub mod orderings;
mod plot;
pub mod probe;
mod reason;
pub mod record;
pub mod recovery;
#[doc(hidden)]
pub mod sample;
mod sample_anatomy;
#[doc(hidden)]
pub mod sample_comparison;
mod sample_envelope;
mod sample_machine;
#[doc(hidden)]
pub mod sample_sweep;
pub mod sequential;
pub mod statistics;
pub mod stops;
pub mod summary;
pub mod sweep;
pub mod terminal;
pub mod theory;
pub mod units;
pub mod verdict;
mod waiting;
mod words;
