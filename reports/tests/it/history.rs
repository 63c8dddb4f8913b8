//! A history from made-up runs: what is kept of a bundle, which series come of it, what is drawn and said.

use bakeoff_reports::analysis::analyse;
use bakeoff_reports::ask::history::{
    Entry, Facts, History, LINE_VERSION, Machine, NULL_SERVER, Point, Reference, entry, from_lines, key,
    to_lines,
};
use bakeoff_reports::record::{ComparedCell, Comparison, Contender, Gated, Metric, Origin, Reading, Side};
use bakeoff_reports::sample::{self, Spec};
use bakeoff_reports::show::html;
use bakeoff_reports::show::text::history as text;
use bakeoff_reports::stats::estimate::Estimate;
use bakeoff_reports::stats::random::Random;
use proptest::prelude::*;

/// The model whose facts say that others are held against it.
const REFERENCE_MODEL: &str = "thread-per-client";

const THROUGHPUT: Metric = Metric::Throughput;

fn small() -> Spec {
    Spec { scenarios: 4, models: 4, rounds: 5, requests: 400, slices: 1, ..Spec::default() }
}

fn facts() -> Facts {
    Facts { key: "a".to_owned(), commit: Some("c0ffee".to_owned()), ..Facts::default() }
}

fn find<'a>(entry: &'a Entry, scenario: &str, model: &str, figure: Metric) -> &'a Point {
    let same = |point: &&Point| point.scenario == scenario && point.model == model && point.figure == figure;
    entry.points.iter().find(same).unwrap_or_else(|| panic!("{scenario} {model} {figure:?}"))
}

#[test]
fn each_figure_is_held_against_the_reference_that_fits_it() {
    let entry = entry(&analyse(&sample::bundle(&small())), facts());
    let reference = |scenario: &str, model: &str, figure| {
        find(&entry, scenario, model, figure).reference.as_ref().map(|reference| reference.name.as_str())
    };
    assert_eq!(
        reference("echo-small", "thread-per-client", THROUGHPUT),
        Some(NULL_SERVER),
        "its ceiling was measured"
    );
    let p99 = Metric::ResponseP99;
    assert_eq!(reference("echo-paced", "thread-pool", p99), Some(NULL_SERVER), "its floor was measured");
    assert_eq!(
        reference("churn", "thread-pool", THROUGHPUT),
        Some(REFERENCE_MODEL),
        "no ceiling for churn there"
    );
    assert_eq!(reference("churn", REFERENCE_MODEL, THROUGHPUT), None, "nothing is held against itself");
    assert_eq!(reference("echo-small", "thread-pool", Metric::CpuPerRequest), Some(REFERENCE_MODEL));
    let point = find(&entry, "echo-small", "thread-per-client", THROUGHPUT);
    let held = point.reference.as_ref().expect("the null server");
    assert_eq!(held.value, 96_000.0);
    assert!((held.ratio.median - point.value.median / 96_000.0).abs() < 1e-12);
    // The made-up pool needs 1.0/1.7 of the time for a churn; what the machine did in a round cancels.
    let churn = find(&entry, "churn", "thread-pool", THROUGHPUT).reference.as_ref().expect("the plain model");
    assert!((churn.ratio.median - 1.7).abs() < 0.08, "{:?}", churn.ratio);
    assert!(churn.ratio.high - churn.ratio.low < 0.2, "paired by round: {:?}", churn.ratio);
}

#[test]
fn without_a_probe_the_plain_model_is_the_reference_of_all() {
    let mut bundle = sample::bundle(&small());
    bundle.run.probe = Reading::Absent("skipped".to_owned());
    let entry = entry(&analyse(&bundle), facts());
    for point in &entry.points {
        let name = point.reference.as_ref().map(|reference| reference.name.as_str());
        assert_eq!(name, (point.model != REFERENCE_MODEL).then_some(REFERENCE_MODEL), "{point:?}");
    }
}

/// A run that compares two builds of a model, of which B takes `factor` times as long.
fn comparison(factor: f64) -> Entry {
    let mut bundle = sample::bundle(&Spec { scenarios: 1, models: 2, ..small() });
    // The sample's second model is 1.75 times slower than its first would be; here both are one model's two builds.
    let sides = Side::BOTH.map(|side| side.model("tokio"));
    for (model, side) in bundle.run.models.iter_mut().zip(&sides) {
        model.name.clone_from(side);
    }
    bundle.run.scenarios[0].models = sides.to_vec();
    let twin: Vec<_> =
        bundle.trials.iter().filter(|trial| trial.model == "fork-per-client").cloned().collect();
    bundle.trials.clear();
    for mut trial in twin {
        trial.invalid.clear();
        trial.model.clone_from(&sides[0]);
        bundle.trials.push(trial.clone());
        trial.model.clone_from(&sides[1]);
        let Reading::Value(measured) = &mut trial.measured else { panic!("measured") };
        measured.completed_in_window = (measured.completed_in_window as f64 / factor) as u64;
        bundle.trials.push(trial);
    }
    let build = |commit: char| Contender {
        label: commit.to_string(),
        origin: Origin::Commit { reference: "main".to_owned(), commit: commit.to_string().repeat(40) },
    };
    let gated =
        vec![Gated { figure: THROUGHPUT, floor: 0.03 }, Gated { figure: Metric::CpuPerRequest, floor: 0.05 }];
    let cell = ComparedCell { scenario: "echo-small".to_owned(), model: "tokio".to_owned(), gated };
    bundle.run.comparison = Some(Comparison {
        a: build('a'),
        b: build('b'),
        cells: vec![cell],
        search_rounds: 5,
        confirm_rounds: 5,
        looks: Vec::new(),
        strict: false,
        layouts: 1,
    });
    entry(&analyse(&bundle), facts())
}

#[test]
fn a_comparison_of_two_builds_is_kept_as_b_over_a() {
    let entry = comparison(1.25);
    assert_eq!(entry.points.len(), 2, "{:?}", entry.points);
    let point = find(&entry, "echo-small", "tokio", THROUGHPUT);
    let reference = point.reference.as_ref().expect("side A");
    assert_eq!(reference.name, format!("build {}", "a".repeat(40)));
    assert!((reference.ratio.median - 0.8).abs() < 1e-3, "{:?}", reference.ratio);
    assert!((point.value.median / reference.value - 0.8).abs() < 1e-3);
}

#[test]
fn the_key_is_that_of_the_head_and_the_begin() {
    let head = b"{\"head\"}\n{\"trial\"}\n";
    assert_eq!(key(head, 5), key(b"{\"head\"}\n", 5), "a later state of the same run");
    assert_ne!(key(head, 5), key(head, 6));
    assert_ne!(key(head, 5), key(b"{\"other\"}\n", 5));
}

/// A run of two models under one workload, with these ratios to the null server, on a machine so many times slower.
fn made(number: usize, ratios: [f64; 2], slow: f64) -> Entry {
    let interval = |median: f64| Estimate { median, low: median * 0.99, high: median * 1.01, rounds: 8 };
    let point = |model: &str, ratio: f64| Point {
        scenario: "echo <small>".to_owned(),
        definition: "00000000".to_owned(),
        model: model.to_owned(),
        figure: THROUGHPUT,
        value: interval(1e5 * ratio / slow),
        reference: Some(Reference {
            name: NULL_SERVER.to_owned(),
            value: 1e5 / slow,
            ratio: interval(ratio),
        }),
    };
    Entry {
        line_version: LINE_VERSION,
        key: format!("run-{number:03}"),
        started_unix_ms: 1_790_000_000_000 + number as u64 * 86_400_000,
        tool_version: "0.1.0".to_owned(),
        commit: Some(format!("{number:040x}")),
        committed_unix_ms: None,
        label: None,
        machine: Machine { fingerprint: "cafe0001".to_owned(), words: "Imagined, 2 CPUs".to_owned() },
        trials: 16,
        points: vec![point("tokio", ratios[0]), point("mio-event-loop", ratios[1])],
    }
}

/// Runs with noise of 1 % in which the first model falls by a tenth at the 25th, on a machine that becomes twice as slow.
fn runs() -> Vec<Entry> {
    let mut random = Random::new(3);
    (0..40)
        .map(|number| {
            let step = if number < 24 { 0.8 } else { 0.72 };
            let mut noisy = |ratio: f64| ratio * (1.0 + 0.01 * random.normal());
            made(number, [noisy(step), noisy(0.9)], 1.0 + number as f64 / 40.0)
        })
        .collect()
}

#[test]
fn a_drift_of_the_machine_cancels_and_a_step_of_one_model_remains() {
    let history = History::of(runs());
    assert_eq!(history.tested(), 2);
    let [alert] = history.alerts.as_slice() else { panic!("one alert: {:?}", history.alerts) };
    assert_eq!((alert.last_good, alert.first_bad, alert.changes.len()), (23, 24, 1));
    let series = &history.series[alert.changes[0].0];
    let change = series.changes[alert.changes[0].1];
    assert_eq!(series.key.model, "tokio");
    assert!((change.worse - 0.8 / 0.72).abs() < 0.02, "{change:?}");
    // The raw figure is what drifts: a series of it would have changed all along.
    let raw: Vec<f64> = series.samples.iter().map(|sample| sample.value.median.ln()).collect();
    assert!(bakeoff_reports::ask::history::divisive::change_points(&raw, 1).len() > 1);
}

#[test]
fn an_older_commit_that_is_measured_later_finds_its_place() {
    let mut runs = runs();
    for (number, run) in runs.iter_mut().enumerate() {
        run.committed_unix_ms = Some(number as u64 * 1_000);
    }
    // The runs in between were made up for last.
    for run in &mut runs[10..20] {
        run.started_unix_ms += 1_000 * 86_400_000;
    }
    let history = History::of(runs);
    let [alert] = history.alerts.as_slice() else { panic!("one alert: {:?}", history.alerts) };
    let commit = |at: usize| history.entries[at].commit.clone();
    assert_eq!(commit(alert.last_good), Some(format!("{:040x}", 23)));
    assert_eq!(commit(alert.first_bad), Some(format!("{:040x}", 24)));
}

#[test]
fn another_machine_workload_or_baseline_is_another_series() {
    let series = |change: fn(&mut Entry)| {
        let mut runs = runs();
        runs[12..].iter_mut().for_each(change);
        History::of(runs).series.len()
    };
    assert_eq!(series(|_| ()), 2);
    assert_eq!(series(|run| run.machine.fingerprint = "beef0002".to_owned()), 4);
    assert_eq!(series(|run| run.points[0].definition = "11111111".to_owned()), 3);
    let other = |run: &mut Entry| run.points[1].reference.as_mut().expect("one").name = "build b".to_owned();
    assert_eq!(series(other), 3);
}

#[test]
fn what_has_no_reference_or_too_few_runs_is_shown_and_not_tested() {
    let mut runs = runs();
    runs.iter_mut().for_each(|run| run.points[0].reference = None);
    let history = History::of(runs.clone());
    let untested = |history: &History, model: &str| {
        history
            .series
            .iter()
            .find(|series| series.key.model == model)
            .and_then(|series| series.untested.clone())
    };
    assert!(untested(&history, "tokio").is_some_and(|why| why.contains("no reference")));
    assert_eq!(untested(&history, "mio-event-loop"), None);
    assert!(text::series(&history, 80).contains("tokio, throughput (more is better)"));
    let few = History::of(runs[..9].to_vec());
    assert!(untested(&few, "mio-event-loop").is_some_and(|why| why.contains("9 of the 10 runs")));
    // A figure that is infinite is no distance away from others: it is left out of the test, and shown.
    for run in &mut runs[3..6] {
        run.points[1].reference.as_mut().expect("one").ratio.median = f64::INFINITY;
    }
    assert_eq!(History::of(runs).tested(), 1);
}

#[test]
fn the_page_is_safe_complete_and_the_same_each_time() {
    let history = History::of(runs());
    let page = html::history(&history, false);
    assert_eq!(page, html::history(&History::of(runs()), false));
    assert!(page.contains("echo &lt;small&gt;") && !page.contains("echo <small>"));
    assert!(!page.contains("http://") && !page.contains("https://"), "nothing is fetched");
    assert_eq!(page.matches("<svg class=\"plot\"").count(), 2);
    assert_eq!(page.matches("<title id=").count(), 2);
    assert_eq!(page.matches("<desc id=").count(), 2);
    assert_eq!(page.matches("<summary>Data</summary>").count(), 2);
    assert!(page.contains("after 0000000000, up to 0000000000"), "commits are shortened");
    let empty = html::history(&History::of(Vec::new()), false);
    assert!(empty.contains("No change that matters") && empty.contains("No run of the history has a figure"));
}

#[test]
fn words_fit_80_columns_and_name_the_commit() {
    let mut runs = runs();
    runs.iter_mut().enumerate().for_each(|(at, run)| run.commit = Some(format!("{at:02}").repeat(20)));
    let history = History::of(runs);
    let alerts = text::alerts(&history, 80);
    assert!(alerts.contains("WORSE after 2323232323, up to 2424242424: 1 figure"), "{alerts}");
    assert!(alerts.contains("9.7 % worse"), "{alerts}");
    let series = text::series(&history, 80);
    assert!(series.contains('|') && series.contains("worse since 2424242424"), "{series}");
    for text in [alerts, series, text::runs(&history, 80)] {
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }
}

proptest! {
    #[test]
    fn lines_give_the_same_entries_again(
        ratio in 1e-9..1e9_f64, infinite: bool, commit in prop::option::of("[0-9a-f]{40}"), label in prop::option::of(".{0,20}"),
    ) {
        let mut entry = made(1, [ratio, 1.0], 1.0);
        if infinite {
            entry.points[0].value.high = f64::INFINITY;
        }
        (entry.commit, entry.label) = (commit, label);
        let lines = to_lines(&[entry.clone(), made(2, [0.5, 0.5], 1.0)]).expect("lines");
        prop_assert_eq!(lines.lines().count(), 2);
        prop_assert_eq!(from_lines(&lines).expect("entries"), [entry, made(2, [0.5, 0.5], 1.0)]);
    }
}

#[test]
fn a_line_that_says_nonsense_is_refused_with_its_number() {
    let good = to_lines(&[made(1, [0.5, 0.5], 1.0)]).expect("a line");
    for (bad, words) in [
        (good.replace("\"rounds\":8", "\"rounds\":-1"), "line 2"),
        (good.replacen("\"median\":50000.0", "\"median\":\"lots\"", 1), "neither a number"),
        (good.replacen("\"median\":50000.0", "\"median\":-3", 1), "none is below zero"),
        ("{}".to_owned(), "no run of a history"),
    ] {
        assert!(bad != good, "{words}: nothing was replaced");
        let error = from_lines(&format!("{good}{bad}")).expect_err(&bad).to_string();
        assert!(error.contains("line 2") && error.contains(words), "{error}");
    }
}
