//! The real tools, where they are installed: what is not found on `PATH` is skipped, and the test says so.

use crate::exports::builds::two_builds;
use crate::exports::names::renamed;
use crate::exports::{made, small};
use bakeoff_reports::record::{Reading, Side};
use bakeoff_reports::show::export::{Export, Format};
use std::path::Path;
use std::process::{Command, Output};

/// Runs a tool, or says that it is not there and returns nothing.
fn tool(program: &str, arguments: &[&str], input: &Path) -> Option<Output> {
    match Command::new(program).args(arguments).arg(input).output() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("skipped: {program} is not installed");
            None
        }
        Err(error) => panic!("{program}: {error}"),
    }
}

/// Runs python with a script that imports a module; nothing where either is not there.
fn python(module: &str, script: &str, input: &Path) -> Option<Output> {
    let found = Command::new("python3").args(["-c", &format!("import {module}")]).output();
    if !found.is_ok_and(|output| output.status.success()) {
        println!("skipped: python3 with {module} is not installed");
        return None;
    }
    tool("python3", &["-c", script], input)
}

fn in_folder(export: &Export) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for file in &export.files {
        let path = folder.path().join(&file.path);
        std::fs::create_dir_all(path.parent().expect("below the folder")).expect("writable");
        std::fs::write(path, &file.bytes).expect("writable");
    }
    folder
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn critcmp_reads_what_was_written() {
    let mut bundle = two_builds("main", "branch");
    for trial in &mut bundle.trials {
        let half = trial.model == Side::B.model("tokio");
        let Reading::Value(measured) = &mut trial.measured else { panic!("the sample measures everything") };
        measured.completed_in_window = if half { 5_000 } else { 10_000 };
        trial.invalid.clear();
    }
    let folder = in_folder(&made(&bundle, Format::Criterion));
    let target = folder.path().to_str().expect("text");
    // critcmp takes the folder above the one called criterion.
    let above = tempfile::tempdir().expect("a temporary folder");
    std::os::unix::fs::symlink(target, above.path().join("criterion")).expect("writable");
    let Some(output) = tool("critcmp", &["A-main", "B-branch", "--target-dir"], above.path()) else { return };
    let said = said(&output);
    println!("{said}");
    assert!(output.status.success(), "{said}");
    // A window of half a second: 50 and 100 microseconds a request.
    let row =
        said.lines().find(|line| line.contains("echo-small/tokio/time-per-request")).expect("the benchmark");
    for shown in ["1.00", "2.00", "50.0", "100.0", "KElem/sec"] {
        assert!(row.contains(shown), "{shown} in {said}");
    }
}

#[test]
fn the_openmetrics_parser_of_python_reads_the_exposition() {
    let mut bundle = renamed("a \"quoted\"\\ name\nof two lines", "tokio{x=\"y\"}");
    bundle.trials.reverse();
    let folder = in_folder(&made(&bundle, Format::Openmetrics));
    let script = "import sys\nfrom prometheus_client.openmetrics.parser import text_string_to_metric_families as parse\n\
                  families = list(parse(open(sys.argv[1]).read()))\n\
                  print(len(families), sum(len(f.samples) for f in families), {s.labels.get('workload') for f in families for s in f.samples})";
    let Some(output) = python("prometheus_client", script, &folder.path().join("bakeoff.om.txt")) else {
        return;
    };
    let said = said(&output);
    println!("{said}");
    assert!(output.status.success() && said.contains(r#"a "quoted"\\ name\nof two lines"#), "{said}");
}

#[test]
fn promtool_reads_the_exposition() {
    let folder = in_folder(&made(&small(), Format::Openmetrics));
    // The blocks go to a folder below, which is the last argument.
    let samples = folder.path().join("bakeoff.om.txt");
    let samples = samples.to_str().expect("text").to_owned();
    let arguments = ["tsdb", "create-blocks-from", "openmetrics", &samples];
    let Some(output) = tool("promtool", &arguments, &folder.path().join("blocks")) else { return };
    println!("{}", said(&output));
    assert!(output.status.success(), "{}", said(&output));
    let blocks = std::fs::read_dir(folder.path().join("blocks")).expect("a folder").count();
    assert!(blocks > 0, "{}", said(&output));
}

#[test]
fn the_histogram_reader_of_python_reads_the_log() {
    let bundle = small();
    let folder = in_folder(&made(&bundle, Format::Hlog));
    let script = "import sys\nfrom hdrh.histogram import HdrHistogram\nfrom hdrh.log import HistogramLogReader\n\
                  reader = HistogramLogReader(sys.argv[1], HdrHistogram(1, 3600000000000, 3))\nrows = []\n\
                  while True:\n    one = reader.get_next_interval_histogram()\n    if one is None: break\n    rows.append(one)\n\
                  print(len(rows), rows[1].get_tag(), rows[1].get_total_count(), rows[1].get_value_at_percentile(50))";
    let Some(output) = python("hdrh", script, &folder.path().join("bakeoff.hlog")) else { return };
    let said = said(&output);
    println!("{said}");
    let valid = bundle.trials.iter().filter(|trial| trial.invalid.is_empty()).count();
    assert!(output.status.success(), "{said}");
    assert!(said.starts_with(&format!("{valid} echo-small/fork-per-client 500 ")), "{said}");
}

#[test]
fn xmllint_finds_the_junit_report_well_formed() {
    let folder = in_folder(&made(&renamed("<a & 'b'>", "\u{1}tokio\""), Format::Junit));
    let Some(output) = tool("xmllint", &["--noout"], &folder.path().join("junit.xml")) else { return };
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn python_reads_the_table_and_the_report() {
    let folder = in_folder(&made(&renamed("a, \"b\"\nc", "<tokio> & 'co'"), Format::Csv));
    let script = "import csv, sys\nrows = list(csv.DictReader(open(sys.argv[1], newline='')))\n\
                  assert all(None not in row and None not in row.values() for row in rows)\n\
                  print(len(rows), {row['workload'] for row in rows})";
    if let Some(output) = python("csv", script, &folder.path().join("trials.csv")) {
        let said = said(&output);
        assert!(output.status.success() && said.starts_with(r#"10 {'a, "b"\nc'}"#), "{said}");
    }
    let folder = in_folder(&made(&renamed("a, \"b\"\nc", "<tokio> & 'co'"), Format::Junit));
    let script = "import sys, xml.etree.ElementTree as tree\nroot = tree.parse(sys.argv[1]).getroot()\n\
                  print([suite.get('name') for suite in root], [case.get('name') for case in root.iter('testcase')])";
    if let Some(output) = python("xml.etree.ElementTree", script, &folder.path().join("junit.xml")) {
        let said = said(&output);
        assert!(
            output.status.success() && said.contains(r#"['a, "b"\nc']"#) && said.contains("<tokio> & 'co'"),
            "{said}"
        );
    }
}
