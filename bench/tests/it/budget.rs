//! `bakeoff run --budget`: whole rounds until the time is used, what the head says of it, and what is refused. What a look
//! decides is tested on made-up figures beside the rule, because it must not depend on this machine.

#[allow(dead_code)] // other tests use the rest
use crate::support;

use bakeoff_reports::record::Record;
use bakeoff_reports::record::bundle;
use std::collections::BTreeSet;
use support::{Folder, TINY, bakeoff, fails, first_tries, ran};

#[test]
fn a_budget_is_used_in_whole_rounds_and_the_plan_is_said_before() {
    let folder = Folder::new();
    let file = folder.file("tiny.toml", TINY);
    let out = folder.path("out");
    let plain = ["--no-probe", "--no-costs", "--no-anatomy", "--retries", "0"];
    let words = ["run", &file, "--budget", "4s", "--model", "iterative", "--model", "tokio", "--out", &out];
    let output = bakeoff(&[&words[..], &plain].concat()).output().expect("it runs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(ran(output.status), "{told}");
    assert!(told.contains("rounds of 2 trials in 4 s"), "{told}");
    let loaded = bundle::load(format!("{out}/run.jsonl").as_ref()).expect("a bundle");
    let sequential = loaded.run.sequential.as_ref().expect("it had a budget");
    assert_eq!(sequential.budget_ns, 4_000_000_000);
    assert_eq!(sequential.looks.first().map(|look| look.after_rounds), Some(8), "9 rounds are expected");
    let rounds: BTreeSet<u32> = loaded.trials.iter().map(|trial| trial.round).collect();
    assert!(!rounds.is_empty() && loaded.rounds.len() == rounds.len(), "every round begun was finished");
    for look in &loaded.looks {
        let ended = |model: &String| look.ended.iter().any(|cell| cell.model == *model);
        let later = |round: u32| round >= look.after_rounds;
        assert!(!loaded.trials.iter().any(|trial| later(trial.round) && ended(&trial.model)), "{look:?}");
    }
    if loaded.looks.is_empty() {
        assert_eq!(first_tries(&loaded).len(), 2 * rounds.len(), "nothing was stopped without a look");
    }
    let summary = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(summary.contains("A budget of 4.00 s was good for"), "{summary}");
    assert!(!summary.contains("planned trials are recorded"), "{summary}");
}

#[test]
fn a_budget_too_short_for_a_round_still_makes_one_and_says_that_it_tells_nothing() {
    let folder = Folder::new();
    let file = folder.file("tiny.toml", TINY);
    let out = folder.path("out");
    let words = ["run", &file, "--budget", "1ms", "--model", "tokio", "--out", &out];
    let plain = ["--no-probe", "--no-costs", "--no-anatomy", "--retries", "0"];
    let output = bakeoff(&[&words[..], &plain].concat()).output().expect("it runs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(ran(output.status) && told.contains("too short to tell any two models apart"), "{told}");
    let loaded = bundle::load(format!("{out}/run.jsonl").as_ref()).expect("a bundle");
    assert_eq!((loaded.trials.len(), loaded.rounds.len()), (1, 1));
    assert!(loaded.run.sequential.expect("it had a budget").looks.is_empty());
}

#[test]
fn rounds_and_a_budget_exclude_each_other_and_a_bad_budget_is_refused() {
    let error = fails(&["run", "--budget", "5m", "--rounds", "4"], 2);
    assert!(error.contains("--rounds") && error.contains("--budget"), "{error}");
    for (bad, word) in [("0s", "no time"), ("5", "such as"), ("3 days", "such as")] {
        assert!(fails(&["run", "--budget", bad], 2).contains(word), "{bad}");
    }
}

#[test]
fn a_record_of_a_look_is_one_line_of_the_schema() {
    let text =
        r#"{"look":{"after_rounds":8,"ended":[{"scenario":"s","model":"m","why":"behind"}],"going_on":3}}"#;
    let record: Record = serde_json::from_str(text).expect("the schema that is written down");
    assert_eq!(serde_json::to_string(&record).expect("JSON"), text);
}
