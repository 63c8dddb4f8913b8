//! The http service through the tool: by hand, under the swarm, and what `load --json` says of it.

#[allow(dead_code)] // other tests use the rest
use crate::support;

use bakeoff::process::context::Context;
use bakeoff::process::launch::{Interrupt, Launcher};
use bakeoff::process::server::Server;
use bakeoff::process::workers::PATIENCE;
use bakeoff_reports::record::Counts;
use bakeoff_reports::record::bundle;
use bakeoff_reports::show::summary::SUMMARY_VERSION;
use bakeoff_servers::{CounterSnapshot, ServerConfig};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use support::{runs, succeeds};

fn serve(model: &str) -> Server {
    let program = env!("CARGO_BIN_EXE_bakeoff").into();
    let context = Context::on_loopback(Launcher { program, interrupt: Interrupt::default() });
    let options = context.serve_options("http", 64, ServerConfig::for_cpus(1));
    let mut server = context.model(model).start(&options).expect("it starts");
    server.go().expect("it lives");
    server
}

/// Stops a server; returns what it counted.
fn stop(server: Server) -> CounterSnapshot {
    let stopped = server.stop(PATIENCE);
    assert!(!stopped.killed);
    stopped.counters.expect("its counters")
}

#[test]
fn an_http_server_answers_by_hand_and_every_reply_to_the_swarm_is_accounted_for_in_json() {
    let server = serve("mio-event-loop");
    let address = server.address;
    let mut client = TcpStream::connect(address).expect("it listens");
    client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("sent");
    let mut page = String::new();
    client.read_to_string(&mut page).expect("closed behind the reply");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.contains("GET /bytes/N"), "{page}");
    let address = address.to_string();
    let load = ["load", "--addr", &address, "--service", "http", "--clients", "3", "--for", "100ms"];
    let text = succeeds(&[&load[..], &["--warmup", "10ms", "--size", "1000", "--json"]].concat());
    let summary: Value = serde_json::from_str(&text).expect("the document that is promised");
    assert_eq!(
        (&summary["summary_version"], &summary["window_ns"]),
        (&SUMMARY_VERSION.into(), &100_000_000.into())
    );
    let counts: Counts = serde_json::from_value(summary["counts"].clone()).expect("counts");
    assert!(counts.ok > 0 && counts.balanced(), "{text}");
    assert_eq!(counts.ok, counts.sent, "every byte of every reply is right: {text}");
    assert_eq!(summary["response"]["count"], counts.ok);
    let counters = stop(server);
    let sent = counts.sent + summary["warmup_sent"].as_u64().expect("a count");
    assert_eq!(counters.requests, sent + 1, "both sides count the same: {counters:?}");
    assert_eq!((counters.accepted, counters.protocol_errors), (4, 0), "{counters:?}");
}

#[test]
fn a_scenario_can_ask_for_http() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("text").to_string();
    let scenario = "name = \"web\"\nabout = \"a test\"\nservice = \"http\"\nmerit = \"throughput\"\n\
        [load]\nkind = \"churn\"\nclients = 4\nrequests_per_connection = 3\n[request]\nsize = \"2 KiB\"\n\
        [trial]\nwarmup = \"10ms\"\nwindow = \"200ms\"\n";
    std::fs::write(path("web.toml"), scenario).expect("writable");
    let models = ["--model", "thread-per-client", "--model", "tokio-current-thread"];
    let run = [&path("web.toml"), "--rounds", "1", "--quiet", "--out", &path("out")];
    runs(&[&run[..], &models[..]].concat());
    let loaded = bundle::load(path("out/run.jsonl").as_ref()).expect("a bundle");
    assert_eq!(loaded.trials.len(), 2);
    for trial in &loaded.trials {
        let measured = trial.measured.value().unwrap_or_else(|| panic!("{trial:?}"));
        assert!(measured.counts.ok > 0 && measured.counts.errors.is_empty(), "{:?}", measured.counts);
    }
}
