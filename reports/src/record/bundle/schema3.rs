//! The door for bundles of schema 3, which told a load as a sentence and the set-up of servers as text: the head is converted
//! once, here, and nothing behind it knows of the old form.
//!
//! The load is read from the scenario file that the old head holds whole, and held against the figures that stood typed beside
//! it. What does not agree, or is not there, is refused by name and never guessed. The old head does not say how a model is
//! made; what the models of that version stated is known by their names, which changes no more.

use crate::record::{
    Arrivals, Background, Concurrency, DemandShape, Facts, Load, PerClient, RateShape, RequestShape, Role,
    Run, SCHEMA_VERSION, ScenarioRecord, ServerSetup, SweepPoint, Timing, Transport, Tuning, Work,
};
use jiff::SignedDuration;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use strum::VariantArray as _;

/// The schema that is read here.
pub(super) const VERSION: u64 = 3;

/// A workload as the old head has it; what is not read here follows from what is.
#[derive(Deserialize)]
struct OldScenario {
    name: String,
    about: String,
    service: String,
    merit: crate::record::Metric,
    objective_ns: Option<u64>,
    profile: OldProfile,
    sweep: Option<SweepPoint>,
    models: Vec<String>,
    clients: u64,
    scheduled_rate_per_s: Option<f64>,
    warmup_ns: u64,
    window_ns: u64,
    parameters: BTreeMap<String, String>,
    toml: String,
}

#[derive(Deserialize)]
struct OldProfile {
    payload_bytes: u32,
    compute_ns: f64,
    wait_ns: f64,
    block_ns: f64,
}

/// What is read of the scenario file.
#[derive(Deserialize)]
struct OldFile {
    load: OldLoad,
    #[serde(default)]
    beside: OldBackground,
    request: OldRequest,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum OldLoad {
    Closed {
        clients: u32,
        think: Option<Span>,
        pipeline: Option<u32>,
    },
    Open {
        clients: u32,
        rate: f64,
        arrivals: Option<Arrivals>,
        bursts: Option<OldBursts>,
        surge: Option<OldSurge>,
    },
    Churn {
        clients: u32,
        requests_per_connection: Option<u32>,
    },
}

#[derive(Deserialize)]
struct OldBursts {
    on: Span,
    off: Span,
}

#[derive(Deserialize)]
struct OldSurge {
    factor: f64,
    after: Span,
    lasting: Span,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OldBackground {
    idle: u32,
    slow_readers: u32,
    slow_senders: u32,
}

#[derive(Deserialize)]
struct OldRequest {
    demand: Option<OldDemand>,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum OldDemand {
    Fixed { value: Span },
    Exponential { mean: Span },
    Bimodal { short: Span, long: Span, long_share: f64 },
    Pareto { least: Span, most: Span, shape: f64 },
    Poison { share: f64 },
}

/// A span as people wrote it: "200us".
struct Span(Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        span(&String::deserialize(from)?).map(Self).map_err(D::Error::custom)
    }
}

fn span(text: &str) -> Result<Duration, String> {
    let signed: Option<SignedDuration> = text.trim().parse().ok();
    signed.and_then(|signed| signed.try_into().ok()).ok_or_else(|| format!("`{text}` is no span of time"))
}

/// The head of a bundle of schema 3 as one of this schema.
///
/// # Errors
/// It is no such head, or does not say something that this schema needs.
pub(super) fn head(body: &str) -> Result<Run, String> {
    let mut head: Value = serde_json::from_str(body).map_err(|error| error.to_string())?;
    let run = &mut head["run"];
    run["schema_version"] = SCHEMA_VERSION.into();
    for model in run["models"].as_array_mut().into_iter().flatten() {
        let facts = model["name"].as_str().and_then(facts);
        model["facts"] = serde_json::to_value(facts).map_err(|error| error.to_string())?;
    }
    for scenario in run["scenarios"].as_array_mut().into_iter().flatten() {
        let old: OldScenario = serde_json::from_value(scenario.take()).map_err(|error| error.to_string())?;
        let name = old.name.clone();
        let new =
            scenario_of(old).map_err(|why| format!("the workload {name} cannot be converted: {why}"))?;
        *scenario = serde_json::to_value(new).map_err(|error| error.to_string())?;
    }
    serde_json::from_value(run.take()).map_err(|error| error.to_string())
}

/// What a model of the versions that wrote schema 3 stated of itself; `None` for the command of somebody else.
pub(crate) fn facts(name: &str) -> Option<Facts> {
    let name = name.strip_suffix(" (A)").or_else(|| name.strip_suffix(" (B)")).unwrap_or(name);
    let (blocking, computing) = (Tuning::BlockingWorkers, Tuning::ComputeWorkers);
    let (nobody, role) = (PerClient::Nothing, Role::Standard);
    let of = |concurrency, per_client, tunings: &[Tuning], role| {
        Some(Facts { concurrency, per_client, tunings: tunings.to_vec(), role })
    };
    let unbounded =
        |per_client, tunings: &[Tuning], role| of(Concurrency::Unbounded, per_client, tunings, role);
    match name {
        "iterative" => of(Concurrency::One, nobody, &[], Role::Extra),
        "fork-per-client" => unbounded(PerClient::Process, &[], role),
        "thread-per-client" => unbounded(PerClient::Thread, &[], Role::Reference),
        "thread-pool" => of(Concurrency::HeldBy(Tuning::PoolWorkers), nobody, &[Tuning::PoolWorkers], role),
        "mio-event-loop" => unbounded(nobody, &[blocking, computing], role),
        "mio-event-loop-inline" => unbounded(nobody, &[], Role::Extra),
        "tokio" => unbounded(nobody, &[blocking, computing, Tuning::RuntimeWorkers], role),
        "poll-reactor" | "io-uring" | "tokio-current-thread" => {
            unbounded(nobody, &[blocking, computing], Role::Extra)
        }
        _ => None,
    }
}

fn scenario_of(old: OldScenario) -> Result<ScenarioRecord, String> {
    let file: OldFile = toml::from_str(&old.toml)
        .map_err(|error| format!("its scenario file cannot be read ({})", error.message()))?;
    let (work, demand) = work(&old.profile, file.request.demand)?;
    let OldBackground { idle, slow_readers, slow_senders } = file.beside;
    let parameter = |name: &str| {
        old.parameters.get(name).map(String::as_str).ok_or_else(|| format!("it does not say its {name}"))
    };
    let count = |name: &str| {
        let text = parameter(name)?;
        text.parse::<u32>().map_err(|_| format!("its {name} are `{text}`, which is no number"))
    };
    let workers = Tuning::VARIANTS.iter().copied().zip(["pool", "blocking", "compute", "runtime"]);
    let workers = workers.map(|(tuning, name)| Ok((tuning, count(&format!("{name} workers"))?)));
    let ballast = match old.parameters.get("ballast") {
        None => 0,
        Some(text) => text
            .strip_suffix(" MiB")
            .and_then(|number| number.parse().ok())
            .ok_or_else(|| format!("its ballast is `{text}`, which is no number of MiB"))?,
    };
    let new = ScenarioRecord {
        load: load(file.load),
        transport: Transport::Tcp,
        loss: 0.0,
        audience: None,
        background: Background { idle, slow_readers, slow_senders },
        request: RequestShape::new(old.profile.payload_bytes, demand),
        tls: None,
        calibration: None,
        work,
        timing: Timing {
            warmup: Duration::from_nanos(old.warmup_ns),
            window: Duration::from_nanos(old.window_ns),
            timeout: span(parameter("request timeout")?)?,
            drain: span(parameter("drain")?)?,
        },
        server_cpus: Vec::new(),
        server: ServerSetup {
            backlog: count("backlog")?,
            ballast_mib: ballast,
            workers: workers.collect::<Result<_, String>>()?,
        },
        name: old.name,
        about: old.about,
        service: old.service,
        merit: old.merit,
        objective_ns: old.objective_ns,
        sweep: old.sweep,
        models: old.models,
        toml: old.toml,
    };
    if (new.clients(), new.rate_per_s()) != (old.clients, old.scheduled_rate_per_s) {
        return Err("its clients or its rate are not those of its scenario file".to_owned());
    }
    Ok(new)
}

fn load(old: OldLoad) -> Load {
    match old {
        OldLoad::Closed { clients, pipeline: Some(depth @ 2..), .. } => Load::Pipelined { clients, depth },
        OldLoad::Closed { clients, think, .. } => {
            Load::Closed { clients, think: think.map_or(Duration::ZERO, |think| think.0) }
        }
        OldLoad::Churn { clients, requests_per_connection } => {
            Load::Churn { clients, requests_per_connection: requests_per_connection.unwrap_or(1) }
        }
        OldLoad::Open { clients, rate, arrivals, bursts, surge } => {
            let shape = match (bursts, surge) {
                (Some(OldBursts { on, off }), _) => RateShape::Bursts { on: on.0, off: off.0 },
                (None, Some(OldSurge { factor, after, lasting })) => {
                    RateShape::Surge { factor, after: after.0, lasting: lasting.0 }
                }
                (None, None) => RateShape::Steady,
            };
            Load::Open { clients, rate_per_s: rate, arrivals: arrivals.unwrap_or(Arrivals::Poisson), shape }
        }
    }
}

/// The kind of work, which the mean of one of three figures tells, and the demand; where the file states none, that mean is
/// what the service did of itself.
fn work(profile: &OldProfile, demand: Option<OldDemand>) -> Result<(Option<Work>, DemandShape), String> {
    let kinds =
        [(Work::Compute, profile.compute_ns), (Work::Wait, profile.wait_ns), (Work::Block, profile.block_ns)];
    let some = kinds.into_iter().find(|(_, mean_ns)| *mean_ns > 0.0);
    let demand = match demand {
        Some(OldDemand::Fixed { value }) => DemandShape::Fixed { value: value.0 },
        Some(OldDemand::Exponential { mean }) => DemandShape::Exponential { mean: mean.0 },
        Some(OldDemand::Bimodal { short, long, long_share }) => {
            DemandShape::Bimodal { short: short.0, long: long.0, long_share }
        }
        Some(OldDemand::Pareto { least, most, shape }) => {
            DemandShape::Pareto { least: least.0, most: most.0, shape }
        }
        Some(OldDemand::Poison { share }) => return Ok((Some(Work::Poison), DemandShape::Poison { share })),
        None => some.map_or(DemandShape::None, |(_, mean_ns)| DemandShape::Fixed {
            value: Duration::from_nanos(mean_ns.round() as u64),
        }),
    };
    match (some, &demand) {
        (Some((work, _)), _) => Ok((Some(work), demand)),
        (None, DemandShape::None) => Ok((None, demand)),
        (None, _) => Err("it states a demand, and not of what kind of work".to_owned()),
    }
}
