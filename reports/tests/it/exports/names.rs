//! Names are free text: whatever they are, no format breaks.

use crate::exports::builds::gate;
use crate::exports::junit::is_junit;
use crate::exports::{made, text};
use bakeoff_reports::analysis::analyse;
use bakeoff_reports::record::bundle::Bundle;
use bakeoff_reports::record::{Invalid, Metric, Side};
use bakeoff_reports::sample::{self, Spec};
use bakeoff_reports::show::export::{Format, LARGEST_MARKDOWN, junit_of_gate, markdown_of_gate};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A small bundle whose workload and first model have these names.
pub(crate) fn renamed(workload: &str, model: &str) -> Bundle {
    let mut bundle = sample::bundle(&Spec {
        scenarios: 1,
        models: 2,
        rounds: 5,
        requests: 30,
        slices: 1,
        ..Spec::default()
    });
    let run = &mut bundle.run;
    (run.scenarios[0].name, run.models[1].name) = (workload.to_owned(), model.to_owned());
    run.scenarios[0].models[1] = model.to_owned();
    for trial in &mut bundle.trials {
        trial.scenario = workload.to_owned();
        if trial.model != "iterative" {
            trial.model = model.to_owned();
        }
    }
    bundle
}

/// The records of a table by RFC 4180.
fn records(text: &str) -> Vec<Vec<String>> {
    let (mut records, mut quoted) = (vec![vec![String::new()]], false);
    let mut chars = text.strip_suffix("\r\n").expect("a last line's end").chars().peekable();
    while let Some(c) = chars.next() {
        let record = records.last_mut().expect("one");
        let field = record.last_mut().expect("one");
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => field.push(chars.next().expect("peeked")),
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(String::new()),
            '\r' if !quoted && chars.next_if_eq(&'\n').is_some() => records.push(vec![String::new()]),
            c => field.push(c),
        }
    }
    records
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn no_name_breaks_a_format(
        workload in "[ -~]{1,30}|[\\PC\n]{1,20}|.{60,70}",
        model in "[<>&\"'|`@#\\\\/,\n {}=]{1,12}|[a-z./]{1,9}|new|\\.\\.",
    ) {
        let bundle = renamed(&workload, &model);
        is_junit(&text(&bundle, Format::Junit));
        for format in [Format::Criterion, Format::Hgrm, Format::GithubActionBenchmark] {
            let made = made(&bundle, format);
            let paths: BTreeSet<&str> = made.files.iter().map(|file| file.path.as_str()).collect();
            prop_assert_eq!(paths.len(), made.files.len(), "no file is written twice");
            // Criterion cuts at 64 bytes; elsewhere only the file system has a say. An ending and a number come on top.
            let most = if format == Format::Hgrm { 220 } else { 70 };
            for part in paths.iter().flat_map(|path| path.split('/')) {
                prop_assert!(!part.is_empty() && part != "." && part != ".." && part.len() <= most, "{:?}", part);
            }
        }
        // Every row of a table has as many cells as its head.
        let summary = text(&bundle, Format::Markdown);
        let cells = |line: &str| line.replace("\\\\", "").replace("\\|", "").matches('|').count();
        let rows: Vec<usize> = summary.lines().filter(|line| line.starts_with("| ")).map(cells).collect();
        prop_assert!(rows.len() == 3 && rows.iter().all(|count| *count == rows[0]), "{}", summary);
        // Every line of the exposition is a comment or one sample.
        for line in text(&bundle, Format::Openmetrics).lines() {
            let sample = line.starts_with("bakeoff_") && line.rsplit('}').next().is_some_and(|end| !end.contains('{'));
            prop_assert!(sample || line.starts_with("# "), "{}", line);
        }
        let read: Value = serde_json::from_str(&text(&bundle, Format::Bmf)).expect("JSON");
        let keys: BTreeSet<&String> = read.as_object().expect("an object").keys().collect();
        let read = keys.iter().filter_map(|key| key.split_once('/'));
        let plain = |name: &str| name.replace("%2F", "/").replace("%25", "%");
        let read: BTreeSet<(String, &str)> = read.map(|(workload, model)| (plain(workload), model)).collect();
        let both = [model.as_str(), "iterative"].map(|model| (workload.clone(), model));
        prop_assert_eq!(read, BTreeSet::from(both), "{:?}", keys);
        let table = records(&text(&bundle, Format::Csv));
        prop_assert_eq!(table.len(), 1 + bundle.trials.len());
        for (row, trial) in table[1..].iter().zip(&bundle.trials) {
            prop_assert_eq!(row.len(), table[0].len(), "{:?}", row);
            let formula = |name: &str| name.starts_with(['=', '+', '-', '@', '\t', '\r']);
            for (field, name) in [(&row[3], &trial.scenario), (&row[4], &trial.model)] {
                let field = if formula(name) { field.strip_prefix('\'') } else { Some(field.as_str()) };
                let name = shown(name);
                prop_assert_eq!(field, Some(name.as_str()));
            }
        }
        let mut tags = BTreeSet::new();
        let log = text(&bundle, Format::Hlog);
        for line in log.lines().filter(|line| !line.starts_with(['#', '"'])) {
            let fields: Vec<&str> = line.split(',').collect();
            prop_assert!(fields.len() == 5 && !line.contains(char::is_whitespace), "{}", line);
            tags.insert(fields[0].strip_prefix("Tag=").expect("a tag"));
            prop_assert!(fields[1..4].iter().all(|field| field.parse::<f64>().is_ok()), "{}", line);
        }
        prop_assert_eq!(tags.len(), 2, "{:?}", tags);
        let gate = gate(&workload, &model);
        let analysis = analyse(&bundle);
        is_junit(&junit_of_gate(&gate, &analysis));
        prop_assert!(markdown_of_gate(&gate, &analysis).len() < LARGEST_MARKDOWN);
    }
}

/// A name as a table has it: without what drives a terminal or reorders a line.
fn shown(name: &str) -> String {
    let reorders = |c| "\u{61c}\u{200e}\u{200f}".contains(c) || ('\u{202a}'..='\u{202e}').contains(&c);
    let isolates = |c| ('\u{2066}'..='\u{2069}').contains(&c);
    let drives = |c: char| c.is_control() && !"\n\r\t".contains(c) || reorders(c) || isolates(c);
    name.replace(drives, "\u{fffd}")
}

/// A bundle whose workloads and models are called as told.
fn called(spec: Spec, name: impl Fn(&str) -> String) -> Bundle {
    let mut bundle = sample::bundle(&spec);
    rename(&mut bundle, name);
    bundle
}

/// Calls the workloads and models of a bundle as told, with a merit that every format takes and every trial valid.
pub(crate) fn rename(bundle: &mut Bundle, name: impl Fn(&str) -> String) {
    for scenario in &mut bundle.run.scenarios {
        scenario.merit = Metric::Throughput;
        scenario.name = name(&scenario.name);
        scenario.models.iter_mut().for_each(|model| *model = name(model));
    }
    bundle.run.models.iter_mut().for_each(|model| model.name = name(&model.name));
    for trial in &mut bundle.trials {
        (trial.scenario, trial.model) = (name(&trial.scenario), name(&trial.model));
        trial.invalid.clear();
    }
}

#[test]
fn slashes_in_names_make_no_two_benchmarks_one() {
    let spec = Spec { scenarios: 2, models: 2, rounds: 3, requests: 30, slices: 1, ..Spec::default() };
    let bundle = called(spec, |name| {
        let name = match name {
            "echo-small" => "a",
            "echo-paced" => "a/b",
            "iterative" => "b/c",
            "fork-per-client" => "c",
            other => panic!("{other} is not of the sample"),
        };
        name.to_owned()
    });
    let read: Value = serde_json::from_str(&text(&bundle, Format::Bmf)).expect("JSON");
    let keys: Vec<&String> = read.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["a%2Fb/b/c", "a%2Fb/c", "a/b/c", "a/c"]);
    let mut names = BTreeSet::new();
    for file in made(&bundle, Format::GithubActionBenchmark).files {
        let entries: Vec<Value> = serde_json::from_slice(&file.bytes).expect("JSON");
        for entry in entries {
            assert!(names.insert(entry["name"].to_string()), "{} is there twice", entry["name"]);
        }
    }
}

#[test]
fn files_have_plain_names() {
    let bundle = renamed("echo, small (twice)", "mio-event-loop (A)");
    for format in [Format::Criterion, Format::Hgrm] {
        let made = made(&bundle, format);
        assert!(made.files.iter().any(|file| file.path.starts_with("echo-small-twice/mio-event-loop-A")));
        let plain = |c: char| c.is_ascii_alphanumeric() || "/.-_".contains(c);
        assert!(made.files.iter().all(|file| file.path.chars().all(plain)), "{format:?}");
    }
}

#[test]
fn a_cell_left_out_does_not_move_the_folders_of_others() {
    let spec = Spec { scenarios: 1, models: 4, rounds: 4, requests: 30, slices: 1, ..Spec::default() };
    let sides = |name: &str| match name {
        "iterative" => Side::A.model("a/b"),
        "fork-per-client" => Side::B.model("a/b"),
        "thread-per-client" => Side::A.model("a_b"),
        "thread-pool" => Side::B.model("a_b"),
        workload => workload.to_owned(),
    };
    let mut bundle = called(spec, sides);
    let mut comparison = gate("main", "branch").comparison;
    comparison.cells.truncate(2);
    for (cell, model) in comparison.cells.iter_mut().zip(["a/b", "a_b"]) {
        cell.model = model.to_owned();
    }
    bundle.run.comparison = Some(comparison);
    for trial in bundle.trials.iter_mut().filter(|trial| trial.model == Side::A.model("a/b")) {
        trial.invalid.push(Invalid::ServerDied { detail: "left out by the test".to_owned() });
    }
    let mut models = BTreeMap::<String, BTreeSet<String>>::new();
    for file in made(&bundle, Format::Criterion).files.iter().filter(|f| f.path.ends_with("benchmark.json")) {
        let head: Value = serde_json::from_slice(&file.bytes).expect("JSON");
        models.entry(head["full_id"].to_string()).or_default().insert(head["function_id"].to_string());
    }
    assert_eq!(models.len(), 2, "{models:?}");
    assert!(models.values().all(|of_one| of_one.len() == 1), "two models are one benchmark: {models:?}");
}
