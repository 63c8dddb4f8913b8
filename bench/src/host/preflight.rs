//! Refusals before anything starts: what a run needs of the system against what it may have.

use crate::host::environment;
use bakeoff_servers::TunedModel;
use bakeoff_servers::model::{Isolation, PerClient};
use rustix::process::{Resource, getrlimit, setrlimit};
use std::net::IpAddr;
use std::path::Path;

/// Descriptors a process of ours needs besides those of its connections: pipes, polls, the listener, runtimes.
pub(crate) const SPARE_DESCRIPTORS: u64 = 64;
/// Descriptors that the runner needs besides those of its workers, and those it needs of each: its three pipes.
const RUNNER_DESCRIPTORS: u64 = 32;
const PIPES: u64 = 3;
/// Workers beyond which starting and merging them would itself be a load.
pub const MAX_WORKERS: u32 = 256;
/// Processes and threads the tool needs besides those per client.
const SPARE_PROCESSES: u64 = 128;

/// What the system allows.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Descriptors per process; `None` for no limit.
    pub descriptors: Option<u64>,
    /// Processes and threads that may still be started, and which limit says so; `None` for no limit.
    pub processes: Option<(u64, String)>,
}

impl Limits {
    /// Of this system, for this process and its children.
    pub fn of_this_system() -> Self {
        Self { descriptors: environment::descriptor_limit(), processes: environment::process_limit() }
    }

    /// Swarm workers that a load of so many clients needs, with so many connections beside it: one per swarm CPU, more where one process may not open enough descriptors.
    ///
    /// # Errors
    /// When they would be more than [`MAX_WORKERS`], or than the runner has descriptors to speak with: needed, allowed, how to
    /// raise it.
    pub fn workers(&self, clients: u32, beside: u64, swarm_cpus: usize) -> Result<u32, String> {
        let per_worker = self.descriptors.map_or(u64::MAX, |d| d.saturating_sub(SPARE_DESCRIPTORS).max(1));
        let clients = u64::from(clients);
        let connections = clients + beside;
        // A remainder of each kind of connection may fall to the same worker.
        let spread = if beside == 0 { 0 } else { 3 };
        let needed = connections.div_ceil(per_worker.saturating_sub(spread).max(1));
        if needed > clients {
            return Err(format!(
                "{connections} connections, those in the background included, need {needed} load processes of {per_worker} \
                 connections each, and each needs a client of the load, of which there are {clients}; raise the hard \
                 limit of descriptors (`ulimit -Hn`), raise `clients` or lower `idle`"
            ));
        }
        let workers = needed.max(swarm_cpus as u64).min(clients);
        let pipes = RUNNER_DESCRIPTORS + PIPES * workers;
        if let Some(allowed) = self.descriptors.filter(|allowed| *allowed < pipes) {
            return Err(format!(
                "{connections} connections need {workers} load processes of at most {per_worker} connections each, and to \
                 start these takes {pipes} descriptors, of which {allowed} are allowed; raise the hard limit (`ulimit -Hn`) \
                 or lower the number of clients"
            ));
        }
        match u32::try_from(workers) {
            Ok(workers @ 0..=MAX_WORKERS) => Ok(workers),
            _ => Err(format!(
                "{connections} connections need {needed} load processes of {per_worker} connections each, and {MAX_WORKERS} are \
                 the most; raise the hard limit of descriptors (`ulimit -Hn`) or lower the number of clients"
            )),
        }
    }

    /// Whether a server can hold the clients of the scenario of this name, and the connections beside them, under `models`.
    ///
    /// # Errors
    /// Needed, allowed, and how to raise it.
    pub fn check(&self, scenario: &str, clients: u32, beside: u64, models: &[String]) -> Result<(), String> {
        let clients = u64::from(clients) + beside;
        let who = if beside == 0 { "clients" } else { "connections, those beside the load included," };
        let needed = clients + SPARE_DESCRIPTORS;
        // What is no model of ours may hold them all, and starts what we cannot know.
        let per_client = |name: &str| {
            TunedModel::parse(name).map_or(PerClient::Nothing, |one| one.model().meta().per_client)
        };
        // Where processes serve, each has one connection and the server keeps none.
        let keeps = |name: &String| {
            TunedModel::parse(name).map_or(true, |one| one.model().meta().isolation() == Isolation::Server)
        };
        let holds = models.iter().any(keeps);
        if let Some(allowed) = self.descriptors.filter(|allowed| holds && *allowed < needed) {
            return Err(format!(
                "scenario `{scenario}`: {clients} {who} need {needed} descriptors in the server process, but only {allowed} \
                 are allowed; raise the hard limit (`ulimit -Hn {needed}`, or LimitNOFILE= of the service) or lower \
                 `clients`"
            ));
        }
        let starts = models.iter().find(|model| per_client(model) != PerClient::Nothing);
        let (Some(model), Some((allowed, limit))) = (starts, &self.processes) else { return Ok(()) };
        let needed = clients + SPARE_PROCESSES;
        if *allowed < needed {
            return Err(format!(
                "scenario `{scenario}`: {clients} {who} under {model} need {needed} processes or threads, but {limit} leaves \
                 room for {allowed}; raise it, lower `clients`, or leave the model out with --model"
            ));
        }
        Ok(())
    }
}

/// Raises the number of descriptors this process may open to the hard limit. What cannot be raised stays as it is, and
/// was counted with before.
pub fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}

/// What a trial's record takes on disk at most: twice what was seen.
const BYTES_PER_TRIAL: u64 = 32 * 1024;
/// What the report takes.
const BYTES_OF_REPORT: u64 = 2 * 1024 * 1024;

/// Refuses a folder whose disk has no room for the records of so many trials.
///
/// # Errors
/// Needed and free. A disk that does not tell is given the benefit of the doubt.
pub fn require_room(folder: &Path, trials: u64) -> Result<(), String> {
    let needed = trials * BYTES_PER_TRIAL + BYTES_OF_REPORT;
    match rustix::fs::statvfs(folder) {
        Ok(disk) if disk.f_bavail.saturating_mul(disk.f_frsize) < needed => Err(format!(
            "the disk of {} has {} KiB free, and {trials} trials and their report may take {} KiB; free some space or \
             choose another folder with --out",
            folder.display(),
            disk.f_bavail.saturating_mul(disk.f_frsize) / 1024,
            needed / 1024
        )),
        _ => Ok(()),
    }
}

/// Refuses an address outside loopback.
///
/// # Errors
/// The reason, and `how` to go on.
pub fn require_loopback(address: IpAddr, how: &str) -> Result<(), String> {
    if address.is_loopback() {
        return Ok(());
    }
    Err(format!(
        "{address} is not a loopback address: load on a network can hurt others, and what it measures is the network; \
         {how}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(descriptors: u64, processes: u64) -> Limits {
        Limits { descriptors: Some(descriptors), processes: Some((processes, "pid_max".into())) }
    }

    #[test]
    fn too_few_descriptors_are_told_with_what_is_needed_and_how_to_raise_it() {
        let tokio = ["tokio".to_string()];
        let error = limits(1000, 32_768).check("echo", 2000, 0, &tokio).expect_err("too few");
        assert!(error.contains("2064") && error.contains("1000") && error.contains("ulimit -Hn"), "{error}");
        assert_eq!(limits(2064, 32_768).check("echo", 2000, 0, &tokio), Ok(()));
        assert_eq!(limits(1000, 32_768).check("echo", 2000, 0, &["fork-per-client".into()]), Ok(()));
    }

    #[test]
    fn too_few_processes_matter_only_to_models_that_take_one_per_client() {
        let limits = limits(100_000, 1000);
        let error = limits.check("echo", 2000, 0, &["thread-per-client".into()]).expect_err("too few");
        assert!(error.contains("thread-per-client") && error.contains("pid_max"), "{error}");
        assert_eq!(limits.check("echo", 2000, 0, &["tokio".into()]), Ok(()));
    }

    #[test]
    fn more_clients_than_descriptors_take_more_workers() {
        let limits = limits(1064, 1000);
        assert_eq!(limits.workers(1000, 0, 1), Ok(1));
        assert_eq!(limits.workers(1001, 0, 1), Ok(2));
        assert_eq!(limits.workers(10_000, 0, 4), Ok(10));
        assert_eq!(limits.workers(2, 0, 4), Ok(2), "never more workers than clients");
        let few = Limits { descriptors: Some(64), processes: None };
        let error = few.workers(200, 0, 2).expect_err("200 workers with three pipes each");
        assert!(error.contains("632 descriptors") && error.contains("64 are allowed"), "{error}");
        assert!(error.contains("ulimit -Hn"), "{error}");
        assert_eq!(few.workers(10, 0, 2), Ok(10));
        let error = limits.workers(1_000_000, 0, 1).expect_err("a thousand workers");
        assert!(error.contains("1000 load processes") && error.contains("ulimit"), "{error}");
    }

    #[test]
    fn background_connections_are_counted_everywhere() {
        let tokio = ["tokio".to_string()];
        assert_eq!(limits(2_064, 32_768).check("echo", 990, 1_010, &tokio), Ok(()));
        let error = limits(2_063, 32_768).check("echo", 990, 1_010, &tokio).expect_err("too few");
        assert!(error.contains("2000 connections") && error.contains("2064 descriptors"), "{error}");
        let error = limits(9_000, 2_000)
            .check("echo", 990, 1_010, &["thread-per-client".into()])
            .expect_err("too few");
        assert!(error.contains("2000 connections") && error.contains("thread-per-client"), "{error}");
        // 2,000 connections in workers of 1,000 less the remainders: three of them.
        assert_eq!(limits(1_064, 9).workers(990, 1_010, 1), Ok(3));
        let error = limits(1_064, 9).workers(2, 1_010, 1).map(|_| ());
        assert_eq!(error, Ok(()), "two workers, two clients");
        let error = limits(564, 9).workers(2, 1_010, 1).expect_err("three workers, two clients");
        assert!(error.contains("of which there are 2"), "{error}");
    }

    #[test]
    fn a_run_that_would_fill_the_disk_is_refused() {
        let folder = std::env::temp_dir();
        assert_eq!(require_room(&folder, 1), Ok(()));
        let error = require_room(&folder, u64::MAX / BYTES_PER_TRIAL / 2).expect_err("no disk is so large");
        assert!(error.contains("KiB free") && error.contains("--out"), "{error}");
    }

    #[test]
    fn only_loopback_is_loaded() {
        for good in ["127.0.0.1", "127.9.9.9", "::1"] {
            assert_eq!(require_loopback(good.parse().expect("an address"), ""), Ok(()));
        }
        for bad in ["10.0.0.1", "0.0.0.0", "192.0.2.1", "::"] {
            assert!(require_loopback(bad.parse().expect("an address"), "").is_err(), "{bad}");
        }
    }
}
