//! Two builds as JUnit and Markdown, from verdicts made by hand, and as two baselines of criterion.

use crate::exports::junit::is_junit;
use crate::exports::{made, small};
use bakeoff_reports::analysis::analyse;
use bakeoff_reports::record::bundle::{Bundle, Damage, DamageKind};
use bakeoff_reports::record::{ComparedCell, Comparison, Contender, Gated, Metric, Origin, Side};
use bakeoff_reports::rules::gate::{Because, Fault, Faults, Gate, Outcome, Reason, Verdict};
use bakeoff_reports::sample::{self, Spec};
use bakeoff_reports::show::export::{
    ExportError, Format, LARGEST_MARKDOWN, Source, export, junit_of_analysis, junit_of_gate,
    markdown_of_analysis, markdown_of_gate,
};
use bakeoff_reports::stats::estimate::Estimate;
use std::collections::BTreeSet;

/// A verdict with every outcome, made by hand.
pub(crate) fn gate(a: &str, b: &str) -> Gate {
    let contender = |label: &str, digit: &str| Contender {
        label: label.to_owned(),
        origin: Origin::Commit { reference: label.to_owned(), commit: digit.repeat(40) },
    };
    let factor = |median: f64| Estimate { median, low: median * 0.98, high: median * 1.03, rounds: 20 };
    let cell = |model: &str, figure, outcome, median: f64, reason| Verdict {
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
        because: Because { reason, faults: Faults::default() },
    };
    let throughput = Metric::Throughput;
    let mut cells = vec![
        cell("tokio", throughput, Outcome::Pass, 1.001, Reason::RuledOut),
        cell("thread-pool", throughput, Outcome::Regressed, 1.12, Reason::Confirmed),
        cell("mio-event-loop", throughput, Outcome::Improved, 0.91, Reason::Improved),
        cell("iterative", Metric::CpuPerRequest, Outcome::Inconclusive, 1.02, Reason::Open),
    ];
    let nothing = Verdict { a: None, b: None, factor: None, q: None, detectable: None, ..cells[3].clone() };
    cells.push(Verdict {
        figure: Metric::SwitchesPerRequest,
        outcome: Outcome::Invalid,
        rounds: 0,
        because: Because {
            reason: Reason::Lost { tried: 20, lost: 20, without: 0, commonest: None },
            faults: Faults::default(),
        },
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
            layouts: 1,
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
    let analysis = analyse(&small());
    insta::assert_snapshot!(junit_of_gate(&gate("main", "my-branch"), &analysis));
    insta::assert_snapshot!(markdown_of_gate(&gate("main", "my-branch"), &analysis));
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
    let xml = junit_of_gate(&gate("main", "branch"), &analyse(&small()));
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
fn a_comparison_of_nothing_is_no_green_report() {
    let mut nothing = gate("main", "branch");
    nothing.cells.clear();
    let xml = junit_of_gate(&nothing, &analyse(&small()));
    is_junit(&xml);
    assert!(xml.contains("tests=\"1\" failures=\"0\" errors=\"1\" skipped=\"0\""), "{xml}");
}

#[test]
fn the_verdict_comes_first_and_tables_are_folded() {
    let mut analysis = analyse(&small());
    analysis.run.environment.notes.clear();
    assert!(analysis.caveats().is_empty(), "{:?}", analysis.caveats());
    let text = markdown_of_gate(&gate("main", "branch"), &analysis);
    let verdict = "**Regressed: thread-pool under echo-small (throughput 10.7 % worse).**";
    assert!(
        text.starts_with(&format!("## bakeoff: regressed\n\n{verdict}\n\n1 regressed, 1 invalid,")),
        "{text}"
    );
    let fold = text.find("<details>").expect("folded");
    assert!(text.find("| workload |").expect("a table") > fold);
    assert!(text.find("### Regressed (1)").expect("named") < fold && !text.contains("<svg"));
    let mut quiet = gate("main", "branch");
    quiet.cells.retain(|cell| cell.outcome == Outcome::Pass);
    let text = markdown_of_gate(&quiet, &analysis);
    let verdict = "**Pass: a slowdown that matters is ruled out.**";
    assert!(text.starts_with(&format!("## bakeoff: pass\n\n{verdict}\n")), "{text}");
    quiet.cells.clear();
    let text = markdown_of_gate(&quiet, &analysis);
    assert!(text.starts_with("## bakeoff: nothing was compared\n"), "{text}");
}

#[test]
fn a_figure_of_which_more_is_better_is_not_told_the_wrong_way_round() {
    let analysis = analyse(&small());
    for text in
        [markdown_of_gate(&gate("main", "b"), &analysis), junit_of_gate(&gate("main", "b"), &analysis)]
    {
        // Throughput fell from 48.0k/s to 42.9k/s, and rose to 52.7k/s.
        let worse = "B 42.9k/s; B is 10.7 % worse (8.9 % worse to 13.3 % worse) in 20 rounds";
        assert!(text.contains(worse), "{text}");
        assert!(text.contains("B 52.7k/s; B is 9.9 % better (12.1 % better to 6.7 % better)"), "{text}");
        assert!(text.contains("; 4 % worse would be found in 4 of 5 runs"), "{text}");
    }
}

#[test]
fn what_matters_is_the_practical_floor_and_noise_stands_beside_it() {
    let mut loud = gate("main", "branch");
    loud.cells.truncate(3);
    for (cell, noise) in loud.cells.iter_mut().zip([Some(0.25), Some(f64::INFINITY), Some(0.0001)]) {
        (cell.floor, cell.noise_floor) = (noise.unwrap_or(0.0).max(0.03), noise);
    }
    let text = markdown_of_gate(&loud, &analyse(&small()));
    for told in ["25 %", "∞", "under 0.1 %"] {
        assert!(text.contains(&format!(" | 3 % | {told} | ")), "{told} in {text}");
    }
    let told = "; matters from 3 % on; the noise floor is under 0.1 %;";
    assert!(junit_of_gate(&loud, &analyse(&small())).contains(told), "{text}");
}

/// A record that cannot be read, the seventh.
fn damage(why: String) -> Damage {
    Damage { record: 7, readable: 6, kind: DamageKind::Unreadable(why) }
}

#[test]
fn a_made_up_or_killed_comparison_says_so_before_its_verdict() {
    let mut bundle = small();
    bundle.end = None;
    let mut analysis = analyse(&bundle);
    analysis.damage.push(damage("is neither & nor".to_owned()));
    let caveats = ["Synthetic data", "The run did not end properly", "The bundle is damaged: record 7"];
    for (text, verdict) in [
        (markdown_of_gate(&gate("main", "branch"), &analysis), "Regressed: "),
        (markdown_of_analysis(&analysis), "**echo-small**: "),
    ] {
        let at = text.find(verdict).expect("a verdict");
        for caveat in caveats {
            assert!(text.find(caveat).expect(caveat) < at, "{caveat} in {text}");
        }
    }
    let mut nothing = gate("main", "branch");
    nothing.cells.clear();
    let reports = [
        (junit_of_gate(&gate("main", "branch"), &analysis), 1),
        (junit_of_gate(&nothing, &analysis), 1),
        (junit_of_analysis(&analysis), 2),
    ];
    for (xml, suites) in reports {
        is_junit(&xml);
        assert_eq!(xml.matches("<testsuite ").count(), suites);
        for caveat in caveats {
            assert_eq!(xml.matches(&format!("\"caveat\" value=\"{caveat}")).count(), suites, "{xml}");
            let output = xml.split("<system-out>").nth(1).expect("an output");
            assert!(output.contains(caveat), "{xml}");
        }
    }
}

#[test]
fn caveats_leave_room_for_the_verdict() {
    let mut analysis = analyse(&small());
    analysis.damage = (0..500).map(|at| damage(format!("line {at} {}", "#".repeat(700)))).collect();
    let text = markdown_of_gate(&gate("main", "branch"), &analysis);
    assert!(text.len() < LARGEST_MARKDOWN && text.contains("493 more in the report."), "{text}");
    assert!(text.contains("Regressed: thread-pool under echo-small"), "{text}");
}

#[test]
fn the_time_of_a_cell_counts_once() {
    let mut gate = gate("main", "branch");
    let second =
        Verdict { figure: Metric::CpuPerRequest, rounds: 22, confirmed: None, ..gate.cells[1].clone() };
    gate.cells = vec![gate.cells[1].clone(), second, gate.cells[0].clone()];
    let xml = junit_of_gate(&gate, &analyse(&small()));
    let times: Vec<&str> =
        xml.split(" time=\"").skip(1).filter_map(|after| Some(after.split_once('"')?.0)).collect();
    // Half a second on either side, 20 rounds and 20 fresh ones; then 20 of the other model.
    assert_eq!(times, ["60.000", "40.000", "0.000", "20.000"], "{xml}");
}

#[test]
fn a_summary_stays_below_its_limit_and_says_what_is_missing() {
    // Escaped, a sign is up to nine bytes.
    for sign in ["|", "#", "界"] {
        let mut analysis = analyse(&small());
        analysis.run.tool_version = sign.repeat(100);
        let mut large = gate("main", "branch");
        let cells = large.cells.clone();
        for at in 0..2_000 {
            let mut cell = cells[at % cells.len()].clone();
            cell.scenario = format!("{}-{at}", sign.repeat(100));
            cell.because.faults.kinds[1] = vec![(Fault::Died(sign.repeat(2_000)), 1)];
            large.cells.push(cell);
        }
        large.comparison.a.label = sign.repeat(100_000);
        let text = markdown_of_gate(&large, &analysis);
        assert!(text.len() < LARGEST_MARKDOWN, "{} bytes", text.len());
        assert!(text.starts_with("## bakeoff: regressed") && text.contains("more did not fit"), "{text}");
        assert!(text.ends_with("2026-09-21 14:13:20 UTC.\n"), "the foot is there");
        assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
    }
}

#[test]
fn a_summary_of_a_large_run_says_what_is_missing() {
    let spec = Spec { scenarios: 8, models: 8, rounds: 1, requests: 10, slices: 1, ..Spec::default() };
    let mut many = sample::bundle(&spec);
    let scenarios = many.run.scenarios.clone();
    for at in 0..400 {
        let mut scenario = scenarios[at % scenarios.len()].clone();
        scenario.name = format!("workload {at} {}", ["µ", "#", "界"][at % 3].repeat(70));
        many.run.scenarios.push(scenario);
    }
    many.run.tool_version = "#".repeat(100);
    let text = crate::exports::text(&many, Format::Markdown);
    assert!(text.len() < LARGEST_MARKDOWN && text.len() > LARGEST_MARKDOWN / 2, "{} bytes", text.len());
    assert!(text.contains("more did not fit"));
    // The answers alone fill the page: every table is missing, and the foot says so.
    assert!(text.contains(" sections did not fit at all"), "{text}");
    assert!(text.ends_with("CPU and switches are per request.\n"), "the foot is there");
}

#[test]
fn the_head_of_a_fold_shows_the_name_as_it_is() {
    let text = crate::exports::text(&crate::exports::names::renamed("a_b\n<c>*&", "tokio"), Format::Markdown);
    assert!(text.contains("<details><summary>a_b &lt;c&gt;*&amp;: throughput</summary>"), "{text}");
}
