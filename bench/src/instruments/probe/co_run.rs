//! How much the swarm's CPUs slow a server's down while they work: hardware threads of one core, a cache or a power budget in
//! common, a hypervisor with fewer CPUs than it shows.

use super::machine::{fixed_work, loop_times};
use crate::host::pinned::{on_cpus, pin};
use crate::host::shortage::advice;
use crate::host::topology::CpuPlan;
use bakeoff_reports::record::{CoRun, Reading};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Builder};
use std::time::Duration;

/// Stretches of each kind, in turn, so that a machine that changes its speed changes it for both. An odd number: the median of them
/// counts, since a single fast one among the busy may have met a neighbour that did not run.
const STRETCHES: usize = 5;
/// Goes of the fixed work in a stretch, without a pause: some 5 ms, longer than a hypervisor lets one CPU wait for another.
const GOES: u32 = 20;

/// Times the fixed work on the first server CPU with the swarm's CPUs idle and busy. Takes some 60 ms, more where they touch.
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
    let time = || on_cpus(&[server_cpu], || Ok(mean(&loop_times(GOES))));
    let (idle_ns, busy_ns) = in_turn(time, || while_busy(&cpus.swarm, fixed_work, thread_for, time))?;
    Ok(CoRun { server_cpu, swarm_cpus: cpus.swarm.clone(), idle_ns, busy_ns })
}

/// The medians of stretches of both kinds, each of which is timed by one of these.
fn in_turn(
    mut idle: impl FnMut() -> Result<f64, String>,
    mut busy: impl FnMut() -> Result<f64, String>,
) -> Result<(f64, f64), String> {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..STRETCHES {
        times[0].push(idle()?);
        times[1].push(busy()?);
    }
    let [idle, busy] = times.map(|mut times| {
        times.sort_unstable_by(f64::total_cmp);
        times[STRETCHES / 2]
    });
    Ok((idle, busy))
}

fn mean(times: &[f64]) -> f64 {
    times.iter().sum::<f64>() / times.len() as f64
}

fn thread_for(cpu: u32) -> Builder {
    Builder::new().name(format!("busy-{cpu}"))
}

/// Does `work` while a thread on each of these CPUs does `labour` over and over, without a pause.
fn while_busy<T>(
    cpus: &[u32],
    labour: impl Fn() + Sync,
    thread_for: impl Fn(u32) -> Builder,
    work: impl FnOnce() -> Result<T, String>,
) -> Result<T, String> {
    let (over, begun) = (AtomicBool::new(false), AtomicUsize::new(0));
    let keep_busy = |cpu: u32| {
        let pinned = pin(&[cpu]).map_err(|e| e.to_string());
        begun.fetch_add(1, Ordering::Release);
        pinned?;
        while !over.load(Ordering::Relaxed) {
            labour();
        }
        Ok::<(), String>(())
    };
    thread::scope(|scope| {
        let (keep_busy, mut threads, mut done) = (&keep_busy, Vec::new(), None);
        for &cpu in cpus {
            match thread_for(cpu).spawn_scoped(scope, move || keep_busy(cpu)) {
                Ok(thread) => threads.push(thread),
                // Those that run already wait for nothing but `over`.
                Err(e) => {
                    done =
                        Some(Err(format!("no thread can be had to keep CPU {cpu} busy ({e}){}", advice(&e))));
                    break;
                }
            }
        }
        let done = done.unwrap_or_else(|| {
            while begun.load(Ordering::Acquire) < cpus.len() {
                thread::sleep(Duration::from_micros(100));
            }
            work()
        });
        over.store(true, Ordering::Relaxed);
        for thread in threads {
            thread.join().map_err(|_| "a busy thread panicked")??;
        }
        done
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

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
    fn a_neighbour_that_slows_most_stretches_down_is_seen() {
        let of = |times: [f64; STRETCHES]| {
            let mut times = times.into_iter();
            move || times.next().ok_or_else(|| "asked too often".to_owned())
        };
        let found = in_turn(of([1.0, 1.0, 9.0, 1.0, 1.0]), of([1.4, 1.0, 1.5, 1.5, 1.5]));
        assert_eq!(found, Ok((1.0, 1.5)), "neither a hiccup of the idle nor the one that escaped");
        assert_eq!(in_turn(|| Ok(1.0), || Err("no".to_owned())), Err("no".to_owned()));
    }

    /// How often this thread has slept or waited.
    fn pauses() -> u64 {
        let status = std::fs::read_to_string("/proc/thread-self/status").expect("told");
        let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        count.expect("counted").trim().parse().expect("a number")
    }

    #[test]
    fn the_others_work_without_a_pause_while_it_is_timed_and_end_with_it() {
        let here = CpuPlan::of_this_machine();
        let cpu = here.swarm[0];
        let seen = Mutex::new(Vec::new());
        let labour = || {
            fixed_work();
            seen.lock().expect("whole").push(pauses());
        };
        let count = || seen.lock().expect("whole").len();
        let during = while_busy(&[cpu], labour, thread_for, || {
            let begin = count();
            while count() < begin + 50 {
                thread::sleep(Duration::from_millis(1));
            }
            Ok(())
        });
        assert_eq!(during, Ok(()));
        let seen = seen.into_inner().expect("whole");
        let slept = seen[seen.len() - 1] - seen[0];
        // A page or the lock may be waited for now and then; a pause in the loop would be one for each.
        assert!(slept < seen.len() as u64 / 2, "{slept} pauses in {} goes", seen.len());
    }

    #[test]
    fn without_a_thread_for_each_it_ends_with_the_reason() {
        let here = CpuPlan::of_this_machine();
        let cpu = here.swarm[0];
        let asked = AtomicUsize::new(0);
        // No machine has the memory for the stack of the second.
        let builder = |cpu| match asked.fetch_add(1, Ordering::Relaxed) {
            0 => thread_for(cpu),
            _ => Builder::new().stack_size(usize::MAX / 4),
        };
        let never = || -> Result<(), String> { panic!("not everybody is busy") };
        let why = while_busy(&[cpu, cpu], fixed_work, builder, never).expect_err("one thread only");
        assert!(why.contains("no thread can be had"), "{why}");
    }
}
