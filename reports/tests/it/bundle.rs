//! Bundles on disk: what was written comes back, and what is damaged is named while the rest is still read.

use bakeoff_reports::record::bundle::{self, Bundle, BundleError, DamageKind, Writer};
use bakeoff_reports::record::{End, Reading, Record, SCHEMA_VERSION};
use bakeoff_reports::sample::{self, Spec};
use std::fs;
use std::path::{Path, PathBuf};

fn small() -> Bundle {
    let spec = Spec { scenarios: 1, models: 3, rounds: 1, requests: 20, slices: 2, ..Spec::default() };
    Bundle { anatomies: Vec::new(), envelopes: Vec::new(), ..sample::bundle(&spec) }
}

fn write(bundle: &Bundle, folder: &Path) -> PathBuf {
    let path = folder.join("run.bakeoff");
    let mut writer = Writer::create(&path, &bundle.run).expect("the folder is new");
    for trial in &bundle.trials {
        writer.append(&Record::Trial(Box::new(trial.clone()))).expect("there is room");
    }
    for round in &bundle.rounds {
        writer.append(&Record::Round(round.clone())).expect("there is room");
    }
    for anatomy in &bundle.anatomies {
        writer.append(&Record::Anatomy(Box::new(anatomy.clone()))).expect("there is room");
    }
    for envelope in &bundle.envelopes {
        writer.append(&Record::Envelope(Box::new(envelope.clone()))).expect("there is room");
    }
    if let Some(end) = &bundle.end {
        writer.append(&Record::End(end.clone())).expect("there is room");
    }
    path
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).expect("written just now").lines().map(str::to_owned).collect()
}

fn write_lines(path: &Path, lines: &[String]) {
    fs::write(path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).expect("there is room");
}

#[test]
fn what_was_written_comes_back() {
    let (folder, mut bundle) = (folder(), small());
    let sample = sample::bundle(&Spec { scenarios: 1, models: 4, rounds: 1, ..Spec::default() });
    (bundle.anatomies, bundle.envelopes) = (sample.anatomies, sample.envelopes);
    assert_eq!((bundle.anatomies.len(), bundle.envelopes.len()), (4, 8));
    // Numbers that a 64-bit reader, or one that goes through floating point, would spoil.
    bundle.trials[0].started_unix_ms = u64::MAX;
    let Reading::Value(measured) = &mut bundle.trials[0].measured else { panic!("the sample measures") };
    measured.response.sum_ns = u64::MAX;
    measured.spread.replies_squared = u64::MAX;
    bundle.run.scenarios[0].name = "<script>\n\u{1b}\"'\\ \u{1f600}".to_owned();
    let path = write(&bundle, folder.path());
    let read = bundle::load(&path).expect("whole");
    assert!(read == bundle, "{:?}", read.damage);
    assert!(fs::read(&path).expect("written just now") == bundle::to_bytes(&bundle).expect("serializes"));
}

#[test]
fn a_bundle_is_never_overwritten() {
    let (folder, bundle) = (folder(), small());
    let path = write(&bundle, folder.path());
    let error = Writer::create(&path, &bundle.run).expect_err("it exists");
    assert!(matches!(error, BundleError::Create { .. }), "{error}");
    assert!(bundle::load(&path).expect("untouched") == bundle);
    let error = Writer::create(&folder.path().join("no/such/run"), &bundle.run).expect_err("no folder");
    assert!(error.to_string().contains("choose a new file name"), "{error}");
}

#[test]
fn a_killed_writer_leaves_every_finished_trial() {
    let (folder, mut bundle) = (folder(), small());
    bundle.end = None;
    let path = write(&bundle, folder.path());
    assert!(bundle::load(&path).expect("whole, without an end") == bundle);
}

#[test]
fn a_last_record_cut_at_any_byte_is_told_and_the_others_are_read() {
    let (folder, mut bundle) = (folder(), small());
    bundle.end = None;
    bundle.rounds.clear(); // so that a trial is last
    let path = write(&bundle, folder.path());
    let bytes = fs::read(&path).expect("written just now");
    let last = bytes[..bytes.len() - 1].iter().rposition(|&byte| byte == b'\n').expect("several lines") + 1;
    for cut in last + 1..bytes.len() - 1 {
        let read = bundle::parse(&bytes[..cut], &path).expect("the head is whole");
        assert!(read.trials == bundle.trials[..2], "cut at {cut}");
        assert_eq!(read.damage.len(), 1, "cut at {cut}");
        assert_eq!(read.damage[0].to_string(), "record 4 is cut off; 3 are readable", "cut at {cut}");
    }
    let only_the_line_feed = bundle::parse(&bytes[..bytes.len() - 1], &path).expect("whole");
    assert!(only_the_line_feed == bundle, "nothing of the record is lost");
    assert!(bundle::parse(&bytes[..last], &path).expect("whole").damage.is_empty(), "cut between records");
}

#[test]
fn a_damaged_middle_record_is_named_and_the_others_are_read() {
    let (folder, bundle) = (folder(), small());
    let path = write(&bundle, folder.path());
    let whole = lines(&path);
    let at = whole[2].find("\"round\":0").expect("a trial names its round") + 8;
    for (damage, expected) in [
        (format!("{}7{}", &whole[2][..at], &whole[2][at + 1..]), DamageKind::Checksum),
        (whole[0].clone(), DamageKind::Misplaced("a second head; two bundles were joined")),
    ] {
        let mut lines = whole.clone();
        lines[2] = damage;
        write_lines(&path, &lines);
        let read = bundle::load(&path).expect("the head is whole");
        assert_eq!(read.damage.len(), 1);
        assert_eq!((read.damage[0].record, read.damage[0].readable), (3, 5));
        assert_eq!(read.damage[0].kind, expected);
        assert!(read.trials == [bundle.trials[0].clone(), bundle.trials[2].clone()]);
        assert_eq!(read.end, bundle.end);
    }
    let mut bytes = fs::read(&path).expect("written just now");
    let middle = whole[0].len() + whole[1].len() + 40;
    bytes[middle] = 0xff; // no longer UTF-8
    let read = bundle::parse(&bytes, &path).expect("the head is whole");
    assert!(matches!(read.damage[0].kind, DamageKind::Unreadable(_)), "{:?}", read.damage);
}

/// A line with the right checksum for any body.
fn line(body: &str) -> String {
    format!("{{\"crc32\":\"{:08x}\",\"body\":{body}}}\n", crc32fast::hash(body.as_bytes()))
}

#[test]
fn a_record_of_an_unknown_kind_is_named() {
    let (folder, bundle) = (folder(), small());
    let path = write(&bundle, folder.path());
    let mut text = fs::read_to_string(&path).expect("written just now");
    text.push_str(&line(r#"{"astrology":{"sign":"crab"}}"#));
    let read = bundle::parse(text.as_bytes(), &path).expect("the head is whole");
    let unknown = format!("not a record of schema {SCHEMA_VERSION}");
    assert!(read.damage[0].to_string().contains(&unknown), "{}", read.damage[0]);
    assert!(read.trials == bundle.trials);
}

#[test]
fn a_newer_version_is_a_clear_error_even_if_its_head_has_other_fields() {
    for other in [1, SCHEMA_VERSION + 1] {
        let text = line(&format!(r#"{{"run":{{"schema_version":{other}}}}}"#));
        let error = bundle::parse(text.as_bytes(), Path::new("other")).expect_err("not ours");
        assert!(error.to_string().contains(&other.to_string()), "{error}");
    }
    let text = line(r#"{"run":{"schema_version":99,"colour":"blue"}}"#);
    let error = bundle::parse(text.as_bytes(), Path::new("future")).expect_err("not ours");
    assert!(
        matches!(error, BundleError::ForeignVersion { found: 99, supported: SCHEMA_VERSION, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("read it with the version of bakeoff that wrote it"), "{error}");
}

#[test]
fn what_is_no_bundle_is_refused_with_what_it_looks_like() {
    let parse = |bytes: &[u8]| bundle::parse(bytes, Path::new("x")).expect_err("no bundle");
    assert!(matches!(parse(b""), BundleError::Empty { .. }));
    for foreign in [&b"\x7fELF\x02\x01"[..], b"{\"json\":true}\n", b"\n", b"\n\n\n", b"PK\x03\x04\xff\xfe"] {
        assert!(matches!(parse(foreign), BundleError::NotABundle { .. }), "{foreign:?}");
    }
    let end = serde_json::to_string(&Record::End(End {
        finished_unix_ms: 0,
        trials: 0,
        interrupted: false,
        compute_ns_per_nominal_us: None,
    }));
    assert!(matches!(parse(line(&end.expect("serializes")).as_bytes()), BundleError::Head { .. }));
    let missing = bundle::load(Path::new("/no/such/bundle")).expect_err("missing");
    assert!(matches!(missing, BundleError::Read { .. }), "{missing}");
}

#[test]
fn a_damaged_or_torn_head_is_an_error_that_says_so() {
    let (folder, bundle) = (folder(), small());
    let path = write(&bundle, folder.path());
    let bytes = fs::read(&path).expect("written just now");
    let error = bundle::parse(&bytes[..100], &path).expect_err("torn");
    assert!(error.to_string().contains("is cut off"), "{error}");
    let mut damaged = bytes;
    damaged[60] ^= 1;
    let error = bundle::parse(&damaged, &path).expect_err("damaged");
    assert!(matches!(error, BundleError::Head { others: 5, .. }), "{error}");
}
