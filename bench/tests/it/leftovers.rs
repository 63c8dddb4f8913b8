//! What contestants and builds start and do not end: it is found in whatever session it hides, named, and ended.

use crate::support::{Folder, bakeoff, ended, signal, tool, wait_for};
use bakeoff_reports::record::Doubt;
use bakeoff_reports::record::bundle;
use std::process::{Command, Output, Stdio};

/// Brief trials, and few: nothing here asks what they come out at.
const BRIEF: [&str; 9] =
    ["--window", "60ms", "--warmup", "10ms", "--no-probe", "--retries", "0", "--rounds", "6"];

/// A command line of a shell that hides a sleeper in a session of its own and writes its number to a file.
fn hide(pids: &str) -> String {
    format!("setsid sh -c \"echo \\$\\$ >> {pids}; exec sleep 600\" >/dev/null 2>&1 &")
}

fn numbers(pids: &str) -> Vec<i32> {
    let text = std::fs::read_to_string(pids).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// All that were started, at least one, have ended.
fn all_ended(pids: &str) {
    let started = numbers(pids);
    assert!(!started.is_empty(), "nothing was started");
    wait_for("what was left to end", || started.iter().all(|pid| ended(*pid)));
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn what_a_server_leaves_in_another_session_is_named_and_ended_with_its_trial() {
    let folder = Folder::new();
    let (pids, out) = (folder.path("pids"), folder.path("out"));
    let serve = format!("exec {} serve --model mio-event-loop --service echo --addr 127.0.0.1:$0", tool());
    let side = format!("/bin/sh -c '{} sleep 0.1; {serve}' {{port}}", hide(&pids));
    let output = bakeoff(&[&["ab", "--a", &side, "--b", &side, "--out", &out], BRIEF.as_slice()].concat())
        .output()
        .expect("it runs");
    assert!(matches!(output.status.code(), Some(0 | 1 | 3)), "{}", words(&output));
    all_ended(&pids);
    let loaded = bundle::load(format!("{out}/run.jsonl").as_ref()).expect("whole");
    let named = |doubt: &Doubt| matches!(doubt, Doubt::LeftBehind { processes } if processes.iter().any(|one| one.starts_with("sleep (")));
    for trial in &loaded.trials {
        assert!(trial.doubts.iter().any(named), "{:?}", trial.doubts);
    }
}

#[test]
fn a_server_that_makes_a_daemon_of_itself_is_told_to_stay_and_ended() {
    let folder = Folder::new();
    let pids = folder.path("pids");
    let daemon = format!("/bin/sh -c '{} sleep 0.1; exit 0' {{port}}", hide(&pids));
    let output = bakeoff(&[&["ab", "--a", &daemon, "--b", &daemon], BRIEF.as_slice()].concat())
        .current_dir(folder.path(""))
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(2), "{}", words(&output));
    assert!(words(&output).contains("left a process behind, which was ended: sleep ("), "{}", words(&output));
    assert!(words(&output).contains("stay in the foreground"), "{}", words(&output));
    all_ended(&pids);
}

/// A checkout whose `main` has one empty commit.
fn checkout() -> Folder {
    let folder = Folder::new();
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.arg("-C").arg(folder.path("")).args(["-c", "user.name=T", "-c", "user.email=t@example.org"]);
        assert!(git.args(arguments).status().expect("git is there").success());
    };
    git(&["init", "--quiet", "--initial-branch=main"]);
    git(&["commit", "--quiet", "--allow-empty", "-m", "one"]);
    folder
}

/// `ab` of a commit that is built by `build`; the second side names no commit, so it ends there.
fn building(folder: &Folder, build: &str) -> Command {
    let mut ab = bakeoff(&["ab", "--a", "main", "--b", "none", "--serve", "./s {port}", "--build", build]);
    ab.current_dir(folder.path("")).stdout(Stdio::null()).stderr(Stdio::piped());
    ab
}

#[test]
fn what_a_good_build_leaves_is_named_and_ended() {
    let folder = checkout();
    let pids = folder.path("pids");
    let output = building(&folder, &format!("{} sleep 0.1; true", hide(&pids))).output().expect("it runs");
    let error = words(&output);
    assert!(error.contains("the build of side A left a process behind, which was ended: sleep ("), "{error}");
    assert!(error.contains("names no commit"), "the build went well: {error}");
    all_ended(&pids);
}

#[test]
fn a_build_ends_with_the_tool_however_that_ends() {
    for number in [2, 9] {
        let folder = checkout();
        let pids = folder.path("pids");
        let build = format!("{} echo $$ >> {pids}; sleep 600 & echo $! >> {pids}; sleep 600", hide(&pids));
        let mut ab = building(&folder, &build).spawn().expect("it runs");
        wait_for("the build to begin", || numbers(&pids).len() == 3);
        signal(ab.id(), number);
        let code = ab.wait().expect("our child").code();
        assert_eq!(code, (number == 2).then_some(130));
        all_ended(&pids);
    }
}
