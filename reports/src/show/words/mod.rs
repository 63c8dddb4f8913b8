//! Verdicts, reasons and doubts in words, the same in every report.
//!
//! A reason names what happened and its size; it never guesses at a cause that was not measured. A verdict never speaks of
//! "all" models when some could not be compared.

mod across;
mod advise;
pub mod anatomy;
pub(crate) mod balance;
pub(crate) mod caveats;
pub(crate) mod contestant;
pub mod cpus;
pub(crate) mod datagrams;
pub(crate) mod envelope;
pub mod envelopes;
pub mod exclusion;
pub mod explain;
pub(crate) mod fan_out;
pub(crate) mod gate;
pub(crate) mod history;
pub(crate) mod http;
pub(crate) mod metric;
pub(crate) mod probe;
pub(crate) mod reason;
pub mod stops;
pub(crate) mod sweep;
pub mod theory;
pub(crate) mod trust;
pub(crate) mod verdict;
pub(crate) mod waiting;
pub mod workload;

use crate::cells::cell::{Cell, CellDoubt};
use crate::cells::recovery::Recovery;
use crate::record::{
    Doubt, ErrorKind, FOREIGN_SHARE, Invalid, Metric, RateShape, SCHEDULE_SHARE, STEAL_SHARE,
};
use crate::rules::workload::Workload;
use crate::show::units;
use crate::stats::quantile::Quantile;
use std::fmt;

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServerDidNotStart { detail } => write!(f, "the server did not start: {detail}"),
            Self::ServerDied { detail } => write!(f, "the server ended during the trial: {detail}"),
            Self::NothingConnected { detail } => write!(f, "the server accepted no connection: {detail}"),
            Self::SwarmFailed { detail } => write!(f, "the swarm failed: {detail}"),
            Self::WrongReply { replies, kinds } => {
                write!(f, "wrong replies: {}", units::grouped(*replies))?;
                if kinds.is_empty() { Ok(()) } else { write!(f, "; {}", http::kinds(kinds)) }
            }
            Self::Unbalanced => {
                write!(f, "the requests do not add up: sent is not answered + failed + pending")
            }
            Self::GeneratorLate { lag_p50_ns, limit_ns } => write!(
                f,
                "the swarm itself sent too late: its lag p50 {} is above the {} allowed to all models",
                units::time(*lag_p50_ns as f64),
                units::time(*limit_ns as f64)
            ),
            Self::GeneratorTail { lag_p99_ns, limit_ns } => write!(
                f,
                "the swarm itself sent too late: its lag p99 {} is above the {} allowed to all models",
                units::time(*lag_p99_ns as f64),
                units::time(*limit_ns as f64)
            ),
            Self::GeneratorBound { swarm_share, server_share, rate_per_s, ceiling_per_s } => write!(
                f,
                "the swarm was slowed down: it used {} of its CPU and the server {} of its own for {}, while the same swarm got {} out of the null server",
                units::share(*swarm_share),
                units::share(*server_share),
                units::rate(*rate_per_s),
                units::rate(*ceiling_per_s)
            ),
            Self::BehindSchedule { achieved_share, lag_p99_ns } => write!(
                f,
                "the swarm fell behind its schedule while the server was idle: {} of the rate ({} needed), its own lag p99 {}",
                units::share(*achieved_share),
                units::share(SCHEDULE_SHARE),
                units::time(*lag_p99_ns as f64)
            ),
            Self::GeneratorShort { requests } => write!(
                f,
                "the load generator itself ran out of ports, descriptors or memory for {}",
                units::plural(*requests, "request")
            ),
            Self::GeneratorOverflowed { replies } => write!(
                f,
                "the load generator's own receive buffers were full for {}, and it cannot tell these from lost ones: raise \
                 net.core.rmem_max (it asks for 4 MiB a socket), or lower the rate or the size",
                units::plural(*replies, "datagram")
            ),
            Self::Unanswered { sent: 0, .. } => f.write_str("not one request was sent"),
            Self::Unanswered { requests, sent } => {
                write!(
                    f,
                    "{} of {} requests went unanswered",
                    units::grouped(*requests),
                    units::grouped(*sent)
                )
            }
            Self::Unsteady { ratio } => write!(
                f,
                "no steady state: the second half of the window ran at {} the first",
                units::factor(*ratio)
            ),
            Self::Slowed { factor } => write!(
                f,
                "the machine itself was slower than shortly before: the same work took {} as long",
                units::factor(*factor)
            ),
            Self::ForeignLoad { share } => {
                let limit = units::share(FOREIGN_SHARE);
                write!(f, "other programs used {} of the pinned CPUs (limit {limit})", units::share(*share))
            }
            Self::Throttled { share, throttled, periods } => write!(
                f,
                "a CPU quota took {} of the pinned CPUs (limit {}), in {throttled} of {periods} periods: raise the quota of \
                 the control group",
                units::share(*share),
                units::share(STEAL_SHARE)
            ),
            Self::Stolen { share } => {
                let limit = units::share(STEAL_SHARE);
                write!(f, "the hypervisor took {} of the pinned CPUs (limit {limit})", units::share(*share))
            }
        }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GeneratorBusy { share } => {
                write!(
                    f,
                    "the swarm used {} of its CPU: the figure may be the generator's limit",
                    units::share(*share)
                )
            }
            Self::Unsteady { ratio } => {
                write!(
                    f,
                    "not steady: the second half of the window ran at {} the first",
                    units::factor(*ratio)
                )
            }
            Self::Starved { connections } => {
                write!(f, "{} never served", units::plural(*connections, "client"))
            }
            Self::Unanswered { requests, sent } => {
                write!(
                    f,
                    "{} of {} requests failed or went unanswered",
                    units::grouped(*requests),
                    units::grouped(*sent)
                )
            }
            Self::SharedCpu => write!(f, "server and swarm shared a CPU"),
            Self::SharedCore { cores } => write!(
                f,
                "server and swarm ran on hardware threads of the same {}, and slowed each other down",
                if *cores == 1 { "core" } else { "cores" }
            ),
            Self::MixedCores => write!(f, "one side ran on fast and on slow cores"),
            Self::SlowCores { servers, swarm } => {
                let who = match (servers, swarm) {
                    (true, true) => "server and swarm",
                    (true, false) => "the server",
                    (false, _) => "the swarm",
                };
                write!(f, "{who} ran on slow cores, though there are faster ones")
            }
            Self::ManyNodes { nodes } => write!(f, "server and swarm were spread over {nodes} NUMA nodes"),
            Self::HardwareThreads { cpus, cores } => write!(
                f,
                "the server's {cpus} CPUs are hardware threads of {}",
                units::plural((*cores).into(), "core")
            ),
            Self::Quota { granted, cpus } => write!(
                f,
                "a CPU quota grants {granted:.2} CPUs to server and swarm, which were on {}",
                units::plural((*cpus).into(), "CPU")
            ),
            Self::CoresUnknown => {
                write!(f, "the system does not tell which CPUs share a core, so server and swarm may have")
            }
            Self::NotPinned => {
                write!(f, "nothing was pinned: the system does not tell which CPUs may be used")
            }
            Self::Throttled { share, throttled, periods } => write!(
                f,
                "a CPU quota took {} of the pinned CPUs, in {throttled} of {periods} periods",
                units::share(*share)
            ),
            Self::ReadLate { late_ns } => {
                write!(f, "what the server used was read {} after the window", units::time(*late_ns as f64))
            }
            Self::ServerDied { detail } => write!(f, "the server ended during the trial: {detail}"),
            Self::ServerSaid { words } => write!(f, "it answered nothing, and said: {words}"),
            Self::PartlyConnected { connected, clients } => write!(
                f,
                "only {} of {} connections could be opened before the start",
                units::grouped(*connected),
                units::grouped(*clients)
            ),
            Self::BackgroundMissing { missing, asked } => write!(
                f,
                "{} of {} background connections could not be opened, or the server closed them",
                units::grouped(*missing),
                units::grouped(*asked)
            ),
            Self::GeneratorTail { lag_p99_ns, response_p99_ns } => write!(
                f,
                "the swarm's own lag is a large part of the tail: p99 {} of {}",
                units::time(*lag_p99_ns as f64),
                units::time(*response_p99_ns as f64)
            ),
            Self::SampledLate { late_ns } => write!(
                f,
                "reading the server's costs went on for the first {} of the window",
                units::time(*late_ns as f64)
            ),
            Self::LeftBehind { processes } => write!(
                f,
                "the server left processes of other groups behind, which were ended: {}",
                processes.join(", ")
            ),
            Self::Slowed { factor } => {
                write!(
                    f,
                    "the machine itself was slower than shortly before: {} as long",
                    units::factor(*factor)
                )
            }
            Self::KilledAtStop => write!(f, "the server did not stop in time and was killed"),
            Self::LittlesLaw { off } => {
                write!(
                    f,
                    "clients, throughput and response time disagree by {} (Little's law)",
                    units::share(*off)
                )
            }
            Self::Saturated { values } => {
                write!(f, "{} lay above the histogram's range of one hour", units::plural(*values, "value"))
            }
        }
    }
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Within(ns) => write!(f, "within {}", units::time(*ns)),
            Self::NotWithin(ns) => write!(f, "not within {}", units::time(*ns)),
            Self::Unknown(_) => write!(f, "unknown"),
        }
    }
}

/// Reasons or doubts of one trial or cell, one after the other.
pub(crate) fn joined<T: fmt::Display>(all: &[T]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl fmt::Display for CellDoubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.of {
            1 => self.worst.fmt(f),
            _ => write!(f, "{} ({} of {} rounds)", self.worst, self.rounds, self.of),
        }
    }
}

/// A text that begins with a capital letter.
pub(crate) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// A quantile as text.
pub(crate) fn quantile(quantile: Quantile) -> String {
    match quantile {
        Quantile::Value(ns) => units::time(ns as f64),
        Quantile::NeverAnswered => "never".to_owned(),
        Quantile::Insufficient { .. } => "too few".to_owned(),
    }
}

/// Which models of a workload reached the generator's limit, in a sentence; `None` when none did.
pub(crate) fn limit(workload: &Workload) -> Option<String> {
    let models = workload.at_ceiling();
    let ceiling = workload.bounds.ceiling_per_s.filter(|_| !models.is_empty())?;
    Some(format!(
        "At the generator's limit (the null server did {}): {}.",
        units::rate(ceiling),
        models.join(", ")
    ))
}

/// When each model was back to normal after the surge, or done with a burst, in a sentence; `None` for a workload with neither.
pub(crate) fn recovery(workload: &Workload) -> Option<String> {
    let what = match workload.scenario.load.shape() {
        RateShape::Steady => return None,
        RateShape::Surge { .. } => "Back to normal after the surge",
        RateShape::Bursts { .. } => "Done with a burst after its end",
    };
    let told = of_each(workload, |cell| cell.recovery().map(|recovery| recovery.to_string()));
    let told = if told.is_empty() { "unknown, no valid trial".to_owned() } else { told };
    Some(format!("{what}: {told}."))
}

/// How many threads each model had over the window, in a sentence; `None` where none was read.
pub(crate) fn threads(workload: &Workload) -> Option<String> {
    let told = of_each(workload, |cell| {
        let moments = &cell.merged.as_ref()?.moments;
        let counts = || moments.iter().filter_map(|moment| moment.threads).map(|count| count.round() as u64);
        let (fewest, most) = (counts().min()?, counts().max()?);
        let range = match fewest == most {
            true => units::grouped(most),
            false => format!("{} to {}", units::grouped(fewest), units::grouped(most)),
        };
        let paid = cell.value(Metric::ThreadSeconds)?;
        Some(format!("{range} ({})", Metric::ThreadSeconds.show(paid)))
    });
    (!told.is_empty()).then(|| format!("Threads over the window (thread-seconds): {told}."))
}

/// How late the replies of each model were where something is lost on the way, in a sentence; `None` where nothing is. Goodput counts
/// what came in time, and not what the rest waited for: with TCP for a segment that is sent again, with UDP for ever.
pub(crate) fn tails(workload: &Workload) -> Option<String> {
    const PERCENTILES: [Metric; 3] = [Metric::ResponseP50, Metric::ResponseP99, Metric::ResponseP999];
    if workload.scenario.loss == 0.0 {
        return None;
    }
    let told = of_each(workload, |cell| {
        let each = PERCENTILES
            .map(|metric| cell.value(metric).map_or_else(|| "-".to_owned(), |value| metric.show(value)));
        cell.merged.as_ref().map(|_| each.join(" / "))
    });
    let what = PERCENTILES.map(|metric| metric.short()).join(" / ");
    (!told.is_empty()).then(|| format!("Response {what}: {told}."))
}

/// What there is to say of each model, in the order of its standing.
fn of_each(workload: &Workload, say: impl Fn(&Cell) -> Option<String>) -> String {
    let standings = workload.verdict.standings.iter();
    let told = standings
        .filter_map(|standing| Some(format!("{} {}", standing.model, say(workload.cell(&standing.model)?)?)));
    told.collect::<Vec<_>>().join(", ")
}

impl ErrorKind {
    /// What it is called in a table.
    pub fn label(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::Closed => "closed early",
            Self::Corrupt => "wrong replies",
            Self::Abandoned => "lost with another's connection",
            Self::Connect => "connect failed",
            Self::Shortage => "for want of ports, descriptors or memory of the load generator's own",
            Self::Other => "other",
        }
    }
}
