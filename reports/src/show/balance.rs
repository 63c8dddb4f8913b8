//! What `bakeoff balance` found, as one JSON document for programs: figures derived from the records of its trials, never rounded. What
//! is not there is absent with its reason. [`super::text::balance`] shows the same on a terminal.

use crate::record::balance::{BalanceSetup, BalanceTrial, BalancerRecord, Kill, LeftOut, ServerRecord};
use crate::record::histogram::{HistogramError, Recorder};
use crate::record::{Counts, Doubt, HttpReplies, Measured, Reading};
use crate::rules::balance::{Outage, jain, undisturbed};
use crate::show::summary::Time;
use crate::stats::quantile::Distribution;
use serde::Serialize;

/// The version of this document. Raised whenever a reader of the old one would misread the new one.
pub const BALANCE_VERSION: u32 = 1;

/// Balancers side by side.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BalanceReport {
    /// [`BALANCE_VERSION`].
    pub balance_version: u32,
    /// What all trials share.
    pub setup: BalanceSetup,
    /// Who took no part.
    pub left_out: Vec<LeftOut>,
    /// The trials, in the order in which they were made.
    pub trials: Vec<BalanceSummary>,
}

/// One trial.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BalanceSummary {
    /// What a reader calls it: balancer and policy, or `direct`.
    pub name: String,
    /// Name of the model of all servers.
    pub model: String,
    /// The balancer with everything that it was told; absent where one server was asked directly.
    pub balancer: Option<BalancerRecord>,
    /// What the swarm saw; absent when the trial failed.
    pub figures: Reading<Figures>,
    /// The server that was killed.
    pub kill: Option<Kill>,
    /// The servers, the one that was killed first.
    pub servers: Vec<ServerRecord>,
    /// Jain's index of the requests of the servers that lived throughout.
    pub jain: Reading<f64>,
    /// Who ended before it was asked to stop, and how.
    pub ended_early: Vec<String>,
    /// Reasons for caution.
    pub doubts: Vec<Doubt>,
}

/// What the swarm saw of one trial.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Replies completed in the window, per second.
    pub replies_per_s: f64,
    /// Requests due in the window, by what became of them.
    pub counts: Counts,
    /// Replies by status and fault, where they were read as HTTP.
    pub http: HttpReplies,
    /// Response times before the slice of the kill, of replies by when they came; of the whole window where nobody was killed. Two
    /// significant digits.
    pub undisturbed: Percentiles,
    /// Response times of all requests of the window; what failed is infinite.
    pub whole_window: Percentiles,
    /// What the kill cost; absent where nobody was killed.
    pub outage: Option<Outage>,
    /// Length of a slice, the resolution of the outage.
    pub slice_ns: u64,
    /// Replies completed in each slice.
    pub completed_by_slice: Vec<u64>,
    /// Requests that were found in each slice to have failed, or given up in it.
    pub failed_by_slice: Vec<u64>,
}

/// Percentiles of a response time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Percentiles {
    /// Median.
    pub p50_ns: Time,
    /// 95th percentile.
    pub p95_ns: Time,
    /// 99th percentile.
    pub p99_ns: Time,
}

impl Percentiles {
    fn of(recorder: &Recorder, sent: u64) -> Self {
        let all = Distribution::new(recorder, sent);
        let [p50_ns, p95_ns, p99_ns] = [0.5, 0.95, 0.99].map(|share| Time(all.quantile(share)));
        Self { p50_ns, p95_ns, p99_ns }
    }
}

impl BalanceSummary {
    /// The figures of a trial.
    ///
    /// # Errors
    /// When a histogram is damaged.
    pub fn new(trial: &BalanceTrial) -> Result<Self, HistogramError> {
        let figures = match &trial.measured {
            Reading::Value(measured) => Reading::Value(Figures::new(measured, trial.kill.as_ref())?),
            Reading::Absent(why) => Reading::Absent(why.clone()),
        };
        let throughout = trial.servers.iter().skip(usize::from(trial.kill.is_some()));
        let requests: Option<Vec<u64>> = throughout.map(|server| server.requests.value().copied()).collect();
        let jain = match requests.as_deref().map(|each| (each.len(), jain(each))) {
            Some((2.., Some(index))) => Reading::Value(index),
            Some((2.., None)) => Reading::Absent("no request reached a server".into()),
            Some(_) => Reading::Absent("fewer than two servers lived throughout".into()),
            None => Reading::Absent("a server did not tell what it counted".into()),
        };
        Ok(Self {
            name: name(trial.balancer.as_ref()),
            model: trial.model.clone(),
            balancer: trial.balancer.clone(),
            figures,
            kill: trial.kill.clone(),
            servers: trial.servers.clone(),
            jain,
            ended_early: trial.ended_early.clone(),
            doubts: trial.doubts.clone(),
        })
    }
}

impl Figures {
    fn new(measured: &Measured, kill: Option<&Kill>) -> Result<Self, HistogramError> {
        let mut before = Recorder::coarse();
        let mut failed_before = 0;
        for slice in undisturbed(&measured.slices, kill) {
            before.merge(&Recorder::decode(&slice.response)?);
            failed_before += slice.failed;
        }
        let whole = Recorder::decode(&measured.response)?;
        Ok(Self {
            replies_per_s: measured.completed_in_window as f64 * 1e9 / measured.window_ns.max(1) as f64,
            counts: measured.counts.clone(),
            http: measured.http.clone(),
            undisturbed: Percentiles::of(&before, before.count() + failed_before),
            whole_window: Percentiles::of(&whole, measured.counts.sent),
            outage: kill.map(|kill| Outage::of(&measured.slices, kill)),
            slice_ns: measured.slices.first().map_or(measured.window_ns, |slice| slice.length_ns),
            completed_by_slice: measured.slices.iter().map(|slice| slice.completed).collect(),
            failed_by_slice: measured.slices.iter().map(|slice| slice.failed).collect(),
        })
    }
}

/// What a reader calls a trial with this balancer.
fn name(balancer: Option<&BalancerRecord>) -> String {
    match balancer {
        None => "direct".to_owned(),
        Some(BalancerRecord { name, policy: Some(policy), .. }) => format!("{name} {}", policy.name()),
        Some(BalancerRecord { name, policy: None, .. }) => name.clone(),
    }
}
