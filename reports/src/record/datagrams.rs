//! What carries the requests of a workload, and what became of its datagrams.

use super::Reading;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What carries the requests of a workload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// Connections: nothing is lost, and everything waits for what is.
    #[default]
    Tcp,
    /// Datagrams, each on its own.
    Udp,
}

impl Transport {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Tcp, Self::Udp];

    /// Its name, as in scenario files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }

    /// The one of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// Whether it is the usual one.
    pub fn is_tcp(&self) -> bool {
        *self == Self::Tcp
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What became of datagrams beyond the [`Counts`](super::Counts) of their requests, of which `ok` are those received in time. Each sent
/// datagram is one of received, late, lost, wrong or in flight; a copy is none of these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Datagrams {
    /// Timed out, and not back when the drain was over: lost on the round trip (RFC 6673, 4). `timeouts = lost + late`.
    pub lost: u64,
    /// Of those lost, the ones that the rule of the workload's `loss` takes: an upper bound of those lost on the way, for the server
    /// or its full buffer may have lost one of them first. All others are the server's or a full buffer's.
    pub dropped: u64,
    /// Back after their timeout: given up, so infinite in the percentiles, and not lost.
    pub late: u64,
    /// Replies to what had a reply before (RFC 5560): every further copy.
    pub duplicated: u64,
    /// First replies that came after the reply to a datagram sent later from the same socket (RFC 4737, 3.3, Type-P-Reordered).
    pub reordered: u64,
    /// Datagrams from another address than the server's, ignored; of the whole trial.
    pub strangers: u64,
    /// Datagrams from the server that are a reply to nothing that was sent, as their number and stamp tell; of the whole trial.
    pub unasked: u64,
    /// Replies that found the swarm's own receive buffers full (the counter of `SO_RXQ_OVFL`), of the whole trial: the load
    /// generator's doing. Absent where there is a loss and it does not explain the kernel's count, which has both. The server's own are
    /// among what it counts, as `overflowed`.
    pub overflowed: Reading<u64>,
}

impl Default for Datagrams {
    fn default() -> Self {
        Self {
            lost: 0,
            dropped: 0,
            late: 0,
            duplicated: 0,
            reordered: 0,
            strangers: 0,
            unasked: 0,
            overflowed: Reading::Value(0),
        }
    }
}

impl Datagrams {
    /// Each count by its name, in a fixed order; absent where it could not be read.
    pub fn rows(&self) -> [(&'static str, Option<u64>); 8] {
        [
            ("lost", Some(self.lost)),
            ("dropped", Some(self.dropped)),
            ("late", Some(self.late)),
            ("duplicated", Some(self.duplicated)),
            ("reordered", Some(self.reordered)),
            ("strangers", Some(self.strangers)),
            ("unasked", Some(self.unasked)),
            ("overflowed", self.overflowed.value().copied()),
        ]
    }

    /// These and those of another part of the same trial.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            lost: self.lost.saturating_add(other.lost),
            dropped: self.dropped.saturating_add(other.dropped),
            late: self.late.saturating_add(other.late),
            duplicated: self.duplicated.saturating_add(other.duplicated),
            reordered: self.reordered.saturating_add(other.reordered),
            strangers: self.strangers.saturating_add(other.strangers),
            unasked: self.unasked.saturating_add(other.unasked),
            overflowed: match (&self.overflowed, &other.overflowed) {
                (Reading::Value(one), Reading::Value(other)) => Reading::Value(one.saturating_add(*other)),
                (Reading::Absent(why), _) | (_, Reading::Absent(why)) => Reading::Absent(why.clone()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_part_cannot_tell_the_sum_cannot() {
        let one = Datagrams { lost: 3, late: 1, overflowed: Reading::Value(2), ..Datagrams::default() };
        let sum = one.plus(&one);
        assert_eq!((sum.lost, sum.late, sum.overflowed.clone()), (6, 2, Reading::Value(4)));
        let silent = Datagrams { overflowed: Reading::Absent("no".into()), ..Datagrams::default() };
        assert_eq!(sum.plus(&silent).overflowed, Reading::Absent("no".into()));
        assert!(Transport::ALL.iter().all(|one| Transport::of_name(one.name()) == Some(*one)));
    }
}
