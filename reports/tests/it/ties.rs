//! What is said of models that are not behind, or not clearly: equal, near, not told apart, behind one of the front only.

use crate::support;

use bakeoff_reports::analysis::analyse;
use bakeoff_reports::record::Axis;
use bakeoff_reports::rules::verdict::{Closeness, Flip, Place, Status};
use bakeoff_reports::show::text::{SummaryOptions, summary};
use support::{winners, with_throughput};

#[test]
fn a_difference_that_is_not_certain_is_undecided_with_the_blocks_it_would_take() {
    let analysis = analyse(&with_throughput(&[&[1000; 8], &[1500, 700, 1400, 800, 1300, 900, 1600, 750]]));
    let verdict = &analysis.workloads[0].verdict;
    assert!(matches!(verdict.status, Status::Undecided { more: Some(8..) }), "{:?}", verdict.status);
    let Place::Open(factor) = verdict.standings[1].place else { panic!("{:?}", verdict.standings) };
    assert!(factor.median > 1.0 && factor.low < 1.0, "{factor:?}");
    assert!(
        verdict.winners.is_empty() && verdict.choice().starts_with("undecided ("),
        "{}",
        verdict.choice()
    );
    assert_eq!(verdict.lead(), "No model is shown to be behind in throughput.");
    let text = summary(&analysis, &SummaryOptions::default());
    assert!(!text.contains("best  ") && text.contains("1.00"), "nobody is called best: {text}");
}

#[test]
fn near_models_all_win_and_the_words_say_how_near() {
    let figures =
        [[1000, 1002, 999, 1001, 1000, 998, 1003, 1000], [1003, 1001, 1002, 1000, 1004, 1002, 1001, 1003]];
    let analysis = analyse(&with_throughput(&[&figures[0], &figures[1]]));
    let verdict = &analysis.workloads[0].verdict;
    // Eight blocks do not exclude that a third of the processes is a bad one.
    assert_eq!((verdict.status, verdict.closeness), (Status::Decided, Some(Closeness::Near)));
    assert!(matches!(verdict.standings[1].place, Place::Near(_)), "{:?}", verdict.standings);
    assert_eq!(verdict.choice(), "fork-per-client or iterative");
    let lead = verdict.lead();
    assert!(lead.starts_with("fork-per-client and iterative are near each other (by up to 1.01×"), "{lead}");
    assert!(summary(&analysis, &SummaryOptions::default()).contains("1.00≈"));
}

#[test]
fn equal_takes_blocks_that_exclude_bad_processes() {
    let row = |offset: u64| -> Vec<u64> { (0..32).map(|at| 20_000 + offset + at * 37 % 11).collect() };
    let (first, second) = (row(0), row(5));
    let verdict = |second: &[u64]| {
        let analysis = analyse(&with_throughput(&[&first, second]));
        let verdict = &analysis.workloads[0].verdict;
        (verdict.status, verdict.closeness, verdict.lead())
    };
    let (status, closeness, lead) = verdict(&second);
    assert_eq!((status, closeness), (Status::Equal, Some(Closeness::Equal)));
    assert!(
        lead.starts_with("The 2 models differ in throughput by less than the 3 % that matter."),
        "{lead}"
    );
    // Three bad processes of 32: the typical one is as fast, and that is not enough.
    let mut bad = second;
    (0..3).for_each(|at| bad[at * 9] /= 2);
    assert_eq!(verdict(&bad).1, Some(Closeness::Near));
}

#[test]
fn a_large_difference_is_said_with_three_blocks() {
    let analysis = analyse(&with_throughput(&[&[1000, 1010, 990], &[9000, 9100, 8900]]));
    let verdict = &analysis.workloads[0].verdict;
    assert_eq!((winners(&analysis), verdict.status), (vec!["fork-per-client"], Status::Decided));
    let lead = verdict.lead();
    assert!(
        lead.starts_with("fork-per-client has at least 8.") && lead.contains("(9.00×, up to 9."),
        "{lead}"
    );
}

#[test]
fn a_boundary_from_a_sweep_stands_in_the_verdict() {
    let mut analysis = analyse(&with_throughput(&[&[1000; 8], &[2000; 8]]));
    let verdict = &mut analysis.workloads[0].verdict;
    let (before, after) = ("tokio".to_owned(), "iterative".to_owned());
    verdict.boundary = vec![Flip { before, after, axis: Axis::Clients, at: (210.0, 200.0, 220.0) }];
    let lead = verdict.lead();
    assert!(lead.contains(" tokio until 210 (200 to 220) clients, then iterative."), "{lead}");
}

#[test]
fn a_model_behind_one_of_the_front_and_not_told_from_another_is_said_to_be_both() {
    // The chain of the design: the third is behind the first and not told from the second; two more are far behind.
    let rows: [[u64; 6]; 5] = [
        [9524, 10101, 10204, 10417, 9901, 10309],
        [8754, 9398, 8503, 9019, 9111, 9301],
        [8344, 8107, 8425, 9046, 8184, 8680],
        [3205, 3333, 3236, 3145, 3268, 3509],
        [3094, 3222, 3005, 3125, 3034, 2948],
    ];
    let analysis = analyse(&with_throughput(&rows.each_ref().map(|row| &row[..])));
    let verdict = &analysis.workloads[0].verdict;
    let third = verdict.standing("thread-per-client").expect("it ran");
    assert!(matches!(third.place, Place::Between(_)), "{third:?}");
    assert_eq!(third.behind, ["iterative"]);
    assert_eq!(winners(&analysis), ["iterative", "fork-per-client"]);
    let lead = verdict.lead();
    assert!(lead.contains("thread-per-client is behind iterative, and not told from the others"), "{lead}");
    assert!(lead.contains("iterative and fork-per-client are near each other"), "{lead}");
}
