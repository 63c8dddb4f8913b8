//! `bakeoff history` from the outside: bundles in, words and pages out; several writers, killed writers, stores of other
//! versions, and files that are something else.

#[allow(dead_code)] // each test program uses its part
use crate::support;

use bakeoff_reports::ask::history::{Entry, from_lines};
use bakeoff_reports::record::{Metric, bundle};
use bakeoff_reports::sample::{self, Spec};
use rusqlite::Connection;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use support::{Folder, bakeoff, fails, succeeds, tool};

/// A bundle in the folder that differs from the others by its number; returns its path.
fn bundle(folder: &Folder, number: u64) -> String {
    bundle_of(folder, number, 1_790_000_000_000)
}

/// The same with the moment from which the runs are a day apart.
fn bundle_of(folder: &Folder, number: u64, begin_unix_ms: u64) -> String {
    let spec = Spec { seed: number, scenarios: 2, models: 3, rounds: 4, requests: 400, slices: 1 };
    let mut bundle = sample::bundle(&spec);
    bundle.run.started_unix_ms = begin_unix_ms + number * 86_400_000;
    let path = folder.path(&format!("run-{number}.jsonl"));
    fs::write(&path, bundle::to_bytes(&bundle).expect("a bundle")).expect("writable");
    path
}

/// The tool in the folder, which is no checkout, with its store there.
fn history(folder: &Folder, arguments: &[&str]) -> Command {
    let mut command = bakeoff(&[&["history"], arguments].concat());
    command.current_dir(folder.path("")).env("GIT_CEILING_DIRECTORIES", folder.path(".."));
    command
}

fn output(folder: &Folder, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        history(folder, arguments).output().expect("the tool can be started");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (status.code(), text(stdout), text(stderr))
}

fn fine(folder: &Folder, arguments: &[&str]) -> String {
    let (code, text, error) = output(folder, arguments);
    assert_eq!(code, Some(0), "{arguments:?}: {error}");
    text
}

fn entries(folder: &Folder) -> Vec<Entry> {
    from_lines(&fine(folder, &["export"])).expect("what is exported can be read")
}

const STORE: &str = "bakeoff-history.sqlite";

#[test]
fn what_is_imported_is_listed_plotted_exported_and_imported_again() {
    let folder = Folder::new();
    let bundles: Vec<String> = (0..12).map(|number| bundle_of(&folder, number, 1_600_000_000_000)).collect();
    for (number, path) in bundles.iter().enumerate() {
        let commit = format!("{number:040x}");
        let told = fine(&folder, &["import", path, "--commit", &commit, "--label", "main"]);
        assert!(told.contains("recorded, 23 figures"), "{told}");
    }
    let again = fine(&folder, &["import", &bundles[3], "--commit", &format!("{:040x}", 3)]);
    assert!(again.contains("it was recorded before"), "{again}");
    let list = fine(&folder, &["list"]);
    assert!(list.contains("12 runs in the history") && list.contains("0000000000  "), "{list}");
    let plot = fine(&folder, &["plot"]);
    assert!(plot.contains("iterative, throughput / null server") && plot.contains("echo-paced"), "{plot}");
    for text in [&list, &plot, &fine(&folder, &["alerts"])] {
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }
    fine(&folder, &["plot", "--model", "iterative", "--out", "page.html"]);
    let page = fs::read_to_string(folder.path("page.html")).expect("written");
    assert!(
        page.contains("<svg class=\"plot\"") && !page.contains("thread-per-client, CPU"),
        "only what was chosen"
    );
    let lines = fine(&folder, &["export"]);
    assert_eq!(lines.lines().count(), 12);
    let file = folder.file("lines.jsonl", &lines);
    let told = fine(&folder, &["import", "--jsonl", &file, "--store", "other.sqlite"]);
    assert_eq!(told, "12 runs read, 12 new\n");
    assert!(
        fine(&folder, &["export", "--store", "other.sqlite"]) == lines,
        "the other store exports other lines"
    );
    assert_eq!(fine(&folder, &["import", "--jsonl", &file]), "12 runs read, 0 new\n");
    assert_eq!(fine(&folder, &["prune", "--keep", "5"]), "removed 7 runs\n");
    assert_eq!(entries(&folder).len(), 5);
    // A year that was mistyped would take everything.
    let (code, _, error) = output(&folder, &["prune", "--before", "2999-01-01"]);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("in the future") && error.contains("--keep 0"), "{error}");
    assert_eq!(entries(&folder).len(), 5);
    assert_eq!(fine(&folder, &["prune", "--before", "2020-09-21"]), "removed 1 run\n");
    assert_eq!(fine(&folder, &["prune", "--keep", "0"]), "removed 4 runs\n");
    assert!(fine(&folder, &["list"]).contains("holds no run"));
}

#[test]
fn a_step_at_a_commit_raises_one_alert_that_names_it() {
    let folder = Folder::new();
    for number in 0..24_u64 {
        let path = bundle(&folder, number);
        fine(&folder, &["import", &path, "--commit", &format!("{number:040x}")]);
    }
    // From the fifteenth run on, one model takes half as long again.
    let mut changed = entries(&folder);
    for entry in &mut changed[14..] {
        for point in entry.points.iter_mut().filter(|point| point.model == "fork-per-client") {
            let slower = |value: f64| if point.scenario == "echo-small" { value / 1.5 } else { value * 1.5 };
            point.value = point.value.map(slower);
            let ratio = &mut point.reference.as_mut().expect("each has one").ratio;
            *ratio = ratio.map(slower);
        }
    }
    let file =
        folder.file("changed.jsonl", &bakeoff_reports::ask::history::to_lines(&changed).expect("lines"));
    fine(&folder, &["import", "--jsonl", &file, "--store", "changed.sqlite"]);
    let alerts = fine(&folder, &["alerts", "--store", "changed.sqlite", "--model", "fork-per-client"]);
    let (good, bad) = (&format!("{:040x}", 13)[..10], &format!("{:040x}", 14)[..10]);
    assert!(alerts.contains(&format!("WORSE after {good}, up to {bad}")), "{alerts}");
    assert!(
        alerts.contains("1.5") && alerts.contains("echo-paced: fork-per-client, response p99"),
        "{alerts}"
    );
    assert!(
        !fine(&folder, &["alerts", "--model", "fork-per-client"]).contains("WORSE"),
        "nothing changed there"
    );
}

#[test]
fn several_processes_that_import_at_once_lose_nothing() {
    let folder = Folder::new();
    let bundles: Vec<String> = (0..16).map(|number| bundle(&folder, number)).collect();
    // Four writers, none of whom finds a store; one run is given to all of them.
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let mut command = history(&folder, &["import", &bundles[0]]);
            command.args(bundles.iter().skip(writer).step_by(4));
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the tool can be started")
        })
        .collect();
    for writer in writers {
        let output = writer.wait_with_output().expect("ours");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let entries = entries(&folder);
    let keys: BTreeSet<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
    assert_eq!((entries.len(), keys.len()), (16, 16));
    assert!(entries.iter().all(|entry| entry.points.len() == 23));
}

#[test]
fn a_writer_that_is_killed_leaves_whole_runs_only() {
    let folder = Folder::new();
    // Lines are imported without any analysis, so the process spends its time writing.
    let path = bundle(&folder, 0);
    fine(&folder, &["import", &path, "--store", "one.sqlite"]);
    let text = fine(&folder, &["export", "--store", "one.sqlite"]);
    let one = from_lines(&text).expect("an entry").remove(0);
    let many: Vec<Entry> = (0..400).map(|at| Entry { key: format!("run-{at:04}"), ..one.clone() }).collect();
    let file = folder.file("many.jsonl", &bakeoff_reports::ask::history::to_lines(&many).expect("lines"));
    let mut cut_short = 0;
    for attempt in 0..6 {
        let (before, bytes) = (count(&folder), length(&folder));
        let mut writer = history(&folder, &["import", "--jsonl", &file])
            .stdout(Stdio::null())
            .spawn()
            .expect("the tool can be started");
        // Killed when it has written another dozen or so, in the middle of whatever comes next. The file's length is read
        // without a lock, which would hold the writer up.
        support::wait_for("runs in the store", || {
            length(&folder) >= bytes + 40_000 || writer.try_wait().expect("ours").is_some()
        });
        std::thread::sleep(Duration::from_micros(700 * attempt));
        writer.kill().expect("ours");
        cut_short += usize::from(!writer.wait().expect("ours").success());
        let entries = entries(&folder);
        assert!(entries.len() >= before, "what was recorded stays");
        assert!(entries.iter().all(|entry| entry.points == one.points), "no run is there in part");
    }
    assert!(cut_short >= 3, "{cut_short} of 6 writers were killed before their end");
    assert_eq!(fine(&folder, &["import", "--jsonl", &file]).split(',').next(), Some("400 runs read"));
    assert_eq!(entries(&folder).len(), 400);
}

/// Bytes of the folder's store; 0 while there is none.
fn length(folder: &Folder) -> u64 {
    fs::metadata(folder.path(STORE)).map_or(0, |store| store.len())
}

/// Runs in the folder's store; 0 while there is none, or while it cannot be read.
fn count(folder: &Folder) -> usize {
    let count = || -> rusqlite::Result<i64> {
        let store =
            Connection::open_with_flags(folder.path(STORE), rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        store.query_row("SELECT count(*) FROM runs", [], |row| row.get(0))
    };
    count().unwrap_or(0) as usize
}

/// The first schema, as it was written then, with a run in it.
const FIRST: &str = "
    CREATE TABLE runs (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, started_unix_ms INTEGER NOT NULL,
        tool_version TEXT NOT NULL, commit_id TEXT, label TEXT, machine TEXT NOT NULL, machine_words TEXT NOT NULL,
        trials INTEGER NOT NULL) STRICT;
    CREATE INDEX runs_by_time ON runs (started_unix_ms);
    CREATE TABLE figures (run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE, scenario TEXT NOT NULL,
        definition TEXT NOT NULL, model TEXT NOT NULL, figure TEXT NOT NULL,
        better TEXT NOT NULL CHECK (better IN ('more', 'less')), value REAL NOT NULL, low REAL NOT NULL,
        high REAL NOT NULL, rounds INTEGER NOT NULL, reference TEXT, reference_value REAL, ratio REAL, ratio_low REAL,
        ratio_high REAL) STRICT;
    CREATE INDEX figures_of_run ON figures (run);
    INSERT INTO runs VALUES (7, 'old', 1700000000000, '0.0.9', 'abcdef0', NULL, 'cafe0001', 'Imagined', 8);
    INSERT INTO figures VALUES (7, 'echo', '00112233', 'tokio', 'throughput', 'more', 5e4, 4e4, 6e4, 8, 'null server',
        1e5, 0.5, 0.4, 0.6), (7, 'echo', '00112233', 'tokio', 'switches-per-request', 'less', 2, 2, 2, 8, NULL, NULL,
        NULL, NULL, NULL);
    PRAGMA application_id = 0x62616b65;
    PRAGMA user_version = 1;";

#[test]
fn an_older_schema_is_brought_up_to_date_with_all_that_is_in_it() {
    let folder = Folder::new();
    Connection::open(folder.path(STORE)).and_then(|store| store.execute_batch(FIRST)).expect("writable");
    let entries = entries(&folder);
    assert_eq!(entries.len(), 1);
    assert_eq!((entries[0].commit.as_deref(), entries[0].committed_unix_ms), (Some("abcdef0"), None));
    assert_eq!(entries[0].points[0].reference.as_ref().map(|reference| reference.ratio.median), Some(0.5));
    assert_eq!(entries[0].points[0].reference.as_ref().map(|reference| reference.ratio.rounds), Some(8));
    assert_eq!(entries[0].points[1].figure, Metric::VoluntarySwitchesPerRequest, "those were kept then");
    // Of the text alone: it must not continue, or be continued by, what knows its window.
    assert_eq!(entries[0].points[0].definition, "text-00112233");
    fine(&folder, &["import", &bundle(&folder, 1)]);
    assert_eq!(count(&folder), 2);
    let store = Connection::open(folder.path(STORE)).expect("readable");
    let version: i64 = store.pragma_query_value(None, "user_version", |row| row.get(0)).expect("a number");
    assert_eq!(version, 4);
}

#[test]
fn a_newer_schema_and_other_files_are_refused_and_left_alone() {
    let folder = Folder::new();
    let path = bundle(&folder, 1);
    let refused = |words: &[&str]| {
        let before = fs::read(folder.path(STORE)).expect("it is there");
        for arguments in [&["list"][..], &["import", &path], &["prune", "--keep", "1"]] {
            let (code, _, error) = output(&folder, arguments);
            assert_eq!(code, Some(2), "{error}");
            assert!(words.iter().all(|words| error.contains(words)), "{error}");
        }
        assert!(fs::read(folder.path(STORE)).expect("it is there") == before, "it was changed");
        fs::remove_file(folder.path(STORE)).expect("ours");
    };
    let database = |sql: &str| {
        Connection::open(folder.path(STORE)).and_then(|store| store.execute_batch(sql)).expect("writable");
    };
    database(&FIRST.replace("user_version = 1", "user_version = 99"));
    refused(&["schema 99", "reads up to 4", "export"]);
    database("CREATE TABLE bookmarks (url TEXT); PRAGMA user_version = 2;");
    refused(&["a database of another program", "--store"]);
    fs::write(folder.path(STORE), "Dear diary, today I measured nothing at all.\n".repeat(40))
        .expect("writable");
    refused(&["no SQLite database", "--store"]);
}

#[test]
fn what_cannot_be_written_or_read_is_told() {
    let folder = Folder::new();
    let path = bundle(&folder, 1);
    let (code, _, error) = output(&folder, &["list"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("there is no history") && error.contains("bakeoff history import"), "{error}");
    let (code, _, error) = output(&folder, &["import", &path, "--store", "no/such/folder/store.sqlite"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("no/such/folder exists"), "{error}");
    let text = folder.file("notes.txt", "not a bundle\n");
    let (code, told, error) = output(&folder, &["import", &text, "missing.jsonl", &path]);
    assert_eq!(code, Some(2));
    assert!(error.contains("notes.txt") && error.contains("missing.jsonl"), "{error}");
    assert!(told.contains("recorded, 23 figures"), "the good one is recorded all the same: {told}");
    let bad = folder.file("bad.jsonl", "{\"line_version\":1}\n");
    assert!(fails(&["history", "import", "--jsonl", &bad], 2).contains("line 1: it is no run of a history"));
    let newer = folder.file("newer.jsonl", "\n{\"line_version\":9}\n");
    let error = fails(&["history", "import", "--jsonl", &newer], 2);
    assert!(error.contains("line 2: it is written in version 9"), "{error}");
    for (arguments, words) in [
        (&["plot", "--scenario", "echo-smal"][..], "echo-small"),
        (&["alerts", "--model", "tokyo"], "model"),
        (&["prune"], "--keep"),
        (&["prune", "--before", "soon"], "such as 2026"),
        (&["import", &path, "--commit", "no-such-commit"], "git knows no commit"),
    ] {
        let (code, _, error) = output(&folder, arguments);
        assert_eq!(code, Some(2), "{arguments:?}");
        assert!(error.contains(words), "{words}: {error}");
    }
}

#[test]
fn a_store_that_may_only_be_read_is_read_and_not_written() {
    let folder = Folder::new();
    let path = bundle(&folder, 1);
    fine(&folder, &["import", &path]);
    let next = bundle(&folder, 2);
    // Root may write everything, so somebody else tries, with a copy of the tool that they can reach.
    fs::copy(tool(), folder.path("tool")).expect("a copy");
    let mode = |name: &str, mode| {
        fs::set_permissions(folder.path(name), std::os::unix::fs::PermissionsExt::from_mode(mode))
            .expect("ours");
    };
    mode(STORE, 0o444);
    mode("", 0o555);
    let run = |arguments: &[&str]| {
        let mut command = Command::new(folder.path("tool"));
        command.args(arguments).current_dir(folder.path(""));
        if rustix::process::geteuid().is_root() {
            command.uid(65_534).gid(65_534);
        }
        command.output().expect("it can be started")
    };
    let listed = run(&["history", "list"]);
    let refused = run(&["history", "import", &next]);
    let elsewhere = run(&["history", "import", &next, "--store", "new.sqlite"]);
    mode("", 0o755);
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    for (output, words) in [(refused, "nothing was recorded"), (elsewhere, "you may write to it")] {
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(words), "{words}: {error}");
    }
}

#[test]
fn the_commit_of_the_checkout_is_taken_unless_it_is_younger_than_the_run() {
    let folder = Folder::new();
    let path = bundle(&folder, 1);
    let git = |arguments: &[&str], date: &str| {
        let output = Command::new("git")
            .args(["-c", "user.name=nobody", "-c", "user.email=nobody@example.org"])
            .args(arguments)
            .current_dir(folder.path(""))
            .env("GIT_COMMITTER_DATE", date)
            .output()
            .expect("git is there");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    };
    git(&["init", "--quiet", "--initial-branch", "trunk"], "");
    // The made-up run is of September 2026.
    git(&["commit", "--quiet", "--allow-empty", "--message", "one"], "2026-09-01T00:00:00Z");
    let first = git(&["rev-parse", "HEAD"], "");
    let (code, _, error) = output(&folder, &["import", &path, "--store", "first.sqlite"]);
    assert_eq!(code, Some(0), "{error}");
    assert!(error.contains(&first) && error.contains("--commit gives another"), "{error}");
    let lines = from_lines(&fine(&folder, &["export", "--store", "first.sqlite"])).expect("lines");
    assert_eq!(
        (lines[0].commit.as_deref(), lines[0].label.as_deref()),
        (Some(first.as_str()), Some("trunk"))
    );
    assert_eq!(lines[0].committed_unix_ms, Some(1_788_220_800_000));
    git(&["commit", "--quiet", "--allow-empty", "--message", "two"], "2099-01-01T00:00:00Z");
    let (code, _, error) = output(&folder, &["import", &path]);
    assert_eq!(code, Some(0), "{error}");
    assert!(error.contains("was made after the run"), "{error}");
    assert_eq!(entries(&folder)[0].commit, None);
    let told = fine(&folder, &["import", &path, "--commit", &first[..12]]);
    assert!(told.contains("commit or label added"), "{told}");
    assert_eq!(entries(&folder)[0].commit, Some(first));
}

#[test]
fn help_tells_the_subcommands() {
    let help = succeeds(&["history", "--help"]);
    for word in ["import", "list", "plot", "alerts", "export", "prune", "--store", "null server"] {
        assert!(help.contains(word), "{word}: {help}");
    }
}
