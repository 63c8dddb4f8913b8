//! Where a history says that a change began, which runs it takes for one series, and how its runs are told apart.

use bakeoff_reports::analysis::analyse;
use bakeoff_reports::ask::history::{
    Entry, Facts, History, LINE_VERSION, Machine, NULL_SERVER, Point, Reference, TEXT_ALONE, entry,
    from_lines, to_lines,
};
use bakeoff_reports::record::bundle::Bundle;
use bakeoff_reports::record::{Metric, Reading, Switches};
use bakeoff_reports::sample::{self, Spec};
use bakeoff_reports::show::text::history as text;
use bakeoff_reports::stats::estimate::Estimate;
use std::time::Duration;

/// The model whose facts say that others are held against it.
const REFERENCE_MODEL: &str = "thread-per-client";

/// A run of a commit, with the ratio of each model to the null server.
fn made(number: usize, commit: &str, ratios: &[f64]) -> Entry {
    let interval = |median: f64| Estimate { median, low: median * 0.99, high: median * 1.01, rounds: 8 };
    let point = |(nth, ratio): (usize, &f64)| Point {
        scenario: "echo".to_owned(),
        definition: "00000000".to_owned(),
        model: format!("model-{nth}"),
        figure: Metric::Throughput,
        value: interval(1e5 * ratio),
        reference: Some(Reference { name: NULL_SERVER.to_owned(), value: 1e5, ratio: interval(*ratio) }),
    };
    Entry {
        line_version: LINE_VERSION,
        key: format!("{}-{number:08x}", 1_790_000_000_000_u64),
        started_unix_ms: 1_790_000_000_000 + number as u64,
        tool_version: "0.1.0".to_owned(),
        commit: Some(commit.to_owned()),
        committed_unix_ms: None,
        label: None,
        machine: Machine { fingerprint: "cafe0001".to_owned(), words: "Imagined, 2 CPUs".to_owned() },
        trials: 16,
        points: ratios.iter().enumerate().map(point).collect(),
    }
}

/// Runs of which each model falls by a fifth at its place; the runs 12 and 13 are of commit X, 11 is of W.
fn runs(falls: &[usize]) -> Vec<Entry> {
    let ratio = |run: usize, fall: usize| {
        let wobble = 1.0 + 0.002 * ((run * 7 % 5) as f64 - 2.0);
        wobble * if run < fall { 0.8 } else { 0.64 }
    };
    let commit = |run| match run {
        11 => "w".repeat(40),
        12 | 13 => "x".repeat(40),
        other => format!("{other:040x}"),
    };
    let of_run = |run| {
        let ratios: Vec<f64> = falls.iter().map(|fall| ratio(run, *fall)).collect();
        made(run, &commit(run), &ratios)
    };
    (0..26).map(of_run).collect()
}

#[test]
fn a_change_that_is_placed_a_run_late_does_not_hide_where_the_others_began() {
    let history = History::of(runs(&[12, 12, 13]));
    let [alert] = history.alerts.as_slice() else { panic!("one alert: {:?}", history.alerts) };
    assert_eq!(alert.changes.len(), 3, "{alert:?}");
    assert_eq!((alert.last_good, alert.first_bad), (11, 12), "between W and X");
    assert!(text::alerts(&history, 80).contains("after wwwwwwwwww, up to xxxxxxxxxx"));
}

#[test]
fn a_change_between_two_runs_of_one_commit_is_told_as_such() {
    let history = History::of(runs(&[13]));
    let [alert] = history.alerts.as_slice() else { panic!("one alert: {:?}", history.alerts) };
    assert_eq!((alert.last_good, alert.first_bad), (12, 13));
    assert!(text::alerts(&history, 80).contains("within xxxxxxxxxx"));
}

fn bundle() -> Bundle {
    let spec = Spec { scenarios: 1, models: 4, rounds: 5, requests: 4_000, slices: 1, ..Spec::default() };
    sample::bundle(&spec)
}

#[test]
fn another_window_or_warm_up_is_another_definition() {
    let definition = |bundle: &Bundle| entry(&analyse(bundle), Facts::default()).points[0].definition.clone();
    let [mut window, mut warmup, mut file] = [bundle(), bundle(), bundle()];
    window.run.scenarios[0].timing.window += Duration::from_nanos(1);
    warmup.run.scenarios[0].timing.warmup += Duration::from_nanos(1);
    file.run.scenarios[0].toml.push('#');
    let mut all = [&bundle(), &window, &warmup, &file].map(definition);
    assert_eq!(all[0], definition(&bundle()));
    all.sort();
    assert!(all.windows(2).all(|two| two[0] != two[1]), "{all:?}");
}

/// Lines as older versions wrote them: rounds beside the figure, and figures by their older names.
fn as_before_version_3(lines: &str, version: u32) -> String {
    let old = lines
        .replace("\"line_version\":3", &format!("\"line_version\":{version}"))
        .replace("\"figure\":\"throughput\"", "\"figure\":{\"merit\":\"throughput\"}")
        .replace(",\"rounds\":8},\"reference\"", "},\"rounds\":8,\"reference\"")
        .replace(",\"rounds\":8}", "}");
    assert!(old.contains("merit") && old.contains("\"rounds\":8,\"reference\""), "{old}");
    old
}

#[test]
fn lines_of_version_2_are_read() {
    let entries = runs(&[12]);
    let old = as_before_version_3(&to_lines(&entries).expect("lines"), 2);
    assert_eq!(from_lines(&old).expect("the older version is read"), entries);
}

#[test]
fn lines_of_a_time_without_windows_are_read_kept_apart_and_not_tested() {
    let lines = to_lines(&runs(&[12])).expect("lines");
    let old = as_before_version_3(&lines, 1);
    assert!(old != lines);
    let read = from_lines(&old).expect("the older version is read");
    let definition = format!("{TEXT_ALONE}00000000");
    assert!(read.iter().all(|entry| entry.line_version == LINE_VERSION));
    assert!(read.iter().all(|entry| entry.points[0].definition == definition));
    assert_eq!(from_lines(&to_lines(&read).expect("lines")).expect("entries"), read, "marked once");
    let both = History::of(read[..12].iter().cloned().chain(runs(&[30])[12..].iter().cloned()).collect());
    assert_eq!(both.series.len(), 2, "what had another definition is no part of the series");
    let history = History::of(read);
    assert!(history.alerts.is_empty(), "the window may have changed there");
    assert!(
        history.series[0].untested.as_deref().is_some_and(|why| why.contains("window")),
        "{:?}",
        history.series[0].untested
    );
    assert!(from_lines(&lines.replace("\"line_version\":3", "\"line_version\":0")).is_err());
}

#[test]
fn next_to_no_switches_are_no_factor_apart() {
    let ratio = |own: f64, plain: f64| {
        let mut bundle = bundle();
        for trial in &mut bundle.trials {
            let switches = if trial.model == REFERENCE_MODEL { plain } else { own };
            let Reading::Value(measured) = &trial.measured else { continue };
            let requests = (measured.counts.ok + measured.warmup_sent) as f64;
            trial.usage.switches = Switches {
                voluntary: Reading::Value((switches * requests).round() as u64),
                involuntary: Reading::Value(0),
                replies: Reading::Value(requests as u64),
            };
        }
        let entry = entry(&analyse(&bundle), Facts::default());
        let of =
            |point: &&Point| point.figure == Metric::SwitchesPerRequest && point.model == "fork-per-client";
        entry.points.iter().find(of).and_then(|point| point.reference.clone()).expect("held against it").ratio
    };
    assert_eq!(ratio(0.0, 0.0).median, 1.0);
    assert_eq!(ratio(0.008, 0.004).median, 1.0, "both are nearly none");
    assert_eq!(ratio(0.004, 0.0).median, 1.0, "also of none at all");
    assert!((ratio(0.04, 0.004).median - 4.0).abs() < 0.5, "{:?}", ratio(0.04, 0.004));
    assert!((ratio(2.0, 1.0).median - 2.0).abs() < 0.1);
}

#[test]
fn what_sets_series_apart_is_found_once_and_not_by_looking_at_all_each_time() {
    let mut runs = runs(&[12, 30]);
    runs[3].machine.fingerprint = "beef0002".to_owned();
    runs[4].points[0].definition = "11111111".to_owned();
    runs[5].points[1].scenario = "churn".to_owned();
    let mut history = History::of(runs);
    let keys: Vec<_> = history.series.iter().map(|series| series.key.clone()).collect();
    let apart = |history: &History| keys.iter().map(|key| history.apart(key)).collect::<Vec<_>>();
    let before = apart(&history);
    assert!(before.contains(&"machine cafe0001, definition 11111111".to_owned()), "{before:?}");
    assert!(before.contains(&"machine cafe0001".to_owned()), "churn has one definition: {before:?}");
    // Whoever still asks the runs and series finds none.
    history.entries.clear();
    history.series.clear();
    assert_eq!(apart(&history), before);
}

#[test]
fn runs_without_a_commit_are_told_apart() {
    let mut runs = runs(&[12]);
    for run in &mut runs {
        run.commit = None;
        // All in the same minute, two of them in the same second.
        run.started_unix_ms = 1_790_000_000_000;
    }
    runs[1].started_unix_ms += 1_000;
    let list = text::runs(&History::of(runs), 80);
    let mut lines: Vec<&str> = list.lines().filter(|line| line.contains("unknown")).collect();
    assert_eq!(lines.len(), 26, "{list}");
    assert!(lines[0].contains("14:13:21") && lines[1].contains("14:13:20"), "{list}");
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), 26, "each looks different: {list}");
    assert!(list.lines().all(|line| line.chars().count() <= 80), "{list}");
}
