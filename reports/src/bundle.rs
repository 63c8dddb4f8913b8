//! Bundles on disk: one file of records, written so that what is finished stays readable whatever happens.
//!
//! The format is JSON Lines. Each line is `{"crc32":"<8 hex digits>","body":{...}}`: the body is one [`Record`], and
//! the checksum (CRC-32, IEEE polynomial) is over the exact bytes of the body as they stand in the line. The first
//! record is a [`Run`], then come trials, last an [`End`]. Each record is one `write` followed by `fdatasync`, so a
//! process killed at any moment leaves every finished record whole and at most one torn line at the end.
//!
//! The schema is written down in `SCHEMA.md` beside this crate's manifest.
//!
//! This file must never overwrite a bundle, and never hand out a record whose checksum does not hold.

use crate::record::{End, Record, Run, SCHEMA_VERSION, Trial};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A bundle could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The file could not be made.
    #[error("cannot create the bundle {path}: {source}; choose a new file name in a folder you may write to")]
    Create {
        /// Where it was to be.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A record could not be appended.
    #[error(
        "cannot append record {record} to the bundle {path}: {source}; {after}; free some space or choose another \
         folder, then run again"
    )]
    Append {
        /// The bundle.
        path: PathBuf,
        /// Which record, counted from 1.
        record: usize,
        /// Why not.
        source: io::Error,
        /// What became of the file.
        after: AfterFailure,
    },
    /// The file could not be read.
    #[error("cannot read the bundle {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file is empty.
    #[error("{path} is empty: the run ended before it wrote its first record; run again")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{path} is not a bundle ({detail}); name a file that `bakeoff run` wrote")]
    NotABundle {
        /// The file.
        path: PathBuf,
        /// What its first line looks like.
        detail: String,
    },
    /// The first record, without which nothing else can be understood, is damaged.
    #[error(
        "the first record of {path} {detail}; without it the {others} lines after it cannot be understood"
    )]
    Head {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
        /// Lines that follow.
        others: usize,
    },
    /// Written by a tool with another schema.
    #[error(
        "{path} has schema version {found}, this tool reads version {supported}; \
         read it with the version of bakeoff that wrote it, or a newer one"
    )]
    ForeignVersion {
        /// The file.
        path: PathBuf,
        /// The version in the file.
        found: u64,
        /// The version understood here.
        supported: u32,
    },
}

/// What became of the file after an append failed.
#[derive(Debug)]
pub enum AfterFailure {
    /// It was cut back: this many records are in it, all whole.
    CutBack(usize),
    /// It could not be cut back either; the next reader will report a torn record after this many whole ones.
    Torn(usize, io::Error),
}

impl fmt::Display for AfterFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CutBack(whole) => {
                write!(f, "the file was cut back to its {whole} whole records, which load")
            }
            Self::Torn(whole, why) => {
                write!(f, "the file could not be cut back ({why}), but its first {whole} records load")
            }
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    crc32: String,
    #[serde(borrow)]
    body: &'a RawValue,
}

/// The line of a record, line feed included.
fn line_of(record: &Record) -> io::Result<Vec<u8>> {
    let body = serde_json::value::to_raw_value(record)?;
    let crc32 = format!("{:08x}", crc32fast::hash(body.get().as_bytes()));
    let mut line = serde_json::to_vec(&Line { crc32, body: &body })?;
    line.push(b'\n');
    Ok(line)
}

/// What a writer needs of its file; a seam, so that a full disk can be tested without one.
trait Backing {
    fn write_whole(&mut self, bytes: &[u8]) -> io::Result<()>;
    fn sync(&mut self) -> io::Result<()>;
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

impl Backing for File {
    fn write_whole(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        // The file is open for appending, so its offset needs no care.
        self.set_len(length)?;
        self.sync_data()
    }
}

#[derive(Debug)]
struct Log<B> {
    backing: B,
    length: u64,
    records: usize,
}

impl<B: Backing> Log<B> {
    fn append(&mut self, record: &Record) -> Result<(), (io::Error, AfterFailure)> {
        let written = line_of(record).and_then(|line| {
            self.backing.write_whole(&line)?;
            self.backing.sync()?;
            Ok(line.len() as u64)
        });
        match written {
            Ok(length) => {
                self.length += length;
                self.records += 1;
                Ok(())
            }
            Err(source) => {
                let after = match self.backing.cut(self.length) {
                    Ok(()) => AfterFailure::CutBack(self.records),
                    Err(why) => AfterFailure::Torn(self.records, why),
                };
                Err((source, after))
            }
        }
    }
}

/// A bundle being written.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    log: Log<File>,
}

impl Writer {
    /// Creates the bundle with its first record, on disk when this returns.
    ///
    /// # Errors
    /// The file exists already (a bundle is never overwritten), cannot be created, or the record cannot be written;
    /// in the last case the file is removed again.
    pub fn create(path: &Path, run: &Run) -> Result<Self, BundleError> {
        let create = |source| BundleError::Create { path: path.to_owned(), source };
        let file = OpenOptions::new().append(true).create_new(true).open(path).map_err(create)?;
        let mut writer = Self { path: path.to_owned(), log: Log { backing: file, length: 0, records: 0 } };
        if let Err(error) = writer.append(&Record::Run(Box::new(run.clone()))) {
            // Nothing of value is in it, and a leftover would make the next attempt fail for another reason.
            let _ = std::fs::remove_file(path);
            return Err(error);
        }
        sync_folder(path).map_err(create)?;
        Ok(writer)
    }

    /// Appends a record, on disk when this returns.
    ///
    /// # Errors
    /// The record could not be written. The file is then cut back to its last whole record, and the error says so.
    pub fn append(&mut self, record: &Record) -> Result<(), BundleError> {
        self.log.append(record).map_err(|(source, after)| BundleError::Append {
            path: self.path.clone(),
            record: self.log.records + 1,
            source,
            after,
        })
    }

    /// Where the bundle is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Makes the file's name as durable as its contents.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

/// A bundle read back.
#[derive(Clone, Debug, PartialEq)]
pub struct Bundle {
    /// What was asked, with what, where.
    pub run: Run,
    /// The trials that could be read, in the order they were written.
    pub trials: Vec<Trial>,
    /// The end of the run; absent when the tool was killed, or the record is damaged.
    pub end: Option<End>,
    /// What could not be read.
    pub damage: Vec<Damage>,
}

/// A record that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Which, counted from 1 (the line's number).
    pub record: usize,
    /// How many records of the bundle are readable.
    pub readable: usize,
    /// What is wrong with it.
    pub kind: DamageKind,
}

/// What can be wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DamageKind {
    /// The file ends inside it: the tool was killed, or the disk was full.
    CutOff,
    /// Its checksum does not hold.
    Checksum,
    /// It is not a line of a bundle, or not a record of this schema.
    Unreadable(String),
    /// It is whole, but stands where it cannot belong.
    Misplaced(&'static str),
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {} {}; {} are readable", self.record, self.kind, self.readable)
    }
}

impl fmt::Display for DamageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CutOff => write!(f, "is cut off"),
            Self::Checksum => write!(f, "is damaged: its checksum does not hold"),
            Self::Unreadable(why) => write!(f, "is damaged: {why}"),
            Self::Misplaced(why) => write!(f, "does not belong there: {why}"),
        }
    }
}

/// The bytes of a whole bundle, as a [`Writer`] would have left them. For tests and benches: whoever measures appends
/// record by record instead.
///
/// # Errors
/// A record cannot be put into JSON.
pub fn to_bytes(bundle: &Bundle) -> io::Result<Vec<u8>> {
    let mut bytes = line_of(&Record::Run(Box::new(bundle.run.clone())))?;
    for trial in &bundle.trials {
        bytes.extend(line_of(&Record::Trial(Box::new(trial.clone())))?);
    }
    if let Some(end) = &bundle.end {
        bytes.extend(line_of(&Record::End(end.clone()))?);
    }
    Ok(bytes)
}

/// Reads a bundle. Damaged records are named in [`Bundle::damage`]; the others are read all the same.
///
/// # Errors
/// The file cannot be read, is empty, is no bundle, has another schema version, or its first record is damaged.
pub fn load(path: &Path) -> Result<Bundle, BundleError> {
    let bytes = std::fs::read(path).map_err(|source| BundleError::Read { path: path.to_owned(), source })?;
    parse(&bytes, path)
}

/// Reads a bundle from memory; `path` only names it in errors.
///
/// # Errors
/// As [`load`], reading aside.
pub fn parse(bytes: &[u8], path: &Path) -> Result<Bundle, BundleError> {
    if bytes.is_empty() {
        return Err(BundleError::Empty { path: path.to_owned() });
    }
    let ends_whole = bytes.ends_with(b"\n");
    let lines: Vec<&[u8]> = bytes[..bytes.len() - usize::from(ends_whole)].split(|&b| b == b'\n').collect();
    let torn_at = if ends_whole { usize::MAX } else { lines.len() - 1 };
    let run = head(lines[0], torn_at == 0, lines.len() - 1, path)?;
    let mut bundle = Bundle { run, trials: Vec::new(), end: None, damage: Vec::new() };
    for (at, line) in lines.iter().enumerate().skip(1) {
        let kind = match body(line).and_then(record) {
            Ok(Record::Trial(trial)) => {
                bundle.trials.push(*trial);
                continue;
            }
            Ok(Record::End(end)) if bundle.end.is_none() => {
                bundle.end = Some(end);
                continue;
            }
            Ok(Record::End(_)) => DamageKind::Misplaced("the run has ended before"),
            Ok(Record::Run(_)) => DamageKind::Misplaced("a second head; two bundles were joined"),
            Err(_) if at == torn_at => DamageKind::CutOff,
            Err(kind) => kind,
        };
        bundle.damage.push(Damage { record: at + 1, readable: 0, kind });
    }
    let readable = lines.len() - bundle.damage.len();
    bundle.damage.iter_mut().for_each(|damage| damage.readable = readable);
    Ok(bundle)
}

/// The text of a line's body, its checksum verified.
fn body(line: &[u8]) -> Result<&str, DamageKind> {
    let unreadable =
        |error: serde_json::Error| DamageKind::Unreadable(format!("not a line of a bundle ({error})"));
    let line: Line<'_> = serde_json::from_slice(line).map_err(unreadable)?;
    let text = line.body.get();
    let crc32 = format!("{:08x}", crc32fast::hash(text.as_bytes()));
    if crc32 == line.crc32 { Ok(text) } else { Err(DamageKind::Checksum) }
}

fn record(body: &str) -> Result<Record, DamageKind> {
    serde_json::from_str(body)
        .map_err(|error| DamageKind::Unreadable(format!("not a record of schema {SCHEMA_VERSION} ({error})")))
}

/// Enough of a head to know whether the rest can be understood.
#[derive(Deserialize)]
struct Head {
    run: Version,
}

#[derive(Deserialize)]
struct Version {
    schema_version: u64,
}

fn head(line: &[u8], torn: bool, others: usize, path: &Path) -> Result<Run, BundleError> {
    let path = path.to_owned();
    let text = match body(line) {
        Ok(text) => text,
        Err(_) if !line.starts_with(b"{\"crc32\":\"") => {
            let shown: String =
                String::from_utf8_lossy(line).chars().take(40).flat_map(char::escape_debug).collect();
            return Err(BundleError::NotABundle { path, detail: format!("it begins with \"{shown}\"") });
        }
        Err(_) if torn => {
            return Err(BundleError::Head { path, detail: DamageKind::CutOff.to_string(), others });
        }
        Err(kind) => return Err(BundleError::Head { path, detail: kind.to_string(), others }),
    };
    if let Ok(Head { run: Version { schema_version: found } }) = serde_json::from_str(text) {
        let supported = SCHEMA_VERSION;
        if found != u64::from(supported) {
            return Err(BundleError::ForeignVersion { path, found, supported });
        }
    }
    match record(text) {
        Ok(Record::Run(run)) => Ok(*run),
        Ok(_) => Err(BundleError::Head { path, detail: "is not a head".to_owned(), others }),
        Err(kind) => Err(BundleError::Head { path, detail: kind.to_string(), others }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with room for so many bytes.
    struct FullDisk {
        room: usize,
        content: Vec<u8>,
        can_cut: bool,
    }

    impl Backing for FullDisk {
        fn write_whole(&mut self, bytes: &[u8]) -> io::Result<()> {
            let fits = bytes.len().min(self.room - self.content.len());
            self.content.extend_from_slice(&bytes[..fits]);
            if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        }

        fn sync(&mut self) -> io::Result<()> {
            Ok(())
        }

        fn cut(&mut self, length: u64) -> io::Result<()> {
            if !self.can_cut {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            self.content.truncate(length as usize);
            Ok(())
        }
    }

    fn end(trials: u32) -> Record {
        Record::End(End { finished_unix_ms: 1, trials, interrupted: false })
    }

    #[test]
    fn a_full_disk_leaves_whole_records() {
        let line = line_of(&end(1)).expect("serializes").len();
        for room in line..2 * line {
            let backing = FullDisk { room, content: Vec::new(), can_cut: true };
            let mut log = Log { backing, length: 0, records: 0 };
            log.append(&end(1)).expect("there is room for one");
            let (error, after) = log.append(&end(2)).expect_err("there is none for two");
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
            assert!(matches!(after, AfterFailure::CutBack(1)));
            assert_eq!(log.backing.content, line_of(&end(1)).expect("serializes"));
            log.backing.room = 2 * line;
            log.append(&end(3)).expect("space was freed");
            assert_eq!(log.backing.content.len(), 2 * line);
        }
    }

    #[test]
    fn a_file_that_cannot_be_cut_back_is_said_to_be_torn() {
        let line = line_of(&end(1)).expect("serializes").len();
        let backing = FullDisk { room: line + 3, content: Vec::new(), can_cut: false };
        let mut log = Log { backing, length: 0, records: 0 };
        log.append(&end(1)).expect("there is room for one");
        let (_, after) = log.append(&end(2)).expect_err("there is none for two");
        assert!(after.to_string().contains("first 1 records load"), "{after}");
    }
}
