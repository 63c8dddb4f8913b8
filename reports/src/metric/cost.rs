//! What a request, a connection and a server cost: every figure by its name, how it is shown, and how it is made of a
//! trial's record.
//!
//! A figure whose parts were not all measured is absent with the reason of the first missing one; it is never made up
//! of the rest.

use crate::record::histogram::replies_per_connection;
use crate::record::{Measured, Reading, Trial};
use crate::show::units;
use crate::stats::median;

/// A cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// CPU time of the tree in the window per reply in it, nanoseconds.
    Cpu,
    /// The part of it in user mode, by the kernel's ticks on the server's CPUs.
    CpuUser,
    /// The part of it in the kernel.
    CpuSystem,
    /// Time the tree's threads waited for a CPU in the window per reply in it, nanoseconds.
    RunDelay,
    /// System calls per reply.
    SystemCalls,
    /// Context switches of both kinds over the server's life, per request of the trial.
    Switches,
    /// Of these, because it waited.
    VoluntarySwitches,
    /// Of these, because it was preempted.
    InvoluntarySwitches,
    /// Page faults of both kinds per reply. Not of the server's life: starting up would outweigh the requests.
    Faults,
    /// Instructions per reply.
    Instructions,
    /// CPU cycles per reply.
    Cycles,
    /// Last-level cache misses per reply.
    CacheMisses,
    /// Proportional set size, bytes.
    Pss,
    /// Page tables, bytes.
    PageTables,
    /// Kernel stacks, bytes.
    KernelStacks,
    /// What the tree's own memory, page tables and kernel stacks grew by from rest to load, over the connections held,
    /// bytes.
    MemoryPerConnection,
    /// Buffers of all TCP sockets of the machine, both ends, bytes.
    SocketBuffers,
    /// Threads.
    Threads,
    /// Processes.
    Processes,
    /// Descriptors.
    Descriptors,
    /// Segments of both directions per request of the trial, acknowledgements included.
    Segments,
    /// Of these, the ones with payload.
    DataSegments,
    /// Segments the swarm's side had to send again, in a trial.
    Retransmits,
    /// Connections that a full listen queue turned away, in a trial.
    ListenOverflows,
    /// Connections that a listener dropped for any reason, in a trial.
    ListenDrops,
    /// Jain's index of fairness over connections: 1 when all got the same, 1/n when one got everything. Source: Jain,
    /// Chiu, Hawe, DEC-TR-301 (1984).
    Fairness,
    /// The fewest replies of a connection over the median of all connections: 1 when all got the same.
    LeastServed,
}

/// Every cost, in the order to show them; a cost stands at its own place in the order it was declared.
pub const ALL: [Cost; 27] = [
    Cost::Cpu,
    Cost::CpuUser,
    Cost::CpuSystem,
    Cost::RunDelay,
    Cost::SystemCalls,
    Cost::Switches,
    Cost::VoluntarySwitches,
    Cost::InvoluntarySwitches,
    Cost::Faults,
    Cost::Instructions,
    Cost::Cycles,
    Cost::CacheMisses,
    Cost::Pss,
    Cost::PageTables,
    Cost::KernelStacks,
    Cost::MemoryPerConnection,
    Cost::SocketBuffers,
    Cost::Threads,
    Cost::Processes,
    Cost::Descriptors,
    Cost::Segments,
    Cost::DataSegments,
    Cost::Retransmits,
    Cost::ListenOverflows,
    Cost::ListenDrops,
    Cost::Fairness,
    Cost::LeastServed,
];

impl Cost {
    /// Its name as the head of a column.
    pub fn label(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::CpuUser => "user",
            Self::CpuSystem => "system",
            Self::RunDelay => "run delay",
            Self::SystemCalls => "system calls",
            Self::Switches => "switches",
            Self::VoluntarySwitches => "voluntary switches",
            Self::InvoluntarySwitches => "involuntary switches",
            Self::Faults => "page faults",
            Self::Instructions => "instructions",
            Self::Cycles => "cycles",
            Self::CacheMisses => "cache misses",
            Self::Pss => "memory",
            Self::PageTables => "page tables",
            Self::KernelStacks => "kernel stacks",
            Self::MemoryPerConnection => "per connection",
            Self::SocketBuffers => "socket buffers",
            Self::Threads => "threads",
            Self::Processes => "processes",
            Self::Descriptors => "descriptors",
            Self::Segments => "segments per request",
            Self::DataSegments => "with payload",
            Self::Retransmits => "retransmits",
            Self::ListenOverflows => "listen overflows",
            Self::ListenDrops => "listen drops",
            Self::Fairness => "fairness",
            Self::LeastServed => "least / median",
        }
    }

    /// A value of it with its unit.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Cpu | Self::CpuUser | Self::CpuSystem | Self::RunDelay => units::time(value),
            Self::Pss
            | Self::PageTables
            | Self::KernelStacks
            | Self::MemoryPerConnection
            | Self::SocketBuffers => units::bytes(value),
            Self::Threads | Self::Processes | Self::Descriptors => units::grouped(value.round() as u64),
            Self::Retransmits | Self::ListenOverflows | Self::ListenDrops => {
                units::grouped(value.round() as u64)
            }
            Self::Fairness => format!("{value:.3}"),
            Self::LeastServed => format!("{value:.2}"),
            _ => units::quantity(value),
        }
    }

    /// The cost in one trial.
    fn of(self, trial: &Trial, measured: &Measured) -> Reading<f64> {
        let (usage, counted) = (&trial.usage, &trial.usage.counted);
        let completed = measured.completed_in_window;
        let life = measured.counts.ok.saturating_add(measured.warmup_sent);
        let result = match self {
            Self::Cpu => per(&usage.window_cpu_ns, completed),
            Self::CpuUser => product(per(&usage.window_cpu_ns, completed), &usage.window_user_share),
            Self::CpuSystem => {
                let system = map(&usage.window_user_share, |share| 1.0 - share);
                product(per(&usage.window_cpu_ns, completed), &system)
            }
            Self::RunDelay => per(&usage.run_delay_ns, completed),
            Self::SystemCalls => ratio(&counted.system_calls, &counted.system_call_replies),
            Self::Switches => {
                sum(per(&usage.life_voluntary_switches, life), per(&usage.life_involuntary_switches, life))
            }
            Self::VoluntarySwitches => per(&usage.life_voluntary_switches, life),
            Self::InvoluntarySwitches => per(&usage.life_involuntary_switches, life),
            Self::Faults => ratio(&counted.page_faults, &counted.replies),
            Self::Instructions => ratio(&counted.instructions, &counted.replies),
            Self::Cycles => ratio(&counted.cycles, &counted.replies),
            Self::CacheMisses => ratio(&counted.cache_misses, &counted.replies),
            Self::Pss => plain(&usage.pss_bytes),
            Self::PageTables => plain(&usage.page_table_bytes),
            Self::KernelStacks => plain(&usage.kernel_stack_bytes),
            Self::MemoryPerConnection => memory_per_connection(trial, measured),
            Self::SocketBuffers => plain(&usage.socket_buffer_bytes),
            Self::Threads => plain(&usage.threads),
            Self::Processes => plain(&usage.processes),
            Self::Descriptors => plain(&usage.descriptors),
            Self::Segments => wire(measured, |w| w.segments_in as f64 + w.segments_out as f64)
                .and_then(|segments| share(segments, life)),
            Self::DataSegments => wire(measured, |w| w.data_segments_in as f64 + w.data_segments_out as f64)
                .and_then(|segments| share(segments, life)),
            Self::Retransmits => wire(measured, |w| w.retransmits as f64),
            Self::ListenOverflows => plain(&usage.listen_overflows),
            Self::ListenDrops => plain(&usage.listen_drops),
            Self::Fairness => jain(measured),
            Self::LeastServed => least_served(measured),
        };
        result.map_or_else(Reading::Absent, Reading::Value)
    }
}

/// The costs of a trial, or the medians of several.
#[derive(Clone, Debug, PartialEq)]
pub struct Costs([Reading<f64>; ALL.len()]);

impl Costs {
    /// Those of one trial.
    pub(crate) fn of(trial: &Trial, measured: &Measured) -> Self {
        Self(ALL.map(|cost| cost.of(trial, measured)))
    }

    /// The medians over rounds, each over those that have the figure.
    pub(crate) fn medians(rounds: &[&Self]) -> Self {
        Self(ALL.map(|cost| {
            let values: Vec<f64> = rounds.iter().filter_map(|round| round.value(cost)).collect();
            median(&values).map_or_else(
                || match rounds.first().map(|round| round.get(cost)) {
                    Some(Reading::Absent(why)) => Reading::Absent(why.clone()),
                    _ => Reading::Absent("no valid round".to_owned()),
                },
                Reading::Value,
            )
        }))
    }

    /// A cost.
    pub fn get(&self, cost: Cost) -> &Reading<f64> {
        &self.0[cost as usize]
    }

    /// A cost, if there is one.
    pub fn value(&self, cost: Cost) -> Option<f64> {
        self.get(cost).value().copied()
    }
}

type Figure = Result<f64, String>;

const NO_REPLY: &str = "no reply to share it among";

fn map<T, U>(reading: &Reading<T>, map: impl FnOnce(&T) -> U) -> Reading<U> {
    match reading {
        Reading::Value(value) => Reading::Value(map(value)),
        Reading::Absent(why) => Reading::Absent(why.clone()),
    }
}

fn plain(reading: &Reading<u64>) -> Figure {
    match reading {
        Reading::Value(value) => Ok(*value as f64),
        Reading::Absent(why) => Err(why.clone()),
    }
}

fn share(value: f64, among: u64) -> Figure {
    if among == 0 { Err(NO_REPLY.to_owned()) } else { Ok(value / among as f64) }
}

fn per(reading: &Reading<u64>, among: u64) -> Figure {
    share(plain(reading)?, among)
}

fn ratio(reading: &Reading<u64>, among: &Reading<u64>) -> Figure {
    let value = plain(reading)?;
    match among {
        Reading::Value(among) => share(value, *among),
        Reading::Absent(why) => Err(why.clone()),
    }
}

fn sum(a: Figure, b: Figure) -> Figure {
    Ok(a? + b?)
}

fn product(a: Figure, share: &Reading<f64>) -> Figure {
    match share {
        Reading::Value(share) => Ok(a? * share),
        Reading::Absent(why) => Err(why.clone()),
    }
}

fn wire(measured: &Measured, figure: impl FnOnce(&crate::record::Wire) -> f64) -> Figure {
    match &measured.wire {
        Reading::Value(wire) => Ok(figure(wire)),
        Reading::Absent(why) => Err(why.clone()),
    }
}

/// Growth from rest to load over the connections held: what one more connection takes, threads and forks included.
fn memory_per_connection(trial: &Trial, measured: &Measured) -> Figure {
    let usage = &trial.usage;
    let beside = measured.background.all().held() as f64;
    let held = wire(measured, |wire| wire.connections as f64)? + beside;
    let growth = plain(&usage.held_own_bytes)? - plain(&usage.idle_own_bytes)?;
    match growth {
        _ if held == 0.0 => Err("no connection was held at the end".to_owned()),
        growth if growth < 0.0 => Err("the server held less at the end than at rest".to_owned()),
        growth => Ok(growth / held),
    }
}

/// Jain's index: the squared sum over n times the sum of squares. Absent without replies, and for sums that no replies
/// can have: by Cauchy's inequality the index is 1 at most.
fn jain(measured: &Measured) -> Figure {
    let spread = &measured.spread;
    let (n, squared) = (spread.connections as f64, spread.replies_squared as f64);
    let index = (n > 0.0 && squared > 0.0).then(|| (spread.replies as f64).powi(2) / (n * squared));
    index.filter(|index| *index <= 1.0 + 1e-9).ok_or_else(|| "no replies".to_owned())
}

fn least_served(measured: &Measured) -> Figure {
    let each = replies_per_connection(&measured.spread).map_err(|e| format!("its spread's {e}"))?;
    let middle = each.map_or(0, |each| each.histogram().value_at_quantile(0.5));
    if middle == 0 {
        Err("half the connections had no reply".to_owned())
    } else {
        // The median is of two digits, so it may stand a little below a least that is exact.
        Ok((measured.spread.fewest as f64 / middle as f64).min(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Background, ConnectionCounts};
    use crate::sample::{self, Spec};

    #[test]
    fn the_memory_of_a_connection_is_over_those_beside_the_load_too() {
        let bundle = sample::bundle(&Spec { scenarios: 1, rounds: 1, requests: 20, ..Spec::default() });
        let trial =
            bundle.trials.iter().find(|t| memory_of(t, 0, 0).is_ok()).expect("one has its memory read");
        let Reading::Value(wire) = &trial.measured.value().expect("measured").wire else { panic!("no wire") };
        let alone = memory_of(trial, 0, 0).expect("as above");
        // As many again beside them, and one more that was lost: half as much each.
        let opened = wire.connections + 1;
        let shared = memory_of(trial, opened, 1).expect("the same readings");
        assert!((shared - alone / 2.0).abs() < 1e-9 * alone, "{shared} {alone}");
    }

    /// The memory of a connection, had the trial had such background connections.
    fn memory_of(trial: &Trial, opened: u64, lost: u64) -> Figure {
        let mut measured = trial.measured.value().ok_or("not measured")?.clone();
        measured.background =
            Background { idle: ConnectionCounts { asked: opened, opened, lost }, ..Background::default() };
        memory_per_connection(trial, &measured)
    }

    #[test]
    fn every_cost_stands_at_its_own_place() {
        for (at, cost) in ALL.into_iter().enumerate() {
            assert_eq!(cost as usize, at, "{cost:?}");
        }
    }
}
