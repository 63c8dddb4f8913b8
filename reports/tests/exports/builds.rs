//! Two builds as JUnit and Markdown, from verdicts made by hand, and as two baselines of criterion.

use crate::junit::is_junit;
use crate::{made, small};
use bakeoff_reports::analysis::analyse;
use bakeoff_reports::bundle::Bundle;
use bakeoff_reports::export::{
    ExportError, Format, LARGEST_MARKDOWN, Source, export, junit_of_gate, markdown_of_gate,
};
use bakeoff_reports::gate::{Gate, Outcome, Verdict};
use bakeoff_reports::record::{ComparedCell, Comparison, Contender, Figure, Gated, Merit, Origin, Side};
use bakeoff_reports::sample::{self, Spec};
use bakeoff_reports::statistics::paired::Factor;
use std::collections::BTreeSet;

/// A verdict with every outcome, made by hand.
pub(crate) fn gate(a: &str, b: &str) -> Gate {
    let contender = |label: &str, digit: &str| Contender {
        label: label.to_owned(),
        origin: Origin::Commit { reference: label.to_owned(), commit: digit.repeat(40) },
    };
    let factor = |median: f64| Factor { median, low: median * 0.98, high: median * 1.03, rounds: 20 };
    let cell = |model: &str, figure, outcome, median: f64, reason: &str| Verdict {
        scenario: "echo-small".to_owned(),
        model: model.to_owned(),
        figure,
        outcome,
        broken: false,
        rounds: 20,
        a: Some(48_000.0),
        b: Some(48_000.0 / median),
        factor: Some(factor(median)),
        confirmed: (outcome == Outcome::Regressed).then(|| factor(median)),
        q: Some(if outcome == Outcome::Regressed { 0.0012 } else { 0.4 }),
        practical: 0.03,
        floor: 0.03,
        noise_floor: Some(0.011),
        detectable: Some(1.042),
        more: None,
        pairs: Vec::new(),
        reason: reason.to_owned(),
    };
    let throughput = Figure::Merit(Merit::Throughput);
    let mut cells = vec![
        cell("tokio", throughput, Outcome::Pass, 1.001, "A slowdown that matters is ruled out."),
        cell("thread-pool", throughput, Outcome::Regressed, 1.12, "B is slower, and fresh rounds say so."),
        cell("mio-event-loop", throughput, Outcome::Improved, 0.91, "B is faster."),
        cell("iterative", Figure::CpuPerRequest, Outcome::Inconclusive, 1.02, "The rounds do not tell."),
    ];
    let nothing = Verdict { a: None, b: None, factor: None, q: None, detectable: None, ..cells[3].clone() };
    cells.push(Verdict {
        figure: Figure::SwitchesPerRequest,
        outcome: Outcome::Invalid,
        rounds: 0,
        reason: "No round is valid on both sides.".to_owned(),
        ..nothing
    });
    let compared = |cell: &Verdict| ComparedCell {
        scenario: cell.scenario.clone(),
        model: cell.model.clone(),
        gated: vec![Gated { figure: cell.figure, floor: cell.floor }],
    };
    Gate {
        comparison: Comparison {
            a: contender(a, "1"),
            b: contender(b, "2"),
            cells: cells.iter().map(compared).collect(),
            search_rounds: 20,
            confirm_rounds: 10,
            looks: Vec::new(),
            strict: false,
        },
        search_rounds: 20,
        confirm: None,
        cells,
    }
}

/// A bundle that compares two builds: the sample's first two models become the sides of one.
pub(crate) fn two_builds(a: &str, b: &str) -> Bundle {
    let mut bundle =
        sample::bundle(&Spec { scenarios: 1, models: 2, rounds: 6, requests: 100, slices: 1, seed: 7 });
    let mut comparison = gate(a, b).comparison;
    comparison.cells.truncate(1);
    comparison.cells[0].model = "tokio".to_owned();
    let side = |name: &str| if name == "iterative" { Side::A.model("tokio") } else { Side::B.model("tokio") };
    bundle.run.models.iter_mut().for_each(|model| model.name = side(&model.name));
    bundle.run.scenarios[0].models.iter_mut().for_each(|model| *model = side(model));
    bundle.trials.iter_mut().for_each(|trial| trial.model = side(&trial.model));
    bundle.run.comparison = Some(comparison);
    bundle
}

#[test]
fn the_reports_of_two_builds_are_as_they_were() {
    let bundle = small();
    insta::assert_snapshot!(junit_of_gate(&gate("main", "my-branch"), &bundle.run));
    insta::assert_snapshot!(markdown_of_gate(&gate("main", "my-branch"), &bundle.run));
}

#[test]
fn two_builds_are_two_baselines_of_the_same_benchmark() {
    let bundle = two_builds("main", "new");
    let made = made(&bundle, Format::Criterion);
    let folders: BTreeSet<&str> =
        made.files.iter().filter_map(|file| Some(file.path.rsplit_once('/')?.0)).collect();
    let expected = ["A-main", "B-new"].map(|side| format!("echo-small/tokio/time-per-request/{side}"));
    assert_eq!(folders.into_iter().collect::<Vec<_>>(), expected);
    let analysis = analyse(&bundle);
    let source = Source { bundle: &bundle, analysis: &analysis, gate: None };
    assert_eq!(export(source, Format::Criterion, Some("x")), Err(ExportError::TwoBaselines));
    // Without verdicts nothing is said of them; with them the report is of the builds.
    for format in [Format::Junit, Format::Markdown] {
        assert!(matches!(export(source, format, None), Err(ExportError::NoVerdicts { .. })), "{format:?}");
        let gate = gate("main", "new");
        let made = export(Source { gate: Some(&gate), ..source }, format, None).expect("verdicts");
        assert!(String::from_utf8_lossy(&made.files[0].bytes).contains("regressed"), "{format:?}");
    }
}

#[test]
fn the_outcomes_of_two_builds_are_failures_errors_and_skips() {
    let run = small().run;
    let xml = junit_of_gate(&gate("main", "branch"), &run);
    is_junit(&xml);
    assert!(xml.contains("tests=\"5\" failures=\"1\" errors=\"1\" skipped=\"1\""), "{xml}");
    let case = |name: &str| {
        let after = xml.split_once(&format!("<testcase name=\"{name}\"")).expect("a case").1;
        after.split_once("<testcase").map_or(after, |(this, _)| this).to_owned()
    };
    assert!(case("thread-pool: throughput").contains("<failure type=\"regressed\""));
    assert!(case("iterative: CPU per request").contains("<skipped "));
    assert!(case("iterative: switches per request").contains("<error type=\"invalid\""));
    for passed in ["tokio: throughput", "mio-event-loop: throughput"] {
        assert!(case(passed).split_once('>').expect("a tag").0.ends_with('/'), "{passed}");
    }
}

#[test]
fn the_verdict_comes_first_and_tables_are_folded() {
    let text = markdown_of_gate(&gate("main", "branch"), &small().run);
    assert!(
        text.starts_with("## bakeoff: B is slower than A\n\n**regressed**: 1 regressed, 1 invalid,"),
        "{text}"
    );
    let fold = text.find("<details>").expect("folded");
    assert!(text.find("| workload |").expect("a table") > fold);
    assert!(text.find("### Regressed (1)").expect("named") < fold && !text.contains("<svg"));
    let mut quiet = gate("main", "branch");
    quiet.cells.retain(|cell| cell.outcome == Outcome::Pass);
    assert!(
        markdown_of_gate(&quiet, &small().run).starts_with("## bakeoff: B is no slower than A\n\n**pass**")
    );
}

#[test]
fn a_summary_stays_below_its_limit_and_says_what_is_missing() {
    let mut large = gate("main", "branch");
    let cells = large.cells.clone();
    for at in 0..2_000 {
        let mut cell = cells[at % cells.len()].clone();
        cell.scenario = format!("{}-{at}", "|".repeat(100));
        cell.reason = "*".repeat(2_000);
        large.cells.push(cell);
    }
    large.comparison.a.label = "_".repeat(100_000);
    let text = markdown_of_gate(&large, &small().run);
    assert!(text.len() < LARGEST_MARKDOWN, "{} bytes", text.len());
    assert!(
        text.starts_with("## bakeoff: B is slower than A") && text.contains("more did not fit"),
        "{text}"
    );
    assert!(text.contains("bakeoff 0.1.0"), "the foot is there");
    assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());

    let mut many = sample::bundle(&Spec {
        scenarios: 8,
        models: 8,
        rounds: 1,
        requests: 10,
        slices: 1,
        ..Spec::default()
    });
    let scenarios = many.run.scenarios.clone();
    for at in 0..400 {
        let mut scenario = scenarios[at % scenarios.len()].clone();
        scenario.name = format!("workload {at} {}", "µ".repeat(70));
        many.run.scenarios.push(scenario);
    }
    let text = crate::text(&many, Format::Markdown);
    assert!(text.len() < LARGEST_MARKDOWN && text.len() > LARGEST_MARKDOWN / 2, "{} bytes", text.len());
    assert!(text.contains("more did not fit"));
}
