//! Balancing from outside, before a relay of the tests: who counted what, a server that dies and comes back, a balancer that is missing
//! or dies. Real balancers have tests of their own (`tests/balancers`).

use crate::support;

use serde_json::Value;
use std::process::Output;
use support::{Folder, bakeoff, children_of, example, fails, signal, wait_for};

/// A comparison of a relay, and of whatever `more` asks for, in a window of a second without a warm-up.
fn balance(more: &[&str]) -> Output {
    let relay = format!("relay={} {{port}} {{servers}}", example("relay").display());
    let usual = [
        "balance",
        "--rate",
        "400",
        "--clients",
        "8",
        "--for",
        "1s",
        "--warmup",
        "0s",
        "--json",
        "--timeout",
        "10s",
    ];
    let usual = [&usual[..], &["--balancer", &relay]].concat();
    bakeoff(&[&usual, more].concat()).output().expect("the tool can be started")
}

/// Its document, of one that ended with this status.
fn document(more: &[&str], code: i32) -> Value {
    let output = balance(more);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{error}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn sum(counts: &Value) -> u64 {
    counts.as_array().expect("a list").iter().map(|count| count.as_u64().expect("a count")).sum()
}

/// The figures of a trial, of which failures and slices must agree.
fn figures(trial: &Value) -> &Value {
    let figures = &trial["figures"]["value"];
    let counts = &figures["counts"];
    let errors =
        counts["errors"].as_object().expect("kinds").values().map(|count| count.as_u64().expect("a count"));
    let failed = errors.sum::<u64>() + counts["timeouts"].as_u64().expect("a count");
    assert_eq!(sum(&figures["failed_by_slice"]), failed, "{trial}");
    figures
}

#[test]
fn servers_count_what_was_sent_and_nothing_fails_while_all_live() {
    let document = document(&["--balancer", "direct", "--servers", "3"], 0);
    let trials = document["trials"].as_array().expect("trials");
    assert_eq!(trials.iter().map(|trial| &trial["name"]).collect::<Vec<_>>(), ["relay", "direct"]);
    for (trial, servers) in trials.iter().zip([3, 1]) {
        let counts = &figures(trial)["counts"];
        assert_eq!(counts["sent"], counts["ok"], "{trial}");
        let each: Vec<&Value> = trial["servers"]
            .as_array()
            .expect("servers")
            .iter()
            .map(|server| &server["requests"]["value"])
            .collect();
        assert_eq!(each.len(), servers);
        let served: u64 = each.iter().map(|count| count.as_u64().expect("it lived to tell")).sum();
        assert_eq!(served, counts["sent"].as_u64().expect("a count"), "{trial}");
        assert!(figures(trial)["outage"].is_null() && trial["kill"].is_null(), "{trial}");
    }
    assert!(trials[0]["jain"]["value"].as_f64().is_some_and(|index| index > 1.0 / 3.0), "{document}");
    assert!(
        trials[1]["jain"]["absent"].as_str().is_some_and(|why| why.contains("fewer than two")),
        "{document}"
    );
}

#[test]
fn one_of_four_dies_and_the_others_go_on() {
    let document = document(&["--servers", "4", "--kill-at", "100ms"], 0);
    let trial = &document["trials"][0];
    assert!(figures(trial)["counts"]["ok"].as_u64() > Some(0), "{trial}");
    assert_eq!(trial["servers"][0]["requests"]["absent"], "it was killed");
    for survivor in 1..4 {
        assert!(trial["servers"][survivor]["requests"]["value"].as_u64() > Some(0), "{trial}");
    }
    assert_eq!(trial["kill"]["back_ns"]["absent"], "it was not to come back");
    assert!(figures(trial)["outage"]["time_to_none"] != Value::Null, "{trial}");
    assert_eq!(figures(trial)["outage"]["failed_back"], 0, "it is never back: {trial}");
}

#[test]
fn the_only_server_dies_comes_back_and_answers_again() {
    for servers in [&["--servers", "1"][..], &["--balancer", "direct", "--servers", "4"]] {
        let document = document(&[servers, &["--kill-at", "100ms", "--back-at", "250ms"]].concat(), 0);
        let trial = document["trials"].as_array().and_then(|trials| trials.last()).expect("a trial");
        let (outage, kill) = (&figures(trial)["outage"], &trial["kill"]);
        assert!(outage["failed_gone"].as_u64() > Some(0), "nobody was there: {trial}");
        let [back, first] = ["back_ns", "first_reply_ns"].map(|name| kill[name]["value"].as_u64());
        assert!(kill["killed_ns"].as_u64() < back && first > kill["killed_ns"].as_u64(), "{trial}");
        assert!(trial["servers"][0]["requests"]["value"].as_u64() > Some(0), "since it is back: {trial}");
    }
}

#[test]
fn a_balancer_that_dies_is_told_with_its_last_words() {
    let relay = format!("dies={} {{port}} {{servers}} 50", example("relay").display());
    let output = balance(&["--balancer", &relay]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{error}");
    assert!(error.contains("balancer dies") && error.contains("status 7"), "{error}");
    assert!(error.contains("relay: out of patience"), "{error}");
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(figures(&document["trials"][1])["counts"]["ok"].as_u64() > Some(0), "{document}");
    assert_eq!(document["trials"][0]["ended_early"], serde_json::json!([]), "the other went on: {document}");
}

#[test]
fn a_balancer_that_cannot_start_fails_and_the_others_are_shown() {
    let output = balance(&["--balancer", "none=/no/such/program {port} {servers}"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("/no/such/program"), "{error}");
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(figures(&document["trials"][0])["counts"]["ok"].as_u64() > Some(0), "{document}");
    assert!(document["trials"][1]["figures"]["absent"].is_string(), "{document}");
}

#[test]
fn what_cannot_be_asked_is_refused_before_anything_starts() {
    for (arguments, words) in [
        (&["--servers", "0"][..], "1..=64"),
        (&["--balancer", "haprxy"], "did you mean `haproxy`"),
        (&["--balancer", "mine=./b {port}"], "{servers}"),
        (&["--policy", "round-robbin"], "did you mean `round-robin`"),
        (&["--model", "tokyo"], "did you mean `tokio`"),
        (&["--kill-at", "11s"], "behind the window"),
        (&["--back-at", "2s"], "--kill-at"),
        (&["--kill-at", "3s", "--back-at", "2s"], "between the kill"),
        (&["--kill-at", "3s", "--back-at", "12s"], "between the kill"),
        (&["--rate", "0"], "above zero"),
    ] {
        let error = fails(&[&["balance"], arguments].concat(), 2);
        assert!(error.contains(words), "{arguments:?} should say {words}: {error}");
    }
}

#[test]
fn table_and_page_say_who_died_and_what_it_cost() {
    let folder = Folder::new();
    let relay = format!("relay={} {{port}} {{servers}}", example("relay").display());
    let arguments = ["balance", "--balancer", &relay, "--rate", "400", "--clients", "8", "--for", "500ms"];
    let output =
        bakeoff(&[&arguments[..], &["--kill-at", "100ms", "--out", &folder.path("page.html")]].concat())
            .env("COLUMNS", "80")
            .output();
    let output = output.expect("the tool can be started");
    let text = String::from_utf8(output.stdout).expect("text");
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in
        ["4 servers behind each balancer", "killed (SIGKILL) at 100 ms", "to none", "Requests by server", "?"]
    {
        assert!(flat.contains(words), "{words}: {text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let page = std::fs::read_to_string(folder.path("page.html")).expect("a page");
    assert!(
        page.contains("Replies over the window") && page.contains("What each balancer was told"),
        "{page}"
    );
}

#[test]
fn an_interrupt_ends_servers_and_balancer() {
    let relay = format!("relay={} {{port}} {{servers}}", example("relay").display());
    let mut running = bakeoff(&["balance", "--balancer", &relay, "--for", "60s"]);
    let mut running = running.stdout(std::process::Stdio::null()).spawn().expect("the tool can be started");
    // Four servers, the relay and a worker.
    wait_for("all children", || children_of(running.id()).len() >= 6);
    let children = children_of(running.id());
    signal(running.id(), 2);
    assert_eq!(running.wait().expect("our child").code(), Some(130));
    assert!(children.into_iter().all(support::ended), "nobody is left");
}
