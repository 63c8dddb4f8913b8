//! Two made-up runs beside each other: how it reads.

use super::*;
use crate::ask::across::compare;
use crate::record::bundle::Bundle;
use crate::record::{Invalid, Metric, Reading};
use crate::sample;
use crate::stats::estimate::Estimate;

fn bundle() -> Bundle {
    sample::bundle(&sample::Spec { scenarios: 2, models: 3, rounds: 6, requests: 400, ..Default::default() })
}

#[test]
fn another_machine_is_refused_unless_insisted_on_and_then_named() {
    let mut other = bundle();
    other.run.environment.cpu_model = Reading::Value("another processor".into());
    let error = compare(&bundle(), &other, false).expect_err("two machines");
    assert!(error.to_string().contains("another processor"), "{error}");
    let across = compare(&bundle(), &other, true).expect("insisted on");
    assert!(text(&across, 80).contains("! another machine: processor"));
}

#[test]
fn the_text_says_what_it_cannot_show_and_keeps_its_width() {
    let across = compare(&bundle(), &bundle(), false).expect("one machine");
    let text = text(&across, 80);
    assert!(text.contains("no regression") && text.contains("bakeoff ab"));
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn what_is_doubtful_of_either_run_stands_before_the_figures() {
    let mut cut_off = bundle();
    cut_off.end = None;
    let told = text(&compare(&bundle(), &cut_off, false).expect("one machine"), 80);
    let at = |words: &str| told.find(words).unwrap_or_else(|| panic!("{words} in {told}"));
    let figures = at("[");
    assert!(at("! Both runs: Synthetic data, not a measurement") < figures, "{told}");
    assert!(
        at("! Second run: The run did not end properly") < figures && !told.contains("! First"),
        "{told}"
    );
    // A third of the first run's trials is lost.
    let mut lost = bundle();
    for trial in lost.trials.iter_mut().filter(|trial| trial.round % 3 == 0) {
        trial.invalid = vec![Invalid::SwarmFailed { detail: "left out by the test".into() }];
    }
    let told = text(&compare(&lost, &bundle(), false).expect("the other rounds"), 80);
    let at = told.find("! First run: 12 of 36 trials had to be").unwrap_or_else(|| panic!("{told}"));
    assert!(at < told.find('[').expect("figures"), "{told}");
    assert!(told.lines().all(|line| line.chars().count() <= 80), "{told}");
}

#[test]
fn names_of_a_foreign_bundle_neither_drive_the_terminal_nor_break_the_width() {
    let long = format!("\u{1b}[2J{}", "a-model-of-a-long-name-".repeat(8));
    let renamed = || {
        let mut bundle = bundle();
        let old = bundle.run.models[1].name.clone();
        bundle.run.models[1].name.clone_from(&long);
        for scenario in &mut bundle.run.scenarios {
            scenario.models.iter_mut().filter(|name| **name == old).for_each(|name| name.clone_from(&long));
        }
        bundle.trials.iter_mut().filter(|trial| trial.model == old).for_each(|trial| {
            trial.model.clone_from(&long);
        });
        bundle
    };
    let mut fewer = renamed();
    let name = fewer.run.scenarios[1].name.clone();
    fewer.run.scenarios[1].models.retain(|model| *model != long);
    fewer.trials.retain(|trial| trial.scenario != name || trial.model != long);
    let across = compare(&renamed(), &fewer, false).expect("one machine");
    assert!(across.left_out.iter().any(|why| why.sentence().contains(&long)), "{:?}", across.left_out);
    for width in [60, 80, 120] {
        let told = text(&across, width);
        assert!(told.contains("a-model-of-a-long-name") && told.contains("not compared: "), "{told}");
        assert!(!told.chars().any(|c| c.is_control() && c != '\n'), "{told:?}");
        assert!(told.lines().all(|line| line.chars().count() <= width), "{width}: {told}");
    }
}

#[test]
fn what_is_never_answered_in_one_run_is_infinitely_worse_in_words_of_its_own() {
    let row = Row {
        scenario: "paced".into(),
        model: "tokio".into(),
        merit: Metric::ResponseP99,
        a: 1.1e6,
        b: f64::INFINITY,
        factor: Estimate { median: f64::INFINITY, low: f64::INFINITY, high: f64::INFINITY, rounds: 3 },
        null_factor: None,
    };
    let across = Across {
        rows: vec![row],
        left_out: Vec::new(),
        caveats: Vec::new(),
        machine: Vec::new(),
        machine_factor: Some(1.0),
    };
    let told = text(&across, 80);
    assert!(told.contains("never  ∞ [∞, ∞]") && !told.contains("inf"), "{told}");
}
