//! What arithmetic decides of a workload before anything is measured: N/R, m/S, c/W, and whom a pool can hold.
//!
//! A figure that follows from these is no measurement, and must never be sold as one. Pure; only what a workload states and
//! how its contestants are set up goes in.

use super::limits::{Bound, Limit, clients, work, workers_of};
use crate::record::{Load, ModelRecord, Pacing, ScenarioRecord};

/// From this share of a limit on it is part of the result: queues in front of it are long.
pub const NEAR: f64 = 0.8;

/// Something known before a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Known {
    /// Whatever the server, no more than this is asked.
    Clients(Limit),
    /// A limit that the schedule comes near, or asks for more than.
    Reached {
        /// The limit.
        limit: Limit,
        /// Whose: absent where it holds for all.
        contestant: Option<String>,
        /// What is asked, in requests per second: in a surge or a burst what is asked in it.
        asked_per_s: f64,
    },
    /// A contestant whose workers each hold a connection has fewer of them than there are connections.
    Starves {
        /// Whose.
        contestant: String,
        /// Its workers.
        workers: u64,
        /// Connections that stay, those beside the load included.
        connections: u64,
    },
}

/// What is known of a workload before a run with these contestants on servers of so many CPUs. Demands of computing are taken
/// to be in real time.
pub fn known<'a>(
    scenario: &ScenarioRecord,
    contestants: impl IntoIterator<Item = &'a ModelRecord>,
    cpus: usize,
) -> Vec<Known> {
    let profile = scenario.profile();
    let of_clients = clients(scenario, 0.0, profile.compute_ns);
    let peak_per_s = peak_per_s(&scenario.load);
    let reached = |limit: Limit, contestant: Option<&ModelRecord>| {
        let asked_per_s = peak_per_s.filter(|asked| *asked >= NEAR * limit.per_s)?;
        Some(Known::Reached { limit, contestant: contestant.map(|one| one.name.clone()), asked_per_s })
    };
    let mut known: Vec<Known> = match profile.pacing {
        Pacing::Open => reached(of_clients, None).into_iter().collect(),
        Pacing::Closed if of_clients.per_s.is_finite() => vec![Known::Clients(of_clients)],
        Pacing::Closed | Pacing::Churn => Vec::new(),
    };
    known.extend(work(profile.compute_ns, cpus).and_then(|limit| reached(limit, None)));
    let background = scenario.background;
    let beside = background.idle + background.slow_readers + background.slow_senders;
    let connections = profile.active_connections + u64::from(beside);
    for one in contestants {
        known.extend(workers_of(one, scenario).and_then(|limit| match peak_per_s {
            Some(_) => reached(limit, Some(one)),
            None => (limit.per_s < of_clients.per_s).then(|| Known::Reached {
                limit,
                contestant: Some(one.name.clone()),
                asked_per_s: of_clients.per_s,
            }),
        }));
        let most = one.facts.as_ref().and_then(|facts| facts.most_served(&one.setup(&scenario.server)));
        // Over UDP no worker holds a client.
        let holds = profile.pacing != Pacing::Churn && scenario.transport.is_tcp();
        let starves = most.filter(|most| *most < connections && holds);
        known.extend(starves.map(|workers| Known::Starves {
            contestant: one.name.clone(),
            workers,
            connections,
        }));
    }
    known
}

/// The highest rate that the schedule asks for at any time; `None` where the server sets the pace.
fn peak_per_s(load: &Load) -> Option<f64> {
    load.stated_rate().map(|rate| rate * load.shape().peak_factor())
}

/// Clients that a search up to this rate takes so that they are no limit themselves; `None` where those of the workload are
/// enough.
pub fn clients_for(scenario: &ScenarioRecord, highest_per_s: f64) -> Option<u64> {
    let limit = clients(scenario, 0.0, scenario.profile().compute_ns);
    let Bound::Clients { requests, least_ns } = limit.bound else { return None };
    let needed = (highest_per_s * least_ns / 1e9 / NEAR).ceil() as u64;
    (needed > requests).then_some(needed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{DemandShape, RateShape, Tuning, Work};
    use crate::sample::{self, Spec};
    use std::time::Duration;

    const MS: Duration = Duration::from_millis(1);

    /// A workload whose requests wait 5 ms, and a pool and a thread per client for it.
    fn waits(load: Load) -> (ScenarioRecord, Vec<ModelRecord>) {
        let run = sample::bundle(&Spec { scenarios: 1, models: 5, rounds: 1, ..Spec::default() }).run;
        let mut scenario = run.scenarios[0].clone();
        (scenario.load, scenario.work) = (load, Some(Work::Wait));
        scenario.request.demand = DemandShape::Fixed { value: 5 * MS };
        scenario.server.workers.insert(Tuning::PoolWorkers, 16);
        let models = run.models.into_iter().filter(|one| one.name.starts_with("thread-")).collect();
        (scenario, models)
    }

    fn open(clients: u32, rate_per_s: f64, shape: RateShape) -> Load {
        Load::Open { clients, rate_per_s, arrivals: crate::record::Arrivals::Poisson, shape }
    }

    #[test]
    fn clients_and_workers_bound_what_waits() {
        let (scenario, models) = waits(open(64, 4_000.0, RateShape::Steady));
        let found = known(&scenario, &models, 1);
        let [Known::Reached { limit, contestant, asked_per_s }, Known::Starves { workers, connections, .. }] =
            found.as_slice()
        else {
            panic!("{found:?}")
        };
        assert_eq!((limit.per_s, *asked_per_s), (3_200.0, 4_000.0));
        assert_eq!(contestant.as_deref(), Some("thread-pool"));
        assert_eq!((*workers, *connections), (16, 64));
        let closed = Load::Closed { clients: 64, think: Duration::ZERO };
        let (scenario, models) = waits(closed);
        let Known::Clients(limit) = known(&scenario, &models, 1)[0].clone() else { panic!("a closed loop") };
        assert_eq!(limit.per_s, 12_800.0, "64 clients / 5 ms");
        assert_eq!(clients_for(&scenario, 10_000.0), None, "78 % of it");
        assert_eq!(clients_for(&scenario, 200_000.0), Some(1_250));
    }

    #[test]
    fn a_tuning_is_what_counts_and_what_is_far_from_a_limit_is_not_told() {
        let (scenario, mut models) = waits(open(64, 2_000.0, RateShape::Steady));
        models.retain(|one| one.name == "thread-pool");
        models[0].tuning.insert(Tuning::PoolWorkers, 64);
        assert_eq!(known(&scenario, &models, 1), []);
    }

    #[test]
    fn a_surge_counts_by_what_is_asked_in_it() {
        let surge = RateShape::Surge { factor: 3.0, after: 100 * MS, lasting: 100 * MS };
        let (mut scenario, _) = waits(open(64, 2_500.0, surge));
        (scenario.work, scenario.request.demand) =
            (Some(Work::Compute), DemandShape::Fixed { value: Duration::from_micros(200) });
        let found = known(&scenario, [], 1);
        let [Known::Reached { limit, contestant: None, asked_per_s }] = found.as_slice() else {
            panic!("{found:?}")
        };
        assert_eq!((limit.per_s, *asked_per_s), (5_000.0, 7_500.0));
        assert_eq!(known(&scenario, [], 2), [], "two CPUs can");
    }
}
