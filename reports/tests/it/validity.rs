//! What becomes of spoiled trials and of figures at the limits: tries again, runs without a verdict, marks, drift.

use crate::support;

use bakeoff_reports::analysis::analyse;
use bakeoff_reports::record::bundle::Bundle;
use bakeoff_reports::record::{Invalid, Metric, Reading, Trial};
use bakeoff_reports::rules::verdict::Outcome;
use bakeoff_reports::show::html;
use bakeoff_reports::show::text::{SummaryOptions, summary};
use support::{measured, winners, with_throughput};

#[test]
fn a_run_with_too_many_invalid_trials_has_no_verdict_and_says_so_first() {
    // 20 rounds of a model under a workload: 3 lost are 15 % and a verdict, 4 are not.
    let bundle = |lost: usize| {
        let mut bundle = with_throughput(&[&[1000; 10], &[2000; 10]]);
        bundle
            .trials
            .iter_mut()
            .take(lost)
            .for_each(|trial| trial.invalid.push(Invalid::Stolen { share: 0.2 }));
        bundle
    };
    let analysis = analyse(&bundle(3));
    assert!(!analysis.is_invalid());
    assert_eq!(winners(&analysis), ["fork-per-client"]);
    let analysis = analyse(&bundle(4));
    assert!(analysis.is_invalid());
    let verdict = &analysis.workloads[0].verdict;
    assert_eq!(verdict.outcome, Outcome::NoVerdict { lost: 4, asked: 20 });
    assert!(verdict.standings.iter().all(|standing| !verdict.is_winner(standing)));
    assert!(
        support::caveats(&analysis)[1].starts_with("No verdict: 4 of 20 trials"),
        "{:?}",
        analysis.caveats()
    );
    let text = summary(&analysis, &SummaryOptions::default());
    assert!(text.contains("→ no verdict") && !text.contains("best  ") && !text.contains("→ fork"), "{text}");
    let page = html::report(&analysis);
    assert!(
        !page.contains("class=\"winners\"") && !page.contains("<td class=\"f0\">"),
        "nobody is called best"
    );
    assert!(page.contains("No verdict: 4 of 20 trials") && page.contains("<b>No verdict.</b>"));
    assert!(!page.contains("Choose fork"));
}

#[test]
fn the_first_valid_try_of_a_round_counts_and_all_are_kept() {
    let mut bundle = with_throughput(&[&[1000; 5], &[2000; 5]]);
    let again = |trial: &Trial, attempt, replies, invalid: &[Invalid]| {
        let mut trial = Trial { index: 100 + attempt, attempt, ..trial.clone() };
        measured(&mut trial.measured).completed_in_window = replies;
        trial.invalid = invalid.to_vec();
        trial
    };
    let first = bundle.trials[0].clone();
    let stolen = [Invalid::Stolen { share: 0.2 }];
    bundle.trials[0].invalid = stolen.to_vec();
    // A record holds them in the order they were run: spoiled, spoiled again, valid, and one more that nobody asked for.
    bundle.trials.push(again(&first, 1, 50, &stolen));
    bundle.trials.push(again(&first, 2, 1_200, &[]));
    bundle.trials.push(again(&first, 3, 9_999, &[]));
    let analysis = analyse(&bundle);
    assert_eq!((analysis.recorded, analysis.tried_again, analysis.valid), (13, 3, 10));
    assert_eq!((analysis.asked, analysis.lost), (10, 0));
    let rates: Vec<f64> = analysis.workloads[0].cells[0]
        .rounds
        .iter()
        .map(|r| r.value(Metric::Throughput).expect("measured") / 2.0)
        .collect();
    assert_eq!(rates, [1_200.0, 1_000.0, 1_000.0, 1_000.0, 1_000.0], "each window is half a second");
    let told: Vec<_> = analysis.excluded.iter().map(|t| (t.attempt, t.replaced, t.reasons.len())).collect();
    assert_eq!(told, [(0, true, 1), (1, true, 1), (3, true, 1)]);
    assert!(support::caveats(&analysis).iter().all(|c| !c.contains("planned") && !c.contains("No verdict")));
    let text = summary(&analysis, &SummaryOptions::default());
    assert!(text.contains("replaced by a retry"), "{text}");
}

#[test]
fn what_is_said_of_lost_rounds_counts_them_and_not_the_rounds_that_were_made_good() {
    let mut bundle = with_throughput(&[&[1000; 10], &[2000; 10]]);
    let again = |trial: &Trial, attempt, invalid: Invalid| Trial {
        index: 100 + trial.index,
        attempt,
        invalid: vec![invalid],
        ..trial.clone()
    };
    let (stolen, foreign) = (Invalid::Stolen { share: 0.2 }, Invalid::ForeignLoad { share: 0.3 });
    // Five lost rounds, two of them tried again; and one that was made good by its second try, which blames a third thing.
    let mut more = Vec::new();
    for at in 0..5 {
        bundle.trials[at].invalid = vec![if at < 2 { stolen.clone() } else { foreign.clone() }];
        if at < 2 {
            more.push(again(&bundle.trials[at], 1, stolen.clone()));
        }
    }
    let mut good = again(&bundle.trials[5], 1, stolen.clone());
    good.invalid.clear();
    more.push(good);
    bundle.trials[5].invalid = vec![stolen];
    bundle.trials.append(&mut more);
    let analysis = analyse(&bundle);
    assert_eq!((analysis.asked, analysis.lost, analysis.tried_again), (20, 5, 3));
    let told = "No verdict: 5 of 20 trials had to be left out, for 2 of which retries failed too, most of them (3) because \
                other programs took too much of the pinned CPUs;";
    assert!(support::caveats(&analysis)[1].starts_with(told), "{:?}", analysis.caveats());
    assert_eq!(analysis.workloads[0].cells.iter().map(|cell| cell.excluded).sum::<u32>(), 5);
    for trial in &mut bundle.trials[2..4] {
        trial.invalid = vec![Invalid::Unbalanced];
    }
    let told = support::caveats(&analyse(&bundle))[1].clone();
    assert!(told.contains("the most frequent reason (2) because "), "{told}");
}

#[test]
fn figures_at_the_limits_of_the_generator_are_marked_wherever_they_stand() {
    let mut bundle = with_throughput(&[&[1000; 5], &[1000; 5]]);
    let Reading::Value(probe) = &mut bundle.run.probe else { panic!("the sample has a probe") };
    let Reading::Value(reached) = &mut probe.ceilings[0].reached else { panic!("and a ceiling") };
    // 1,000 replies in half a second are 2,000 a second, 80 % of 2,500.
    reached.rate_per_s = 2_500.0;
    let marks = |bundle: &Bundle| {
        let analysis = analyse(bundle);
        let text = summary(&analysis, &SummaryOptions { width: 1_000, ..SummaryOptions::default() });
        let told = "At the generator's limit (the null server did 2.50k/s): iterative, fork-per-client.";
        let page = html::report(&analysis);
        assert_eq!(page.contains(told), text.contains(told), "both say so or none");
        (text.contains(told), page.matches("title=\"at the generator's limit\"").count())
    };
    assert_eq!(marks(&bundle), (true, 4), "in the matrix and in the table");
    let Reading::Value(probe) = &mut bundle.run.probe else { panic!("the sample has a probe") };
    probe.ceilings[0].scenarios = vec!["another workload".to_owned()];
    assert_eq!(marks(&bundle), (false, 0), "a limit holds for the load it was measured with");
    bundle.run.probe = Reading::Absent("not wanted".to_owned());
    assert_eq!(marks(&bundle), (false, 0));
    assert!(html::report(&analyse(&bundle)).contains("Not measured before this run: not wanted."));
}

#[test]
fn a_machine_that_moved_within_a_round_is_told_above_the_figures() {
    let mut bundle = with_throughput(&[&[1000; 5], &[1000; 5]]);
    assert!(support::caveats(&analyse(&bundle)).iter().all(|caveat| !caveat.contains("speed moved")));
    bundle.rounds[2].loop_before_ns = Reading::Value(1e6);
    bundle.rounds[2].loop_after_ns = Reading::Value(1.5e6);
    bundle.rounds[3].loop_after_ns = Reading::Absent("no clock".to_owned());
    let caveats = support::caveats(&analyse(&bundle)).join(" ");
    assert!(caveats.contains("more than 10 % within 1 of 4 rounds (1.50× at most)"), "{caveats}");
}
