//! The page in a real browser: headless Chromium, when one is installed. Without one the test says so and passes; what can
//! be seen without a browser is looked at in `structure.rs`.
//!
//! Keys are not sent: a browser gives Enter and space on a focused button to it as a click, so the probe focuses the real
//! button and clicks it. Every browser has a profile of its own, a deadline, and its process group killed at the deadline.

use bakeoff_reports::analysis::analyse;
use bakeoff_reports::sample::{self, Spec};
use bakeoff_reports::show::html;
use serde_json::Value;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A hang guard, not a claim about speed.
const DEADLINE: Duration = Duration::from_secs(30);

/// The first browser that is installed.
fn browser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    std::env::split_paths(&path).flat_map(|dir| names.map(|name| dir.join(name))).find(|file| file.is_file())
}

/// Runs the browser on a page; what it printed, and its log.
fn run(browser: &Path, folder: &Path, page: &Path, arguments: &[&str]) -> (String, String) {
    let (out, log) = (folder.join("out"), folder.join("log"));
    let file = |path: &Path| Stdio::from(std::fs::File::create(path).expect("a file in our own folder"));
    let mut child = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--disable-extensions", "--disable-dev-shm-usage", "--enable-logging=stderr", "--v=0"])
        // Whatever the page asked of any host would fail, and the failure would be in the log.
        .arg("--host-resolver-rules=MAP * ~NOTFOUND")
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .args(arguments)
        .arg(format!("file://{}", page.display()))
        .stdin(Stdio::null())
        .stdout(file(&out))
        .stderr(file(&log))
        .process_group(0)
        .spawn()
        .expect("the browser starts");
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("our own child") {
            break Some(status);
        }
        if began.elapsed() > DEADLINE {
            break None;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    // The group is ours alone; after an orderly end there is nobody left in it.
    let group = format!("-{}", child.id());
    let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
    if status.is_none() {
        let _ = child.wait();
    }
    let log = String::from_utf8_lossy(&std::fs::read(&log).expect("its log")).into_owned();
    assert!(
        status.is_some_and(|status| status.success()),
        "the browser did not end in order: {status:?}\n{log}"
    );
    (String::from_utf8_lossy(&std::fs::read(&out).expect("its output")).into_owned(), log)
}

fn complaints(log: &str) -> Vec<&str> {
    log.lines().filter(|line| line.contains("CONSOLE")).collect()
}

/// The page with the probe in it, twice, as wide as a phone and as a desk has it, and a page around them that keeps what
/// they tell.
fn prepare(folder: &Path) -> PathBuf {
    let spec = Spec { scenarios: 3, models: 8, rounds: 4, requests: 400, slices: 5, ..Spec::default() };
    let page = html::report_beside(&analyse(&sample::bundle(&spec)), Some("run.jsonl"));
    let probe = format!("<script>\n{}</script>\n</head>", include_str!("browser/probe.js"));
    let probed = page.replacen("</head>", &probe, 1);
    std::fs::write(folder.join("page.html"), page).expect("our own folder");
    std::fs::write(folder.join("probed.html"), probed).expect("our own folder");
    let frames = "<iframe name=\"phone\" width=\"360\" height=\"800\" src=\"probed.html\"></iframe>\
                  <iframe name=\"desk\" width=\"1280\" height=\"800\" src=\"probed.html\"></iframe>";
    let keep = "addEventListener('message', (event) => { const told = document.createElement('pre'); \
                told.textContent = event.data; document.body.append(told); });";
    let around =
        format!("<!doctype html><meta charset=\"utf-8\"><body><script>{keep}</script>{frames}</body>");
    let path = folder.join("around.html");
    std::fs::write(&path, around).expect("our own folder");
    path
}

fn told(dom: &str) -> Vec<Value> {
    let parts = dom.split("<pre>").skip(1).filter_map(|rest| rest.split("</pre>").next());
    let plain = |text: &str| text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    parts.map(|part| serde_json::from_str(&plain(part)).expect("the probe tells JSON")).collect()
}

#[test]
fn the_page_works_in_a_browser() {
    let Some(browser) = browser() else {
        eprintln!("skipped: no chromium, chromium-browser or google-chrome is installed");
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let around = prepare(folder.path());
    let budget = ["--dump-dom", "--virtual-time-budget=4000", "--window-size=1700,900"];
    let (dom, log) = run(&browser, folder.path(), &around, &budget);
    assert_eq!(complaints(&log), [""; 0], "the console is silent");
    let told = told(&dom);
    assert_eq!(told.len(), 2, "both frames tell:\n{log}");
    for report in &told {
        looks_right(report);
        works(report);
    }
    let widths: Vec<u64> = told.iter().filter_map(|report| report["width"].as_u64()).collect();
    assert!(
        widths.iter().any(|width| *width <= 360) && widths.iter().any(|width| *width > 1_200),
        "{widths:?}"
    );
}

fn looks_right(report: &Value) {
    let name = &report["name"];
    for list in ["errors", "violations", "resources", "beyond"] {
        assert_eq!(report[list].as_array().map(Vec::len), Some(0), "{name}: {list}: {}", report[list]);
    }
    assert!(report["content"].as_u64() <= report["width"].as_u64(), "{name} overflows: {report}");
}

fn works(report: &Value) {
    let name = &report["name"];
    let column = |order: &str| -> Vec<f64> {
        let figures = report[order][1].as_array().into_iter().flatten();
        figures.map(|value| value.as_f64().expect("finite throughputs")).collect()
    };
    let (up, down) = (column("ascending"), column("descending"));
    assert_eq!(report["focused"], true, "{name}: the head of a column takes the focus");
    assert_eq!(
        (&report["ascending"][0], &report["descending"][0]),
        (&"ascending".into(), &"descending".into())
    );
    assert_eq!(up.len(), 8, "{name}: all models stay");
    assert!(up.windows(2).all(|pair| pair[0] <= pair[1]) && up[0] < up[7], "{name}: {up:?}");
    assert!(down.windows(2).all(|pair| pair[0] >= pair[1]), "{name}: {down:?}");
    for step in 0..3 {
        assert_eq!(report["tip"][step], true, "{name}: a remark shows on focus: {}", report["tip"]);
    }
    assert_eq!((&report["hidden"], &report["pressed"]), (&true.into(), &"true".into()), "{name}");
    assert!(
        report["lit"].as_u64() > Some(8),
        "{name}: a model lights up in every picture: {}",
        report["lit"]
    );
    assert_eq!(report["unlit"], 0, "{name}: and goes out again");
}

#[test]
fn the_page_can_be_printed() {
    let Some(browser) = browser() else {
        eprintln!("skipped: no chromium, chromium-browser or google-chrome is installed");
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    prepare(folder.path());
    let pdf = folder.path().join("page.pdf");
    let print = format!("--print-to-pdf={}", pdf.display());
    let page = folder.path().join("page.html");
    let (_, log) = run(&browser, folder.path(), &page, &["--no-pdf-header-footer", &print]);
    assert_eq!(complaints(&log), [""; 0], "the console is silent");
    let bytes = std::fs::read(&pdf).expect("a PDF was written");
    assert!(bytes.starts_with(b"%PDF-") && bytes.len() > 20_000, "{} bytes", bytes.len());
}
