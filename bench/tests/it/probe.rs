//! `bakeoff probe` and what a run does before it begins, from outside. A busy machine may be unfit to measure on: then the
//! exit status is 3, and everything else holds all the same.

#[allow(dead_code)] // each test program uses its part
use crate::support;

use bakeoff_reports::record::{Probe, Reading};
use std::fs;
use std::process::{ExitStatus, Stdio};
use support::{Folder, bakeoff, children_of, ended, fails, runs, signal, wait_for};

const TINY: &str = "name = \"tiny\"\nabout = \"a test\"\nservice = \"echo\"\nmerit = \"throughput\"\n[load]\nkind = \
                    \"closed\"\nclients = 2\n[request]\nsize = \"64 B\"\n[trial]\nwarmup = \"10ms\"\nwindow = \"50ms\"\n";

/// Whether it measured, be it that the machine is unfit (3).
fn probed(status: ExitStatus) -> bool {
    matches!(status.code(), Some(0 | 3))
}

/// Runs the probe; returns what it says.
fn probe(arguments: &[&str]) -> String {
    let output = bakeoff(&[&["probe"], arguments].concat()).output().expect("it runs");
    assert!(probed(output.status), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn a_probe_measures_every_limit_and_fits_the_terminal() {
    let text = probe(&[]);
    for words in [
        "floor of latency",
        "co-run",
        "64 B, 64 clients: ",
        "64 B, 1,000 clients: ",
        "64.0 KiB",
        "What to change",
    ] {
        assert!(text.contains(words), "{words}:\n{text}");
    }
    let widest = text.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(80), "{widest:?}:\n{text}");
}

#[test]
fn a_probe_as_a_document_is_what_a_run_records() {
    let found: Probe = serde_json::from_str(&probe(&["--json"])).expect("a probe");
    assert!(!found.long && found.took_ns > 0);
    let floor = found.floor.value().expect("measured");
    assert!(floor.samples > 0 && 0 < floor.p50_ns && floor.p50_ns <= floor.p99_ns, "{floor:?}");
    let bare = found.ping_pong.value().expect("measured");
    assert!(bare.samples > 0 && 0 < bare.p50_ns && bare.p50_ns <= bare.p99_ns, "{bare:?}");
    assert_eq!(found.ceilings.iter().map(|c| c.clients).collect::<Vec<_>>(), [1, 64, 1_000, 16]);
    for ceiling in &found.ceilings {
        match &ceiling.reached {
            Reading::Value(reached) => {
                assert!(reached.rate_per_s > 0.0 && reached.swarm_share > 0.0, "{ceiling:?}");
            }
            // Where other programs take every CPU, nothing may be answered for as long as a window lasts.
            Reading::Absent(why) => assert_eq!(why, "the null server answered nothing"),
        }
    }
    let timers = found.timers.value().expect("measured");
    assert!(timers.len() == 4 && timers.iter().all(|timer| timer.p50_ns <= timer.p99_ns), "{timers:?}");
    match found.co_run.expect("this version tells") {
        Reading::Value(co_run) => {
            assert!(!co_run.swarm_cpus.contains(&co_run.server_cpu) && co_run.slowdown() > 0.0, "{co_run:?}");
        }
        Reading::Absent(why) => assert!(why.contains("share"), "{why}"),
    }
    assert!(found.fixed_loop_ns.value().is_some_and(|scatter| scatter.range >= 1.0));
    assert_eq!(found.system.cpus, bakeoff::host::environment::allowed_cpus().len() as u64);
}

#[test]
fn a_machine_with_few_descriptors_says_so_and_measures_what_it_can() {
    let script = "ulimit -n 256; exec \"$0\" probe --json";
    let output = std::process::Command::new("sh").args(["-c", script, support::tool()]).output().expect("sh");
    assert!(probed(output.status), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Probe = serde_json::from_slice(&output.stdout).expect("a probe");
    assert!(
        matches!(&found.ceilings[2].reached, Reading::Absent(why) if why.contains("descriptors")),
        "{found:?}"
    );
    assert!(
        !matches!(&found.ceilings[1].reached, Reading::Absent(why) if why.contains("descriptors")),
        "{found:?}"
    );
    assert_eq!(found.system.descriptors, Reading::Value(256));
}

/// Starts a run and waits until its null server serves; returns the run and its family.
fn run_while_it_probes(out: &str, file: &str) -> (std::process::Child, Vec<i32>) {
    let run = bakeoff(&["run", file, "--out", out, "--rounds", "500"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    let is_null = |pid: i32| {
        let words = procfs::process::Process::new(pid).and_then(|p| p.cmdline()).unwrap_or_default();
        words.iter().any(|word| word == "null-server")
    };
    let mut family = Vec::new();
    wait_for("the null server", || {
        family = children_of(run.id());
        family.iter().any(|pid| is_null(*pid))
    });
    (run, family)
}

#[test]
fn a_run_that_is_interrupted_while_it_probes_leaves_nothing() {
    let folder = Folder::new();
    let (file, out) = (folder.file("tiny.toml", TINY), folder.path("out"));
    for (by, code) in [(2, Some(130)), (9, None)] {
        let (mut run, family) = run_while_it_probes(&out, &file);
        signal(run.id(), by);
        let mut status = None;
        wait_for("the tool to end", || {
            status = run.try_wait().expect("our child");
            status.is_some()
        });
        assert_eq!(status.expect("ended").code(), code);
        for pid in family {
            wait_for("the family to end", || ended(pid));
        }
        assert!(!fs::exists(format!("{out}/run.jsonl")).expect("readable"), "nothing was measured yet");
    }
}

#[test]
fn a_run_without_a_probe_and_without_further_tries_says_so() {
    let folder = Folder::new();
    let (file, out) = (folder.file("tiny.toml", TINY), folder.path("out"));
    let loaded = runs(&[&file, "--model", "tokio", "--rounds", "3"], &out);
    assert!(matches!(&loaded.run.probe, Reading::Absent(why) if why.contains("--no-probe")));
    assert_eq!(loaded.trials.len(), 3);
    let page = fs::read_to_string(format!("{out}/report.html")).expect("a report");
    assert!(page.contains("--no-probe"));
}

#[test]
fn bad_options_are_refused() {
    assert!(fails(&["run", "--retries", "6"], 2).contains("0..=5"));
    assert!(fails(&["probe", "--short"], 2).contains("unexpected argument"));
    assert!(fails(&["null-server", "--addr", "0.0.0.0:0", "--parent", "1"], 2).contains("loopback"));
}
