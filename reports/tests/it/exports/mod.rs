//! The exports: fixed pictures of each format, and what each must keep to. The modules have two builds, the structure of
//! JUnit, free names, and the real tools.

mod builds;
mod junit;
mod names;
mod tools;

use allocation_counter::measure;
use bakeoff_reports::analysis::analyse;
use bakeoff_reports::record::Reading;
use bakeoff_reports::record::bundle::Bundle;
use bakeoff_reports::sample::{self, Spec};
use bakeoff_reports::show::export::{Export, Format, Source, export};
use std::collections::BTreeSet;

fn small() -> Bundle {
    sample::bundle(&Spec { scenarios: 2, models: 3, rounds: 6, requests: 500, slices: 2, ..Spec::default() })
}

fn made(bundle: &Bundle, format: Format) -> Export {
    let analysis = analyse(bundle);
    export(Source { bundle, analysis: &analysis, gate: None }, format, None).expect("the sample has figures")
}

/// The text of a format of one file.
fn text(bundle: &Bundle, format: Format) -> String {
    let made = made(bundle, format);
    assert_eq!(made.files.len(), 1, "{format:?}");
    String::from_utf8(made.files[0].bytes.clone()).expect("text")
}

/// All files of an export, one after the other, and what was left out.
fn picture(made: &Export) -> String {
    let file = |file: &bakeoff_reports::show::export::File| {
        format!("==> {}\n{}\n", file.path, String::from_utf8_lossy(&file.bytes))
    };
    let files: String = made.files.iter().map(file).collect();
    let left_out: String = made.left_out.iter().map(|what| format!("left out: {what}\n")).collect();
    files + &left_out
}

#[test]
fn criterion_is_as_it_was() {
    let mut made = made(&small(), Format::Criterion);
    made.files.truncate(6);
    insta::assert_snapshot!(picture(&made));
}

#[test]
fn hgrm_is_as_it_was() {
    let mut made = made(&small(), Format::Hgrm);
    made.files.truncate(2);
    insta::assert_snapshot!(picture(&made));
}

#[test]
fn hlog_is_as_it_was() {
    let mut bundle = small();
    bundle.trials.truncate(3);
    insta::assert_snapshot!(text(&bundle, Format::Hlog));
}

#[test]
fn junit_is_as_it_was() {
    insta::assert_snapshot!(text(&small(), Format::Junit));
}

#[test]
fn bmf_is_as_it_was() {
    insta::assert_snapshot!(picture(&made(&small(), Format::Bmf)));
}

#[test]
fn github_action_benchmark_is_as_it_was() {
    insta::assert_snapshot!(picture(&made(&small(), Format::GithubActionBenchmark)));
}

#[test]
fn openmetrics_is_as_it_was() {
    let mut bundle = small();
    bundle.trials.truncate(6);
    insta::assert_snapshot!(text(&bundle, Format::Openmetrics));
}

#[test]
fn csv_is_as_it_was() {
    let mut bundle = small();
    bundle.trials.truncate(20);
    insta::assert_snapshot!(text(&bundle, Format::Csv).replace("\r\n", "<CR>\n"));
}

#[test]
fn markdown_is_as_it_was() {
    insta::assert_snapshot!(text(&small(), Format::Markdown));
}

#[test]
fn the_same_bundle_gives_the_same_bytes() {
    let bundle = small();
    let analyses = [(); 2].map(|()| analyse(&bundle));
    for &format in Format::ALL {
        let made = |at: usize| {
            export(Source { bundle: &bundle, analysis: &analyses[at], gate: None }, format, None)
                .expect("figures")
        };
        assert_eq!(made(0), made(1), "{format:?}");
        assert_eq!(format.name().parse(), Ok(format));
    }
}

#[test]
fn memory_grows_with_the_trials_and_no_faster() {
    let [few, many] = [6, 24].map(|rounds| {
        let bundle = sample::bundle(&Spec {
            scenarios: 1,
            models: 2,
            rounds,
            requests: 50,
            slices: 1,
            ..Spec::default()
        });
        let analysis = analyse(&bundle);
        let allocated = |&format: &Format| {
            let source = Source { bundle: &bundle, analysis: &analysis, gate: None };
            measure(|| drop(export(source, format, None))).bytes_total
        };
        Format::ALL.iter().map(allocated).collect::<Vec<u64>>()
    });
    for (format, (few, many)) in Format::ALL.iter().zip(few.into_iter().zip(many)) {
        assert!(few > 0 && many <= 5 * few, "{format:?}: {few} bytes for 12 trials, {many} for 48");
    }
}

#[test]
fn criterion_is_written_in_threes_and_the_sample_is_time_per_request() {
    let bundle = small();
    let made = made(&bundle, Format::Criterion);
    for three in made.files.chunks(3) {
        let names: Vec<&str> = three.iter().filter_map(|file| file.path.rsplit('/').next()).collect();
        assert_eq!(names, ["benchmark.json", "sample.json", "estimates.json"]);
        let folder = three[0].path.strip_suffix("/benchmark.json").expect("as above");
        assert!(three.iter().all(|file| file.path.starts_with(folder)));
    }
    // Throughput decides the first workload: its mean is that of window over replies, by the records themselves.
    let documents = |name: &str| {
        let file = made.files.iter().find(|file| file.path.ends_with(name)).expect("written");
        serde_json::from_slice::<serde_json::Value>(&file.bytes).expect("JSON")
    };
    let model = "fork-per-client";
    let trials = bundle.trials.iter().filter(|trial| trial.scenario == "echo-small" && trial.model == model);
    let per_request: Vec<f64> = trials
        .filter(|trial| trial.invalid.is_empty())
        .filter_map(|trial| trial.measured.value())
        .map(|m| m.window_ns as f64 / m.completed_in_window as f64)
        .collect();
    let mean = per_request.iter().sum::<f64>() / per_request.len() as f64;
    let found = documents("echo-small/fork-per-client/time-per-request/bakeoff/estimates.json");
    let found = found["mean"]["point_estimate"].as_f64().expect("a number");
    assert!((found / mean - 1.0).abs() < 1e-12, "{found} {mean}");
    // A percentile decides the second, and the model that starves its clients has none that JSON could hold.
    assert!(
        made.files.iter().any(|file| file.path.contains("echo-paced/fork-per-client/response-p99/bakeoff"))
    );
    assert!(
        made.left_out.iter().any(|what| what.starts_with("echo-paced / iterative: ")),
        "{:?}",
        made.left_out
    );
}

#[test]
fn no_two_benchmarks_share_an_id_or_a_folder() {
    let spec = Spec { scenarios: 3, models: 3, rounds: 2, requests: 10, slices: 1, ..Spec::default() };
    let mut bundle = sample::bundle(&spec);
    // All decided by throughput, with names that differ in what a path cannot hold, or behind its 64th byte.
    let long = ["x".repeat(70), "x".repeat(71)];
    let names = ["a/b".to_owned(), "a_b".to_owned(), "a".to_owned(), "b/iterative".to_owned()];
    let renamed = |name: &str| match name {
        "echo-small" => names[0].clone(),
        "echo-paced" => names[1].clone(),
        "echo-large" => names[2].clone(),
        "fork-per-client" => long[0].clone(),
        "thread-per-client" => long[1].clone(),
        "iterative" => names[3].clone(),
        other => panic!("{other} is not of the sample"),
    };
    names::rename(&mut bundle, renamed);
    let made = made(&bundle, Format::Criterion);
    let heads = made.files.iter().filter(|file| file.path.ends_with("benchmark.json"));
    let ids: Vec<String> = heads
        .map(|file| {
            let head: serde_json::Value = serde_json::from_slice(&file.bytes).expect("JSON");
            assert!(file.path.starts_with(head["directory_name"].as_str().expect("text")));
            head["full_id"].as_str().expect("text").to_owned()
        })
        .collect();
    let apart: BTreeSet<&String> = ids.iter().collect();
    assert_eq!((ids.len(), apart.len()), (9, 9), "{ids:?}");
    let folders: BTreeSet<&str> = made.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(folders.len(), 27);
}

#[test]
fn a_baseline_that_means_something_else_is_refused() {
    let bundle = small();
    let analysis = analyse(&bundle);
    let source = Source { bundle: &bundle, analysis: &analysis, gate: None };
    for name in ["new", "base", "change", "Report"] {
        let error = export(source, Format::Criterion, Some(name)).expect_err(name);
        assert!(error.to_string().contains("--baseline"), "{error}");
    }
    let made = export(source, Format::Criterion, Some("a/b")).expect("a name");
    assert!(made.files.iter().all(|file| file.path.split('/').count() == 5 && file.path.contains("/a_b/")));
}

#[test]
fn nothing_to_write_is_an_error_that_says_so() {
    let mut bundle = small();
    for trial in &mut bundle.trials {
        trial.measured = Reading::Absent("left out by the test".to_owned());
    }
    let analysis = analyse(&bundle);
    let source = Source { bundle: &bundle, analysis: &analysis, gate: None };
    for format in [Format::Criterion, Format::Hgrm, Format::Hlog, Format::Bmf, Format::GithubActionBenchmark]
    {
        let error = export(source, format, None).expect_err(format.name()).to_string();
        assert!(error.contains("nothing to write") && error.contains("bakeoff report"), "{error}");
    }
    let csv = text(&bundle, Format::Csv);
    // One has another reason: the sample's own invalid trial.
    assert_eq!(csv.matches("left out by the test").count(), bundle.trials.len() - 1);
    let junit = text(&bundle, Format::Junit);
    assert_eq!(junit.matches("<error ").count(), 6, "{junit}");
}

#[test]
fn what_is_absent_is_empty_and_what_was_never_answered_is_infinite() {
    let bundle = small();
    let csv = text(&bundle, Format::Csv);
    let rows: Vec<Vec<&str>> = csv.split_terminator("\r\n").map(|row| row.split(',').collect()).collect();
    let column = |name: &str| rows[0].iter().position(|head| *head == name).expect("a column");
    assert_eq!(rows.len(), 1 + bundle.trials.len());
    let (model, memory, p99, goodput) =
        (column("model"), column("memory_bytes"), column("response_p99_ns"), column("goodput_per_s"));
    for row in &rows[1..] {
        // The sample cannot read the memory of this one, and it starves its clients; no doubt of it holds a comma.
        let hidden = row[model] == "iterative";
        assert_eq!(row[memory].is_empty(), hidden, "{row:?}");
        assert_eq!(row[p99] == "inf", hidden, "{row:?}");
        assert_eq!(row[goodput].is_empty(), row[column("workload")] == "echo-small", "{row:?}");
        assert!(
            row[column("instructions_per_request")].is_empty(),
            "the sample has no such counter: {row:?}"
        );
    }
    let exposition = text(&bundle, Format::Openmetrics);
    let of = |model: &str, name: &str| {
        let of_model = format!("model=\"{model}\"");
        exposition.lines().filter(|line| line.starts_with(name) && line.contains(&of_model)).count()
    };
    assert_eq!(of("iterative", "bakeoff_memory_bytes{"), 0);
    assert!(of("thread-per-client", "bakeoff_memory_bytes{") > 0);
    assert!(
        exposition
            .lines()
            .any(|line| line.starts_with("bakeoff_response_p99_seconds{") && line.contains("} +Inf ")),
        "{exposition}"
    );
    let bmf: serde_json::Value = serde_json::from_str(&text(&bundle, Format::Bmf)).expect("JSON");
    assert!(bmf["echo-small/iterative"].get("response-p99").is_none());
    assert!(bmf["echo-small/iterative"]["throughput"]["value"].as_f64() > Some(0.0));
}

#[test]
fn directions_are_apart_for_github() {
    let made = made(&small(), Format::GithubActionBenchmark);
    let names: Vec<&str> = made.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(names, ["smaller-is-better.json", "bigger-is-better.json"]);
    for (file, more) in made.files.iter().zip([false, true]) {
        let entries: Vec<serde_json::Value> = serde_json::from_slice(&file.bytes).expect("JSON");
        assert!(!entries.is_empty());
        for entry in entries {
            let name = entry["name"].as_str().expect("a name");
            let is_more = ["throughput", "goodput", "share answered", "fairness"]
                .iter()
                .any(|figure| name.ends_with(figure));
            assert_eq!(is_more, more, "{name}");
            assert!(entry["value"].is_number() && entry["unit"].is_string() && entry["extra"].is_string());
        }
    }
}
