//! What a server's process tree uses, read from outside while it runs: CPU time, memory, threads, steal.
//!
//! Reading never stops the tree and happens at the edges of the window only. What cannot be read is absent with the
//! reason.

use crate::clock::nanoseconds;
use crate::sys;
use bakeoff_reports::record::Reading;
use procfs::process::Process;
use procfs::{CurrentSI as _, KernelStats, ProcError, ProcResult};
use std::time::{Duration, Instant};

/// CPU figures at one instant; [`Mark::until`] says what was used between two.
#[derive(Clone, Debug)]
pub struct Mark {
    at: Instant,
    tree: Result<Duration, String>,
    ticks: Result<Ticks, String>,
    cpus: usize,
}

/// Clock ticks of some CPUs since the system started.
#[derive(Clone, Copy, Debug, Default)]
struct Ticks {
    /// Given to processes: user, nice and system, without interrupts.
    worked: u64,
    /// Taken by the hypervisor.
    stolen: u64,
    total: u64,
}

/// What happened on the CPUs between two marks.
#[derive(Clone, Debug)]
pub struct Between {
    /// CPU nanoseconds of the tree, scaled to the length of the window.
    pub tree_cpu_ns: Reading<u64>,
    /// Share that the hypervisor took, 0 to 1.
    pub steal_share: Reading<f64>,
    /// Share that went to neither the tree nor the swarm, 0 to 1.
    pub foreign_share: Reading<f64>,
}

impl Mark {
    /// The figures now, of the tree under `root` and of `cpus`.
    pub fn take(root: u32, cpus: &[u32]) -> Self {
        let mut cpus = cpus.to_vec();
        cpus.sort_unstable();
        cpus.dedup();
        // The CPU times last: what is read before them takes time, and the mark is of the moment of the times.
        let ticks = ticks(&cpus);
        let tree = tree_cpu_time(root);
        Self { at: Instant::now(), tree, ticks, cpus: cpus.len() }
    }

    /// What was used from `self` to `later`, where the swarm used `swarm_ns` in a window of length `window`. The marks
    /// are never exactly at its edges (a large tree takes a while to read), so times are scaled to its length.
    pub fn until(&self, later: &Self, window: Duration, swarm_ns: u64) -> Between {
        let span = later.at.saturating_duration_since(self.at).as_secs_f64().max(1e-9);
        let tree = both(&self.tree, &later.tree).map(|(before, after)| after.saturating_sub(before));
        let ticks =
            both(&self.ticks, &later.ticks).and_then(|(before, after)| match after.total - before.total {
                0 => Err("the window is shorter than a clock tick".to_string()),
                total => Ok((after.worked - before.worked, after.stolen - before.stolen, total)),
            });
        let foreign = both(&tree, &ticks).map(|(tree, (worked, _, _))| {
            let worked_s = worked as f64 / procfs::ticks_per_second() as f64;
            let ours_s = tree.as_secs_f64() + swarm_ns as f64 / 1e9 * span / window.as_secs_f64();
            ((worked_s - ours_s) / (span * self.cpus.max(1) as f64)).clamp(0.0, 1.0)
        });
        let scaled = |used: Duration| nanoseconds(used.mul_f64(window.as_secs_f64() / span));
        Between {
            tree_cpu_ns: reading(tree.map(scaled)),
            steal_share: reading(ticks.map(|(_, stolen, total)| stolen as f64 / total as f64)),
            foreign_share: reading(foreign),
        }
    }
}

fn both<A: Clone, B: Clone>(a: &Result<A, String>, b: &Result<B, String>) -> Result<(A, B), String> {
    Ok((a.clone()?, b.clone()?))
}

fn reading<T>(result: Result<T, String>) -> Reading<T> {
    result.map_or_else(Reading::Absent, Reading::Value)
}

/// The living processes of the tree under `root`, itself first. Processes that end meanwhile are left out.
///
/// # Errors
/// When a process that is there cannot be read: then a figure of the tree would be wrong, not small.
pub fn tree(root: u32) -> Result<Vec<u32>, String> {
    let mut found = Vec::new();
    let mut waiting = vec![root];
    while let Some(pid) = waiting.pop() {
        // No handle is kept: a tree may have more processes than we may have descriptors.
        let Some(tasks) = living(pid, process(pid).and_then(|p| p.tasks()))? else { continue };
        for task in tasks.flatten() {
            // A thread that has ended has no children.
            waiting.extend(task.children().unwrap_or_default());
        }
        found.push(pid);
    }
    if found.is_empty() { Err(GONE.into()) } else { Ok(found) }
}

const GONE: &str = "the server had ended";

fn process(pid: u32) -> ProcResult<Process> {
    Process::new(i32::try_from(pid).map_err(|e| ProcError::Other(e.to_string()))?)
}

/// A figure of a process; `None` when it has ended.
fn living<T>(pid: u32, figure: ProcResult<T>) -> Result<Option<T>, String> {
    match figure {
        Ok(figure) => Ok(Some(figure)),
        Err(ProcError::NotFound(_)) => Ok(None),
        Err(ProcError::Io(e, _)) if e.raw_os_error() == Some(libc::ESRCH) => Ok(None),
        Err(error) => Err(format!("/proc/{pid} cannot be read: {error}")),
    }
}

/// CPU time of the tree: living processes to the nanosecond, reaped descendants of the root to the clock tick (10 ms),
/// because the kernel tells it no finer.
pub(crate) fn tree_cpu_time(root: u32) -> Result<Duration, String> {
    // The reaped ones first: a child that is reaped in between is then missed for a tick, not counted twice.
    let stat = living(root, process(root).and_then(|p| p.stat()))?.ok_or(GONE)?;
    let reaped_ticks = u64::try_from(stat.cutime + stat.cstime).unwrap_or_default();
    let mut sum = Duration::from_nanos(reaped_ticks * (1_000_000_000 / procfs::ticks_per_second()));
    for pid in tree(root)? {
        match sys::process_cpu_time(pid) {
            Ok(time) => sum += time,
            Err(_) if pid != root => {} // ended since it was listed
            Err(e) => return Err(format!("the CPU clock of the server cannot be read: {e}")),
        }
    }
    Ok(sum)
}

fn ticks(cpus: &[u32]) -> Result<Ticks, String> {
    let stats = KernelStats::current().map_err(|e| format!("/proc/stat cannot be read: {e}"))?;
    let mut sum = Ticks::default();
    for cpu in cpus {
        let time =
            stats.cpu_time.get(*cpu as usize).ok_or_else(|| format!("/proc/stat does not list CPU {cpu}"))?;
        let steal = time.steal.ok_or("this kernel does not report steal")?;
        let rest = [time.iowait, time.irq, time.softirq].into_iter().flatten().sum::<u64>();
        let worked = time.user + time.nice + time.system;
        sum.stolen += steal;
        sum.worked += worked;
        sum.total += worked + time.idle + rest + steal;
    }
    Ok(sum)
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
        match Self::count(root) {
            Ok((threads, processes)) => {
                Self { threads: Reading::Value(threads), processes: Reading::Value(processes) }
            }
            Err(why) => Self { threads: Reading::Absent(why.clone()), processes: Reading::Absent(why) },
        }
    }

    fn count(root: u32) -> Result<(u64, u64), String> {
        let (mut threads, mut processes) = (0, 0);
        for pid in tree(root)? {
            // A process that ends between the listing and the reading is counted in neither.
            if let Some(stat) = living(pid, process(pid).and_then(|p| p.stat()))? {
                threads += u64::try_from(stat.num_threads).unwrap_or_default();
                processes += 1;
            }
        }
        if processes == 0 { Err(GONE.into()) } else { Ok((threads, processes)) }
    }
}

/// Proportional set size of a tree now, in bytes. Takes a fraction of a millisecond for each process, and the lock of
/// its memory map.
pub fn pss_bytes(root: u32) -> Reading<u64> {
    let sum = || {
        let mut sum = 0;
        for pid in tree(root)? {
            let Some(rollup) = living(pid, process(pid).and_then(|p| p.smaps_rollup()))? else { continue };
            let map = rollup.memory_map_rollup.0.into_iter().next();
            let pss = map.and_then(|map| map.extension.map.get("Pss").copied());
            sum += pss.ok_or_else(|| format!("/proc/{pid}/smaps_rollup has no Pss line"))?;
        }
        if sum == 0 { Err(GONE.to_string()) } else { Ok(sum) }
    };
    reading(sum())
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
        let pids = tree(shell.id()).expect("it lives");
        let population = Population::take(shell.id());
        let pss = pss_bytes(shell.id());
        for pid in &pids {
            let pid = rustix::process::Pid::from_raw(*pid as i32).expect("above zero");
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
        let (before, after) = (Mark::take(pid, &[0]), Mark::take(pid, &[100_000]));
        let between = before.until(&after, Duration::from_millis(1), 0);
        assert!(matches!(between.tree_cpu_ns, Reading::Absent(_)), "{between:?}");
        assert!(matches!(between.steal_share, Reading::Absent(_)), "{between:?}");
        assert!(matches!(between.foreign_share, Reading::Absent(_)), "{between:?}");
        assert!(matches!(Population::take(pid).processes, Reading::Absent(_)));
        assert!(matches!(pss_bytes(pid), Reading::Absent(_)));
    }

    #[test]
    fn work_of_others_on_the_cpus_is_seen_and_our_own_is_not() {
        // One CPU, one second: 100 ticks, of which 60 worked; the tree used 0.3 s and the swarm 0.1 s.
        let mark = |at, tree_ms, worked, total| Mark {
            at,
            tree: Ok(Duration::from_millis(tree_ms)),
            ticks: Ok(Ticks { worked: worked * procfs::ticks_per_second() / 100, stolen: 5, total }),
            cpus: 1,
        };
        let begin = Instant::now();
        let second = Duration::from_secs(1);
        let (before, after) = (mark(begin, 1000, 0, 0), mark(begin + second, 1300, 60, 100));
        let between = before.until(&after, second, 100_000_000);
        assert_eq!(between.tree_cpu_ns, Reading::Value(300_000_000));
        let Reading::Value(foreign) = between.foreign_share else { panic!("{between:?}") };
        assert!((foreign - 0.2).abs() < 1e-9, "{foreign}");
        // Marks that lie twice as far apart as the window is long: half of what lies between is the window's.
        let wide = before.until(&after, second / 2, 50_000_000);
        assert_eq!(wide.tree_cpu_ns, Reading::Value(150_000_000));
        assert!(
            matches!(wide.foreign_share, Reading::Value(share) if (share - 0.2).abs() < 1e-9),
            "{wide:?}"
        );
    }
}
