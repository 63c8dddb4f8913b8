//! What can go wrong with a store, said so that its reader knows what to do.

use rusqlite::ffi::ErrorCode;
use std::path::{Path, PathBuf};

/// Why a store could not be used. Nothing was changed in it, unless the words say so.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is none.
    #[error("there is no history at {}; begin one with `bakeoff history import BUNDLE`, or name another with --store", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// It is another program's database, or no database.
    #[error("{} is {what}, not a history of bakeoff, and was left alone; name another file with --store", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        what: String,
    },
    /// It was written by a newer version of the tool.
    #[error(
        "the history {} has schema {found}, and this version of bakeoff reads up to {supported}: it was left alone; use the \
         version that wrote it, or export there with `bakeoff history export` and import the lines here",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema that is known here.
        supported: i64,
    },
    /// The database refused.
    #[error("{doing} the history {} failed: {source}; {}", path.display(), advice(source, path))]
    Database {
        /// What was being done: "opening".
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// A row holds what this version cannot have written.
    #[error("reading the history {} failed: {what}; it was changed by another program", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What it holds.
        what: String,
    },
}

/// What to do about an error of the database.
fn advice(error: &rusqlite::Error, path: &Path) -> String {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match error.sqlite_error_code() {
        Some(ErrorCode::CannotOpen) => {
            format!("make sure that the folder {} exists and that you may write to it", folder.display())
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => format!(
            "nothing was recorded: you need to be allowed to write to the file and to its folder {}",
            folder.display()
        ),
        Some(ErrorCode::DiskFull) => {
            "the disk is full: what was recorded before is whole, this run is not in it; make room and try again".to_owned()
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another process has been writing to it for long; try again when it has ended".to_owned()
        }
        Some(ErrorCode::DatabaseCorrupt) => {
            "the file is damaged: restore a copy, or begin anew from the bundles".to_owned()
        }
        Some(ErrorCode::SystemIoFailure) => "the disk or the file system fails: see what the system logged".to_owned(),
        _ => "nothing was changed".to_owned(),
    }
}
