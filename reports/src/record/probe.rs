//! What the pre-flight measurement found: the limits of this machine and of this load generator, stamped on every run so
//! that a reader can tell a server's figure from the harness's own.
//!
//! Figures only; what to think of them is said by `crate::rules::probe`.

use super::Reading;
use serde::{Deserialize, Serialize};

/// The pre-flight measurement of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// Whether it is the long form: more samples, figures that change less from one to the next.
    pub long: bool,
    /// How long it took.
    pub took_ns: u64,
    /// The cost of reading the monotonic clock, in nanoseconds.
    pub clock_read_ns: Reading<f64>,
    /// How much later than asked a sleep ends, one for each length asked for, shortest first.
    pub timers: Reading<Vec<Overshoot>>,
    /// Times of a fixed piece of work on a server CPU, in nanoseconds, over several short goes.
    pub fixed_loop_ns: Reading<Scatter>,
    /// The fixed work on a server CPU with the swarm's CPUs idle and busy; absent in bundles that do not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub co_run: Option<Reading<CoRun>>,
    /// A blocking ping-pong over one connection with the null server: what a round trip takes without the swarm.
    pub ping_pong: Reading<RoundTrip>,
    /// Medians of several short ping-pongs, in nanoseconds.
    pub ping_pong_ns: Reading<Scatter>,
    /// The swarm's closed loop with one client of the null server: no response time below it can be measured.
    pub floor: Reading<RoundTrip>,
    /// The swarm's closed loop at full speed against the null server, for each load; a limit of the swarm only where it had
    /// no CPU left.
    pub ceilings: Vec<Ceiling>,
    /// Largest share of the pinned CPUs that the hypervisor took in any of the above, 0 to 1.
    pub steal_share: Reading<f64>,
    /// Largest share of the pinned CPUs that other programs used in any of the above, 0 to 1.
    pub foreign_share: Reading<f64>,
    /// What the system allows and how it is set up.
    pub system: System,
}

/// How much a CPU is slowed down by others that work: hardware threads of one core, a cache or a power budget that they share, or a
/// hypervisor that has fewer CPUs than it shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoRun {
    /// The CPU that was timed, of the server's.
    pub server_cpu: u32,
    /// The CPUs that were idle or busy meanwhile: the swarm's.
    pub swarm_cpus: Vec<u32>,
    /// Time of the fixed work while they were idle, in nanoseconds.
    pub idle_ns: f64,
    /// Its time while they were busy, in nanoseconds.
    pub busy_ns: f64,
}

impl CoRun {
    /// How many times as long the work took while the swarm's CPUs were busy: 1 where they do not touch each other.
    pub fn slowdown(&self) -> f64 {
        self.busy_ns / self.idle_ns
    }
}

/// How much later than asked sleeps of one length ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overshoot {
    /// Length asked for, in nanoseconds.
    pub asked_ns: u64,
    /// Median of the overshoot, in nanoseconds.
    pub p50_ns: u64,
    /// 99th percentile of the overshoot, in nanoseconds.
    pub p99_ns: u64,
    /// Sleeps timed.
    pub samples: u64,
}

/// How a figure scatters from one short go to the next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scatter {
    /// Goes.
    pub goes: u32,
    /// Their median.
    pub median: f64,
    /// Coefficient of variation: standard deviation over mean.
    pub variation: f64,
    /// 90th percentile over 10th; of fewer than ten goes, largest over smallest. One hiccup among many does not show in it.
    pub range: f64,
}

/// Times of round trips, one at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoundTrip {
    /// Median in nanoseconds.
    pub p50_ns: u64,
    /// 99th percentile in nanoseconds.
    pub p99_ns: u64,
    /// Round trips timed.
    pub samples: u64,
}

/// The most requests per second that a load was answered with by the null server, in the best of a few short goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ceiling {
    /// Names of the run's workloads that it was measured for: same payload, same clients, same way to connect. Empty
    /// when it was measured for its own sake.
    pub scenarios: Vec<String>,
    /// Payload of a request in bytes; the null server returns it.
    pub payload_bytes: u64,
    /// Clients.
    pub clients: u64,
    /// Requests that each may have under way at once: 1 without pipelining.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub in_flight_per_connection: u32,
    /// For churn, requests on a connection before it is closed; absent where connections are kept.
    pub requests_per_connection: Option<u32>,
    /// What came out.
    pub reached: Reading<Reached>,
}

fn one() -> u32 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_one(count: &u32) -> bool {
    *count == 1
}

/// How fast the null server was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reached {
    /// Replies per second.
    pub rate_per_s: f64,
    /// Share of its CPUs that the swarm used, 0 to 1.
    pub swarm_share: f64,
    /// Share of its CPU that the null server (one thread) used, 0 to 1.
    pub server_share: Reading<f64>,
}

/// What the system allows and how it is set up, as far as it tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct System {
    /// CPUs that the tool may use.
    pub cpus: u64,
    /// CPUs' worth of time that the control group allows; absent with the reason when it sets no limit.
    pub quota_cpus: Reading<f64>,
    /// Tasks ready to run or running when the probe began, itself included.
    pub running_tasks: Reading<u64>,
    /// Frequency governor.
    pub governor: Reading<String>,
    /// Whether the frequency may rise above its nominal value.
    pub turbo: Reading<bool>,
    /// Whether two hardware threads share a core.
    pub smt: Reading<bool>,
    /// Descriptors that one process may open.
    pub descriptors: Reading<u64>,
    /// Processes and threads that could still be started.
    pub processes: Reading<u64>,
    /// Memory mappings that one process may have; a thread takes up to four.
    pub mappings: Reading<u64>,
    /// Bytes that one process may lock in memory.
    pub locked_bytes: Reading<u64>,
    /// Ports the kernel chooses from for outgoing connections.
    pub local_ports: Reading<u64>,
    /// Cap on a listen backlog.
    pub somaxconn: Reading<u64>,
    /// Connections that one listener may have half open.
    pub syn_backlog: Reading<u64>,
    /// TCP congestion control of a socket that asks for none.
    pub congestion_control: Reading<String>,
    /// Who may count hardware events: -1 everybody, up to 2 (own programs in user mode), above that nobody but root.
    pub perf_event_paranoid: Reading<i64>,
    /// Where the kernel's tracepoints are described.
    pub tracefs: Reading<String>,
}

/// What the machine did in the course of a round, told by a fixed piece of work before and after it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoundRecord {
    /// The round, from 0.
    pub round: u32,
    /// Time of the fixed work before the round's first trial, in nanoseconds.
    pub loop_before_ns: Reading<f64>,
    /// Time of the fixed work after its last trial, in nanoseconds.
    pub loop_after_ns: Reading<f64>,
}

impl RoundRecord {
    /// The slower of the two over the faster, 1 or more; `None` when either is absent.
    pub fn drift(&self) -> Option<f64> {
        let (before, after) = (*self.loop_before_ns.value()?, *self.loop_after_ns.value()?);
        let factor = before.max(after) / before.min(after);
        (factor.is_finite() && factor >= 1.0).then_some(factor)
    }
}
