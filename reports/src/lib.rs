//! Records of bake-off runs, the statistics over them, and the reports made from them.
//!
//! [`record`] is the boundary: whoever measures writes these records, and everything else in this crate is derived
//! from them and from nothing else. The crate is pure: it opens no socket, reads no clock, starts no process; the same
//! records give the same bytes.
#![deny(missing_docs)]

pub mod histogram;
pub mod record;
