//! Records of bake-off runs, the statistics over them, and the reports made from them.
//!
//! [`record`] is the boundary: whoever measures writes these records, and everything else in this crate is derived
//! from them and from nothing else. The crate is pure: it opens no socket, reads no clock, starts no process; the same
//! records give the same bytes.
//!
//! A room uses only the rooms named before it, and only the last one writes prose:
//!
//! ```text
//! record -> stats -> metric -> cells -> rules -> analysis -> ask -> show
//! ```
#![deny(missing_docs)]

pub mod analysis;
pub mod ask;
pub mod cells;
pub mod metric;
pub mod record;
pub mod rules;
#[doc(hidden)]
pub mod sample;
pub mod show;
pub mod stats;
