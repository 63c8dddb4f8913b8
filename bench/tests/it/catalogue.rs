//! The catalogue of workloads and the scenario files behind it, from outside: what is listed, copied out, checked and
//! refused, and that each built-in workload runs to a valid record.

#[allow(dead_code)] // each test program uses its part
use crate::support;

use bakeoff::workload::scenario::BUILT_IN;
use bakeoff_reports::record::{Doubt, Invalid, Reading};
use std::fs;
use support::{Folder, TINY, bakeoff, fails, first_tries, runs, succeeds, undisturbed};

#[test]
fn a_bad_scenario_file_is_refused_with_file_line_and_reason() {
    let folder = Folder::new();
    let change = |from: &str, to: &str| {
        assert!(TINY.contains(from), "{from}");
        TINY.replacen(from, to, 1)
    };
    let stages = |demand: &str| {
        let size = "size = \"64 B\"";
        change(size, &format!("{size}\ndemand = {demand}"))
            .replace("service = \"echo\"", "service = \"stages\"")
    };
    for (text, line, words) in [
        (change("clients = 4", "clinets = 4"), 8, "unknown field `clinets`"),
        (change("clients = 4", "clients = 0"), 8, "must be from 1"),
        (change("clients = 4", "clients = -3"), 8, "must be from 1"),
        (change("size = \"64 B\"", "size = \"64 us\""), 10, "not a size"),
        (change("size = \"64 B\"", "size = \"0 B\""), 10, "at least"),
        (change("window = \"50ms\"", "window = \"50\""), 13, "not a duration"),
        (change("window = \"50ms\"", "window = \"0ms\""), 13, "zero"),
        (change("window = \"50ms\"", "window = \"-1ms\""), 13, "negative"),
        (change("service = \"echo\"", "service = \"ecko\""), 4, "did you mean `echo`"),
        (
            change("kind = \"closed\"", "kind = \"closed\"\nrate = 100"),
            8,
            "has no meaning in a load of kind \"closed\"",
        ),
        (change("kind = \"closed\"", "kind = \"open\"\nrate = 0"), 8, "above zero"),
        (change("kind = \"closed\"", "kind = \"open\""), 6, "needs `rate`"),
        (change("kind = \"closed\"", "kind = \"open\"\nrate = 1e15"), 8, "requests"),
        (
            change("size = \"64 B\"", "size = \"64 B\"\ndemand = { kind = \"fixed\", value = \"1ms\" }"),
            11,
            "no work",
        ),
        (stages("[]"), 11, "empty list"),
        (
            stages("[{ sleep = \"2ms\" }]"),
            11,
            "unknown field `sleep`, expected one of `compute`, `wait`, `block`",
        ),
        (stages("[{}]"), 11, "a stage of `demand` is empty"),
        (stages("[{ compute = \"2ms\", wait = \"1ms\" }]"), 11, "two kinds"),
        (stages("[{ compute = \"-2ms\" }]"), 11, "negative"),
        (stages("[{ wait = \"0ms\" }]"), 11, "zero"),
        (stages("[{ wait = 5 }]"), 11, "a time such as"),
        (stages("[{ wait = { kind = \"normal\", mean = \"2ms\" } }]"), 11, "unknown variant `normal`"),
        (
            stages("[{ wait = { kind = \"poison\", share = 0.1 } }]"),
            11,
            "computes, waits or blocks for a time",
        ),
        (
            stages(&format!("[{}]", ["{ wait = \"1ms\" }"; 7].join(", "))),
            11,
            "7 stages; a request can have 6",
        ),
        (
            stages("[{ wait = \"40ms\" }, { block = \"11ms\" }]"),
            11,
            "take 51ms on average, and the window is 50ms",
        ),
        (stages("{ kind = \"fixed\", value = \"1ms\" }"), 11, "takes a list of demands"),
        (
            change("size = \"64 B\"", "size = \"64 B\"\ndemand = [{ wait = \"1ms\" }]"),
            11,
            "is for the service stages; echo",
        ),
        (change("service = \"echo\"", "service = \"stages\""), 9, "needs `demand`"),
        (change("merit = \"throughput\"", "merit = \"beauty\""), 5, "beauty"),
        (change("merit = \"throughput\"", "merit = \"threads\""), 5, "only describes"),
        (change("merit = \"throughput\"", "merit = \"goodput\""), 5, "needs `objective`"),
        (change("merit = \"throughput\"", "merit = \"answered\""), 5, "needs a load of kind \"open\""),
        (
            change("merit = \"throughput\"", "merit = \"memory-per-connection\"")
                .replace("kind = \"closed\"", "kind = \"churn\""),
            5,
            "connections that stay",
        ),
        (change("about = \"a test\"", "about = \"a test\"\nmodels = [\"tokyo\"]"), 4, "did you mean `tokio`"),
        (change("about = \"a test\"", "about = \"a test\"\nmodels = []"), 4, "empty"),
        (
            change(
                "about = \"a test\"",
                "about = \"a test\"\nmodels = [{ model = \"thread-pool\", compute_workers = 8 }]",
            ),
            4,
            "it has: pool_workers",
        ),
        (
            change(
                "about = \"a test\"",
                "about = \"a test\"\nalso = [\"tokio[compute_workers=8]\", { model = \"tokio\", compute_workers = 8 }]",
            ),
            4,
            "`tokio[compute_workers=8]` is listed twice",
        ),
        (change("name = \"tiny\"", "name = \"tiny"), 2, "string"),
        (change("name = \"tiny\"", "name = \"a\\u0000b\""), 2, "U+0000"),
        (change("name = \"tiny\"", "name = \"a\\u001b[31mb\""), 2, "U+001B"),
        (change("name = \"tiny\"", "name = \"a\u{202e}b\""), 2, "U+202E"),
    ] {
        let file = folder.file("bad.toml", &text);
        let error = fails(&["run", &file], 2);
        assert!(error.contains("bad.toml"), "{error}");
        assert!(error.contains(&format!("line {line}:")), "line {line}: {error}");
        assert!(error.to_lowercase().contains(&words.to_lowercase()), "should say {words}: {error}");
    }
    assert!(fails(&["run", "no-such.toml"], 2).contains("no-such.toml"));
}

#[test]
fn every_built_in_scenario_runs_tiny() {
    let folder = Folder::new();
    // One model that serves all of them: that every model can is for the tests of the servers.
    let model = ["--all", "-m", "mio-event-loop", "--rounds", "1", "--no-anatomy", "--no-costs"];
    let arguments = [&model[..], &["--warmup", "20ms", "--window", "250ms"]].concat();
    let loaded = runs(&arguments, &folder.path("out"));
    assert_eq!(loaded.run.scenarios.len(), BUILT_IN.len());
    assert_eq!(first_tries(&loaded).len(), loaded.run.planned_trials as usize);
    for trial in &loaded.trials {
        let Reading::Value(measured) = &trial.measured else { panic!("{trial:?}") };
        if trial.scenario == "crash" {
            let died = trial.doubts.iter().any(|doubt| matches!(doubt, Doubt::ServerDied { .. }));
            let left_out = trial.invalid.iter().any(|reason| matches!(reason, Invalid::ServerDied { .. }));
            assert!(died && !left_out, "a server that dies is a result: {trial:?}");
            continue;
        }
        let served = measured.counts.ok > 0 || !undisturbed(trial);
        assert!(served, "{} under {}: {:?}", trial.model, trial.scenario, measured.counts);
        assert_eq!(measured.counts.errors_total(), 0, "{} under {}", trial.model, trial.scenario);
    }
}

/// Who dies with whom, through the whole harness: under fork per client one child for each poison request, elsewhere the
/// server, with a record that counts.
#[test]
fn a_poison_request_takes_one_client_along_or_all() {
    let folder = Folder::new();
    let arguments = ["crash", "-m", "fork-per-client", "-m", "tokio", "--rounds", "1", "--no-anatomy"];
    let loaded = runs(&arguments, &folder.path("out"));
    for trial in &loaded.trials {
        let Reading::Value(measured) = &trial.measured else {
            panic!("a result, whatever it did: {trial:?}")
        };
        let died = trial.doubts.iter().any(|doubt| matches!(doubt, Doubt::ServerDied { .. }));
        let left_out = trial.invalid.iter().any(|reason| matches!(reason, Invalid::ServerDied { .. }));
        assert!(!left_out, "a server that dies is a result: {trial:?}");
        assert_eq!(died, trial.model == "tokio", "{trial:?}");
        if !died {
            let Reading::Value(counted) = &trial.server else { panic!("it lived to tell: {trial:?}") };
            let failed = measured.counts.errors_total() + measured.counts.timeouts;
            // Some crashed in the warm-up, too.
            assert!(failed > 0 && counted["crashed"] > measured.counts.errors_total(), "{trial:?}");
        } else {
            assert_eq!(measured.counts.ok, 0, "what is measured comes after the first poison: {trial:?}");
        }
    }
    assert_eq!(first_tries(&loaded).len(), 2);
}

#[test]
fn built_in_scenarios_can_be_copied_out_and_checked() {
    let folder = Folder::new();
    let mine = folder.path("mine");
    assert!(succeeds(&["scenario", "init", &mine]).contains("wrote"));
    assert!(succeeds(&["scenario", "init", &mine]).contains("left"));
    let churn = format!("{mine}/churn.toml");
    assert_eq!(fs::read_to_string(&churn).expect("copied"), succeeds(&["scenario", "show", "churn"]));
    let overload = format!("{mine}/overload.toml");
    let words = succeeds(&["scenario", "check", &churn, &overload]);
    for word in [
        "16 sessions",
        "iterative",
        "decided by",
        "goodput, with an objective of 20ms",
        "200 µs of computing",
        "by arithmetic",
        "5.00k/s at most",
    ] {
        assert!(words.contains(word), "{word}: {words}");
    }
    let copied = fs::read_dir(&mine).expect("the folder").count();
    assert_eq!(copied, BUILT_IN.len() + 1, "and the reference");
}

#[test]
fn the_list_fits_80_columns_and_says_what_runs_by_default() {
    let output = bakeoff(&["list"]).env("COLUMNS", "80").output().expect("it runs");
    let list = String::from_utf8(output.stdout).expect("text");
    assert!(list.lines().all(|line| line.chars().count() <= 80), "{list}");
    for built_in in BUILT_IN {
        let marked = list.contains(&format!("  {}* ", built_in.name));
        assert!(
            marked == built_in.default && list.contains(&format!("  {}", built_in.name)),
            "{}",
            built_in.name
        );
    }
    assert!(fails(&["run", "--all", "churn"], 2).contains("cannot be used with"));
}
