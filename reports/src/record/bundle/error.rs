//! What can go wrong with a bundle, and with one record of it, in words that say what to do next.

use std::fmt;
use std::io;
use std::path::PathBuf;

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
    /// Somebody else writes it.
    #[error("{path} is being written by another process: wait for it to end, or end it, and try again")]
    Busy {
        /// The bundle.
        path: PathBuf,
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
    /// Written with an older schema, and not to be converted.
    #[error(
        "{path} has schema version {found}, and its head cannot be converted: {detail}; \
         read it with the version of bakeoff that wrote it"
    )]
    Old {
        /// The file.
        path: PathBuf,
        /// The version in the file.
        found: u64,
        /// What it does not say.
        detail: String,
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
