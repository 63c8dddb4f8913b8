//! Two made-up runs beside each other: what is compared, what is left out and why.

use super::*;
use crate::sample;
use crate::sample::sweep as sample_sweep;
use std::time::Duration;

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
fn another_schedule_is_named_and_not_compared() {
    let mut other = bundle();
    other.run.scenarios[0].timing.window += Duration::from_nanos(1);
    let name = other.run.scenarios[0].name.clone();
    let across = compare(&bundle(), &other, false).expect("the other workloads");
    assert!(across.rows.iter().all(|row| row.scenario != name));
    assert!(across.left_out.iter().any(|out| out.scenario == name), "{:?}", across.left_out);
    for scenario in &mut other.run.scenarios {
        scenario.request.size += 1;
    }
    let error = compare(&bundle(), &other, false).expect_err("nothing is left");
    assert!(matches!(error, AcrossError::NothingInCommon { .. }), "{error}");
}

#[test]
fn the_interval_of_a_ratio_holds_the_ratio_and_its_direction() {
    let first: Vec<f64> = (0..12).map(|at| 100.0 + f64::from(at)).collect();
    let second: Vec<f64> = first.iter().map(|value| value * 2.0).collect();
    let slower = factor(&first, &second, Metric::ResponseP99, &mut Random::new(1));
    assert!(slower.low <= slower.median && slower.median <= slower.high && slower.low > 1.5, "{slower:?}");
    let faster = factor(&first, &second, Metric::Throughput, &mut Random::new(1));
    assert!((faster.median - 0.5).abs() < 1e-12 && faster.high < 0.7, "{faster:?}");
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
    let gone_from = |run| LeftOut { scenario: gone.clone(), model: None, why: Why::Only(run) };
    let across = compare(&first, &second, false).expect("they share points");
    assert!(across.rows.iter().any(|row| row.scenario.contains('@')), "{:?}", across.rows);
    assert!(across.left_out.contains(&gone_from(Which::First)), "{:?}", across.left_out);
    let across = compare(&second, &first, false).expect("they share points");
    assert!(across.left_out.contains(&gone_from(Which::Second)), "{:?}", across.left_out);
}

#[test]
fn a_model_of_one_run_is_named_whichever_run_it_is() {
    let mut fewer = bundle();
    let (name, model) = (fewer.run.scenarios[0].name.clone(), fewer.run.scenarios[0].models.remove(1));
    fewer.trials.retain(|trial| trial.scenario != name || trial.model != model);
    let left_out = |a: &Bundle, b: &Bundle| compare(a, b, false).expect("the other models").left_out;
    let told =
        |run| vec![LeftOut { scenario: name.clone(), model: Some(model.clone()), why: Why::Only(run) }];
    let alike = left_out(&bundle(), &bundle());
    let beyond =
        |all: Vec<LeftOut>| all.into_iter().filter(|why| !alike.contains(why)).collect::<Vec<LeftOut>>();
    assert_eq!(beyond(left_out(&bundle(), &fewer)), told(Which::First));
    assert_eq!(beyond(left_out(&fewer, &bundle())), told(Which::Second));
}
