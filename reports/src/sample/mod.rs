//! Made-up bundles for tests, benches and documentation. Never a measurement, and every one of them says so.
//!
//! Deterministic: the same [`Spec`] gives the same bundle. The figures imitate what separates the models, with one
//! invalid trial, one model that starves its clients (its p99 is infinite), and absent readings with reasons.

mod anatomy;
#[doc(hidden)]
pub mod comparison;
mod envelope;
pub(crate) mod machine;
#[doc(hidden)]
pub mod sweep;

use crate::record::bundle::Bundle;
use crate::record::bundle::schema3::facts;
use crate::record::histogram::Recorder;
use crate::record::*;
use crate::sample::anatomy as sample_anatomy;
use crate::sample::envelope as sample_envelope;
use crate::sample::machine::environment;
pub use crate::sample::machine::probe;
use crate::stats::random::Random;
use std::collections::BTreeMap;
use std::time::Duration;
use strum::VariantArray as _;

/// How large a bundle to make.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Seed of every figure.
    pub seed: u64,
    /// Workloads, 1 to 8.
    pub scenarios: usize,
    /// Models, 1 to 8.
    pub models: usize,
    /// Rounds.
    pub rounds: u32,
    /// Requests of a trial.
    pub requests: u64,
    /// Slices of a window.
    pub slices: u32,
}

impl Default for Spec {
    fn default() -> Self {
        Self { seed: 2026, scenarios: 6, models: 7, rounds: 8, requests: 2_000, slices: 10 }
    }
}

impl Spec {
    /// A bundle of 1,000 trials or a few more: 5 workloads, 8 models, 25 rounds.
    pub fn thousand() -> Self {
        Self { scenarios: 5, models: 8, rounds: 25, ..Self::default() }
    }
}

/// Name, summary, CPU per request in microseconds, switches per request, memory in MiB, threads, processes.
type ModelRow = (&'static str, &'static str, f64, f64, f64, u64, u64);

const MODELS: [ModelRow; 8] = [
    ("iterative", "one client at a time: the baseline", 6.5, 1.1, 1.4, 1, 1),
    ("fork-per-client", "a process for each connection", 11.9, 2.2, 38.0, 65, 65),
    ("thread-per-client", "a thread for each connection", 10.4, 2.1, 3.9, 65, 1),
    ("thread-pool", "workers that each hold a connection", 10.1, 2.0, 2.6, 17, 1),
    ("mio-event-loop", "one readiness loop, jobs to a pool", 6.8, 0.3, 2.0, 1, 1),
    ("tokio", "work-stealing tasks", 7.4, 0.5, 3.1, 2, 1),
    ("mio-event-loop-inline", "one readiness loop that computes itself", 6.7, 0.3, 1.9, 1, 1),
    ("tokio-current-thread", "tasks on one thread", 6.9, 0.3, 2.4, 1, 1),
];

/// Name, about, merit, clients, scheduled rate, base response in microseconds, and how each model differs from
/// the best: a factor of slowness.
type ScenarioRow = (&'static str, &'static str, Metric, u64, Option<f64>, f64, [f64; 8]);

const SCENARIOS: [ScenarioRow; 8] = [
    (
        "echo-small",
        "64 bytes back and forth: the cost of a hand-off",
        Metric::Throughput,
        64,
        None,
        640.0,
        [1.0, 1.75, 1.62, 1.58, 1.0, 1.12, 1.01, 1.04],
    ),
    (
        "echo-paced",
        "the same at a rate all can sustain",
        Metric::ResponseP99,
        64,
        Some(8_000.0),
        52.0,
        [1.0, 2.9, 2.2, 2.1, 1.0, 1.35, 1.01, 1.1],
    ),
    (
        "echo-large",
        "64 KiB each way: copying dominates",
        Metric::Throughput,
        16,
        None,
        900.0,
        [1.3, 1.02, 1.0, 1.01, 1.02, 1.01, 1.02, 1.03],
    ),
    (
        "churn",
        "connect, one request, close",
        Metric::Throughput,
        32,
        None,
        1_900.0,
        [1.2, 3.4, 1.7, 1.0, 1.05, 1.3, 1.04, 1.2],
    ),
    (
        "compute-bimodal",
        "99 % short jobs of 50 µs, 1 % long ones of 5 ms",
        Metric::ResponseP99,
        32,
        Some(2_000.0),
        900.0,
        [30.0, 1.15, 1.0, 1.3, 1.6, 1.7, 9.0, 2.2],
    ),
    (
        "wait-database",
        "a wait of 5 ms, more clients than pool workers",
        Metric::Throughput,
        128,
        None,
        5_200.0,
        [40.0, 1.1, 1.03, 7.8, 1.01, 1.0, 1.02, 1.01],
    ),
    (
        "burst",
        "quiet, then everyone at once",
        Metric::ResponseP50,
        256,
        Some(4_000.0),
        210.0,
        [12.0, 2.0, 1.6, 2.4, 1.0, 1.02, 1.03, 1.0],
    ),
    (
        "one-client",
        "a single connection: latency alone",
        Metric::ResponseP50,
        1,
        None,
        24.0,
        [1.0, 1.04, 1.03, 1.3, 1.1, 1.6, 1.1, 1.2],
    ),
];

const WINDOW_NS: u64 = 500_000_000;

/// Makes a bundle.
///
/// # Panics
/// If `scenarios` or `models` lies outside 1 to 8.
pub fn bundle(spec: &Spec) -> Bundle {
    assert!(
        (1..=8).contains(&spec.scenarios) && (1..=8).contains(&spec.models),
        "the tables have 8 rows each"
    );
    let mut trials = Vec::new();
    for round in 0..spec.rounds {
        // What the machine does in a round, it does to all.
        let drift = 1.0 + 0.35 * Random::named(spec.seed, &["drift", &round.to_string()]).unit();
        for scenario in 0..spec.scenarios {
            for model in 0..spec.models {
                trials.push(trial(spec, trials.len() as u32, round, (scenario, model), drift));
            }
        }
    }
    let planned = trials.len() as u32;
    spoil(&mut trials);
    let end = End {
        finished_unix_ms: started_ms(planned),
        trials: planned,
        interrupted: false,
        compute_ns_per_nominal_us: None,
    };
    let rounds = (0..spec.rounds).map(|round| round_record(spec, round)).collect();
    let run = run(spec, planned);
    let anatomies = sample_anatomy::anatomies(&run.models);
    let envelopes = sample_envelope::envelopes(&run.models);
    Bundle {
        run,
        trials,
        rounds,
        looks: Vec::new(),
        anatomies,
        envelopes,
        objectives: Vec::new(),
        confirm: None,
        end: Some(end),
        damage: Vec::new(),
    }
}

fn started_ms(index: u32) -> u64 {
    1_790_000_000_000 + u64::from(index) * 650
}

/// One invalid trial, as any long run has.
fn spoil(trials: &mut [Trial]) {
    let at = trials.len() / 2;
    if let Some(trial) = trials.get_mut(at) {
        trial.invalid.push(Invalid::GeneratorLate { lag_p50_ns: 410_000, limit_ns: 2_030 });
    }
}

fn run(spec: &Spec, planned_trials: u32) -> Run {
    let names: Vec<String> = MODELS[..spec.models].iter().map(|row| row.0.to_owned()).collect();
    let model = |row: &ModelRow| ModelRecord {
        name: row.0.to_owned(),
        summary: row.1.to_owned(),
        facts: facts(row.0),
        tuning: BTreeMap::new(),
        command: None,
    };
    Run {
        schema_version: SCHEMA_VERSION,
        tool_version: "0.1.0".to_owned(),
        command: ["bakeoff", "run", "--rounds", &spec.rounds.to_string()].map(str::to_owned).to_vec(),
        started_unix_ms: started_ms(0),
        seed: spec.seed,
        rounds: spec.rounds,
        planned_trials,
        sequential: None,
        comparison: None,
        scenarios: SCENARIOS[..spec.scenarios].iter().map(|row| scenario(row, &names)).collect(),
        models: MODELS[..spec.models].iter().map(model).collect(),
        refused: Vec::new(),
        environment: environment(),
        probe: Reading::Value(probe(&SCENARIOS.map(|row| row.0)[..spec.scenarios])),
    }
}

/// A machine that moved little in most rounds.
fn round_record(spec: &Spec, round: u32) -> RoundRecord {
    let mut random = Random::named(spec.seed, &["round", &round.to_string()]);
    let mut time = || Reading::Value((1_012_000.0 * (1.0 + 0.06 * random.unit())).round());
    RoundRecord { round, loop_before_ns: time(), loop_after_ns: time() }
}

fn scenario(row: &ScenarioRow, models: &[String]) -> ScenarioRecord {
    let (us, ms) = (Duration::from_micros, Duration::from_millis);
    let clients = row.3 as u32;
    // Two services that work; their tables say of what length.
    let (work, demand) = match row.0 {
        "compute-bimodal" => {
            (Some(Work::Compute), DemandShape::Bimodal { short: us(50), long: ms(5), long_share: 0.01 })
        }
        "wait-database" => (Some(Work::Wait), DemandShape::Fixed { value: ms(5) }),
        _ => (None, DemandShape::None),
    };
    let load = match row.4 {
        Some(rate_per_s) => {
            Load::Open { clients, rate_per_s, arrivals: Arrivals::Poisson, shape: RateShape::Steady }
        }
        None if row.0 == "churn" => Load::Churn { clients, requests_per_connection: 1 },
        None => Load::Closed { clients, think: Duration::ZERO },
    };
    ScenarioRecord {
        name: row.0.to_owned(),
        about: row.1.to_owned(),
        service: "echo".to_owned(),
        transport: Default::default(),
        loss: 0.0,
        audience: None,
        load,
        background: Background::default(),
        tls: None,
        request: RequestShape::new(64, demand),
        calibration: None,
        work,
        timing: Timing {
            warmup: ms(100),
            window: Duration::from_nanos(WINDOW_NS),
            timeout: ms(2_000),
            drain: ms(2_000),
        },
        server_cpus: Vec::new(),
        server: ServerSetup {
            backlog: 1_024,
            ballast_mib: 0,
            workers: Tuning::VARIANTS.iter().copied().zip([16, 4, 64, 16, 1, 1]).collect(),
        },
        merit: row.2,
        objective_ns: (row.0 == "echo-paced").then_some(120_000),
        sweep: None,
        models: models.to_vec(),
        toml: format!("name = {:?}\nservice = \"echo\"\nclients = {clients}\n", row.0),
    }
}

fn trial(spec: &Spec, index: u32, round: u32, (scenario, model): (usize, usize), drift: f64) -> Trial {
    let (workload, contender) = (&SCENARIOS[scenario], &MODELS[model]);
    let mut random = Random::named(spec.seed, &[workload.0, contender.0, &round.to_string()]);
    let slowness = workload.6[model] * drift * (1.0 + 0.012 * random.normal());
    let clients = workload.3;
    // The iterative server answers one connection and leaves the rest waiting.
    let starves = model == 0 && clients > 1 && workload.0 != "churn";
    let measured = measure(spec, workload, slowness, starves, &mut random);
    let requests = measured.counts.ok + measured.warmup_sent;
    let mut doubts = Vec::new();
    if starves {
        let (requests, sent) = (measured.counts.unanswered(), measured.counts.sent);
        doubts.push(Doubt::Starved { connections: measured.spread.never_served });
        doubts.push(Doubt::Unanswered { requests, sent });
    }
    if workload.0 == "echo-small" && model >= 4 {
        doubts.push(Doubt::GeneratorBusy { share: 0.96 + 0.02 * random.unit() });
    }
    Trial {
        index,
        round,
        attempt: 0,
        scenario: workload.0.to_owned(),
        model: contender.0.to_owned(),
        started_unix_ms: started_ms(index),
        usage: usage(contender, clients, measured.completed_in_window, requests, drift),
        measured: Reading::Value(measured),
        server: Reading::Value(BTreeMap::from([
            ("accepted".to_owned(), clients),
            ("requests".to_owned(), requests),
        ])),
        loop_ns: None,
        accepted_by_worker: Vec::new(),
        invalid: Vec::new(),
        doubts,
    }
}

fn measure(
    spec: &Spec,
    workload: &ScenarioRow,
    slowness: f64,
    starves: bool,
    random: &mut Random,
) -> Measured {
    let (clients, base_ns) = (workload.3, workload.5 * 1_000.0 * slowness);
    let mut response = Recorder::fine();
    let [mut service, mut send_lag, mut dispatch_lag, mut connect] = [(); 4].map(|()| response.clone());
    let mut slices = vec![Recorder::coarse(); spec.slices as usize];
    let lost = if starves { spec.requests / 4 } else { 0 };
    let answered = spec.requests - lost;
    for at in 0..answered {
        let mut service_ns = base_ns * (0.18 * random.normal()).exp();
        if random.unit() < 0.03 {
            service_ns *= 2.0 + 3.0 * random.unit();
        }
        // In a closed loop a request is due when it is sent.
        let paced = if workload.4.is_some() { 1.0 } else { 0.0 };
        let own_ns = paced * (900.0 + 2_500.0 * random.unit() * random.unit());
        let lag_ns = own_ns + paced * 0.08 * base_ns;
        response.record((service_ns + lag_ns) as u64);
        service.record(service_ns as u64);
        send_lag.record(lag_ns as u64);
        dispatch_lag.record(own_ns as u64);
        if let Some(slice) = slices.get_mut((at * u64::from(spec.slices) / answered) as usize) {
            slice.record((service_ns + lag_ns) as u64);
        }
    }
    (0..clients).for_each(|_| connect.record((60_000.0 * (0.3 * random.normal()).exp()) as u64));
    let per_second = workload.4.unwrap_or(clients as f64 * 1e9 / (base_ns * 1.08));
    let per_second = if starves { per_second / clients as f64 } else { per_second };
    let completed = (per_second * WINDOW_NS as f64 / 1e9) as u64;
    let served = if starves { 1 } else { clients };
    let each = completed / served;
    let mut replies = Recorder::coarse();
    (0..clients).for_each(|client| replies.record(if client < served { each } else { 0 }));
    Measured {
        window_ns: WINDOW_NS,
        counts: Counts {
            sent: spec.requests,
            ok: answered,
            in_flight_at_end: lost,
            never_written: lost / 2,
            ..Counts::default()
        },
        completed_in_window: completed,
        reply_bytes_in_window: completed * 64,
        warmup_sent: completed / 5,
        warmup_completed: vec![completed / 5 / WARMUP_SLICES as u64; WARMUP_SLICES],
        response: response.encode(),
        service: service.encode(),
        send_lag: send_lag.encode(),
        dispatch_lag: dispatch_lag.encode(),
        connect: connect.encode(),
        handshakes: None,
        slices: slices.iter().enumerate().map(|(at, slice)| encode_slice(spec, at, slice)).collect(),
        spread: Spread {
            connections: clients,
            never_served: clients - served,
            replies: each * served,
            replies_squared: each.pow(2) * served,
            fewest: if starves { 0 } else { each },
            most: each,
            hdr_v2: replies.encode().hdr_v2,
        },
        wire: wire(workload, clients, answered + completed / 5),
        datagrams: None,
        fan_out: None,
        background: Default::default(),
        http: Default::default(),
        swarm_cpu_ns: WINDOW_NS / 2,
        swarm_workers: 1,
        swarm_spins: workload.4.is_some(),
    }
}

fn encode_slice(spec: &Spec, at: usize, slice: &Recorder) -> Slice {
    let length_ns = WINDOW_NS / u64::from(spec.slices.max(1));
    let (start_ns, response) = (at as u64 * length_ns, slice.encode());
    Slice { start_ns, length_ns, completed: slice.count(), response, failed: 0 }
}

/// Two segments with payload a request, an acknowledgement now and then, and the three of the set-up.
fn wire(workload: &ScenarioRow, clients: u64, requests: u64) -> Reading<Wire> {
    if workload.0 == "churn" {
        return Reading::Absent("churn closes its connections during the trial".to_owned());
    }
    Reading::Value(Wire {
        connections: clients,
        segments_out: requests + requests / 50 + 2 * clients,
        segments_in: requests + clients,
        data_segments_out: requests,
        data_segments_in: requests,
        bytes_out: 64 * requests,
        bytes_in: 64 * requests,
        retransmits: 0,
        bytes_retransmitted: 0,
        min_rtt_us: Reading::Value(9),
    })
}

fn usage(model: &ModelRow, clients: u64, completed: u64, requests: u64, drift: f64) -> Usage {
    let cpu_ns = (completed as f64 * model.2 * 1_000.0 * drift) as u64;
    let switches = (requests as f64 * model.3) as u64;
    let pss_bytes = (model.4 * 1_048_576.0) as u64;
    let hidden = matches!(model.0, "iterative");
    Usage {
        window_cpu_ns: Reading::Value(cpu_ns),
        window_user_share: Reading::Value(0.25),
        run_delay_ns: Reading::Value((completed as f64 * model.3 * 4_000.0) as u64),
        life_user_ns: Reading::Value(cpu_ns / 3),
        life_system_ns: Reading::Value(cpu_ns),
        switches: Switches {
            voluntary: Reading::Value(switches * 9 / 10),
            involuntary: Reading::Value(switches / 10),
            replies: Reading::Value(requests),
        },
        life_voluntary_switches: Reading::Value(switches * 9 / 10),
        life_involuntary_switches: Reading::Value(switches / 10),
        life_minor_faults: Reading::Value(400 + 60 * model.6),
        life_major_faults: Reading::Value(0),
        pss_bytes: match hidden {
            true => Reading::Absent("smaps_rollup could not be read".to_owned()),
            false => Reading::Value(pss_bytes),
        },
        page_table_bytes: Reading::Value(90_112 * model.6),
        kernel_stack_bytes: Reading::Value(16_384 * model.5),
        kernel_object_bytes: Reading::Value(4_288 * model.5),
        descriptors: Reading::Value(9 + clients),
        idle_own_bytes: Reading::Value(pss_bytes / 4),
        held_own_bytes: Reading::Value(pss_bytes / 2 + 16_384 * model.5),
        socket_buffer_bytes: Reading::Value(8_192 * clients),
        threads: Reading::Value(model.5),
        threads_by_slice: None,
        processes: Reading::Value(model.6),
        listen_overflows: Reading::Value(0),
        listen_drops: Reading::Value(0),
        counted: counted(model, completed),
        steal_share: Reading::Value(0.002),
        foreign_share: Reading::Value(0.0),
    }
}

/// What a machine without hardware counters counts.
fn counted(model: &ModelRow, completed: u64) -> Counted {
    let replies = completed / 5 / WARMUP_SLICES as u64 * 6;
    Counted {
        replies: Reading::Value(replies),
        context_switches: Reading::Value((replies as f64 * model.3) as u64),
        migrations: Reading::Value(0),
        page_faults: Reading::Value(model.6 - 1),
        system_call_replies: Reading::Value(replies),
        system_calls: Reading::Value((replies as f64 * (2.0 + 0.5 * model.3)) as u64),
        ..Counted::absent("this CPU, or the virtual machine around it, has no such counter")
    }
}
