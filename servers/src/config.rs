//! The configuration of a server: sizes and limits, the same for every model.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Sizes and limits of a server. One value for all models of a comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// Threads or processes of a pool, each of which holds a connection or a request; 1 to 10,000.
    pub pool_workers: usize,
    /// Threads that an elastic pool keeps, whatever the load; 1 to 10,000.
    pub pool_floor: usize,
    /// Threads that an elastic pool has at most, its floor where that is larger; 1 to 10,000.
    pub pool_ceiling: usize,
    /// Threads that an asynchronous model gives to blocking jobs; 1 to 10,000.
    pub blocking_workers: usize,
    /// Threads that an asynchronous model gives to computing jobs: normally one per CPU; 1 to 1,024.
    pub compute_workers: usize,
    /// Threads that each run tasks or an event loop, in models of several: normally one per CPU; 1 to 1,024.
    pub runtime_workers: usize,
    /// Memory that the server holds from the start and never uses, in MiB: what a fork has to copy the page tables of.
    pub ballast_mib: u32,
    /// How long a stopping server may go on answering what it has received.
    pub stop_deadline: Duration,
}

impl ServerConfig {
    /// The configuration for a server that may use `cpus` CPUs.
    pub fn for_cpus(cpus: usize) -> Self {
        let cpus = cpus.max(1);
        Self {
            pool_workers: 64,
            pool_floor: 4,
            pool_ceiling: 64,
            blocking_workers: 16,
            compute_workers: cpus,
            runtime_workers: cpus,
            ballast_mib: 0,
            stop_deadline: Duration::from_secs(2),
        }
    }
}
