//! What the service answers about files: the built-in site byte by byte, and a folder with its walls.

use super::super::tests::converse;
use super::super::web::PIECE;
use super::*;
use crate::drive::protocol::{Action, Protocol};
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

fn built_in() -> Arc<dyn Service> {
    build(&ServiceConfig::default())
}

/// All the output of one request with these fields (whole lines), and whether the connection was ended.
fn ask(service: &dyn Service, line: &str, fields: &str) -> (String, Vec<u8>, bool) {
    let input = format!("{line} HTTP/1.1\r\nHost: x\r\n{fields}\r\n");
    let (reply, answered, ended) = converse(service, &[input.as_bytes()]);
    assert_eq!(answered, 1, "one request, however many pieces: {line}");
    let at = reply.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    (String::from_utf8(reply[..at].to_vec()).expect("text"), reply[at + 4..].to_vec(), ended)
}

fn status(head: &str) -> &str {
    head.get(9..12).unwrap_or_default()
}

/// A folder `site` with some files, beside a secret.
fn some_folder() -> tempfile::TempDir {
    let around = tempfile::tempdir().expect("a folder");
    let site = around.path().join("site");
    fs::create_dir_all(site.join("sub/deep")).expect("folders");
    fs::write(around.path().join("secret.txt"), SECRET).expect("a file");
    fs::write(site.join("index.html"), "<h1>home</h1>").expect("a file");
    fs::write(site.join("sub/index.html"), "<h1>sub</h1>").expect("a file");
    fs::write(site.join("a b+c.txt"), "spaces").expect("a file");
    fs::write(site.join("empty.css"), "").expect("a file");
    fs::write(site.join("digits.bin"), "0123456789").expect("a file");
    symlink("../secret.txt", site.join("out-relative")).expect("a link");
    symlink(around.path().join("secret.txt"), site.join("out-absolute")).expect("a link");
    symlink("..", site.join("up")).expect("a link");
    symlink("digits.bin", site.join("inside")).expect("a link");
    symlink("loop", site.join("loop")).expect("a link");
    around
}

const SECRET: &str = "what nobody may see";

fn serve(around: &tempfile::TempDir) -> Arc<dyn Service> {
    open(around, "site").expect("it opens")
}

fn open(around: &tempfile::TempDir, name: &str) -> io::Result<Arc<dyn Service>> {
    folder(&around.path().join(name), Dotfiles::Hidden, &ServiceConfig::default())
}

#[test]
fn targets_and_their_status() {
    let around = some_folder();
    let service = serve(&around);
    for (target, expected, content_type, content) in [
        ("/", "200", "text/html; charset=utf-8", Some("<h1>home</h1>")),
        ("/index.html?x=1#y", "200", "text/html; charset=utf-8", Some("<h1>home</h1>")),
        ("http://localhost:8000/", "200", "text/html; charset=utf-8", Some("<h1>home</h1>")),
        ("/sub/", "200", "text/html; charset=utf-8", Some("<h1>sub</h1>")),
        ("//sub//", "200", "text/html; charset=utf-8", Some("<h1>sub</h1>")),
        ("/sub", "301", "text/html; charset=utf-8", None),
        ("/sub/deep", "301", "text/html; charset=utf-8", None),
        ("/sub/deep/", "404", "text/html; charset=utf-8", None),
        ("/a%20b+c.txt", "200", "text/plain; charset=utf-8", Some("spaces")),
        ("/a%20b%2Bc.txt", "200", "text/plain; charset=utf-8", Some("spaces")),
        ("/empty.css", "200", "text/css; charset=utf-8", Some("")),
        ("/inside", "200", "application/octet-stream", Some("0123456789")),
        ("/digits.bin/", "404", "text/html; charset=utf-8", None),
        ("/nothing", "404", "text/html; charset=utf-8", None),
        ("/loop", "404", "text/html; charset=utf-8", None),
        ("/%zz", "400", "text/html; charset=utf-8", None),
        ("/%4", "400", "text/html; charset=utf-8", None),
        ("/%00", "400", "text/html; charset=utf-8", None),
        ("*", "400", "text/html; charset=utf-8", None),
    ] {
        let (head, got, ended) = ask(&*service, &format!("GET {target}"), "");
        assert_eq!((status(&head), ended), (expected, false), "{target}: {head}");
        assert!(head.contains(&format!("\r\nContent-Type: {content_type}\r\n")), "{target}: {head}");
        assert!(head.contains(&format!("Content-Length: {}", got.len())), "{target}: {head}");
        assert!(content.is_none_or(|content| content.as_bytes() == got), "{target}");
        let (of_head, none, _) = ask(&*service, &format!("HEAD {target}"), "");
        assert_eq!((of_head, none.len()), (head, 0), "HEAD is GET without its content");
    }
}

#[test]
fn a_redirect_keeps_the_query_and_the_host() {
    for (target, location) in [
        ("/sub", "/sub/"),
        ("/sub?a=b?c", "/sub/?a=b?c"),
        ("//evil.example/x", "/evil.example/x/"),
        ("/a%20b", "/a%20b/"),
        ("/\\evil.example", "/evil.example/"),
    ] {
        assert_eq!(with_slash(target), location);
    }
    let around = some_folder();
    let (head, ..) = ask(&*serve(&around), "GET //sub/../sub", "");
    assert_eq!(status(&head), "400", "{head}");
    let (head, ..) = ask(&*serve(&around), "GET //sub?q", "");
    assert!(head.contains("\r\nLocation: /sub/?q\r\n"), "{head}");
}

#[test]
fn nothing_outside_the_folder_is_served() {
    let around = some_folder();
    let service = serve(&around);
    for target in [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/%2E./secret.txt",
        "/..%2fsecret.txt",
        "/sub/../../secret.txt",
        "/sub/..%2f..%2fsecret.txt",
        "/out-relative",
        "/out-absolute",
        "/up/secret.txt",
        "/up/site/index.html",
        "/digits.bin%00.html",
        "/..",
        "//etc/passwd",
        "/proc/self/environ",
    ] {
        let (head, content, _) = ask(&*service, &format!("GET {target}"), "");
        assert!(matches!(status(&head), "400" | "404"), "{target}: {head}");
        assert!(!String::from_utf8_lossy(&content).contains(SECRET), "{target}");
    }
}

#[test]
fn what_is_no_regular_file_is_not_even_opened() {
    use rustix::fs::{CWD, FileType, Mode, inotify, mknodat};
    let around = some_folder();
    let fifo = around.path().join("site/fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
    let _socket =
        std::os::unix::net::UnixListener::bind(around.path().join("site/socket")).expect("a socket");
    let watch =
        inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC).expect("inotify");
    inotify::add_watch(&watch, &fifo, inotify::WatchFlags::OPEN).expect("watched");
    let service = serve(&around);
    for target in ["/fifo", "/socket"] {
        let (head, ..) = ask(&*service, &format!("GET {target}"), "");
        assert_eq!(status(&head), "404", "{target}: {head}");
    }
    // Opening it would wake a writer of somebody else's that waits for its reader, who would then be gone.
    let opened = rustix::io::read(&watch, &mut [0_u8; 256]);
    assert_eq!(opened, Err(rustix::io::Errno::AGAIN), "nobody opened the pipe");
}

#[test]
fn dotfiles_are_served_only_when_asked_for() {
    let around = some_folder();
    let site = around.path().join("site");
    for (name, content) in [(".git/config", "url"), ("sub/.env", "key"), (".well-known/security.txt", "mail")]
    {
        fs::create_dir_all(site.join(name).parent().expect("a folder")).expect("folders");
        fs::write(site.join(name), content).expect("a file");
    }
    let config = ServiceConfig::default();
    let [hidden, served] = [Dotfiles::Hidden, Dotfiles::Served]
        .map(|dotfiles| folder(&site, dotfiles, &config).expect("it opens"));
    for target in ["/.git/config", "/%2egit/config", "/.git", "/sub/.env", "/./sub/.env", "/sub/%2E%65nv"] {
        let get = |service: &Arc<dyn Service>| ask(&**service, &format!("GET {target}"), "").0;
        assert_eq!(status(&get(&hidden)), "404", "{target}");
        assert!(matches!(status(&get(&served)), "200" | "301"), "{target}");
    }
    for target in ["/.well-known/security.txt", "/./index.html"] {
        assert_eq!(status(&ask(&*hidden, &format!("GET {target}"), "").0), "200", "{target}");
    }
}

#[test]
fn ranges_are_cut_out_of_what_is_there() {
    let around = some_folder();
    let service = serve(&around);
    let get = |fields: &str| ask(&*service, "GET /digits.bin", fields);
    for (range, content, said) in [
        ("0-3", "0123", "bytes 0-3/10"),
        ("8-99", "89", "bytes 8-9/10"),
        ("-3", "789", "bytes 7-9/10"),
        ("9-", "9", "bytes 9-9/10"),
    ] {
        let (head, got, _) = get(&format!("Range: bytes={range}\r\n"));
        assert_eq!((status(&head), &got[..]), ("206", content.as_bytes()), "{range}: {head}");
        assert!(head.contains(&format!("\r\nContent-Range: {said}\r\n")), "{head}");
    }
    let (head, ..) = get("Range: bytes=10-\r\n");
    assert!(status(&head) == "416" && head.contains("\r\nContent-Range: bytes */10\r\n"), "{head}");
    let (head, got, _) = get("");
    assert_eq!((status(&head), got.len()), ("200", 10));
    assert!(head.contains("\r\nAccept-Ranges: bytes\r\n"), "{head}");
    let date = head.split("Last-Modified: ").nth(1).and_then(|rest| rest.lines().next()).expect("a date");
    let (head, ..) = get(&format!("Range: bytes=0-0\r\nIf-Range: {date}\r\n"));
    assert_eq!(status(&head), "206", "the same file");
    let (head, ..) = get("Range: bytes=0-0\r\nIf-Range: \"another\"\r\n");
    assert_eq!(status(&head), "200", "another file: the whole");
    let (head, none, _) = ask(&*service, "HEAD /digits.bin", "Range: bytes=0-3\r\n");
    assert_eq!((status(&head), none.len()), ("200", 0), "a range is for GET alone");
}

#[test]
fn what_has_not_changed_is_not_sent() {
    let service = built_in();
    let since = |time| format!("If-Modified-Since: {}\r\n", httpdate::fmt_http_date(time));
    let second = Duration::from_secs(1);
    let file = "GET /1KiB/page.html";
    for (fields, expected) in [
        (since(site::modified()), "304"),
        (since(site::modified() + second), "304"),
        (since(site::modified() - second), "200"),
        ("If-Modified-Since: yesterday\r\n".into(), "200"),
        (format!("{}If-None-Match: \"x\"\r\n", since(site::modified())), "200"),
        ("If-Modified-Since: Thursday, 01-Jan-26 00:00:00 GMT\r\n".into(), "304"),
    ] {
        let (head, content, ended) = ask(&*service, file, &fields);
        assert_eq!((status(&head), ended), (expected, false), "{fields}: {head}");
        assert_eq!(content.is_empty(), expected == "304", "{fields}");
    }
}

#[test]
fn a_time_that_http_cannot_write_gives_no_date() {
    let around = some_folder();
    let service = serve(&around);
    let file = File::options().write(true).open(around.path().join("site/digits.bin")).expect("it opens");
    let (second, epoch) = (Duration::from_secs(1), SystemTime::UNIX_EPOCH);
    for (time, dated) in [(epoch - second, false), (epoch, true)] {
        file.set_modified(time).expect("a time");
        let (head, content, _) = ask(&*service, "GET /digits.bin", "");
        assert_eq!((status(&head), content.len()), ("200", 10));
        assert_eq!(head.contains("\r\nLast-Modified: Thu, 01 Jan 1970 00:00:00 GMT\r\n"), dated, "{head}");
    }
}

#[test]
fn the_connection_lasts_as_the_client_says() {
    let service = built_in();
    let (head, content, ended) = ask(&*service, "GET /1MiB/page.html", "Connection: close\r\n");
    assert!(ended && content.len() == 1 << 20 && head.contains("\r\nConnection: close"), "{head}");
    let old = b"GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n";
    let (reply, answered, ended) = converse(&*service, &[old]);
    assert!(ended && answered == 1, "{}", String::from_utf8_lossy(&reply));
    let (head, _, ended) = ask(&*service, "POST /", "Content-Length: 0\r\n");
    assert!(status(&head) == "405" && head.contains("\r\nAllow: GET, HEAD\r\n") && !ended, "{head}");
}

#[test]
fn too_long_a_request_line_is_refused_as_such() {
    let input = format!("GET /{}", "x".repeat(9_000));
    let (reply, _, ended) = converse(&*built_in(), &[input.as_bytes()]);
    assert!(ended && reply.starts_with(b"HTTP/1.1 414 URI Too Long\r\n"));
    let input = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(9_000));
    let (reply, _, ended) = converse(&*built_in(), &[input.as_bytes()]);
    assert!(ended && reply.starts_with(b"HTTP/1.1 431 "));
}

/// Drives a protocol to its next write, jobs done on the way.
fn to_write(protocol: &mut Protocol, mut action: Action, output: &mut Vec<u8>) -> Action {
    while let Action::Run(job) = action {
        assert_eq!(job.demand(), crate::Demand::Block);
        action = protocol.on_result(job.run(), output);
    }
    action
}

#[test]
fn a_large_file_is_never_held_as_a_whole() {
    let around = some_folder();
    let large: Vec<u8> = (0..5 * PIECE + 7).map(|at| (at % 251) as u8).collect();
    fs::write(around.path().join("site/large"), &large).expect("a file");
    let mut protocol = Protocol::new(serve(&around).open());
    let mut output = Vec::new();
    let first = protocol.on_data(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n", &mut output);
    let mut action = to_write(&mut protocol, first, &mut output);
    let (mut sent, mut pieces, mut answered) = (Vec::new(), 0, 0);
    while let Action::Write = action {
        assert!(output.len() as u64 <= PIECE + 1_000, "{} bytes at once", output.len());
        pieces += 1;
        sent.append(&mut output);
        let (requests, next) = protocol.on_written(&mut output);
        assert!(answered == 0, "it counts with its last piece");
        answered += requests;
        action = to_write(&mut protocol, next, &mut output);
    }
    assert!(matches!(action, Action::Read) && sent.ends_with(&large));
    assert_eq!((pieces, answered), (6, 1));
}

#[test]
fn a_file_that_shrinks_ends_its_connection() {
    let around = some_folder();
    let path = around.path().join("site/large");
    fs::write(&path, vec![1; 3 * PIECE as usize]).expect("a file");
    let mut protocol = Protocol::new(serve(&around).open());
    let mut output = Vec::new();
    let first = protocol.on_data(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n", &mut output);
    assert!(matches!(to_write(&mut protocol, first, &mut output), Action::Write));
    output.clear();
    fs::write(&path, "short").expect("a file");
    let (_, next) = protocol.on_written(&mut output);
    assert!(matches!(to_write(&mut protocol, next, &mut output), Action::Close));
    assert!(output.is_empty(), "no byte that was not in the file");
}

#[test]
fn a_folder_that_is_none_is_refused() {
    let around = some_folder();
    assert!(open(&around, "nowhere").is_err());
    assert!(open(&around, "secret.txt").is_err());
}

#[test]
fn the_exchange_asks_for_the_largest_file_that_fits() {
    let exchange = exchange(1 << 20);
    for (size, expected) in [(0, 1 << 10), (1 << 10, 1 << 10), (65_535, 8 << 10), (1 << 20, 1 << 20)] {
        for id in 0..4 {
            let request = Request::new(id, size, 0);
            let reply = exchange.reply(&request).to_vec();
            let asked = exchange.request(&request);
            assert_eq!(asked.head().len(), asked.len(), "one piece");
            let end = reply.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
            assert_eq!(reply.len() - end, expected);
        }
    }
    assert!(super::exchange(100).reply(&Request::new(1, 100, 0)).len() > 1 << 10);
}

/// Targets that try the walls: segments of every sort, some encoded.
fn some_target() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        Just(".."),
        Just("%2e%2e"),
        Just("."),
        Just(""),
        Just("sub"),
        Just("up"),
        Just("secret.txt"),
        Just("site"),
        Just("out-relative"),
        Just("out-absolute"),
        Just("%2f"),
        Just("..%2f"),
        Just("%00"),
        Just("index.html"),
        Just("%5c.."),
        Just("loop"),
        Just("\u{e9}"),
        Just("%ff"),
        Just("deep"),
    ];
    prop::collection::vec(segment, 1..7).prop_map(|segments| format!("/{}", segments.join("/")))
}

proptest! {
    #[test]
    fn no_path_leads_to_the_secret(targets in prop::collection::vec(some_target(), 1..20)) {
        thread_local! {
            static SERVED: (tempfile::TempDir, Arc<dyn Service>) = { let around = some_folder(); let service = serve(&around); (around, service) };
        }
        SERVED.with(|(_, service)| {
            for target in &targets {
                let input = format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n");
                let (reply, ..) = converse(&**service, &[input.as_bytes()]);
                prop_assert!(!String::from_utf8_lossy(&reply).contains(SECRET), "{}", target);
                prop_assert!(reply.starts_with(b"HTTP/1.1 "), "{}", target);
            }
            Ok(())
        })?;
    }
}
