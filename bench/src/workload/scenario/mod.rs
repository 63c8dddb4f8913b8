//! Scenarios: a workload as a TOML file, checked into values that can be run.
//!
//! Everything a file can get wrong is refused here, with file, line and reason, before any process is started. This
//! module never touches a socket or a clock.

mod builtin;
mod check;
mod demand_keys;
mod file;
mod http_keys;
mod load_keys;

pub use builtin::{BUILT_IN, BuiltIn, Group, REFERENCE};
pub use check::ScenarioError;

use crate::host::clock::nanoseconds;
use crate::workload::contestant::{self, Contestant};
use crate::workload::load::{
    Audience, Background, DemandShape, Load, POISON, RequestShape, Timing, Tls, Transport,
};
use crate::workload::server::ServerSettings;
use bakeoff_reports::ask::theory::arithmetic::{self, Known};
use bakeoff_reports::record::{Metric, ScenarioRecord, SweepPoint, Work};
use bakeoff_servers::services::{self, STAGES, ServiceConfig};
use bakeoff_servers::{ServerConfig, models};
use std::time::Duration;

/// In which rounds a trial counts events (system calls, switches, faults) before its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counting {
    /// In the first ones: a count per request hardly varies.
    FirstRounds,
    /// In all: what decides is counted.
    EveryRound,
    /// In none: nobody reads it.
    Never,
}

/// One workload, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// One line on what it separates.
    pub about: String,
    /// The service the servers run.
    pub service: String,
    /// What carries its requests.
    pub transport: Transport,
    /// The share of what comes back to the swarm that is lost on the way, 0 to 1.
    pub loss: f64,
    /// Whom its messages are for; `None` where a request is answered to whoever sent it.
    pub audience: Option<Audience>,
    /// The figure that decides: the one asked for, or a lower percentile where a block of it asks too few requests for that
    /// one (see [`Metric::decided_by`]).
    pub merit: Metric,
    /// The figure that its file asks to decide.
    pub asked_merit: Metric,
    /// In which rounds events are counted before the window.
    pub counting: Counting,
    /// The response time to keep under.
    pub objective: Option<Duration>,
    /// Where it lies in a sweep; a file never says so.
    pub sweep: Option<SweepPoint>,
    /// The contestants to run instead of the default models, unless others are chosen by hand.
    pub models: Option<Vec<Contestant>>,
    /// Contestants to run besides these, unless others are chosen by hand.
    pub also: Vec<Contestant>,
    /// The load.
    pub load: Load,
    /// Background connections.
    pub background: Background,
    /// How its connections are encrypted, if they are.
    pub tls: Option<Tls>,
    /// The requests.
    pub request: RequestShape,
    /// What it sets on the servers of all its contestants, where it differs from the default.
    pub server: ServerSettings,
    /// The times of a trial.
    pub timing: Timing,
    /// Slices of the window.
    pub slices: u32,
    /// The text it was read from.
    pub toml: String,
}

/// Times of a trial unless a scenario says otherwise.
pub const DEFAULT_TIMING: Timing = Timing {
    warmup: Duration::from_millis(100),
    window: Duration::from_millis(300),
    timeout: Duration::from_secs(2),
    // As long as the timeout: a late reply is late, not lost. A trial ends as soon as nothing is outstanding.
    drain: Duration::from_secs(2),
};

/// What the demand of a service means.
fn work(kind: &str) -> Work {
    match kind {
        "compute" => Work::Compute,
        "wait" => Work::Wait,
        "block" => Work::Block,
        STAGES => Work::Stages,
        POISON => Work::Poison,
        other => unreachable!("a service states a demand of the kind `{other}`"),
    }
}

impl Scenario {
    /// Reads a scenario from the text of a file; `origin` names the file in errors.
    ///
    /// # Errors
    /// Unknown keys, wrong units, values out of range, unknown services or models, a schedule too large to hold; each
    /// with its line.
    pub fn parse(text: &str, origin: &str) -> Result<Self, ScenarioError> {
        file::parse(text, origin)
    }

    /// The built-in scenario of this name.
    pub fn built_in(name: &str) -> Option<Self> {
        let found = BUILT_IN.iter().find(|b| b.name == name)?;
        Some(Self::parse(found.toml, found.name).expect("built-in scenarios are checked by a test"))
    }

    /// Who runs it unless others are chosen by hand.
    pub fn contestants_by_default(&self) -> Vec<Contestant> {
        let own = self.models.clone();
        // A request that is spelled out is for a server that knows it, as ours as a rule do not.
        let serves = self.request.http.is_none();
        let standard = || {
            models::standard()
                .map(|model| Contestant::Model(model.into()))
                .filter(|one| serves && one.refusal(&self.service, self.transport).is_none())
                .collect()
        };
        let mut contestants = own.unwrap_or_else(standard);
        contestants.extend(self.also.iter().cloned());
        contestants
    }

    /// What a request demands: what the service does of itself where the file states nothing.
    pub fn demand(&self) -> DemandShape {
        match self.request.demand {
            DemandShape::None if matches!(self.work(), Some(Work::Compute | Work::Wait | Work::Block)) => {
                DemandShape::Fixed { value: ServiceConfig::default().default_demand }
            }
            stated => stated,
        }
    }

    /// What a request asks for, with all that it computes `factor` times as long.
    pub fn calibrated(&self, factor: f64) -> RequestShape {
        let request = RequestShape { demand: self.demand(), ..self.request.clone() };
        request.computing_scaled(self.work(), factor)
    }

    /// Whether a request computes.
    pub fn computes(&self) -> bool {
        self.request.stages(self.work()).iter().any(|stage| stage.work == Work::Compute)
    }

    /// What a demand makes the server do; `None` for a service that does no work.
    pub fn work(&self) -> Option<Work> {
        services::find(&self.service).and_then(|service| service.demand).map(work)
    }

    /// What arithmetic decides of it before a run, on servers of so many CPUs.
    pub fn known<'a>(&self, contestants: impl Iterator<Item = &'a Contestant>, cpus: usize) -> Vec<Known> {
        let models: Vec<_> = contestants.map(Contestant::record).collect();
        let names = models.iter().map(|model| model.name.clone()).collect();
        arithmetic::known(&self.record(names, &self.server.config(cpus)), &models, cpus)
    }

    /// What a bundle keeps of this scenario, run with `models` on servers of this configuration.
    pub fn record(&self, models: Vec<String>, server: &ServerConfig) -> ScenarioRecord {
        let request = RequestShape { demand: self.demand(), ..self.request.clone() };
        ScenarioRecord {
            name: self.name.clone(),
            about: self.about.clone(),
            service: self.service.clone(),
            transport: self.transport,
            loss: self.loss,
            audience: self.audience,
            load: self.load.clone(),
            background: self.background,
            tls: self.tls,
            request,
            calibration: None,
            work: self.work(),
            timing: self.timing,
            server: contestant::setup(server, self.server.backlog()),
            server_cpus: Vec::new(),
            merit: self.merit,
            objective_ns: self.objective.map(nanoseconds),
            sweep: self.sweep.clone(),
            models,
            toml: self.toml.clone(),
        }
    }
}
