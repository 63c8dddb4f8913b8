//! How much the swarm's CPUs slow a server's down while they work: hardware threads of one core, a cache or a power budget in
//! common, a hypervisor with fewer CPUs than it shows.

use super::machine::loop_ns;
use crate::host::topology::CpuPlan;
use bakeoff_reports::record::{CoRun, Reading};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Goes of each kind, in turn, so that a machine that changes its speed changes it for both. The fastest of each counts, since other
/// programs only ever slow it down.
const GOES: usize = 3;

/// Times the fixed work on the first server CPU with the swarm's CPUs idle and busy. Takes some 20 ms a go.
pub(super) fn co_run(cpus: &CpuPlan) -> Reading<CoRun> {
    match measure(cpus) {
        Ok(found) => Reading::Value(found),
        Err(why) => Reading::Absent(why),
    }
}

fn measure(cpus: &CpuPlan) -> Result<CoRun, String> {
    let server_cpu = *cpus.server.first().ok_or("nothing is pinned")?;
    if cpus.swarm.contains(&server_cpu) {
        return Err("server and swarm share the CPU".to_owned());
    }
    let time = || match loop_ns(&[server_cpu]) {
        Reading::Value(ns) => Ok(ns),
        Reading::Absent(why) => Err(why),
    };
    let (mut idle, mut busy) = (Vec::new(), Vec::new());
    for _ in 0..GOES {
        idle.push(time()?);
        busy.push(while_busy(&cpus.swarm, time)?);
    }
    let least = |times: Vec<f64>| times.into_iter().fold(f64::INFINITY, f64::min);
    Ok(CoRun { server_cpu, swarm_cpus: cpus.swarm.clone(), idle_ns: least(idle), busy_ns: least(busy) })
}

/// Does `work` while a thread on each of these CPUs does the fixed work over and over.
fn while_busy<T>(cpus: &[u32], work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let (over, working) = (AtomicBool::new(false), std::sync::Barrier::new(cpus.len() + 1));
    let keep_busy = |cpu: u32| {
        let mut last = loop_ns(&[cpu]);
        working.wait();
        while !over.load(Ordering::Relaxed) && last.value().is_some() {
            last = loop_ns(&[cpu]);
        }
        last
    };
    thread::scope(|scope| {
        let threads: Vec<_> = cpus.iter().map(|cpu| scope.spawn(|| keep_busy(*cpu))).collect();
        working.wait();
        let done = work();
        over.store(true, Ordering::Relaxed);
        for thread in threads {
            if let Reading::Absent(why) = thread.join().map_err(|_| "a busy thread panicked")? {
                return Err(why);
            }
        }
        done
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_compared_is_absent_with_the_reason() {
        let of = |server: &[u32], swarm: &[u32]| co_run(&CpuPlan::as_given(server.to_vec(), swarm.to_vec()));
        assert!(matches!(of(&[], &[]), Reading::Absent(why) if why.contains("nothing is pinned")));
        assert!(matches!(of(&[0], &[0]), Reading::Absent(why) if why.contains("share")));
        assert!(matches!(of(&[1_000], &[0]), Reading::Absent(why) if why.contains("allowed are")));
        let here = CpuPlan::of_this_machine();
        assert!(
            matches!(of(&here.server[..1], &[1_000]), Reading::Absent(why) if why.contains("allowed are"))
        );
    }

    #[test]
    fn the_others_work_while_it_is_timed_and_end_with_it() {
        let here = CpuPlan::of_this_machine();
        let found = co_run(&here);
        match found {
            Reading::Value(found) => assert!(found.idle_ns > 0.0 && found.slowdown() > 0.0, "{found:?}"),
            Reading::Absent(why) => assert!(here.shared(), "{why}"),
        }
    }
}
