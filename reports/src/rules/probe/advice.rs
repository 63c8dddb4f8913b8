//! What to change to measure better, and when not to measure at all. Each line of advice follows from a figure of the
//! probe and names it.

use crate::record::{Probe, Reading};
use crate::show::units;

/// Other programs that take more than this share of the pinned CPUs leave too little to measure with: every trial would be
/// discarded.
pub const FOREIGN_UNFIT: f64 = 0.50;
/// The same for the hypervisor.
pub const STEAL_UNFIT: f64 = 0.20;
/// A clock that takes longer to read than this (10 µs, half a round trip over loopback) is a large part of what it measures.
pub const CLOCK_UNFIT_NS: f64 = 10_000.0;
/// Sleeps that typically end later than this (1 ms) keep no schedule.
pub const TIMER_UNFIT_NS: u64 = 1_000_000;
/// A CPU whose speed changes by more than this factor (p10 to p90) within a few milliseconds has no speed.
pub const LOOP_UNFIT_RANGE: f64 = 3.0;

/// Shares from which a change is advised; trials are discarded from 10 % and 5 %.
const FOREIGN_NOTED: f64 = 0.03;
const STEAL_NOTED: f64 = 0.01;
/// A read of the clock through the vDSO takes some tens of nanoseconds, a system call some hundreds.
const CLOCK_NOTED_NS: f64 = 200.0;
const TIMER_NOTED_NS: u64 = 200_000;
/// Factor between the fast and the slow goes of the fixed work.
const LOOP_NOTED: f64 = 1.10;
/// Enough for 10,000 connections.
const DESCRIPTORS_NOTED: u64 = 10_064;
const PORTS_NOTED: u64 = 20_000;
const BACKLOG_NOTED: u64 = 1_024;

/// Why this machine is not fit to measure on now; empty when it is.
pub fn unfit(probe: &Probe) -> Vec<String> {
    let mut why = Vec::new();
    if let (Reading::Absent(floor), true) =
        (&probe.floor, probe.ceilings.iter().all(|c| c.reached.value().is_none()))
    {
        why.push(format!("the null server could not be measured: {floor}"));
    }
    let over = |reading: &Reading<f64>, limit: f64| reading.value().copied().filter(|value| *value > limit);
    if let Some(share) = over(&probe.foreign_share, FOREIGN_UNFIT) {
        let limit = units::share(FOREIGN_UNFIT);
        why.push(format!("other programs used {} of the pinned CPUs (limit {limit})", units::share(share)));
    }
    if let Some(share) = over(&probe.steal_share, STEAL_UNFIT) {
        let limit = units::share(STEAL_UNFIT);
        why.push(format!("the hypervisor took {} of the pinned CPUs (limit {limit})", units::share(share)));
    }
    if let Some(ns) = over(&probe.clock_read_ns, CLOCK_UNFIT_NS) {
        why.push(format!(
            "reading the clock takes {} (limit {})",
            units::time(ns),
            units::time(CLOCK_UNFIT_NS)
        ));
    }
    let late = |timers: &Vec<crate::record::Overshoot>| timers.iter().map(|timer| timer.p50_ns).max();
    if let Some(ns) = probe.timers.value().and_then(late).filter(|ns| *ns > TIMER_UNFIT_NS) {
        let limit = units::time(TIMER_UNFIT_NS as f64);
        why.push(format!("sleeps typically end {} late (limit {limit})", units::time(ns as f64)));
    }
    if let Some(scatter) = probe.fixed_loop_ns.value().filter(|scatter| scatter.range > LOOP_UNFIT_RANGE) {
        let (range, limit) = (units::factor(scatter.range), units::factor(LOOP_UNFIT_RANGE));
        why.push(format!("the same work took {range} as long from one go to the next (limit {limit})"));
    }
    why
}

/// What to change to measure better, gravest first; empty when nothing was found.
pub fn advice(probe: &Probe) -> Vec<String> {
    let mut lines = neighbours(probe);
    lines.extend(processors(probe));
    lines.extend(limits(probe));
    lines
}

fn neighbours(probe: &Probe) -> Vec<String> {
    let mut lines = Vec::new();
    if let Reading::Value(share) = probe.foreign_share
        && share > FOREIGN_NOTED
    {
        lines.push(format!(
            "Other programs used up to {} of the pinned CPUs: stop them, or keep them off with a cpuset.",
            units::share(share)
        ));
    }
    if let Reading::Value(share) = probe.steal_share
        && share > STEAL_NOTED
    {
        lines.push(format!(
            "The hypervisor took up to {} of the pinned CPUs: use a machine with dedicated CPUs, or another hour.",
            units::share(share)
        ));
    }
    if let Reading::Value(scatter) = &probe.fixed_loop_ns
        && scatter.range > LOOP_NOTED
    {
        lines.push(format!(
            "The same work took {} as long in slow goes as in fast ones: compare within rounds only, and run more of them.",
            units::factor(scatter.range)
        ));
    }
    lines
}

fn processors(probe: &Probe) -> Vec<String> {
    let system = &probe.system;
    let mut lines = Vec::new();
    match system.cpus {
        0 | 1 => lines.push("One CPU for server and swarm: each waits for the other. Use two at least.".into()),
        2 => lines.push(
            "Two CPUs, one to serve and one to load: nothing can be said of how a model scales over cores. Use four or more \
             for that."
                .into(),
        ),
        _ => {}
    }
    if let Reading::Value(quota) = system.quota_cpus
        && quota < system.cpus as f64
    {
        lines.push(format!(
            "The control group grants {quota:.2} of {} CPUs and stops everybody when they are used up: lift the quota.",
            system.cpus
        ));
    }
    if let Reading::Value(governor) = &system.governor
        && governor != "performance"
    {
        lines.push(format!(
            "The frequency governor is `{governor}`: choose performance (`cpupower frequency-set -g performance`)."
        ));
    }
    if system.turbo == Reading::Value(true) {
        lines.push(
            "Turbo is on, so the frequency depends on heat and neighbours: turn it off for long runs.".into(),
        );
    }
    if system.smt == Reading::Value(true) {
        lines.push("Hardware threads share cores: start with `taskset` on one thread of each core.".into());
    }
    if let Reading::Value(ns) = probe.clock_read_ns
        && ns > CLOCK_NOTED_NS
    {
        lines.push(format!(
            "Reading the clock takes {}: a clock source that the vDSO can read (tsc) takes a tenth of that.",
            units::time(ns)
        ));
    }
    let latest = probe.timers.value().and_then(|timers| timers.iter().max_by_key(|timer| timer.p99_ns));
    if let Some(timer) = latest.filter(|timer| timer.p99_ns > TIMER_NOTED_NS) {
        lines.push(format!(
            "A sleep of {} ended up to {} late (p99): expect lag of the generator where it sleeps between requests.",
            units::time(timer.asked_ns as f64),
            units::time(timer.p99_ns as f64)
        ));
    }
    lines
}

fn limits(probe: &Probe) -> Vec<String> {
    let system = &probe.system;
    let below = |reading: &Reading<u64>, least: u64| reading.value().copied().filter(|value| *value < least);
    let mut lines = Vec::new();
    if let Some(allowed) = below(&system.descriptors, DESCRIPTORS_NOTED) {
        lines.push(format!(
            "A process may open {} descriptors: raise the hard limit (`ulimit -Hn`) for more connections than that.",
            units::grouped(allowed)
        ));
    }
    if let Some(ports) = below(&system.local_ports, PORTS_NOTED) {
        lines.push(format!(
            "Outgoing connections have {} ports: widen net.ipv4.ip_local_port_range.",
            units::grouped(ports)
        ));
    }
    if let Some(most) = below(&system.somaxconn, BACKLOG_NOTED) {
        lines.push(format!(
            "A listen backlog is capped at {}: raise net.core.somaxconn to {} or more.",
            units::grouped(most),
            units::grouped(BACKLOG_NOTED)
        ));
    }
    if let Reading::Absent(_) = system.tracefs {
        lines.push("Tracepoints are not to be had: system calls per request will be absent.".into());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Overshoot, Scatter};
    use crate::sample;

    #[test]
    fn a_good_machine_needs_no_advice_but_on_what_it_cannot_show() {
        let mut probe = sample::probe(&[]);
        assert_eq!(unfit(&probe), [] as [&str; 0]);
        probe.system.cpus = 8;
        assert_eq!(advice(&probe), [] as [&str; 0]);
    }

    #[test]
    fn each_thing_that_is_wrong_is_named_with_what_to_do() {
        type Change = fn(&mut Probe);
        let cases: [(Change, &str); 12] = [
            (|p| p.foreign_share = Reading::Value(0.2), "stop them"),
            (|p| p.steal_share = Reading::Value(0.1), "dedicated"),
            (
                |p| {
                    p.fixed_loop_ns =
                        Reading::Value(Scatter { goes: 9, median: 1e6, variation: 0.3, range: 2.0 });
                },
                "rounds",
            ),
            (|p| p.system.cpus = 1, "Use two"),
            (|p| p.system.quota_cpus = Reading::Value(1.5), "1.50 of 8"),
            (|p| p.system.governor = Reading::Value("powersave".into()), "performance"),
            (|p| p.system.turbo = Reading::Value(true), "Turbo"),
            (|p| p.system.smt = Reading::Value(true), "taskset"),
            (|p| p.clock_read_ns = Reading::Value(900.0), "tsc"),
            (|p| p.system.descriptors = Reading::Value(1024), "ulimit -Hn"),
            (|p| p.system.somaxconn = Reading::Value(128), "net.core.somaxconn"),
            (|p| p.system.tracefs = Reading::Absent("no such folder".into()), "system calls"),
        ];
        for (change, words) in cases {
            let mut probe = sample::probe(&[]);
            probe.system.cpus = 8;
            change(&mut probe);
            let lines = advice(&probe);
            assert!(lines.len() == 1 && lines[0].contains(words), "{words}: {lines:?}");
            assert_eq!(unfit(&probe), [] as [&str; 0], "{words}");
        }
    }

    #[test]
    fn a_machine_that_measures_nothing_true_is_unfit_and_says_why() {
        type Change = fn(&mut Probe);
        let cases: [(Change, &str); 6] = [
            (|p| p.foreign_share = Reading::Value(0.6), "other programs"),
            (|p| p.steal_share = Reading::Value(0.3), "hypervisor"),
            (|p| p.clock_read_ns = Reading::Value(20_000.0), "clock"),
            (
                |p| {
                    let late =
                        Overshoot { asked_ns: 50_000, p50_ns: 3_000_000, p99_ns: 9_000_000, samples: 100 };
                    p.timers = Reading::Value(vec![late]);
                },
                "3.00 ms late",
            ),
            (
                |p| {
                    p.fixed_loop_ns =
                        Reading::Value(Scatter { goes: 9, median: 1e6, variation: 0.9, range: 4.0 });
                },
                "same work",
            ),
            (
                |p| {
                    p.floor = Reading::Absent("no port was free".into());
                    p.ceilings.clear();
                },
                "no port was free",
            ),
        ];
        for (change, words) in cases {
            let mut probe = sample::probe(&[]);
            change(&mut probe);
            let why = unfit(&probe);
            assert!(why.len() == 1 && why[0].contains(words), "{words}: {why:?}");
        }
    }
}
