//! A chat through the tool: run as a workload, with its record, its words and its exports; loaded by hand; and what is refused.

use crate::support;

use bakeoff_reports::record::{FanOut, bundle};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use support::{Folder, bakeoff, fails, first_tries, runs, succeeds};

/// A room of four, of which one never reads and is sent more than kernel and server keep for it: 8 MiB. It comes slowly, so that who
/// does read is not shut out on a busy machine, and nothing is given up.
const SLOW: &str = r#"
name = "slow"
about = "a test"
service = "chat"
audience = { kind = "room", slow = 1 }
merit = "response-p50"
[load]
kind = "open"
clients = 4
rate = 50
arrivals = "fixed"
[request]
size = "64 KiB"
[trial]
warmup = "10ms"
window = "2500ms"
timeout = "30s"
drain = "30s"
"#;

/// The only trial in a CSV, its fields by their names.
fn row(csv: &str) -> BTreeMap<&str, &str> {
    let mut lines = csv.lines().map(|line| line.split(','));
    let names = lines.next().expect("a head");
    names.zip(lines.next().expect("a trial")).collect()
}

#[test]
fn one_slow_member_is_shut_out_and_the_others_hear_all() {
    for model in ["thread-per-client", "tokio"] {
        let folder = Folder::new();
        let (scenario, out) = (folder.file("slow.toml", SLOW), folder.path("out"));
        let mut bundle = runs(&[&scenario, "--model", model, "--rounds", "1"], &out);
        let trial = first_tries(&bundle)[0];
        let measured = trial.measured.value().expect("it was measured");
        let sent = measured.counts.sent;
        assert!(sent > 0 && measured.counts.ok == sent, "{:?}", measured.counts);
        let deliveries = 2 * sent;
        let fan_out = measured.fan_out.clone().expect("members heard each other");
        let slow = FanOut { slow: 1, slow_gone: 1, shut_out: Some(1), ..FanOut::default() };
        let expected =
            FanOut { expected: deliveries, received: deliveries, first: fan_out.first.clone(), ..slow };
        assert_eq!(fan_out, expected, "{model}");
        assert_eq!(trial.server.value().and_then(|counts| counts.get("shut_out")), Some(&1));

        // Whether others had the CPUs meanwhile decides what counts, and is not what is tested here.
        bundle.trials.iter_mut().for_each(|trial| trial.invalid.clear());
        fs::write(format!("{out}/run.jsonl"), bundle::to_bytes(&bundle).expect("JSON")).expect("writable");
        let csv = succeeds(&["export", &out, "--format", "csv"]);
        let row = row(&csv);
        for (name, count) in expected.rows() {
            let count = count.expect("all are known").to_string();
            assert_eq!(row[format!("deliveries_{name}").as_str()], count, "{name}");
        }
        assert_eq!((row["sent"], row["ok"]), (row["ok"], sent.to_string().as_str()));
        let metrics = succeeds(&["export", &out, "--format", "openmetrics"]);
        for fate in [format!("fate=\"received\"}} {deliveries} "), "fate=\"shut_out\"} 1 ".to_owned()] {
            assert!(metrics.contains(&fate), "{metrics}");
        }
        let text = succeeds(&["report", &out]).split_whitespace().collect::<Vec<_>>().join(" ");
        let said = "heard 100 %, by the first after";
        let page = fs::read_to_string(format!("{out}/report.html")).expect("a page");
        for part in
            [said, "1 of 1 slow member cut off, 1 shut out by the server", "A slow member never reads"]
        {
            assert!(page.contains(part), "{part}");
        }
        assert!(text.contains(said) && text.contains("1 of 1 slow member cut off"), "{text}");
    }
}

/// A server by hand that is killed when dropped, and its address.
struct Server(Child, String);

impl Server {
    fn start(service: &str) -> Self {
        let arguments = ["serve", "--model", "mio-event-loop", "--service", service, "--addr", "127.0.0.1:0"];
        let mut child = bakeoff(&arguments).stderr(Stdio::piped()).spawn().expect("the tool can be started");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok);
        let line = lines.next().expect("its first words");
        std::thread::spawn(move || lines.count()); // its last words must find a reader
        let address = line.split(" on ").nth(1).and_then(|rest| rest.split(';').next());
        Self(child, address.unwrap_or_else(|| panic!("{line}")).to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_chat_is_loaded_by_hand_with_and_without_slow_members() {
    let server = Server::start("chat");
    let load = |audience: &str, more: &[&str]| {
        let usual = ["load", "--addr", &server.1, "--service", "chat", "--clients", "6", "--rate", "300"];
        let times = ["--for", "200ms", "--timeout", "30s", "--audience", audience];
        succeeds(&[&usual[..], &times, more].concat())
    };
    for (audience, hearers, slow) in
        [("room=6", 5, 0), ("group=3", 2, 0), ("one", 1, 0), ("room=3,slow=1", 1, 2)]
    {
        let json: serde_json::Value = serde_json::from_str(&load(audience, &["--json"])).expect("JSON");
        let (sent, fan_out) = (json["counts"]["sent"].as_u64().expect("a count"), &json["fan_out"]);
        assert!(sent > 0, "{json}");
        assert_eq!(fan_out["expected"], sent * hearers, "{audience}: {json}");
        assert_eq!(fan_out["received"], fan_out["expected"], "{audience}: {json}");
        assert_eq!(
            (&fan_out["slow"], &fan_out["slow_gone"]),
            (&slow.into(), &0.into()),
            "{audience}: {json}"
        );
        assert!(fan_out.get("shut_out").is_none(), "nobody can say it of a server by hand: {json}");
    }
    let text = load("room=6,slow=1", &[]).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        text.contains("0 of 1 slow member cut off") && text.contains("A slow member never reads"),
        "{text}"
    );
}

#[test]
fn an_audience_that_cannot_be_is_refused_with_what_can() {
    let load = |more: &[&'static str]| {
        let usual = ["load", "--addr", "127.0.0.1:9", "--clients", "6", "--rate", "100"];
        fails(&[&usual[..], more].concat(), 2)
    };
    for (audience, word) in [
        ("room=6,slow=5", "give 4 at most"),
        ("one,slow=1", "give 0 at most"),
        ("room=6,quick=1", "give slow=COUNT"),
        ("room=4", "multiple"),
        ("crowd", "give one, room=SIZE or group=SIZE"),
    ] {
        let said = load(&["--service", "chat", "--audience", audience]);
        assert!(said.contains(word), "{audience}: {said}");
    }
    let said = load(&["--service", "line", "--audience", "room=6"]);
    assert!(said.contains("for the service chat"), "{said}");
}
