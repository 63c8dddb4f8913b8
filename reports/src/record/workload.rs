//! A workload that was run, and what a question can be held against: its figures, and where a point of a sweep lies.

use super::{
    Audience, Background, Facts, Load, Metric, ModelRecord, RequestShape, Run, ServerSetup, Timing, Tls,
    Transport, Work, moments_of_sum, ns,
};
use serde::{Deserialize, Serialize};

/// A workload that was run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenarioRecord {
    /// Its name: free text from a file; escape it wherever it is shown.
    pub name: String,
    /// One line on what it separates.
    pub about: String,
    /// The service the servers ran.
    pub service: String,
    /// What carries its requests.
    #[serde(default, skip_serializing_if = "Transport::is_tcp")]
    pub transport: Transport,
    /// The share of what comes back to the swarm that is lost on the way (TCP: segments; UDP: datagrams), 0 to 1.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub loss: f64,
    /// Whom a message is for; absent where a request is answered to whoever sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<Audience>,
    /// How requests arrive, over how many connections.
    pub load: Load,
    /// Connections that are held beside these.
    pub background: Background,
    /// How its connections are encrypted; absent where they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// What a request is made of; where it states no demand and the service has one of its own, that one.
    pub request: RequestShape,
    /// Nominal time asked for each unit of its demand of computing, so that it takes the time stated on this machine; absent
    /// where nothing is computed, and where the demand is nominal itself, as it was up to version 0.1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<f64>,
    /// What its demand makes the server do; absent for a service that does no work.
    pub work: Option<Work>,
    /// The times of a trial.
    pub timing: Timing,
    /// How the servers were set up.
    pub server: ServerSetup,
    /// The CPUs of its servers, where it says how many they get; else they are those of the run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub server_cpus: Vec<u32>,
    /// The figure that decides.
    pub merit: Metric,
    /// The response time to keep under, if the workload states one: percentiles and goodput are held against it.
    pub objective_ns: Option<u64>,
    /// Where it lies in a sweep; absent for a workload that stands alone.
    pub sweep: Option<SweepPoint>,
    /// Names of the models that ran it, in the order to show them.
    pub models: Vec<String>,
    /// The scenario as it was written, a TOML document, for people: with the seed it makes the schedule again. Nothing here
    /// reads it.
    pub toml: String,
}

fn is_zero(share: &f64) -> bool {
    *share == 0.0
}

impl ScenarioRecord {
    /// Connections that ask (concurrent sessions for churn).
    pub fn clients(&self) -> u64 {
        self.load.clients().into()
    }

    /// Requests per second that the schedule asks for on average; `None` where the server sets the pace.
    pub fn rate_per_s(&self) -> Option<f64> {
        self.load.rate_per_s(self.timing.window)
    }

    /// The measured window.
    pub fn window_ns(&self) -> u64 {
        ns::of(self.timing.window)
    }

    /// Warm-up before the window.
    pub fn warmup_ns(&self) -> u64 {
        ns::of(self.timing.warmup)
    }

    /// The workload in figures.
    pub fn profile(&self) -> Profile {
        let (pacing, requests_per_connection) = match self.load {
            Load::Closed { .. } | Load::Pipelined { .. } => (Pacing::Closed, None),
            Load::Open { .. } => (Pacing::Open, None),
            Load::Churn { requests_per_connection, .. } => {
                (Pacing::Churn, Some(requests_per_connection.into()))
            }
        };
        let stages = self.request.stages(self.work);
        let (_, demand_scv) = moments_of_sum(&stages);
        let of = |work: Work| moments_of_sum(stages.iter().filter(|stage| stage.work == work)).0;
        Profile {
            pacing,
            active_connections: self.clients(),
            idle_connections: self.background.idle.into(),
            rate_per_s: self.rate_per_s(),
            requests_per_connection,
            in_flight_per_connection: self.load.in_flight_per_connection(),
            payload_bytes: self.request.size.into(),
            compute_ns: of(Work::Compute),
            wait_ns: of(Work::Wait),
            block_ns: of(Work::Block),
            demand_scv,
        }
    }
}

impl Run {
    /// The CPUs of a workload's servers.
    pub fn server_cpus<'a>(&'a self, scenario: &'a ScenarioRecord) -> &'a [u32] {
        match scenario.server_cpus.as_slice() {
            [] => &self.environment.server_cpus,
            own => own,
        }
    }

    /// What a model of the run states of itself, as far as the bundle says.
    pub fn facts(&self, model: &str) -> Option<&Facts> {
        self.model(model)?.facts.as_ref()
    }

    /// What the bundle says of a model.
    pub fn model(&self, name: &str) -> Option<&ModelRecord> {
        self.models.iter().find(|one: &&ModelRecord| one.name == name)
    }
}

/// What a workload asks of a server, in figures. Means are over requests.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// How requests arrive.
    pub pacing: Pacing,
    /// Connections that ask (concurrent sessions for churn).
    pub active_connections: u64,
    /// Connections that are held beside them and never ask.
    pub idle_connections: u64,
    /// Requests per second that the schedule asks for on average; absent where the server sets the pace.
    pub rate_per_s: Option<f64>,
    /// Requests on a connection before it is closed; absent where connections stay.
    pub requests_per_connection: Option<u64>,
    /// Requests that a connection may have under way at once; 1 without pipelining.
    pub in_flight_per_connection: u32,
    /// Payload of a request or of its reply, whichever is larger.
    pub payload_bytes: u64,
    /// Mean CPU time that a request asks for beyond moving its bytes; nominal where it is not calibrated.
    pub compute_ns: f64,
    /// Mean time that a request waits for somebody else without holding a thread.
    pub wait_ns: f64,
    /// Mean time that a request holds its thread without using the CPU.
    pub block_ns: f64,
    /// Variance of all that work together over its squared mean: 0 fixed, 1 exponential, above it a heavy tail.
    pub demand_scv: f64,
}

/// How requests arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pacing {
    /// Each client waits for its reply before it asks again.
    Closed,
    /// When the schedule says.
    Open,
    /// Connect, some requests, close, again.
    Churn,
}

/// Where a workload lies in a sweep: the same workload at several values of one parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepPoint {
    /// Name of the workload that is swept; the points of one sweep share it.
    pub of: String,
    /// The parameter.
    pub axis: Axis,
    /// Its value here: connections, requests per second, CPUs or members.
    pub value: f64,
}

/// The parameter of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// Connections that ask (concurrent sessions for churn).
    Clients,
    /// Requests per second of an open loop.
    Rate,
    /// Connections that are held and never ask.
    Idle,
    /// CPUs of the server.
    Cores,
    /// Members of a chat, who are all in one room or group.
    Room,
}

/// A time in which the schedule asks for more than before and after it. Times are from the window's begin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Surge {
    /// When it begins.
    pub begin_ns: u64,
    /// When it ends.
    pub end_ns: u64,
    /// How many times the usual rate it asks for.
    pub factor: f64,
}
