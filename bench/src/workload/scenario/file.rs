//! The scenario file: its keys, their ranges, and errors that say file, line and reason.

use super::check::{Checked, Checker};
use super::demand_keys::FileDemands;
use super::http_keys::{self, FileHttp};
use super::load_keys::{self, FileBackground, FileLoad};
use super::{Counting, DEFAULT_TIMING, Scenario};
use crate::suggest;
use crate::workload::audience::{self, Asked};
use crate::workload::bounds::{self, ScheduleError};
use crate::workload::contestant::{Contestant, NamedCommand};
use crate::workload::load::{
    Audience, AudienceKind, Background, DemandShape, Load, RequestError, RequestShape, Timing, Tls,
    Transport, check_request,
};
use crate::workload::server::{Key, ServerSettings};
use crate::workload::transport;
use crate::workload::units::{PositiveSpan, Share, Size, Span, Whole};
use bakeoff_reports::record::Metric;
use bakeoff_servers::services::{self, ServiceEntry};
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::{Spanned, Value};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Spanned<String>,
    about: String,
    service: Spanned<String>,
    transport: Option<Spanned<Transport>>,
    loss: Option<Spanned<Share>>,
    audience: Option<Spanned<FileAudience>>,
    merit: Spanned<Metric>,
    objective: Option<PositiveSpan>,
    models: Option<Spanned<Vec<Spanned<FileModel>>>>,
    #[serde(default)]
    also: Vec<Spanned<FileModel>>,
    load: Spanned<FileLoad>,
    // As it was called up to version 0.1.
    #[serde(alias = "beside")]
    background: Option<Spanned<FileBackground>>,
    tls: Option<Spanned<FileTls>>,
    request: Spanned<FileRequest>,
    #[serde(default)]
    server: FileServer,
    #[serde(default)]
    trial: FileTrial,
}

/// `{ kind = "room", size = 100, slow = 1 }`; everybody, where no size is stated, and of whispers a pair; nobody slow.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileAudience {
    kind: AudienceKind,
    size: Option<Spanned<Whole>>,
    slow: Option<Spanned<Whole>>,
}

/// `true`, `false`, or `{ resume = false }`.
#[derive(Deserialize)]
#[serde(untagged, expecting = "`tls` is true, false, or a table such as { resume = false }")]
enum FileTls {
    Spoken(bool),
    As(FileTlsTable),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileTlsTable {
    resume: bool,
}

/// The service whose requests may be spelled out.
const HTTP: &str = "http";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRequest {
    size: Option<Spanned<Size>>,
    demand: Option<Spanned<FileDemands>>,
    http: Option<Spanned<FileHttp>>,
}

/// A contestant: `"tokio"`, `"tokio[compute_workers=8]"`, `{ model = "tokio", compute_workers = 8 }`, or
/// `{ name = "go", command = "./server {port}" }`.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a contestant is a model's name, a table such as { model = \"tokio\", compute_workers = 8 }, or a command such \
                 as { name = \"go\", command = \"./server {port}\" }"
)]
enum FileModel {
    Name(String),
    Command(FileCommand),
    Tuned {
        model: String,
        #[serde(flatten)]
        sizes: BTreeMap<String, Value>,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileCommand {
    name: String,
    command: String,
}

impl FileModel {
    fn contestant(&self) -> Result<Contestant, String> {
        match self {
            Self::Name(name) => Contestant::model(name),
            Self::Command(FileCommand { name, command }) => {
                NamedCommand::new(name, command).map(Contestant::Command)
            }
            Self::Tuned { model, sizes } if sizes.is_empty() => Contestant::model(model),
            Self::Tuned { model, sizes } => {
                let sizes: Vec<String> = sizes.iter().map(|(name, size)| format!("{name}={size}")).collect();
                Contestant::model(&format!("{model}[{}]", sizes.join(",")))
            }
        }
    }
}

/// Keys are looked up by [`Key`], which has their ranges.
type FileServer = BTreeMap<Spanned<String>, Spanned<Whole>>;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct FileTrial {
    warmup: Option<Span>,
    window: Option<PositiveSpan>,
    timeout: Option<PositiveSpan>,
    drain: Option<Span>,
    slices: Option<Spanned<Whole>>,
}

/// Whether a character of a name is itself on a terminal and on a page: it neither drives the one nor reorders the other
/// (the controls of the Unicode Bidirectional Algorithm, UAX 9).
fn is_plain(c: char) -> bool {
    let reorders =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !c.is_control() && !reorders && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

pub(super) fn parse(text: &str, origin: &str) -> Checked<Scenario> {
    let check = Checker { text, origin };
    let file: File = toml::from_str(text)
        .map_err(|e| check.error(e.span().map_or(0, |s| s.start), e.message().replace('\n', " ")))?;
    if file.name.get_ref().trim().is_empty() {
        return Err(check.at(&file.name, "`name` is empty"));
    }
    if let Some(c) = file.name.get_ref().chars().find(|c| !is_plain(*c)) {
        let what = format!(
            "`name` holds U+{:04X}, which does not show or drives what shows it; leave it out",
            u32::from(c)
        );
        return Err(check.at(&file.name, &what));
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
    let load = load_keys::load(&check, &file.load)?;
    let background = load_keys::background(&check, file.background.as_ref())?;
    let request = request(&check, entry, &file.request)?;
    if request.http.is_some() && matches!(load, Load::Pipelined { .. }) {
        let why = "`pipeline` is not for a request that `[request.http]` spells out: few servers answer several at once";
        return Err(check.at(&file.load, why));
    }
    let tls = tls(&check, &file, &request)?;
    bounds::check(&load, &request, &timing, 0, 1)
        .and_then(|()| bounds::check_stages(&request, &timing))
        .and_then(|()| bounds::check_background(&load, &background))
        .map_err(|error| check.error(position(&error, &file), error.to_string()))?;
    let (transport, loss) = transport(&check, &file, &load, &request, &background, &timing)?;
    bounds::check_tls(tls.is_some(), transport, &load, &background)
        .map_err(|error| check.error(position(&error, &file), error.to_string()))?;
    let audience = audience(&check, &file, &request, &background, &timing, &load, tls)?;
    let asked_merit = merit(&check, &file, &load)?;
    // What the server sets the pace of asks as much as it answers: nobody knows before.
    let planned = load.rate_per_s(timing.window).map(|rate| rate * timing.window.as_secs_f64());
    let merit = planned.map_or(asked_merit, |requests| asked_merit.decided_by(requests));
    Ok(Scenario {
        models: file.models.as_ref().map(|models| some_contestants(&check, models)).transpose()?,
        also: contestants(&check, &file.also)?,
        request,
        server: server(&check, &file.server)?,
        slices: file.trial.slices.as_ref().map_or(Ok(10), |s| check.whole("slices", s, 1, 1000))?,
        name: file.name.into_inner(),
        about: file.about,
        merit,
        asked_merit,
        counting: if merit.is_counted() { Counting::EveryRound } else { Counting::FirstRounds },
        service,
        transport,
        loss,
        audience,
        objective: file.objective.map(|span| span.0),
        sweep: None,
        load,
        background,
        tls,
        timing,
        toml: text.into(),
    })
}

/// What carries the requests, and how much of what comes back is lost.
fn transport(
    check: &Checker<'_>,
    file: &File,
    load: &Load,
    request: &RequestShape,
    background: &Background,
    timing: &Timing,
) -> Checked<(Transport, f64)> {
    let carrier = file.transport.as_ref().map_or_else(Transport::default, |transport| *transport.get_ref());
    let loss = file.loss.as_ref().map_or(0.0, |loss| loss.get_ref().0);
    for name in file.server.keys() {
        let key = Key::all().find(|key| key.name() == name.get_ref());
        key.map_or(Ok(()), |key| transport::check_key(carrier, key))
            .map_err(|error| check.at(name, error.to_string()))?;
    }
    let at = file.transport.as_ref().map(Spanned::span).or(file.loss.as_ref().map(Spanned::span));
    transport::check_service(carrier, file.service.get_ref())
        .and_then(|()| transport::check(carrier, loss, load, request, background, timing))
        .map_err(|error| check.error(at.map_or(0, |span| span.start), error.to_string()))?;
    Ok((carrier, loss))
}

/// Whom messages are for.
fn audience(
    check: &Checker<'_>,
    file: &File,
    request: &RequestShape,
    background: &Background,
    timing: &Timing,
    load: &Load,
    tls: Option<Tls>,
) -> Checked<Option<Audience>> {
    let Some(spanned) = &file.audience else { return Ok(None) };
    let FileAudience { kind, size, slow } = spanned.get_ref();
    let size = match (size, kind) {
        (Some(size), _) => check.whole("size", size, 2, audience::MAX_CIRCLE.into())?,
        (None, AudienceKind::One) => 2,
        (None, AudienceKind::Group | AudienceKind::Room) => load.clients(),
    };
    let slow =
        slow.as_ref().map_or(Ok(0), |slow| check.whole("slow", slow, 0, audience::MAX_CIRCLE.into()))?;
    let is_plain = file.transport.as_ref().is_none_or(|one| one.get_ref().is_tcp())
        && tls.is_none()
        && file.loss.as_ref().is_none_or(|loss| loss.get_ref().0 == 0.0);
    let asked = Asked { service: file.service.get_ref(), load, request, background, timing, is_plain };
    let audience = Audience { kind: *kind, size, slow };
    audience::check(Some(audience), &asked).map_err(|error| check.at(spanned, error.to_string()))?;
    Ok(Some(audience))
}

/// How the connections are encrypted, where they can be.
fn tls(check: &Checker<'_>, file: &File, request: &RequestShape) -> Checked<Option<Tls>> {
    let Some(spanned) = &file.tls else { return Ok(None) };
    let tls = match spanned.get_ref() {
        FileTls::Spoken(false) => return Ok(None),
        // As a browser or a pool of connections does.
        FileTls::Spoken(true) => Tls { resume: true },
        FileTls::As(FileTlsTable { resume }) => Tls { resume: *resume },
    };
    if services::find(file.service.get_ref()).is_some_and(ServiceEntry::talks) {
        let why = "a chat is served without TLS: others write to a client beside its own session";
        return Err(check.at(spanned, why));
    }
    let named = file.models.iter().flat_map(|models| models.get_ref()).chain(&file.also);
    if request.http.is_some()
        || named.into_iter().any(|model| matches!(model.get_ref(), FileModel::Command(_)))
    {
        let why = "`tls` is for the models: servers of somebody else's, and the requests spelled out for them, are asked \
                   without it; `bakeoff load --tls` asks any server";
        return Err(check.at(spanned, why));
    }
    Ok(Some(tls))
}

/// The figure of merit, where the workload can have it.
fn merit(check: &Checker<'_>, file: &File, load: &Load) -> Checked<Metric> {
    let merit = *file.merit.get_ref();
    let refuse = |reason: &str| Err(check.at(&file.merit, reason));
    let open = matches!(load, Load::Open { .. });
    match merit {
        _ if !merit.decides() => refuse(&format!(
            "the {} only describes; what decides is one of {}",
            merit.label(),
            Metric::deciding().map(Metric::key).collect::<Vec<_>>().join(", ")
        )),
        Metric::Goodput if file.objective.is_none() => refuse(
            "goodput is what is answered in time, so it needs `objective`: the response time to keep under, such as \"5ms\"",
        ),
        // Elsewhere a server that answers nothing is asked little: what it fails to do would hardly count.
        Metric::Answered if !open => refuse(
            "the share answered needs a load of kind \"open\": other clients stop asking where nobody answers, and what \
             they did not ask would not count against the server",
        ),
        Metric::MemoryPerConnection if file.transport.as_ref().is_some_and(|one| !one.get_ref().is_tcp()) => {
            refuse("memory per connection needs connections, and over UDP there are none")
        }
        Metric::MemoryPerConnection if matches!(load, Load::Churn { .. }) => {
            refuse("memory per connection needs connections that stay: a load of kind \"closed\" or \"open\"")
        }
        _ => Ok(merit),
    }
}

fn contestants(check: &Checker<'_>, models: &[Spanned<FileModel>]) -> Checked<Vec<Contestant>> {
    let mut all: Vec<Contestant> = Vec::new();
    for model in models {
        let one = model.get_ref().contestant().map_err(|why| check.at(model, why))?;
        if all.iter().any(|other| other.name() == one.name()) {
            return Err(check.at(model, format!("`{}` is listed twice", one.name())));
        }
        all.push(one);
    }
    Ok(all)
}

fn some_contestants(
    check: &Checker<'_>,
    models: &Spanned<Vec<Spanned<FileModel>>>,
) -> Checked<Vec<Contestant>> {
    if models.get_ref().is_empty() {
        return Err(check.at(models, "`models` is empty; name some, or leave it out for the default ones"));
    }
    contestants(check, models.get_ref())
}

fn request(
    check: &Checker<'_>,
    service: &ServiceEntry,
    spanned: &Spanned<FileRequest>,
) -> Checked<RequestShape> {
    let file = spanned.get_ref();
    let size = match (&file.http, &file.size) {
        (Some(http), None) if file.demand.is_none() && service.name == HTTP => {
            return http_keys::request(check, http);
        }
        (Some(http), _) if service.name != HTTP => {
            let why =
                format!("`[request.http]` is for the service http; this workload asks {}", service.name);
            return Err(check.at(http, why));
        }
        (Some(http), _) => {
            let why = "`[request.http]` spells the request out, so that `size` and `demand` have no meaning beside it";
            return Err(check.at(http, why));
        }
        (None, Some(size)) => size,
        (None, None) => {
            return Err(check.at(spanned, "`size` is missing: the payload of a request, such as \"64 B\""));
        }
    };
    let at_demand = file.demand.as_ref().map_or(spanned.span().start, |demand| demand.span().start);
    let stated = file.demand.as_ref().map(|demand| demand.get_ref().request(size.get_ref().0));
    let request = match stated {
        None => RequestShape::new(size.get_ref().0, DemandShape::None),
        Some(request) => request.map_err(|why| check.error(at_demand, why))?,
    };
    check_request(&request, service).map_err(|error| match &error {
        RequestError::Size(_) => check.at(size, error.to_string()),
        RequestError::Demand(_) => check.error(at_demand, error.to_string()),
    })?;
    Ok(request)
}

/// Where in the file an error of the schedule comes from.
fn position(error: &ScheduleError, file: &File) -> usize {
    match (error, &file.request.get_ref().demand) {
        (ScheduleError::NotOverTls(_), _) => file.tls.as_ref().map_or(0, |tls| tls.span().start),
        (ScheduleError::Demand(_), Some(demand)) => demand.span().start,
        _ => load_keys::position(error, &file.load),
    }
}

fn server(check: &Checker<'_>, file: &FileServer) -> Checked<ServerSettings> {
    let mut settings = ServerSettings::default();
    for (name, value) in file {
        let Some(key) = Key::all().find(|key| key.name() == name.get_ref()) else {
            let known: Vec<String> = Key::all().map(|key| format!("`{}`", key.name())).collect();
            let reason = format!("unknown field `{}`, expected one of {}", name.get_ref(), known.join(", "));
            return Err(check.at(name, reason));
        };
        let number = check.whole(key.name(), value, 1, key.most().into())?;
        settings.set(key, number).map_err(|why| check.at(value, why))?;
    }
    Ok(settings)
}
