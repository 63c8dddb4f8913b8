//! How long the threads of a tree were ready to run and had to wait for a CPU.
//!
//! The kernel tells it only of threads that live, so a sum over them is wrong where threads end during the window. It
//! also tells how long each has run, and that is the check: the living must have used nearly all the CPU time that the
//! tree used.

use super::reading;
use super::tree::{GONE, Proc, living};
use crate::host::clock::nanoseconds;
use bakeoff_reports::record::Reading;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// The share of the tree's CPU time that the threads alive at both marks must have used, for their waits to stand for
/// the tree's. The two are read some microseconds apart, hence not all of it.
const ENOUGH: f64 = 0.95;

/// The waits of the living threads at one instant.
#[derive(Clone, Debug)]
pub struct Waits {
    at: Instant,
    /// By thread: CPU time used, and time waited for a CPU, in nanoseconds.
    threads: Result<HashMap<i32, (u64, u64)>, String>,
}

impl Waits {
    /// The waits so far, of the tree under `root`. Takes about 20 us for each thread.
    pub fn take(proc: &Proc, root: u32) -> Self {
        let threads = threads(proc, root);
        Self { at: Instant::now(), threads }
    }

    /// Why the threads that lived at `later` are not all that ran since `self`, in a window of that length in which the tree
    /// used `tree_cpu_ns`: others ended and took their counts with them. `None` where they are, or nothing says otherwise.
    pub fn unseen(&self, later: &Self, window: Duration, tree_cpu_ns: &Reading<u64>) -> Option<String> {
        let used = *tree_cpu_ns.value()?;
        let (ran, _) = self.between(later).ok()?;
        let span = later.at.saturating_duration_since(self.at).as_secs_f64().max(1e-9);
        let share = ran as f64 * window.as_secs_f64() / span / (used as f64).max(1.0);
        // A tree that did next to nothing has no share to speak of.
        (used > nanoseconds(window) / 1_000 && share < ENOUGH).then(|| {
            let percent = 100.0 * (1.0 - share);
            format!(
                "threads that ended in the window used {percent:.0} % of the CPU time, and took their counts with them"
            )
        })
    }

    /// The waits from `self` to `later` scaled to a window of that length, in which the tree used `tree_cpu_ns`.
    pub fn until(&self, later: &Self, window: Duration, tree_cpu_ns: &Reading<u64>) -> Reading<u64> {
        let span = later.at.saturating_duration_since(self.at).as_secs_f64().max(1e-9);
        let scale = window.as_secs_f64() / span;
        reading(self.between(later).and_then(|(_, waited)| {
            if tree_cpu_ns.value().is_none() {
                return Err("without the tree's CPU time nobody knows whether all threads were seen".into());
            }
            match self.unseen(later, window, tree_cpu_ns) {
                Some(why) => Err(why),
                None => Ok((waited as f64 * scale) as u64),
            }
        }))
    }

    /// Time run and time waited of the threads alive at the later mark.
    fn between(&self, later: &Self) -> Result<(u64, u64), String> {
        let before = self.threads.as_ref().map_err(Clone::clone)?;
        let after = later.threads.as_ref().map_err(Clone::clone)?;
        let (mut ran, mut waited) = (0_u64, 0_u64);
        for (thread, (run, wait)) in after {
            let (run_before, wait_before) = before.get(thread).copied().unwrap_or_default();
            ran += run.saturating_sub(run_before);
            waited += wait.saturating_sub(wait_before);
        }
        Ok((ran, waited))
    }
}

fn threads(proc: &Proc, root: u32) -> Result<HashMap<i32, (u64, u64)>, String> {
    let mut found = HashMap::new();
    for pid in proc.tree(root)? {
        let Some(tasks) = living(pid, proc.process(pid).and_then(|p| p.tasks()))? else { continue };
        for task in tasks.flatten() {
            if let Some(times) = living(pid, task.schedstat())? {
                found.insert(task.tid, (times.sum_exec_runtime, times.run_delay));
            }
        }
    }
    match found.is_empty() {
        // A thread that is there always has the file, so it is the kernel that has not.
        true if proc.tree(root).is_ok() => Err("this kernel has no /proc/PID/task/TID/schedstat".into()),
        true => Err(GONE.into()),
        false => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::{end, family};
    use super::*;

    fn waits(at: Instant, threads: &[(i32, u64, u64)]) -> Waits {
        Waits { at, threads: Ok(threads.iter().map(|(tid, ran, waited)| (*tid, (*ran, *waited))).collect()) }
    }

    #[test]
    fn the_living_stand_for_the_tree_only_when_they_did_the_work() {
        let (begin, second) = (Instant::now(), Duration::from_secs(1));
        let before = waits(begin, &[(1, 1_000_000, 500), (2, 0, 0), (9, 7, 7)]);
        let after = waits(
            begin + 2 * second,
            &[(1, 601_000_000, 2_500), (2, 100_000_000, 1_000), (3, 300_000_000, 8_000)],
        );
        // 1 s of CPU in 2 s, of which the window is one.
        let used = |ns| Reading::Value(ns);
        assert_eq!(before.until(&after, second, &used(500_000_000)), Reading::Value(5_500));
        let absent = before.until(&after, second, &used(800_000_000));
        assert!(matches!(&absent, Reading::Absent(why) if why.contains("38 %")), "{absent:?}");
        let unknown = before.until(&after, second, &Reading::Absent("no clock".into()));
        assert!(matches!(unknown, Reading::Absent(_)));
        let idle = before.until(&before.clone(), second, &used(0));
        assert_eq!(idle, Reading::Value(0));
    }

    #[test]
    fn a_living_family_has_waits_and_a_missing_one_has_not() {
        let family = family();
        let seen = Waits::take(&Proc::system(), family.id());
        end(family);
        match &seen.threads {
            Ok(threads) => assert_eq!(threads.len(), 3),
            // Kernels without scheduler statistics are legal.
            Err(why) => assert!(why.contains("schedstat"), "{why}"),
        }
        let hidden = Waits::take(&Proc::at("/nowhere"), 1);
        assert_eq!(hidden.threads, Err(GONE.into()));
    }
}
