//! The scenario file: its keys, their ranges, and errors that say file, line and reason.

use super::units::{PositiveSpan, Size, Span};
use super::{DEFAULT_TIMING, Scenario, ServerTuning};
use crate::load::{Arrivals, DemandShape, Load, RequestError, RequestShape, Timing};
use crate::suggest;
use crate::swarm::schedule::{self, ScheduleError};
use bakeoff_reports::record::Merit;
use bakeoff_servers::models;
use bakeoff_servers::services::{self, ServiceEntry};
use serde::Deserialize;
use toml::Spanned;

/// Why a scenario was refused.
#[derive(Debug, thiserror::Error)]
#[error("scenario `{origin}`, line {line}: {reason}")]
pub struct ScenarioError {
    /// The file (or the built-in scenario's name).
    pub origin: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it and what would be right.
    pub reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Spanned<String>,
    about: String,
    service: Spanned<String>,
    merit: Spanned<FileMerit>,
    objective: Option<PositiveSpan>,
    models: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    also: Vec<Spanned<String>>,
    load: Spanned<FileLoad>,
    request: Spanned<FileRequest>,
    #[serde(default)]
    server: FileServer,
    #[serde(default)]
    trial: FileTrial,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum FileMerit {
    Throughput,
    ResponseP99,
    ResponseP50,
    Goodput,
    Answered,
    MemoryPerConnection,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileLoad {
    kind: FileLoadKind,
    clients: Spanned<i64>,
    think: Option<Spanned<Span>>,
    rate: Option<Spanned<f64>>,
    arrivals: Option<Spanned<Arrivals>>,
    requests_per_connection: Option<Spanned<i64>>,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum FileLoadKind {
    Closed,
    Open,
    Churn,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRequest {
    size: Spanned<Size>,
    demand: Option<Spanned<FileDemand>>,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum FileDemand {
    Fixed { value: PositiveSpan },
    Exponential { mean: PositiveSpan },
    Bimodal { short: PositiveSpan, long: PositiveSpan, long_share: f64 },
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct FileServer {
    backlog: Option<Spanned<i64>>,
    pool_workers: Option<Spanned<i64>>,
    blocking_workers: Option<Spanned<i64>>,
    compute_workers: Option<Spanned<i64>>,
    runtime_workers: Option<Spanned<i64>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct FileTrial {
    warmup: Option<Span>,
    window: Option<PositiveSpan>,
    timeout: Option<PositiveSpan>,
    drain: Option<Span>,
    slices: Option<Spanned<i64>>,
}

/// Turns positions in the text into errors with lines.
struct Checker<'a> {
    text: &'a str,
    origin: &'a str,
}

type Checked<T> = Result<T, ScenarioError>;

impl Checker<'_> {
    fn error(&self, at: usize, reason: impl Into<String>) -> ScenarioError {
        let before = &self.text.as_bytes()[..at.min(self.text.len())];
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        ScenarioError { origin: self.origin.into(), line, reason: reason.into() }
    }

    fn at<T>(&self, value: &Spanned<T>, reason: impl Into<String>) -> ScenarioError {
        self.error(value.span().start, reason)
    }

    fn whole<T: TryFrom<i64>>(&self, key: &str, value: &Spanned<i64>, least: i64, most: i64) -> Checked<T> {
        let number = *value.get_ref();
        let refuse = || self.at(value, format!("`{key}` is {number}; it must be from {least} to {most}"));
        if !(least..=most).contains(&number) {
            return Err(refuse());
        }
        T::try_from(number).map_err(|_| refuse())
    }

    fn optional<T: TryFrom<i64>>(
        &self,
        key: &str,
        value: Option<&Spanned<i64>>,
        most: i64,
    ) -> Checked<Option<T>> {
        value.map(|v| self.whole(key, v, 1, most)).transpose()
    }
}

pub(super) fn parse(text: &str, origin: &str) -> Checked<Scenario> {
    let check = Checker { text, origin };
    let file: File = toml::from_str(text)
        .map_err(|e| check.error(e.span().map_or(0, |s| s.start), e.message().replace('\n', " ")))?;
    if file.name.get_ref().trim().is_empty() {
        return Err(check.at(&file.name, "`name` is empty"));
    }
    let service = file.service.get_ref().clone();
    let Some(entry) = services::find(&service) else {
        let known = services::ALL.iter().map(|s| s.name);
        return Err(check.at(&file.service, suggest::unknown("service", &service, known)));
    };
    let timing = Timing {
        warmup: file.trial.warmup.map_or(DEFAULT_TIMING.warmup, |s| s.0),
        window: file.trial.window.map_or(DEFAULT_TIMING.window, |s| s.0),
        timeout: file.trial.timeout.map_or(DEFAULT_TIMING.timeout, |s| s.0),
        drain: file.trial.drain.map_or(DEFAULT_TIMING.drain, |s| s.0),
    };
    let load = load(&check, &file.load)?;
    let request = request(&check, entry, &file.request)?;
    schedule::check(&load, &request, &timing, 0, 1)
        .map_err(|error| check.error(position(&error, &file.load), error.to_string()))?;
    let merit = merit(&check, &file, &load)?;
    Ok(Scenario {
        models: file.models.as_ref().map(|models| some_names(&check, models)).transpose()?,
        also: names(&check, &file.also)?,
        request,
        server: server(&check, &file.server)?,
        slices: file.trial.slices.as_ref().map_or(Ok(10), |s| check.whole("slices", s, 1, 1000))?,
        name: file.name.into_inner(),
        about: file.about,
        merit,
        service,
        objective: file.objective.map(|span| span.0),
        sweep: None,
        load,
        timing,
        toml: text.into(),
    })
}

/// The figure of merit, where the workload can have it.
fn merit(check: &Checker<'_>, file: &File, load: &Load) -> Checked<Merit> {
    let merit = match *file.merit.get_ref() {
        FileMerit::Throughput => Merit::Throughput,
        FileMerit::ResponseP99 => Merit::ResponseP99,
        FileMerit::ResponseP50 => Merit::ResponseP50,
        FileMerit::Goodput => Merit::Goodput,
        FileMerit::Answered => Merit::Answered,
        FileMerit::MemoryPerConnection => Merit::MemoryPerConnection,
    };
    let refuse = |reason: &str| Err(check.at(&file.merit, reason));
    let open = matches!(load, Load::Open { .. });
    match merit {
        Merit::Goodput if file.objective.is_none() => refuse(
            "goodput is what is answered in time, so it needs `objective`: the response time to keep under, such as \"5ms\"",
        ),
        // Elsewhere a server that answers nothing is asked little: what it fails to do would hardly count.
        Merit::Answered if !open => refuse(
            "the share answered needs a load of kind \"open\": other clients stop asking where nobody answers, and what \
             they did not ask would not count against the server",
        ),
        Merit::MemoryPerConnection if matches!(load, Load::Churn { .. }) => {
            refuse("memory per connection needs connections that stay: a load of kind \"closed\" or \"open\"")
        }
        _ => Ok(merit),
    }
}

fn names(check: &Checker<'_>, names: &[Spanned<String>]) -> Checked<Vec<String>> {
    let known = || models::ALL.iter().map(|m| m.name());
    let mut seen = Vec::new();
    for name in names {
        let text = name.get_ref();
        if models::find(text).is_none() {
            return Err(check.at(name, suggest::unknown("model", text, known())));
        }
        if seen.contains(text) {
            return Err(check.at(name, format!("`{text}` stands here twice")));
        }
        seen.push(text.clone());
    }
    Ok(seen)
}

fn some_names(check: &Checker<'_>, models: &Spanned<Vec<Spanned<String>>>) -> Checked<Vec<String>> {
    if models.get_ref().is_empty() {
        return Err(check.at(models, "`models` is empty; name some, or leave it out for the default ones"));
    }
    names(check, models.get_ref())
}

fn load(check: &Checker<'_>, spanned: &Spanned<FileLoad>) -> Checked<Load> {
    let file = spanned.get_ref();
    let clients = check.whole("clients", &file.clients, 1, i64::from(schedule::MAX_CLIENTS))?;
    let (kind, takes) = match file.kind {
        FileLoadKind::Closed => ("closed", ["think"].as_slice()),
        FileLoadKind::Open => ("open", ["rate", "arrivals"].as_slice()),
        FileLoadKind::Churn => ("churn", ["requests_per_connection"].as_slice()),
    };
    for (key, position) in [
        ("think", file.think.as_ref().map(|v| v.span().start)),
        ("rate", file.rate.as_ref().map(|v| v.span().start)),
        ("arrivals", file.arrivals.as_ref().map(|v| v.span().start)),
        ("requests_per_connection", file.requests_per_connection.as_ref().map(|v| v.span().start)),
    ] {
        if let Some(position) = position.filter(|_| !takes.contains(&key)) {
            let reason =
                format!("`{key}` has no meaning in a load of kind \"{kind}\", which takes {takes:?}");
            return Err(check.error(position, reason));
        }
    }
    Ok(match file.kind {
        FileLoadKind::Closed => Load::Closed {
            clients,
            think: file.think.as_ref().map_or_else(Default::default, |t| t.get_ref().0),
        },
        FileLoadKind::Open => {
            let Some(rate) = &file.rate else {
                return Err(check.at(spanned, "an open load needs `rate`, in requests per second"));
            };
            let rate_per_s = *rate.get_ref();
            if !(rate_per_s.is_finite() && rate_per_s > 0.0) {
                return Err(check.at(rate, format!("`rate` is {rate_per_s}; it must be above zero")));
            }
            let arrivals = file.arrivals.as_ref().map_or(Arrivals::Poisson, |a| *a.get_ref());
            Load::Open { clients, rate_per_s, arrivals }
        }
        FileLoadKind::Churn => {
            let requests = check.optional(
                "requests_per_connection",
                file.requests_per_connection.as_ref(),
                1_000_000,
            )?;
            Load::Churn { clients, requests_per_connection: requests.unwrap_or(1) }
        }
    })
}

fn request(
    check: &Checker<'_>,
    service: &ServiceEntry,
    spanned: &Spanned<FileRequest>,
) -> Checked<RequestShape> {
    let file = spanned.get_ref();
    let demand = match file.demand.as_ref().map(Spanned::get_ref) {
        None => DemandShape::None,
        Some(FileDemand::Fixed { value }) => DemandShape::Fixed { value: value.0 },
        Some(FileDemand::Exponential { mean }) => DemandShape::Exponential { mean: mean.0 },
        Some(FileDemand::Bimodal { short, long, long_share }) => {
            DemandShape::Bimodal { short: short.0, long: long.0, long_share: *long_share }
        }
    };
    let at_demand = file.demand.as_ref().map_or(spanned.span().start, |demand| demand.span().start);
    if let DemandShape::Bimodal { long_share, .. } = demand
        && !(long_share > 0.0 && long_share < 1.0)
    {
        return Err(
            check.error(at_demand, format!("`long_share` is {long_share}; it must lie between 0 and 1"))
        );
    }
    let request = RequestShape { size: file.size.get_ref().0, demand };
    request.check(service).map_err(|error| match &error {
        RequestError::Size(_) => check.at(&file.size, error.to_string()),
        RequestError::Demand(_) => check.error(at_demand, error.to_string()),
    })?;
    Ok(request)
}

/// Where in the file a schedule error comes from.
fn position(error: &ScheduleError, load: &Spanned<FileLoad>) -> usize {
    let file = load.get_ref();
    let key = match error {
        ScheduleError::Clients(_) | ScheduleError::Shard { .. } => Some(file.clients.span()),
        ScheduleError::Rate(_) | ScheduleError::TooManyRequests { .. } => {
            file.rate.as_ref().map(Spanned::span)
        }
        ScheduleError::EmptySession => file.requests_per_connection.as_ref().map(Spanned::span),
        ScheduleError::TooLong { .. }
        | ScheduleError::Zero(_)
        | ScheduleError::Size(_)
        | ScheduleError::Share(_) => None,
    };
    key.unwrap_or_else(|| load.span()).start
}

fn server(check: &Checker<'_>, file: &FileServer) -> Checked<ServerTuning> {
    Ok(ServerTuning {
        backlog: check.optional("backlog", file.backlog.as_ref(), 65_535)?,
        pool_workers: check.optional("pool_workers", file.pool_workers.as_ref(), 10_000)?,
        blocking_workers: check.optional("blocking_workers", file.blocking_workers.as_ref(), 10_000)?,
        compute_workers: check.optional("compute_workers", file.compute_workers.as_ref(), 1_024)?,
        runtime_workers: check.optional("runtime_workers", file.runtime_workers.as_ref(), 1_024)?,
    })
}
