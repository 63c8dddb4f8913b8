//! What a swarm worker is told to do.

use super::defect::Defect;
use super::loss::Loss;
use crate::workload::load::{Background, Load, RequestShape, Timing, Tls};
use crate::workload::scenario::Scenario;
use bakeoff_reports::record::{Audience, Transport};
use bakeoff_servers::tls::Fingerprint;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// Everything a swarm worker needs to know: shard `shard` of `shards` of one seeded schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerSpec {
    /// Where the server listens.
    pub target: SocketAddr,
    /// Name of the service it speaks.
    pub service: String,
    /// What carries its requests.
    #[serde(default)]
    pub transport: Transport,
    /// The share of what comes back that is lost on the way, 0 to 1 (see [`Loss`]).
    #[serde(default)]
    pub loss: f64,
    /// Whom its messages are for; `None` where a request is answered to whoever sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<Audience>,
    /// The load, of the whole swarm (not of this shard).
    pub load: Load,
    /// The requests.
    pub request: RequestShape,
    /// The times.
    pub timing: Timing,
    /// Slices the window is cut into, 1 to 1,000.
    pub slices: u32,
    /// Seed of the schedule.
    pub seed: u64,
    /// Which shard this worker is, from 0.
    pub shard: u32,
    /// How many there are.
    pub shards: u32,
    /// Connections that are held beside those of the load, of the whole swarm.
    #[serde(default)]
    pub background: Background,
    /// CPUs to stay on; empty for any.
    pub cpus: Vec<u32>,
    /// Congestion control to ask for; `None` leaves the system's.
    pub congestion_control: Option<String>,
    /// How it speaks TLS; `None` where it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ClientTls>,
    /// A way to measure wrongly, for `bakeoff verify`; `None` everywhere else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defect: Option<Defect>,
}

/// How a swarm speaks TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientTls {
    /// Whether connections after the first resume a session where the server lets them.
    pub resume: bool,
    /// The only certificate that it accepts; `None` for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
}

/// Slices of a window unless more or fewer are asked for.
const SLICES: u32 = 10;

impl WorkerSpec {
    /// A whole load on a server, with nothing beside it; change what differs.
    pub fn new(target: SocketAddr, service: &str, load: Load, request: RequestShape, timing: Timing) -> Self {
        Self {
            target,
            service: service.into(),
            transport: Transport::Tcp,
            loss: 0.0,
            audience: None,
            load,
            request,
            timing,
            slices: SLICES,
            seed: 1,
            shard: 0,
            shards: 1,
            background: Background::default(),
            cpus: Vec::new(),
            congestion_control: None,
            tls: None,
            defect: None,
        }
    }

    /// The loss, if there is any.
    pub fn loss(&self) -> Option<Loss> {
        Loss::new(self.loss, self.seed)
    }

    /// The whole load of a scenario.
    pub fn of(scenario: &Scenario, target: SocketAddr, seed: u64, congestion_control: Option<&str>) -> Self {
        let (load, request) = (scenario.load.clone(), scenario.request.clone());
        Self {
            transport: scenario.transport,
            loss: scenario.loss,
            audience: scenario.audience,
            slices: scenario.slices,
            seed,
            background: scenario.background,
            tls: scenario.tls.map(|Tls { resume }| ClientTls { resume, fingerprint: None }),
            congestion_control: congestion_control.map(str::to_string),
            ..Self::new(target, &scenario.service, load, request, scenario.timing)
        }
    }
}
