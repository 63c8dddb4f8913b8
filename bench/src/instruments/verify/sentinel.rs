//! A look-out for a machine that stands still: a virtual one whose host runs something else, and does not say so.
//!
//! One thread on each CPU sleeps for a millisecond at a time and notes how much too late it wakes. That shows what the
//! counters of the system do not: time that nobody was given. It knows nothing of the harness under test, so that a
//! broken harness cannot pass for a restless machine. It costs about half a per cent of a CPU.

use crate::host::clock;
use crate::host::environment;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// How long a thread sleeps at a time, in nanoseconds.
const NAP_NS: u64 = 1_000_000;
/// A sleep that ends so much too late was a standstill; below it may be the scheduler, which lets a busy thread finish its
/// turn of a few milliseconds.
const STANDSTILL_NS: u64 = 6_000_000;
/// A trial bears no single standstill as long as this,
const LONGEST_NS: u64 = 12_000_000;
/// nor standstills of this share of it, 0 to 1.
const SHARE: f64 = 0.01;

/// What its threads are called.
const NAME: &str = "sentinel";

/// What one CPU did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Still {
    sum_ns: u64,
    longest_ns: u64,
    naps: u64,
    /// How much too late its naps ended, all together.
    late_ns: u64,
}

impl Still {
    /// A sleep ended so much too late.
    fn note(&mut self, late_ns: u64) {
        self.naps += 1;
        self.late_ns += late_ns;
        if late_ns >= STANDSTILL_NS {
            self.sum_ns += late_ns;
            self.longest_ns = self.longest_ns.max(late_ns);
        }
    }
}

/// What all CPUs did.
#[derive(Clone, Debug, Default)]
pub(super) struct Watched {
    /// Where the machine stood still, if it did for longer than a trial bears.
    pub(super) stood_still: Option<String>,
    /// How much too late a nap ended on average, in nanoseconds, on the CPU where that was most: on one with nothing to run, what
    /// the machine adds to every wait.
    pub(super) nap_late_ns: f64,
}

/// Watches some CPUs from its making until [`Sentinel::end`].
#[derive(Debug)]
pub(super) struct Sentinel {
    threads: Vec<(u32, JoinHandle<Still>)>,
    over: Arc<AtomicBool>,
    since_ns: u64,
}

impl Sentinel {
    /// Begins to watch `cpus`.
    pub(super) fn watch(cpus: &[u32]) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let thread = |cpu: u32| {
            let over = Arc::clone(&over);
            let look_out = std::thread::Builder::new().name(NAME.into()).spawn(move || look_out(cpu, &over));
            look_out.ok().map(|look_out| (cpu, look_out))
        };
        Self {
            threads: cpus.iter().copied().filter_map(thread).collect(),
            over,
            since_ns: clock::monotonic_ns(),
        }
    }

    /// Ends the watch.
    pub(super) fn end(mut self) -> Watched {
        self.over.store(true, Ordering::Relaxed);
        let watched_ns = clock::monotonic_ns() - self.since_ns;
        // A thread that could not be pinned has seen nothing, and speaks for nothing.
        let seen: Vec<(u32, Still)> =
            self.threads.drain(..).filter_map(|(cpu, thread)| Some((cpu, thread.join().ok()?))).collect();
        let worst = seen.iter().max_by_key(|(_, still)| still.sum_ns);
        let late = seen.iter().map(|(_, still)| still.late_ns as f64 / still.naps.max(1) as f64);
        Watched {
            stood_still: worst.and_then(|(cpu, still)| objection(*cpu, *still, watched_ns)),
            nap_late_ns: late.fold(0.0, f64::max),
        }
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for (_, thread) in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn look_out(cpu: u32, over: &AtomicBool) -> Still {
    let mut still = Still::default();
    if environment::pin(&[cpu]).is_err() {
        return still;
    }
    while !over.load(Ordering::Relaxed) {
        let due_ns = clock::monotonic_ns() + NAP_NS;
        clock::sleep_until(due_ns);
        let late_ns = clock::monotonic_ns().saturating_sub(due_ns);
        still.note(late_ns);
    }
    still
}

fn objection(cpu: u32, still: Still, watched_ns: u64) -> Option<String> {
    let ms = |ns: u64| ns as f64 / 1e6;
    let much = still.longest_ns >= LONGEST_NS || still.sum_ns as f64 > SHARE * watched_ns as f64;
    much.then(|| {
        format!(
            "CPU {cpu} stood still for {:.0} ms, {:.0} ms at once",
            ms(still.sum_ns),
            ms(still.longest_ns)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn little_is_borne_and_much_is_told() {
        let still = |sum_ns, longest_ns| Still { sum_ns, longest_ns, ..Still::default() };
        assert_eq!(objection(1, Still::default(), SECOND), None);
        assert_eq!(objection(1, still(8_000_000, 8_000_000), SECOND), None);
        let long = objection(1, still(13_000_000, 13_000_000), 10 * SECOND).expect("too long");
        assert!(long.contains("CPU 1 stood still for 13 ms, 13 ms at once"), "{long}");
        assert!(objection(0, still(16_000_000, 8_000_000), SECOND).is_some(), "1.6 % of the time");
    }

    #[test]
    fn what_a_scheduler_does_is_no_standstill() {
        let mut still = Still::default();
        [90_000, STANDSTILL_NS - 1, 7_000_000, 9_000_000].into_iter().for_each(|late_ns| still.note(late_ns));
        let late_ns = 90_000 + STANDSTILL_NS - 1 + 16_000_000;
        assert_eq!(still, Still { sum_ns: 16_000_000, longest_ns: 9_000_000, naps: 4, late_ns });
    }

    #[test]
    fn a_watch_ends_when_it_is_over() {
        let cpus = environment::allowed_cpus();
        let before = rustix::process::getpid();
        drop(Sentinel::watch(&cpus));
        let _ = Sentinel::watch(&cpus).end();
        let tasks =
            std::fs::read_dir(format!("/proc/{}/task", before.as_raw_nonzero())).expect("our threads");
        let named = tasks.flatten().filter(|task| {
            std::fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.trim() == NAME)
        });
        assert_eq!(named.count(), 0, "no look-out is left");
    }
}
