//! TLS through the tool: a server by hand and a load on it, a run with its records and exports, an anatomy, and what is refused.

#[allow(dead_code)] // other tests use the rest
use crate::support;

use bakeoff::instruments::anatomy::{AnatomyOptions, take};
use bakeoff::process::context::Context;
use bakeoff::process::launch::{Interrupt, Launcher};
use bakeoff::workload::scenario::Scenario;
use bakeoff_reports::record::{Metric, Part, Reading, Tls};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use support::{Folder, bakeoff, fails, is_answered, runs, succeeds, tool};

/// A server over TLS by hand, killed when a test fails.
struct Serving {
    child: Child,
    address: String,
    fingerprint: String,
    invitation: String,
}

impl Serving {
    fn start(model: &str, service: &str) -> Self {
        let serve = ["serve", "--model", model, "--service", service, "--tls", "--addr", "127.0.0.1:0"];
        let mut child = bakeoff(&serve).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok);
        let [what, certificate, invitation] = [(); 3].map(|()| lines.next().expect("three lines"));
        std::thread::spawn(move || lines.count()); // its last words must find a reader
        let address = what.split(" over TLS on ").nth(1).and_then(|rest| rest.split(';').next());
        let address = address.unwrap_or_else(|| panic!("{what}")).to_string();
        let fingerprint = certificate.split(' ').next_back().expect("words").to_string();
        Self { child, address, fingerprint, invitation }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_server_by_hand_is_loaded_with_its_certificate_and_no_other() {
    let server = Serving::start("thread-per-client", "http");
    assert!(
        server.invitation.contains(&format!("curl -kv https://{}/", server.address)),
        "{}",
        server.invitation
    );
    let load = [
        "load",
        "--addr",
        &server.address,
        "--service",
        "http",
        "--tls",
        "--for",
        "200ms",
        "--warmup",
        "50ms",
    ];
    let with = |more: &[&'static str]| {
        let text = succeeds(&[&load[..], &["--churn", "1", "--clients", "2", "--json"], more].concat());
        let summary: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        ["full", "resumed"].map(|kind| summary["handshakes"][kind].as_u64().expect("a count"))
    };
    let [full, resumed] = with(&["--tls-full-handshakes"]);
    assert!(full > 0 && resumed == 0, "{full} full, {resumed} resumed");
    let [_, resumed] = with(&[]);
    assert!(resumed > 0, "sessions are resumed");
    let pinned =
        succeeds(&[&load[..], &["--clients", "2", "--tls-fingerprint", &server.fingerprint]].concat());
    assert!(pinned.contains("TLS: 0 handshakes/s"), "its connections are kept: {pinned}");
    let other = "0".repeat(64);
    let refused = fails(&[&load[..], &["--clients", "2", "--tls-fingerprint", &other]].concat(), 2);
    assert!(refused.contains("the handshake of TLS failed"), "{refused}");
    let unchecked = bakeoff(&[&load[..], &["--clients", "2"]].concat()).output().expect("it starts");
    let told = String::from_utf8_lossy(&unchecked.stderr);
    assert!(told.contains("with whatever certificate it has, unchecked"), "{told}");
}

/// A tiny churn over TLS.
const TINY: &str = r#"
name = "tiny"
about = "connect, shake hands, one request, close"
service = "line"
merit = "throughput"
tls = { resume = false }
[load]
kind = "churn"
clients = 2
[request]
size = "64 B"
[trial]
warmup = "20ms"
window = "100ms"
"#;

#[test]
fn a_run_records_its_handshakes_and_leaves_commands_out() {
    let folder = Folder::new();
    let (out, scenario) = (folder.path("out"), folder.file("tiny.toml", TINY));
    let models = ["-m", "prefork", "-m", "mio-event-loop", "-m", "tokio"];
    let bundle = runs(&[&[scenario.as_str(), "--blocks", "1"], &models[..]].concat(), &out);
    assert_eq!(bundle.run.scenarios[0].tls, Some(Tls { resume: false }));
    for trial in bundle.trials.iter().filter(|trial| is_answered(trial)) {
        let measured = trial.measured.value().expect("answered");
        let handshakes = measured.handshakes.expect("over TLS");
        assert_eq!((handshakes.full, handshakes.resumed), (measured.connect.count, 0), "{}", trial.model);
    }
    let csv = succeeds(&["export", &out, "--format", "csv"]);
    assert!(csv.contains("full_handshakes") && csv.contains("resumed_handshakes"), "{csv}");
    let page = std::fs::read_to_string(format!("{out}/report.html")).expect("the page");
    assert!(page.contains("Handshakes of TLS") && page.contains("over TLS, each handshake a full one"));
    assert_eq!(Metric::FullHandshakes.key(), "full-handshakes");

    let mine = format!("mine={} serve --model tokio --service line --addr 127.0.0.1:{{port}}", tool());
    let brief = ["run", &scenario, "--no-probe", "--quiet", "--out", &out, "--contestant", &mine];
    let refused = fails(&brief, 2);
    assert!(refused.contains("is asked without TLS"), "{refused}");
}

#[test]
fn what_does_not_go_over_tls_is_refused_where_it_stands() {
    for (change, words) in [
        ("tls = { resume = false }\n|tls = 3\n", "`tls` is true, false, or a table"),
        ("clients = 2\n|clients = 2\n[background]\nidle = 1\n", "background connections cannot go over TLS"),
        ("kind = \"churn\"\n|kind = \"closed\"\npipeline = 4\n", "a pipeline of requests cannot go over TLS"),
        (
            "[load]|models = [{ name = \"go\", command = \"./server {port}\" }]\n[load]",
            "`tls` is for the models",
        ),
    ] {
        let (before, after) = change.split_once('|').expect("what becomes what");
        let error = Scenario::parse(&TINY.replace(before, after), "tiny.toml").expect_err(words).to_string();
        assert!(error.contains(words) && error.contains("`tiny.toml`, line 6"), "{error}");
    }
    let plain = Scenario::parse(&TINY.replace("{ resume = false }", "false"), "tiny.toml").expect("valid");
    let usual = Scenario::parse(&TINY.replace("{ resume = false }", "true"), "tiny.toml").expect("valid");
    assert_eq!((plain.tls, usual.tls), (None, Some(Tls { resume: true })));
}

#[test]
fn an_anatomy_follows_the_handshake_and_the_records() {
    let launcher = Launcher { program: tool().into(), interrupt: Interrupt::default() };
    let context = Context::on_loopback(launcher);
    for model in ["thread-per-client", "mio-event-loop", "tokio"] {
        let options = AnatomyOptions { tls: true, ..AnatomyOptions::small_echo() };
        let anatomy = take(&context, context.model(model), &options).expect("the server starts");
        let Reading::Value(_) = &anatomy.phases else { panic!("{model}: {:?}", anatomy.phases) };
        let connect = anatomy.phase(Part::Connect).expect("it is followed");
        let reads = ["recvfrom", "read"].iter().filter_map(|call| connect.calls.get(*call)).sum::<u64>();
        assert!(reads >= 2, "{model}: both flights of the client are read: {:?}", connect.calls);
        let wire = anatomy.wire.value().unwrap_or_else(|| panic!("{model}: {:?}", anatomy.wire));
        assert!(wire.connect.payload_in_bytes > 500, "{model}: the certificate is in there: {wire:?}");
        assert!(wire.connect.payload_out_bytes > 100, "{model}: {wire:?}");
        assert_eq!(anatomy.request_bytes, 64, "{model}: of plaintext");
    }
}
