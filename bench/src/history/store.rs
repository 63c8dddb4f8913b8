//! The store: opened, written run by run, queried, pruned.
//!
//! A run goes in whole, in one transaction that takes the write lock at its begin, so that two writers wait for each other
//! (half a minute at most) and neither finds its reading overtaken. SQLite's rollback journal does the rest: a process that
//! is killed leaves at most its unfinished run, which the next one to open the file takes back. The journal was chosen over a
//! write-ahead log because the history is then one file to copy, and a rare writer gains nothing from the log.

use super::StoreError;
use super::schema::{self, Found};
use bakeoff_reports::ask::history::{Entry, LINE_VERSION, Machine, Point, Reference, TEXT_ALONE};
use bakeoff_reports::record::Metric;
use bakeoff_reports::stats::estimate::Estimate;
use bakeoff_reports::stats::paired::Better;
use rusqlite::{
    Connection, OpenFlags, OptionalExtension as _, Row, Transaction, TransactionBehavior, params,
};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long to wait for another writer. A run takes milliseconds to write; a disk that is busy with other things takes long.
const PATIENCE: Duration = Duration::from_secs(30);

/// An open store.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    connection: Connection,
}

/// What became of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It is new.
    Added,
    /// The same run is there with fewer trials, or as an older version knew it: this later state of it took its place.
    Completed,
    /// The run is there, and was given the commit or label it had not.
    Named,
    /// The run is there.
    Known {
        /// The commit it is recorded under.
        commit: Option<String>,
    },
}

/// What to remove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pruned {
    /// All but so many of the newest runs of each machine.
    Keep(u32),
    /// Runs that began before this, in milliseconds since the Unix epoch.
    Before(u64),
}

impl Store {
    /// Opens a store to write, and makes it if the file does not exist or is empty.
    ///
    /// # Errors
    /// The file is something else or of a newer version, or cannot be opened, made or brought up to date.
    pub fn create(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)
    }

    /// Opens a store that exists.
    ///
    /// # Errors
    /// As [`Store::create`]; and there is none.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        if !path.exists() {
            return Err(StoreError::Missing { path: path.to_owned() });
        }
        // Falls back to reading where writing is not allowed.
        Self::open_with(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
    }

    fn open_with(path: &Path, flags: OpenFlags) -> Result<Self, StoreError> {
        let failed = |source| StoreError::Database { doing: "opening", path: path.to_owned(), source };
        let connection =
            Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(failed)?;
        connection.busy_timeout(PATIENCE).map_err(failed)?;
        connection.pragma_update(None, "foreign_keys", true).map_err(failed)?;
        let mut store = Self { path: path.to_owned(), connection };
        let found = {
            // In one transaction: what another process makes between two questions would look like somebody else's database.
            let transaction = store.connection.transaction().map_err(failed)?;
            schema::examine(&transaction, path)?
        };
        if found != Found::Schema(schema::VERSION) {
            store.bring_up_to_date()?;
        }
        Ok(store)
    }

    fn bring_up_to_date(&mut self) -> Result<(), StoreError> {
        let path = self.path.clone();
        let failed = |source| StoreError::Database {
            doing: "bringing the schema up to date of",
            path: path.clone(),
            source,
        };
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        // Another process may have done it while this one waited.
        let from = match schema::examine(&transaction, &path)? {
            Found::Empty => 0,
            Found::Schema(version) => version,
        };
        schema::migrate(&transaction, from).and_then(|()| transaction.commit()).map_err(failed)
    }

    fn failed(&self, doing: &'static str) -> impl Fn(rusqlite::Error) -> StoreError + use<> {
        let path = self.path.clone();
        move |source| StoreError::Database { doing, path: path.clone(), source }
    }

    /// Records a run, whole or not at all. A run is recorded once, whatever it is given as.
    ///
    /// # Errors
    /// The database refuses: full, read-only, damaged, or busy for half a minute.
    pub fn record(&mut self, entry: &Entry) -> Result<Recorded, StoreError> {
        let failed = self.failed("writing to");
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        let recorded = record(&transaction, entry).map_err(&failed)?;
        transaction.commit().map_err(&failed)?;
        Ok(recorded)
    }

    /// All runs, the oldest first.
    ///
    /// # Errors
    /// The database cannot be read, or holds what no version of this tool wrote.
    pub fn entries(&mut self) -> Result<Vec<Entry>, StoreError> {
        let failed = self.failed("reading");
        // One transaction: a writer in between would be seen in one table and not in the other.
        let transaction = self.connection.transaction().map_err(&failed)?;
        let mut entries = Vec::new();
        {
            let mut runs =
                transaction.prepare("SELECT * FROM runs ORDER BY started_unix_ms, key").map_err(&failed)?;
            let mut figures = transaction
                .prepare("SELECT * FROM figures WHERE run = ?1 ORDER BY rowid")
                .map_err(&failed)?;
            let found =
                runs.query_map([], |row| Ok((row.get::<_, i64>("id")?, run(row)?))).map_err(&failed)?;
            for row in found {
                let (id, mut entry) = row.map_err(&failed)?;
                let points = figures.query_map([id], point).map_err(&failed)?;
                entry.points = points.collect::<rusqlite::Result<_>>().map_err(|source| match source {
                    rusqlite::Error::FromSqlConversionFailure(_, _, why) => {
                        StoreError::Content { path: self.path.clone(), what: why.to_string() }
                    }
                    source => failed(source),
                })?;
                entries.push(entry);
            }
        }
        Ok(entries)
    }

    /// Removes runs and gives their room back; returns how many were removed.
    ///
    /// # Errors
    /// As [`Store::record`]. When only the room cannot be given back, the runs are gone all the same.
    pub fn prune(&mut self, what: Pruned) -> Result<usize, StoreError> {
        let failed = self.failed("pruning");
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        let removed = match what {
            Pruned::Before(unix_ms) => {
                transaction.execute("DELETE FROM runs WHERE started_unix_ms < ?1", [unix_ms as i64])
            }
            Pruned::Keep(count) => transaction.execute(
                "DELETE FROM runs WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER \
                 (PARTITION BY machine ORDER BY started_unix_ms DESC, key DESC) AS nth FROM runs) WHERE nth > ?1)",
                [count],
            ),
        };
        let removed = removed.map_err(&failed)?;
        transaction.commit().map_err(&failed)?;
        if removed > 0 {
            self.connection.execute_batch("VACUUM").map_err(self.failed("giving back the room of"))?;
        }
        Ok(removed)
    }
}

fn record(transaction: &Transaction<'_>, entry: &Entry) -> rusqlite::Result<Recorded> {
    type Known = (i64, u32, Option<String>, Option<String>, Option<i64>);
    let asked = "SELECT id, trials, commit_id, label, committed_unix_ms FROM runs WHERE key = ?1";
    let known: Option<Known> = transaction
        .query_row(asked, [&entry.key], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
        })
        .optional()?;
    let Some((id, trials, commit, label, committed)) = known else {
        insert(transaction, entry)?;
        return Ok(Recorded::Added);
    };
    let renewed =
        entry.trials == trials && is_outdated(transaction, id)? && !entry.points.iter().any(of_text);
    if entry.trials > trials || renewed {
        transaction.execute("DELETE FROM runs WHERE id = ?1", [id])?;
        let mut entry = entry.clone();
        // What a run was named stays, as below; of its commit only the time may be learned later.
        if commit.is_some() {
            let told = entry.committed_unix_ms.filter(|_| entry.commit == commit);
            (entry.commit, entry.committed_unix_ms) = (commit, committed.map(|ms| ms as u64).or(told));
        }
        entry.label = label.or(entry.label);
        insert(transaction, &entry)?;
        return Ok(Recorded::Completed);
    }
    let (names, labels) =
        (commit.is_none() && entry.commit.is_some(), label.is_none() && entry.label.is_some());
    if names {
        transaction.execute(
            "UPDATE runs SET commit_id = ?1, committed_unix_ms = ?2 WHERE id = ?3",
            params![entry.commit, entry.committed_unix_ms.map(|ms| ms as i64), id],
        )?;
    }
    if labels {
        transaction.execute("UPDATE runs SET label = ?1 WHERE id = ?2", params![entry.label, id])?;
    }
    Ok(if names || labels { Recorded::Named } else { Recorded::Known { commit } })
}

/// Whether a point does not know for how long it was measured.
fn of_text(point: &Point) -> bool {
    point.definition.starts_with(TEXT_ALONE)
}

/// Whether an older version recorded the run.
fn is_outdated(transaction: &Transaction<'_>, id: i64) -> rusqlite::Result<bool> {
    let asked = "SELECT EXISTS (SELECT 1 FROM figures WHERE run = ?1 AND substr(definition, 1, ?2) = ?3)";
    transaction.query_row(asked, params![id, TEXT_ALONE.len() as i64, TEXT_ALONE], |row| row.get(0))
}

fn insert(transaction: &Transaction<'_>, entry: &Entry) -> rusqlite::Result<()> {
    transaction.execute(
        "INSERT INTO runs (key, started_unix_ms, tool_version, commit_id, committed_unix_ms, label, machine, \
         machine_words, trials) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            entry.key,
            entry.started_unix_ms as i64,
            entry.tool_version,
            entry.commit,
            entry.committed_unix_ms.map(|ms| ms as i64),
            entry.label,
            entry.machine.fingerprint,
            entry.machine.words,
            entry.trials
        ],
    )?;
    let id = transaction.last_insert_rowid();
    let mut statement = transaction.prepare_cached(
        "INSERT INTO figures VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
    )?;
    for point in &entry.points {
        let reference = point.reference.as_ref();
        let ratio = reference.map(|reference| reference.ratio);
        statement.execute(params![
            id,
            point.scenario,
            point.definition,
            point.model,
            point.figure.key(),
            if point.figure.better() == Better::More { "more" } else { "less" },
            point.value.median,
            point.value.low,
            point.value.high,
            point.value.rounds as i64,
            reference.map(|reference| &reference.name),
            reference.map(|reference| reference.value),
            ratio.map(|ratio| ratio.median),
            ratio.map(|ratio| ratio.low),
            ratio.map(|ratio| ratio.high),
            ratio.map(|ratio| ratio.rounds as i64),
        ])?;
    }
    Ok(())
}

fn run(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        line_version: LINE_VERSION,
        key: row.get("key")?,
        started_unix_ms: row.get::<_, i64>("started_unix_ms")? as u64,
        tool_version: row.get("tool_version")?,
        commit: row.get("commit_id")?,
        committed_unix_ms: row.get::<_, Option<i64>>("committed_unix_ms")?.map(|ms| ms as u64),
        label: row.get("label")?,
        machine: Machine { fingerprint: row.get("machine")?, words: row.get("machine_words")? },
        trials: row.get("trials")?,
        points: Vec::new(),
    })
}

fn point(row: &Row<'_>) -> rusqlite::Result<Point> {
    let figure: String = row.get("figure")?;
    let estimate = |[median, low, high, rounds]: [&str; 4]| -> rusqlite::Result<Estimate> {
        let rounds = row.get::<_, u32>(rounds)? as usize;
        Ok(Estimate { median: row.get(median)?, low: row.get(low)?, high: row.get(high)?, rounds })
    };
    let reference = match row.get::<_, Option<String>>("reference")? {
        Some(name) => Some(Reference {
            name,
            value: row.get("reference_value")?,
            ratio: estimate(["ratio", "ratio_low", "ratio_high", "ratio_rounds"])?,
        }),
        None => None,
    };
    Ok(Point {
        scenario: row.get("scenario")?,
        definition: row.get("definition")?,
        model: row.get("model")?,
        figure: Metric::of_key(&figure).ok_or_else(|| unknown(&figure))?,
        value: estimate(["value", "low", "high", "rounds"])?,
        reference,
    })
}

fn unknown(figure: &str) -> rusqlite::Error {
    let why = format!("it holds a figure called `{figure}`, which this version does not know");
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, why.into())
}

#[cfg(test)]
mod tests;
