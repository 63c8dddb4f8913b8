//! What a server's tree holds, read from outside between levels: descriptors, threads, processes, address space.

use crate::host::usage;
use bakeoff_reports::record::Reading;
use bakeoff_reports::record::envelope::{Holding, Rest};
use procfs::process::Process;
use std::time::{Duration, Instant};

/// Equal readings in a row that count as rest.
const STILL: u32 = 3;
/// Between two readings.
const BETWEEN: Duration = Duration::from_millis(3);
/// How long a tree may take to come to rest.
const REST_LIMIT: Duration = Duration::from_secs(1);

/// What a tree held at one moment, each figure absent with the reason where it cannot be read.
pub(super) struct AtEnd {
    pub(super) threads: Reading<u64>,
    pub(super) processes: Reading<u64>,
    pub(super) descriptors: Reading<u64>,
    pub(super) address_space_bytes: Reading<u64>,
}

impl AtEnd {
    /// Now.
    pub(super) fn take(pid: u32) -> Self {
        let held = holding(pid);
        let part = |of: fn(&Holding) -> u64| match &held {
            Ok(held) => Reading::Value(of(held)),
            Err(why) => Reading::Absent(why.clone()),
        };
        Self {
            threads: part(|held| held.threads),
            processes: part(|held| held.processes),
            descriptors: part(|held| held.descriptors),
            address_space_bytes: address_space(pid),
        }
    }
}

/// What the tree under `pid` holds now.
pub(super) fn holding(pid: u32) -> Result<Holding, String> {
    let mut held = Holding { descriptors: 0, threads: 0, processes: 0 };
    for pid in usage::tree(pid)? {
        // One that ends meanwhile holds nothing.
        let Ok(process) = Process::new(pid as i32) else { continue };
        let (Ok(stat), Ok(descriptors)) = (process.stat(), process.fd_count()) else { continue };
        held.processes += 1;
        held.threads += stat.num_threads.max(0) as u64;
        held.descriptors += descriptors as u64;
    }
    if held.processes == 0 { Err("the server had ended".into()) } else { Ok(held) }
}

/// Address space of one process.
pub(super) fn address_space(pid: u32) -> Reading<u64> {
    match Process::new(pid as i32).and_then(|process| process.stat()) {
        Ok(stat) if stat.vsize > 0 => Reading::Value(stat.vsize),
        Ok(_) => Reading::Absent("the server had ended".into()),
        Err(error) => Reading::Absent(format!("the address space of the server cannot be read: {error}")),
    }
}

/// Waits until the tree holds the same for a while, or no more than `wanted`; a second at most.
pub(super) fn at_rest(pid: u32, wanted: Option<&Holding>) -> Result<Holding, String> {
    let deadline = Instant::now() + REST_LIMIT;
    let (mut last, mut same) = (holding(pid)?, 0);
    loop {
        let enough = match wanted {
            // At the end the question is what stays, and a slow server is given its time.
            Some(wanted) => Rest { before: *wanted, after: last }.left_over() == NOTHING,
            None => same >= STILL,
        };
        if enough || Instant::now() >= deadline {
            return Ok(last);
        }
        std::thread::sleep(BETWEEN);
        let now = holding(pid)?;
        same = if now == last { same + 1 } else { 0 };
        last = now;
    }
}

const NOTHING: Holding = Holding { descriptors: 0, threads: 0, processes: 0 };
