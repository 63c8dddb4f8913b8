//! The history of runs on disk: an SQLite database in one file, and how a bundle gets into it.
//!
//! It keeps entries and hands them out. What they mean - series, change points, pages - is said by
//! `bakeoff_reports::ask::history`, which never sees a database.

pub mod checkout;
mod error;
pub mod import;
mod schema;
mod store;

pub use error::StoreError;
pub use store::{Pruned, Recorded, Store};

/// The store's file unless told otherwise, in the current folder: beside the results of the project it is about, and seen.
pub const DEFAULT_STORE: &str = "bakeoff-history.sqlite";
