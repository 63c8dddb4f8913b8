//! What becomes of spoiled trials and of figures at the limits: tries again, runs without a verdict, marks, drift.

use crate::support;

use bakeoff_reports::analysis::analyse;
use bakeoff_reports::cells::exclusion::Exclusion;
use bakeoff_reports::record::bundle::Bundle;
use bakeoff_reports::record::{Doubt, Invalid, Metric, Reading, Trial};
use bakeoff_reports::rules::verdict::Status;
use bakeoff_reports::show::html;
use bakeoff_reports::show::text::{SummaryOptions, summary};
use support::{measured, winners, with_throughput};

/// Two models in so many blocks, the second twice as fast; others took 20 % of the CPUs in the first trial of the first `lost`.
fn disturbed(blocks: usize, lost: u32) -> Bundle {
    let (slow, fast) = (vec![1000; blocks], vec![2000; blocks]);
    let mut bundle = with_throughput(&[&slow, &fast]);
    let hit = |trial: &&mut Trial| trial.model == "iterative" && trial.round < lost;
    for trial in bundle.trials.iter_mut().filter(hit) {
        trial.invalid.push(Invalid::ForeignLoad { share: 0.2 });
        trial.usage.foreign_share = Reading::Value(0.2);
    }
    bundle
}

#[test]
fn a_disturbed_block_is_left_out_whole_and_the_others_decide() {
    let analysis = analyse(&disturbed(10, 4));
    let verdict = &analysis.workloads[0].verdict;
    assert_eq!((winners(&analysis), verdict.status), (vec!["fork-per-client"], Status::Decided));
    assert_eq!((verdict.clean_blocks, verdict.disturbed_blocks), (6, 4));
    assert_eq!((analysis.valid, analysis.excluded.len()), (12, 8), "no trial of a disturbed block counts");
    let aside = analysis.excluded.iter().filter(|one| one.reasons == [Exclusion::DisturbedBlock]);
    assert_eq!(aside.count(), 4);
    assert!(analysis.is_firm() && !analysis.says_nothing());
    let caveat = support::caveats(&analysis).join(" ");
    assert!(
        caveat.contains("4 of 10 blocks were disturbed") && caveat.contains("rest on the others"),
        "{caveat}"
    );
}

#[test]
fn a_generator_that_others_made_late_counts_as_disturbed_and_one_late_by_itself_does_not() {
    let late = Invalid::GeneratorTail { lag_p99_ns: 900_000, limit_ns: 200_000 };
    let mut bundle = disturbed(4, 4);
    bundle
        .trials
        .iter_mut()
        .filter(|trial| !trial.invalid.is_empty())
        .for_each(|trial| trial.invalid.push(late.clone()));
    let verdict = &analyse(&bundle).workloads[0].verdict;
    assert_eq!((verdict.status, verdict.disturbed_blocks), (Status::Provisional, 4));
    for trial in &mut bundle.trials {
        trial.invalid.retain(|reason| *reason == late);
    }
    let analysis = analyse(&bundle);
    assert_ne!(analysis.workloads[0].verdict.status, Status::Provisional);
    assert_eq!(analysis.excluded.len(), 4, "nobody else is to blame");
    assert!(analysis.says_nothing(), "one model is left, and nobody to compare it with");
}

#[test]
fn where_all_blocks_are_disturbed_the_answer_is_provisional_and_says_what_it_rests_on() {
    let mut bundle = disturbed(4, 4);
    for trial in &mut bundle.trials {
        // The slower one spends twice the CPU on a request.
        let replies = measured(&mut trial.measured).completed_in_window;
        let each = if replies == 1000 { 20_000 } else { 10_000 };
        trial.usage.window_cpu_ns = Reading::Value(replies * each);
    }
    let analysis = analyse(&bundle);
    let verdict = &analysis.workloads[0].verdict;
    assert_eq!((winners(&analysis), verdict.status.name()), (vec!["fork-per-client"], "provisional"));
    assert_eq!(
        verdict.provisional.map(|how| how.by),
        Some(Metric::CpuPerRequest),
        "what a neighbour moves least"
    );
    assert_eq!((analysis.valid, analysis.excluded.len()), (8, 0), "all trials are behind it");
    assert!(!analysis.is_firm() && !analysis.says_nothing());
    let lead = verdict.lead();
    assert!(lead.starts_with("Provisional: 4 of 4 blocks disturbed."), "{lead}");
    assert!(lead.contains("iterative has at least 1.") && lead.contains("the CPU per request of"), "{lead}");
    let (text, page) = (summary(&analysis, &SummaryOptions::default()), html::report(&analysis));
    assert!(text.contains("→ provisional (disturbed): fork-per-client"), "{text}");
    assert!(
        page.contains("Provisional (disturbed)") && page.contains("1 workload has only a provisional answer")
    );
    // Where the CPU time says one thing and the throughput another, nothing is claimed.
    for trial in &mut bundle.trials {
        let replies = measured(&mut trial.measured).completed_in_window;
        trial.usage.window_cpu_ns = Reading::Value(replies * if replies == 1000 { 10_000 } else { 20_000 });
    }
    let verdict = &analyse(&bundle).workloads[0].verdict;
    assert!(verdict.winners.is_empty() && verdict.status.name() == "provisional", "{}", verdict.lead());
}

#[test]
fn a_run_without_a_valid_trial_says_nothing() {
    let mut bundle = disturbed(3, 0);
    bundle.trials.iter_mut().for_each(|trial| trial.invalid.push(Invalid::Unbalanced));
    let analysis = analyse(&bundle);
    assert!(analysis.says_nothing() && analysis.workloads[0].verdict.winners.is_empty());
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
    assert!(support::caveats(&analysis).iter().all(|c| !c.contains("planned") && !c.contains("disturbed")));
    let text = summary(&analysis, &SummaryOptions::default());
    assert!(text.contains("replaced by a retry"), "{text}");
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
fn trials_that_count_though_the_machine_was_slower_are_told_above_the_figures() {
    let mut bundle = with_throughput(&[&[1000; 5], &[1000; 5]]);
    assert!(support::caveats(&analyse(&bundle)).iter().all(|caveat| !caveat.contains("slower")));
    bundle.trials.iter_mut().for_each(|trial| trial.loop_ns = Some([1e6, 1e6]));
    bundle.trials[2].doubts.push(Doubt::Slowed { factor: 1.5 });
    let caveats = support::caveats(&analyse(&bundle)).join(" ");
    assert!(
        caveats.contains("0 of 10 trials were made again for it, 1 count though it was (1.50× as long"),
        "{caveats}"
    );
}
