//! The tool from outside, as people and CI use it: bad input, whole runs, interruption, the same bytes again.

use crate::support;

use bakeoff_reports::record::bundle;
use bakeoff_reports::record::{Doubt, Invalid, Reading, Trial};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, ChildStderr, Command, Stdio};
use support::{
    Folder, TINY, bakeoff, children_of, ended, fails, first_tries, is_server, measured, runs, signal,
    succeeds, tool, undisturbed, wait_for,
};

#[test]
fn what_is_unknown_is_refused_with_what_was_meant_and_the_list() {
    for (arguments, words) in [
        (vec!["run", "small-echo-clsed"], vec!["small-echo-closed", "churn", ".toml"]),
        (vec!["run", "--model", "tokyo"], vec!["did you mean `tokio`", "thread-pool"]),
        (
            vec!["serve", "--model", "thread-per-cleint"],
            vec!["did you mean `thread-per-client`", "iterative"],
        ),
        (vec!["serve", "--model", "tokio", "--service", "ecko"], vec!["did you mean `echo`", "hash"]),
        (vec!["load", "--addr", "127.0.0.1:1", "--service", "wat"], vec!["unknown service `wat`", "wait"]),
        (vec!["scenario", "show", "chrun"], vec!["did you mean `churn`"]),
        (vec!["frobnicate"], vec!["unrecognized subcommand"]),
    ] {
        let error = fails(&arguments, 2);
        for word in words {
            assert!(error.contains(word), "{arguments:?} should mention {word}: {error}");
        }
    }
}

#[test]
fn an_error_drives_no_terminal_whatever_it_names() {
    let folder = Folder::new();
    let service = TINY.replace("\"echo\"", "\"ec\\u001b[31m\\u202eho\"");
    let error = fails(&["run", &folder.file("driving.toml", &service)], 2);
    assert!(error.contains("line 4: unknown service `ec\u{fffd}[31m\u{fffd}ho`"), "{error}");
    assert!(error.chars().all(|c| c == '\n' || !c.is_control()), "{error:?}");
}

#[test]
fn addresses_outside_loopback_need_a_word() {
    assert!(fails(&["run", "--addr", "0.0.0.0:0"], 2).contains("not a loopback address"));
    assert!(fails(&["serve", "--model", "tokio", "--addr", "0.0.0.0:0"], 2).contains("--allow-remote"));
    assert!(fails(&["load", "--addr", "192.0.2.1:7"], 2).contains("--allow-remote"));
}

#[test]
fn a_port_that_is_taken_is_told_before_anything_runs() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    let folder = Folder::new();
    let out = folder.path("out");
    let error = fails(&["run", "--addr", &address, "--out", &out], 2);
    assert!(error.contains("another server listens there"), "{error}");
    assert!(!fs::exists(&out).expect("readable"), "nothing was begun");
    assert!(
        fails(&["serve", "--model", "tokio", "--addr", &address], 2).contains("another server listens there")
    );
}

#[test]
fn too_many_clients_for_the_descriptors_are_told_with_what_is_needed() {
    let folder = Folder::new();
    let file = folder.file("many.toml", &TINY.replace("clients = 4", "clients = 100"));
    let script = "ulimit -n 80; exec \"$0\" run \"$1\" --out \"$2\"";
    let output =
        Command::new("sh").args(["-c", script, tool(), &file, &folder.path("out")]).output().expect("sh");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("164") && error.contains("80") && error.contains("ulimit"), "{error}");
}

#[test]
fn a_run_that_cannot_keep_its_results_does_not_begin() {
    let folder = Folder::new();
    let file = folder.file("tiny.toml", TINY);
    let plain = folder.file("plain", "");
    assert!(fails(&["run", &file, "--out", &plain], 2).contains("--out"));
    let out = folder.path("out");
    runs(&[&file, "--model", "tokio", "--rounds", "1", "--window", "250ms"], &out);
    let before = fs::read(format!("{out}/run.jsonl")).expect("a bundle");
    let error = fails(&["run", &file, "--model", "tokio", "--rounds", "1", "--out", &out], 2);
    assert!(error.contains("run.jsonl"), "{error}");
    assert_eq!(fs::read(format!("{out}/run.jsonl")).expect("still there"), before, "nothing is overwritten");
}

#[test]
fn a_run_leaves_a_whole_bundle_and_a_report_that_can_be_made_again_byte_for_byte() {
    let folder = Folder::new();
    let file = folder.file("tiny.toml", TINY);
    let out = folder.path("out");
    let output = bakeoff(&["run", &file, "--rounds", "2", "--out", &out]).output().expect("it runs");
    let loaded = measured(output.status, &out);
    let summary = String::from_utf8_lossy(&output.stdout);
    assert!(summary.contains("tiny") && summary.contains("report.html"), "{summary}");
    assert_eq!(first_tries(&loaded).len(), 10, "two rounds of the five default models");
    assert!(loaded.rounds.len() >= 2, "a block that others disturbed is followed by another");
    let Reading::Value(probe) = &loaded.run.probe else { panic!("{:?}", loaded.run.probe) };
    assert_eq!((probe.ceilings[0].clients, probe.ceilings[0].payload_bytes), (4, 64));
    assert_eq!(probe.ceilings[0].scenarios, ["tiny"]);
    let starved = |why: &str| why == "the null server answered nothing";
    match &probe.ceilings[0].reached {
        Reading::Value(reached) => assert!(reached.rate_per_s > 0.0, "{probe:?}"),
        Reading::Absent(why) => assert!(starved(why), "{probe:?}"),
    }
    assert!(loaded.damage.is_empty());
    assert!(!loaded.end.expect("it ended").interrupted);
    for trial in &loaded.trials {
        let Reading::Value(measured) = &trial.measured else { panic!("{trial:?}") };
        assert!(measured.counts.balanced(), "{trial:?}");
        assert!(measured.counts.ok > 0 || !undisturbed(trial), "{trial:?}");
        let Reading::Value(server) = &trial.server else { panic!("{trial:?}") };
        assert_eq!(server["active"], 0, "{trial:?}");
        assert!(
            server["requests"] >= measured.counts.ok,
            "the server counted at least what was answered: {trial:?}"
        );
    }
    let first = fs::read(format!("{out}/report.html")).expect("a report");
    // In the same folder, because the page links to the bundle beside it.
    let again = format!("{out}/again.html");
    succeeds(&["report", &out, "--out", &again]);
    assert!(first == fs::read(&again).expect("a report"), "the same bytes");
}

#[test]
fn what_each_worker_accepted_is_in_the_record_where_workers_accept() {
    let folder = Folder::new();
    let file = folder.file("tiny.toml", TINY);
    let accept = ["multi-reactor", "prefork", "prefork-fd-passing", "prethread", "tokio-per-core"];
    let models = accept.iter().chain(&["tokio"]).flat_map(|model| ["--model", model]);
    let words = [&file, "--rounds", "1", "--window", "250ms", "--no-anatomy"];
    let loaded = runs(&words.into_iter().chain(models).collect::<Vec<_>>(), &folder.path("out"));
    for trial in &loaded.trials {
        let Reading::Value(server) = &trial.server else { panic!("{trial:?}") };
        let each = &trial.accepted_by_worker;
        assert_eq!(!each.is_empty(), accept.contains(&trial.model.as_str()), "{trial:?}");
        assert!(each.is_empty() || each.iter().sum::<u64>() == server["accepted"], "{trial:?}");
    }
}

#[test]
fn every_cost_of_a_forking_server_is_a_figure_or_a_reason() {
    let folder = Folder::new();
    let file = folder.file("tiny.toml", TINY);
    let run = |name: &str, more: &[&str]| {
        let model = [&file, "--model", "fork-per-client", "--rounds", "1", "--window", "250ms"];
        // Reading what a tree of processes has used takes a while, and the first reading must be over before the window.
        let words = [&model[..], &["--warmup", "250ms"]].concat();
        runs(&[&words[..], more].concat(), &folder.path(name)).trials.remove(0)
    };
    let trial = run("with", &[]);
    let (usage, counted) = (&trial.usage, &trial.usage.counted);
    let Reading::Value(measured) = &trial.measured else { panic!("{trial:?}") };
    let Reading::Value(wire) = &measured.wire else { panic!("loopback has TCP_INFO: {measured:?}") };
    let requests = measured.counts.ok + measured.warmup_sent;
    assert_eq!(wire.connections, 4);
    // Each request is a segment with payload and so is its reply, whether it came in time to count or not.
    assert!(wire.data_segments_out >= requests && wire.data_segments_in >= requests, "{wire:?}, {requests}");
    assert!(wire.bytes_out >= 64 * requests && wire.bytes_in >= 64 * requests, "{wire:?}, {requests}");
    assert_eq!(usage.processes, Reading::Value(5), "a process for each client and the one that listens");
    assert!(usage.held_own_bytes.value() > usage.idle_own_bytes.value(), "forks take memory: {usage:?}");
    // A fork for each client and its end are no part of a request: they are in the life of the server alone.
    let switches = &usage.switches;
    match (&switches.voluntary, &usage.life_voluntary_switches, &switches.replies) {
        (Reading::Value(under_load), Reading::Value(life), Reading::Value(replies)) => {
            assert!(under_load < life && *replies <= requests, "{switches:?}, {life} in its life");
        }
        absent => panic!("/proc tells them: {absent:?}"),
    }
    // No reply without a system call. The machine may be too busy to count, or forbid it.
    match (&counted.system_calls, &counted.system_call_replies) {
        (Reading::Value(calls), Reading::Value(replies)) => {
            assert!(*calls > 0 || *replies == 0, "{calls} for {replies}");
        }
        (Reading::Absent(why), _) => assert!(!why.is_empty()),
        (Reading::Value(_), Reading::Absent(why)) => panic!("the swarm always tells its replies: {why}"),
    }
    let without = run("without", &["--no-costs"]);
    let held_up = |why: &str| why.contains("held up");
    let read = !matches!(&without.usage.window_cpu_ns, Reading::Absent(why) if !held_up(why));
    assert!(read, "verdicts need it: {without:?}");
    for absent in
        [&without.usage.run_delay_ns, &without.usage.idle_own_bytes, &without.usage.counted.system_calls]
    {
        assert!(
            matches!(absent, Reading::Absent(why) if why.contains("--no-costs") || held_up(why)),
            "{absent:?}"
        );
    }
}

#[test]
fn a_damaged_bundle_says_which_record_and_reports_the_rest() {
    let folder = Folder::new();
    let file = folder.file("tiny.toml", TINY);
    let out = folder.path("out");
    runs(&[&file, "--rounds", "1"], &out);
    let path = format!("{out}/run.jsonl");
    let bytes = fs::read(&path).expect("a bundle");
    fs::write(&path, &bytes[..bytes.len() * 2 / 3]).expect("writable");
    let output = bakeoff(&["report", &out]).output().expect("it runs");
    assert!(output.status.success());
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("cut off") && error.contains("readable"), "{error}");
    fs::write(&path, "not a bundle\n").expect("writable");
    assert!(fails(&["report", &out], 2).contains("run.jsonl"));
}

#[test]
fn a_scenario_named_as_a_tag_stays_text() {
    let folder = Folder::new();
    let file = folder.file("tag.toml", &TINY.replace("\"tiny\"", "\"<script>alert(1)</script>\""));
    let out = folder.path("out");
    runs(&[&file, "--model", "tokio", "--rounds", "1", "--window", "250ms"], &out);
    let page = fs::read_to_string(format!("{out}/report.html")).expect("a report");
    assert!(!page.contains("<script>alert"), "escaped everywhere");
    assert!(page.contains("&lt;script&gt;alert"), "and still shown");
}

#[test]
fn an_interrupted_run_leaves_nothing_running_and_what_it_finished() {
    for (name, by) in [("SIGINT", 2), ("SIGTERM", 15)] {
        let folder = Folder::new();
        let file = folder.file("tiny.toml", TINY);
        let out = folder.path("out");
        let mut run = bakeoff(&["run", &file, "--rounds", "500", "--no-probe", "--out", &out])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it runs");
        let path = format!("{out}/run.jsonl");
        wait_for("two trials on disk", || bundle::load(path.as_ref()).is_ok_and(|b| b.trials.len() >= 2));
        signal(run.id(), by);
        let mut status = None;
        wait_for("the tool to end", || {
            status = run.try_wait().expect("our child");
            status.is_some()
        });
        assert_eq!(status.expect("ended").code(), Some(130), "{name}");
        let loaded = bundle::load(path.as_ref()).expect("a bundle");
        assert!(loaded.damage.is_empty() && loaded.end.expect("closed in order").interrupted);
        assert!(fs::exists(format!("{out}/report.html")).expect("readable"), "what there is was reported");
    }
}

#[test]
fn a_killed_run_leaves_no_process_and_every_finished_trial() {
    for model in ["fork-per-client", "thread-per-client", "tokio"] {
        let folder = Folder::new();
        let file = folder.file("tiny.toml", TINY);
        let out = folder.path("out");
        let mut run = bakeoff(&[
            "run",
            &file,
            "--model",
            model,
            "--rounds",
            "500",
            "--quiet",
            "--no-probe",
            "--out",
            &out,
        ])
        .spawn()
        .expect("it runs");
        let path = format!("{out}/run.jsonl");
        let mut family = Vec::new();
        wait_for("a trial on disk and another under way", || {
            family = children_of(run.id());
            family.len() >= 2 && bundle::load(path.as_ref()).is_ok_and(|b| !b.trials.is_empty())
        });
        run.kill().expect("our child");
        run.wait().expect("our child");
        for pid in family {
            wait_for("the family to end", || ended(pid));
        }
        let loaded = bundle::load(path.as_ref()).expect("a bundle");
        assert!(!loaded.trials.is_empty() && loaded.end.is_none());
        succeeds(&["report", &out, "--quiet"]);
    }
}

#[test]
fn a_server_that_dies_is_the_models_result_and_the_run_goes_on() {
    let folder = Folder::new();
    let file =
        folder.file("long.toml", &TINY.replace("window = \"50ms\"", "window = \"1s\"\ndrain = \"100ms\""));
    let out = folder.path("out");
    let mut run = bakeoff(&["run", &file, "--model", "tokio", "--rounds", "2", "--quiet", "--out", &out])
        .spawn()
        .expect("it runs");
    let mut victim = None;
    wait_for("a server under load", || {
        let family = children_of(run.id());
        let connected =
            |pid: &i32| procfs::process::Process::new(*pid).and_then(|p| p.fd_count()).unwrap_or(0) >= 12;
        victim = family.iter().copied().find(|pid| is_server(*pid) && connected(pid));
        victim.is_some()
    });
    signal(victim.expect("found") as u32, 9);
    let loaded = measured(run.wait().expect("our child"), &out);
    let trials = first_tries(&loaded);
    assert_eq!(trials.len(), 2);
    let told = |trial: &Trial| {
        trial.doubts.iter().any(|d| matches!(d, Doubt::ServerDied { .. }))
            || trial.invalid.iter().any(|i| matches!(i, Invalid::ServerDied { .. }))
    };
    assert!(told(trials[0]) && !told(trials[1]), "{trials:?}");
    assert!(matches!(trials[0].server, Reading::Absent(_)), "it did not live to tell");
    assert!(matches!(trials[0].usage.life_user_ns, Reading::Absent(_)));
}

#[test]
fn a_run_goes_on_when_nobody_reads_its_progress() {
    let folder = Folder::new();
    let file = folder.file("tiny.toml", TINY);
    let out = folder.path("out");
    let mut run = bakeoff(&["run", &file, "--model", "tokio", "--rounds", "3", "--out", &out])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    drop((run.stdout.take(), run.stderr.take()));
    assert!(measured(run.wait().expect("our child"), &out).end.is_some());
    assert!(fs::exists(format!("{out}/report.html")).expect("readable"));
}

#[test]
fn an_argument_that_is_no_text_is_no_crash() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = Folder::new();
    let file = folder.file("tiny.toml", TINY);
    let out = std::path::Path::new(&folder.path("out")).join(std::ffi::OsStr::from_bytes(b"x\xff"));
    let status = bakeoff(&["run", &file, "--model", "tokio", "--rounds", "1", "--quiet", "--out"])
        .arg(&out)
        .status()
        .expect("it runs");
    // Of the results, only that they are there: the folder's name is no text to look into it by.
    assert!(matches!(status.code(), Some(0 | 3)) && out.join("report.html").exists(), "{status}");
}

/// A server alone, with its address and what it goes on to say.
fn serve(model: &str, service: &str) -> (Child, String, BufReader<ChildStderr>) {
    let mut server = bakeoff(&["serve", "--model", model, "--service", service, "--addr", "127.0.0.1:0"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut words = BufReader::new(server.stderr.take().expect("piped"));
    let mut line = String::new();
    words.read_line(&mut line).expect("it says where it listens");
    let address = line.split_whitespace().find(|w| w.starts_with("127.")).expect("an address");
    let address = address.trim_end_matches(';').to_string();
    (server, address, words)
}

/// Stops a server alone; returns its counters as it says them.
fn stop(mut server: Child, mut words: BufReader<ChildStderr>) -> String {
    signal(server.id(), 15);
    let status = server.wait().expect("our child");
    let mut rest = String::new();
    words.read_to_string(&mut rest).expect("its counters");
    assert!(status.success(), "{status} {rest}");
    rest
}

#[test]
fn one_server_can_be_talked_to_by_hand_and_loaded() {
    let (server, address, words) = serve("thread-per-client", "line");
    let mut client = TcpStream::connect(&address).expect("it listens");
    client.write_all(b"hello\nexit\n").expect("open");
    let mut reply = String::new();
    client.read_to_string(&mut reply).expect("closed by the server after exit");
    assert_eq!(reply, "hello\n");
    let load = [
        "load",
        "--addr",
        &address,
        "--service",
        "line",
        "--clients",
        "3",
        "--for",
        "100ms",
        "--warmup",
        "10ms",
    ];
    let summary = succeeds(&load);
    assert!(summary.contains("requests/s"), "{summary}");
    let counted = stop(server, words);
    assert!(counted.contains("accepted 4"), "{counted}");
}

#[test]
fn more_clients_than_one_process_may_have_descriptors_are_shared_among_workers() {
    let (server, address, words) = serve("mio-event-loop", "echo");
    let script = "ulimit -n 200; exec \"$0\" load --addr \"$1\" --clients 500 --for 300ms --warmup 50ms";
    let output = Command::new("sh").args(["-c", script, tool(), &address]).output().expect("sh");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && error.contains("500 connections"), "{error}");
    let summary = String::from_utf8_lossy(&output.stdout);
    assert!(!summary.contains("never served") && !summary.contains("unanswered"), "{summary}");
    let counted = stop(server, words);
    assert!(counted.contains("accepted 500") && counted.contains("peak 500"), "{counted}");
}

#[test]
fn load_processes_without_descriptors_for_their_pipes_are_refused_at_once() {
    let script = "ulimit -n 64; exec \"$0\" load --addr 127.0.0.1:9 --clients 200";
    let output = Command::new("sh").args(["-c", script, tool()]).output().expect("sh");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("200 load processes") && error.contains("64 are allowed"), "{error}");
    assert!(error.contains("ulimit -Hn") && !error.contains("swarm worker"), "{error}");
}

#[test]
fn what_the_caller_ignores_and_masks_is_respected() {
    let folder = Folder::new();
    let (file, out) = (folder.file("tiny.toml", TINY), folder.path("out"));
    // Ends of children would be thrown away (bash, for not every shell ignores SIGCHLD); nohup ignores SIGHUP.
    let script = "umask 077; trap '' CHLD HUP; exec \"$0\" run \"$1\" --model thread-per-client --rounds 1 --no-probe \
                  --window 1s --quiet --retries 0 --out \"$2\"";
    let mut run = Command::new("bash").args(["-c", script, tool(), &file, &out]).spawn().expect("bash");
    // Once it writes, it has long taken over the signals.
    wait_for("a bundle", || fs::exists(format!("{out}/run.jsonl")).expect("readable"));
    signal(run.id(), 1);
    let loaded = measured(run.wait().expect("our child"), &out);
    let trial = first_tries(&loaded)[0];
    assert!(!trial.doubts.contains(&Doubt::KilledAtStop), "{:?}", trial.doubts);
    assert!(matches!(trial.usage.life_user_ns, Reading::Value(_)), "{:?}", trial.usage.life_user_ns);
    let mode = fs::metadata(format!("{out}/report.html")).expect("a report").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "{mode:o}");
}

#[test]
fn the_list_the_completions_and_the_manual_come_from_one_definition() {
    let list = succeeds(&["list"]);
    for word in [
        "iterative",
        "fork-per-client",
        "mio-event-loop-inline",
        "tokio-current-thread",
        "echo",
        "block",
        "churn",
    ] {
        assert!(list.contains(word), "{word}: {list}");
    }
    for shell in ["bash", "zsh", "fish"] {
        assert!(succeeds(&["completions", shell]).contains("serve"));
    }
    assert!(succeeds(&["man"]).contains(".TH bakeoff"));
    assert!(succeeds(&["man", "run"]).contains("rounds"));
}
