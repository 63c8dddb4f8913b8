//! The exit statuses: the documents show the one table of them, and each status is met by a command. That of a build that
//! regressed is in `ab.rs`, whose comparisons take their time.

use crate::support::{Folder, TINY, bakeoff, children_of, signal, wait_for};
use bakeoff::exit::{self, Exit};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Output, Stdio};

#[test]
fn documents_help_and_manual_show_the_one_table() {
    let table = exit::table();
    for (name, text) in [
        ("README.md", include_str!("../../../README.md")),
        ("ARCHITECTURE.md", include_str!("../../../ARCHITECTURE.md")),
    ] {
        assert!(text.contains(&table), "{name} should hold:\n{table}");
    }
    for arguments in [["--help"], ["man"]] {
        let output = bakeoff(&arguments).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
        for exit in Exit::ALL {
            let meaning = exit.meaning().replace("--", if arguments == ["man"] { "\\-\\-" } else { "--" });
            assert!(text.contains(&format!("{} {meaning}", exit.code())), "{arguments:?}: {exit:?}: {text}");
        }
    }
}

/// What a server of the tests does with a connection, in a thread of its own.
type Manners = fn(usize, TcpStream);

/// A server of `connections` connections, behind which it closes its door; its address.
fn server(connections: usize, manners: Manners) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().take(connections).flatten().enumerate() {
            std::thread::spawn(move || manners(number, stream));
        }
    });
    address
}

/// Echoes; `spoil` may change each message, and ends the connection by saying no.
fn echo(mut stream: TcpStream, mut spoil: impl FnMut(&mut [u8]) -> bool) {
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = stream.read(&mut buffer) {
        if !spoil(&mut buffer[..n]) || stream.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
}

/// A load of two clients on a server of so many connections.
fn load(connections: usize, manners: Manners, more: &[&str]) -> Output {
    let address = server(connections, manners);
    let plain = [
        "load",
        "--addr",
        &address,
        "--clients",
        "2",
        "--for",
        "200ms",
        "--warmup",
        "0s",
        "--timeout",
        "100ms",
    ];
    bakeoff(&[&plain, more].concat()).output().expect("it runs")
}

/// A load that must be invalid, with these words and none of those.
fn invalid_load(connections: usize, manners: Manners, says: &str, never: &[&str]) {
    let output = load(connections, manners, &[]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(i32::from(Exit::Invalid.code())), "{error}");
    assert!(error.contains("invalid") && error.contains(says), "{says}: {error}");
    assert!(never.iter().all(|word| !error.contains(word)), "{error}");
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(shown.contains("requests/s") && shown.contains("invalid: "), "it is shown all the same: {shown}");
}

/// What is asked of somebody about a service that is not at fault.
const SPEAKS: &str = "speak echo";

#[test]
fn load_of_a_server_that_ends_in_the_window_is_invalid() {
    invalid_load(
        2,
        |_, stream| {
            let mut left = 50;
            echo(stream, |_| {
                left -= 1;
                left > 0
            });
        },
        "the server ended",
        &[SPEAKS],
    );
}

#[test]
fn load_without_an_answer_is_invalid_and_asks_whether_it_is_the_load_or_the_service() {
    // Its door stays open: there is room in the queue behind it.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = silent.local_addr().expect("bound").to_string();
    let load = [
        "load",
        "--addr",
        &address,
        "--clients",
        "2",
        "--for",
        "200ms",
        "--warmup",
        "0s",
        "--timeout",
        "50ms",
    ];
    let output = bakeoff(&load).output().expect("it runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{error}");
    assert!(error.contains("requests went unanswered"), "{error}");
    assert!(error.contains("too slow for this load, or does it not speak echo"), "{error}");
}

#[test]
fn load_with_any_wrong_reply_is_invalid_and_asks_for_the_service() {
    invalid_load(
        usize::MAX,
        |number, stream| {
            let mut sent = number;
            echo(stream, |message| {
                sent += 1;
                message[0] ^= u8::from(sent.is_multiple_of(100));
                true
            });
        },
        SPEAKS,
        &["the server ended"],
    );
}

#[test]
fn load_that_nobody_answers_at_all_fails_and_a_good_one_does_not() {
    let gone = server(0, |_, _| ());
    let refused = ["load", "--addr", &gone, "--for", "100ms"];
    let output = bakeoff(&refused).output().expect("it runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(i32::from(Exit::Failed.code())), "{error}");
    assert!(error.to_lowercase().contains("refused") && !error.contains(SPEAKS), "{error}");
    let output = load(2, |_, stream| echo(stream, |_| true), &["--json"]);
    assert_eq!(output.status.code(), Some(0));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["invalid"], serde_json::json!([]));
}

#[test]
fn usage_and_interruption_have_statuses_of_their_own() {
    let usage = bakeoff(&["run", "--no-such-flag"]).output().expect("it runs");
    assert_eq!(usage.status.code(), Some(i32::from(Exit::Failed.code())));
    let folder = Folder::new();
    let file = folder.file("tiny.toml", TINY);
    let out = folder.path("out");
    let run = ["run", &file, "--model", "tokio", "--window", "30s", "--no-probe", "--quiet", "--out", &out];
    let mut running = bakeoff(&run).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
    // It takes signals once it has children.
    wait_for("a child", || !children_of(running.id()).is_empty());
    signal(running.id(), 2);
    let status = running.wait().expect("our child");
    assert_eq!(status.code(), Some(i32::from(Exit::Interrupted.code())));
}
