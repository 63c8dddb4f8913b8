//! What every built-in scenario is taken for by theory, by advice and by every export: a table with a row for each. A scenario
//! without a row fails the test.

use bakeoff::workload::contestant::model_record;
use bakeoff::workload::orderings;
use bakeoff::workload::scenario::{BUILT_IN, REFERENCE, Scenario};
use bakeoff_reports::analysis::{Analysis, analyse};
use bakeoff_reports::ask::advise::{Machine, Outcome, Question, Source, advise, is_ordinary};
use bakeoff_reports::ask::theory::limits::{Bound, NoQueue, of_model, queue};
use bakeoff_reports::record::bundle::Bundle;
use bakeoff_reports::record::{RateShape, Trial, Work};
use bakeoff_reports::sample::{self, Spec};
use bakeoff_reports::show::export::{Format, Source as ExportSource, export};
use bakeoff_reports::show::words;
use bakeoff_servers::{TunedModel, models};
use std::collections::BTreeSet;
use std::mem::discriminant;
use std::time::Duration;

/// The kinds of shape, whatever their times.
const STEADY: RateShape = RateShape::Steady;
const BURSTS: RateShape = RateShape::Bursts { on: Duration::ZERO, off: Duration::ZERO };
const SURGE: RateShape = RateShape::Surge { factor: 0.0, after: Duration::ZERO, lasting: Duration::ZERO };

/// What a scenario is taken for.
struct Row {
    name: &'static str,
    shape: RateShape,
    work: Option<Work>,
    /// Why theory predicts no mean wait; `None` where it does.
    no_queue: Option<NoQueue>,
    /// Workers that hold a request of the thread pool, where a request waits.
    held_by: Option<u64>,
    /// Whether advice takes it for evidence of ordinary requests.
    ordinary: bool,
}

const fn row(name: &'static str, shape: RateShape, work: Option<Work>, no_queue: Option<NoQueue>) -> Row {
    Row { name, shape, work, no_queue, held_by: None, ordinary: true }
}

const fn waits(workers: u64, row: Row) -> Row {
    Row { held_by: Some(workers), ..row }
}

const fn peculiar(row: Row) -> Row {
    Row { ordinary: false, ..row }
}

const OWN_PACE: Option<NoQueue> = Some(NoQueue::OwnPace);
const NO_COMPUTING: Option<NoQueue> = Some(NoQueue::NoComputing);

const ROWS: &[Row] = &[
    row("small-echo-closed", STEADY, None, OWN_PACE),
    row("small-echo-open", STEADY, None, NO_COMPUTING),
    row("pipelined", STEADY, None, OWN_PACE),
    row("large-echo", STEADY, None, OWN_PACE),
    row("huge-echo", STEADY, None, OWN_PACE),
    row("tcp-steady", STEADY, None, NO_COMPUTING),
    peculiar(row("udp-steady", STEADY, None, NO_COMPUTING)),
    peculiar(row("tcp-loss", STEADY, None, NO_COMPUTING)),
    peculiar(row("udp-loss", STEADY, None, NO_COMPUTING)),
    row("churn", STEADY, None, OWN_PACE),
    row("churn-ten", STEADY, None, OWN_PACE),
    peculiar(row("churn-tls", STEADY, None, OWN_PACE)),
    peculiar(row("churn-tls-resumed", STEADY, None, OWN_PACE)),
    row("idle-mass", STEADY, None, NO_COMPUTING),
    row("compute-fixed", STEADY, Some(Work::Compute), None),
    row("compute-bimodal", STEADY, Some(Work::Compute), None),
    row("heavy-tail", STEADY, Some(Work::Compute), None),
    waits(128, row("wait", STEADY, Some(Work::Wait), NO_COMPUTING)),
    waits(64, row("compute-and-wait", STEADY, Some(Work::Stages), Some(NoQueue::ComputesAgain(2)))),
    waits(64, row("block", STEADY, Some(Work::Block), NO_COMPUTING)),
    row("static-site", STEADY, None, OWN_PACE),
    row("dynamic-page", STEADY, None, OWN_PACE),
    peculiar(row("chat-whisper", STEADY, None, NO_COMPUTING)),
    peculiar(row("chat-groups", STEADY, None, NO_COMPUTING)),
    peculiar(row("chat-room-10", STEADY, None, NO_COMPUTING)),
    peculiar(row("chat-room-100", STEADY, None, NO_COMPUTING)),
    peculiar(row("chat-room-1000", STEADY, None, NO_COMPUTING)),
    peculiar(row("chat-slow-hearer", STEADY, None, NO_COMPUTING)),
    peculiar(row("bursts", BURSTS, None, Some(NoQueue::Bursts))),
    waits(64, peculiar(row("block-surge", SURGE, Some(Work::Block), Some(NoQueue::Surge)))),
    peculiar(row("slow-readers", STEADY, None, NO_COMPUTING)),
    peculiar(row("slow-senders", STEADY, None, NO_COMPUTING)),
    peculiar(row("crash", STEADY, Some(Work::Poison), NO_COMPUTING)),
    peculiar(row("overload", SURGE, Some(Work::Compute), Some(NoQueue::Surge))),
    peculiar(row("reference", STEADY, Some(Work::Compute), None)),
    row("fork-0-mib", STEADY, None, OWN_PACE),
    row("fork-64-mib", STEADY, None, OWN_PACE),
    row("fork-256-mib", STEADY, None, OWN_PACE),
    row("idle-0", STEADY, None, OWN_PACE),
    row("idle-1000", STEADY, None, OWN_PACE),
    row("idle-4000", STEADY, None, OWN_PACE),
    waits(16, row("pool-waits", STEADY, Some(Work::Wait), OWN_PACE)),
    row("inline-compute", STEADY, Some(Work::Compute), None),
    row("one-client", STEADY, None, OWN_PACE),
    row("thousand", STEADY, None, OWN_PACE),
    row("zerohttpd", STEADY, None, OWN_PACE),
    row("spread", STEADY, None, OWN_PACE),
    row("files", STEADY, None, OWN_PACE),
];

/// Every scenario of the program: each name once.
fn scenarios() -> Vec<Scenario> {
    let built_in = BUILT_IN.iter().chain([&REFERENCE]);
    let built_in = built_in.map(|one| Scenario::parse(one.toml, one.name).expect("checked by a test"));
    let mut names = BTreeSet::new();
    let all = built_in.chain(orderings::scenarios(&orderings::numbers()));
    all.filter(|one| names.insert(one.name.clone())).collect()
}

/// A run of all of them with a pool and an event loop, made up from the trials of one workload of the sample.
fn bundle() -> Bundle {
    let spec = Spec { scenarios: 1, models: 5, rounds: 6, requests: 1_000, slices: 2, ..Spec::default() };
    let mut bundle = sample::bundle(&spec);
    let chosen = ["thread-pool", "mio-event-loop"].map(|name| models::find(name).expect("a model"));
    bundle.run.models = chosen.iter().map(|model| model_record(&TunedModel::from(*model))).collect();
    let names: Vec<String> = bundle.run.models.iter().map(|model| model.name.clone()).collect();
    let trials: Vec<Trial> = bundle.trials.into_iter().filter(|one| names.contains(&one.model)).collect();
    let scenarios = scenarios();
    bundle.run.scenarios =
        scenarios.iter().map(|one| one.record(names.clone(), &one.server.config(1))).collect();
    let of = |name: &String| {
        let renamed = |trial: &Trial| Trial { scenario: name.clone(), invalid: Vec::new(), ..trial.clone() };
        trials.iter().map(renamed).collect::<Vec<_>>()
    };
    bundle.trials = scenarios.iter().flat_map(|one| of(&one.name)).collect();
    (0..).zip(&mut bundle.trials).for_each(|(index, trial)| trial.index = index);
    bundle.run.planned_trials = bundle.trials.len() as u32;
    bundle
}

/// The question that a workload answers to the letter.
fn question(analysis: &Analysis) -> Question {
    let profile = analysis.workloads[0].scenario.profile();
    let connections = profile.active_connections + profile.idle_connections;
    let some = |ns: f64| (ns > 0.0).then_some(ns);
    Question {
        rate_per_s: profile.rate_per_s,
        connections: Some(connections),
        idle_share: Some(profile.idle_connections as f64 / connections as f64),
        payload_bytes: Some(profile.payload_bytes),
        requests_per_connection: profile.requests_per_connection,
        compute_ns: some(profile.compute_ns),
        wait_ns: some(profile.wait_ns),
        block_ns: some(profile.block_ns),
        ..Question::default()
    }
}

#[test]
fn every_scenario_is_taken_for_what_it_is() {
    let (bundle, scenarios) = (bundle(), scenarios());
    let analysis = analyse(&bundle);
    let names: Vec<&str> = scenarios.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ROWS.iter().map(|row| row.name).collect::<Vec<_>>(), "a row for each");
    for (row, workload) in ROWS.iter().zip(&analysis.workloads) {
        let (name, scenario) = (row.name, &workload.scenario);
        assert_eq!(discriminant(&scenario.load.shape()), discriminant(&row.shape), "{name}");
        assert_eq!(scenario.work, row.work, "{name}");
        assert_eq!(queue(&analysis.run, workload).err(), row.no_queue, "{name}");
        let pool = of_model(&analysis.run, workload, workload.cell("thread-pool").expect("it ran"));
        let workers = pool.iter().find_map(|limit| match limit.bound {
            Bound::Workers { workers, .. } => Some(workers),
            _ => None,
        });
        assert_eq!(workers, row.held_by, "{name}");
        assert_eq!(is_ordinary(scenario), row.ordinary, "{name}");
        let mut alone = analysis.clone();
        alone.workloads = vec![workload.clone()];
        let question = question(&alone);
        let answer =
            advise(&question, &[Source { name: "run".into(), analysis: alone }], &Machine::default());
        assert_eq!(answer.outcome != Outcome::NothingNear, row.ordinary, "{name}: {question:?}");
    }
}

#[test]
fn models_of_schema_3_and_of_the_sample_state_what_they_state_now() {
    for model in sample::bundle(&Spec { models: 8, rounds: 1, ..Spec::default() }).run.models {
        let now = models::find(&model.name).expect("a model");
        assert_eq!(model.facts, model_record(&TunedModel::from(now)).facts, "{}", model.name);
    }
}

#[test]
fn blocking_jobs_of_an_event_loop_are_bounded_by_the_threads_they_are_handed_to() {
    let analysis = analyse(&bundle());
    let workload = analysis.workloads.iter().find(|one| one.scenario.name == "block").expect("built in");
    let limits = of_model(&analysis.run, workload, workload.cell("mio-event-loop").expect("it ran"));
    assert!(limits.iter().any(|one| matches!(one.bound, Bound::Workers { workers: 64, .. })), "{limits:?}");
}

#[test]
fn every_export_holds_every_scenario_and_tells_its_load_by_its_type() {
    let bundle = bundle();
    let analysis = analyse(&bundle);
    for &format in Format::ALL {
        let source = ExportSource { bundle: &bundle, analysis: &analysis, gate: None };
        let export = export(source, format, None).unwrap_or_else(|error| panic!("{format:?}: {error}"));
        let all: String = export
            .files
            .iter()
            .flat_map(|file| [file.path.clone(), String::from_utf8_lossy(&file.bytes).into_owned()])
            .chain(export.left_out)
            .collect();
        for scenario in &bundle.run.scenarios {
            assert!(all.contains(&scenario.name), "{format:?} leaves out {}", scenario.name);
            let load = words::workload::load(&scenario.load);
            assert!(format != Format::Junit || all.contains(&load), "{}: {load}", scenario.name);
        }
    }
}
