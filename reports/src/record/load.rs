//! What a workload asks of a server, as checked values: how requests arrive, over how many connections, for how long.
//!
//! A scenario file is checked into these types, a swarm worker is started with them, a bundle keeps them: there is no second
//! form. Pure arithmetic; sentences about them are made in [`show`](crate::show).

use super::{ns, workload::Surge};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How requests arrive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Load {
    /// `clients` connections, each with one request outstanding; the next is due `think` after the reply.
    Closed {
        /// Connections.
        clients: u32,
        /// Pause between a reply and the next request.
        #[serde(rename = "think_ns", with = "ns")]
        think: Duration,
    },
    /// `clients` connections, each with up to `depth` requests under way at once, whose replies come in order; the next
    /// is due when a reply has made room for it.
    Pipelined {
        /// Connections.
        clients: u32,
        /// Requests that a connection may have under way, 2 to 1,024; with 1 it would be the closed loop.
        depth: u32,
    },
    /// Requests at times fixed in advance, whatever the server does, over a pool of `clients` connections. A request
    /// that finds every connection busy queues in the swarm, and that wait counts.
    Open {
        /// Connections in the pool.
        clients: u32,
        /// Requests per second, over all workers: the mean, or with a surge the rate outside it.
        rate_per_s: f64,
        /// How the gaps are distributed.
        arrivals: Arrivals,
        /// How the rate changes over time.
        shape: RateShape,
    },
    /// `clients` concurrent sessions, each again and again: connect, so many requests, close.
    Churn {
        /// Sessions at once.
        clients: u32,
        /// Requests in a session.
        requests_per_connection: u32,
    },
}

/// The distribution of the gaps between arrivals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// All gaps equal.
    Fixed,
    /// Exponential gaps: a Poisson process.
    Poisson,
}

/// How the rate of an open loop changes over time. Times count from the begin of the measured window, so that a longer
/// warm-up changes nothing in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RateShape {
    /// It does not.
    #[default]
    Steady,
    /// Requests come in phases of length `on`, between which nothing is due for `off`; a phase begins with the window. The
    /// load's rate is the mean over both, so within a phase it is `(on + off) / on` times as high.
    Bursts {
        /// How long requests come.
        #[serde(rename = "on_ns", with = "ns")]
        on: Duration,
        /// How long none is due.
        #[serde(rename = "off_ns", with = "ns")]
        off: Duration,
    },
    /// For a part of the window the rate is `factor` times as high.
    Surge {
        /// How many times as high, above 1.
        factor: f64,
        /// From the begin of the window.
        #[serde(rename = "after_ns", with = "ns")]
        after: Duration,
        /// For how long.
        #[serde(rename = "lasting_ns", with = "ns")]
        lasting: Duration,
    },
}

/// How the connections of a workload are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Whether a client resumes a session that it had with the server before; else every handshake is a full one.
    pub resume: bool,
}

impl Load {
    /// Connections open at once.
    pub fn clients(&self) -> u32 {
        match *self {
            Self::Closed { clients, .. }
            | Self::Pipelined { clients, .. }
            | Self::Open { clients, .. }
            | Self::Churn { clients, .. } => clients,
        }
    }

    /// Requests that a connection may have under way at once.
    pub fn in_flight_per_connection(&self) -> u32 {
        match *self {
            Self::Pipelined { depth, .. } => depth,
            Self::Closed { .. } | Self::Open { .. } | Self::Churn { .. } => 1,
        }
    }

    /// Requests per second that the schedule of an open loop states; `None` where the server sets the pace.
    pub fn stated_rate(&self) -> Option<f64> {
        match *self {
            Self::Open { rate_per_s, .. } => Some(rate_per_s),
            Self::Closed { .. } | Self::Pipelined { .. } | Self::Churn { .. } => None,
        }
    }

    /// Requests per second that the schedule asks for, over the measured window; `None` where the server sets the pace.
    pub fn rate_per_s(&self, window: Duration) -> Option<f64> {
        self.stated_rate().map(|rate| rate * self.shape().mean_factor(window))
    }

    /// Whether the server sets the pace: each client waits for its reply before it asks again.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed { .. } | Self::Pipelined { .. } | Self::Churn { .. })
    }

    /// How the rate changes over time.
    pub fn shape(&self) -> RateShape {
        match *self {
            Self::Open { shape, .. } => shape,
            Self::Closed { .. } | Self::Pipelined { .. } | Self::Churn { .. } => RateShape::Steady,
        }
    }

    /// Whether the load itself changes in the course of the window, so that the window's halves need not be alike.
    pub fn varies(&self) -> bool {
        self.shape() != RateShape::Steady
    }

    /// When the schedule asks for more than usual, if it does once.
    pub fn surge(&self) -> Option<Surge> {
        let RateShape::Surge { factor, after, lasting } = self.shape() else { return None };
        Some(Surge { begin_ns: ns::of(after), end_ns: ns::of(after + lasting), factor })
    }
}

impl RateShape {
    /// The mean rate over a window of this length, as a multiple of the load's rate. Of bursts the mean over whole cycles,
    /// which is 1: a window that cuts one off has a little more or less.
    pub fn mean_factor(&self, window: Duration) -> f64 {
        match *self {
            Self::Steady | Self::Bursts { .. } => 1.0,
            Self::Surge { factor, lasting, .. } => {
                1.0 + (factor - 1.0) * lasting.as_secs_f64() / window.as_secs_f64()
            }
        }
    }

    /// The highest rate at any time, as a multiple of the load's rate.
    pub fn peak_factor(&self) -> f64 {
        match *self {
            Self::Steady => 1.0,
            Self::Bursts { on, off } => (on + off).as_secs_f64() / on.as_secs_f64(),
            Self::Surge { factor, .. } => factor.max(1.0),
        }
    }
}

/// The times of a trial, from the common start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// Load that is not measured, to begin with.
    #[serde(rename = "warmup_ns", with = "ns")]
    pub warmup: Duration,
    /// The measured window.
    #[serde(rename = "window_ns", with = "ns")]
    pub window: Duration,
    /// A request without a reply for so long after its actual send is given up; its connection is replaced.
    #[serde(rename = "timeout_ns", with = "ns")]
    pub timeout: Duration,
    /// How long after the window's end replies are still waited for; what is then unanswered is censored.
    #[serde(rename = "drain_ns", with = "ns")]
    pub drain: Duration,
}

/// The background connections of a workload, by kind: held beside the clients that are measured, opened first, and in no
/// figure with their times. `T` is what is told of a kind: how many are asked for, or what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Background<T = u32> {
    /// Connections that never send a byte.
    pub idle: T,
    /// Connections that ask for much and read almost nothing, so that replies pile up at the server.
    pub slow_readers: T,
    /// Connections that send a request byte by byte and never end it (slowloris).
    pub slow_senders: T,
}

impl<T: Copy> Background<T> {
    /// Each kind by itself.
    pub fn map<U>(self, of: impl Fn(T) -> U) -> Background<U> {
        let Self { idle, slow_readers, slow_senders } = self;
        Background { idle: of(idle), slow_readers: of(slow_readers), slow_senders: of(slow_senders) }
    }

    /// The kinds, idle ones first.
    pub fn kinds(self) -> [T; 3] {
        [self.idle, self.slow_readers, self.slow_senders]
    }
}

impl Background {
    /// All of them.
    pub fn total(self) -> u64 {
        self.kinds().map(u64::from).iter().sum()
    }

    /// Those of one shard: number *i* of a kind is of shard `i % shards`.
    #[must_use]
    pub fn of_shard(self, shard: u32, shards: u32) -> Self {
        self.map(|count| count.saturating_sub(shard).div_ceil(shards))
    }
}

/// What became of the background connections of a kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionCounts {
    /// Asked for.
    pub asked: u64,
    /// Open before the start.
    pub opened: u64,
    /// Of those opened, ended by the server before the trial's end. Of a slow one that may be a merit: a server may
    /// defend itself.
    pub lost: u64,
}

impl ConnectionCounts {
    /// Still open at the end.
    pub fn held(&self) -> u64 {
        self.opened.saturating_sub(self.lost)
    }

    fn plus(self, other: Self) -> Self {
        Self {
            asked: self.asked + other.asked,
            opened: self.opened + other.opened,
            lost: self.lost + other.lost,
        }
    }
}

impl Background<ConnectionCounts> {
    /// Whether the workload asked for none.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// All kinds together.
    pub fn all(self) -> ConnectionCounts {
        self.kinds().into_iter().fold(ConnectionCounts::default(), ConnectionCounts::plus)
    }

    /// Those that could not be opened, and the idle ones that the server closed.
    pub fn missing(self) -> u64 {
        let all = self.all();
        all.asked.saturating_sub(all.opened) + self.idle.lost
    }

    /// Those of several workers of one trial together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            idle: self.idle.plus(other.idle),
            slow_readers: self.slow_readers.plus(other.slow_readers),
            slow_senders: self.slow_senders.plus(other.slow_senders),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_of_the_window_is_the_mean_over_it() {
        let ms = Duration::from_millis;
        let of = |shape| {
            let load = Load::Open { clients: 1, rate_per_s: 100.0, arrivals: Arrivals::Fixed, shape };
            load.rate_per_s(ms(400))
        };
        assert_eq!(of(RateShape::Steady), Some(100.0));
        assert_eq!(of(RateShape::Bursts { on: ms(20), off: ms(80) }), Some(100.0));
        // 3 times the rate for a quarter of the window.
        assert_eq!(of(RateShape::Surge { factor: 3.0, after: ms(100), lasting: ms(100) }), Some(150.0));
    }

    #[test]
    fn shards_share_the_background_connections_out() {
        let background = Background { idle: 10, slow_readers: 1, slow_senders: 0 };
        let parts = [0, 1, 2].map(|shard| background.of_shard(shard, 3));
        assert_eq!(parts.map(|part| part.idle), [4, 3, 3]);
        assert_eq!(parts.map(|part| part.slow_readers), [1, 0, 0]);
        assert_eq!(parts.iter().map(|part| part.total()).sum::<u64>(), background.total());
    }
}
