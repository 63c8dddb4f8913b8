//! What to change to measure better, and when not to measure at all. Each follows from a figure of the probe, and carries it.

use crate::record::{CoRun, Overshoot, Probe, Reading};

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
/// Slowdown of a server CPU by the swarm's. Hardware threads of one core show 1.3 to 2.
const CO_RUN_NOTED: f64 = 1.10;
/// Enough for 10,000 connections.
const DESCRIPTORS_NOTED: u64 = 10_064;
const PORTS_NOTED: u64 = 20_000;
pub(crate) const BACKLOG_NOTED: u64 = 1_024;

/// Why a machine is not fit to measure on now.
#[derive(Clone, Debug, PartialEq)]
pub enum Unfit {
    /// The null server could not be measured; why.
    NoNullServer(String),
    /// Other programs used this share of the pinned CPUs.
    Foreign(f64),
    /// The hypervisor took this share.
    Steal(f64),
    /// Reading the clock takes so many nanoseconds.
    Clock(f64),
    /// Sleeps typically end so many nanoseconds late.
    Timers(u64),
    /// The same work took so many times as long from one run to the next.
    Unsteady(f64),
}

/// Something to change to measure better.
#[derive(Clone, Debug, PartialEq)]
pub enum Advice {
    /// Other programs used up to this share of the pinned CPUs.
    Foreign(f64),
    /// The hypervisor took up to this share.
    Steal(f64),
    /// The same work took so many times as long in slow runs as in fast ones.
    Unsteady(f64),
    /// The same work took so many times as long on a server CPU while the swarm's were busy.
    CoRun(f64),
    /// One CPU for server and swarm.
    OneCpu,
    /// One CPU for each.
    TwoCpus,
    /// The control group grants fewer CPUs than there are.
    Quota {
        /// Granted.
        granted: f64,
        /// There are.
        cpus: u64,
    },
    /// The frequency governor is this.
    Governor(String),
    /// Turbo is on.
    Turbo,
    /// Hardware threads share cores.
    HardwareThreads,
    /// Reading the clock takes so many nanoseconds.
    Clock(f64),
    /// This sleep ended late.
    Timers(Overshoot),
    /// Descriptors a process may open.
    Descriptors(u64),
    /// Ports for outgoing connections.
    Ports(u64),
    /// The cap on a listen backlog.
    Backlog(u64),
    /// Tracepoints are unavailable.
    NoTracepoints,
}

fn over(reading: &Reading<f64>, limit: f64) -> Option<f64> {
    reading.value().copied().filter(|value| *value > limit)
}

/// Why this machine is not fit to measure on now; empty when it is.
pub fn unfit(probe: &Probe) -> Vec<Unfit> {
    let measured = probe.ceilings.iter().any(|ceiling| ceiling.reached.value().is_some());
    let typical = |timers: &Vec<Overshoot>| timers.iter().map(|timer| timer.p50_ns).max();
    let scatter = probe.fixed_loop_ns.value().map(|scatter| scatter.range);
    [
        probe.floor.absence().filter(|_| !measured).map(|why| Unfit::NoNullServer(why.to_owned())),
        over(&probe.foreign_share, FOREIGN_UNFIT).map(Unfit::Foreign),
        over(&probe.steal_share, STEAL_UNFIT).map(Unfit::Steal),
        over(&probe.clock_read_ns, CLOCK_UNFIT_NS).map(Unfit::Clock),
        probe.timers.value().and_then(typical).filter(|ns| *ns > TIMER_UNFIT_NS).map(Unfit::Timers),
        scatter.filter(|range| *range > LOOP_UNFIT_RANGE).map(Unfit::Unsteady),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What to change to measure better, the most serious first; empty when nothing was found.
pub fn advice(probe: &Probe) -> Vec<Advice> {
    let system = &probe.system;
    let scatter = probe.fixed_loop_ns.value().map(|scatter| scatter.range);
    let cpus = match system.cpus {
        0 | 1 => Some(Advice::OneCpu),
        2 => Some(Advice::TwoCpus),
        _ => None,
    };
    let co_run = probe.co_run.as_ref().and_then(|one| one.value()).map(CoRun::slowdown);
    let quota = system.quota_cpus.value().copied().filter(|granted| *granted < system.cpus as f64);
    let governor = system.governor.value().filter(|governor| *governor != "performance");
    let latest = probe.timers.value().and_then(|timers| timers.iter().max_by_key(|timer| timer.p99_ns));
    let below = |reading: &Reading<u64>, least: u64| reading.value().copied().filter(|value| *value < least);
    [
        over(&probe.foreign_share, FOREIGN_NOTED).map(Advice::Foreign),
        over(&probe.steal_share, STEAL_NOTED).map(Advice::Steal),
        scatter.filter(|range| *range > LOOP_NOTED).map(Advice::Unsteady),
        co_run.filter(|factor| *factor > CO_RUN_NOTED).map(Advice::CoRun),
        cpus,
        quota.map(|granted| Advice::Quota { granted, cpus: system.cpus }),
        governor.cloned().map(Advice::Governor),
        (system.turbo == Reading::Value(true)).then_some(Advice::Turbo),
        (system.smt == Reading::Value(true)).then_some(Advice::HardwareThreads),
        over(&probe.clock_read_ns, CLOCK_NOTED_NS).map(Advice::Clock),
        latest.filter(|timer| timer.p99_ns > TIMER_NOTED_NS).cloned().map(Advice::Timers),
        below(&system.descriptors, DESCRIPTORS_NOTED).map(Advice::Descriptors),
        below(&system.local_ports, PORTS_NOTED).map(Advice::Ports),
        below(&system.somaxconn, BACKLOG_NOTED).map(Advice::Backlog),
        system.tracefs.absence().map(|_| Advice::NoTracepoints),
    ]
    .into_iter()
    .flatten()
    .collect()
}
