//! The CPUs that may be used, and staying on some of them: for the calling thread, or for work on a thread of its own, so that its
//! caller's stay what they are.

use super::shortage::advice;
use super::topology::list::parse_list;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::{fs, io};

/// The CPUs this process may run on; none when the system does not tell.
///
/// Where more CPUs are possible than the set of the system call has room for, the call fails whatever CPUs there are, and
/// `/proc` tells.
pub fn allowed_cpus() -> Vec<u32> {
    match sched_getaffinity(None) {
        Ok(set) => (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).map(|cpu| cpu as u32).collect(),
        Err(_) => allowed_by_proc(),
    }
}

fn allowed_by_proc() -> Vec<u32> {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let cpus = list.and_then(|list| parse_list(list).ok()).unwrap_or_default();
    // Pinning has no room for more.
    cpus.into_iter().filter(|cpu| (*cpu as usize) < CpuSet::MAX_CPU).collect()
}

/// Keeps the calling thread, and what it starts from now on, on these CPUs; on any when empty.
///
/// # Errors
/// The system's, when a CPU does not exist or is not allowed, with those that are.
pub fn pin(cpus: &[u32]) -> io::Result<()> {
    if cpus.is_empty() {
        return Ok(());
    }
    let mut set = CpuSet::new();
    for cpu in cpus {
        if *cpu as usize >= CpuSet::MAX_CPU {
            return Err(io::Error::other(format!("there is no CPU {cpu}; allowed are {:?}", allowed_cpus())));
        }
        set.set(*cpu as usize);
    }
    sched_setaffinity(None, &set).map_err(|e| {
        let allowed = allowed_cpus();
        io::Error::new(
            io::Error::from(e).kind(),
            format!("pinning to CPUs {cpus:?} failed: {e}; allowed are {allowed:?}"),
        )
    })
}

/// Does `work` there and waits for it; on every CPU that there is when none are named.
///
/// # Errors
/// Those of the work; no thread can be had, it cannot be pinned, it panicked.
pub fn on_cpus<T: Send>(cpus: &[u32], work: impl FnOnce() -> Result<T, String> + Send) -> Result<T, String> {
    std::thread::scope(|scope| {
        let pinned = || {
            pin(cpus).map_err(|e| e.to_string())?;
            work()
        };
        let thread = std::thread::Builder::new()
            .spawn_scoped(scope, pinned)
            .map_err(|e| format!("no thread can be had to measure on ({e}){}", advice(&e)))?;
        thread.join().unwrap_or_else(|_| Err("the thread that measures panicked".into()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_errors_are_those_of_the_work_and_its_own() {
        assert_eq!(on_cpus(&[], || Ok(7)), Ok(7));
        assert_eq!(on_cpus::<()>(&[], || Err("no".into())), Err("no".into()));
        let error = on_cpus(&[1_000_000], || Ok(())).expect_err("no such CPU");
        assert!(error.contains("1000000"), "{error}");
    }

    #[test]
    fn both_ways_to_ask_for_the_allowed_cpus_agree() {
        assert_eq!(allowed_by_proc(), allowed_cpus());
    }
}
