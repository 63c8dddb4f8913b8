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

/// A report for tests of those who show one.
#[cfg(test)]
pub(crate) mod example {
    use super::*;
    use crate::record::balance::Policy;
    use crate::record::{ErrorKind, HttpFault, WrongReplies};
    use crate::rules::balance::TimeToNone;
    use crate::stats::quantile::Quantile;
    use std::collections::BTreeMap;

    const SECOND: u64 = 1_000_000_000;

    /// One trial, in which the first of two servers dies and is back.
    pub(crate) fn report() -> BalanceReport {
        let setup = BalanceSetup {
            servers: 2,
            rate_per_s: 2_000.0,
            clients: 64,
            reply_bytes: 64,
            window_ns: 10 * SECOND,
            warmup_ns: SECOND,
            timeout_ns: 2 * SECOND,
            retries: false,
            kill_at_ns: Some(3 * SECOND),
            back_at_ns: Some(6 * SECOND),
            server_cpus: vec![0],
            swarm_cpus: vec![1],
            seed: 1,
        };
        let first = HttpFault::Status { status: 502 };
        let http = HttpReplies { wrong: vec![WrongReplies { first, replies: 12 }], ..HttpReplies::default() };
        let errors = BTreeMap::from([(ErrorKind::Corrupt, 12), (ErrorKind::Reset, 2)]);
        let counts = Counts { sent: 20_000, ok: 19_985, errors, timeouts: 1, ..Counts::default() };
        let times = Percentiles {
            p50_ns: Time(Quantile::Value(300_000)),
            p95_ns: Time(Quantile::Value(500_000)),
            p99_ns: Time(Quantile::NeverAnswered),
        };
        let time_to_none = TimeToNone::Within(440_000_000);
        let outage = Outage { failed_before: 0, failed_gone: 14, failed_back: 1, time_to_none };
        let figures = Figures {
            replies_per_s: 1_998.5,
            counts,
            http,
            undisturbed: times,
            whole_window: times,
            outage: Some(outage),
            slice_ns: SECOND / 50,
            completed_by_slice: vec![40; 500],
            failed_by_slice: (0..500).map(|at| u64::from((150..165).contains(&at))).collect(),
        };
        let server = |requests| ServerRecord { address: "127.0.0.1:1".to_owned(), requests };
        let absent = || Reading::Absent("no request reached it before the end".to_owned());
        let balancer = BalancerRecord {
            name: "nginx".to_owned(),
            version: Reading::Value("nginx/1.22.1".to_owned()),
            policy: Some(Policy::LeastConnections),
            configuration: "daemon off; # <b>".to_owned(),
        };
        let trial = BalanceSummary {
            name: "nginx least-connections".to_owned(),
            model: "tokio".to_owned(),
            balancer: Some(balancer),
            figures: Reading::Value(figures),
            kill: Some(Kill {
                killed_ns: 3 * SECOND,
                back_ns: Reading::Value(6 * SECOND),
                first_reply_ns: absent(),
            }),
            servers: vec![server(Reading::Value(0)), server(Reading::Value(15_000))],
            jain: Reading::Absent("fewer than two servers lived throughout".to_owned()),
            ended_early: vec!["the balancer nginx was killed by signal 9".to_owned()],
            doubts: Vec::new(),
        };
        BalanceReport { balance_version: BALANCE_VERSION, setup, left_out: Vec::new(), trials: vec![trial] }
    }
}
