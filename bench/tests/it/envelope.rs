//! `bakeoff envelope` end to end: what must come out whatever the machine's speed, and that nothing is left behind.

#[allow(dead_code)] // another test uses the rest
use crate::support;

use bakeoff_reports::record::Reading;
use bakeoff_reports::record::bundle::Bundle;
use bakeoff_reports::record::envelope::{Envelope, Findings, Limit, Recovery, Stress};
use bakeoff_servers::ServerConfig;
use std::process::Stdio;
use support::{Folder, bakeoff, children_of, ended, fails, runs, signal, succeeds, wait_for};

/// Runs the tool on some models and stresses; returns the bundle and what it printed.
fn envelope(models: &[&str], stresses: &[&str]) -> (Bundle, String) {
    let folder = Folder::new();
    let out = folder.path("out");
    let mut arguments = vec!["envelope", "--out", out.as_str()];
    for model in models {
        arguments.extend(["--model", model]);
    }
    for stress in stresses {
        arguments.extend(["--stress", stress]);
    }
    let text = succeeds(&arguments);
    let page = std::fs::read_to_string(format!("{out}/report.html")).expect("written");
    assert!(page.contains("<section id=\"envelope\""));
    (support::bundle_in(&out), text)
}

fn one<'a>(bundle: &'a Bundle, model: &str, stress: Stress) -> (&'a Envelope, &'a Findings) {
    let found = bundle.envelopes.iter().find(|one| one.model == model && one.stress == stress);
    let envelope = found.unwrap_or_else(|| panic!("{model} under {}", stress.name()));
    match &envelope.result {
        Reading::Value(findings) => {
            assert!(findings.saw.balanced(), "{findings:#?}");
            (envelope, findings)
        }
        Reading::Absent(why) => panic!("{model}: {why}"),
    }
}

/// Nothing may be left of what a limit made wait.
fn assert_nothing_left_over(findings: &Findings) {
    let Reading::Value(rest) = &findings.rest else { panic!("{findings:#?}") };
    assert_eq!(rest.left_over().descriptors + rest.left_over().threads + rest.left_over().processes, 0);
}

/// Control groups that this tool made and that are there still. Other tests have theirs: a group names its tool.
fn groups_of(tool: u32) -> usize {
    let name = format!("bakeoff-envelope-{tool}-");
    let folders = std::fs::read_dir("/sys/fs/cgroup/pids").into_iter().flatten().flatten();
    folders.filter(|folder| folder.file_name().to_string_lossy().starts_with(&name)).count()
}

#[test]
fn a_crash_kills_what_shares_the_process_and_nothing_else() {
    let (bundle, text) = envelope(&["fork-per-client", "thread-per-client"], &["poison"]);
    let (_, fork) = one(&bundle, "fork-per-client", Stress::Poison);
    assert_eq!(fork.limit, Limit::NoneInRange, "{fork:#?}");
    assert!(fork.life.lived && fork.saw.answered == 16 && fork.saw.clients == 16, "{fork:#?}");
    let crashed = fork.evidence.server.value().and_then(|counts| counts.get("crashed")).copied();
    assert_eq!(crashed, fork.held(), "each poison request killed one child: {fork:#?}");
    assert_nothing_left_over(fork);
    let (_, thread) = one(&bundle, "thread-per-client", Stress::Poison);
    assert_eq!((thread.limit, thread.held()), (Limit::Crash, None), "{thread:#?}");
    assert!(!thread.life.lived && thread.saw.answered == 0, "{thread:#?}");
    assert_eq!(thread.recovery, Recovery::Gone);
    assert!(thread.evidence.words.contains("signal 6"), "{}", thread.evidence.words);
    let widest = text.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(80), "{widest:?}:\n{text}");
}

#[test]
fn each_model_meets_its_own_limit_first_and_comes_back_whole() {
    let models = ["thread-pool", "mio-event-loop", "thread-per-client"];
    let (bundle, _) = envelope(&models, &["connections"]);
    let workers = ServerConfig::for_cpus(1).pool_workers as u64;
    let (_, pool) = one(&bundle, "thread-pool", Stress::Connections);
    assert_eq!(pool.limit, Limit::Workers, "{pool:#?}");
    assert_eq!(pool.failed().expect("it breaks").served, workers, "{pool:#?}");
    assert_eq!(pool.saw.waiting, pool.saw.clients - workers, "the others wait in silence: {pool:#?}");
    let (envelope, event_loop) = one(&bundle, "mio-event-loop", Stress::Connections);
    let descriptors = *envelope.caps.descriptors.value().expect("a limit of descriptors needs no rights");
    assert_eq!(event_loop.limit, Limit::Descriptors, "{event_loop:#?}");
    assert_eq!(event_loop.evidence.descriptors.value(), Some(&descriptors), "it has all it may have");
    let (envelope, thread) = one(&bundle, "thread-per-client", Stress::Connections);
    match &envelope.caps.tasks {
        // One task is the acceptor.
        Reading::Value(tasks) if envelope.caps.tasks_by.as_deref() != Some("RLIMIT_NPROC") => {
            assert_eq!(thread.limit, Limit::Threads, "{thread:#?}");
            assert_eq!(thread.failed().expect("it breaks").served, tasks - 1, "{thread:#?}");
        }
        // What else the user runs counts, too.
        Reading::Value(_) => assert_eq!(thread.limit, Limit::Threads, "{thread:#?}"),
        Reading::Absent(_) => assert_eq!(thread.limit, Limit::Descriptors, "{thread:#?}"),
    }
    for findings in [pool, event_loop, thread] {
        assert!(matches!(findings.recovery, Recovery::Answered { .. }), "{findings:#?}");
        assert!(findings.life.lived);
        assert_nothing_left_over(findings);
    }
}

#[test]
fn slow_clients_starve_a_pool_from_outside_only() {
    let (bundle, _) = envelope(&["thread-pool"], &["slow-clients"]);
    let (_, pool) = one(&bundle, "thread-pool", Stress::SlowClients);
    assert_eq!(pool.limit, Limit::Workers, "{pool:#?}");
    assert_eq!((pool.saw.answered, pool.saw.waiting), (1, 1), "the one inside is served: {pool:#?}");
    // The one inside holds a worker, and the fresh one needs another.
    let workers = ServerConfig::for_cpus(1).pool_workers as u64;
    assert_eq!(pool.held(), Some(workers - 2), "{pool:#?}");
    assert_eq!(pool.failed().map(|level| level.asked), Some(workers - 1), "{pool:#?}");
}

#[test]
fn a_run_takes_it_along_when_asked() {
    let folder = Folder::new();
    let words = ["small-echo-closed", "-m", "iterative", "-r", "1", "--window", "250ms", "--warmup", "0ms"];
    let bundle = runs(&[&words[..], &["--no-anatomy", "--envelope"]].concat(), &folder.path("out"));
    let stresses: Vec<Stress> = bundle.envelopes.iter().map(|envelope| envelope.stress).collect();
    assert_eq!(stresses, Stress::ALL);
    let (envelope, iterative) = one(&bundle, "iterative", Stress::Connections);
    assert_eq!(envelope.caps.concurrency, Some(1));
    assert_eq!((iterative.limit, iterative.saw.answered), (Limit::Workers, 1), "{iterative:#?}");
}

#[test]
fn an_interrupt_leaves_no_process_and_no_control_group() {
    let folder = Folder::new();
    let out = folder.path("out");
    let arguments = ["envelope", "-m", "thread-per-client", "-m", "fork-per-client", "-q", "--out", &out];
    let mut child =
        bakeoff(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the tool");
    let mut tree = Vec::new();
    wait_for("a server", || {
        tree = children_of(child.id());
        !tree.is_empty()
    });
    signal(child.id(), 2);
    let status = child.wait().expect("our child");
    assert_eq!(status.code(), Some(130));
    for pid in tree {
        wait_for("a server to end", || ended(pid));
    }
    assert_eq!(groups_of(child.id()), 0);
    let bundle = support::bundle_in(&out);
    assert!(bundle.end.is_some_and(|end| end.interrupted));
}

#[test]
fn what_cannot_be_tried_is_refused_with_the_reason() {
    for (arguments, words) in [
        (&["--model", "tokyo"][..], "did you mean `tokio`"),
        (&["--stress", "poisson"], "did you mean `poison`"),
        (&["--addr", "192.0.2.1:0"], "loopback"),
    ] {
        let arguments: Vec<&str> = ["envelope"].iter().chain(arguments).copied().collect();
        let error = fails(&arguments, 2);
        assert!(error.contains(words), "{arguments:?} should say {words}: {error}");
    }
}
