//! Verdicts, reasons and doubts in words, the same in every report.
//!
//! A reason names what happened and its size; it never guesses at a cause that was not measured. A verdict never speaks of
//! "all" models when some could not be compared.

mod across;
mod advise;
pub mod anatomy;
pub(crate) mod caveats;
pub(crate) mod envelope;
pub mod envelopes;
pub mod exclusion;
pub mod explain;
pub(crate) mod gate;
pub(crate) mod history;
pub(crate) mod metric;
pub(crate) mod probe;
pub(crate) mod reason;
pub mod stops;
pub(crate) mod sweep;
pub(crate) mod theory;
pub(crate) mod trust;
pub(crate) mod waiting;
pub mod workload;

use crate::cells::cell::CellDoubt;
use crate::cells::recovery::Recovery;
use crate::record::{Doubt, ErrorKind, FOREIGN_SHARE, Invalid, SCHEDULE_SHARE, STEAL_SHARE};
use crate::rules::verdict::{
    Flip, LEVEL, MIN_ROUNDS, MOST_MORE, Outcome, Place, Standing, Verdict, rounds_to_tell,
};
use crate::rules::workload::Workload;
use crate::show::units;
use crate::stats::estimate::Estimate;
use crate::stats::paired::Better;
use crate::stats::quantile::Quantile;
use std::fmt;

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServerDidNotStart { detail } => write!(f, "the server did not start: {detail}"),
            Self::ServerDied { detail } => write!(f, "the server ended during the trial: {detail}"),
            Self::NothingConnected { detail } => write!(f, "the server accepted no connection: {detail}"),
            Self::SwarmFailed { detail } => write!(f, "the swarm failed: {detail}"),
            Self::WrongReply { replies } => {
                write!(f, "replies with a wrong byte: {}", units::grouped(*replies))
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
                write!(f, "{} never served", units::plural(*connections, "connection"))
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

impl Verdict {
    /// The choice in a few words: "tokio", "tokio or mio-event-loop", "tokio, or perhaps thread-pool", "no model",
    /// "undecided".
    pub fn choice(&self) -> String {
        match &self.outcome {
            Outcome::Chosen { winners, perhaps, .. } => {
                let sure = units::any_of(&winners[..winners.len() - perhaps.len()]);
                match perhaps.as_slice() {
                    [] => sure,
                    perhaps => format!("{sure}, or perhaps {}", units::any_of(perhaps)),
                }
            }
            Outcome::NoneFits => "no model".to_owned(),
            Outcome::Undecided { .. } => "undecided".to_owned(),
            Outcome::NoVerdict { .. } => "no verdict".to_owned(),
        }
    }

    /// How far the choice is ahead, what was not resolved or not compared, where it flips and what the run could have found,
    /// as sentences.
    pub fn lead(&self) -> String {
        let lead = match &self.outcome {
            Outcome::Chosen { winners, perhaps, next } => match next {
                None if perhaps.is_empty() => self.all_equal(),
                None => self.none_behind(),
                Some((next, factor)) => self.ahead(&winners[0], next, factor) + &self.beaten_by(next),
            },
            Outcome::NoneFits => match self.merit.nothing() {
                Some(nothing) => {
                    format!("Even the best model compared {nothing}, in half of its rounds or more.")
                }
                None => format!(
                    "Every model compared left so many requests unanswered that its {} is infinite.",
                    self.merit.label()
                ),
            },
            Outcome::Undecided { more } => self.too_few(*more),
            Outcome::NoVerdict { lost, asked } => {
                let (lost, asked) = (units::grouped(u64::from(*lost)), units::grouped(u64::from(*asked)));
                return format!("Too many trials of the run were invalid: {lost} of {asked}.");
            }
        };
        let flips: Vec<String> = self.boundary.iter().map(Flip::sentence).collect();
        let flips = Some(flips.join(" ")).filter(|text| !text.is_empty());
        let chosen = matches!(self.outcome, Outcome::Chosen { .. });
        let of_choice = |sentence: Option<String>| sentence.filter(|_| chosen);
        let sentences = [
            Some(lead),
            of_choice(self.not_resolved()),
            of_choice(flips),
            of_choice(self.sensitivity()),
            self.not_compared(),
        ];
        sentences.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    fn compared(&self) -> usize {
        self.standings.iter().filter(|standing| standing.compared()).count()
    }

    /// "The 5 models", or how many of them could be compared.
    fn those_compared(&self) -> String {
        let (compared, all) = (self.compared(), self.standings.len());
        if compared == all {
            format!("The {all} models")
        } else {
            format!("The {compared} models that could be compared, of {all},")
        }
    }

    fn all_equal(&self) -> String {
        let matters = units::share(self.merit.floor());
        format!(
            "{} differ in {} by less than the {matters} that matter.",
            self.those_compared(),
            self.merit.label()
        )
    }

    fn none_behind(&self) -> String {
        format!(
            "{} are not distinguishable by {} with these rounds: none is shown to be behind.",
            self.those_compared(),
            self.merit.label()
        )
    }

    /// The models that the rounds do not tell from the best, each with how far it came out and what it would take.
    fn not_resolved(&self) -> Option<String> {
        let tell = |standing: &Standing| {
            let Place::Unresolved { factor, more } = standing.place else { return None };
            let rounds = match more {
                more if more >= MOST_MORE => format!("over {} more rounds", units::grouped(MOST_MORE as u64)),
                more => format!("about {}", units::plural(more as u64, "more round")),
            };
            let (median, interval) = (units::factor(factor.median), units::interval(factor.low, factor.high));
            Some(format!("{} ({median}, {interval}; {rounds})", standing.model))
        };
        let open: Vec<String> = self.standings.iter().filter_map(tell).collect();
        (!open.is_empty())
            .then(|| format!("Not distinguishable from the best with these rounds: {}.", open.join("; ")))
    }

    /// What difference the run would have found, or that it had too few rounds to find any.
    fn sensitivity(&self) -> Option<String> {
        let rounds = self.standings.iter().filter_map(|one| Some(one.place.factor()?.rounds)).max()?;
        let least = rounds_to_tell(LEVEL);
        if rounds < least {
            let rounds = units::plural(rounds as u64, "round");
            return Some(format!("With {rounds} no model can be shown to be behind: run at least {least}."));
        }
        let factor = self.detectable?;
        let size = if factor < 2.0 { units::share(factor - 1.0) } else { units::factor(factor) };
        Some(format!("This run could detect differences of {size} or more."))
    }

    fn ahead(&self, best: &str, next: &str, factor: &Estimate) -> String {
        let figure = self.merit.label();
        if factor.median.is_infinite() {
            return match self.merit.nothing() {
                Some(nothing) => {
                    format!("The next, {next}, {nothing}, in half of the rounds or more.")
                }
                None => {
                    format!("The next, {next}, never answered enough of its requests to have a {figure}.")
                }
            };
        }
        let (by, interval) = (units::factor(factor.median), units::interval(factor.low, factor.high));
        match self.merit.better() {
            Better::More => format!("{best} has {by} the {figure} of {next} ({interval})."),
            Better::Less => format!("{next} has {by} the {figure} of {best} ({interval})."),
        }
    }

    /// Which model the next one is behind, where that is not the best.
    fn beaten_by(&self, next: &str) -> String {
        let by = self.standing(next).and_then(|standing| standing.beaten_by.as_ref());
        by.map_or_else(String::new, |by| format!(" It is {by} that {next} is shown to be behind."))
    }

    fn too_few(&self, more: usize) -> String {
        let (compared, all) = (self.compared(), self.standings.len());
        if all < 2 {
            return "There are not two models to compare.".to_owned();
        }
        let which = match compared {
            0 => format!("None of the {all} models could be compared"),
            _ => format!("Only {compared} of {all} models could be compared, too few for a choice"),
        };
        format!("{which}: needs at least {}.", units::plural(more as u64, "more valid round"))
    }

    /// The models that the outcome says nothing of, each with the reason.
    fn not_compared(&self) -> Option<String> {
        let out = self.standings.iter().filter(|standing| !standing.compared());
        let out: Vec<String> = out
            .map(|standing| {
                let mut why = vec![match standing.rounds {
                    rounds if rounds < MIN_ROUNDS => format!("{rounds} of the {MIN_ROUNDS} rounds needed"),
                    _ => format!("fewer than {MIN_ROUNDS} rounds shared with the best"),
                }];
                if standing.excluded > 0 {
                    let trials = units::plural(u64::from(standing.excluded), "trial");
                    why.push(format!("{trials} left out as invalid"));
                }
                if standing.without_figure > 0 {
                    let rounds = units::plural(standing.without_figure as u64, "round");
                    why.push(format!("{rounds} {}", self.merit.why_none()));
                }
                format!("{} ({})", standing.model, why.join(", "))
            })
            .collect();
        (!out.is_empty()).then(|| format!("Not compared: {}.", out.join("; ")))
    }
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

/// When each model was back to normal after the surge, in a sentence; `None` for a workload without one.
pub(crate) fn recovery(workload: &Workload) -> Option<String> {
    workload.scenario.load.surge()?;
    let standings = workload.verdict.standings.iter();
    let told: Vec<String> = standings
        .filter_map(|standing| {
            let recovery = workload.cell(&standing.model)?.recovery()?;
            Some(format!("{} {recovery}", standing.model))
        })
        .collect();
    let told = if told.is_empty() { "unknown, no valid trial".to_owned() } else { told.join(", ") };
    Some(format!("Back to normal after the surge: {told}."))
}

impl ErrorKind {
    /// What it is called in a table.
    pub fn label(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::Closed => "closed early",
            Self::Corrupt => "wrong bytes",
            Self::Abandoned => "lost with another's connection",
            Self::Connect => "connect failed",
            Self::Shortage => "for want of ports, descriptors or memory of the load generator's own",
            Self::Other => "other",
        }
    }
}
