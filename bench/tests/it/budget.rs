//! A budget, more of it, and several runs: whole blocks until the time is used, what goes on and what may not, what is refused. What
//! the rule decides is tested on made-up figures beside it, because it must not depend on this machine.

#[allow(dead_code)] // other tests use the rest
use crate::support;

use bakeoff_reports::record::Record;
use bakeoff_reports::record::bundle::{self, Bundle};
use support::{Folder, TINY, bakeoff, fails, measured, runs, succeeds};

/// The arguments of a small run with a budget, without what takes time beside the blocks.
fn within<'a>(file: &'a str, budget: &'a str, out: &'a str) -> Vec<&'a str> {
    let words = ["run", file, "--budget", budget, "--model", "iterative", "--model", "tokio", "--out", out];
    [&words[..], &["--no-probe", "--no-costs", "--no-anatomy", "--retries", "0"]].concat()
}

#[test]
fn a_budget_is_used_in_whole_blocks_and_goes_on_where_it_stopped() {
    let folder = Folder::new();
    let (file, out) = (folder.file("tiny.toml", TINY), folder.path("out"));
    let output = bakeoff(&within(&file, "4s", &out)).output().expect("it runs");
    let first = measured(output.status, &out);
    let budget = |bundle: &Bundle| bundle.run.sequential.as_ref().map(|sequential| sequential.budget_ns);
    assert_eq!(budget(&first), Some(4_000_000_000));
    let blocks = |bundle: &Bundle| bundle.trials.iter().map(|trial| trial.round + 1).max().unwrap_or(0);
    let whole = |bundle: &Bundle| (0..blocks(bundle)).all(|at| bundle.trials.iter().any(|t| t.round == at));
    assert!(
        whole(&first) && first.rounds.len() as u32 == blocks(&first),
        "a step is a block of the one workload"
    );
    let summary = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(summary.contains("A budget of 4.00 s covered"), "{summary}");
    // Two more blocks, whatever is decided by now.
    let more =
        bakeoff(&["continue", &out, "--blocks", "2", "--no-costs", "--quiet"]).output().expect("it runs");
    let then = measured(more.status, &out);
    // And one for a block that others disturbed.
    assert!(blocks(&then) >= blocks(&first) + 2, "{} after {}", blocks(&then), blocks(&first));
    assert_eq!(then.trials[..first.trials.len()], first.trials, "what was there is there");
    assert!(whole(&then) && then.damage.is_empty() && then.end.is_some_and(|end| !end.interrupted));
    let mut indices: Vec<u32> = then.trials.iter().map(|trial| trial.index).collect();
    indices.dedup();
    assert_eq!(indices, (0..then.trials.len() as u32).collect::<Vec<_>>(), "each trial has its own number");
    let json = succeeds(&["report", &out, "--json"]);
    let answers: serde_json::Value = serde_json::from_str(&json).expect("a document");
    let [tiny] = &answers["workloads"].as_array().expect("workloads")[..] else { panic!("{answers}") };
    assert_eq!(
        (tiny["name"].as_str(), tiny["contestants"].as_array().map(Vec::len)),
        (Some("tiny"), Some(2))
    );
    let status = tiny["status"].as_str().expect("a status");
    assert!(["decided", "equal", "undecided", "provisional"].contains(&status), "{status}");
}

#[test]
fn what_cannot_go_on_is_refused_with_the_reason_and_left_as_it_was() {
    let folder = Folder::new();
    let (file, out) = (folder.file("tiny.toml", TINY), folder.path("out"));
    let loaded = runs(&[&file, "--model", "tokio", "--blocks", "1", "--window", "250ms"], &out);
    let path = format!("{out}/run.jsonl");
    let refused = |change: fn(&mut Bundle), word: &str| {
        let mut changed = loaded.clone();
        change(&mut changed);
        let bytes = bundle::to_bytes(&changed).expect("JSON");
        std::fs::write(&path, &bytes).expect("our file");
        let error = fails(&["continue", &out, "--blocks", "1"], 2);
        assert!(error.contains("cannot go on") && error.contains(word), "{word}: {error}");
        assert_eq!(std::fs::read(&path).expect("still there"), bytes, "it is as it was");
    };
    refused(|bundle| bundle.run.tool_version = "0.0.1".into(), "version 0.0.1");
    refused(|bundle| bundle.run.environment.server_cpus = vec![77], "another machine");
    refused(|bundle| bundle.run.scenarios[0].request.size += 1, "in another way");
}

#[test]
fn a_budget_that_holds_no_block_of_each_workload_is_refused_with_what_would_do() {
    let folder = Folder::new();
    let (file, out) = (folder.file("tiny.toml", TINY), folder.path("out"));
    let error = fails(&within(&file, "1ms", &out), 2);
    assert!(error.contains("too short") && error.contains("one block of each workload"), "{error}");
    assert!(!std::path::Path::new(&out).exists(), "nothing is begun");
}

#[test]
fn blocks_and_a_budget_exclude_each_other_and_a_bad_budget_is_refused() {
    let error = fails(&["run", "--budget", "5m", "--blocks", "4"], 2);
    assert!(error.contains("--blocks") && error.contains("--budget"), "{error}");
    for (bad, word) in [("0s", "no time"), ("5", "such as"), ("3 days", "such as")] {
        assert!(fails(&["run", "--budget", bad], 2).contains(word), "{bad}");
    }
}

#[test]
fn several_runs_are_held_against_each_other() {
    let folder = Folder::new();
    let (file, out) = (folder.file("tiny.toml", TINY), folder.path("out"));
    let words = ["replicate", "2", &file, "-m", "tokio", "-m", "iterative", "--blocks", "3", "--no-probe"];
    let rest = ["--no-costs", "--no-anatomy", "--quiet", "--retries", "0", "--out", &out];
    let output = bakeoff(&[&words[..], &rest].concat()).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.starts_with("2 runs of the same; ") && text.contains("Winners: "), "{text}");
    let seed = |run: u32| measured(output.status, &format!("{out}/run-{run}")).run.seed;
    assert_ne!(seed(1), seed(2), "each has a seed of its own");
    let again =
        bakeoff(&["report", &format!("{out}/run-1"), &format!("{out}/run-2")]).output().expect("it runs");
    assert_eq!(String::from_utf8_lossy(&again.stdout), text, "the same from what is on disk");
    assert!(fails(&["report", &out, &out, "--json"], 2).contains("leave out --json"));
}

#[test]
fn a_record_of_a_look_is_one_line_of_the_schema() {
    let text =
        r#"{"look":{"after_rounds":8,"ended":[{"scenario":"s","model":"m","why":"behind"}],"going_on":3}}"#;
    let record: Record = serde_json::from_str(text).expect("the schema that is written down");
    assert_eq!(serde_json::to_string(&record).expect("JSON"), text);
}
