//! Theory held against a run: which limits a workload has, how much of them each model reached, and what a queue of the
//! same work would have shown.
//!
//! A limit is made of what the workload asks and of what was measured beside it, never of the throughput it is compared
//! with. Where a condition of a formula does not hold, there is no figure, and the reason is said.

use super::{closed_bound_per_s, demand_bound_per_s, mg1_sharing_response, mg1_wait};
use crate::cells::cell::Cell;
use crate::metric::cost::Cost;
use crate::record::{Pacing, Run};
use crate::rules::workload::Workload;
use crate::show::units;

/// A limit of throughput.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    /// Its formula: "N / (R + Z)".
    pub formula: &'static str,
    /// What sets it, as the end of "limited by ...".
    pub by: &'static str,
    /// The figures it is made of, in words.
    pub made_of: String,
    /// Requests per second.
    pub per_s: f64,
}

/// What an M/G/1 queue of the same work would show, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Queue {
    /// Share of the server's CPU that the work asked for takes, 0 to 1.
    pub utilisation: f64,
    /// Mean work of a request.
    pub work_ns: f64,
    /// Mean response when requests are served in turn, each to its end.
    pub in_turn_ns: f64,
    /// Mean response when all requests present share the CPU.
    pub shared_ns: f64,
}

/// Real nanoseconds of CPU that a request asks for on average, beyond moving its bytes.
fn compute_ns(run: &Run, workload: &Workload) -> f64 {
    let real = run.environment.compute_ns_per_nominal_us.value().map_or(1.0, |ns| ns / 1_000.0);
    workload.scenario.profile.compute_ns * real
}

/// Limits that hold for every model of a workload.
pub fn common(run: &Run, workload: &Workload) -> Vec<Limit> {
    let profile = &workload.scenario.profile;
    let cpus = run.environment.server_cpus.len();
    let mut limits = Vec::new();
    let asked = compute_ns(run, workload);
    let elsewhere = profile.wait_ns + profile.block_ns;
    if let (Pacing::Closed, Some((floor, _))) = (profile.pacing, workload.bounds.floor_ns) {
        let clients = profile.active_connections as f64 * f64::from(profile.in_flight_per_connection);
        let least = floor + asked + elsewhere;
        limits.push(Limit {
            formula: "N / (R + Z)",
            by: "how many clients ask",
            made_of: format!(
                "N = {} requests at once, R = {} at least",
                units::grouped(clients as u64),
                units::time(least)
            ),
            per_s: closed_bound_per_s(clients, least, 0.0),
        });
    }
    if asked > 0.0 && cpus > 0 {
        limits.push(Limit {
            formula: "m / S",
            by: "the computing asked for",
            made_of: format!(
                "S = {} of CPU asked for, m = {}",
                units::time(asked),
                units::plural(cpus as u64, "CPU")
            ),
            per_s: demand_bound_per_s(cpus as f64, asked),
        });
    }
    limits
}

/// The limits of one model: those of the workload, its own CPU time, and its pool where requests hold a worker.
pub fn of_model(run: &Run, workload: &Workload, cell: &Cell) -> Vec<Limit> {
    let mut limits = common(run, workload);
    let cpus = run.environment.server_cpus.len();
    if let Some(cpu_ns) = cell.costs.value(Cost::Cpu).filter(|ns| *ns > 0.0 && cpus > 0) {
        limits.push(Limit {
            formula: "m / D",
            by: "the server's CPU",
            made_of: format!(
                "D = {} of CPU used for each, m = {}",
                units::time(cpu_ns),
                units::plural(cpus as u64, "CPU")
            ),
            per_s: demand_bound_per_s(cpus as f64, cpu_ns),
        });
    }
    limits.extend(pool(workload, cell));
    limits
}

/// The limit of the thread pool, whose workers each wait with their request.
fn pool(workload: &Workload, cell: &Cell) -> Option<Limit> {
    let profile = &workload.scenario.profile;
    let held = profile.wait_ns + profile.block_ns;
    if cell.model != "thread-pool" || held <= 0.0 {
        return None;
    }
    let workers: f64 = workload.scenario.parameters.get("pool workers")?.parse().ok()?;
    Some(Limit {
        formula: "c / W",
        by: "the pool's workers",
        made_of: format!("c = {workers} workers, W = {} held by each request", units::time(held)),
        per_s: demand_bound_per_s(workers, held),
    })
}

/// The least of a model's limits.
pub fn least(limits: &[Limit]) -> Option<&Limit> {
    limits.iter().filter(|limit| limit.per_s.is_finite()).min_by(|a, b| a.per_s.total_cmp(&b.per_s))
}

/// The queue that the work of an open loop makes on one server CPU, or why the formula says nothing of it.
///
/// # Errors
/// The condition that does not hold, as a sentence.
pub fn queue(run: &Run, workload: &Workload) -> Result<Queue, String> {
    let (scenario, profile) = (&workload.scenario, &workload.scenario.profile);
    let Some(rate) = profile.rate_per_s.filter(|_| profile.pacing == Pacing::Open) else {
        return Err("requests do not come at a rate of their own".to_owned());
    };
    let load = scenario.load.to_lowercase();
    if !load.contains("poisson") || ["burst", "surge"].iter().any(|word| load.contains(word)) {
        return Err("its arrivals are no steady Poisson process".to_owned());
    }
    let mean = compute_ns(run, workload);
    if mean <= 0.0 {
        return Err("it asks for no computing of known length".to_owned());
    }
    match run.environment.server_cpus.len() {
        1 => {}
        0 => return Err("the server was not pinned".to_owned()),
        n => return Err(format!("the server had {n} CPUs, and the formula is of one")),
    }
    let lambda = rate / 1e9;
    Ok(Queue {
        utilisation: lambda * mean,
        work_ns: mean,
        in_turn_ns: mean + mg1_wait(lambda, mean, mean * mean * (1.0 + profile.demand_scv)),
        shared_ns: mg1_sharing_response(lambda, mean),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::analyse;
    use crate::sample::{self, Spec};

    fn workload(name: &str) -> (Run, Workload) {
        let spec = Spec { scenarios: 8, models: 5, rounds: 1, requests: 50, slices: 1, ..Spec::default() };
        let analysis = analyse(&sample::bundle(&spec));
        let workload = analysis.workloads.iter().find(|one| one.scenario.name == name).cloned();
        (analysis.run, workload.expect("the sample has it"))
    }

    #[test]
    fn a_pool_is_bounded_by_its_workers_and_the_others_are_not() {
        let (run, workload) = workload("wait-database");
        let pool = of_model(&run, &workload, workload.cell("thread-pool").expect("in the sample"));
        assert_eq!(least(&pool).map(|limit| (limit.formula, limit.per_s)), Some(("c / W", 3_200.0)));
        let thread = of_model(&run, &workload, workload.cell("thread-per-client").expect("in the sample"));
        assert!(thread.iter().all(|limit| limit.formula != "c / W"));
        let clients = common(&run, &workload);
        // 128 clients that wait 5 ms and what the null server takes, 20.3 µs.
        assert!((clients[0].per_s / (128.0 / 5.0203e-3) - 1.0).abs() < 1e-9, "{clients:?}");
    }

    #[test]
    fn a_queue_needs_poisson_arrivals_and_work_of_known_length() {
        let (run, mut workload) = workload("compute-bimodal");
        let found = queue(&run, &workload).expect("open, Poisson, computing, one CPU");
        assert!((found.utilisation - 2_000.0 * found.work_ns / 1e9).abs() < 1e-12);
        assert!(found.in_turn_ns > found.shared_ns, "a heavy tail is worse served in turn: {found:?}");
        workload.scenario.load = "open loop, evenly spaced".to_owned();
        assert!(queue(&run, &workload).is_err_and(|why| why.contains("Poisson")));
        let (run, echo) = self::workload("echo-paced");
        assert!(queue(&run, &echo).is_err_and(|why| why.contains("no computing")));
    }
}
