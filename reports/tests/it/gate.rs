//! The verdict on a comparison of two builds, from a bundle to the words, with answers that are known.

use bakeoff_reports::analysis::analyse;
use bakeoff_reports::record::bundle::{self, Bundle};
use bakeoff_reports::record::{Ended, Invalid, Metric, Origin, Reading, Side};
use bakeoff_reports::rules::gate::{self, Gate, Ledger, Outcome, Verdict};
use bakeoff_reports::sample::comparison::{CONFIRM, SEARCH, bundle as sample};
use bakeoff_reports::show::html;
use bakeoff_reports::show::text::{SummaryOptions, summary};
use std::path::Path;

fn judged(bundle: &Bundle) -> Gate {
    gate::judge(bundle).expect("it compares two builds")
}

fn verdict<'a>(gate: &'a Gate, scenario: &str, model: &str, key: &str) -> &'a Verdict {
    let is = |one: &&Verdict| one.scenario == scenario && one.model == model && one.figure.key() == key;
    gate.cells.iter().find(is).expect("it is gated")
}

/// The sample with one cell alone, its trials changed.
fn alone(model: &str, rounds: u32, change: impl Fn(&mut bakeoff_reports::record::Trial)) -> Bundle {
    let mut bundle = sample();
    let names = Side::BOTH.map(|side| side.model(model));
    bundle.trials.retain(|trial| {
        trial.scenario == "echo-small" && names.contains(&trial.model) && trial.round < rounds
    });
    bundle.trials.iter_mut().for_each(change);
    let comparison = bundle.run.comparison.as_mut().expect("a comparison");
    comparison.cells.retain(|cell| cell.scenario == "echo-small" && cell.model == model);
    bundle.confirm = None;
    bundle
}

fn outcomes(gate: &Gate) -> Vec<Outcome> {
    gate.cells.iter().map(|cell| cell.outcome).collect()
}

fn is_b(model: &str) -> bool {
    model.ends_with("(B)")
}

#[test]
fn each_cell_of_the_sample_comes_to_what_was_put_in() {
    let gate = judged(&sample());
    let of = |scenario, model, key| verdict(&gate, scenario, model, key).outcome;
    assert_eq!(of("echo-small", "tokio", "throughput"), Outcome::Regressed);
    assert_eq!(of("echo-small", "tokio", "cpu-per-request"), Outcome::Pass);
    assert_eq!(of("echo-small", "mio-event-loop", "throughput"), Outcome::Pass);
    assert_eq!(of("echo-small", "mio-event-loop", "cpu-per-request"), Outcome::Improved);
    let little = verdict(&gate, "echo-small", "thread-pool", "throughput");
    assert_eq!(little.outcome, Outcome::Pass);
    assert!(little.reason().contains("below the 3 % that matter"), "{}", little.reason());
    let loud = verdict(&gate, "echo-paced", "tokio", "response-p99");
    assert_eq!(loud.outcome, Outcome::Inconclusive);
    assert!(
        loud.more.is_some_and(|more| more > 20) && loud.reason().contains("more round"),
        "{}",
        loud.reason()
    );
    for one in gate.cells.iter().filter(|one| one.scenario == "echo-paced" && one.model == "mio-event-loop") {
        assert_eq!(one.outcome, Outcome::Regressed);
        assert!(
            one.reason().contains("B sent wrong replies in 2 of 20 rounds, A in none"),
            "{}",
            one.reason()
        );
    }
    assert_eq!((gate.outcome(), gate.exit_code()), (Outcome::Regressed, 1));
}

#[test]
fn the_regression_is_confirmed_by_the_fresh_rounds_alone() {
    let mut bundle = sample();
    let from = bundle.confirm.as_ref().expect("something looked slower").from_round;
    let found = judged(&bundle);
    let slow = verdict(&found, "echo-small", "tokio", "throughput");
    let fresh = slow.confirmed.expect("run again");
    assert_eq!(fresh.rounds, CONFIRM as usize);
    assert!(slow.rounds <= SEARCH as usize && (fresh.median - 1.08).abs() < 0.02, "{slow:?}");
    // Fresh rounds in which B is as fast as A take it back.
    let rates: Vec<_> = bundle
        .trials
        .iter()
        .filter(|t| t.model == "tokio (A)" && t.scenario == "echo-small")
        .cloned()
        .collect();
    for trial in &mut bundle.trials {
        if trial.model == "tokio (B)" && trial.scenario == "echo-small" && trial.round >= from {
            let same = rates.iter().find(|one| one.round == trial.round).expect("a pair");
            trial.measured = same.measured.clone();
        }
    }
    let gate = judged(&bundle);
    let slow = verdict(&gate, "echo-small", "tokio", "throughput");
    assert_eq!(slow.outcome, Outcome::Inconclusive);
    assert!(slow.reason().contains("do not confirm it"), "{}", slow.reason());
    // And without them nothing is confirmed.
    bundle.trials.retain(|trial| trial.round < from + 5);
    let gate = judged(&bundle);
    let slow = verdict(&gate, "echo-small", "tokio", "throughput");
    assert_eq!(slow.outcome, Outcome::Inconclusive);
    assert!(slow.reason().contains("only 5 pairs of fresh rounds"), "{}", slow.reason());
}

#[test]
fn the_ledger_of_the_run_and_the_report_agree() {
    let bundle = sample();
    let gate = judged(&bundle);
    let mut ledger = Ledger::new(&bundle.run);
    let confirm = bundle.confirm.clone().expect("something looked slower");
    let search = |round: u32| bundle.trials.iter().filter(move |trial| trial.round == round);
    let mut looks = Vec::new();
    for round in 0..confirm.from_round {
        search(round).for_each(|trial| ledger.add(trial));
        looks.extend(ledger.look(round + 1));
    }
    assert_eq!(looks, bundle.looks);
    assert_eq!(ledger.suspects(confirm.from_round), confirm.cells);
    assert_eq!(ledger.broken(), [("echo-paced".to_owned(), "mio-event-loop".to_owned())]);
    let ended: Vec<_> = looks.iter().flat_map(|look| &look.ended).collect();
    assert!(ended.iter().any(|cell| cell.why == Ended::Fails));
    for cell in ended {
        for one in gate.cells.iter().filter(|one| one.scenario == cell.scenario && one.model == cell.model) {
            assert_ne!(one.outcome, Outcome::Inconclusive, "{one:?}");
        }
    }
    assert_eq!(gate.search_rounds, confirm.from_round);
}

#[test]
fn a_build_that_does_not_start_ends_its_cell_after_five_rounds() {
    let dead = alone("tokio", 5, |trial| {
        if is_b(&trial.model) {
            trial.invalid = vec![Invalid::ServerDidNotStart { detail: "no such port".into() }];
            trial.measured = Reading::Absent("the server did not start".into());
        }
    });
    let mut ledger = Ledger::new(&dead.run);
    let add = |ledger: &mut Ledger, round| {
        dead.trials.iter().filter(|trial| trial.round == round).for_each(|trial| ledger.add(trial));
    };
    for round in 0..4 {
        add(&mut ledger, round);
        assert_eq!(ledger.look(round + 1), None, "a few may be accidents");
    }
    add(&mut ledger, 4);
    let look = ledger.look(5).expect("it fails outright");
    assert_eq!((look.ended.len(), look.going_on, look.ended[0].why), (1, 0, Ended::Fails));
    assert!(ledger.suspects(5).is_empty(), "what is broken needs no confirmation");
    let gate = judged(&dead);
    assert_eq!(outcomes(&gate), [Outcome::Regressed; 3]);
    assert_eq!(gate.cells[0].reason(), "B did not start (no such port) in 5 of 5 rounds, A in none.");
    let page = html::report(&analyse(&dead));
    assert!(page.contains("B fails") && !page.contains("No verdict:"), "half of the trials are left out");
}

#[test]
fn a_baseline_that_fails_alone_is_no_verdict_on_the_other() {
    let dead = alone("tokio", 20, |trial| {
        if !is_b(&trial.model) {
            trial.invalid = vec![Invalid::ServerDied { detail: "signal 11".into() }];
        }
    });
    let gate = judged(&dead);
    assert_eq!(outcomes(&gate), [Outcome::Invalid; 3]);
    assert!(
        gate.cells[0]
            .reason()
            .contains("A ended before it was asked to (signal 11) in 20 of 20 rounds, B in none")
    );
    assert_eq!(gate.exit_code(), 3, "a gate that measured nothing is not green");
}

#[test]
fn spoiled_rounds_are_left_out_up_to_a_limit() {
    let spoil = |every: u32| {
        alone("mio-event-loop", 20, move |trial| {
            if is_b(&trial.model) && trial.round % every == 0 {
                trial.invalid = vec![Invalid::Stolen { share: 0.2 }];
            }
        })
    };
    let few = judged(&spoil(10));
    assert_eq!((few.cells[0].outcome, few.cells[0].rounds), (Outcome::Pass, 18));
    let many = judged(&spoil(5));
    assert_eq!(outcomes(&many), [Outcome::Invalid; 3]);
    assert!(many.cells[0].reason().starts_with("4 of 20 rounds have no pair"), "{}", many.cells[0].reason());
    // Another try of the same rounds makes them good.
    let mut again = spoil(5);
    let better: Vec<_> = again
        .trials
        .iter()
        .filter(|trial| !trial.invalid.is_empty())
        .map(|trial| {
            let mut better = trial.clone();
            (better.attempt, better.invalid) = (1, Vec::new());
            better
        })
        .collect();
    again.trials.extend(better);
    assert_eq!(judged(&again).cells[0].rounds, 20);
}

#[test]
fn too_short_a_run_says_so() {
    let gate = judged(&alone("tokio", 5, |_| {}));
    assert_eq!(outcomes(&gate), [Outcome::Inconclusive; 3]);
    assert!(
        gate.cells[0].reason().starts_with("Too short: 5 rounds were tried"),
        "{}",
        gate.cells[0].reason()
    );
    assert_eq!(gate.exit_code(), 0);
    let mut strict = alone("tokio", 5, |_| {});
    strict.run.comparison.as_mut().expect("a comparison").strict = true;
    assert_eq!(judged(&strict).exit_code(), 3);
}

#[test]
fn two_builds_that_answer_nothing_are_invalid() {
    let idle = alone("tokio", 20, |trial| {
        if let Reading::Value(measured) = &mut trial.measured {
            measured.completed_in_window = 0;
        }
    });
    let gate = judged(&idle);
    let throughput = gate.cells.iter().find(|one| one.figure == Metric::Throughput);
    let throughput = throughput.expect("it is gated");
    assert_eq!(throughput.outcome, Outcome::Invalid);
    assert!(throughput.reason().contains("Neither side does the work"), "{}", throughput.reason());
}

#[test]
fn a_run_of_models_has_no_gate() {
    let mut bundle = sample();
    bundle.run.comparison = None;
    assert_eq!(gate::judge(&bundle), None);
    let mut ledger = Ledger::new(&bundle.run);
    bundle.trials.iter().for_each(|trial| ledger.add(trial));
    assert_eq!((ledger.look(20), ledger.suspects(20)), (None, Vec::new()));
}

#[test]
fn a_bundle_read_back_comes_to_the_same() {
    let bundle = sample();
    let bytes = bundle::to_bytes(&bundle).expect("it can be written");
    let read = bundle::parse(&bytes, Path::new("a bundle")).expect("it can be read");
    assert_eq!(judged(&read), judged(&bundle));
}

#[test]
fn the_text_at_80_columns() {
    insta::assert_snapshot!(bakeoff_reports::show::text::gate::text(&judged(&sample()), 80));
}

#[test]
fn the_summary_of_a_comparison_at_120_columns() {
    let options = SummaryOptions { width: 120, ..SummaryOptions::default() };
    insta::assert_snapshot!(summary(&analyse(&sample()), &options));
}

#[test]
fn no_line_is_wider_than_asked_and_no_model_is_called_best() {
    let analysis = analyse(&sample());
    for width in [40, 60, 80, 100, 200] {
        let text = summary(&analysis, &SummaryOptions { width, ..SummaryOptions::default() });
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(width), "{widest:?} columns for {width}:\n{text}");
        assert!(text.starts_with("Regressed: ") && !text.contains("best"), "{text}");
    }
}

#[test]
fn the_page_opens_with_the_verdict_and_shows_every_pair() {
    let page = html::report(&analyse(&sample()));
    let at = |what: &str| page.find(what).unwrap_or_else(|| panic!("{what}"));
    assert!(at("<h1>Has the new build become slower?</h1>") < at("id=\"gate\""));
    assert!(at("id=\"gate\"") < at("id=\"workloads\""));
    for gone in ["id=\"answer\"", "id=\"matrix\"", "id=\"decision\"", "Choose", "NaN", "inf\""] {
        assert!(!page.contains(gone), "{gone}");
    }
    let section = &page[at("id=\"gate\"")..at("id=\"workloads\"")];
    let gate = judged(&sample());
    assert_eq!(section.matches("<svg class=\"plot\"").count(), gate.cells.len());
    assert_eq!(section.matches("<summary>Data</summary>").count(), gate.cells.len());
    // A triangle has three corners, a square four: the shape tells search from fresh without colour.
    let confirmed = gate.cells.iter().filter(|one| one.confirmed.is_some()).count();
    assert!(confirmed > 0 && section.contains("Squares: fresh rounds"));
    assert_eq!(section.matches("class=\"mark s1 m49\"").count(), confirmed);
    assert_eq!(section.matches("class=\"mark s2 m50\"").count(), gate.cells.len());
    for one in &gate.cells {
        assert!(section.contains(one.reason().as_str()), "{}", one.reason());
    }
}

#[test]
fn labels_of_the_sides_stay_text() {
    let mut bundle = sample();
    let hostile = "<script>alert(1)</script>\"'\u{1b}[31m";
    let comparison = bundle.run.comparison.as_mut().expect("a comparison");
    comparison.a.label = hostile.to_owned();
    comparison.b.origin = Origin::Command { words: hostile.to_owned() };
    let analysis = analyse(&bundle);
    let page = html::report(&analysis);
    assert_eq!(page.matches("<script").count(), 1);
    let control = |c: char| c.is_control() && c != '\n';
    assert!(!page.contains(control) && !summary(&analysis, &SummaryOptions::default()).contains(control));
}
