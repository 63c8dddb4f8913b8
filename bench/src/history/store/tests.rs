//! The store by itself: what goes in comes out, once; and what a full disk does to it.

use super::*;
use bakeoff_reports::record::Metric;

fn entry(number: u64) -> Entry {
    let interval = |median| Estimate { median, low: median * 0.9, high: f64::INFINITY, rounds: 8 };
    let point = |model: &str, reference| Point {
        scenario: "echo".to_owned(),
        definition: "0011aabb".to_owned(),
        model: model.to_owned(),
        figure: Metric::ResponseP99,
        value: interval(1e6 + number as f64),
        reference,
    };
    let null = Reference { name: "null server".to_owned(), value: 25e3, ratio: interval(40.0) };
    Entry {
        line_version: LINE_VERSION,
        key: format!("run-{number}"),
        started_unix_ms: 1_790_000_000_000 + number,
        tool_version: "0.1.0".to_owned(),
        commit: Some(format!("{number:040x}")),
        committed_unix_ms: Some(1_780_000_000_000),
        label: None,
        machine: Machine { fingerprint: "cafe0001".to_owned(), words: "Imagined, 2 CPUs".to_owned() },
        trials: 16,
        points: vec![point("tokio", Some(null)), point("thread-per-client", None)],
    }
}

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = Store::create(&folder.path().join("store.sqlite")).expect("a new store");
    (folder, store)
}

#[test]
fn what_goes_in_comes_out_in_order_and_infinity_stays() {
    let (_folder, mut store) = store();
    for number in [3, 1, 2] {
        assert_eq!(store.record(&entry(number)).expect("there is room"), Recorded::Added);
    }
    assert_eq!(store.entries().expect("readable"), [entry(1), entry(2), entry(3)]);
}

#[test]
fn a_run_is_recorded_once_and_a_later_state_of_it_takes_its_place() {
    let (_folder, mut store) = store();
    let begun = Entry { trials: 4, label: Some("main".to_owned()), ..entry(1) };
    assert_eq!(store.record(&begun).expect("there is room"), Recorded::Added);
    let ended = Entry { trials: 16, commit: None, ..entry(1) };
    assert_eq!(store.record(&ended).expect("there is room"), Recorded::Completed);
    let known = Recorded::Known { commit: entry(1).commit };
    assert_eq!(store.record(&begun).expect("there is room"), known, "an earlier state adds nothing");
    let entries = store.entries().expect("readable");
    assert_eq!(entries.len(), 1);
    assert_eq!((entries[0].trials, entries[0].label.as_deref()), (16, Some("main")));
    assert_eq!(entries[0].commit, entry(1).commit, "what was known of it is not lost");
}

#[test]
fn a_run_of_an_older_version_is_renewed_by_its_bundle_and_keeps_its_names() {
    let (_folder, mut store) = store();
    let mut old = Entry { label: Some("main".to_owned()), ..entry(1) };
    old.points.iter_mut().for_each(|point| point.definition.insert_str(0, TEXT_ALONE));
    assert_eq!(store.record(&old).expect("there is room"), Recorded::Added);
    let known = Recorded::Known { commit: old.commit.clone() };
    assert_eq!(store.record(&old).expect("there is room"), known, "the same again renews nothing");
    let nameless = Entry { commit: None, committed_unix_ms: None, ..entry(1) };
    assert_eq!(store.record(&nameless).expect("there is room"), Recorded::Completed);
    assert_eq!(store.entries().expect("readable"), [Entry { label: old.label.clone(), ..entry(1) }]);
    assert_eq!(store.record(&old).expect("there is room"), known, "and nothing goes back");
    assert_eq!(store.entries().expect("readable"), [Entry { label: old.label, ..entry(1) }]);
}

#[test]
fn a_run_that_is_renewed_under_other_names_keeps_its_own() {
    let (_folder, mut store) = store();
    let mut old = Entry { label: Some("release-1".to_owned()), committed_unix_ms: None, ..entry(1) };
    old.points.iter_mut().for_each(|point| point.definition.insert_str(0, TEXT_ALONE));
    store.record(&old).expect("there is room");
    let label = Some("main".to_owned());
    let other =
        Entry { commit: Some("f".repeat(40)), committed_unix_ms: Some(5), label: label.clone(), ..entry(1) };
    assert_eq!(store.record(&other).expect("there is room"), Recorded::Completed);
    let renewed = Entry { label: old.label.clone(), committed_unix_ms: None, ..entry(1) };
    assert_eq!(store.entries().expect("readable"), [renewed]);
    // The same commit may tell its time, and more trials are no reason to change a name either.
    let longer = Entry { label, committed_unix_ms: Some(7), trials: entry(1).trials + 1, ..entry(1) };
    assert_eq!(store.record(&longer).expect("there is room"), Recorded::Completed);
    assert_eq!(store.entries().expect("readable"), [Entry { label: old.label, ..longer }]);
}

#[test]
fn a_commit_can_be_given_later_but_not_changed() {
    let (_folder, mut store) = store();
    let nameless = Entry { commit: None, committed_unix_ms: None, ..entry(1) };
    store.record(&nameless).expect("there is room");
    assert_eq!(store.record(&entry(1)).expect("there is room"), Recorded::Named);
    let other = Entry { commit: Some("f".repeat(40)), ..entry(1) };
    assert_eq!(store.record(&other).expect("there is room"), Recorded::Known { commit: entry(1).commit });
    assert_eq!(store.entries().expect("readable"), [entry(1)]);
}

#[test]
fn a_full_disk_is_told_and_takes_nothing_that_was_there() {
    let (_folder, mut store) = store();
    store.record(&entry(1)).expect("there is room");
    let pages: i64 =
        store.connection.pragma_query_value(None, "page_count", |row| row.get(0)).expect("a number");
    store.connection.pragma_update(None, "max_page_count", pages).expect("SQLite takes it");
    let large = Entry { points: vec![entry(2).points[0].clone(); 2_000], ..entry(2) };
    let error = store.record(&large).expect_err("there is no room").to_string();
    assert!(error.contains("disk is full") && error.contains("store.sqlite"), "{error}");
    assert_eq!(store.entries().expect("readable"), [entry(1)]);
}

#[test]
fn pruning_keeps_the_newest_of_each_machine_and_takes_the_figures_along() {
    let (_folder, mut store) = store();
    let elsewhere = Machine { fingerprint: "beef0002".to_owned(), words: "another".to_owned() };
    store.record(&Entry { machine: elsewhere, ..entry(0) }).expect("there is room");
    for number in 1..=5 {
        store.record(&entry(number)).expect("there is room");
    }
    let left = |store: &mut Store| -> Vec<u64> {
        let entries = store.entries().expect("readable");
        entries.iter().map(|entry| entry.started_unix_ms - 1_790_000_000_000).collect()
    };
    assert_eq!(store.prune(Pruned::Keep(3)).expect("allowed"), 2);
    assert_eq!(left(&mut store), [0, 3, 4, 5]);
    assert_eq!(store.prune(Pruned::Before(1_790_000_000_004)).expect("allowed"), 2);
    assert_eq!(left(&mut store), [4, 5]);
    let figures: i64 =
        store.connection.query_row("SELECT count(*) FROM figures", [], |row| row.get(0)).expect("a number");
    assert_eq!(figures, 4, "two of each run");
}
