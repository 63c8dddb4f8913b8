//! `bakeoff conform`: our own servers hold every case, in every service; others are told what they lack.

use crate::support::{bakeoff, fails, succeeds, tool};
use bakeoff_servers::services;

fn conform(command: &str, service: &str) -> (Option<i32>, String) {
    let output = bakeoff(&["conform", command, "--service", service]).output().expect("the tool");
    (output.status.code(), String::from_utf8(output.stdout).expect("text"))
}

#[test]
fn our_own_servers_hold_every_case_in_every_service() {
    for service in services::ALL {
        let serve = format!(
            "'{}' serve --model mio-event-loop --service {} --addr {{address}}",
            tool(),
            service.name
        );
        let text = succeeds(&["conform", &serve, "--service", service.name]);
        assert!(text.contains("It conforms (") && text.ends_with(" held, 0 did not).\n"), "{text}");
    }
}

#[test]
fn what_a_server_must_do_and_does_not_is_a_status_and_what_it_lacks_is_told() {
    // A server of another service answers, but not rightly.
    let line = format!("'{}' serve --model thread-per-client --service line --addr {{address}}", tool());
    let (status, text) = conform(&line, "hash");
    assert!(status == Some(3) && text.contains("It does not conform") && text.contains(" NO "), "{text}");
    // One client at a time is a server, though not one for many.
    let one = format!("'{}' serve --model iterative --service echo --addr {{address}}", tool());
    let (status, text) = conform(&one, "echo");
    assert!(status == Some(0) && text.contains("its figures will show what it lacks"), "{text}");
    assert!(text.lines().any(|line| line.contains("many-clients") && line.contains(" no ")), "{text}");
}

#[test]
fn the_last_words_of_a_server_are_told_and_drive_no_terminal() {
    // It serves until a client has been there for a while, as one is that waits for a reply; then it dies with an escape sequence and
    // two lines.
    let asked = "grep -q \":$(printf %04X $0) [0-9A-F]*:[0-9A-F]* 01 \" /proc/net/tcp";
    let dying = format!(
        "/bin/sh -c '(until {asked} && sleep 0.2 && {asked}; do sleep 0.02; done; printf \"one\\033[31m\\ntwo\\n\" >&2; kill -9 $$) & \
         exec {} serve --model mio-event-loop --service line --addr 127.0.0.1:$0' {{port}}",
        tool()
    );
    // Of a framed request a server of lines awaits the end.
    let (status, text) = conform(&dying, "wait");
    assert!(status == Some(3) && text.contains("signal 9") && text.contains("two"), "{text}");
    assert!(!text.contains('\u{1b}') && text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn what_does_not_serve_at_all_is_no_verdict() {
    for (command, words) in [
        ("/no/such/server {port}", "starting `/no/such/server"),
        ("/bin/sh -c 'echo no licence >&2; exit 7' {port}", "no licence"),
        ("./server", "write {port}"),
        ("./server {port} &", "needs a shell"),
    ] {
        let error = fails(&["conform", command], 2);
        assert!(error.contains(words), "{command}: {error}");
    }
    assert!(fails(&["conform", "./server {port}", "--addr", "192.0.2.1:0"], 2).contains("this machine"));
}

#[test]
fn the_contract_names_every_service_and_its_numbers_are_right() {
    let contract = include_str!("../../../servers/PROTOCOL.md");
    for service in services::ALL {
        assert!(contract.contains(service.name), "{} is not in it", service.name);
    }
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    let exchange = |name: &str| (services::find(name).expect("a service").exchange)(65_536);
    let block = exchange("http").reply(&bakeoff_servers::Request::new(0, 16, 0)).to_vec();
    assert!(contract.contains(&hex(&block[block.len() - 16..])), "the block begins otherwise");
    // What a hash of `hello` is can be asked of a session alone: the client's payloads are random.
    let entry = services::find("hash").expect("a service");
    let mut session = (entry.build)(&services::ServiceConfig::default()).open();
    let frame = [&5_u32.to_le_bytes()[..], &[0; 4], &1_000_u64.to_le_bytes(), b"hello"].concat();
    let bakeoff_servers::Next::Run(job) = session.advance(&frame, &mut Vec::new()).next else {
        panic!("a hash computes")
    };
    let mut reply = Vec::new();
    session.complete(job.run(), &mut reply);
    assert!(contract.contains(&hex(&reply[4..])), "{}", hex(&reply));
    assert!(contract.contains(&hex(&2_000_000_u64.to_le_bytes())), "the demand of the example");
}
