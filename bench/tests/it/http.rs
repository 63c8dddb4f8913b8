//! The http service through the tool: by hand, under the swarm, and what `load --json` says of it.

#[allow(dead_code)] // other tests use the rest
use crate::support;

use bakeoff::process::context::Context;
use bakeoff::process::launch::{Interrupt, Launcher};
use bakeoff::process::server::Server;
use bakeoff::process::workers::PATIENCE;
use bakeoff_reports::record::Counts;
use bakeoff_reports::show::summary::SUMMARY_VERSION;
use bakeoff_servers::{CounterSnapshot, Request, ServerConfig, services};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
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
    let loaded = runs(&[&[path("web.toml").as_str(), "--rounds", "1"], &models[..]].concat(), &path("out"));
    assert_eq!(loaded.trials.len(), 2);
    for trial in &loaded.trials {
        let measured = trial.measured.value().unwrap_or_else(|| panic!("{trial:?}"));
        assert!(measured.counts.ok > 0 && measured.counts.errors.is_empty(), "{:?}", measured.counts);
    }
}

/// How a server of somebody else's words a right reply.
type Words = fn(payload: &[u8]) -> (Vec<u8>, bool);

/// A server that words its replies its own way; whether it closes after each, `words` says.
fn somebody_elses(words: Words) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer_all(stream, words));
        }
    });
    address
}

fn answer_all(mut stream: TcpStream, words: Words) {
    let exchange = (services::find("http").expect("a service").exchange)(64);
    let mut reader = BufReader::new(stream.try_clone().expect("a descriptor"));
    loop {
        let (mut line, mut field) = (String::new(), String::new());
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        while field != "\r\n" {
            field.clear();
            if reader.read_line(&mut field).unwrap_or(0) == 0 {
                return;
            }
        }
        let target =
            line.split(' ').nth(1).and_then(|target| target.strip_prefix("/bytes/")).expect("a target");
        let (size, id) = target.split_once("?id=").expect("a number");
        let (size, id) = (size.parse().expect("a size"), id.parse().expect("a number"));
        let reply = exchange.reply(&Request::new(id, size, 0));
        let (message, closes) = words(reply.body);
        if stream.write_all(&message).is_err() || closes {
            return;
        }
    }
}

#[test]
fn a_right_reply_in_other_words_is_right_and_another_status_is_not() {
    fn worded(head: &str, content: &[u8], end: &str) -> Vec<u8> {
        [head.as_bytes(), content, end.as_bytes()].concat()
    }
    let right: [Words; 4] = [
        |body| {
            (
                worded("HTTP/1.1 200 OK\r\nserver: x\r\ncontent-length: 64\r\nDate: now\r\n\r\n", body, ""),
                false,
            )
        },
        |body| {
            (
                worded("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n", body, "\r\n0\r\n\r\n"),
                false,
            )
        },
        |body| (worded("HTTP/1.0 200 OK\r\nContent-Length: 64\r\n\r\n", body, ""), true),
        |body| (worded("HTTP/1.0 200 OK\r\n\r\n", body, ""), true),
    ];
    let load = |words| {
        let address = somebody_elses(words);
        let arguments = ["load", "--service", "http", "--addr", &address, "--size", "64"];
        let brief = ["--clients", "2", "--for", "150ms", "--warmup", "20ms", "--json"];
        let output = support::bakeoff(&[&arguments[..], &brief].concat()).output().expect("it runs");
        let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        (output.status.code(), json)
    };
    for (number, words) in right.into_iter().enumerate() {
        let (code, json) = load(words);
        let counts: Counts = serde_json::from_value(json["counts"].clone()).expect("counts");
        assert_eq!((code, counts.errors_total()), (Some(0), 0), "{number}: {json}");
        assert!(counts.ok > 0 && counts.ok + counts.in_flight_at_end == counts.sent, "{number}: {counts:?}");
    }
    let (code, json) =
        load(|body| (worded("HTTP/1.1 404 No\r\nContent-Length: 64\r\n\r\n", body, ""), false));
    assert_eq!((code, &json["invalid"][0]["reason"]), (Some(3), &Value::from("wrong_reply")), "{json}");
}
