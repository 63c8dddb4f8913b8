//! What is to be thought of a trial, as typed values that travel with it: why it must not be compared, and reasons for
//! caution. They carry the figures they rest on; the words are made by whoever shows them.

use super::WrongReplies;
use serde::{Deserialize, Serialize};

/// The hypervisor may take this share of the pinned CPUs in a window (of two CPUs and 300 ms: three clock ticks). As the
/// next two it stands here because the words of a finding name it; a bundle judged by another limit needs another
/// [`SCHEMA_VERSION`](super::SCHEMA_VERSION).
pub const STEAL_SHARE: f64 = 0.05;
/// Other programs may take this share of the pinned CPUs in a window (of two CPUs and 300 ms: six clock ticks).
pub const FOREIGN_SHARE: f64 = 0.15;
/// In open loop at least this share of the scheduled requests must be answered within the window, where the server is idle
/// and the swarm is late.
pub const SCHEDULE_SHARE: f64 = 0.99;

/// Why a trial must not be compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Invalid {
    /// The server could not be started.
    ServerDidNotStart {
        /// What it said.
        detail: String,
    },
    /// The server ended during the trial.
    ServerDied {
        /// How it ended.
        detail: String,
    },
    /// The server let nobody in: not one connection could be opened, though it said that it was ready.
    NothingConnected {
        /// How the last attempt failed.
        detail: String,
    },
    /// The swarm failed.
    SwarmFailed {
        /// What it said.
        detail: String,
    },
    /// A reply had a wrong byte, or was not what the workload expects of HTTP.
    WrongReply {
        /// Replies that failed verification.
        replies: u64,
        /// What they were, where they were read as HTTP; the kind of the first reply first.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        kinds: Vec<WrongReplies>,
    },
    /// The accounting identity did not hold.
    Unbalanced,
    /// The swarm itself sent too late.
    GeneratorLate {
        /// Dispatch lag p50.
        lag_p50_ns: u64,
        /// What was allowed: a share of the least response p50 that any server could show.
        limit_ns: u64,
    },
    /// The swarm itself sent so late in the tail that a 99th percentile says nothing of the server.
    GeneratorTail {
        /// Dispatch lag p99.
        lag_p99_ns: u64,
        /// What was allowed: the least response p99 that any server could show.
        limit_ns: u64,
    },
    /// The swarm was slowed down in closed loop: it used all its CPU and the server did not, at a rate far below what the
    /// same swarm got out of the null server.
    GeneratorBound {
        /// Share of the swarm's CPUs that its workers used together, 0 to 1.
        swarm_share: f64,
        /// Share of its CPUs that the server used, 0 to 1.
        server_share: f64,
        /// Replies per second.
        rate_per_s: f64,
        /// What the null server did under the same load, in replies per second.
        ceiling_per_s: f64,
    },
    /// The swarm fell behind its schedule while the server was idle.
    BehindSchedule {
        /// Requests answered in the window over those scheduled in it, 0 to 1.
        achieved_share: f64,
        /// Dispatch lag p99.
        lag_p99_ns: u64,
    },
    /// The swarm itself had no port, descriptor or memory left for some requests.
    GeneratorShort {
        /// How many.
        requests: u64,
    },
    /// Replies over UDP that found the swarm's own receive buffers full, in the whole trial.
    GeneratorOverflowed {
        /// How many.
        replies: u64,
    },
    /// Half of the requests or more went unanswered, to a server that nothing else is held against.
    Unanswered {
        /// How many.
        requests: u64,
        /// Of so many sent.
        sent: u64,
    },
    /// There was no steady state: the halves of the window differ by more than their own scatter explains, while others
    /// took more of the pinned CPUs than usual and every request was answered.
    Unsteady {
        /// Throughput of the second half over the first.
        ratio: f64,
    },
    /// The machine itself was slower around the trial than shortly before, and the trial was made again for it.
    Slowed {
        /// How many times as long a fixed piece of work took as when it was fastest lately.
        factor: f64,
    },
    /// Other programs took too much of the pinned CPUs.
    ForeignLoad {
        /// Share of the window, 0 to 1.
        share: f64,
    },
    /// A CPU quota (of a control group) stopped server and swarm for too much of the window.
    Throttled {
        /// Share of the pinned CPUs' time that it took, 0 to 1.
        share: f64,
        /// Periods in which it did.
        throttled: u64,
        /// Of so many.
        periods: u64,
    },
    /// The hypervisor took too much of the pinned CPUs.
    Stolen {
        /// Share of the window, 0 to 1.
        share: f64,
    },
}

impl Invalid {
    /// Whether others took from the pinned CPUs: other programs, the hypervisor, or a quota. What was measured is then worth less,
    /// and not wrong.
    pub fn is_disturbance(&self) -> bool {
        matches!(self, Self::ForeignLoad { .. } | Self::Stolen { .. } | Self::Throttled { .. })
    }

    /// Whether the swarm sent too late. Beside a disturbance that is its doing: the lateness is then in the times of all models alike, and
    /// makes the factor between two of them smaller, never larger.
    pub fn is_late_generator(&self) -> bool {
        matches!(self, Self::GeneratorLate { .. } | Self::GeneratorTail { .. })
    }
}

/// A reason for caution about a trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "doubt", rename_all = "snake_case")]
pub enum Doubt {
    /// The swarm used nearly all its CPU in closed loop: the figure may be the generator's limit.
    GeneratorBusy {
        /// Share of the swarm's CPUs that its workers used together, 0 to 1.
        share: f64,
    },
    /// The two halves of the window differ: so do the slices of each half, or nothing but the server explains it.
    Unsteady {
        /// Throughput of the second half over the first.
        ratio: f64,
    },
    /// Some clients were never served: connections, or sockets for datagrams.
    Starved {
        /// How many.
        connections: u64,
    },
    /// Requests failed, timed out, or were still unanswered at the end.
    Unanswered {
        /// How many.
        requests: u64,
        /// Of so many sent.
        sent: u64,
    },
    /// Nobody knows which CPUs this process may use, so nothing was pinned: server and swarm may have shared all of them.
    NotPinned,
    /// A CPU quota (of a control group) stopped this process group for a part of the window.
    Throttled {
        /// Share of the pinned CPUs' time that it took, 0 to 1.
        share: f64,
        /// Periods in which it did.
        throttled: u64,
        /// Of so many.
        periods: u64,
    },
    /// Server and swarm shared CPUs, because there were too few.
    SharedCpu,
    /// Server and swarm ran on hardware threads of the same cores.
    SharedCore {
        /// How many cores.
        cores: u32,
    },
    /// One side ran on fast and on slow cores.
    MixedCores,
    /// A side ran on slow cores only, though there are faster ones.
    SlowCores {
        /// Whether servers did.
        servers: bool,
        /// Whether the swarm did.
        swarm: bool,
    },
    /// Server and swarm were spread over NUMA nodes.
    ManyNodes {
        /// How many.
        nodes: u32,
    },
    /// The server's CPUs are hardware threads of fewer cores, each of which slows the others of its core down.
    HardwareThreads {
        /// The server's CPUs.
        cpus: u32,
        /// Their cores.
        cores: u32,
    },
    /// The quota of a control group grants less than the CPUs of server and swarm.
    Quota {
        /// CPUs' worth of time that it grants.
        granted: f64,
        /// CPUs that server and swarm were on.
        cpus: u32,
    },
    /// The system does not tell which CPUs share a core, so server and swarm may.
    CoresUnknown,
    /// The server ended during the trial; what it left unanswered counts as infinite.
    ServerDied {
        /// How it ended.
        detail: String,
    },
    /// Not one request was answered, and the server had something to say: of a panic in a thread of its own, for example.
    ServerSaid {
        /// The first of what it said on standard error.
        words: String,
    },
    /// Some connections could not be opened before the start; they were tried again by their requests.
    PartlyConnected {
        /// Opened.
        connected: u64,
        /// Asked for.
        clients: u64,
    },
    /// Some background connections could not be opened before the start, or were idle and closed by the server. Slow ones
    /// that it closed are not among them: a server may defend itself.
    // As schema 3 called it.
    #[serde(alias = "companions_missing")]
    BackgroundMissing {
        /// How many.
        missing: u64,
        /// Of so many asked for.
        asked: u64,
    },
    /// The swarm's own lateness is a large part of the tail.
    GeneratorTail {
        /// Dispatch lag p99.
        lag_p99_ns: u64,
        /// Response p99.
        response_p99_ns: u64,
    },
    /// Reading what the server costs, which belongs before the window, was not done when the window began.
    SampledLate {
        /// How far into the window it went.
        late_ns: u64,
    },
    /// What the server used was read so long after the window that the figures hold time without load.
    ReadLate {
        /// How long after it.
        late_ns: u64,
    },
    /// The server did not stop within its deadline and was killed.
    KilledAtStop,
    /// The server left processes in groups of their own behind, which were ended with the trial.
    LeftBehind {
        /// What each is called, with its number.
        processes: Vec<String>,
    },
    /// Little's law, |N - X (R + Z)| / N, was off by more than 2 %.
    LittlesLaw {
        /// By how much, as a share of N.
        off: f64,
    },
    /// The machine itself was slower around the trial than shortly before, and there was no other try.
    Slowed {
        /// How many times as long a fixed piece of work took as when it was fastest lately.
        factor: f64,
    },
    /// Values lay above the histogram's range.
    Saturated {
        /// How many.
        values: u64,
    },
}

impl Doubt {
    /// What kind of doubt it is: doubts of one kind are told once per cell.
    pub fn kind(&self) -> u8 {
        match self {
            Self::GeneratorBusy { .. } => 0,
            Self::Unsteady { .. } => 1,
            Self::Starved { .. } => 2,
            Self::Unanswered { .. } => 3,
            Self::SharedCpu => 4,
            Self::SampledLate { .. } => 20,
            Self::KilledAtStop => 5,
            Self::LittlesLaw { .. } => 6,
            Self::Saturated { .. } => 7,
            Self::ServerDied { .. } => 8,
            Self::ServerSaid { .. } => 34,
            Self::PartlyConnected { .. } => 9,
            Self::GeneratorTail { .. } => 10,
            Self::BackgroundMissing { .. } => 21,
            Self::NotPinned => 22,
            Self::Throttled { .. } => 23,
            Self::ReadLate { .. } => 24,
            Self::LeftBehind { .. } => 25,
            Self::Slowed { .. } => 26,
            Self::SharedCore { .. } => 27,
            Self::MixedCores => 28,
            Self::ManyNodes { .. } => 29,
            Self::HardwareThreads { .. } => 30,
            Self::Quota { .. } => 31,
            Self::CoresUnknown => 32,
            Self::SlowCores { .. } => 33,
        }
    }

    /// Whether it says that the CPUs of server and swarm could not be chosen cleanly: then it is one of every model.
    pub fn is_about_cpus(&self) -> bool {
        matches!(
            self,
            Self::SharedCpu
                | Self::SharedCore { .. }
                | Self::MixedCores
                | Self::SlowCores { .. }
                | Self::ManyNodes { .. }
                | Self::HardwareThreads { .. }
                | Self::Quota { .. }
                | Self::CoresUnknown
                | Self::NotPinned
        )
    }

    /// How severe it is among doubts of its kind.
    pub fn severity(&self) -> f64 {
        match self {
            Self::GeneratorBusy { share } => *share,
            Self::Unsteady { ratio } => ratio.max(1e-9).ln().abs(),
            Self::Starved { connections } => *connections as f64,
            Self::Unanswered { requests, .. } => *requests as f64,
            Self::SharedCpu
            | Self::MixedCores
            | Self::CoresUnknown
            | Self::NotPinned
            | Self::KilledAtStop
            | Self::ServerDied { .. }
            | Self::ServerSaid { .. } => 0.0,
            Self::SlowCores { servers, swarm } => f64::from(u8::from(*servers) + u8::from(*swarm)),
            Self::SharedCore { cores } => f64::from(*cores),
            Self::ManyNodes { nodes } => f64::from(*nodes),
            Self::HardwareThreads { cpus, cores } => f64::from(*cpus) / f64::from((*cores).max(1)),
            Self::Quota { granted, cpus } => f64::from(*cpus) - granted,
            Self::LeftBehind { processes } => processes.len() as f64,
            Self::Throttled { share, .. } => *share,
            Self::Slowed { factor } => *factor,
            Self::PartlyConnected { connected, clients } => clients.saturating_sub(*connected) as f64,
            Self::GeneratorTail { lag_p99_ns, .. } => *lag_p99_ns as f64,
            Self::BackgroundMissing { missing, .. } => *missing as f64,
            Self::LittlesLaw { off } => off.abs(),
            Self::SampledLate { late_ns } | Self::ReadLate { late_ns } => *late_ns as f64,
            Self::Saturated { values } => *values as f64,
        }
    }
}
