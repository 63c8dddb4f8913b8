//! The database: SQLite, from an image in memory that is made once and that every thread opens for itself, read-only.
//!
//! *An image and no file.* A server that is killed leaves nothing behind, no disk and no lock of a file system comes
//! between the models, and a look-up is computing and nothing else. The price: what SQLite does to share a file between
//! writers is not part of the work.
//!
//! *A connection belongs to one thread of one process.* It lives in a thread-local variable and is opened with the first
//! look-up of a thread, so it never crosses a fork: a forking server looks nothing up before it forks. What that costs
//! is the model's own: a fork or a thread for each client opens SQLite for each client, a pool for each worker, once.
//! So is its memory: a connection keeps up to 2 MB of pages, as SQLite does unless told otherwise.

use super::shop::{FOUND, ITEMS, Item, RELATED};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Result, Row, params};
use std::cell::RefCell;
use std::sync::OnceLock;

const SCHEMA: &str = "
    CREATE TABLE items (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL, category INTEGER NOT NULL,
        cents INTEGER NOT NULL, stock INTEGER NOT NULL, about TEXT NOT NULL
    ) STRICT;
    CREATE INDEX by_name ON items (name);
    CREATE INDEX by_category ON items (category, id);";

/// The columns of an [`Item`], in the order of [`item_of`].
const COLUMNS: &str = "id, name, category, cents, stock, about";

/// No mutex in the connection: one thread has it.
const FLAGS: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE
    .union(OpenFlags::SQLITE_OPEN_NO_MUTEX)
    .union(OpenFlags::SQLITE_OPEN_MEMORY);

thread_local! {
    static CONNECTION: RefCell<Option<Connection>> = const { RefCell::new(None) };
}

/// The database's bytes. The connection that makes them is closed when this returns.
///
/// # Panics
/// If there are not some 8 MiB of memory for it, and as much again while it is made.
pub(super) fn image() -> &'static [u8] {
    static IMAGE: OnceLock<Vec<u8>> = OnceLock::new();
    IMAGE.get_or_init(|| make().expect("memory for the database"))
}

fn make() -> Result<Vec<u8>> {
    let mut connection = Connection::open_in_memory_with_flags(FLAGS)?;
    connection.execute_batch(SCHEMA)?;
    let transaction = connection.transaction()?;
    {
        let mut insert = transaction.prepare("INSERT INTO items VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
        for Item { id, name, category, cents, stock, about } in (1..=ITEMS).map(Item::of) {
            insert.execute(params![id, name, category, cents, stock, about])?;
        }
    }
    transaction.commit()?;
    Ok(connection.serialize("main")?.to_vec())
}

/// Gives `query` this thread's connection, opened if need be.
///
/// # Errors
/// What SQLite says.
pub(super) fn with<T>(query: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    CONNECTION.with_borrow_mut(|slot| {
        if slot.is_none() {
            let mut connection = Connection::open_in_memory_with_flags(FLAGS)?;
            connection.deserialize_bytes("main", image())?;
            *slot = Some(connection);
        }
        query(slot.as_ref().expect("opened"))
    })
}

fn item_of(row: &Row<'_>) -> Result<Item> {
    Ok(Item {
        id: row.get(0)?,
        name: row.get(1)?,
        category: row.get(2)?,
        cents: row.get(3)?,
        stock: row.get(4)?,
        about: row.get(5)?,
    })
}

/// The item of that number.
pub(super) fn item(connection: &Connection, id: u64) -> Result<Option<Item>> {
    let Ok(id) = i64::try_from(id) else { return Ok(None) };
    let mut query = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM items WHERE id = ?1"))?;
    query.query_row([id], item_of).optional()
}

/// The next items of the same category, number and name.
pub(super) fn related(connection: &Connection, item: &Item) -> Result<Vec<(u32, String)>> {
    let mut query = connection
        .prepare_cached("SELECT id, name FROM items WHERE category = ?1 AND id > ?2 ORDER BY id LIMIT ?3")?;
    query
        .query_map(params![item.category, item.id, RELATED as i64], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// The first items, by name, whose name begins with `prefix`.
pub(super) fn search(connection: &Connection, prefix: &str) -> Result<Vec<Item>> {
    // By the index: from the prefix to what comes behind all that begin with it, in the order of bytes.
    let behind = format!("{prefix}\u{10ffff}");
    let mut query = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM items WHERE name >= ?1 AND name < ?2 ORDER BY name LIMIT ?3"
    ))?;
    query.query_map(params![prefix, behind, FOUND as i64], item_of)?.collect()
}

#[cfg(test)]
mod tests {
    use super::super::shop;
    use super::*;

    #[test]
    fn the_database_holds_what_the_client_computes() {
        with(|connection| {
            for id in [1, 2, 97, 5_000, ITEMS - 97, ITEMS] {
                let item = item(connection, u64::from(id))?.expect("there");
                assert_eq!(item, Item::of(id));
                assert_eq!(related(connection, &item)?, shop::related(&item));
            }
            for id in [0, u64::from(ITEMS) + 1, u64::MAX] {
                assert_eq!(item(connection, id)?, None, "{id}");
            }
            let count: u32 = connection.query_row("SELECT count(*) FROM items", [], |row| row.get(0))?;
            assert_eq!(count, ITEMS);
            Ok(())
        })
        .expect("SQLite answers");
    }

    #[test]
    fn a_search_is_by_prefix_in_the_order_of_names_and_takes_no_commands() {
        with(|connection| {
            for (first, second) in [(0, 0), (7, 10), (15, 15)] {
                let prefix = format!("{} {}", shop::FIRST[first], shop::SECOND[second]);
                assert_eq!(search(connection, &prefix)?, shop::with_words(first, second), "{prefix}");
            }
            for nothing in ["x", "Amber", "' OR 1=1 --", "%", "_", "amber'"] {
                assert_eq!(search(connection, nothing)?, [], "{nothing}");
            }
            assert_eq!(search(connection, "")?.len(), FOUND);
            Ok(())
        })
        .expect("SQLite answers");
    }

    #[test]
    fn every_look_up_goes_by_an_index() {
        with(|connection| {
            for query in [
                "SELECT * FROM items WHERE id = 1",
                "SELECT * FROM items WHERE category = 1 AND id > 2 ORDER BY id LIMIT 4",
                "SELECT * FROM items WHERE name >= 'a' AND name < 'b' ORDER BY name LIMIT 20",
            ] {
                let plan: String =
                    connection.query_row(&format!("EXPLAIN QUERY PLAN {query}"), [], |row| row.get(3))?;
                assert!(plan.starts_with("SEARCH"), "{query}: {plan}");
            }
            Ok(())
        })
        .expect("SQLite answers");
    }

    #[test]
    fn the_database_cannot_be_written() {
        let written = with(|connection| connection.execute("DELETE FROM items", []));
        assert!(written.is_err());
    }
}
