//! Commands as contestants of a run: measured beside the models, told apart when they misbehave, and never taken for one another.
//! No assertion is about speed.

use crate::support::{
    Folder, TINY, bakeoff, bundle_in, ended, fails, is_answered, measured, runs, succeeds, tool, wait_for,
};
use bakeoff_reports::record::bundle::Bundle;
use bakeoff_reports::record::{ContestantKind, Doubt, Reading, Trial};
use std::path::Path;
use std::process::Stdio;

/// A command that serves a service by one of our own models.
fn serving(service: &str) -> String {
    format!("'{}' serve --model mio-event-loop --service {service} --addr 127.0.0.1:{{port}}", tool())
}

/// A tiny workload of another service.
fn tiny(name: &str, service: &str) -> String {
    TINY.replace("name = \"tiny\"", &format!("name = \"{name}\""))
        .replace("service = \"echo\"", &format!("service = \"{service}\""))
}

/// Runs `scenarios` with a model and these contestants; the bundle, the page and standard error.
fn run_with(folder: &Folder, scenarios: &[&str], contestants: &[String]) -> (Bundle, String, String) {
    let out = folder.path("out");
    let mut all =
        vec!["run", "--model", "tokio", "--blocks", "2", "--no-probe", "--retries", "0", "--out", &out];
    all.extend(scenarios);
    contestants.iter().for_each(|one| all.extend(["--contestant", one]));
    let output = bakeoff(&all).output().expect("the tool can be started");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(matches!(output.status.code(), Some(0 | 3)), "{}: {error}", output.status);
    let page = std::fs::read_to_string(format!("{out}/report.html")).expect("a page");
    (measured(output.status, &out), page, error)
}

fn of<'a>(bundle: &'a Bundle, model: &str, scenario: &str) -> Vec<&'a Trial> {
    bundle.trials.iter().filter(|trial| trial.model == model && trial.scenario == scenario).collect()
}

#[test]
fn a_command_is_measured_beside_the_models_and_what_it_cannot_tell_is_absent() {
    let folder = Folder::new();
    let scenario = folder.file("tiny.toml", TINY);
    let command = serving("echo");
    let (bundle, page, _) = run_with(&folder, &[&scenario], &[format!("mine={command}")]);
    let record = bundle.run.model("mine").expect("it is in the head");
    assert_eq!((record.kind(), &record.facts), (ContestantKind::Command(&command), &None));
    assert_eq!(bundle.run.scenarios[0].models, ["tokio", "mine"]);
    let trials = of(&bundle, "mine", "tiny");
    assert!(trials.len() >= 2 && trials.iter().any(|trial| is_answered(trial)), "{trials:#?}");
    for trial in trials {
        let why = trial.server.absence().expect("a command counts nothing");
        assert!(why.contains("counts nothing"), "{why}");
    }
    assert!(bundle.anatomies.iter().any(|one| one.model == "mine" && one.untraced.value().is_some()));
    assert!(page.contains("the command `") && page.contains("states nothing of itself"), "it is shown");

    // It goes on with the same command, which the bundle holds.
    let out = folder.path("out");
    let status = bakeoff(&["continue", &out, "--blocks", "1", "--quiet"]).status().expect("the tool");
    let more = measured(status, &out);
    assert!(of(&more, "mine", "tiny").len() > of(&bundle, "mine", "tiny").len());
    let csv = succeeds(&["export", &out, "--format", "csv"]);
    assert!(csv.lines().any(|line| line.contains("mine")), "{csv}");
}

#[test]
fn a_command_is_left_out_of_what_it_does_not_speak_and_the_run_goes_on() {
    let folder = Folder::new();
    let echo = folder.file("echo.toml", TINY);
    let http = folder.file("http.toml", &tiny("pages", "http"));
    let contestants = [format!("mine={}", serving("echo")), format!("other={}", serving("http"))];
    let (bundle, page, error) = run_with(&folder, &[&echo, &http], &contestants);
    assert!(error.contains("mine is left out of pages: it does not speak the service `http`"), "{error}");
    let refused = &bundle.run.refused[0];
    assert_eq!(
        (refused.model.as_str(), refused.scenarios.as_slice()),
        ("mine", ["pages".to_owned()].as_slice())
    );
    assert!(of(&bundle, "mine", "pages").is_empty() && !of(&bundle, "mine", "tiny").is_empty());
    assert!(!of(&bundle, "tokio", "pages").is_empty(), "the run goes on");
    assert!(page.contains("mine was left out of pages: it does not speak"), "the page says so");
    let anatomy = bundle.anatomies.iter().find(|one| one.model == "other").expect("a record of it");
    let why = anatomy.phases.absence().expect("it was not asked");
    assert!(why.contains("it runs no workload of echo"), "{why}");
}

#[test]
fn mistakes_are_refused_before_any_work() {
    let folder = Folder::new();
    let out = folder.path("out");
    let echo = serving("echo");
    let scenario = folder.file("tiny.toml", TINY);
    let twice = format!("mine={echo} --backlog 9");
    let mine = format!("mine={echo}");
    for (contestants, words) in [
        (vec!["./server {port}"], "has no name: write NAME='COMMAND'"),
        (vec!["mine=./server"], "write {port}"),
        (vec!["tokio=./server {port}"], "`tokio` is the name of a model"),
        (vec!["mine=./server {port} | tee log"], "needs a shell for `|`"),
        (vec![mine.as_str(), twice.as_str()], "two contestants are named `mine`"),
        (vec!["mine=/no/such/server {port}"], "starting `/no/such/server"),
        (vec!["mine=/bin/false {port}"], "exited with status 1"),
        (vec!["mine=/bin/sh -c 'echo no licence >&2; exit 7' {port}"], "no licence"),
    ] {
        let mut all = vec!["run", &scenario, "--model", "tokio", "--no-probe", "--out", &out];
        contestants.iter().for_each(|one| all.extend(["--contestant", one]));
        let error = fails(&all, 2);
        assert!(error.contains(words), "{contestants:?}: {error}");
        assert!(!Path::new(&out).exists(), "{contestants:?}: nothing was begun");
    }
    for command in ["sweep", "capacity"] {
        let error = fails(&[command, "small-echo-open", "--contestant", "mine=./server"], 2);
        assert!(error.contains("write {port}"), "{command}: {error}");
    }
}

#[test]
fn a_scenario_file_names_commands_and_runs_with_them() {
    let folder = Folder::new();
    let models = |list: &str| TINY.replace("[load]", &format!("models = [{list}]\n[load]"));
    let command = serving("echo");
    let own = format!("\"tokio\", {{ name = \"mine\", command = \"{command}\" }}");
    let scenario = folder.file("own.toml", &models(&own));
    let out = folder.path("out");
    let bundle = runs(&[&scenario, "--blocks", "2", "--no-anatomy"], &out);
    assert_eq!(bundle.run.scenarios[0].models, ["tokio", "mine"]);
    assert!(of(&bundle, "mine", "tiny").iter().any(|trial| is_answered(trial)));
    let told = succeeds(&["scenario", "check", &scenario]);
    assert!(told.contains("tokio, mine"), "{told}");
    for (list, words) in [
        ("{ name = \"tokio\", command = \"x {port}\" }", "is the name of a model"),
        ("{ name = \"mine\", command = \"x\" }", "{port}"),
        ("{ name = \"mine\", command = \"x {port}\", size = 1 }", "such as { name = "),
        ("{ name = \"mine\", command = \"x {port}\" }, { name = \"mine\", command = \"y {port}\" }", "twice"),
    ] {
        let error = fails(&["scenario", "check", &folder.file("bad.toml", &models(list))], 2);
        assert!(error.contains("line ") && error.contains(words), "{list}: {error}");
    }
}

#[test]
fn a_sweep_and_a_capacity_search_take_a_command() {
    let folder = Folder::new();
    let scenario = folder.file("tiny.toml", TINY);
    let (mine, out) = (format!("mine={}", serving("echo")), folder.path("sweep"));
    let plain = ["--model", "tokio", "--contestant", &mine, "--no-probe", "--retries", "0", "--quiet"];
    let sweep = ["sweep", &scenario, "--over", "clients=1,2", "--rounds", "2", "--out", &out];
    let bundle = measured(bakeoff(&[&sweep[..], &plain].concat()).status().expect("the tool"), &out);
    assert!(bundle.run.scenarios.iter().all(|point| point.models == ["tokio", "mine"]));

    let out = folder.path("capacity");
    let capacity =
        ["capacity", &scenario, "--objective", "p50<=50ms", "--window", "60ms", "--rates", "1k..4k"];
    let bounded = ["--steps", "8", "--out", &out];
    let all = [&capacity[..], &bounded, &plain].concat();
    let bundle = measured(bakeoff(&all).status().expect("the tool"), &out);
    assert_eq!(bundle.trials.iter().filter(|trial| trial.model == "mine" && trial.attempt == 0).count(), 8);
}

/// What a shell of ours does before it becomes a server of echo.
fn after(words: &str) -> String {
    format!(
        "/bin/sh -c '{words} exec {} serve --model mio-event-loop --service echo --addr 127.0.0.1:$0' {{port}}",
        tool()
    )
}

#[test]
fn commands_that_log_listen_late_or_fork_are_measured_like_any_other() {
    let folder = Folder::new();
    let scenario = folder.file("tiny.toml", TINY);
    let forks = format!(
        "forks=/bin/sh -c '{} serve --model mio-event-loop --service echo --addr 127.0.0.1:$0 & wait' {{port}}",
        tool()
    );
    let contestants = [
        format!("logs={}", after("yes all is well | head -c 300000;")),
        format!("late={}", after("sleep 0.4;")),
        forks,
    ];
    let (bundle, _, error) = run_with(&folder, &[&scenario], &contestants);
    assert!(bundle.run.refused.is_empty(), "{error}");
    for name in ["logs", "late", "forks"] {
        let trials = of(&bundle, name, "tiny");
        assert!(trials.iter().any(|trial| is_answered(trial)), "{name}: {trials:#?}");
    }
}

#[test]
fn commands_that_do_not_serve_are_told_apart_and_nothing_of_them_is_left() {
    let folder = Folder::new();
    let scenario = folder.file("tiny.toml", TINY);
    let pids = folder.path("pids");
    let serve = format!("{} serve --model mio-event-loop --service echo --addr 127.0.0.1", tool());
    let note = format!("echo $$ >> {pids};");
    for (name, command, words) in [
        // Its server lives on in a session of its own.
        (
            "daemon",
            format!(
                "/bin/sh -c '{note} setsid sh -c \"echo \\$\\$ >> {pids}; sleep 0.5; exec {serve}:$0\" & sleep 0.1; exit 0' {{port}}"
            ),
            "have it stay in the foreground",
        ),
        ("elsewhere", format!("/bin/sh -c '{note} exec {serve}:0' {{port}}"), "but on 127.0.0.1:"),
        ("deaf", format!("/bin/sh -c '{note} exec sleep 300' {{port}}"), "did not listen on 127.0.0.1:"),
        ("wrong", serving("line"), "it does not speak the service `echo`"),
    ] {
        let out = folder.path("out");
        let all =
            ["run", &scenario, "--model", "tokio", "--no-probe", "--quiet", "--out", &out, "--contestant"];
        let own = format!("{name}={command}");
        let error = fails(&[&all[..], &[own.as_str()]].concat(), 2);
        assert!(error.contains(&format!("{name} can run none")) && error.contains(words), "{name}: {error}");
    }
    let pids = std::fs::read_to_string(pids).expect("they ran");
    for pid in pids.lines().filter_map(|line| line.parse().ok()) {
        wait_for("what a command started to end", || ended(pid));
    }
}

#[test]
fn a_command_that_dies_under_load_is_a_result_and_a_survivor_serves_no_other_trial() {
    let folder = Folder::new();
    let scenario = folder.file("tiny.toml", TINY);
    let count = folder.path("count");
    // It passes the first requests asked of it, and is killed in each trial: its worker stays on the port, in its own session.
    let dies = format!(
        "dies=/bin/sh -c 'echo x >> {count}; [ $(wc -l < {count}) -gt 1 ] && (sleep 0.2; kill -9 $$) & setsid {} serve --model \
         mio-event-loop --service echo --addr 127.0.0.1:$0 & wait' {{port}}",
        tool()
    );
    let (bundle, _, error) = run_with(&folder, &[&scenario], &[dies]);
    let trials = of(&bundle, "dies", "tiny");
    assert!(!trials.is_empty(), "{error}");
    let left = |trial: &&Trial| {
        trial.doubts.iter().any(|doubt| matches!(doubt, Doubt::LeftBehind { .. } | Doubt::ServerDied { .. }))
            || !trial.invalid.is_empty()
    };
    assert!(trials.iter().all(left), "each trial says what became of it: {trials:#?}");
    let others = of(&bundle, "tokio", "tiny");
    assert!(others.iter().all(|trial| trial.doubts.iter().all(|d| !matches!(d, Doubt::LeftBehind { .. }))));
    assert!(others.iter().all(|trial| matches!(&trial.server, Reading::Value(_))), "its own server answered");
}

#[test]
fn who_holds_the_port_already_is_named_and_not_measured() {
    let folder = Folder::new();
    let scenario = folder.file("tiny.toml", TINY);
    // It gives its port to a server in another session before it goes deaf on it itself.
    let stays = format!(
        "mine=/bin/sh -c '(setsid {} serve --model mio-event-loop --service echo --addr 127.0.0.1:$0 &) ; exec sleep 300' {{port}}",
        tool()
    );
    let out = folder.path("out");
    let brief = ["--model", "tokio", "--no-probe", "--quiet", "--out", &out, "--contestant", &stays];
    let error = fails(&[&["run", scenario.as_str()], &brief[..]].concat(), 2);
    assert!(
        error.contains("listens on 127.0.0.1:") && error.contains("what was measured would not be it"),
        "{error}"
    );
}

#[test]
fn an_envelope_and_an_anatomy_take_a_command() {
    let folder = Folder::new();
    let (mine, out) = (format!("mine={}", serving("echo")), folder.path("out"));
    let text = succeeds(&["anatomy", "--contestant", &mine, "--for", "100ms"]);
    assert!(text.contains("mine") && text.contains("echo"), "{text}");
    let one = ["envelope", "--model", "tokio", "--contestant", &mine, "--stress", "connections", "--quiet"];
    succeeds(&[&one[..], &["--out", &out]].concat());
    let bundle = bundle_in(&out);
    let envelope = bundle.envelopes.iter().find(|one| one.model == "mine").expect("a record of it");
    assert!(envelope.result.value().is_some() && envelope.caps.concurrency.is_none(), "{envelope:#?}");
}

#[test]
fn a_run_with_a_command_that_is_interrupted_leaves_nothing() {
    let folder = Folder::new();
    let scenario = folder.file("tiny.toml", TINY);
    let (out, pids) = (folder.path("out"), folder.path("pids"));
    let mine = format!("mine={}", after(&format!("echo $$ >> {pids};")));
    let all = [
        "run",
        &scenario,
        "--model",
        "tokio",
        "--blocks",
        "500",
        "--no-probe",
        "--out",
        &out,
        "--contestant",
        &mine,
    ];
    let mut running = bakeoff(&all).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the tool");
    let bundle = format!("{out}/run.jsonl");
    wait_for("a few trials", || std::fs::read_to_string(&bundle).is_ok_and(|text| text.lines().count() > 4));
    crate::support::signal(running.id(), 2);
    assert_eq!(running.wait().expect("our child").code(), Some(130));
    for pid in std::fs::read_to_string(pids).expect("it ran").lines().filter_map(|line| line.parse().ok()) {
        assert!(ended(pid), "{pid} is left behind");
    }
}
