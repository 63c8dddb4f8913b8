//! Two made-up runs beside each other: what is compared, what is left out and why, and how it reads.

use super::*;
use crate::record::Invalid;
use crate::sample;
use crate::sample::sweep as sample_sweep;

fn bundle() -> Bundle {
    sample::bundle(&sample::Spec { scenarios: 2, models: 3, rounds: 6, requests: 400, ..Default::default() })
}

#[test]
fn a_run_beside_itself_is_the_same() {
    let across = compare(&bundle(), &bundle(), false).expect("one machine");
    assert!(!across.rows.is_empty() && across.machine.is_empty());
    assert!(across.rows.iter().all(|row| row.factor.median == 1.0 && row.a == row.b));
    assert_eq!(across.machine_factor, Some(1.0));
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
fn another_schedule_is_named_and_not_compared() {
    let mut other = bundle();
    other.run.scenarios[0].window_ns += 1;
    let name = other.run.scenarios[0].name.clone();
    let across = compare(&bundle(), &other, false).expect("the other workloads");
    assert!(across.rows.iter().all(|row| row.scenario != name));
    assert!(across.left_out.iter().any(|why| why.contains(&name)), "{:?}", across.left_out);
    for scenario in &mut other.run.scenarios {
        scenario.toml.push('#');
    }
    let error = compare(&bundle(), &other, false).expect_err("nothing is left");
    assert!(matches!(error, AcrossError::NothingInCommon { .. }), "{error}");
}

#[test]
fn the_interval_of_a_ratio_holds_the_ratio_and_its_direction() {
    let first: Vec<f64> = (0..12).map(|at| 100.0 + f64::from(at)).collect();
    let second: Vec<f64> = first.iter().map(|value| value * 2.0).collect();
    let slower = factor(&first, &second, Merit::ResponseP99, &mut Random::new(1));
    assert!(slower.low <= slower.median && slower.median <= slower.high && slower.low > 1.5, "{slower:?}");
    let faster = factor(&first, &second, Merit::Throughput, &mut Random::new(1));
    assert!((faster.median - 0.5).abs() < 1e-12 && faster.high < 0.7, "{faster:?}");
}

#[test]
fn the_text_says_what_it_cannot_show_and_keeps_its_width() {
    let across = compare(&bundle(), &bundle(), false).expect("one machine");
    let text = text(&across, 80);
    assert!(text.contains("no regression") && text.contains("bakeoff ab"));
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn points_of_sweeps_are_compared_too() {
    let mut first = sample_sweep::bundle(4);
    // Nothing but sweeps, as `bakeoff sweep` leaves it.
    let alone = first.run.scenarios[0].name.clone();
    first.run.scenarios.remove(0);
    first.trials.retain(|trial| trial.scenario != alone);
    let mut second = first.clone();
    let gone = second.run.scenarios.remove(0).name;
    second.trials.retain(|trial| trial.scenario != gone);
    let across = compare(&first, &second, false).expect("they share points");
    assert!(across.rows.iter().any(|row| row.scenario.contains('@')), "{:?}", across.rows);
    assert!(across.left_out.contains(&format!("`{gone}` is in the first run only")), "{:?}", across.left_out);
    let across = compare(&second, &first, false).expect("they share points");
    assert!(
        across.left_out.contains(&format!("`{gone}` is in the second run only")),
        "{:?}",
        across.left_out
    );
}

#[test]
fn a_model_of_one_run_is_named_whichever_run_it_is() {
    let mut fewer = bundle();
    let (name, model) = (fewer.run.scenarios[0].name.clone(), fewer.run.scenarios[0].models.remove(1));
    fewer.trials.retain(|trial| trial.scenario != name || trial.model != model);
    let left_out = |a: &Bundle, b: &Bundle| compare(a, b, false).expect("the other models").left_out;
    let told = |which: &str| vec![format!("{model} under `{name}` is in the {which} run only")];
    let alike = left_out(&bundle(), &bundle());
    let beyond =
        |all: Vec<String>| all.into_iter().filter(|why| !alike.contains(why)).collect::<Vec<String>>();
    assert_eq!(beyond(left_out(&bundle(), &fewer)), told("first"));
    assert_eq!(beyond(left_out(&fewer, &bundle())), told("second"));
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
    let at = told.find("! First run: No verdict: ").unwrap_or_else(|| panic!("{told}"));
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
    assert!(across.left_out.iter().any(|why| why.contains(&long)), "{:?}", across.left_out);
    for width in [60, 80, 120] {
        let told = text(&across, width);
        assert!(told.contains("a-model-of-a-long-name") && told.contains("not compared: "), "{told}");
        assert!(!told.chars().any(|c| c.is_control() && c != '\n'), "{told:?}");
        assert!(told.lines().all(|line| line.chars().count() <= width), "{width}: {told}");
    }
}

#[test]
fn what_is_never_answered_in_one_run_is_infinitely_worse_in_words_of_its_own() {
    let first = [1e6, 1.1e6, 1.2e6];
    let never = [f64::INFINITY; 3];
    let row = Row {
        scenario: "paced".into(),
        model: "tokio".into(),
        merit: Merit::ResponseP99,
        a: 1.1e6,
        b: f64::INFINITY,
        factor: factor(&first, &never, Merit::ResponseP99, &mut Random::new(1)),
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
