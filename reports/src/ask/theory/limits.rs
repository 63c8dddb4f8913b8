//! Theory held against a run: which limits a workload has, how much of them each model reached, and what a queue of the
//! same work would have shown.
//!
//! A limit is made of what the workload asks and of what was measured beside it, never of the throughput it is compared
//! with. What a formula does not cover it refuses, by the types of what was asked.

use super::{closed_bound_per_s, demand_bound_per_s, mg1_sharing_response, mg1_wait};
use crate::cells::cell::Cell;
use crate::record::{
    Arrivals, Load, Metric, ModelRecord, Pacing, RateShape, Run, ScenarioRecord, Work, moments_of_sum,
};
use crate::rules::workload::Workload;

/// A limit of throughput.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// What sets it, with the figures it is made of.
    pub bound: Bound,
    /// Requests per second.
    pub per_s: f64,
}

/// What sets a limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// How many clients ask: N / (R + Z).
    Clients {
        /// Requests that they have under way at once at most.
        requests: u64,
        /// The least response, and the pause after it.
        least_ns: f64,
    },
    /// The computing asked for: m / S.
    Work {
        /// CPU time that a request asks for.
        cpu_ns: f64,
        /// CPUs of the server.
        cpus: usize,
    },
    /// The server's CPU: m / D.
    Cpu {
        /// CPU time measured for a request.
        cpu_ns: f64,
        /// CPUs of the server.
        cpus: usize,
    },
    /// Workers that a request holds while it waits: c / W.
    Workers {
        /// How many there are.
        workers: u64,
        /// For how long a request holds one.
        held_ns: f64,
    },
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

/// Why the formula of a queue says nothing of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoQueue {
    /// The server sets the pace.
    OwnPace,
    /// Arrivals are evenly spaced.
    EvenlySpaced,
    /// They come in bursts.
    Bursts,
    /// Their rate rises once.
    Surge,
    /// No computing of known length is asked for.
    NoComputing,
    /// A request comes to the CPU this many times.
    ComputesAgain(usize),
    /// A request blocks a thread besides, of which there are so many: what comes from there is no Poisson process.
    Blocks,
    /// The server was not pinned to CPUs.
    NotPinned,
    /// It had this many CPUs, and the formula is of one.
    ManyCpus(usize),
}

/// Real nanoseconds of CPU that a request asks for on average, beyond moving its bytes.
fn compute_ns(run: &Run, workload: &Workload) -> f64 {
    let real = run.environment.compute_ns_per_nominal_us.value().map_or(1.0, |ns| ns / 1_000.0);
    let scenario = &workload.scenario;
    scenario.profile().compute_ns * scenario.calibration.unwrap_or(1.0) * real
}

/// The limit of how many clients ask: N / R, where nothing but their demand and `floor_ns` makes a response.
pub(super) fn clients(scenario: &ScenarioRecord, floor_ns: f64, compute_ns: f64) -> Limit {
    let profile = scenario.profile();
    let requests = profile.active_connections * u64::from(profile.in_flight_per_connection);
    let think_ns = match scenario.load {
        Load::Closed { think, .. } => think.as_secs_f64() * 1e9,
        _ => 0.0,
    };
    let least_ns = floor_ns + compute_ns + profile.wait_ns + profile.block_ns + think_ns;
    let per_s = closed_bound_per_s(requests as f64, least_ns, 0.0);
    Limit { bound: Bound::Clients { requests, least_ns }, per_s }
}

/// The limit of the computing asked for: m / S, where any is asked for and the CPUs are known.
pub(super) fn work(compute_ns: f64, cpus: usize) -> Option<Limit> {
    let per_s = demand_bound_per_s(cpus as f64, compute_ns);
    let bound = Bound::Work { cpu_ns: compute_ns, cpus };
    (compute_ns > 0.0 && cpus > 0).then_some(Limit { bound, per_s })
}

/// Limits that hold for every model of a workload.
pub fn common(run: &Run, workload: &Workload) -> Vec<Limit> {
    let asked = compute_ns(run, workload);
    let closed = workload.scenario.profile().pacing == Pacing::Closed;
    let of_clients = workload.bounds.floor_ns.filter(|_| closed);
    let of_clients = of_clients.map(|(floor, _)| clients(&workload.scenario, floor, asked));
    of_clients.into_iter().chain(work(asked, run.server_cpus(&workload.scenario).len())).collect()
}

/// The limits of one model: those of the workload, its own CPU time, and its workers where requests hold one.
pub fn of_model(run: &Run, workload: &Workload, cell: &Cell) -> Vec<Limit> {
    let mut limits = common(run, workload);
    let cpus = run.server_cpus(&workload.scenario).len();
    if let Some(cpu_ns) = cell.value(Metric::CpuPerRequest).filter(|ns| *ns > 0.0 && cpus > 0) {
        let per_s = demand_bound_per_s(cpus as f64, cpu_ns);
        limits.push(Limit { bound: Bound::Cpu { cpu_ns, cpus }, per_s });
    }
    limits.extend(workers(run, workload, cell));
    limits
}

/// The limit of a model of bounded workers that a request holds while it waits or blocks: those that hold a connection, or
/// those that blocking jobs are handed to.
fn workers(run: &Run, workload: &Workload, cell: &Cell) -> Option<Limit> {
    workers_of(run.model(&cell.model)?, &workload.scenario)
}

/// The same of a contestant that has not run.
pub(super) fn workers_of(record: &ModelRecord, scenario: &ScenarioRecord) -> Option<Limit> {
    let (facts, setup) = (record.facts.as_ref()?, record.setup(&scenario.server));
    let profile = scenario.profile();
    let (workers, held_ns) = match facts.request_workers(&setup) {
        // What only computes is bounded by the CPUs.
        Some(workers) if profile.wait_ns + profile.block_ns > 0.0 => {
            (workers, profile.compute_ns + profile.wait_ns + profile.block_ns)
        }
        Some(_) => return None,
        None => (facts.blocking_workers(&setup)?, profile.block_ns),
    };
    let per_s = demand_bound_per_s(workers as f64, held_ns);
    (held_ns > 0.0).then_some(Limit { bound: Bound::Workers { workers, held_ns }, per_s })
}

/// The least of a model's limits.
pub fn least(limits: &[Limit]) -> Option<&Limit> {
    limits.iter().filter(|limit| limit.per_s.is_finite()).min_by(|a, b| a.per_s.total_cmp(&b.per_s))
}

/// The queue that the work of an open loop makes on one server CPU.
///
/// # Errors
/// The condition of the formula that does not hold.
pub fn queue(run: &Run, workload: &Workload) -> Result<Queue, NoQueue> {
    let Load::Open { rate_per_s, arrivals, shape, .. } = workload.scenario.load else {
        return Err(NoQueue::OwnPace);
    };
    match (arrivals, shape) {
        (_, RateShape::Bursts { .. }) => return Err(NoQueue::Bursts),
        (_, RateShape::Surge { .. }) => return Err(NoQueue::Surge),
        (Arrivals::Fixed, RateShape::Steady) => return Err(NoQueue::EvenlySpaced),
        (Arrivals::Poisson, RateShape::Steady) => {}
    }
    let mean = compute_ns(run, workload);
    if mean <= 0.0 {
        return Err(NoQueue::NoComputing);
    }
    // Stages that occupy nobody leave arrivals Poisson (Mirasol, "The output of an M/G/inf queue is Poisson", 1963) and add
    // what they take.
    let scenario = &workload.scenario;
    let profile = scenario.profile();
    let mut computing = scenario.request.stages(scenario.work);
    computing.retain(|stage| stage.work == Work::Compute);
    if computing.len() > 1 {
        return Err(NoQueue::ComputesAgain(computing.len()));
    }
    if profile.block_ns > 0.0 {
        return Err(NoQueue::Blocks);
    }
    match run.server_cpus(&workload.scenario).len() {
        1 => {}
        0 => return Err(NoQueue::NotPinned),
        n => return Err(NoQueue::ManyCpus(n)),
    }
    let lambda = rate_per_s / 1e9;
    let (_, scv) = moments_of_sum(&computing);
    Ok(Queue {
        utilisation: lambda * mean,
        work_ns: mean,
        in_turn_ns: profile.wait_ns + mean + mg1_wait(lambda, mean, mean * mean * (1.0 + scv)),
        shared_ns: profile.wait_ns + mg1_sharing_response(lambda, mean),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::analyse;
    use crate::record::{DemandShape, RequestShape, Stage};
    use crate::sample::{self, Spec};
    use std::time::Duration;

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
        assert_eq!(
            least(&pool).map(|limit| (limit.bound, limit.per_s)),
            Some((Bound::Workers { workers: 16, held_ns: 5e6 }, 3_200.0))
        );
        let thread = of_model(&run, &workload, workload.cell("thread-per-client").expect("in the sample"));
        assert!(thread.iter().all(|limit| !matches!(limit.bound, Bound::Workers { .. })));
        let clients = common(&run, &workload);
        // 128 clients that wait 5 ms and what the null server takes, 20.3 µs.
        assert!((clients[0].per_s / (128.0 / 5.0203e-3) - 1.0).abs() < 1e-9, "{clients:?}");
    }

    #[test]
    fn stages_add_what_they_wait_and_a_second_turn_on_the_cpu_has_no_formula() {
        let (run, mut workload) = workload("compute-bimodal");
        let plain = queue(&run, &workload).expect("one kind of work");
        let compute = workload.scenario.request.stages(workload.scenario.work)[0];
        let ms = |ms| DemandShape::Fixed { value: Duration::from_millis(ms) };
        let (wait, block) =
            (Stage { work: Work::Wait, demand: ms(5) }, Stage { work: Work::Block, demand: ms(3) });
        workload.scenario.work = Some(Work::Stages);
        let mut of = |stages: &[Stage]| {
            workload.scenario.request = RequestShape::of_stages(64, stages.to_vec());
            (queue(&run, &workload), workload.scenario.profile())
        };
        let (waits, profile) = of(&[wait, compute]);
        let waits = waits.expect("what waits occupies nobody");
        assert_eq!((waits.work_ns, waits.utilisation), (plain.work_ns, plain.utilisation));
        assert!((waits.in_turn_ns - plain.in_turn_ns - 5e6).abs() < 1e-3, "{waits:?}");
        assert!((waits.shared_ns - plain.shared_ns - 5e6).abs() < 1e-3, "{waits:?}");
        assert_eq!((profile.wait_ns, profile.block_ns), (5e6, 0.0));
        assert_eq!(of(&[compute, wait, compute]).0, Err(NoQueue::ComputesAgain(2)));
        assert_eq!(of(&[compute, block]).0, Err(NoQueue::Blocks));
        assert_eq!(of(&[wait, block]).0, Err(NoQueue::NoComputing));
        // A request holds its worker of the pool through both, and it is asked whether there are enough.
        let held = |workload: &Workload| {
            let pool = of_model(&run, workload, workload.cell("thread-pool").expect("in the sample"));
            pool.iter().find_map(|limit| match limit.bound {
                Bound::Workers { held_ns, .. } => Some(held_ns),
                _ => None,
            })
        };
        assert_eq!(held(&workload), Some(8e6));
        workload.scenario.request = RequestShape::of_stages(64, vec![compute, wait]);
        let computing = workload.scenario.profile().compute_ns;
        assert!(
            computing > 0.0 && held(&workload) == Some(computing + 5e6),
            "what it computes it holds it for, too"
        );
    }

    #[test]
    fn a_queue_needs_poisson_arrivals_and_work_of_known_length() {
        let (run, mut workload) = workload("compute-bimodal");
        let found = queue(&run, &workload).expect("open, Poisson, computing, one CPU");
        assert!((found.utilisation - 2_000.0 * found.work_ns / 1e9).abs() < 1e-12);
        assert!(found.in_turn_ns > found.shared_ns, "a heavy tail is worse served in turn: {found:?}");
        let Load::Open { arrivals, shape, .. } = &mut workload.scenario.load else { panic!("an open loop") };
        *arrivals = Arrivals::Fixed;
        let ms = Duration::from_millis;
        *shape = RateShape::Surge { factor: 3.0, after: ms(0), lasting: ms(1) };
        assert_eq!(queue(&run, &workload), Err(NoQueue::Surge));
        let (run, echo) = self::workload("echo-paced");
        assert!(queue(&run, &echo) == Err(NoQueue::NoComputing));
    }
}
