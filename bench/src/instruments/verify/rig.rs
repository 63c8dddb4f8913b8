//! What the oracles share: servers and swarms started as a run starts them, and a trial's figures.
//!
//! The swarm under test is the real one, in worker processes. Never judges a figure; says only whether something
//! foreign disturbed the trial it comes from.

use super::finding::{Finding, Status};
use super::sentinel::Sentinel;
use crate::host::usage::{Between, Mark};
use crate::process::context::Context;
use crate::process::launch::LaunchError;
use crate::process::server::Server;
use crate::process::serving::ServeOptions;
use crate::process::workers::{Window, Workers};
use crate::swarm::defect::Defect;
use crate::swarm::schedule::seed_of_round;
use crate::swarm::spec::WorkerSpec;
use crate::trial::judge::{FOREIGN_SHARE, STEAL_SHARE};
use crate::workload::load::{DemandShape, Load, RequestShape, Timing, Transport};
use crate::workload::server::DEFAULT_BACKLOG;
use bakeoff_reports::record::histogram::Recorder;
use bakeoff_reports::record::{EncodedHistogram, Measured, Reading};
use bakeoff_reports::stats::quantile::Distribution;
use bakeoff_servers::model::{Concurrency, Meta, PerClient, Tuning};
use bakeoff_servers::{ServerConfig, models};
use std::net::SocketAddr;
use std::time::Duration;

/// How much time the oracles take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// A few seconds for each: enough to see a gross lie. For `--mutants` and tests.
    Quick,
    /// All together under a minute.
    Short,
    /// Some minutes: narrower bands.
    Long,
}

impl Scale {
    /// One of three values.
    pub fn pick<T>(self, quick: T, short: T, long: T) -> T {
        match self {
            Self::Quick => quick,
            Self::Short => short,
            Self::Long => long,
        }
    }
}

/// How often an oracle's trials are run at most, when something disturbs them.
const TRIES: u32 = 3;

/// What the oracles run with.
#[derive(Debug)]
pub struct Rig<'a> {
    /// Where servers and workers run.
    pub context: &'a Context,
    /// Seed of everything drawn.
    pub seed: u64,
    /// How long to take.
    pub scale: Scale,
    /// How the harness is broken, if it is.
    pub defect: Option<Defect>,
    /// False alarm rate of one statistical figure.
    pub alpha: f64,
}

/// Whose work in a trial is not a disturbance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnWork {
    /// The tree of this server process, and the swarm's.
    Server(u32),
    /// This process, which serves from threads of its own, and its children.
    Ourselves,
}

/// The server of which a theory speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One client at a time.
    One,
    /// So many workers, each with one client at a time.
    Pool(u32),
    /// A worker for each client.
    Each,
}

impl Kind {
    fn is(self, meta: &Meta) -> bool {
        match self {
            Self::One => meta.concurrency == Concurrency::One,
            Self::Pool(_) => meta.concurrency == Concurrency::HeldBy(Tuning::PoolWorkers),
            Self::Each => meta.per_client == PerClient::Thread,
        }
    }
}

/// What a trial showed.
#[derive(Debug)]
pub struct RigTrial {
    /// The record.
    pub measured: Measured,
    /// Response times.
    pub response: Recorder,
    /// Service times.
    pub service: Recorder,
    /// What disturbed it.
    pub disturbed: Option<String>,
    /// How much too late naps of a millisecond ended beside it, on average and on the worst CPU, in nanoseconds; 0 unwatched.
    pub nap_late_ns: f64,
    averages: bool,
}

impl Rig<'_> {
    /// Starts a server on the server CPUs.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn serve(&self, kind: Kind, service: &str) -> Result<Server, LaunchError> {
        let mut config = ServerConfig::for_cpus(self.context.cpus.server.len());
        if let Kind::Pool(workers) = kind {
            config.pool_workers = workers as usize;
        }
        let model = models::first(|meta| kind.is(meta)).expect("a model of each kind").name();
        let options = self.context.serve_options(service, DEFAULT_BACKLOG, config);
        let mut server = self.context.model(model).start(&options)?;
        server.go()?;
        Ok(server)
    }

    /// Starts a model as a server of datagrams on the server CPUs.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn serve_datagrams(&self, model: &str) -> Result<Server, LaunchError> {
        let config = ServerConfig::for_cpus(self.context.cpus.server.len());
        let options = self.context.serve_options("echo", DEFAULT_BACKLOG, config);
        let options = ServeOptions { transport: Transport::Udp, ..options };
        let mut server = self.context.model(model).start(&options)?;
        server.go()?;
        Ok(server)
    }

    /// A trial of 64-byte requests: 300 ms of warm-up, patience of 20 s. Change what differs.
    pub fn spec(&self, target: SocketAddr, service: &str, load: Load, window: Duration) -> WorkerSpec {
        let patience = Duration::from_secs(20);
        let request = RequestShape::new(64, DemandShape::None);
        let timing =
            Timing { warmup: Duration::from_millis(300), window, timeout: patience, drain: patience };
        let (seed, defect) = (self.seed, self.defect);
        WorkerSpec { seed, defect, ..WorkerSpec::new(target, service, load, request, timing) }
    }

    /// Runs a trial with `shards` workers, with `meanwhile` going on in the window; looks out for the work of others than
    /// those in `watch`.
    ///
    /// # Errors
    /// When the swarm fails, or when interrupted.
    pub fn trial(
        &self,
        spec: &WorkerSpec,
        shards: u32,
        watch: OwnWork,
        meanwhile: impl FnOnce(Window) -> Result<(), LaunchError>,
    ) -> Result<RigTrial, LaunchError> {
        self.watched(spec, shards, watch, true, meanwhile)
    }

    fn watched(
        &self,
        spec: &WorkerSpec,
        shards: u32,
        watch: OwnWork,
        sentinel: bool,
        meanwhile: impl FnOnce(Window) -> Result<(), LaunchError>,
    ) -> Result<RigTrial, LaunchError> {
        let context = self.context;
        let mut workers = Workers::spawn(&context.launcher, spec, shards, &context.cpus.swarm)?;
        let window = workers.start()?;
        workers.sleep_until(window.begin)?;
        let pinned: Vec<u32> =
            self.context.cpus.server.iter().chain(&self.context.cpus.swarm).copied().collect();
        let root = match watch {
            OwnWork::Server(pid) => pid,
            OwnWork::Ourselves => std::process::id(),
        };
        let sentinel = sentinel.then(|| Sentinel::watch(&pinned));
        let before = Mark::take(root, &pinned);
        meanwhile(window)?;
        workers.sleep_until(window.end)?;
        let after = Mark::take(root, &pinned);
        let watched = sentinel.map(Sentinel::end).unwrap_or_default();
        let measured = workers.collect()?;
        workers.shutdown();
        // The workers are children of this process, so that its own tree holds their time already.
        let beside_ns = if watch == OwnWork::Ourselves { 0 } else { measured.swarm_cpu_ns };
        let alone = self.context.cpus.shared().then(|| "server and swarm had to share a CPU".to_string());
        let disturbed = alone
            .or_else(|| disturbance(&before.until(&after, spec.timing.window, beside_ns)))
            .or(watched.stood_still);
        let decode = |histogram: &EncodedHistogram| {
            Recorder::decode(histogram).map_err(|e| LaunchError::Refused(e.to_string()))
        };
        let (response, service) = (decode(&measured.response)?, decode(&measured.service)?);
        let averages = self.defect == Some(Defect::AveragePercentiles);
        Ok(RigTrial { measured, response, service, disturbed, nap_late_ns: watched.nap_late_ns, averages })
    }

    /// As [`trial`](Self::trial), with one worker and nothing going on.
    ///
    /// # Errors
    /// As there.
    pub fn plain_trial(&self, spec: &WorkerSpec, server: &Server) -> Result<RigTrial, LaunchError> {
        self.trial(spec, 1, OwnWork::Server(server.pid()), |_| Ok(()))
    }

    /// As [`plain_trial`](Self::plain_trial), without the look-out for standstills, which keeps the CPUs from falling
    /// asleep: for a comparison with something that has none.
    ///
    /// # Errors
    /// As there.
    pub fn quiet_trial(&self, spec: &WorkerSpec, server: &Server) -> Result<RigTrial, LaunchError> {
        self.watched(spec, 1, OwnWork::Server(server.pid()), false, |_| Ok(()))
    }

    /// Runs an oracle's trials; again with a fresh seed, up to three times in all, while something disturbs them,
    /// whatever the figures are (not at [`Scale::Quick`]), and while a figure is off as a host that stood still would
    /// leave it ([`Finding::may_be_held_up`]).
    ///
    /// # Errors
    /// Those of `trials`.
    pub fn undisturbed(
        &self,
        trials: impl Fn(u64) -> Result<Vec<Finding>, LaunchError>,
    ) -> Result<Vec<Finding>, LaunchError> {
        let is_spoiled = |finding: &Finding| {
            let told = finding.disturbed.is_some() || finding.void.is_some();
            (told && self.scale != Scale::Quick) || finding.may_be_held_up()
        };
        // What no stall explains is told, whatever else is off beside it.
        let is_wrong = |finding: &Finding| finding.verdict() == Status::Fail && !finding.may_be_held_up();
        let mut findings = trials(self.seed)?;
        for again in 1..TRIES {
            if !findings.iter().any(is_spoiled) || findings.iter().any(is_wrong) {
                break;
            }
            findings = trials(seed_of_round(self.seed, again))?;
        }
        Ok(findings)
    }
}

impl RigTrial {
    /// Quantile `p` of response over the requests sent, in nanoseconds; NaN when there are too few.
    pub fn response_ns(&self, p: f64) -> f64 {
        if !self.averages {
            let all = Distribution::new(&self.response, self.measured.counts.sent);
            return all.quantile(p).ns().unwrap_or(f64::NAN);
        }
        let slices = self.measured.slices.iter().filter_map(|s| Recorder::decode(&s.response).ok());
        let each: Vec<f64> =
            slices.filter(|s| s.count() > 0).map(|s| s.histogram().value_at_quantile(p) as f64).collect();
        each.iter().sum::<f64>() / each.len().max(1) as f64
    }

    /// Mean response of the requests answered, in nanoseconds.
    pub fn mean_response_ns(&self) -> f64 {
        mean_ns(&self.measured.response)
    }

    /// Mean service time of the requests answered, in nanoseconds.
    pub fn mean_service_ns(&self) -> f64 {
        mean_ns(&self.measured.service)
    }

    /// Replies per nanosecond of the window.
    pub fn throughput_per_ns(&self) -> f64 {
        self.measured.completed_in_window as f64 / self.measured.window_ns as f64
    }

    /// The findings, marked with what disturbed the trial.
    pub fn mark(&self, mut findings: Vec<Finding>) -> Vec<Finding> {
        for finding in &mut findings {
            finding.disturbed.clone_from(&self.disturbed);
        }
        findings
    }
}

/// What others took of the CPUs, where it is more than a trial bears.
fn disturbance(between: &Between) -> Option<String> {
    // What cannot be read is not held against the trial.
    let share = |reading: &Reading<f64>| reading.value().copied().unwrap_or(0.0);
    let (steal, foreign) = (share(&between.steal_share), share(&between.foreign_share));
    if steal > STEAL_SHARE {
        return Some(format!("the hypervisor took {:.0} % of the CPUs", steal * 100.0));
    }
    (foreign > FOREIGN_SHARE).then(|| format!("other programs took {:.0} % of the CPUs", foreign * 100.0))
}

fn mean_ns(histogram: &EncodedHistogram) -> f64 {
    histogram.sum_ns as f64 / histogram.count as f64
}
