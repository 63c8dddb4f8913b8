//! The tables of a store and how older ones are brought up to date.
//!
//! `application_id` says that the file is a history, `user_version` which schema it has. A step is never changed once it was
//! released; a new schema is a new step. A new store takes all steps, so that old and new ones cannot differ.

use super::StoreError;
use rusqlite::{Connection, Transaction};
use std::path::Path;

/// "bake" in ASCII: what `file` and other programs can tell the format by.
pub(super) const APPLICATION_ID: i64 = 0x6261_6b65;

/// Step `n` brings schema `n` to `n + 1`; schema 0 is an empty database.
const STEPS: [&str; 4] = [
    // A run, and its figures. Intervals are medians over rounds with the ends of their 95 % interval.
    "CREATE TABLE runs (
         id INTEGER PRIMARY KEY,
         key TEXT NOT NULL UNIQUE,
         started_unix_ms INTEGER NOT NULL,
         tool_version TEXT NOT NULL,
         commit_id TEXT,
         label TEXT,
         machine TEXT NOT NULL,
         machine_words TEXT NOT NULL,
         trials INTEGER NOT NULL
     ) STRICT;
     CREATE INDEX runs_by_time ON runs (started_unix_ms);
     CREATE TABLE figures (
         run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
         scenario TEXT NOT NULL,
         definition TEXT NOT NULL,
         model TEXT NOT NULL,
         figure TEXT NOT NULL,
         better TEXT NOT NULL CHECK (better IN ('more', 'less')),
         value REAL NOT NULL,
         low REAL NOT NULL,
         high REAL NOT NULL,
         rounds INTEGER NOT NULL,
         reference TEXT,
         reference_value REAL,
         ratio REAL,
         ratio_low REAL,
         ratio_high REAL
     ) STRICT;
     CREATE INDEX figures_of_run ON figures (run);",
    // When the commit was made: an older commit that is measured later then finds its place in a series.
    "ALTER TABLE runs ADD COLUMN committed_unix_ms INTEGER;",
    // A definition is of the workload's text with warm-up and window. Those before were of the text alone, which is not kept:
    // they are marked, so that they are never continued by others (`bakeoff_reports::ask::history::TEXT_ALONE`).
    "UPDATE figures SET definition = 'text-' || definition;",
    // How many rounds a ratio is of, which was not kept: those of the figure at most. And the switches were the voluntary ones.
    "ALTER TABLE figures ADD COLUMN ratio_rounds INTEGER;
     UPDATE figures SET ratio_rounds = rounds WHERE reference IS NOT NULL;
     UPDATE figures SET figure = 'voluntary-switches-per-request' WHERE figure = 'switches-per-request';",
];

/// The schema that this version writes.
pub(super) const VERSION: i64 = STEPS.len() as i64;

/// What a file turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Empty: a store yet to be made.
    Empty,
    /// A history of this schema.
    Schema(i64),
}

/// Tells a history from everything else.
pub(super) fn examine(connection: &Connection, path: &Path) -> Result<Found, StoreError> {
    let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let read = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(rusqlite::ffi::ErrorCode::NotADatabase) => foreign(path, "no SQLite database"),
        _ => StoreError::Database { doing: "reading", path: path.to_owned(), source: error },
    };
    let (application, version) =
        (number("application_id").map_err(read)?, number("user_version").map_err(read)?);
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(read)?;
    match (application, version, tables) {
        (0, 0, 0) => Ok(Found::Empty),
        (APPLICATION_ID, found, _) if found > VERSION => {
            Err(StoreError::Newer { path: path.to_owned(), found, supported: VERSION })
        }
        (APPLICATION_ID, found @ 1.., 1..) => Ok(Found::Schema(found)),
        _ => Err(foreign(path, "a database of another program")),
    }
}

fn foreign(path: &Path, what: &str) -> StoreError {
    StoreError::Foreign { path: path.to_owned(), what: what.to_owned() }
}

/// Takes the steps that are missing, all in this transaction.
pub(super) fn migrate(transaction: &Transaction<'_>, from: i64) -> rusqlite::Result<()> {
    for step in &STEPS[from as usize..] {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)
}
