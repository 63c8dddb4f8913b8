//! The web services through the tool: a folder in the hands of several models, and what is refused before anything runs.

#[allow(dead_code)] // other tests use the rest
use crate::support;

use bakeoff::workload::scenario::Scenario;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use support::{Folder, bakeoff, fails, signal};

/// A server of a folder, killed when a test fails.
struct Serving {
    child: Child,
    address: String,
}

impl Serving {
    fn start(model: &str, root: &str, more: &[&str]) -> Self {
        let serve =
            ["serve", "--model", model, "--service", "static", "--root", root, "--addr", "127.0.0.1:0"];
        let arguments = [&serve, more].concat();
        let mut child = bakeoff(&arguments).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let invitation = lines.find_map(|line| Some(line.ok()?.strip_prefix("open http://")?.to_string()));
        std::thread::spawn(move || lines.count()); // its last words must find a reader
        let address = invitation.expect("it says where to look").trim_end_matches('/').to_string();
        Self { child, address }
    }

    fn get(&self, target: &str) -> String {
        let mut client = TcpStream::connect(&self.address).expect("it listens");
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        client.write_all(request.as_bytes()).expect("sent");
        let mut reply = Vec::new();
        client.read_to_end(&mut reply).expect("closed behind the reply");
        String::from_utf8(reply).expect("text")
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_folder_opens_under_every_way_to_be_busy() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path("site/sub")).expect("folders");
    folder.file("secret.txt", "what nobody may see");
    folder.file("site/index.html", "<h1>at home</h1>");
    folder.file("site/sub/index.html", "<h1>below</h1>");
    let large = "0123456789".repeat(100_000); // four pieces
    folder.file("site/large.txt", &large);
    for model in ["fork-per-client", "thread-pool", "mio-event-loop", "mio-event-loop-inline", "tokio"] {
        let mut server = Serving::start(model, &folder.path("site"), &[]);
        let ends = |target: &str, with: &str| {
            let reply = server.get(target);
            assert!(reply.ends_with(with), "{model} {target}: {reply:.200}");
        };
        ends("/", "\r\n\r\n<h1>at home</h1>");
        ends("/sub/", "\r\n\r\n<h1>below</h1>");
        ends("/large.txt", &format!("\r\n\r\n{large}"));
        assert!(server.get("/sub").contains("\r\nLocation: /sub/\r\n"), "{model}");
        assert!(server.get("/../secret.txt").starts_with("HTTP/1.1 400 "), "{model}");
        signal(server.child.id(), 15);
        assert!(server.child.wait().expect("it ends").success(), "{model}");
    }
}

#[test]
fn on_loopback_a_foreign_host_and_a_dotfile_are_refused() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path("site")).expect("folders");
    folder.file("site/index.html", "<h1>at home</h1>");
    folder.file("site/.env", "key");
    let site = folder.path("site");
    let server = Serving::start("tokio", &site, &[]);
    assert!(server.get("/").starts_with("HTTP/1.1 200 "));
    assert!(server.get("http://rebound.example/").starts_with("HTTP/1.1 421 "));
    assert!(server.get("/.env").starts_with("HTTP/1.1 404 "));
    let open = Serving::start("tokio", &site, &["--dotfiles"]);
    assert!(open.get("/.env").ends_with("\r\n\r\nkey"));
}

#[test]
fn what_cannot_be_served_is_told_before_anything_listens() {
    let folder = Folder::new();
    let file = folder.file("file", "no folder");
    let serve = |service: &str, root: &str| {
        fails(
            &["serve", "--model", "tokio", "--service", service, "--root", root, "--addr", "127.0.0.1:0"],
            2,
        )
    };
    let nowhere = folder.path("nowhere");
    assert!(serve("static", &nowhere).contains(&nowhere));
    assert!(serve("static", &file).contains("Not a directory"));
    assert!(serve("echo", &folder.path("")).contains("--root is for the service static"));
}

#[test]
fn the_scenarios_of_the_web_are_valid_and_ask_for_pages_that_exist() {
    for (name, text, size) in [
        ("static-site", include_str!("../../scenarios/static-site.toml"), "64 KiB"),
        ("dynamic-page", include_str!("../../scenarios/dynamic-page.toml"), "1 KiB"),
    ] {
        assert_eq!(Scenario::parse(text, name).expect("valid").name, name);
        let other = text.replace(&format!("size = \"{size}\""), "size = \"2 KiB\"");
        let error = Scenario::parse(&other, name).expect_err("no such page");
        assert!(error.reason.contains("2048 B") && error.reason.contains("1024, 8192"), "{}", error.reason);
        let at = other.lines().nth(error.line - 1).unwrap_or_default();
        assert!(at.starts_with("size"), "line {}: {at}", error.line);
    }
}
