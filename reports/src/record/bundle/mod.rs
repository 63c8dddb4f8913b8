//! Bundles on disk: one file of records, written so that what is finished stays readable whatever happens.
//!
//! The format is JSON Lines. Each line is `{"crc32":"<8 hex digits>","body":{...}}`: the body is one [`Record`](crate::record::Record), and
//! the checksum (CRC-32, IEEE polynomial) is over the exact bytes of the body as they stand in the line. The first
//! record is a [`Run`], then come trials and anatomies, last an [`End`]. Each record is one `write` followed by `fdatasync`, so a
//! process killed at any moment leaves every finished record whole and at most one torn line at the end.
//!
//! The schema is written down in `SCHEMA.md` beside this crate's manifest.
//!
//! Nothing here may overwrite a bundle, or hand out a record whose checksum does not hold.

mod error;
mod read;
pub(crate) mod schema3;
mod write;

pub use error::{AfterFailure, BundleError, Damage, DamageKind};
pub use read::{load, parse};
pub use write::{Hold, Writer, to_bytes};

use crate::record::envelope::Envelope;
use crate::record::{Anatomy, ConfirmRecord, End, LookRecord, Objective, RoundRecord, Run, Trial};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A bundle read back.
#[derive(Clone, Debug, PartialEq)]
pub struct Bundle {
    /// What was asked, with what, where.
    pub run: Run,
    /// The trials that could be read, in the order they were written.
    pub trials: Vec<Trial>,
    /// The anatomies of requests, in the order they were written.
    pub anatomies: Vec<Anatomy>,
    /// What breaks the models, in the order they were written.
    pub envelopes: Vec<Envelope>,
    /// What capacity searches looked for, each behind the head.
    pub objectives: Vec<Objective>,
    /// What the machine did round by round, as far as it could be read.
    pub rounds: Vec<RoundRecord>,
    /// What looks at the figures found, in order.
    pub looks: Vec<LookRecord>,
    /// Where the fresh rounds of a comparison of two builds begin; absent when nothing had to be confirmed.
    pub confirm: Option<ConfirmRecord>,
    /// The end of the run; absent when the tool was killed, or the record is damaged.
    pub end: Option<End>,
    /// What could not be read.
    pub damage: Vec<Damage>,
}

/// A line as it stands in the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    crc32: String,
    #[serde(borrow)]
    body: &'a RawValue,
}
