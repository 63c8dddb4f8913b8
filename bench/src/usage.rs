//! What a server's process tree uses, read from outside while it runs: CPU time, memory, threads, steal.
//!
//! Reading never stops the tree and happens at the edges of the window only. What cannot be read is absent with the
//! reason.

use crate::sys;
use bakeoff_reports::record::Reading;
use procfs::process::Process;
use procfs::{CurrentSI as _, KernelStats};
use std::time::Duration;

/// CPU figures at one instant; the difference of two is what was used between them.
#[derive(Clone, Debug)]
pub struct CpuMark {
    tree: Result<Duration, String>,
    /// Stolen and total ticks of the pinned CPUs.
    steal: Result<(u64, u64), String>,
}

impl CpuMark {
    /// The figures now, of the tree under `root` and of `cpus`.
    pub fn take(root: u32, cpus: &[u32]) -> Self {
        Self { tree: tree_cpu_time(root), steal: steal_ticks(cpus) }
    }

    /// CPU nanoseconds the tree used from `self` to `later`.
    pub fn cpu_until(&self, later: &Self) -> Reading<u64> {
        match (&self.tree, &later.tree) {
            (Ok(before), Ok(after)) => {
                Reading::Value(crate::clock::nanoseconds(after.saturating_sub(*before)))
            }
            (Err(reason), _) | (_, Err(reason)) => Reading::Absent(reason.clone()),
        }
    }

    /// Share of the time from `self` to `later` that the hypervisor took from the CPUs, 0 to 1.
    pub fn steal_until(&self, later: &Self) -> Reading<f64> {
        match (&self.steal, &later.steal) {
            (Ok((stolen, total)), Ok((stolen_later, total_later))) => {
                match total_later.saturating_sub(*total) {
                    0 => Reading::Absent("the window is shorter than a clock tick".into()),
                    ticks => Reading::Value(stolen_later.saturating_sub(*stolen) as f64 / ticks as f64),
                }
            }
            (Err(reason), _) | (_, Err(reason)) => Reading::Absent(reason.clone()),
        }
    }
}

/// The living processes of the tree under `root`, itself first. Processes that end meanwhile are left out.
pub fn tree(root: u32) -> Vec<Process> {
    let mut found = Vec::new();
    let mut waiting = vec![root];
    while let Some(pid) = waiting.pop() {
        let Ok(process) = i32::try_from(pid).map_err(drop).and_then(|p| Process::new(p).map_err(drop)) else {
            continue;
        };
        if let Ok(tasks) = process.tasks() {
            for task in tasks.flatten() {
                waiting.extend(task.children().unwrap_or_default());
            }
        }
        found.push(process);
    }
    found
}

/// CPU time of the tree: living processes to the nanosecond, reaped descendants of the root to the clock tick.
fn tree_cpu_time(root: u32) -> Result<Duration, String> {
    let own = sys::process_cpu_time(root)
        .map_err(|e| format!("the CPU clock of the server cannot be read: {e}"))?;
    let mut sum = own;
    for process in tree(root) {
        let pid = process.pid() as u32;
        if pid != root {
            // A child that ended since the list was made has moved to the reaped ones.
            sum += sys::process_cpu_time(pid).unwrap_or_default();
        }
    }
    let stat = i32::try_from(root)
        .map_err(|e| e.to_string())
        .and_then(|pid| Process::new(pid).and_then(|p| p.stat()).map_err(|e| e.to_string()))
        .map_err(|e| format!("/proc/{root}/stat cannot be read: {e}"))?;
    let reaped_ticks = u64::try_from(stat.cutime + stat.cstime).unwrap_or_default();
    Ok(sum + Duration::from_nanos(reaped_ticks * (1_000_000_000 / procfs::ticks_per_second())))
}

fn steal_ticks(cpus: &[u32]) -> Result<(u64, u64), String> {
    let stats = KernelStats::current().map_err(|e| format!("/proc/stat cannot be read: {e}"))?;
    let (mut stolen, mut total) = (0, 0);
    for cpu in cpus {
        let time =
            stats.cpu_time.get(*cpu as usize).ok_or_else(|| format!("/proc/stat does not list CPU {cpu}"))?;
        let steal = time.steal.ok_or("this kernel does not report steal")?;
        let rest = [time.iowait, time.irq, time.softirq].into_iter().flatten().sum::<u64>();
        stolen += steal;
        total += time.user + time.nice + time.system + time.idle + rest + steal;
    }
    Ok((stolen, total))
}

/// Threads and processes of a tree at one instant. Cheap to take.
#[derive(Clone, Debug)]
pub struct Population {
    /// Threads.
    pub threads: Reading<u64>,
    /// Processes.
    pub processes: Reading<u64>,
}

impl Population {
    /// Those living now.
    pub fn take(root: u32) -> Self {
        // A process that ends between the listing and the reading is counted in neither.
        let threads: Vec<u64> = tree(root)
            .iter()
            .filter_map(|process| process.stat().ok())
            .map(|stat| u64::try_from(stat.num_threads).unwrap_or_default())
            .collect();
        if threads.is_empty() {
            return Self { threads: Reading::Absent(GONE.into()), processes: Reading::Absent(GONE.into()) };
        }
        Self {
            threads: Reading::Value(threads.iter().sum()),
            processes: Reading::Value(threads.len() as u64),
        }
    }
}

const GONE: &str = "the server had ended";

/// Proportional set size of a tree now, in bytes. Takes a fraction of a millisecond for each process, and the lock of
/// its memory map.
pub fn pss_bytes(root: u32) -> Reading<u64> {
    let mut sum = None;
    for process in tree(root) {
        let rollup = process.smaps_rollup().map_err(|e| e.to_string());
        let bytes = rollup.and_then(|r| {
            let map = r.memory_map_rollup.0.into_iter().next().ok_or("empty smaps_rollup")?;
            map.extension.map.get("Pss").copied().ok_or_else(|| "no Pss line".to_string())
        });
        match bytes {
            Ok(bytes) => sum = Some(sum.unwrap_or(0) + bytes),
            // Children end at any time; the root, which comes first, must be readable.
            Err(reason) if sum.is_none() => return Reading::Absent(format!("smaps_rollup: {reason}")),
            Err(_) => {}
        }
    }
    sum.map_or_else(|| Reading::Absent(GONE.into()), Reading::Value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use std::process::{Command, Stdio};

    #[test]
    fn a_tree_is_seen_whole_with_its_memory_and_threads() {
        let mut shell = Command::new("sh")
            .args(["-c", "sleep 30 & sleep 30 & echo up; wait"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh");
        let mut up = [0; 3];
        shell.stdout.take().expect("piped").read_exact(&mut up).expect("the shell says it is up");
        let pids: Vec<i32> = tree(shell.id()).iter().map(Process::pid).collect();
        let population = Population::take(shell.id());
        let pss = pss_bytes(shell.id());
        for pid in &pids {
            let pid = rustix::process::Pid::from_raw(*pid).expect("above zero");
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("our own child");
        }
        shell.wait().expect("our child");
        assert_eq!(pids.len(), 3, "{pids:?}");
        assert_eq!(population.processes, Reading::Value(3));
        assert_eq!(population.threads, Reading::Value(3));
        assert!(pss.value().is_some_and(|b| *b > 10_000), "{pss:?}");
    }

    #[test]
    fn what_is_gone_is_absent_not_zero() {
        let mut child = Command::new("true").spawn().expect("true");
        let pid = child.id();
        child.wait().expect("our child");
        let (before, after) = (CpuMark::take(pid, &[0]), CpuMark::take(pid, &[100_000]));
        assert!(matches!(before.cpu_until(&after), Reading::Absent(_)));
        assert!(matches!(before.steal_until(&after), Reading::Absent(_)));
        assert!(matches!(Population::take(pid).processes, Reading::Absent(_)));
        assert!(matches!(pss_bytes(pid), Reading::Absent(_)));
    }
}
