//! A question and its answer in words.

use crate::ask::advise::Question;
use crate::ask::advise::distance::{Difference, Measure};
use crate::ask::advise::question::{Assumption, MOST_CONNECTIONS, MOST_RATE_PER_S, OutOfRange, Work};
use crate::show::units;
use std::fmt;

impl Question {
    /// The question on one line.
    pub fn in_words(&self) -> String {
        let time = |name: &str, ns: Option<f64>| {
            ns.filter(|ns| *ns > 0.0).map(|ns| format!("{} of {name} a request", units::time(ns)))
        };
        let connections = self.connections.map(|n| match self.idle() {
            Some(idle) if idle > 0 => {
                format!("{}, {} of them idle", units::plural(n, "connection"), units::grouped(idle))
            }
            _ => units::plural(n, "connection"),
        });
        let parts = [
            self.rate_per_s.map(units::rate),
            connections,
            self.payload_bytes.map(|bytes| format!("payload {}", units::bytes(bytes as f64))),
            self.requests_per_connection.map(|n| format!("{} a connection", units::plural(n, "request"))),
            time("computing", self.compute_ns),
            time("waiting", self.wait_ns),
            time("blocking", self.block_ns),
            self.p99_ns.map(|ns| format!("p99 within {}", units::time(ns))),
            self.memory_bytes.map(|bytes| format!("memory within {}", units::bytes(bytes as f64))),
            self.isolation.then(|| "a crash must not spread".to_owned()),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}

impl std::error::Error for OutOfRange {}

impl fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate => write!(f, "the rate must be above zero"),
            Self::Objective => write!(f, "the p99 objective must be above zero"),
            Self::RateTooHigh => {
                write!(f, "the rate is above {}, more than can be measured", units::rate(MOST_RATE_PER_S))
            }
            Self::Time(kind) => {
                write!(f, "the time of {} is not a time; it must be zero or longer", work(*kind))
            }
            Self::Connections(n) => {
                write!(f, "there are {n} connections; it must be 1 to {}", units::grouped(MOST_CONNECTIONS))
            }
            Self::IdleShare => write!(f, "the idle share must be from 0 to below 1"),
            Self::IdleShareOfNothing => {
                write!(f, "an idle share needs the number of connections it is a share of")
            }
            Self::NoRequest => write!(f, "a connection must carry at least 1 request"),
            Self::NoMemory => write!(f, "a memory limit of 0 lets nothing run"),
            Self::Nothing => write!(
                f,
                "nothing is known of the load; give at least the rate, the clients, the payload, the requests per \
                 connection, or the work of a request"
            ),
        }
    }
}

impl Assumption {
    /// What is assumed, as a clause.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::NoWork => "a request asks for no work beyond moving its bytes",
            Self::ConnectionsStay => "connections stay open",
            Self::AllActive => "all connections are active",
            Self::NoRate => "no rate is set: each client waits for its reply before it asks again",
        }
    }
}

fn work(kind: Work) -> &'static str {
    match kind {
        Work::Compute => "computing",
        Work::Wait => "waiting",
        Work::Block => "blocking",
    }
}

impl Measure {
    fn name(self) -> String {
        match self {
            Self::Rate => "rate".to_owned(),
            Self::Active => "number of active connections".to_owned(),
            Self::Idle => "number of idle connections".to_owned(),
            Self::Payload => "payload".to_owned(),
            Self::RequestsPerConnection => "number of requests on a connection".to_owned(),
            Self::InFlight => "number of requests in flight".to_owned(),
            Self::Work(kind) => format!("time of {} a request", work(kind)),
        }
    }

    fn show(self, value: f64) -> String {
        match self {
            Self::Rate => units::rate(value),
            Self::Payload => units::bytes(value),
            Self::Work(_) => units::time(value),
            Self::Active | Self::Idle | Self::RequestsPerConnection | Self::InFlight => {
                units::grouped(value.round() as u64)
            }
        }
    }
}

impl Difference {
    /// As a clause: "your payload is 4.00× the measured one (256 B against 64 B)".
    pub fn words(&self) -> String {
        match self {
            Self::Ratio { measure, yours, measured } => {
                let (name, ours, theirs) = (measure.name(), measure.show(*yours), measure.show(*measured));
                match (*yours, *measured) {
                    (_, 0.0) => format!("your {name} is {ours}, none was measured"),
                    (0.0, _) => format!("your {name} is zero, {theirs} was measured"),
                    _ => {
                        let factor = units::factor(yours / measured);
                        format!("your {name} is {factor} the measured one ({ours} against {theirs})")
                    }
                }
            }
            Self::Spread { more } => format!(
                "your work differs {} from request to request than the measured work does",
                if *more { "more" } else { "less" }
            ),
            Self::Life { yours_close: true } => {
                "your connections are closed again, the measured ones stayed".to_owned()
            }
            Self::Life { yours_close: false } => {
                "your connections stay, the measured ones were closed again".to_owned()
            }
            Self::Kind { yours, measured } => {
                let name = |kind: &Option<Work>| kind.map_or("next to no work", work);
                format!("your requests ask for {}, the measured ones for {}", name(yours), name(measured))
            }
            Self::Pace { yours_open: true } => {
                "the measured clients waited for replies, yours ask when they like".to_owned()
            }
            Self::Pace { yours_open: false } => {
                "the measured requests came by a schedule, your clients wait for replies".to_owned()
            }
        }
    }
}
