//! `bakeoff export` from outside: every format from a bundle on disk, and what is said when it cannot be done.

#[allow(dead_code)] // each test program uses its part
use crate::support;

use bakeoff_reports::record::bundle;
use bakeoff_reports::sample::{self, Spec};
use bakeoff_reports::show::export::Format;
use std::fs;
use std::path::{Path, PathBuf};
use support::{Folder, bakeoff, fails, succeeds};

/// A folder of results with a bundle in it; returns the folder's path.
fn results(folder: &Folder) -> String {
    let spec = Spec { scenarios: 2, models: 3, rounds: 5, requests: 500, slices: 2, ..Spec::default() };
    let path = folder.path("run");
    fs::create_dir(&path).expect("writable");
    let bundle = sample::bundle(&spec);
    fs::write(format!("{path}/run.jsonl"), bundle::to_bytes(&bundle).expect("JSON")).expect("writable");
    path
}

/// Every file below a folder, with its bytes, in order.
fn below(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            files.extend(below(&path));
        } else {
            files.push((path.clone(), fs::read(&path).expect("readable")));
        }
    }
    files.sort();
    files
}

#[test]
fn every_format_is_written_and_written_again_the_same() {
    let folder = Folder::new();
    let results = results(&folder);
    for &format in Format::ALL {
        let out = folder.path(format.name());
        fs::create_dir(&out).expect("writable");
        let write = || {
            succeeds(&["export", &results, "--format", format.name(), "--out", &out]);
            below(out.as_ref())
        };
        let first = write();
        assert!(!first.is_empty() && first.iter().all(|(_, bytes)| !bytes.is_empty()), "{format:?}");
        assert_eq!(write(), first, "{format:?}: no other file, and the same bytes");
        let bundle = format!("{results}/run.jsonl");
        if format.is_one_file() {
            let printed = succeeds(&["export", &bundle, "--format", format.name()]);
            assert_eq!(first.len(), 1, "{format:?}");
            assert_eq!(printed.as_bytes(), first[0].1, "{format:?}");
        } else {
            let error = fails(&["export", &bundle, "--format", format.name()], 2);
            assert!(error.contains("several files") && error.contains("--out"), "{error}");
        }
    }
}

#[test]
fn a_file_is_replaced_and_two_baselines_share_a_folder() {
    let folder = Folder::new();
    let results = results(&folder);
    let file = folder.file("old.xml", "what was there");
    succeeds(&["export", &results, "-f", "junit", "-o", &file]);
    assert!(fs::read_to_string(&file).expect("text").starts_with("<?xml"));
    succeeds(&["export", &results, "-f", "junit", "-o", &folder.path("made/")]);
    assert!(fs::exists(folder.path("made/junit.xml")).expect("readable"));
    let out = folder.path("criterion");
    for baseline in ["before", "after"] {
        succeeds(&["export", &results, "-f", "criterion", "-o", &out, "--baseline", baseline]);
    }
    let files = below(out.as_ref());
    let of =
        |baseline: &str| files.iter().filter(|(path, _)| path.iter().any(|part| part == baseline)).count();
    assert!(of("before") > 0 && of("before") == of("after") && of("before") + of("after") == files.len());
}

#[test]
fn what_a_format_cannot_hold_is_told_beside_it() {
    let folder = Folder::new();
    let results = results(&folder);
    let output = bakeoff(&["export", &results, "-f", "bmf"]).output().expect("the tool can be started");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && output.stdout.starts_with(b"{"), "{error}");
    assert!(
        error.contains("left out of bmf: echo-small / iterative: the median response p99 is infinite"),
        "{error}"
    );
}

#[test]
fn what_cannot_be_done_is_said_with_what_to_do() {
    let folder = Folder::new();
    let results = results(&folder);
    let empty = folder.path("empty");
    fs::create_dir(&empty).expect("writable");
    let other = folder.file("other.txt", "no bundle\n");
    let (missing, blocked) = (folder.path("missing"), format!("{other}/out"));
    for (arguments, words) in [
        (vec![missing.as_str(), "-f", "csv"], vec!["cannot read the bundle", "missing"]),
        (vec![&empty, "-f", "csv"], vec!["holds no run.jsonl", "bakeoff run"]),
        (vec![&other, "-f", "csv"], vec!["is not a bundle"]),
        (vec![&results, "-f", "xml"], vec!["invalid value 'xml'", "junit", "openmetrics"]),
        (vec![&results], vec!["--format"]),
        (vec![&results, "-f", "csv", "--baseline", "x"], vec!["csv has no baselines"]),
        (vec![&results, "-f", "criterion", "-o", &missing, "--baseline", "new"], vec!["`new`", "--baseline"]),
        (vec![&results, "-f", "hgrm", "-o", &blocked], vec!["nothing of the export was written"]),
    ] {
        let error = fails(&[&["export"], arguments.as_slice()].concat(), 2);
        for word in words {
            assert!(error.contains(word), "{arguments:?} should mention {word}: {error}");
        }
    }
    assert!(!fs::exists(&missing).expect("readable"), "nothing was begun");
}
