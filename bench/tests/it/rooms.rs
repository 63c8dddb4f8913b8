//! The order of the rooms: each uses only those before it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The order as `lib.rs` states it.
fn rooms() -> Vec<String> {
    let lib = include_str!("../../src/lib.rs");
    let line = lib.lines().find(|line| line.contains(" -> ")).expect("lib.rs states the order");
    line.trim_start_matches("//!").split("->").map(|room| room.trim().to_owned()).collect()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    files.into_iter().chain(folders.iter().flat_map(|folder| sources(folder))).collect()
}

/// The first words of the paths into this crate in a text.
fn used(text: &str) -> BTreeSet<&str> {
    let paths = text.split("crate::").chain(text.split("bakeoff::")).skip(1);
    paths.map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("")).collect()
}

#[test]
fn no_room_uses_one_that_stands_above_it() {
    let rooms = rooms();
    let place = |room: &str| rooms.iter().position(|known| known == room);
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let folders =
        fs::read_dir(&src).expect("sources").filter(|e| e.as_ref().is_ok_and(|e| e.path().is_dir()));
    assert_eq!(folders.count(), rooms.len(), "every room has its place in the order: {rooms:?}");
    let mut arrows = 0;
    for (at, room) in rooms.iter().enumerate() {
        for file in sources(&src.join(room)) {
            let text = fs::read_to_string(&file).expect("readable");
            for target in used(&text).into_iter().filter_map(place) {
                assert!(target <= at, "{} uses {}, which stands above it", file.display(), rooms[target]);
                arrows += usize::from(target < at);
            }
        }
    }
    assert!(arrows > 100, "only {arrows} uses were found: the test reads the wrong place");
}
