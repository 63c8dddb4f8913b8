//! A run with a budget from its trials to its reports: the ledger that a run keeps, and the rule applied again to the bundle.

#[allow(dead_code)] // other tests use the rest
use crate::support;

use bakeoff_reports::analysis::analyse;
use bakeoff_reports::record::bundle::{self, Bundle};
use bakeoff_reports::record::{Ended, Invalid, LookRecord, Sequential, Trial};
use bakeoff_reports::rules::sequential::{Ledger, looks, trials_saved};
use bakeoff_reports::rules::verdict::Place;
use bakeoff_reports::show::html;
use bakeoff_reports::show::text::{SummaryOptions, summary};
use bakeoff_reports::stats::random::Random;
use std::collections::BTreeSet;
use support::{winners, with_throughput};

/// Four models in so many rounds with 1 % of noise: one a third of the best, one equal to it, one too close to tell.
fn trials(rounds: usize) -> Bundle {
    let mut random = Random::new(9);
    let mut row = |figure: f64, noise: f64| -> Vec<u64> {
        (0..rounds).map(|_| (figure * (1.0 + noise * random.normal())) as u64).collect()
    };
    let rows = [row(3_000.0, 0.01), row(10_000.0, 0.003), row(10_000.0, 0.003), row(9_600.0, 0.04)];
    let rows: Vec<&[u64]> = rows.iter().map(Vec::as_slice).collect();
    let mut bundle = with_throughput(&rows);
    bundle.run.sequential = Some(Sequential { budget_ns: 60_000_000_000, looks: looks(rounds as u32) });
    bundle
}

/// What a run with a budget would have left of these trials: round by round, without the cells that looks ended.
fn run(all: &Bundle) -> Bundle {
    let mut ledger = Ledger::new(&all.run);
    let mut left = Bundle { trials: Vec::new(), ..all.clone() };
    let mut ended: BTreeSet<String> = BTreeSet::new();
    for round in 0..all.run.rounds {
        let runs = |trial: &&Trial| trial.round == round && !ended.contains(&trial.model);
        for trial in all.trials.iter().filter(runs) {
            ledger.add(trial);
            left.trials.push(trial.clone());
        }
        if let Some(look) = ledger.look(round + 1) {
            ended.extend(look.ended.iter().map(|cell| cell.model.clone()));
            left.looks.push(look);
        }
    }
    left
}

#[test]
fn what_is_behind_stops_and_is_still_behind_in_the_report() {
    let bundle = run(&trials(18));
    assert_eq!(bundle.looks.iter().map(|look| look.after_rounds).collect::<Vec<_>>(), [8, 10, 14]);
    let ended: Vec<_> = bundle.looks.iter().flat_map(|look| &look.ended).collect();
    assert!(ended.iter().any(|cell| cell.model == "iterative" && cell.why == Ended::Behind), "{ended:?}");
    assert!(
        ended.iter().all(|cell| cell.model != "thread-pool"),
        "4 % at a noise of 4 % is not decided: {ended:?}"
    );
    let stopped = bundle.trials.iter().filter(|trial| trial.model == "iterative").count() as u64;
    assert!(stopped < 18, "it runs no more");
    assert_eq!(trials_saved(&bundle.looks, 18) + bundle.trials.len() as u64, 4 * 18);
    let analysis = analyse(&bundle);
    let verdict = &analysis.workloads[0].verdict;
    assert!(matches!(verdict.standing("iterative").expect("it ran").place, Place::Behind(_)));
    assert!(winners(&analysis).contains(&"thread-pool"), "not resolved: {}", verdict.lead());
    assert!(verdict.choice().ends_with("or perhaps thread-pool"), "{}", verdict.choice());
    let text = summary(&analysis, &SummaryOptions::default());
    assert!(text.contains("A budget of 60.0 s was good for 18 rounds."), "{text}");
    assert!(!text.contains("planned trials are recorded"), "the number planned was an estimate: {text}");
    let page = html::report(&analysis);
    assert!(page.contains("What was stopped on the way") && page.contains("behind: iterative"));
    let read = bundle::parse(&bundle::to_bytes(&bundle).expect("JSON"), "in memory".as_ref()).expect("ours");
    assert_eq!(read, bundle, "looks come back as they were written");
}

#[test]
fn a_workload_without_an_open_question_stops_as_a_whole() {
    let mut all = trials(18);
    all.run.scenarios[0].models.retain(|model| model != "thread-pool");
    all.trials.retain(|trial| trial.model != "thread-pool");
    let bundle = run(&all);
    let last = bundle.looks.last().expect("it looked");
    assert_eq!(last.going_on, 0, "{:?}", bundle.looks);
    assert!(bundle.looks.iter().flat_map(|look| &look.ended).any(|cell| cell.why == Ended::Decided));
    let analysis = analyse(&bundle);
    assert_eq!(winners(&analysis).len(), 2, "the equal ones: {}", analysis.workloads[0].verdict.lead());
    let text = summary(&analysis, &SummaryOptions { width: 1_000, ..SummaryOptions::default() });
    assert!(text.contains("all 3 cells were decided, so the run ended early"), "{text}");
}

#[test]
fn a_run_of_fixed_rounds_never_looks_and_says_nothing_of_it() {
    let mut all = trials(10);
    all.run.sequential = None;
    let bundle = run(&all);
    assert_eq!((bundle.looks.len(), bundle.trials.len()), (0, 40));
    assert!(!html::report(&analyse(&bundle)).contains("stopped on the way"));
}

#[test]
fn the_ledger_counts_the_first_valid_try_of_a_round() {
    let mut all = trials(9);
    let mut again = all.trials[0].clone();
    all.trials[0].invalid.push(Invalid::Stolen { share: 0.5 });
    (again.attempt, again.index) = (1, 9_999);
    all.trials.push(again);
    let mut ledger = Ledger::new(&all.run);
    all.trials.iter().for_each(|trial| ledger.add(trial));
    let with_retry: LookRecord = ledger.look(8).expect("due");
    let mut plain = trials(9);
    let mut other = Ledger::new(&plain.run);
    plain.trials.drain(..).for_each(|trial| other.add(&trial));
    assert_eq!(with_retry, other.look(8).expect("due"));
}

#[test]
fn a_clear_comparison_pays_for_the_looks() {
    let mut fixed = trials(18);
    fixed.run.sequential = None;
    let q = |bundle: &Bundle| {
        analyse(bundle).workloads[0]
            .verdict
            .standing("iterative")
            .and_then(|standing| standing.q)
            .expect("compared")
    };
    // All 18 rounds of one sign: the smallest p there is. With looks the end may spend what they left, 0.35.
    let (fixed, looked) = (q(&fixed), q(&trials(18)));
    assert!((looked / fixed - 1.0 / 0.35).abs() < 1e-9, "{looked} and {fixed}");
}
