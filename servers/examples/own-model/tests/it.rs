//! The template as somebody uses it who has copied it: it is the whole tool, with one model more.

use std::process::{Command, Output};

fn tool(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_own-model")).args(arguments).output().expect("it can be started")
}

fn succeeds(arguments: &[&str]) -> String {
    let output = tool(arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn it_is_the_tool_with_one_model_more() {
    let list = succeeds(&["list"]);
    assert!(list.contains("cached-threads") && list.contains("mio-event-loop"), "{list}");
    assert!(succeeds(&["completions", "bash"]).contains("cached-threads"));
    let unknown = tool(&["run", "churn", "--model", "cached-thread"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("did you mean `cached-threads`"));
}

#[test]
fn the_model_conforms_in_services_of_each_kind() {
    for service in ["echo", "line", "http", "dynamic", "hash", "wait"] {
        let serve = format!(
            "'{}' serve --model cached-threads --service {service} --addr {{address}}",
            env!("CARGO_BIN_EXE_own-model")
        );
        let text = succeeds(&["conform", &serve, "--service", service]);
        assert!(text.contains("It conforms ("), "{text}");
    }
}

#[test]
fn a_run_compares_it_with_the_others() {
    let folder = std::env::temp_dir().join(format!("own-model-{}", std::process::id()));
    let out = folder.to_str().expect("text");
    let brief = ["--window", "60ms", "--warmup", "10ms", "--blocks", "2", "--no-probe", "--retries", "0"];
    let models = ["--model", "cached-threads", "--model", "thread-per-client", "--out", out];
    let output = tool(&[&["run", "churn"], &brief[..], &models[..]].concat());
    let error = String::from_utf8_lossy(&output.stderr);
    // On a busy machine a run may be without a verdict (3).
    assert!(matches!(output.status.code(), Some(0 | 3)), "{error}");
    let bundle = std::fs::read_to_string(folder.join("run.jsonl")).expect("a bundle");
    assert!(bundle.contains("\"cached-threads\"") && bundle.contains("\"concurrency\":\"unbounded\""));
    let trials: Vec<&str> = bundle
        .lines()
        .filter(|line| line.contains("\"model\":\"cached-threads\"") && line.contains("\"trial\""))
        .collect();
    assert!(
        trials.len() >= 2 && trials.iter().all(|trial| !trial.contains("server_did_not_start")),
        "{bundle}"
    );
    assert!(folder.join("report.html").is_file());
    std::fs::remove_dir_all(&folder).expect("it was made here");
}
