//! The metrics by name, as a bundle states them: which one decides a workload, which may fail a comparison of two builds.
//!
//! What each is in, which way is better, which difference matters and how it is read stands in the table of the room
//! [`metric`](crate::metric). A new metric is a variant here and an entry there; this file must know nothing but names.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use strum::VariantArray as _;

/// A metric, in the order to show them. Its key is its name in kebab case: `response-p99`.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Metric {
    /// Replies completed in the window, per second.
    Throughput,
    /// Correct replies to requests of the window within the workload's objective, per second.
    Goodput,
    /// Share of the requests of the window that were answered correctly.
    Answered,
    /// Median response time over the requests sent.
    ResponseP50,
    /// 90th percentile of response time over the requests sent.
    ResponseP90,
    /// 95th percentile of response time over the requests sent.
    ResponseP95,
    /// 99th percentile of response time over the requests sent.
    ResponseP99,
    /// 99.9th percentile of response time over the requests sent.
    ResponseP999,
    /// CPU time of the server's process tree in the window, per reply in it. Earlier command lines say `cpu`.
    #[strum(to_string = "cpu-per-request", serialize = "cpu")]
    CpuPerRequest,
    /// The part of it in user mode.
    UserCpuPerRequest,
    /// The part of it in the kernel.
    SystemCpuPerRequest,
    /// Time that the tree's threads waited for a CPU, per reply.
    RunDelayPerRequest,
    /// System calls per reply.
    SystemCallsPerRequest,
    /// Context switches of both kinds under load, per reply.
    #[strum(to_string = "switches-per-request", serialize = "switches")]
    SwitchesPerRequest,
    /// Of these, because the thread waited.
    VoluntarySwitchesPerRequest,
    /// Of these, because the thread was preempted.
    InvoluntarySwitchesPerRequest,
    /// Page faults of both kinds per reply.
    PageFaultsPerRequest,
    /// Instructions per reply.
    InstructionsPerRequest,
    /// CPU cycles per reply.
    CyclesPerRequest,
    /// Last-level cache misses per reply.
    CacheMissesPerRequest,
    /// What one more held connection takes in the server.
    MemoryPerConnection,
    /// Proportional set size.
    Memory,
    /// Page tables.
    PageTables,
    /// Kernel stacks.
    KernelStacks,
    /// Sockets, entries of epolls, tasks and mappings in the kernel's caches.
    KernelObjects,
    /// Buffers of all TCP sockets of the machine, both ends.
    SocketBuffers,
    /// Threads.
    Threads,
    /// Threads over the window, added up over time.
    ThreadSeconds,
    /// Processes.
    Processes,
    /// Descriptors.
    Descriptors,
    /// Segments of both directions per request of the trial, acknowledgements included.
    SegmentsPerRequest,
    /// Of these, the ones with payload.
    DataSegmentsPerRequest,
    /// Segments that the swarm's side had to send again, in a trial.
    Retransmits,
    /// Connections that a full listen queue turned away, in a trial.
    ListenOverflows,
    /// Connections that a listener dropped for any reason, in a trial.
    ListenDrops,
    /// Jain's index of fairness over connections.
    Fairness,
    /// The fewest replies of a connection over the median of all connections.
    LeastServed,
    /// Share of the connections that never got a reply.
    NeverServed,
    /// Connections that the busiest of a server's workers accepted, over the mean of its workers.
    BusiestAccepts,
    /// Full handshakes of TLS per second.
    FullHandshakes,
    /// Handshakes of TLS per second that resumed a session.
    ResumedHandshakes,
}

impl Metric {
    /// All there are, in the order to show them.
    pub const ALL: [Self; Self::VARIANTS.len()] = match Self::VARIANTS.first_chunk() {
        Some(all) => *all,
        None => unreachable!(),
    };

    /// What it is called in scenario files, on command lines, in bundles, stores and exports.
    pub fn key(self) -> &'static str {
        self.into()
    }

    /// The metric with this key.
    pub fn of_key(key: &str) -> Option<Self> {
        key.parse().ok()
    }
}

impl Serialize for Metric {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.key())
    }
}

impl<'de> Deserialize<'de> for Metric {
    /// Takes a key, and what bundles of schema 3 and lines of histories had in its place: snake case, `{"merit": ...}`, and
    /// the name that only voluntary switches had.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Key(String),
            Schema3 { merit: String },
        }
        let (Written::Key(key) | Written::Schema3 { merit: key }) = Written::deserialize(from)?;
        if key == "switches_per_request" {
            return Ok(Self::VoluntarySwitchesPerRequest);
        }
        Self::of_key(&key.replace('_', "-"))
            .ok_or_else(|| D::Error::custom(format!("there is no metric called `{key}`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_read_from_its_key() {
        for metric in Metric::ALL {
            assert_eq!(Metric::of_key(metric.key()), Some(metric));
            let text = serde_json::to_string(&metric).expect("a word");
            assert_eq!(serde_json::from_str::<Metric>(&text).expect("our own"), metric);
        }
        assert_eq!(Metric::ResponseP99.key(), "response-p99");
        let earlier = ["cpu", "switches"].map(Metric::of_key);
        assert_eq!(earlier, [Some(Metric::CpuPerRequest), Some(Metric::SwitchesPerRequest)]);
        assert_eq!(Metric::of_key("speed"), None);
        assert!(serde_json::from_str::<Metric>("\"speed\"").is_err());
    }

    #[test]
    fn schema_3_names_are_still_read() {
        let read = |text: &str| serde_json::from_str::<Metric>(text).expect(text);
        assert_eq!(read("\"response_p99\""), Metric::ResponseP99);
        assert_eq!(read("{\"merit\":\"memory_per_connection\"}"), Metric::MemoryPerConnection);
        assert_eq!(read("\"cpu_per_request\""), Metric::CpuPerRequest);
        assert_eq!(read("\"switches_per_request\""), Metric::VoluntarySwitchesPerRequest);
    }
}
