//! What a server cost, as read from outside: CPU, memory, counters of the kernel, and the wire.
//!
//! Every figure is of the server's *whole process tree*, threads and forked children included, those that have ended
//! too, unless its words say otherwise. What could not be read is absent with the reason, never zero.

use super::Reading;
use serde::{Deserialize, Serialize};

/// Equal slices of the time before the window in which replies are counted, so that what was counted of the server in
/// some of them can be shared among the replies of just these.
pub const WARMUP_SLICES: usize = 32;

/// What the server's process tree used: the server, its threads, its forked children, living and reaped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// CPU time of the tree in the window. On a kernel with `CONFIG_IRQ_TIME_ACCOUNTING` it lacks what was done for the
    /// tree in interrupts, which is where loopback delivers; on others it holds the interrupts that came while it ran.
    pub window_cpu_ns: Reading<u64>,
    /// Of the CPU time of the server's CPUs in the window, the share spent in user mode, 0 to 1. Sampled by the
    /// kernel's tick (100 to 1,000 a second), of whatever ran there: absent where server and swarm share a CPU,
    /// and where fewer than 20 ticks fell on work.
    pub window_user_share: Reading<f64>,
    /// Time that the tree's threads were ready to run in the window and had to wait for a CPU, summed over threads.
    pub run_delay_ns: Reading<u64>,
    /// Context switches under load.
    #[serde(default)]
    pub switches: Switches,
    /// User CPU time over the server's whole life.
    pub life_user_ns: Reading<u64>,
    /// System CPU time over the server's whole life.
    pub life_system_ns: Reading<u64>,
    /// Voluntary context switches (it waited) over the server's whole life.
    pub life_voluntary_switches: Reading<u64>,
    /// Involuntary context switches (it was preempted) over the server's whole life.
    pub life_involuntary_switches: Reading<u64>,
    /// Page faults without input or output over the server's whole life.
    pub life_minor_faults: Reading<u64>,
    /// Page faults that had to read over the server's whole life.
    pub life_major_faults: Reading<u64>,
    /// Proportional set size of the tree after the window, while the clients still hold their connections; for churn,
    /// which leaves none open, at the window's end.
    pub pss_bytes: Reading<u64>,
    /// Page tables of the tree, at the same time.
    pub page_table_bytes: Reading<u64>,
    /// Kernel stacks of the tree's threads, at the same time: threads times the size of a stack, which is what the
    /// kernel says all stacks take over how many threads there are.
    pub kernel_stack_bytes: Reading<u64>,
    /// What the kernel keeps for the tree in caches of its own, at the same time: sockets with their files (the server's
    /// ends), entries of epolls, tasks and their mappings; their number times the sizes that the kernel states.
    #[serde(default = "not_recorded")]
    pub kernel_object_bytes: Reading<u64>,
    /// Open descriptors of the tree, at the same time. A forked child's copies count.
    pub descriptors: Reading<u64>,
    /// What the tree holds for itself before the first client connects: its anonymous and shared memory (proportional,
    /// without the pages of files, which the swarm maps too, for it is the same program), page tables, kernel stacks and,
    /// where there are any, `kernel_object_bytes`.
    pub idle_own_bytes: Reading<u64>,
    /// The same at the time of `pss_bytes`.
    pub held_own_bytes: Reading<u64>,
    /// Buffers of all TCP sockets of this network namespace at the window's end, both ends of each connection.
    pub socket_buffer_bytes: Reading<u64>,
    /// Threads in the tree at the window's end.
    pub threads: Reading<u64>,
    /// Threads of the server at the end of each slice of the window, in order, where its load comes in bursts or has a surge;
    /// `None` where the rate does not change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads_by_slice: Option<Reading<Vec<u64>>>,
    /// Processes in the tree at the window's end.
    pub processes: Reading<u64>,
    /// Connections that the kernel could not queue because a listen queue was full, from before the clients connected
    /// until the end of the window; of all listeners of this network namespace.
    pub listen_overflows: Reading<u64>,
    /// Connections that a listener dropped for any reason, that one included; otherwise as `listen_overflows`.
    pub listen_drops: Reading<u64>,
    /// What was counted event by event, in a part of the time before the window.
    pub counted: Counted,
    /// Share of the window in which the hypervisor took the pinned CPUs, of server or swarm, whichever it took more of; 0 to 1.
    pub steal_share: Reading<f64>,
    /// Share of the window in which programs other than server and swarm used the pinned CPUs, of server or swarm, whichever
    /// they used more of: 0 to 1, but as coarse as the clock ticks that idleness is told in, so that it may be a little
    /// below 0. A value well below 0 says that the kernel's
    /// figures do not fit together.
    pub foreign_share: Reading<f64>,
}

/// Of bundles that were written before it was read.
fn not_recorded() -> Reading<u64> {
    Reading::Absent("the version that wrote the bundle did not read it".to_owned())
}

/// Events that disturb what they count (a few per cent of the throughput), and are therefore counted under the full load
/// but before the window, by counters that are closed again when the window begins. Divide a count by the replies of its
/// phase, not by those of the window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counted {
    /// Replies that the swarm completed while everything but the system calls was counted.
    pub replies: Reading<u64>,
    /// Instructions retired.
    pub instructions: Reading<u64>,
    /// CPU cycles.
    pub cycles: Reading<u64>,
    /// Misses of the last-level cache, as the CPU's generic event defines them.
    pub cache_misses: Reading<u64>,
    /// Whether the three above are of user mode only, because the kernel's are not to be had without privilege.
    pub user_mode_only: bool,
    /// Context switches, of either kind.
    pub context_switches: Reading<u64>,
    /// Moves of a thread to another CPU.
    pub migrations: Reading<u64>,
    /// Page faults of either kind.
    pub page_faults: Reading<u64>,
    /// Replies that the swarm completed while the system calls were counted, which is after the rest.
    pub system_call_replies: Reading<u64>,
    /// System calls entered.
    pub system_calls: Reading<u64>,
}

impl Counted {
    /// Nothing counted, all for the same reason.
    pub fn absent(reason: &str) -> Self {
        let absent = || Reading::Absent(reason.to_string());
        Self {
            replies: absent(),
            instructions: absent(),
            cycles: absent(),
            cache_misses: absent(),
            user_mode_only: false,
            context_switches: absent(),
            migrations: absent(),
            page_faults: absent(),
            system_call_replies: absent(),
            system_calls: absent(),
        }
    }
}

/// Context switches from when the clients were connected and the load had not begun, so that starting up and shutting down
/// are not in them, until the end of the window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Switches {
    /// Because a thread waited.
    pub voluntary: Reading<u64>,
    /// Because a thread was preempted.
    pub involuntary: Reading<u64>,
    /// Replies that the swarm completed meanwhile.
    pub replies: Reading<u64>,
}

impl Switches {
    /// None counted, all for the same reason.
    pub fn absent(reason: &str) -> Self {
        let absent = || Reading::Absent(reason.to_string());
        Self { voluntary: absent(), involuntary: absent(), replies: absent() }
    }
}

impl Default for Switches {
    /// Those of a record that is older than they are.
    fn default() -> Self {
        Self::absent("the version that recorded it counted switches over the server's whole life only")
    }
}

impl Usage {
    /// Nothing measured, all for the same reason.
    pub fn absent(reason: &str) -> Self {
        let absent = || Reading::Absent(reason.to_string());
        let share = || Reading::Absent(reason.to_string());
        Self {
            window_cpu_ns: absent(),
            window_user_share: share(),
            run_delay_ns: absent(),
            switches: Switches::absent(reason),
            life_user_ns: absent(),
            life_system_ns: absent(),
            life_voluntary_switches: absent(),
            life_involuntary_switches: absent(),
            life_minor_faults: absent(),
            life_major_faults: absent(),
            pss_bytes: absent(),
            page_table_bytes: absent(),
            kernel_stack_bytes: absent(),
            kernel_object_bytes: absent(),
            descriptors: absent(),
            idle_own_bytes: absent(),
            held_own_bytes: absent(),
            socket_buffer_bytes: absent(),
            threads: absent(),
            threads_by_slice: None,
            processes: absent(),
            listen_overflows: absent(),
            listen_drops: absent(),
            counted: Counted::absent(reason),
            steal_share: share(),
            foreign_share: share(),
        }
    }
}

/// What went over the wire, as the kernel counted it (`TCP_INFO`) at the swarm's ends of the connections: over the whole
/// life of each, from its first segment on, warm-up included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wire {
    /// Connections read: all of the trial, for where one was lost there is no sum.
    pub connections: u64,
    /// Segments from the swarm, acknowledgements and set-up included.
    pub segments_out: u64,
    /// Segments from the server, acknowledgements and set-up included.
    pub segments_in: u64,
    /// Segments from the swarm that carried payload.
    pub data_segments_out: u64,
    /// Segments from the server that carried payload.
    pub data_segments_in: u64,
    /// Payload bytes from the swarm, retransmitted ones included.
    pub bytes_out: u64,
    /// Payload bytes from the server.
    pub bytes_in: u64,
    /// Segments that the swarm's side sent again.
    pub retransmits: u64,
    /// Payload bytes that the swarm's side sent again.
    pub bytes_retransmitted: u64,
    /// The least round trip that the kernel saw on any of the connections, in microseconds as it counts them.
    pub min_rtt_us: Reading<u64>,
}

impl Default for Wire {
    /// That of no connection: nothing was carried, and no round trip was seen.
    fn default() -> Self {
        Self {
            connections: 0,
            segments_out: 0,
            segments_in: 0,
            data_segments_out: 0,
            data_segments_in: 0,
            bytes_out: 0,
            bytes_in: 0,
            retransmits: 0,
            bytes_retransmitted: 0,
            min_rtt_us: Reading::Absent("the kernel saw no round trip on any connection".to_owned()),
        }
    }
}
