//! `bakeoff advise` from the outside: questions by flags and by file, records found and missing, and a proposal that the
//! tool itself can run.

#[allow(dead_code)] // each test program uses its part
use crate::support;

use bakeoff::workload::scenario::Scenario;
use bakeoff_reports::analysis::analyse;
use bakeoff_reports::ask::advise::distance::{Point, Purpose, distance};
use bakeoff_reports::ask::advise::{Answer, Machine, Outcome, Question, Source, Variability, advise};
use bakeoff_reports::record::bundle;
use bakeoff_reports::record::{Axis, SweepPoint};
use bakeoff_reports::sample::{self, Spec};
use bakeoff_servers::ServerConfig;
use std::fs::{self, File};
use std::io::Write as _;
use std::time::{Duration, SystemTime};
use support::{Folder, bakeoff, fails, runs, succeeds, tool};

/// A folder of results with a made-up run in it; returns the path of the folder above.
fn results(folder: &Folder) -> String {
    let spec = Spec { scenarios: 2, models: 4, rounds: 4, requests: 400, slices: 1, ..Spec::default() };
    let one = folder.path("results/one");
    fs::create_dir_all(&one).expect("writable");
    let bytes = bundle::to_bytes(&sample::bundle(&spec)).expect("a bundle");
    fs::write(format!("{one}/run.jsonl"), bytes).expect("writable");
    folder.path("results")
}

/// Runs `bakeoff advise` in a folder; its exit code, output and errors.
fn advised(folder: &Folder, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = bakeoff(&[&["advise"], arguments].concat());
    let output = command.current_dir(folder.path("")).output().expect("the tool can be started");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_proposal_is_a_scenario_that_asks_just_what_the_question_says() {
    let spec = Spec { scenarios: 1, models: 2, rounds: 1, requests: 40, slices: 1, ..Spec::default() };
    let sources = [Source { name: "made up".into(), analysis: analyse(&sample::bundle(&spec)) }];
    let base = Question { connections: Some(200), payload_bytes: Some(1_024), ..Question::default() };
    let paced = Question { rate_per_s: Some(5_000.0), p99_ns: Some(5e6), ..base.clone() };
    for question in [
        base.clone(),
        paced.clone(),
        Question { rate_per_s: Some(0.5), ..paced.clone() },
        Question { rate_per_s: Some(1e7), ..paced.clone() },
        Question { idle_share: Some(0.9), ..paced.clone() },
        Question { connections: Some(1_000_000), idle_share: Some(0.5), ..paced.clone() },
        Question { requests_per_connection: Some(10), ..base.clone() },
        Question { payload_bytes: Some(1), compute_ns: Some(50e3), ..paced.clone() },
        Question { wait_ns: Some(5e6), variability: Some(Variability::Exponential), ..paced.clone() },
        Question { block_ns: Some(1e6), variability: Some(Variability::HeavyTail), ..paced },
    ] {
        question.check().expect("a question");
        let proposal = advise(&question, &sources, &Machine::default()).proposal;
        let scenario = Scenario::parse(&proposal.toml, "question.toml")
            .unwrap_or_else(|error| panic!("{error}:\n{}", proposal.toml));
        let off = distance(
            &Point::from(&question),
            &Point::from(&scenario.record(Vec::new(), &ServerConfig::for_cpus(1)).profile()),
            Purpose::Latency,
        );
        assert!(off.total() < 0.02, "{:?}\n{}", off.parts, proposal.toml);
        assert_eq!(scenario.objective.is_some(), question.p99_ns.is_some());
        let paced = question.rate_per_s.is_some() && question.requests_per_connection.is_none();
        // Which percentile depends on how many requests a block asks.
        assert_eq!(scenario.merit.percentile().is_some(), paced);
        assert!(proposal.notes.is_empty(), "{:?}", proposal.notes);
    }
}

#[test]
fn a_proposal_says_what_a_scenario_cannot_ask() {
    let spec = Spec { scenarios: 1, models: 2, rounds: 1, requests: 40, slices: 1, ..Spec::default() };
    let sources = [Source { name: "made up".into(), analysis: analyse(&sample::bundle(&spec)) }];
    let question = Question {
        rate_per_s: Some(100.0),
        payload_bytes: Some(1 << 30),
        requests_per_connection: Some(1),
        compute_ns: Some(1e9),
        wait_ns: Some(1e12),
        variability: Some(Variability::HeavyTail),
        ..Question::default()
    };
    let proposal = advise(&question, &sources, &Machine::default()).proposal;
    Scenario::parse(&proposal.toml, "question.toml")
        .unwrap_or_else(|error| panic!("{error}:\n{}", proposal.toml));
    let stages = "demand = [{ compute = { kind = \"bimodal\", ";
    assert!(
        proposal.toml.contains(stages) && proposal.toml.contains(", { wait = { kind"),
        "{}",
        proposal.toml
    );
    assert!(proposal.toml.contains("service = \"stages\""), "{}", proposal.toml);
    for words in ["in which order", "4194304 B was taken", "64 was taken", "no schedule", "more than 100 ms"]
    {
        assert!(proposal.notes.iter().any(|note| note.contains(words)), "{words}: {:?}", proposal.notes);
    }
}

#[test]
fn the_records_are_found_and_the_answer_is_a_document() {
    let folder = Folder::new();
    let results = results(&folder);
    let question = ["--rate", "5000", "--clients", "40", "--payload", "64 B", "--p99", "5ms", "--from"];
    for from in [format!("{results}/one/run.jsonl"), format!("{results}/one"), results] {
        let (code, json, error) = advised(&folder, &[&question[..], &[&from, "--json"]].concat());
        let answer: Answer = serde_json::from_str(&json).unwrap_or_else(|e| panic!("{e}: {error}"));
        assert_eq!((answer.outcome, code), (Outcome::Recommended, Some(0)), "{json}");
        assert!(answer.cells.iter().any(|cell| cell.workload == "echo-paced"), "{json}");
        assert!(answer.warnings.iter().any(|one| one.contains("Synthetic")), "{:?}", answer.warnings);
        let (_, text, _) = advised(&folder, &[&question[..], &[&from]].concat());
        assert!(text.contains("Choose ") && text.contains("bakeoff run question.toml"), "{text}");
        let widest =
            text.lines().filter(|line| !line.contains("about = ")).map(|line| line.chars().count()).max();
        assert!(widest <= Some(80), "{widest:?}:\n{text}");
    }
}

#[test]
fn unnamed_records_are_the_newest_and_the_sweeps_among_the_rest() {
    let folder = Folder::new();
    let spec = Spec { scenarios: 1, models: 2, rounds: 1, requests: 40, slices: 1, ..Spec::default() };
    let mut records = sample::bundle(&spec);
    // The oldest first: a plain run, a sweep, and five more plain runs.
    for (at, name) in
        ["plain-1", "sweep", "plain-2", "plain-3", "plain-4", "plain-5", "plain-6"].into_iter().enumerate()
    {
        records.run.scenarios[0].sweep =
            (name == "sweep").then(|| SweepPoint { of: "echo".into(), axis: Axis::Clients, value: 64.0 });
        let one = folder.path(&format!("bakeoff-results/{name}"));
        fs::create_dir_all(&one).expect("writable");
        let file = File::create(format!("{one}/run.jsonl")).expect("writable");
        (&file).write_all(&bundle::to_bytes(&records).expect("a bundle")).expect("writable");
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + at as u64);
        file.set_modified(then).expect("its owner may");
    }
    let (_, json, error) = advised(&folder, &["--clients", "64", "--json"]);
    let answer: Answer = serde_json::from_str(&json).unwrap_or_else(|e| panic!("{e}: {error}"));
    let used: Vec<&str> = answer
        .warnings
        .iter()
        .filter_map(|one| one.strip_suffix("to show the report.")?.split(':').next())
        .collect();
    let expected =
        ["plain-6", "plain-5", "plain-4", "plain-3", "sweep"].map(|name| format!("bakeoff-results/{name}"));
    assert_eq!(used, expected);
    // The newest is no bundle: it is told, and the others answer.
    fs::create_dir_all(folder.path("bakeoff-results/broken")).expect("writable");
    folder.file("bakeoff-results/broken/run.jsonl", "no bundle\n");
    let (code, _, error) = advised(&folder, &["--clients", "64", "--json"]);
    assert_eq!(code, Some(3), "one round decides nothing: {error}");
    assert!(error.contains("not used") && error.contains("broken/run.jsonl"), "{error}");
    let (code, ..) = advised(&folder, &["--clients", "64", "--from", "bakeoff-results/broken"]);
    assert_eq!(code, Some(2), "what was named must be readable");
}

#[test]
fn the_proposed_file_is_written_once_and_is_accepted() {
    let folder = Folder::new();
    let from = results(&folder);
    // Nothing near: two seconds of computing.
    let arguments =
        ["--clients", "9", "--idle-share", "0.5", "--compute", "2s", "--from", &from, "--write", "my.toml"];
    let (code, text, error) = advised(&folder, &arguments);
    assert_eq!(code, Some(3), "{error}");
    assert!(text.contains("Nothing that can be used") && text.contains("bakeoff run my.toml"), "{text}");
    succeeds(&["scenario", "check", &folder.path("my.toml")]);
    let (code, _, error) = advised(&folder, &arguments);
    assert_eq!(code, Some(2));
    assert!(error.contains("my.toml") && error.contains("--write"), "{error}");
}

#[test]
fn a_question_can_be_a_file_and_flags_go_before_it() {
    let folder = Folder::new();
    let from = results(&folder);
    let example = succeeds(&["advise", "--example"]);
    let file = folder.file("situation.toml", &example);
    let (_, json, error) =
        advised(&folder, &["--question", &file, "--clients", "77", "--from", &from, "--json"]);
    let answer: Answer = serde_json::from_str(&json).unwrap_or_else(|e| panic!("{e}: {error}"));
    let asked = &answer.question;
    assert_eq!((asked.connections, asked.rate_per_s, asked.p99_ns), (Some(77), Some(5_000.0), Some(5e6)));
    assert_eq!((asked.memory_bytes, asked.variability), (Some(256 << 20), Some(Variability::Exponential)));
}

#[test]
fn bad_questions_are_refused_with_the_line_or_the_flag() {
    let folder = Folder::new();
    for (line, bad, words) in [
        (2, "payload = \"lots\"", "not a size"),
        (2, "rate = 0.0", "above zero"),
        (2, "clients = 0", "at least 1"),
        (2, "idle_share = 1.5", "not a share"),
        (2, "p99 = \"0ms\"", "zero"),
        (2, "compute = \"5\"", "unit"),
        (2, "variability = \"wild\"", "wild"),
        (2, "speed = 9", "speed"),
    ] {
        let file = folder.file("bad.toml", &format!("# a comment\n{bad}\n"));
        let error = fails(&["advise", "--question", &file], 2);
        assert!(error.contains("bad.toml") && error.contains(&format!("line {line}:")), "{error}");
        assert!(error.contains(words), "{words}: {error}");
    }
    assert!(fails(&["advise", "--question", "no-such.toml"], 2).contains("no-such.toml"));
    assert!(fails(&["advise", "--rate", "-5"], 2).contains("rate"));
    assert!(fails(&["advise", "--idle-share", "2", "--clients", "5"], 2).contains("not a share"));
    assert!(fails(&["advise"], 2).contains("--example"));
}

#[test]
fn without_records_it_says_how_to_make_them() {
    let folder = Folder::new();
    let (code, _, error) = advised(&folder, &["--clients", "5"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("bakeoff run") && error.contains("--from"), "{error}");
    let missing = folder.path("missing");
    let (code, _, error) = advised(&folder, &["--clients", "5", "--from", &missing]);
    assert_eq!(code, Some(2));
    assert!(error.contains("missing"), "{error}");
    fs::create_dir(folder.path("empty")).expect("writable");
    let (code, _, error) = advised(&folder, &["--clients", "5", "--from", "empty"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("holds no bundle") && error.contains("bakeoff run"), "{error}");
}

#[test]
fn a_real_run_is_what_the_answer_rests_on() {
    let folder = Folder::new();
    let out = folder.path("bakeoff-results/now");
    let models = ["small-echo-closed", "--model", "thread-per-client", "--model", "mio-event-loop"];
    let times = ["--rounds", "4", "--window", "50ms", "--warmup", "20ms", "--no-anatomy", "--no-costs"];
    runs(&[&models[..], &times].concat(), &out);
    let (code, json, error) = advised(&folder, &["--clients", "64", "--payload", "64 B", "--json"]);
    let answer: Answer = serde_json::from_str(&json).unwrap_or_else(|e| panic!("{e}: {error}"));
    // A busy machine may leave no verdict, which is then said.
    let told = answer.warnings.iter().any(|one| one.contains("was not used"));
    match code {
        Some(0) => {
            assert_eq!(answer.cells[0].workload, "small-echo-closed");
            assert!(answer.cells[0].distance < 1e-9 && !answer.recommended.is_empty(), "{json}");
        }
        Some(3) => assert!(told || answer.outcome == Outcome::Undecided, "{json}"),
        other => panic!("{} advise: {other:?}: {error}", tool()),
    }
    assert_eq!(answer.models.len(), 2);
}
