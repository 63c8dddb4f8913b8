//! What a reader must know of the machine: read once before a run and stamped on its records.

use super::pinned::on_cpus;
pub use super::pinned::{allowed_cpus, pin};
use super::topology::CpuPlan;
use bakeoff_reports::record::{Environment, Reading};
use bakeoff_servers::services;
use procfs::Current as _;
use rustix::process::{Resource, getrlimit};
use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

/// Reads the environment. `congestion_control` is what the sockets of the run will use.
pub fn read(
    plan: &CpuPlan,
    congestion_control: Reading<String>,
    compute_ns_per_nominal_us: Reading<f64>,
) -> Environment {
    let uname = rustix::system::uname();
    let cpu_model = procfs::CpuInfo::current().map_err(|e| format!("/proc/cpuinfo: {e}")).and_then(|info| {
        info.model_name(0).map(str::to_string).ok_or_else(|| "/proc/cpuinfo names no model".into())
    });
    let memory = procfs::Meminfo::current().map(|m| m.mem_total).map_err(|e| format!("/proc/meminfo: {e}"));
    let mut notes = BTreeMap::new();
    if plan.all.len() <= 2 && plan.server.len() <= 1 {
        let cores = "One CPU serves and one loads: nothing here says how a model scales over cores.";
        notes.insert("cores".into(), cores.into());
    }
    Environment {
        kernel: Reading::Value(format!(
            "{} {}",
            uname.sysname().to_string_lossy(),
            uname.release().to_string_lossy()
        )),
        cpu_model: reading(cpu_model),
        cpus: plan.all.clone(),
        server_cpus: plan.server.clone(),
        swarm_cpus: plan.swarm.clone(),
        cpu_choice: Some(plan.choice.clone()),
        memory_bytes: reading(memory),
        governor: text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        max_descriptors: descriptor_limit()
            .map_or_else(|| Reading::Absent("no limit is set".into()), Reading::Value),
        max_processes: process_limit()
            .map_or_else(|| Reading::Absent("no limit is set".into()), |l| Reading::Value(l.0)),
        somaxconn: number("/proc/sys/net/core/somaxconn"),
        congestion_control,
        compute_ns_per_nominal_us,
        notes,
    }
}

/// Descriptors a process may open: the hard limit, which servers and workers raise themselves to.
pub fn descriptor_limit() -> Option<u64> {
    getrlimit(Resource::Nofile).maximum
}

/// Processes and threads that may still be started, with the limit's name: the smallest that applies.
pub fn process_limit() -> Option<(u64, String)> {
    let file = |path: &str| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let running = tasks_running().unwrap_or(0);
    // Root is exempt from RLIMIT_NPROC. What the user runs elsewhere counts too; all that runs is the careful guess.
    let own = getrlimit(Resource::Nproc).current.filter(|_| !rustix::process::geteuid().is_root());
    let left = |limit: u64| limit.saturating_sub(running);
    [
        (own.map(left), "`ulimit -u`"),
        (file("/proc/sys/kernel/pid_max").map(left), "/proc/sys/kernel/pid_max"),
        (file("/proc/sys/kernel/threads-max").map(left), "/proc/sys/kernel/threads-max"),
        (cgroup_pids_left(), "the pids.max of the control group"),
    ]
    .into_iter()
    .filter_map(|(limit, name)| Some((limit?, name.to_string())))
    .min()
}

/// Threads of all processes of the system.
fn tasks_running() -> Option<u64> {
    // "0.20 0.18 0.12 1/80 11206": the fourth field is running/existing.
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().nth(3)?.split_once('/')?.1.parse().ok()
}

fn cgroup_pids_left() -> Option<u64> {
    let groups = procfs::process::Process::myself().ok()?.cgroups().ok()?;
    let left = |folder: String| {
        let number =
            |name: &str| fs::read_to_string(format!("{folder}/{name}")).ok()?.trim().parse::<u64>().ok();
        Some(number("pids.max")?.saturating_sub(number("pids.current").unwrap_or(0)))
    };
    groups
        .into_iter()
        .filter_map(|group| {
            let mount = match group.controllers.as_slice() {
                [] => "/sys/fs/cgroup",
                list if list.iter().any(|c| c == "pids") => "/sys/fs/cgroup/pids",
                _ => return None,
            };
            left(format!("{mount}{}", group.pathname.trim_end_matches('/')))
        })
        .min()
}

/// Times the compute service alone on a server CPU: the fastest of some short goes, in a thread of its own so that
/// the caller's pinning stays.
pub fn compute_speed(cpus: &[u32]) -> Reading<f64> {
    const NOMINAL_NS: u64 = 1_000_000;
    reading(on_cpus(cpus, || {
        let mut best = u128::MAX;
        for seed in 0..10 {
            let begin = Instant::now();
            std::hint::black_box(services::hash::compute(seed, NOMINAL_NS));
            best = best.min(begin.elapsed().as_nanos());
        }
        Ok(best as f64 / (NOMINAL_NS / 1000) as f64)
    }))
}

fn reading<T>(result: Result<T, String>) -> Reading<T> {
    result.map_or_else(Reading::Absent, Reading::Value)
}

fn text(path: &str) -> Reading<String> {
    reading(fs::read_to_string(path).map(|t| t.trim().to_string()).map_err(|e| format!("{path}: {e}")))
}

fn number(path: &str) -> Reading<u64> {
    match text(path) {
        Reading::Value(text) => reading(text.parse().map_err(|_| format!("{path} holds no number"))),
        Reading::Absent(reason) => Reading::Absent(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_that_is_not_there_is_refused_with_the_list() {
        let error = std::thread::spawn(|| pin(&[1_000])).join().expect("no panic").expect_err("no such CPU");
        assert!(error.to_string().contains("allowed are"), "{error}");
    }
}
