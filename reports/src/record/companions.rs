//! The connections that a workload holds beside the clients that are measured: how many there were, and how many stayed.
//!
//! None of their times is in any figure; what is here says whether they were there at all.

use serde::{Deserialize, Serialize};

/// The companions of a trial, by kind. All zero where a workload has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Companions {
    /// Connections that never sent a byte.
    pub idle: Kept,
    /// Connections that asked for much and read almost nothing.
    pub slow_readers: Kept,
    /// Connections that sent a request byte by byte and never ended it.
    pub slow_senders: Kept,
}

/// How many companions of a kind there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// Asked for.
    pub asked: u64,
    /// Open before the start.
    pub opened: u64,
    /// Of those opened, ended by the server before the trial's end. Of a slow one that may be a merit: a server may
    /// defend itself.
    pub lost: u64,
}

impl Kept {
    /// Still open at the end.
    pub fn held(&self) -> u64 {
        self.opened.saturating_sub(self.lost)
    }

    fn plus(self, other: Self) -> Self {
        Self {
            asked: self.asked + other.asked,
            opened: self.opened + other.opened,
            lost: self.lost + other.lost,
        }
    }
}

impl Companions {
    /// Whether the workload asked for none.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// All kinds together.
    pub fn all(&self) -> Kept {
        self.idle.plus(self.slow_readers).plus(self.slow_senders)
    }

    /// Those that could not be opened, and the idle ones that the server closed.
    pub fn missing(&self) -> u64 {
        let all = self.all();
        all.asked.saturating_sub(all.opened) + self.idle.lost
    }

    /// The companions of several workers of one trial together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            idle: self.idle.plus(other.idle),
            slow_readers: self.slow_readers.plus(other.slow_readers),
            slow_senders: self.slow_senders.plus(other.slow_senders),
        }
    }
}
