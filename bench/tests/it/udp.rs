//! UDP from outside: served, loaded, run as a workload, and refused where there is none.

use crate::support;

use bakeoff_reports::record::{Reading, Transport};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use support::{Folder, TINY, bakeoff, fails, first_tries, runs, succeeds};

/// A server of datagrams that is killed when dropped, and its address.
struct Server(Child, String);

impl Server {
    fn start(model: &str) -> Self {
        let arguments = ["serve", "--model", model, "--transport", "udp", "--addr", "127.0.0.1:0"];
        let mut child = bakeoff(&arguments).stderr(Stdio::piped()).spawn().expect("the tool can be started");
        let mut line = String::new();
        BufReader::new(child.stderr.take().expect("piped")).read_line(&mut line).expect("its first words");
        let address = line.split(" over UDP on ").nth(1).and_then(|rest| rest.split(';').next());
        let address = address.unwrap_or_else(|| panic!("{line}")).to_owned();
        Self(child, address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_server_of_datagrams_is_loaded_and_told_of() {
    let server = Server::start("mio-event-loop");
    let load = |more: &[&str]| {
        let usual = [
            "load",
            "--addr",
            &server.1,
            "--transport",
            "udp",
            "--rate",
            "500",
            "--for",
            "200ms",
            "--timeout",
            "1s",
        ];
        succeeds(&[&usual, more].concat())
    };
    let text = load(&[]).replace('\n', " ");
    assert!(text.contains("datagrams: 0 lost") && text.contains("RFC 4737"), "{text}");
    let json: serde_json::Value = serde_json::from_str(&load(&["--json", "--loss", "20%"])).expect("JSON");
    let of = |name: &str| json["datagrams"][name].as_u64().expect(name);
    assert!(of("lost") > 0 && of("lost") == of("dropped"), "{json}");
    assert_eq!(json["counts"]["timeouts"], of("lost") + of("late"));
}

#[test]
fn what_does_not_go_over_udp_is_refused_with_what_does() {
    for (arguments, word) in [
        (
            &["serve", "--model", "thread-per-client", "--transport", "udp"][..],
            "these do: iterative, prethread",
        ),
        (&["serve", "--model", "tokio", "--transport", "udp", "--service", "line"], "there is echo"),
        (&["serve", "--model", "tokio", "--transport", "sctp"], "tcp, udp"),
        (&["load", "--addr", "127.0.0.1:9", "--transport", "udp", "--size", "8 B"], "give 16"),
        (&["load", "--addr", "127.0.0.1:9", "--transport", "udp", "--churn", "1"], "nobody connects"),
        (&["load", "--addr", "127.0.0.1:9", "--transport", "udp", "--service", "line"], "there is echo"),
        (
            &["serve", "--model", "tokio", "--transport", "udp", "--addr", "0.0.0.0:0"],
            "flood others: serve on loopback",
        ),
        (&["serve", "--model", "tokio", "--transport", "udp", "--addr", "192.0.2.1:0"], "serve on loopback"),
        (&["serve", "--model", "tokio", "--transport", "udp", "--allow-remote"], "without --allow-remote"),
        (&["serve", "--model", "tokio", "--transport", "udp", "--backlog", "9"], "--backlog"),
        (
            &["serve", "--model", "tokio", "--transport", "udp", "--congestion-control", "reno"],
            "--congestion",
        ),
        (
            &["serve", "--model", "iterative", "--transport", "udp", "--pool-workers", "2"],
            "iterative has no tuning `pool_workers`",
        ),
        (
            &["serve", "--model", "tokio[compute_workers=2]", "--transport", "udp"],
            "over UDP the model tokio has no tuning `compute_workers`; it has: runtime_workers",
        ),
        (&["load", "--addr", "0.0.0.0:9", "--allow-remote", "--transport", "udp"], "give the address itself"),
        (&["run", "udp-steady", "--model", "thread-per-client"], "thread-per-client"),
        (
            &["run", "udp-steady", "--model", "tokio[compute_workers=2]"],
            "over UDP the model tokio has no tuning",
        ),
    ] {
        let error = fails(arguments, 2);
        assert!(error.contains(word), "{arguments:?}: {error}");
    }
}

#[test]
fn a_scenario_over_udp_says_nothing_that_does_nothing_there() {
    let folder = Folder::new();
    let over_udp = TINY.replace("service = \"echo\"", "service = \"echo\"\ntransport = \"udp\"");
    for (text, word) in [
        (format!("{over_udp}\n[server]\nbacklog = 9\n"), "`backlog` is of connections"),
        (
            format!("{over_udp}\n[server]\ncompute_workers = 2\n"),
            "`compute_workers` is read by no model over UDP",
        ),
        (over_udp.replace("window =", "timeout = \"2s\"\ndrain = \"1s\"\nwindow ="), "raise `drain`"),
    ] {
        let error = fails(&["run", &folder.file("udp.toml", &text), "--out", &folder.path("out")], 2);
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn a_workload_over_udp_runs_with_those_that_serve_it() {
    let folder = Folder::new();
    let (over_tcp, over_udp) = (folder.file("tcp.toml", TINY), folder.path("udp.toml"));
    let text = TINY
        .replace("\"tiny\"", "\"tiny-udp\"")
        .replace("service = \"echo\"", "service = \"echo\"\ntransport = \"udp\"\nloss = \"5%\"");
    // An open loop: of four clients that wait for their replies each may have lost one, and then nothing is asked in so short a window.
    let text = text.replace("kind = \"closed\"", "kind = \"open\"\nrate = 2000");
    let text = text.replace("window = \"50ms\"", "window = \"50ms\"\ntimeout = \"100ms\"\ndrain = \"100ms\"");
    fs::write(&over_udp, text).expect("written");
    let out = folder.path("out");
    let models = ["--model", "tokio", "--model", "multi-reactor", "--model", "thread-per-client"];
    let bundle = runs(&[&[over_tcp.as_str(), &over_udp, "--rounds", "1"], &models[..]].concat(), &out);
    let scenario = &bundle.run.scenarios[1];
    assert_eq!((scenario.transport, scenario.loss), (Transport::Udp, 0.05));
    assert_eq!(scenario.models, ["multi-reactor", "tokio"]);
    let [refused] = &bundle.run.refused[..] else { panic!("{:?}", bundle.run.refused) };
    assert_eq!(
        (refused.model.as_str(), &refused.scenarios[..]),
        ("thread-per-client", &["tiny-udp".to_owned()][..])
    );
    for trial in first_tries(&bundle).into_iter().filter(|trial| trial.scenario == "tiny-udp") {
        let measured = trial.measured.value().expect("it was loaded");
        let datagrams = measured.datagrams.as_ref().expect("over UDP");
        assert!(measured.counts.ok > 0 && datagrams.dropped <= datagrams.lost, "{measured:?}");
        let Reading::Value(counted) = &trial.server else { panic!("{:?}", trial.server) };
        assert!(counted["requests"] >= measured.counts.ok, "{counted:?}");
    }
    let csv = succeeds(&["export", &out, "--format", "csv"]);
    assert!(
        csv.lines().next().is_some_and(|head| head.contains("datagrams_lost,datagrams_dropped")),
        "{csv}"
    );
    let page = fs::read_to_string(format!("{out}/report.html")).expect("the report");
    assert!(page.contains("over UDP"), "the page says what carries the requests");
}
