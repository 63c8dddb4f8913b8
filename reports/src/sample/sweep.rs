//! Made-up sweeps with known answers, for tests and to look at the report. Never a measurement; the bundle says so.
//!
//! Throughput follows a stated scalability law, response time a stated queue, both with noise between rounds that all models
//! share and noise of each trial; so what the report finds can be held against what was put in.

use crate::record::bundle::Bundle;
use crate::record::histogram::Recorder;
use crate::record::{
    Axis, Counts, End, Measured, Metric, Objective, Reading, ScenarioRecord, SweepPoint, Trial,
};
use crate::rules::sweep::{Queue, Usl};
use crate::sample::{self, Spec};
use crate::stats::random::Random;

/// Models that are swept.
pub const MODELS: [&str; 3] = ["thread-per-client", "thread-pool", "mio-event-loop"];

/// The law of each model over clients. Threads and the event loop change places at 33.0 clients.
pub const LAWS: [Usl; 3] = [
    Usl { lambda_per_s: 14_000.0, sigma: 0.02, kappa: 0.0012, residual: 0.0 },
    Usl { lambda_per_s: 11_000.0, sigma: 0.025, kappa: 0.0006, residual: 0.0 },
    Usl { lambda_per_s: 10_000.0, sigma: 0.03, kappa: 0.0001, residual: 0.0 },
];

/// The queue of each model over the rate.
pub const QUEUES: [Queue; 3] = [queue(62_000.0), queue(55_000.0), queue(40_000.0)];

const fn queue(service_ns: f64) -> Queue {
    Queue { service_ns, alone_ns: 90_000.0, scv: 1.0, percentile: 0.99, residual: 0.0, points: 0 }
}

/// Clients of the sweep.
pub const CLIENTS: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];

/// The limit of the objective on p99.
pub const LIMIT_NS: u64 = 2_000_000;

/// The highest rate of a model under the objective, as its queue has it: by bisection.
pub fn capacity(queue: &Queue) -> f64 {
    let (mut low, mut high) = (1.0, queue.saturation_per_s());
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if queue.at(middle) <= LIMIT_NS as f64 { low = middle } else { high = middle }
    }
    low
}

/// A workload, a sweep of it over clients, one of another over rates, and a capacity search.
pub fn bundle(rounds: u32) -> Bundle {
    let spec = Spec { scenarios: 2, models: 5, rounds, requests: 1_000, slices: 4, ..Spec::default() };
    let mut bundle = sample::bundle(&spec);
    bundle.trials.iter_mut().for_each(|trial| trial.invalid.clear());
    let template = bundle.trials[0].clone();
    let (closed, open) = (bundle.run.scenarios[0].clone(), bundle.run.scenarios[1].clone());
    bundle.run.scenarios.truncate(1);
    bundle.trials.retain(|trial| trial.scenario == closed.name);
    let mut maker = Maker { bundle, template, random: Random::new(spec.seed) };
    maker.clients(&closed, rounds);
    maker.rates(&open, rounds);
    maker.search(&open, 20);
    let mut bundle = maker.bundle;
    let planned = bundle.trials.len() as u32;
    bundle.run.planned_trials = planned;
    bundle.end = bundle.end.map(|end| End { trials: planned, ..end });
    bundle
}

struct Maker {
    bundle: Bundle,
    template: Trial,
    random: Random,
}

impl Maker {
    /// A point of a sweep, declared in the head.
    fn point(&mut self, base: &ScenarioRecord, of: &str, axis: Axis, value: f64) -> String {
        let name = format!("{of} @ {value} {}", if axis == Axis::Rate { "per second" } else { axis.label() });
        let sweep = Some(SweepPoint { of: of.to_owned(), axis, value });
        let models = MODELS.map(str::to_owned).to_vec();
        let point = ScenarioRecord { name: name.clone(), sweep, models, ..base.clone() };
        self.bundle.run.scenarios.push(point);
        name
    }

    fn trial(&mut self, scenario: &str, model: usize, round: u32, rate_per_s: f64, p99_ns: f64) {
        let mut response = Recorder::fine();
        // Exponential response times of which exactly one in a hundred lies above the p99.
        let mean = p99_ns / 100_f64.ln();
        (0..1_000)
            .for_each(|at| response.record((-mean * (1.0 - (f64::from(at) + 0.5) / 1_000.0).ln()) as u64));
        let mut trial = Trial {
            index: self.bundle.trials.len() as u32,
            round,
            scenario: scenario.to_owned(),
            model: MODELS[model].to_owned(),
            doubts: Vec::new(),
            ..self.template.clone()
        };
        if let Reading::Value(measured) = &mut trial.measured {
            *measured = Measured {
                counts: Counts { sent: 1_000, ok: 1_000, ..Counts::default() },
                completed_in_window: (rate_per_s * measured.window_ns as f64 / 1e9) as u64,
                response: response.encode(),
                ..measured.clone()
            };
        }
        self.bundle.trials.push(trial);
    }

    fn noise(&mut self, share: f64) -> f64 {
        (share * self.random.normal()).exp()
    }

    fn clients(&mut self, base: &ScenarioRecord, rounds: u32) {
        let base = ScenarioRecord { merit: Metric::Throughput, ..base.clone() };
        let names = CLIENTS.map(|n| self.point(&base, &base.name, Axis::Clients, n));
        for round in 0..rounds {
            let drift = self.noise(0.1);
            for (n, name) in CLIENTS.iter().zip(&names) {
                for (model, law) in LAWS.iter().enumerate() {
                    let rate = law.at(*n) * drift * self.noise(0.02);
                    let p99 = 2.5 * 1e9 * n / rate * self.noise(0.05);
                    self.trial(name, model, round, rate, p99);
                }
            }
        }
    }

    fn rates(&mut self, base: &ScenarioRecord, rounds: u32) {
        let rates: Vec<f64> = (0..9).map(|at| (1_000.0 * 30_f64.powf(f64::from(at) / 8.0)).round()).collect();
        let names: Vec<String> =
            rates.iter().map(|rate| self.point(base, &base.name, Axis::Rate, *rate)).collect();
        for round in 0..rounds {
            for (rate, name) in rates.iter().zip(&names) {
                for (model, queue) in QUEUES.iter().enumerate() {
                    let back = rate.min(queue.saturation_per_s());
                    let p99 = queue.at(*rate).min(4e8) * self.noise(0.1);
                    self.trial(name, model, round, back, p99);
                }
            }
        }
    }

    /// One step up after a trial that meets the objective and one down after one that misses it.
    fn search(&mut self, base: &ScenarioRecord, rounds: u32) {
        let of = format!("{}-search", base.name);
        let rates: Vec<f64> = (0..40).map(|at| (1_000.0 * 1.1_f64.powi(at)).round()).collect();
        let names: Vec<String> = rates.iter().map(|rate| self.point(base, &of, Axis::Rate, *rate)).collect();
        let mut at = [20; 3];
        for round in 0..rounds {
            for (model, queue) in QUEUES.iter().enumerate() {
                let rung = at[model];
                let p99 = queue.at(rates[rung]).min(4e8) * self.noise(0.1);
                let back = rates[rung].min(queue.saturation_per_s());
                self.trial(&names[rung], model, round, back, p99);
                at[model] = if p99 <= LIMIT_NS as f64 { rung + 1 } else { rung - 1 }.min(rates.len() - 1);
            }
        }
        self.bundle.objectives.push(Objective { of, percentile: 0.99, limit_ns: LIMIT_NS });
    }
}
