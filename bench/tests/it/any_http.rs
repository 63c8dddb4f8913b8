//! Any HTTP server: requests that are spelled out, and replies held to what is declared of them. The servers are scripted here,
//! or are the tool's own. No assertion is about speed.

use crate::support::{Folder, TINY, bakeoff, fails, measured, succeeds, tool};
use bakeoff_reports::record::{Counts, HttpReplies, Invalid};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a scripted server answers to a request, given as its head and its body; it closes behind a reply if `bool` says so.
type Script = fn(head: &str, body: &str) -> (Vec<u8>, bool);

/// Head and body of each request that came.
type Asked = Arc<Mutex<Vec<(String, String)>>>;

/// A scripted server: its address, and what it is asked.
fn server(script: Script) -> (String, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    let asked = Asked::default();
    let all = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let asked = Arc::clone(&all);
            std::thread::spawn(move || answer_all(stream, script, &asked));
        }
    });
    (address, asked)
}

fn answer_all(mut stream: TcpStream, script: Script, asked: &Asked) {
    let mut reader = BufReader::new(stream.try_clone().expect("a descriptor"));
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().expect("a number"))];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let body = String::from_utf8(body).expect("text");
        let (reply, closes) = script(&head, &body);
        asked.lock().expect("no panic").push((head, body));
        if stream.write_all(&reply).is_err() || closes {
            return;
        }
    }
}

/// A brief load of a server, under way.
fn load(address: &str, flags: &[&str]) -> Child {
    let brief = ["load", "--addr", address, "--clients", "2", "--for", "120ms", "--warmup", "0s", "--json"];
    let mut command = bakeoff(&[&brief[..], flags].concat());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the tool can be started")
}

/// How a load ended: its exit status, its counts, its replies, the document, and standard error.
fn outcome(load: Child) -> (Option<i32>, Counts, HttpReplies, Value, String) {
    let output = load.wait_with_output().expect("it ends");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    let json: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no JSON: {error}"));
    let counts = serde_json::from_value(json["counts"].clone()).expect("counts");
    let http = serde_json::from_value(json["http"].clone()).expect("replies by status");
    (output.status.code(), counts, http, json, error)
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Kind: a\r\n\r\n{}";

#[test]
fn a_right_reply_is_right_in_every_framing() {
    let cases: [(&[&str], u16, Script); 7] = [
        (&["--path", "/"], 200, |_, _| (OK.to_vec(), false)),
        (&["--expect-length", "2", "--expect-header", "x-kind: a"], 200, |_, _| (OK.to_vec(), false)),
        (&["--expect-same-body"], 200, |_, _| {
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"
                    .to_vec(),
                false,
            )
        }),
        (&["--path", "/"], 200, |_, _| (b"HTTP/1.0 200 OK\r\n\r\nto the end".to_vec(), true)),
        (&["--path", "/"], 204, |_, _| {
            (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n".to_vec(), false)
        }),
        (&["--method", "HEAD"], 200, |_, _| {
            (b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n".to_vec(), false)
        }),
        (&["--expect-status", "302"], 302, |_, _| {
            (b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n".to_vec(), false)
        }),
    ];
    let loads: Vec<_> = cases
        .into_iter()
        .map(|(flags, status, script)| (flags, status, load(&server(script).0, flags)))
        .collect();
    for (flags, status, load) in loads {
        let (code, counts, http, json, error) = outcome(load);
        assert_eq!((code, counts.errors_total()), (Some(0), 0), "{flags:?} {status}: {json} {error}");
        assert!(counts.ok > 0 && http.wrong.is_empty(), "{flags:?} {status}: {json}");
        let [only] = http.statuses.as_slice() else { panic!("{flags:?}: {json}") };
        assert_eq!((only.status, only.replies), (status, counts.ok), "{flags:?}: {json}");
    }
}

#[test]
fn a_wrong_reply_is_told_by_what_was_received() {
    let cases: [(&[&str], &str, &str, Script); 8] = [
        (&["--path", "/"], "status", "had status 500", |_, _| {
            (b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\noops".to_vec(), false)
        }),
        (&["--path", "/"], "status", "had status 302", |_, _| {
            (b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n".to_vec(), false)
        }),
        (&["--expect-length", "3"], "length", "had 2 bytes of content", |_, _| (OK.to_vec(), false)),
        (&["--expect-header", "x-kind: b"], "header", "no field `x-kind`", |_, _| (OK.to_vec(), false)),
        (&["--expect-same-body"], "content", "other content than the first", |_, _| {
            static TURN: Mutex<bool> = Mutex::new(false);
            let mut turn = TURN.lock().expect("no panic");
            *turn = !*turn;
            let word = if *turn { "one" } else { "two" };
            (format!("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{word}").into_bytes(), false)
        }),
        (&["--path", "/"], "head_too_large", "more than 8 KiB", |_, _| {
            (format!("HTTP/1.1 200 OK\r\n{}", "X: y\r\n".repeat(3_000)).into_bytes(), true)
        }),
        (&["--path", "/"], "not_http", "it began with \"SSH-2.0-Open", |_, _| {
            (b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), true)
        }),
        (&["--path", "/"], "chunk_size", "size is no number", |_, _| {
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n".to_vec(), false)
        }),
    ];
    let loads: Vec<_> = cases
        .into_iter()
        .map(|(flags, fault, words, script)| (fault, words, load(&server(script).0, flags)))
        .collect();
    for (fault, words, load) in loads {
        let (code, counts, http, json, error) = outcome(load);
        assert_eq!(code, Some(3), "{fault}: {json}");
        assert_eq!(json["invalid"][0]["kinds"][0]["first"]["fault"], fault, "{json}");
        assert!(error.contains(words) && counts.balanced(), "{fault}: {error}");
        let wrong: u64 = http.wrong.iter().map(|one| one.replies).sum();
        assert_eq!(wrong, counts.errors_total(), "every error is a wrong reply, and is told: {json}");
        // A wrong reply that is whole leaves its connection, and is counted by its status.
        if ["status", "length", "header"].contains(&fault) {
            assert_eq!((counts.ok, http.closes), (0, 0), "{json}");
            assert_eq!(http.statuses.iter().map(|one| one.replies).sum::<u64>(), wrong, "{json}");
        }
    }
}

#[test]
fn a_cut_chunk_is_an_early_close_and_closing_behind_replies_is_counted() {
    let cut =
        server(|_, _| (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\nsixteen".to_vec(), true));
    let closing = server(|_, _| {
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}".to_vec(), true)
    });
    let (cut, closing) = (load(&cut.0, &["--path", "/"]), load(&closing.0, &["--path", "/"]));
    let (code, counts, http, json, _) = outcome(closing);
    assert_eq!((code, counts.errors_total()), (Some(0), 0), "{json}");
    assert!(counts.ok > 0 && http.closes == counts.ok, "each reply was the last of its connection: {json}");
    let output = cut.wait_with_output().expect("it ends");
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((output.status.code(), &json["counts"]["ok"]), (Some(3), &0.into()), "{json}");
    assert!(json["counts"]["errors"]["closed"].as_u64() > Some(0), "{json}");
}

#[test]
fn bytes_between_replies_are_told_as_such() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let (mut stream, mut request) = (stream, [0; 1_024]);
                while stream.read(&mut request).is_ok_and(|bytes| bytes > 0) {
                    stream.write_all(OK).expect("it is read");
                    // When the reply has been taken for whole, and before the next request.
                    std::thread::sleep(Duration::from_millis(5));
                    let _ = stream.write_all(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n");
                }
            });
        }
    });
    let (code, counts, http, json, error) = outcome(load(&address, &["--path", "/", "--think", "25ms"]));
    assert_eq!(code, Some(3), "{json}");
    assert!(error.contains("had bytes behind its end"), "{error}");
    let wrong: u64 = http.wrong.iter().map(|one| one.replies).sum();
    assert_eq!(wrong, counts.errors_total(), "every error is told: {json}");
}

#[test]
fn a_server_is_asked_what_is_spelled_out() {
    let (address, asked) = server(|_, _| (OK.to_vec(), false));
    let folder = Folder::new();
    let body = format!("@{}", folder.file("body.json", "{\"ä\":1}"));
    let flags =
        ["--path", "/a?b=1", "--path", "/c", "--method", "PUT", "-H", "content-type: application/json"];
    let (code, .., error) = outcome(load(&address, &[&flags[..], &["--body", &body]].concat()));
    assert_eq!(code, Some(0), "{error}");
    let asked = asked.lock().expect("no panic");
    for (head, body) in asked.iter() {
        let rest =
            " HTTP/1.1\r\nHost: localhost\r\ncontent-type: application/json\r\nContent-Length: 8\r\n\r\n";
        assert!(head.ends_with(rest) && body == "{\"ä\":1}", "{head}{body}");
    }
    for path in ["PUT /a?b=1 ", "PUT /c "] {
        assert!(asked.iter().any(|(head, _)| head.starts_with(path)), "{path}");
    }
    for (flags, words) in [
        (["--path", "a"], "does not begin with /"),
        (["--header", "X"], "'name: value'"),
        (["--header", "Content-Length: 3"], "follows from the body"),
        (["--expect-status", "1xx"], "is no status"),
        (["--body", "@/no/such/file"], "/no/such/file failed"),
        (["--body", "@/dev/zero"], "longer than 4194304 bytes"),
    ] {
        let error = fails(&[&["load", "--addr", "127.0.0.1:9"], &flags[..]].concat(), 2);
        assert!(error.contains(words), "{flags:?}: {error}");
    }
    let other = ["load", "--addr", "127.0.0.1:9", "--service", "line", "--path", "/"];
    assert!(fails(&other, 2).contains("not of line"));
}

/// The tool's own server of pages, as a stranger's command.
fn pages() -> String {
    format!("'{}' serve --model mio-event-loop --service http --addr 127.0.0.1:{{port}}", tool())
}

#[test]
fn a_contestant_that_answers_wrongly_is_refused_with_the_status_before_the_run() {
    let folder = Folder::new();
    let (out, mine) = (folder.path("out"), format!("mine={}", pages()));
    let scenario = folder.file("tiny.toml", TINY);
    let run = ["run", &scenario, "--contestant", &mine, "--no-probe", "--out", &out, "--path"];
    let error = fails(&[&run[..], &["/nowhere"]].concat(), 2);
    assert!(error.contains("nobody is left to run `tiny: GET /nowhere`"), "{error}");
    assert!(error.contains("its reply had status 404; right is status 2xx"), "{error}");
    assert!(!std::path::Path::new(&out).exists(), "nothing was begun");
    let pages = pages();
    let gate = ["ab", &scenario, "--a", &pages, "--b", &pages, "--rounds", "6", "--no-probe", "--out", &out];
    let error = fails(&[&gate[..], &["--path", "/nowhere"]].concat(), 2);
    assert!(error.contains(" had status 404; right is status 2xx"), "{error}");
    // The load of a scenario, with a request of its own, is a workload of its own.
    let run = ["run", &scenario, "--contestant", &mine, "--no-probe", "--out", &out, "--path", "/"];
    let more = ["--model", "tokio", "--blocks", "1", "--retries", "0", "--no-anatomy", "--quiet"];
    let bundle = measured(bakeoff(&[&run[..], &more].concat()).status().expect("the tool"), &out);
    let [workload] = bundle.run.scenarios.as_slice() else { panic!("{:?}", bundle.run.scenarios) };
    assert_eq!((workload.name.as_str(), workload.service.as_str()), ("tiny: GET /", "http"));
    assert_eq!(workload.models, ["tokio", "mine"]);
    for trial in &bundle.trials {
        assert!(
            !trial.invalid.iter().any(|reason| matches!(reason, Invalid::WrongReply { .. })),
            "{trial:?}"
        );
        let statuses = &trial.measured.value().expect("measured").http.statuses;
        assert!(statuses.iter().all(|one| one.status == 200) && !statuses.is_empty(), "{statuses:?}");
    }
    let csv = succeeds(&["export", &out, "--format", "csv"]);
    assert!(csv.lines().next().is_some_and(|head| head.trim_end().ends_with(",http_statuses")), "{csv}");
    let page = std::fs::read_to_string(format!("{out}/report.html")).expect("a page");
    assert!(page.contains("replies by status") && page.contains("status 2xx"), "the page says so");
}
