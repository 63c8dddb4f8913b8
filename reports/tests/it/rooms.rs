//! The rooms of the crate: a file uses the rooms below its own and no other.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The rooms from the lowest on. `sample` makes bundles for examples and tests, so it stands above the record alone.
const ROOMS: [&str; 8] = ["record", "stats", "metric", "cells", "rules", "analysis", "ask", "show"];

/// Arrows that still run up, from a file to a room. None may be added.
const OPEN: [(&str, &str); 5] = [
    ("ask/advise/choose.rs", "show"),
    ("ask/advise/isolation.rs", "show"),
    ("ask/advise/judge.rs", "show"),
    ("ask/advise/mod.rs", "show"),
    ("ask/advise/propose.rs", "show"),
];

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The rooms that a text names behind `crate::`, code of tests left out.
fn used(text: &str) -> BTreeSet<usize> {
    let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let named = lines.flat_map(|line| line.split("crate::").skip(1));
    let room = |rest: &str| ROOMS.iter().position(|room| rest.starts_with(&format!("{room}::")));
    named.filter_map(room).collect()
}

#[test]
fn no_arrow_runs_up_between_rooms() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Vec::new();
    files(&root, &mut all);
    let (mut arrows, mut up) = (0, Vec::new());
    for path in all.iter().filter(|path| !path.ends_with("tests.rs")) {
        let name = path.strip_prefix(&root).expect("below it").to_string_lossy().replace('\\', "/");
        let room = name.split(['/', '.']).next().unwrap_or_default();
        let Some(own) = ROOMS.iter().position(|known| *known == room) else { continue };
        let used = used(&std::fs::read_to_string(path).expect("a source"));
        arrows += used.len();
        let above = used.into_iter().filter(|other| *other > own).map(|other| ROOMS[other]);
        let is_open = |other: &&str| OPEN.iter().any(|(file, to)| name.starts_with(file) && to == other);
        up.extend(above.filter(|other| !is_open(other)).map(|other| format!("{name} uses {other}")));
    }
    assert!(arrows > 200, "{arrows} arrows were read");
    assert!(up.is_empty(), "{up:#?}");
}
