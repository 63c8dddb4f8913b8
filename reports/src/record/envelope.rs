//! The failure envelope: what was raised until something broke, what broke, what clients saw, and how long recovery
//! took. One model under one stress, once: facts with their evidence, no comparison of speed.
//!
//! The limit that broke is only ever named with evidence for it; without it stands [`Limit::NotShown`].

use super::Reading;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use strum::{IntoStaticStr, VariantArray};

/// One model under one stress.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// Name of the model.
    pub model: String,
    /// What was raised.
    pub stress: Stress,
    /// Name of the service that ran.
    pub service: String,
    /// The limits that were set for this trial.
    pub caps: Caps,
    /// What happened; absent when the trial could not be made.
    pub result: Reading<Findings>,
}

/// What is raised.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "kebab-case")]
pub enum Stress {
    /// Connections held, each of which got one answer.
    Connections,
    /// Connects at once, against a small backlog.
    ConnectBurst,
    /// Clients that sent half a request and stopped.
    SlowClients,
    /// Requests that kill the process that handles them.
    Poison,
    /// Connections held under a small limit of address space.
    AddressSpace,
}

impl Stress {
    /// Every stress, in the order to show them.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The limits of a trial. Absent with the reason where one was not set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Caps {
    /// Descriptors of each process of the server (`RLIMIT_NOFILE`).
    pub descriptors: Reading<u64>,
    /// Processes and threads of the server together.
    pub tasks: Reading<u64>,
    /// What sets the limit of tasks: a control group or `RLIMIT_NPROC`.
    pub tasks_by: Option<String>,
    /// Address space of each process of the server (`RLIMIT_AS`).
    pub address_space_bytes: Reading<u64>,
    /// Connections the kernel keeps before they are accepted.
    pub backlog: u64,
    /// Clients that the model itself serves at once at most; absent where it sets no bound.
    pub concurrency: Option<u64>,
    /// How long a client waited for its answer before it counted as not served.
    pub patience_ns: u64,
    /// The highest level that was tried.
    pub range: u64,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Findings {
    /// The levels that were tried, in the order of trying; of those tried one by one, the last that held and the one
    /// that failed.
    pub levels: Vec<Level>,
    /// The limit that broke.
    pub limit: Limit,
    /// What the name of the limit rests on.
    pub evidence: Evidence,
    /// What the clients of the last level saw, the ones before it included.
    pub saw: Saw,
    /// What became of the server.
    pub life: Life,
    /// The first right answer to a fresh client after the load was gone.
    pub recovery: Recovery,
    /// What the server's tree held before the stress and some time after its end.
    pub rest: Reading<Rest>,
}

impl Findings {
    /// The highest level that held.
    pub fn held(&self) -> Option<u64> {
        self.levels.iter().filter(|level| level.holds).map(|level| level.asked).max()
    }

    /// The lowest level that failed.
    pub fn failed(&self) -> Option<&Level> {
        self.levels.iter().filter(|level| !level.holds).min_by_key(|level| level.asked)
    }
}

/// One level of a stress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// How many connections, connects, slow clients or poison requests.
    pub asked: u64,
    /// Clients that should have been served at this level.
    pub clients: u64,
    /// Of those, the ones that were, in time.
    pub served: u64,
    /// The slowest answer, from the begin of the connect or, on an open connection, from the request; absent when none
    /// came. In a burst that failed, answers that came after patience had ended are among them.
    pub slowest_answer_ns: Option<u64>,
    /// Whether every client was served.
    pub holds: bool,
}

/// The limit that broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// File descriptors.
    Descriptors,
    /// Processes.
    Processes,
    /// Threads.
    Threads,
    /// Address space of a process.
    AddressSpace,
    /// Memory.
    Memory,
    /// The queue of connections that wait to be accepted.
    Backlog,
    /// Workers that each hold a connection.
    Workers,
    /// A process died.
    Crash,
    /// Nothing broke within the range that was tried.
    NoneInRange,
    /// Something broke, and the evidence does not show what.
    NotShown,
}

/// What the name of a limit rests on. Counts of the server and of its control group are over
/// its whole life, the others over the last level.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// What the server counted, by name; absent when it did not live to tell.
    pub server: Reading<BTreeMap<String, u64>>,
    /// Forks and thread starts that the control group refused (`pids.events`).
    pub tasks_refused: Reading<u64>,
    /// Listen queues found full, of the whole network namespace (`ListenOverflows`).
    pub listen_overflows: Reading<u64>,
    /// Connects turned away at a listener, of the whole network namespace (`ListenDrops`).
    pub listen_drops: Reading<u64>,
    /// The server's tree when the failing level ended: threads.
    pub threads: Reading<u64>,
    /// Processes.
    pub processes: Reading<u64>,
    /// Descriptors, summed over the tree.
    pub descriptors: Reading<u64>,
    /// Address space of the first process.
    pub address_space_bytes: Reading<u64>,
    /// In one sentence: what shows it, or what is missing.
    pub words: String,
}

/// What became of the clients: every one counts once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saw {
    /// Clients.
    pub clients: u64,
    /// Those with a right answer in time.
    pub answered: u64,
    /// Refused to connect.
    pub refused: u64,
    /// Reset.
    pub reset: u64,
    /// Closed by the server before the whole answer had come.
    pub closed: u64,
    /// A wrong byte came.
    pub wrong: u64,
    /// Another error of the socket.
    pub other: u64,
    /// Still without a connection when patience ended: the kernel tries a lost SYN again after 1 s.
    pub connecting: u64,
    /// Connected and still without an answer when patience ended.
    pub waiting: u64,
}

/// What became of the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Life {
    /// Whether the first process was still there when the stress was over.
    pub lived: bool,
    /// How it ended, where it did not live: its exit status and last words.
    pub end: Option<String>,
}

/// The first right answer to a fresh client, from the moment at which the load was gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recovery {
    /// It came after this time, in nanoseconds, in the given attempt, counted from 1.
    Answered {
        /// Time.
        after_ns: u64,
        /// Attempt: each is a new connection.
        attempt: u32,
    },
    /// It had not come when the wait ended.
    Censored {
        /// How long was waited.
        waited_ns: u64,
    },
    /// There is no server any more, and nothing here starts it again.
    Gone,
}

/// What a tree holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holding {
    /// Open descriptors, summed over the tree.
    pub descriptors: u64,
    /// Threads.
    pub threads: u64,
    /// Processes.
    pub processes: u64,
}

/// What the server's tree held at rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rest {
    /// Before the stress, after one client had come and gone.
    pub before: Holding,
    /// After the stress and the recovery, once it changed no more.
    pub after: Holding,
}

impl Saw {
    /// Whether every client counts exactly once.
    pub fn balanced(&self) -> bool {
        let outcomes = [
            self.answered,
            self.refused,
            self.reset,
            self.closed,
            self.wrong,
            self.other,
            self.connecting,
            self.waiting,
        ];
        u128::from(self.clients) == outcomes.iter().map(|count| u128::from(*count)).sum()
    }
}

impl Rest {
    /// Descriptors, threads and processes more than before, none below zero.
    pub fn left_over(&self) -> Holding {
        let more = |of: fn(&Holding) -> u64| of(&self.after).saturating_sub(of(&self.before));
        Holding {
            descriptors: more(|h| h.descriptors),
            threads: more(|h| h.threads),
            processes: more(|h| h.processes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_counts_once_and_what_is_left_is_never_below_zero() {
        let saw = Saw { clients: 5, answered: 2, waiting: 3, ..Saw::default() };
        assert!(saw.balanced());
        assert!(!Saw { reset: 1, ..saw }.balanced() && !Saw { answered: u64::MAX, ..saw }.balanced());
        let holding = |n| Holding { descriptors: n, threads: 2, processes: 1 };
        assert_eq!(Rest { before: holding(5), after: holding(9) }.left_over().descriptors, 4);
        assert_eq!(
            Rest { before: holding(9), after: holding(5) }.left_over(),
            Holding { descriptors: 0, threads: 0, processes: 0 }
        );
    }
}
