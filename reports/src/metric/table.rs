//! The table: one entry for each metric, in the order of [`Metric`]. Nothing else in this crate says what a metric is in,
//! which way is better, which difference matters or how it is read.
//!
//! # The practical floors
//! 3 % of throughput and goodput; 5 % of latency, but 10 % of the 95th percentile and beyond, which stand on the twentieth
//! part of the requests or less; 1 % of the share answered (of a hundred requests, one); 3 % of CPU time, which is far less noisy on
//! a shared machine than any latency; 10 % of memory, which is bought in larger steps; 5 % of everything else.

use super::read;
use super::{Def, Group, Unit};
use crate::record::Metric;
use crate::record::Metric::*;
use crate::stats::paired::Better;

/// The smallest difference in throughput that matters, as a share.
const THROUGHPUT_FLOOR: f64 = 0.03;
/// The smallest difference in latency that matters, as a share.
const LATENCY_FLOOR: f64 = 0.05;
/// The same of a percentile that stands on the twentieth part of the requests or less.
const TAIL_FLOOR: f64 = 0.10;
/// The smallest difference in the share answered that matters: what a 99th percentile would notice.
const ANSWERED_FLOOR: f64 = 0.01;
/// The smallest difference in CPU time that matters, as a share.
const CPU_FLOOR: f64 = 0.03;
/// The smallest difference in memory that matters, as a share.
const MEMORY_FLOOR: f64 = 0.10;
/// The smallest difference in anything else that matters, as a share.
const OTHER_FLOOR: f64 = 0.05;

/// What most have in common: quantities per request, of which less is better, that describe and do not decide.
const PER_REQUEST: Def = Def {
    metric: Throughput,
    label: "",
    short: "",
    about: "",
    unit: Unit::Quantity,
    group: Group::Request,
    better: Better::Less,
    floor: OTHER_FLOOR,
    least: 0.0,
    decides: false,
    counted: false,
    read: read::nothing,
};
const SPEED: Def = Def { unit: Unit::Time, group: Group::Speed, decides: true, ..PER_REQUEST };
const RATE: Def = Def { unit: Unit::Rate, better: Better::More, floor: THROUGHPUT_FLOOR, ..SPEED };
const CPU: Def = Def { unit: Unit::Time, floor: CPU_FLOOR, ..PER_REQUEST };
const COUNTED: Def = Def { counted: true, ..PER_REQUEST };
const HELD: Def = Def { unit: Unit::Bytes, group: Group::Connection, floor: MEMORY_FLOOR, ..PER_REQUEST };
const WIRE: Def = Def { group: Group::Wire, ..PER_REQUEST };
const HANDSHAKES: Def = Def { group: Group::Tls, decides: false, ..RATE };
const COUNT: Def = Def { unit: Unit::Count, least: 1.0, ..WIRE };

/// Every metric, at its own place.
pub(super) const TABLE: [Def; Metric::ALL.len()] = [
    Def {
        metric: Throughput,
        label: "throughput",
        short: "req/s",
        about: "replies completed in the window",
        read: |r| read::rate(r, r.measured.completed_in_window),
        ..RATE
    },
    Def {
        metric: Goodput,
        label: "goodput",
        short: "good/s",
        about: "requests answered correctly within the objective of the workload",
        read: read::goodput,
        ..RATE
    },
    Def {
        metric: Answered,
        label: "share answered",
        short: "answd",
        about: "requests answered correctly, of those sent",
        unit: Unit::Share,
        group: Group::Outcome,
        better: Better::More,
        floor: ANSWERED_FLOOR,
        read: read::answered,
        ..SPEED
    },
    Def {
        metric: ResponseP50,
        label: "response p50",
        short: "p50",
        about: "median response time from the intended send time, of the requests sent",
        floor: LATENCY_FLOOR,
        read: |r| read::percentile(r, 0.5),
        ..SPEED
    },
    Def {
        metric: ResponseP90,
        label: "response p90",
        short: "p90",
        about: "90th percentile of the response time from the intended send time, of the requests sent",
        floor: LATENCY_FLOOR,
        read: |r| read::percentile(r, 0.9),
        ..SPEED
    },
    Def {
        metric: ResponseP95,
        label: "response p95",
        short: "p95",
        about: "95th percentile of the response time from the intended send time, of the requests sent",
        floor: TAIL_FLOOR,
        read: |r| read::percentile(r, 0.95),
        ..SPEED
    },
    Def {
        metric: ResponseP99,
        label: "response p99",
        short: "p99",
        about: "99th percentile of the response time from the intended send time, of the requests sent",
        floor: TAIL_FLOOR,
        read: |r| read::percentile(r, 0.99),
        ..SPEED
    },
    Def {
        metric: ResponseP999,
        label: "response p99.9",
        short: "p99.9",
        about: "99.9th percentile of the response time from the intended send time, of the requests sent",
        floor: TAIL_FLOOR,
        read: |r| read::percentile(r, 0.999),
        ..SPEED
    },
    Def {
        metric: CpuPerRequest,
        label: "CPU per request",
        short: "CPU",
        about: "CPU time of the server for each request",
        decides: true,
        read: read::cpu,
        ..CPU
    },
    Def {
        metric: UserCpuPerRequest,
        label: "user CPU per request",
        short: "user",
        about: "CPU time of the server in user mode for each request",
        read: |r| Ok(read::cpu(r)? * read::share_of(&r.trial.usage.window_user_share)?),
        ..CPU
    },
    Def {
        metric: SystemCpuPerRequest,
        label: "system CPU per request",
        about: "CPU time of the server in the kernel for each request",
        read: |r| Ok(read::cpu(r)? * (1.0 - read::share_of(&r.trial.usage.window_user_share)?)),
        ..CPU
    },
    Def {
        metric: RunDelayPerRequest,
        label: "run delay per request",
        short: "delay",
        about: "time that the server's threads waited for a CPU, for each request",
        unit: Unit::Time,
        read: |r| {
            read::share_among(read::count(&r.trial.usage.run_delay_ns)?, r.measured.completed_in_window)
        },
        ..PER_REQUEST
    },
    Def {
        metric: SystemCallsPerRequest,
        label: "system calls per request",
        short: "calls",
        about: "system calls of the server for each request",
        decides: true,
        read: |r| {
            read::counted(&r.trial.usage.counted.system_calls, &r.trial.usage.counted.system_call_replies)
        },
        ..COUNTED
    },
    // Next to no switches are all the same: one in a hundred requests costs nothing, while twice as many of nearly none would
    // be a factor of two.
    Def {
        metric: SwitchesPerRequest,
        label: "switches per request",
        short: "switch",
        about: "context switches of the server for each request",
        least: 0.01,
        decides: true,
        read: |r| Ok(read::voluntary(r)? + read::involuntary(r)?),
        ..PER_REQUEST
    },
    Def {
        metric: VoluntarySwitchesPerRequest,
        label: "voluntary switches per request",
        about: "context switches because a thread of the server waited, for each request",
        least: 0.01,
        read: read::voluntary,
        ..PER_REQUEST
    },
    Def {
        metric: InvoluntarySwitchesPerRequest,
        label: "involuntary switches per request",
        about: "context switches because a thread of the server was preempted, for each request",
        least: 0.01,
        read: read::involuntary,
        ..PER_REQUEST
    },
    Def {
        metric: PageFaultsPerRequest,
        label: "page faults per request",
        about: "page faults of the server for each request",
        least: 0.01,
        read: |r| read::counted(&r.trial.usage.counted.page_faults, &r.trial.usage.counted.replies),
        ..COUNTED
    },
    Def {
        metric: InstructionsPerRequest,
        label: "instructions per request",
        about: "instructions of the server for each request",
        read: |r| read::counted(&r.trial.usage.counted.instructions, &r.trial.usage.counted.replies),
        ..COUNTED
    },
    Def {
        metric: CyclesPerRequest,
        label: "cycles per request",
        about: "CPU cycles of the server for each request",
        read: |r| read::counted(&r.trial.usage.counted.cycles, &r.trial.usage.counted.replies),
        ..COUNTED
    },
    Def {
        metric: CacheMissesPerRequest,
        label: "cache misses per request",
        about: "last-level cache misses of the server for each request",
        read: |r| read::counted(&r.trial.usage.counted.cache_misses, &r.trial.usage.counted.replies),
        ..COUNTED
    },
    Def {
        metric: MemoryPerConnection,
        label: "memory per connection",
        short: "B/conn",
        about: "memory that one more held connection takes in the server",
        decides: true,
        read: read::memory_per_connection,
        ..HELD
    },
    Def {
        metric: Memory,
        label: "memory",
        about: "proportional set size of the server under load",
        read: |r| read::count(&r.trial.usage.pss_bytes),
        ..HELD
    },
    Def {
        metric: PageTables,
        label: "page tables",
        about: "page tables of the server under load",
        read: |r| read::count(&r.trial.usage.page_table_bytes),
        ..HELD
    },
    Def {
        metric: KernelStacks,
        label: "kernel stacks",
        about: "kernel stacks of the server under load",
        read: |r| read::count(&r.trial.usage.kernel_stack_bytes),
        ..HELD
    },
    Def {
        metric: KernelObjects,
        label: "kernel objects",
        about: "sockets, entries of epolls, tasks and mappings that the kernel keeps for the server under load",
        read: |r| read::count(&r.trial.usage.kernel_object_bytes),
        ..HELD
    },
    Def {
        metric: SocketBuffers,
        label: "socket buffers",
        about: "buffers of all TCP sockets of the machine, both ends of each connection",
        read: |r| read::count(&r.trial.usage.socket_buffer_bytes),
        ..HELD
    },
    Def {
        metric: Threads,
        label: "threads",
        about: "threads of the server at the end of the window",
        unit: Unit::Count,
        read: |r| read::count(&r.trial.usage.threads),
        ..HELD
    },
    Def {
        metric: ThreadSeconds,
        label: "thread-seconds",
        about: "threads of the server added up over the window, where the load comes and goes: ten for half a second are 5 s",
        unit: Unit::Time,
        read: read::thread_seconds,
        ..HELD
    },
    Def {
        metric: Processes,
        label: "processes",
        about: "processes of the server at the end of the window",
        unit: Unit::Count,
        read: |r| read::count(&r.trial.usage.processes),
        ..HELD
    },
    Def {
        metric: Descriptors,
        label: "descriptors",
        about: "open descriptors of the server under load",
        unit: Unit::Count,
        read: |r| read::count(&r.trial.usage.descriptors),
        ..HELD
    },
    Def {
        metric: SegmentsPerRequest,
        label: "segments per request",
        short: "segm.",
        about: "TCP segments of both directions for each request, acknowledgements included",
        read: |r| read::wire_per_request(r, |w| w.segments_in as f64 + w.segments_out as f64),
        ..WIRE
    },
    Def {
        metric: DataSegmentsPerRequest,
        label: "data segments per request",
        about: "TCP segments with payload of both directions for each request",
        read: |r| read::wire_per_request(r, |w| w.data_segments_in as f64 + w.data_segments_out as f64),
        ..WIRE
    },
    Def {
        metric: Retransmits,
        label: "retransmits",
        about: "segments that the swarm's side sent again",
        read: |r| Ok(read::wire(r)?.retransmits as f64),
        ..COUNT
    },
    Def {
        metric: ListenOverflows,
        label: "listen overflows",
        about: "connections that a full listen queue of the machine turned away",
        read: |r| read::count(&r.trial.usage.listen_overflows),
        ..COUNT
    },
    Def {
        metric: ListenDrops,
        label: "listen drops",
        about: "connections that a listener of the machine dropped",
        read: |r| read::count(&r.trial.usage.listen_drops),
        ..COUNT
    },
    // Source: Jain, Chiu, Hawe, DEC-TR-301 (1984). 1 when all got the same, 1/n when one got everything.
    Def {
        metric: Fairness,
        label: "fairness",
        short: "Jain",
        about: "Jain's index over connections: 1 when every connection got the same",
        unit: Unit::Index,
        better: Better::More,
        decides: true,
        read: read::jain,
        ..WIRE
    },
    Def {
        metric: LeastServed,
        label: "least / median",
        about: "fewest replies of a connection over the median of all connections",
        unit: Unit::Index,
        better: Better::More,
        read: read::least_served,
        ..WIRE
    },
    Def {
        metric: NeverServed,
        label: "never served",
        about: "connections that never got a reply, of those that were given a request",
        unit: Unit::Share,
        least: 0.001,
        read: read::never_served,
        ..WIRE
    },
    Def {
        metric: BusiestAccepts,
        label: "accepts of the busiest",
        about: "connections that the busiest worker of the server accepted, over the mean of its workers: 1 when all did alike",
        unit: Unit::Quantity,
        read: read::busiest_accepts,
        ..WIRE
    },
    Def {
        metric: FullHandshakes,
        label: "full handshakes",
        short: "full/s",
        about: "full handshakes of TLS completed in the window",
        read: |r| read::handshakes(r, |h| h.full),
        ..HANDSHAKES
    },
    Def {
        metric: ResumedHandshakes,
        label: "resumed handshakes",
        short: "res/s",
        about: "handshakes of TLS completed in the window that resumed a session",
        read: |r| read::handshakes(r, |h| h.resumed),
        ..HANDSHAKES
    },
];

// Each stands at its own place: a metric whose entry is missing or misplaced does not compile.
const _: () = {
    let mut at = 0;
    while at < TABLE.len() {
        assert!(TABLE[at].metric as usize == at, "the table has another order than the metrics");
        at += 1;
    }
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floors_are_those_of_the_prose() {
        let prose: Vec<&str> =
            include_str!("table.rs").lines().filter_map(|line| line.strip_prefix("//! ")).collect();
        let prose = prose.join(" ");
        for (floor, stated) in [
            (THROUGHPUT_FLOOR, "of throughput and goodput"),
            (LATENCY_FLOOR, "of latency"),
            (TAIL_FLOOR, "of the 95th percentile and beyond"),
            (ANSWERED_FLOOR, "of the share answered"),
            (CPU_FLOOR, "of CPU time"),
            (MEMORY_FLOOR, "of memory"),
            (OTHER_FLOOR, "of everything else"),
        ] {
            let stated = format!("{:.0} % {stated}", floor * 100.0);
            assert!(prose.contains(&stated), "the prose does not say {stated:?}");
        }
    }

    #[test]
    fn next_to_no_switches_are_all_the_same() {
        let switches = SwitchesPerRequest;
        assert_eq!(switches.log_behind(0.0, 0.009), 0.0);
        assert_eq!(switches.log_behind(0.0, 0.02), 2_f64.ln());
        assert_eq!(switches.log_behind(1.0, 2.0), 2_f64.ln());
    }
}
