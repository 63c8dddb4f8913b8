//! The anatomy of a request: what one request makes a server's threads and the kernel do, as measured facts.
//!
//! Calls come from a traced server, which is slow; times, switches and segments come from the same server untraced.
//! Nothing here is a comparison of speed.

use super::Reading;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One connection to one server, followed from connect to close.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anatomy {
    /// Name of the model.
    pub model: String,
    /// Name of the service.
    pub service: String,
    /// Whether it went over TLS; segments then carry ciphertext, and the handshake is a part of the connect.
    #[serde(default, skip_serializing_if = "is_false")]
    pub tls: bool,
    /// What each request demanded of the server; 0 for the service's default, or for one that does no work.
    pub demand_ns: u64,
    /// Bytes the client hands to its socket for a request, framing included.
    pub request_bytes: u64,
    /// Bytes of the reply, framing included.
    pub reply_bytes: u64,
    /// System calls of the server's whole tree, phase by phase; absent where tracing is refused.
    pub phases: Reading<Vec<Phase>>,
    /// Times and switches of requests that were not traced.
    pub untraced: Reading<Untraced>,
    /// Segments on the wire, as the client's socket counted them, of requests that were not traced.
    pub wire: Reading<ConnectionWire>,
}

fn is_false(value: &bool) -> bool {
    !*value
}

/// A part of a connection's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// From the client's connect until the server sleeps again.
    Connect,
    /// The first request of the connection.
    FirstRequest,
    /// A later request.
    Request,
    /// From the client's end of the connection until the server sleeps again.
    Close,
}

/// What the server did in one part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// Which part.
    pub part: Part,
    /// How often it was followed.
    pub repeats: u32,
    /// How many of those were like the steps below: each thread made the same calls, on the same objects, with the same
    /// outcomes, in this order. Threads of one pool may stand in for each other, and the order between threads may vary.
    pub alike: u32,
    /// The steps of the most frequent course of events.
    pub steps: Vec<Step>,
    /// Calls that returned (or ended their thread), by name, summed over all repeats.
    pub calls: BTreeMap<String, u64>,
}

/// A system call, or a signal that was delivered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Who: "main", the name of a thread, "child" for a forked process.
    pub task: String,
    /// The call's or the signal's name.
    pub call: String,
    /// The object of the descriptor it was given: "connection", "listener", "epoll", ...
    pub on: Option<String>,
    /// Whether the call had been entered before this phase: then the phase begins by waking its thread.
    pub woken: bool,
    /// What became of it.
    pub outcome: Outcome,
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It returned this value: bytes, a count, a descriptor, a process id.
    Returned(i64),
    /// It failed with this error ("EAGAIN").
    Failed(String),
    /// A signal interrupted it; the kernel starts it again.
    Restarts,
    /// It had not returned when the phase ended: its thread sleeps in it.
    Sleeps,
    /// It does not return: the thread or the process ends in it.
    Ends,
    /// It is a signal, not a call.
    Signal,
}

/// Means over requests that were not traced, on one connection, one at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Untraced {
    /// How many requests.
    pub requests: u64,
    /// Median time from the client's write to the last byte of the reply.
    pub round_trip_p50_ns: u64,
    /// CPU time of the server's tree per request, from its processes' CPU clocks.
    pub cpu_ns_per_request: Reading<f64>,
    /// Share of that time spent in the kernel, 0 to 1, by the kernel's sampling at clock ticks.
    pub kernel_share: Reading<f64>,
    /// Voluntary switches per request: how often a thread of the tree went to sleep. Each sleep ends with a wake-up.
    pub voluntary_per_request: Reading<f64>,
    /// Involuntary switches per request: how often a thread was made to yield its CPU.
    pub involuntary_per_request: Reading<f64>,
}

/// Segments and bytes as the client's socket counted them (TCP_INFO).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionWire {
    /// Bytes of an IP header without options: 20 for IPv4 (RFC 791), 40 for IPv6 (RFC 8200).
    pub ip_header_bytes: u64,
    /// Whether timestamps were agreed upon (RFC 7323): 12 bytes more in every TCP header.
    pub timestamps: bool,
    /// Whether selective acknowledgement was agreed upon (RFC 2018).
    pub sack: bool,
    /// Whether window scaling was agreed upon (RFC 7323).
    pub window_scaling: bool,
    /// Largest payload of a segment that the client sends.
    pub mss_bytes: u64,
    /// Retransmitted segments of the connection, sent by the client.
    pub retransmits: u64,
    /// From before the connect until after it.
    pub connect: Segments,
    /// Requests between the next two counts.
    pub requests: u64,
    /// All of those requests and their replies.
    pub request: Segments,
    /// From the client's end of the connection until the server's end of it.
    pub close: Reading<Segments>,
}

/// Counts of one stretch of a connection. "Out" is from client to server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Segments {
    /// Segments the client sent, with or without payload.
    pub out: u64,
    /// Segments the client received.
    pub r#in: u64,
    /// Of those sent, the ones with payload.
    pub data_out: u64,
    /// Of those received, the ones with payload.
    pub data_in: u64,
    /// Payload bytes sent, retransmissions included.
    pub payload_out_bytes: u64,
    /// Payload bytes received.
    pub payload_in_bytes: u64,
}

impl Segments {
    /// What was counted from `before` to `self`. A counter that ran backwards counts as 0.
    pub fn since(&self, before: &Self) -> Self {
        Self {
            out: self.out.saturating_sub(before.out),
            r#in: self.r#in.saturating_sub(before.r#in),
            data_out: self.data_out.saturating_sub(before.data_out),
            data_in: self.data_in.saturating_sub(before.data_in),
            payload_out_bytes: self.payload_out_bytes.saturating_sub(before.payload_out_bytes),
            payload_in_bytes: self.payload_in_bytes.saturating_sub(before.payload_in_bytes),
        }
    }

    /// Segments both ways.
    pub fn all(&self) -> u64 {
        self.out + self.r#in
    }

    /// Segments with payload, both ways.
    pub fn data(&self) -> u64 {
        self.data_out + self.data_in
    }

    /// Payload bytes, both ways.
    pub fn payload_bytes(&self) -> u64 {
        self.payload_out_bytes + self.payload_in_bytes
    }
}

impl ConnectionWire {
    /// Bytes of IP and TCP header in a segment after the handshake, without SACK blocks.
    pub fn header_bytes(&self) -> u64 {
        // 20: RFC 9293; timestamps are 10 bytes and two of padding.
        self.ip_header_bytes + 20 + if self.timestamps { 12 } else { 0 }
    }

    /// Bytes of IP and TCP header in a SYN: as Linux lays its options out, padding included.
    pub fn syn_bytes(&self) -> u64 {
        let mss = 4;
        let (timestamps, scaling) = (u64::from(self.timestamps) * 12, u64::from(self.window_scaling) * 4);
        // "SACK permitted" takes the padding of the timestamps where there are some.
        let sack = if self.sack && !self.timestamps { 4 } else { 0 };
        self.ip_header_bytes + 20 + mss + timestamps + scaling + sack
    }

    /// IP bytes of a stretch: headers and payload; `syns` of its segments are SYNs.
    pub fn ip_bytes(&self, segments: &Segments, syns: u64) -> u64 {
        let syns = syns.min(segments.all());
        syns * self.syn_bytes() + (segments.all() - syns) * self.header_bytes() + segments.payload_bytes()
    }
}

impl Anatomy {
    /// One of which nothing could be measured, for this reason.
    pub fn absent(model: &str, service: &str, why: &str) -> Self {
        Self {
            model: model.to_owned(),
            service: service.to_owned(),
            tls: false,
            demand_ns: 0,
            request_bytes: 0,
            reply_bytes: 0,
            phases: Reading::Absent(why.to_owned()),
            untraced: Reading::Absent(why.to_owned()),
            wire: Reading::Absent(why.to_owned()),
        }
    }

    /// The phase of a part.
    pub fn phase(&self, part: Part) -> Option<&Phase> {
        self.phases.value()?.iter().find(|phase| phase.part == part)
    }
}

impl Phase {
    /// Calls in a repeat, on average.
    pub fn calls_per_repeat(&self, name: &str) -> f64 {
        self.calls.get(name).map_or(0.0, |count| *count as f64 / f64::from(self.repeats.max(1)))
    }

    /// Calls of any name in a repeat, on average.
    pub fn all_calls_per_repeat(&self) -> f64 {
        self.calls.values().map(|count| *count as f64).sum::<f64>() / f64::from(self.repeats.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(timestamps: bool) -> ConnectionWire {
        ConnectionWire {
            ip_header_bytes: 20,
            timestamps,
            sack: true,
            window_scaling: true,
            mss_bytes: 65_483,
            retransmits: 0,
            connect: Segments::default(),
            requests: 1,
            request: Segments::default(),
            close: Reading::Absent("not closed".into()),
        }
    }

    #[test]
    fn header_bytes_are_those_of_the_standards() {
        assert_eq!((wire(true).header_bytes(), wire(false).header_bytes()), (52, 40));
        // As tcpdump shows a SYN of Linux: 40 bytes of TCP header with timestamps.
        assert_eq!((wire(true).syn_bytes(), wire(false).syn_bytes()), (60, 52));
    }

    #[test]
    fn an_echo_of_64_bytes_is_232_bytes_on_the_wire() {
        let request = Segments {
            out: 1,
            r#in: 1,
            data_out: 1,
            data_in: 1,
            payload_out_bytes: 64,
            payload_in_bytes: 64,
        };
        assert_eq!(wire(true).ip_bytes(&request, 0), 232);
        let handshake = Segments { out: 2, r#in: 1, ..Segments::default() };
        assert_eq!(wire(true).ip_bytes(&handshake, 2), 172);
    }
}
