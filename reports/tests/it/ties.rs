//! What is said of models that are not behind, or not clearly: equal, not resolved, too few rounds, behind another than the
//! best.

#[allow(dead_code)] // other tests use the rest
use crate::support;

use bakeoff_reports::analysis::analyse;
use bakeoff_reports::record::Axis;
use bakeoff_reports::rules::verdict::Flip;
use bakeoff_reports::rules::verdict::Place;
use bakeoff_reports::show::text::{SummaryOptions, summary};
use support::{winners, with_throughput};

#[test]
fn a_difference_that_is_not_certain_is_not_resolved_however_large() {
    let analysis = analyse(&with_throughput(&[&[1000; 8], &[1500, 700, 1400, 800, 1300, 900, 1600, 750]]));
    assert_eq!(winners(&analysis), ["fork-per-client", "iterative"]);
    let verdict = &analysis.workloads[0].verdict;
    let Place::Unresolved { factor, more } = verdict.standings[1].place else {
        panic!("{:?}", verdict.standings)
    };
    assert!(factor.median > 1.05 && factor.low < 1.0 && more > 8, "{factor:?}, {more}");
    assert_eq!(verdict.choice(), "fork-per-client, or perhaps iterative");
    let lead = verdict.lead();
    assert!(
        lead.starts_with("The 2 models are not distinguishable by throughput with these rounds: none is shown to be behind."),
        "{lead}"
    );
    assert!(lead.contains("Not distinguishable from the best with these rounds: iterative (1.08×"), "{lead}");
    assert!(verdict.standings[1].detectable.expect("eight rounds") > 1.3, "such noise hides a lot");
}

#[test]
fn equal_models_are_shown_to_be_and_the_words_say_by_how_much() {
    let analysis = analyse(&with_throughput(&[
        &[1000, 1002, 999, 1001, 1000, 998, 1003, 1000],
        &[1003, 1001, 1002, 1000, 1004, 1002, 1001, 1003],
    ]));
    let verdict = &analysis.workloads[0].verdict;
    assert!(matches!(verdict.standings[1].place, Place::Equal(_)), "{:?}", verdict.standings);
    assert_eq!(verdict.choice(), "fork-per-client or iterative");
    let lead = verdict.lead();
    assert!(
        lead.starts_with(
            "The 2 models differ in throughput by less than the 3 % that matter. This run could detect differences of 3."
        ),
        "{lead}"
    );
    let text = summary(&analysis, &SummaryOptions::default());
    assert!(text.contains("1.00="), "{text}");
}

#[test]
fn too_few_rounds_to_call_anything_behind_are_said_with_how_many_it_takes() {
    let analysis = analyse(&with_throughput(&[&[1000; 5], &[3000; 5]]));
    let verdict = &analysis.workloads[0].verdict;
    assert!(
        matches!(verdict.standings[1].place, Place::Unresolved { more: 1, .. }),
        "{:?}",
        verdict.standings
    );
    let lead = verdict.lead();
    assert!(lead.ends_with("With 5 rounds no model can be shown to be behind: run at least 6."), "{lead}");
    let text = summary(&analysis, &SummaryOptions::default());
    assert!(text.contains("3.00~"), "{text}");
}

#[test]
fn one_clear_difference_among_many_comparisons_takes_more_rounds() {
    // Eight models, 28 pairs, of which 7 are as clear as can be: 7 of 28 suffice with 8 rounds, not with 6.
    let run = |rounds: usize| {
        let rows: Vec<Vec<u64>> = (0..8).map(|at| vec![if at == 3 { 500 } else { 1000 }; rounds]).collect();
        let rows: Vec<&[u64]> = rows.iter().map(Vec::as_slice).collect();
        analyse(&with_throughput(&rows))
    };
    assert_eq!(winners(&run(8)).len(), 7);
    assert_eq!(winners(&run(6)).len(), 8, "6 rounds: p is 0.031, and 7 of 28 ask for 0.0125");
}

#[test]
fn a_boundary_from_a_sweep_stands_in_the_verdict() {
    let mut analysis = analyse(&with_throughput(&[&[1000; 8], &[2000; 8]]));
    let verdict = &mut analysis.workloads[0].verdict;
    let (before, after) = ("tokio".to_owned(), "iterative".to_owned());
    verdict.boundary = vec![Flip { before, after, axis: Axis::Clients, at: (210.0, 200.0, 220.0) }];
    assert!(
        verdict.lead().contains(" tokio until 210 (200 to 220) clients, then iterative. "),
        "{}",
        verdict.lead()
    );
}

#[test]
fn a_model_that_an_equal_of_the_best_beats_is_behind_though_the_best_is_too_noisy_to_tell() {
    // The first is ahead in most rounds, but so noisy that it tells nothing; the second is 11 % ahead of the third in each.
    let noisy = [1300, 850, 1250, 1200, 880, 1150, 1100, 1400, 860, 1220];
    let analysis = analyse(&with_throughput(&[&noisy, &[1000; 10], &[900; 10]]));
    let verdict = &analysis.workloads[0].verdict;
    let last = verdict.standing("thread-per-client").expect("it ran");
    assert!(matches!(last.place, Place::Behind(factor) if factor.low < 1.0), "{last:?}");
    assert_eq!(last.beaten_by.as_deref(), Some("fork-per-client"));
    assert_eq!(winners(&analysis), ["iterative", "fork-per-client"]);
    let lead = verdict.lead();
    assert!(lead.contains("It is fork-per-client that thread-per-client is shown to be behind."), "{lead}");
}
