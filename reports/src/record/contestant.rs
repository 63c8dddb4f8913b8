//! Who takes part in a run: its name, what it states of itself, and the sizes it was given, or the command that it is.
//!
//! Whoever wants to know how a model works asks these facts, never its name.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use strum::VariantArray;

/// A contestant that took part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRecord {
    /// Its name; of a comparison of two builds with its side.
    pub name: String,
    /// One line on what it is; of a command its text.
    pub summary: String,
    /// What it states of itself; absent for a command of somebody else's.
    pub facts: Option<Facts>,
    /// The sizes that it is tuned to, before all that its workloads set; its name says the same.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tuning: BTreeMap<Tuning, u32>,
    /// The command, as it was given, where it is one: it states nothing, and counts nothing for us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// What kind of contestant one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContestantKind<'a> {
    /// A model as it is.
    Model,
    /// A model with sizes of its own.
    Tuned,
    /// A command, by its text.
    Command(&'a str),
}

impl ModelRecord {
    /// What kind of contestant it is.
    pub fn kind(&self) -> ContestantKind<'_> {
        match &self.command {
            Some(text) => ContestantKind::Command(text),
            None if self.tuning.is_empty() => ContestantKind::Model,
            None => ContestantKind::Tuned,
        }
    }

    /// How its servers are set up under a workload that sets all of them up so.
    pub fn setup(&self, workload: &ServerSetup) -> ServerSetup {
        let mut setup = workload.clone();
        setup.workers.extend(&self.tuning);
        setup
    }
}

/// A contestant that was asked for and cannot start on this machine, or does not speak what some workloads ask: there it is judged by
/// nothing, and no other is by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    /// Its name.
    pub model: String,
    /// Why, in its words or ours.
    pub why: String,
    /// The workloads that it is left out of; of all where none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scenarios: Vec<String>,
}

/// What a model states of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// How many connections it serves at the same time.
    pub concurrency: Concurrency,
    /// What it starts for each client.
    pub per_client: PerClient,
    /// The sizes it reads from its server's configuration.
    pub tunings: Vec<Tuning>,
    /// Its part in comparisons.
    pub role: Role,
}

/// How many connections a model serves at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Concurrency {
    /// As many as the system has descriptors, threads or processes for: no worker holds a connection.
    Unbounded,
    /// One; the others wait for its end.
    One,
    /// One for each of so many workers, which hold their connection to its end.
    HeldBy(Tuning),
    /// The same, and the workers are processes, which die alone and are replaced.
    HeldByProcess(Tuning),
    /// As many as the system has descriptors for; but one of so many workers holds each request to its end.
    PerRequest(Tuning),
}

/// What a model starts for each client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PerClient {
    /// Nothing.
    Nothing,
    /// A thread.
    Thread,
    /// A process.
    Process,
}

/// A model's part in comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Compared unless others are chosen.
    Standard,
    /// As `Standard`; and the plainest, which changes least, so that others may be held against it.
    Reference,
    /// Compared when asked for.
    Extra,
}

/// A size of a server that some models read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, VariantArray)]
#[serde(rename_all = "snake_case")]
pub enum Tuning {
    /// Threads or processes of a pool, each of which holds a connection or a request.
    PoolWorkers,
    /// Threads that an elastic pool keeps, whatever the load.
    PoolFloor,
    /// Threads that an elastic pool has at most.
    PoolCeiling,
    /// Threads for blocking jobs.
    BlockingWorkers,
    /// Threads for computing jobs.
    ComputeWorkers,
    /// Threads that each run tasks or an event loop.
    RuntimeWorkers,
}

/// How the servers of a workload were set up, whatever the model; a tuned one has sizes of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSetup {
    /// Connections the kernel keeps before they are accepted.
    pub backlog: u32,
    /// Memory held from the start, in MiB.
    pub ballast_mib: u32,
    /// The sizes that models read.
    pub workers: BTreeMap<Tuning, u32>,
}

impl Facts {
    /// How many connections it serves at the same time where the servers are set up so; `None` without a bound of its own.
    pub fn most_served(&self, setup: &ServerSetup) -> Option<u64> {
        match self.concurrency {
            Concurrency::Unbounded | Concurrency::PerRequest(_) => None,
            Concurrency::One => Some(1),
            Concurrency::HeldBy(tuning) | Concurrency::HeldByProcess(tuning) => size(setup, tuning),
        }
    }

    /// The workers of which each request holds one, be it computing, blocking or waiting; `None` where that sets no bound.
    pub fn request_workers(&self, setup: &ServerSetup) -> Option<u64> {
        match self.concurrency {
            Concurrency::PerRequest(tuning) => size(setup, tuning),
            _ => self.most_served(setup),
        }
    }

    /// Whether a handler that kills its process takes along the client of its own connection alone.
    pub fn isolates_crashes(&self) -> bool {
        self.per_client == PerClient::Process || matches!(self.concurrency, Concurrency::HeldByProcess(_))
    }

    /// The threads that hold a request while it blocks, where these are fewer than the connections it serves.
    pub fn blocking_workers(&self, setup: &ServerSetup) -> Option<u64> {
        let offloads = self.tunings.contains(&Tuning::BlockingWorkers);
        setup.workers.get(&Tuning::BlockingWorkers).filter(|_| offloads).map(|workers| u64::from(*workers))
    }
}

fn size(setup: &ServerSetup, tuning: Tuning) -> Option<u64> {
    setup.workers.get(&tuning).map(|workers| u64::from(*workers).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_bound_connections_or_requests_and_processes_isolate() {
        let workers = BTreeMap::from([(Tuning::PoolWorkers, 4), (Tuning::BlockingWorkers, 16)]);
        let setup = ServerSetup { backlog: 1, ballast_mib: 0, workers };
        let of = |concurrency, per_client| {
            let tunings = vec![Tuning::PoolWorkers];
            let facts = Facts { concurrency, per_client, tunings, role: Role::Extra };
            (facts.most_served(&setup), facts.request_workers(&setup), facts.isolates_crashes())
        };
        let (nothing, pool) = (PerClient::Nothing, Tuning::PoolWorkers);
        assert_eq!(of(Concurrency::HeldBy(pool), nothing), (Some(4), Some(4), false));
        assert_eq!(of(Concurrency::HeldByProcess(pool), nothing), (Some(4), Some(4), true));
        assert_eq!(of(Concurrency::PerRequest(pool), nothing), (None, Some(4), false));
        assert_eq!(of(Concurrency::Unbounded, PerClient::Process), (None, None, true));
    }
}
