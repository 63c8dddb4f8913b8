//! A made-up comparison of two builds with known answers, for tests and to look at the report. Never a measurement; the
//! bundle says so.
//!
//! It is run as a real one is: the ledger is asked after each round which cells have ended, and after the search which look
//! worse; these run again on fresh rounds.

use crate::record::bundle::Bundle;
use crate::record::histogram::Recorder;
use crate::record::{
    ComparedCell, Comparison, ConfirmRecord, Contender, Counts, End, Gated, Invalid, Measured, Metric,
    ModelRecord, Origin, Reading, Side, Trial,
};
use crate::rules::gate::{Ledger, defaults, looks};
use crate::sample::{self, Spec};
use crate::stats::random::Random;

/// Rounds of the search at most.
pub const SEARCH: u32 = 48;

/// Fresh rounds.
pub const CONFIRM: u32 = 24;

/// What is true of a cell.
struct Truth {
    /// Which workload of the sample.
    scenario: usize,
    model: &'static str,
    /// How many times worse B is by the figure of merit, and by CPU time.
    slower: f64,
    cpu: f64,
    /// Spread of the noise of a trial.
    noise: f64,
    /// B answers wrongly in every such round.
    wrong_every: Option<u32>,
}

const fn cell(scenario: usize, model: &'static str, slower: f64, cpu: f64, noise: f64) -> Truth {
    Truth { scenario, model, slower, cpu, noise, wrong_every: None }
}

/// One slower, one with less CPU time, one a little slower, one too noisy to tell, and one broken.
const CELLS: [Truth; 5] = [
    cell(0, "tokio", 1.08, 1.02, 0.015),
    cell(0, "mio-event-loop", 1.0, 0.90, 0.015),
    cell(0, "thread-pool", 1.012, 1.0, 0.006),
    cell(1, "tokio", 1.06, 1.01, 0.14),
    Truth { wrong_every: Some(9), ..cell(1, "mio-event-loop", 1.0, 1.0, 0.03) },
];

/// The bundle.
pub fn bundle() -> Bundle {
    let spec = Spec { scenarios: 2, models: 6, rounds: 1, requests: 1_000, slices: 4, ..Spec::default() };
    let mut maker =
        Maker { bundle: sample::bundle(&spec), templates: Vec::new(), random: Random::new(spec.seed) };
    maker.templates = std::mem::take(&mut maker.bundle.trials);
    maker.declare();
    maker.run();
    maker.bundle
}

fn gated(figure: Metric) -> Gated {
    Gated { figure, floor: figure.floor() }
}

struct Maker {
    bundle: Bundle,
    templates: Vec<Trial>,
    random: Random,
}

impl Maker {
    /// The head: both sides of every model, and what is compared.
    fn declare(&mut self) {
        let run = &mut self.bundle.run;
        let compared = |truth: &Truth| ComparedCell {
            scenario: run.scenarios[truth.scenario].name.clone(),
            model: truth.model.to_owned(),
            gated: defaults(run.scenarios[truth.scenario].merit).into_iter().map(gated).collect(),
        };
        let contender = |label: &str, commit: &str| Contender {
            label: label.to_owned(),
            origin: Origin::Commit { reference: label.to_owned(), commit: commit.repeat(5) },
        };
        let comparison = Comparison {
            a: contender("main", "4f1d20c9"),
            b: contender("buffer-pool", "b07a93e2"),
            cells: CELLS.iter().map(compared).collect(),
            search_rounds: SEARCH,
            confirm_rounds: CONFIRM,
            looks: looks(SEARCH),
            strict: false,
            layouts: 1,
        };
        let sides = |models: &[&str]| -> Vec<String> {
            models.iter().flat_map(|model| Side::BOTH.map(|side| side.model(model))).collect()
        };
        let of = |scenario: usize| -> Vec<&str> {
            CELLS.iter().filter(|truth| truth.scenario == scenario).map(|truth| truth.model).collect()
        };
        for (at, scenario) in run.scenarios.iter_mut().enumerate() {
            scenario.models = sides(&of(at));
        }
        let side = |name: String| {
            let bare = name.rsplit_once(' ').map_or(name.as_str(), |(bare, _)| bare);
            let model = run.models.iter().find(|model| model.name == bare).cloned();
            ModelRecord { name, ..model.expect("the sample has it") }
        };
        run.models = sides(&of(0)).into_iter().map(side).collect();
        run.command = ["bakeoff", "ab", "main", "buffer-pool"].map(str::to_owned).to_vec();
        (run.rounds, run.planned_trials) = (SEARCH, SEARCH * 2 * CELLS.len() as u32);
        run.comparison = Some(comparison);
        (self.bundle.anatomies, self.bundle.envelopes) = (Vec::new(), Vec::new());
        self.bundle.rounds.clear();
    }

    fn run(&mut self) {
        let mut ledger = Ledger::new(&self.bundle.run);
        let mut running: Vec<usize> = (0..CELLS.len()).collect();
        let mut round = 0;
        while round < SEARCH && !running.is_empty() {
            self.round(round, &running, &mut ledger);
            round += 1;
            if let Some(look) = ledger.look(round) {
                running.retain(|at| !look.ended.iter().any(|cell| self.is(*at, &cell.scenario, &cell.model)));
                self.bundle.looks.push(look);
            }
        }
        let cells = ledger.suspects(round);
        if !cells.is_empty() {
            let again: Vec<usize> = (0..CELLS.len())
                .filter(|at| cells.iter().any(|(scenario, model)| self.is(*at, scenario, model)))
                .collect();
            self.bundle.confirm = Some(ConfirmRecord { from_round: round, rounds: CONFIRM, cells });
            (round..round + CONFIRM).for_each(|round| self.round(round, &again, &mut ledger));
        }
        let trials = self.bundle.trials.len() as u32;
        let finished_unix_ms = self.bundle.run.started_unix_ms + u64::from(trials) * 650;
        self.bundle.end =
            Some(End { finished_unix_ms, trials, interrupted: false, compute_ns_per_nominal_us: None });
    }

    fn is(&self, at: usize, scenario: &str, model: &str) -> bool {
        let truth = &CELLS[at];
        self.bundle.run.scenarios[truth.scenario].name == scenario && truth.model == model
    }

    /// One round: what the machine does in it, it does to both sides.
    fn round(&mut self, round: u32, cells: &[usize], ledger: &mut Ledger) {
        for at in cells {
            let drift = (0.1 * self.random.normal()).exp();
            for side in Side::BOTH {
                let trial = self.trial(round, &CELLS[*at], side, drift);
                ledger.add(&trial);
                self.bundle.trials.push(trial);
            }
        }
    }

    fn trial(&mut self, round: u32, truth: &Truth, side: Side, drift: f64) -> Trial {
        let scenario = self.bundle.run.scenarios[truth.scenario].name.clone();
        let b = side == Side::B;
        let mut noise = |worse: f64, spread: f64| {
            drift * if b { worse } else { 1.0 } * (spread * self.random.normal()).exp()
        };
        let (slowness, cpu) = (noise(truth.slower, truth.noise), noise(truth.cpu, 0.004));
        let template = self.templates.iter().find(|one| one.scenario == scenario && one.model == truth.model);
        let mut trial = template.expect("the sample has all of them").clone();
        let index = self.bundle.trials.len() as u32;
        (trial.index, trial.round, trial.model) = (index, round, side.model(truth.model));
        trial.started_unix_ms = self.bundle.run.started_unix_ms + u64::from(index) * 650;
        trial.doubts.clear();
        trial.invalid.clear();
        if b && truth.wrong_every.is_some_and(|every| round % every == every - 1) {
            trial.invalid.push(Invalid::WrongReply { replies: 3, kinds: Vec::new() });
        }
        let Reading::Value(measured) = &mut trial.measured else { unreachable!("the sample measures all") };
        let paced = self.bundle.run.scenarios[truth.scenario].rate_per_s().is_some();
        let completed = measured.completed_in_window as f64;
        let mean_ns = 160_000.0 * slowness;
        *measured = Measured {
            counts: Counts { sent: 1_000, ok: 1_000, ..Counts::default() },
            completed_in_window: if paced { completed } else { completed / slowness }.round() as u64,
            response: response(mean_ns),
            ..measured.clone()
        };
        if let Reading::Value(used) = &mut trial.usage.window_cpu_ns {
            *used = (measured.completed_in_window as f64 * 7_000.0 * cpu) as u64;
        }
        trial
    }
}

/// Exponential response times with this mean.
fn response(mean_ns: f64) -> crate::record::EncodedHistogram {
    let mut response = Recorder::fine();
    for at in 0..1_000 {
        response.record((-mean_ns * (1.0 - (f64::from(at) + 0.5) / 1_000.0).ln()) as u64);
    }
    response.encode()
}
