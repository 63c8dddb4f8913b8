//! Verdicts on records with known answers: ties, floors, starvation, too few rounds, and what must not matter.

use crate::support;

use bakeoff_reports::analysis::{Analysis, analyse};
use bakeoff_reports::cells::exclusion::Exclusion;
use bakeoff_reports::record::bundle::Bundle;
use bakeoff_reports::record::histogram::Recorder;
use bakeoff_reports::record::{
    Counts, Doubt, ErrorKind, Invalid, Load, Metric, Reading, Spread, Switches, Trial, WARMUP_SLICES,
};
use bakeoff_reports::rules::verdict::{MIN_BLOCKS, Place, Status};
use bakeoff_reports::sample::{self, Spec};
use bakeoff_reports::show::html;
use bakeoff_reports::show::text::{SummaryOptions, summary};
use proptest::prelude::*;
use std::time::Duration;
use support::{measured, winners, with_throughput};

#[test]
fn a_clear_winner_wins_through_any_drift() {
    // Drift of a factor of three between rounds, the same for both; the second is ahead by 10 % in each.
    let analysis = analyse(&with_throughput(&[
        &[1000, 3000, 2000, 1500, 1200, 900],
        &[1100, 3300, 2200, 1650, 1320, 990],
    ]));
    assert_eq!(winners(&analysis), ["fork-per-client"]);
    let Place::Behind(factor) = analysis.workloads[0].verdict.standings[1].place else { panic!("behind") };
    assert!((factor.median - 1.1).abs() < 1e-9 && (1.08..1.1).contains(&factor.low), "{factor:?}");
}

#[test]
fn a_difference_below_the_floor_is_a_tie_however_certain() {
    let analysis = analyse(&with_throughput(&[&[1000; 5], &[1020; 5]]));
    assert_eq!(winners(&analysis), ["fork-per-client", "iterative"]);
    let analysis = analyse(&with_throughput(&[&[1000; 6], &[1050; 6]]));
    assert_eq!(winners(&analysis), ["fork-per-client"], "5 % is above the floor of 3 %");
}

#[test]
fn many_discarded_trials_are_told_before_anything_else_with_what_to_do() {
    let mut bundle = with_throughput(&[&[1000; 6], &[1000; 6]]);
    assert!(support::caveats(&analyse(&bundle)).iter().all(|caveat| !caveat.contains("left out")));
    for (at, trial) in bundle.trials.iter_mut().take(4).enumerate() {
        trial.invalid.push(Invalid::ForeignLoad { share: 0.2 + at as f64 / 10.0 });
    }
    let caveats = support::caveats(&analyse(&bundle)).join(" ");
    let told = "2 of 6 blocks were disturbed, most often because other programs took too much of the pinned CPUs (4 trials). \
                The answers rest on the others.";
    assert!(caveats.contains(told), "{caveats}");
}

#[test]
fn exact_ties_keep_the_order_of_the_run() {
    let analysis = analyse(&with_throughput(&[&[1000; 5], &[1000; 5], &[1000; 5]]));
    assert_eq!(winners(&analysis), ["iterative", "fork-per-client", "thread-per-client"]);
}

#[test]
fn too_few_blocks_are_undecided_and_say_how_many_are_missing() {
    let analysis = analyse(&with_throughput(&[&[1000; 8], &[1100; 8], &[5000; 2]]));
    let verdict = &analysis.workloads[0].verdict;
    assert_eq!(winners(&analysis), ["fork-per-client"], "two blocks do not win, however good");
    assert_eq!(verdict.standings[2].place, Place::TooFew { more: MIN_BLOCKS - 2 });
    assert!(verdict.lead().contains("Not compared: thread-per-client (2 of the 3 blocks needed)."));
    let verdict = &analyse(&with_throughput(&[&[1000; 2], &[1100; 2]])).workloads[0].verdict;
    assert_eq!(verdict.status, Status::Undecided { more: Some(1) });
    assert_eq!((verdict.choice().as_str(), verdict.status.name()), ("undecided (1 more block)", "undecided"));
}

/// Makes the bundle part of a larger run whose other trials are all valid: a workload of one model, which has no winner.
fn in_a_larger_run(mut bundle: Bundle, trials: u32) -> Bundle {
    let mut scenario = bundle.run.scenarios[0].clone();
    (scenario.name, scenario.models) = ("another".to_owned(), vec!["iterative".to_owned()]);
    let like = bundle.trials[0].clone();
    for at in 0..trials {
        let mut trial =
            Trial { index: 1_000 + at, round: at, scenario: scenario.name.clone(), ..like.clone() };
        trial.model.clone_from(&scenario.models[0]);
        bundle.trials.push(trial);
    }
    bundle.run.scenarios.push(scenario);
    bundle
}

#[test]
fn a_model_whose_trials_are_all_invalid_is_invalid_and_they_are_listed() {
    let mut bundle = in_a_larger_run(with_throughput(&[&[1000; 8], &[900; 8], &[5000; 8]]), 30);
    for trial in bundle.trials.iter_mut().filter(|trial| trial.model == "thread-per-client") {
        trial.invalid.push(Invalid::WrongReply { replies: 1, kinds: Vec::new() });
    }
    let analysis = analyse(&bundle);
    assert_eq!(winners(&analysis), ["iterative"]);
    assert_eq!(analysis.workloads[0].verdict.standings[2].place, Place::Invalid);
    assert_eq!((analysis.excluded.len(), analysis.valid, analysis.recorded), (8, 46, 54));
    assert_eq!(
        analysis.excluded[0].reasons,
        [Exclusion::Invalid(Invalid::WrongReply { replies: 1, kinds: Vec::new() })]
    );
}

/// Makes the trials of a model invalid, the first so many of them.
fn spoil(bundle: &mut Bundle, model: &str, trials: usize) {
    let of_model = bundle.trials.iter_mut().filter(|trial| trial.model == model);
    let late = Invalid::GeneratorLate { lag_p50_ns: 2, limit_ns: 1 };
    of_model.take(trials).for_each(|trial| trial.invalid.push(late.clone()));
}

#[test]
fn models_that_could_not_be_compared_are_named_wherever_a_choice_is() {
    let mut bundle = with_throughput(&[&[1000; 6], &[1000; 6], &[1000; 6], &[1000; 6], &[1000; 6]]);
    bundle = in_a_larger_run(bundle, 60);
    spoil(&mut bundle, "fork-per-client", 6);
    spoil(&mut bundle, "thread-per-client", 4);
    let analysis = analyse(&bundle);
    let told = "Not compared: fork-per-client (0 of the 3 blocks needed, 6 trials left out as invalid); \
                thread-per-client (2 of the 3 blocks needed, 4 trials left out as invalid).";
    let lead = analysis.workloads[0].verdict.lead();
    assert_eq!(winners(&analysis).len(), 3);
    assert!(lead.contains("are near each other") && lead.ends_with(told), "{lead}");
    assert_eq!(html::report(&analysis).matches(told).count(), 2, "in the card and in the section");
    let text = summary(&analysis, &SummaryOptions { width: 1_000, ..SummaryOptions::default() });
    assert!(text.contains(told), "{text}");
}

#[test]
fn too_few_requests_are_told_apart_from_invalid_trials() {
    let mut bundle =
        sample::bundle(&Spec { scenarios: 2, models: 3, rounds: 5, requests: 400, ..Spec::default() });
    for trial in bundle.trials.iter_mut().filter(|trial| trial.model == "thread-per-client") {
        let measured = measured(&mut trial.measured);
        let mut few = Recorder::fine();
        (1..=100).for_each(|at| few.record(at * 1_000));
        measured.counts = Counts { sent: 100, ok: 100, ..Counts::default() };
        measured.response = few.encode();
    }
    let lead = analyse(&bundle).workloads[1].verdict.lead();
    let told =
        "thread-per-client (0 of the 3 blocks needed, 5 trials with too few requests for a response p99)";
    assert!(lead.contains(told), "{lead}");
}

/// A trial in which the server answered nothing, whether it lives or died.
fn silence(trial: &mut Trial, sent: u64) {
    trial.doubts = vec![Doubt::ServerDied { detail: "signal 11".to_owned() }];
    trial.server = Reading::Absent("it died".to_owned());
    trial.usage.switches.replies = Reading::Value(0);
    let measured = measured(&mut trial.measured);
    let empty = Recorder::fine().encode();
    measured.counts = Counts { sent, in_flight_at_end: sent, ..Counts::default() };
    measured.warmup_sent = 0;
    measured.warmup_completed = vec![0; WARMUP_SLICES];
    (measured.completed_in_window, measured.reply_bytes_in_window) = (0, 0);
    (measured.response, measured.service) = (empty.clone(), empty);
    let connections = measured.spread.connections;
    measured.spread = Spread { connections, never_served: connections, ..Spread::default() };
    measured.slices.iter_mut().for_each(|slice| {
        slice.completed = 0;
        slice.response = Recorder::coarse().encode();
    });
}

#[test]
fn a_model_that_answers_nothing_is_behind_and_never_excluded() {
    // As many requests as a percentile needs; as many as a closed loop sends that is never answered.
    for sent in [1_000, 64] {
        let mut bundle =
            sample::bundle(&Spec { scenarios: 2, models: 3, rounds: 5, requests: 400, ..Spec::default() });
        bundle.trials.iter_mut().for_each(|trial| trial.invalid.clear());
        let silent = |trial: &&mut Trial| trial.model == "thread-per-client";
        bundle.trials.iter_mut().filter(silent).for_each(|trial| silence(trial, sent));
        let analysis = analyse(&bundle);
        assert_eq!(analysis.valid, analysis.recorded);
        for workload in &analysis.workloads {
            let standing = workload.verdict.standing("thread-per-client").expect("it ran");
            let Place::Behind(factor) = standing.place else { panic!("{sent}: {standing:?}") };
            assert!(factor.high.is_infinite() && factor.low > 100.0, "at least the timeout: {factor:?}");
            let costs = &workload.cell("thread-per-client").expect("it ran");
            let absent = |reading: &Reading<f64>| match reading {
                Reading::Absent(why) => why.clone(),
                Reading::Value(value) => panic!("{value} for no reply"),
            };
            assert_eq!(absent(costs.get(Metric::CpuPerRequest)), "no reply to share it among");
            assert_eq!(absent(costs.get(Metric::SwitchesPerRequest)), "no reply to share it among");
        }
        told_without_nan(&analysis);
        bundle.trials.iter_mut().for_each(|trial| silence(trial, sent));
        let analysis = analyse(&bundle);
        for workload in &analysis.workloads {
            assert_eq!(workload.verdict.status, Status::NoneFits, "{sent}: {}", workload.scenario.name);
        }
        let text = told_without_nan(&analysis);
        assert!(text.contains("no model") && !text.contains("best  "), "{text}");
    }
}

/// Both reports, for what must stand in neither; the summary is handed back.
fn told_without_nan(analysis: &Analysis) -> String {
    let (page, text) = (html::report(analysis), summary(analysis, &SummaryOptions::default()));
    for broken in ["NaN", "inf"] {
        let found = |text: &str| text.split(|c: char| !c.is_alphanumeric()).any(|word| word == broken);
        assert!(!found(&page) && !found(&text), "{broken}");
    }
    text
}

#[test]
fn a_winner_that_starves_is_told_on() {
    let mut bundle = with_throughput(&[&[1000; 6], &[2000; 6]]);
    for trial in &mut bundle.trials {
        let winner = trial.model == "fork-per-client";
        let spread = &mut measured(&mut trial.measured).spread;
        (spread.connections, spread.never_served) = (64, if winner { 48 } else { 0 });
    }
    let analysis = analyse(&bundle);
    assert_eq!(winners(&analysis), ["fork-per-client"]);
    let reason = &analysis.workloads[0].reason();
    let told = "Careful: fork-per-client wins while 75 % of its connections never got a reply.";
    assert!(reason.contains(told), "{reason}");
}

#[test]
fn the_largest_numbers_a_record_can_hold_break_nothing() {
    let mut bundle = with_throughput(&[&[u64::MAX; 5], &[u64::MAX; 5], &[1; 5]]);
    for trial in &mut bundle.trials {
        (trial.index, trial.started_unix_ms) = (u32::MAX, u64::MAX);
        trial.server = Reading::Value([("accepted".to_owned(), u64::MAX)].into());
        let most = || Reading::Value(u64::MAX);
        let usage = &mut trial.usage;
        (usage.window_cpu_ns, usage.pss_bytes, usage.threads) = (most(), most(), most());
        usage.processes = most();
        usage.switches = Switches { voluntary: most(), involuntary: most(), replies: Reading::Value(1) };
        usage.foreign_share = Reading::Value(f64::MAX);
        let measured = measured(&mut trial.measured);
        measured.window_ns = if trial.round == 0 { 1 } else { u64::MAX };
        let ok = measured.counts.ok;
        measured.counts.sent = u64::MAX;
        measured.counts.timeouts = u64::MAX - ok - 2;
        measured.counts.errors = [(ErrorKind::Reset, 1), (ErrorKind::Other, 1)].into();
        (measured.counts.in_flight_at_end, measured.counts.never_written) = (0, 0);
        assert!(measured.counts.balanced());
        (measured.warmup_sent, measured.reply_bytes_in_window) = (u64::MAX, u64::MAX);
        for histogram in [&mut measured.response, &mut measured.service, &mut measured.connect] {
            (histogram.sum_ns, histogram.max_ns, histogram.saturated) = (u64::MAX, u64::MAX, u64::MAX);
        }
        let most = u64::MAX;
        measured.spread = Spread {
            connections: most,
            never_served: most,
            replies: most,
            replies_squared: most,
            fewest: most,
            most,
            hdr_v2: String::new(),
        };
        for slice in &mut measured.slices {
            (slice.start_ns, slice.length_ns, slice.completed) = (most, most, most);
        }
        trial.doubts = vec![
            Doubt::Unanswered { requests: most, sent: most },
            Doubt::PartlyConnected { connected: most, clients: 0 },
            Doubt::Unsteady { ratio: f64::MAX },
        ];
    }
    // Rounds and indices are shown from 1.
    let last = bundle.trials.last_mut().expect("there are trials");
    last.round = u32::MAX;
    bundle.trials[0].invalid.push(Invalid::Stolen { share: f64::MAX });
    bundle.trials[0].round = u32::MAX;
    bundle.run.rounds = u32::MAX;
    let scenario = &mut bundle.run.scenarios[0];
    scenario.load = Load::Closed { clients: u32::MAX, think: Duration::MAX };
    (scenario.timing.window, scenario.timing.warmup) = (Duration::MAX, Duration::MAX);
    for merit in Metric::ALL {
        bundle.run.scenarios[0].merit = merit;
        let analysis = analyse(&bundle);
        assert_eq!((analysis.valid, analysis.excluded.len()), (13, 2), "{:?}", analysis.excluded);
        told_without_nan(&analysis);
    }
}

#[test]
fn a_sum_too_large_for_its_counts_is_not_balanced() {
    let errors = [(ErrorKind::Reset, u64::MAX), (ErrorKind::Other, u64::MAX)].into();
    let counts = Counts { sent: u64::MAX, ok: 5, errors, timeouts: 9, ..Counts::default() };
    assert_eq!((counts.errors_total(), counts.unanswered()), (u64::MAX, u64::MAX));
    assert!(!counts.balanced());
}

#[test]
fn records_that_contradict_themselves_are_left_out_with_the_reason() {
    let mut bundle = with_throughput(&[&[1000; 6], &[900; 6]]);
    measured(&mut bundle.trials[0].measured).counts.sent += 1;
    measured(&mut bundle.trials[1].measured).window_ns = 0;
    measured(&mut bundle.trials[2].measured).response.hdr_v2 = "AAAA".to_owned();
    bundle.trials[3].scenario = "never heard of".to_owned();
    bundle.trials[4].measured = Reading::Absent("the disk was on fire".to_owned());
    let twice = bundle.trials[5].clone();
    bundle.trials.push(twice);
    let analysis = analyse(&bundle);
    let reasons: Vec<String> = analysis.excluded.iter().map(|trial| trial.reasons[0].to_string()).collect();
    let expected = [
        "do not add up",
        "no length",
        "response histogram is not",
        "does not declare",
        "on fire",
        "recorded before",
    ];
    assert_eq!(reasons.len(), expected.len(), "{reasons:?}");
    for (reason, expected) in reasons.iter().zip(expected) {
        assert!(reason.contains(expected), "{reason:?} for {expected:?}");
    }
}

#[test]
fn a_starved_model_is_behind_without_bound_and_nobody_fits_when_all_starve() {
    let mut bundle =
        sample::bundle(&Spec { scenarios: 2, models: 4, rounds: 5, requests: 1000, ..Spec::default() });
    let verdict = &analyse(&bundle).workloads[1].verdict;
    let Place::Behind(factor) = verdict.standing("iterative").expect("it ran").place else {
        panic!("behind")
    };
    assert!(factor.high.is_infinite() && factor.low > 10.0, "at least the timeout: {factor:?}");
    for trial in &mut bundle.trials {
        let measured = measured(&mut trial.measured);
        // As many requests again that were never answered.
        measured.counts.sent += measured.counts.ok;
        measured.counts.in_flight_at_end += measured.counts.ok;
    }
    let verdict = &analyse(&bundle).workloads[1].verdict;
    assert_eq!(verdict.status, Status::NoneFits);
    assert_eq!(verdict.choice(), "no model");
}

#[test]
fn a_percentile_with_too_few_requests_decides_nothing() {
    let mut bundle = with_throughput(&[&[1000; 5], &[900; 5]]);
    bundle.run.scenarios[0].merit = Metric::ResponseP99;
    let undecided = |bundle: &Bundle, at: usize| analyse(bundle).workloads[at].verdict.standings[0].place;
    assert!(undecided(&bundle, 0).is_compared(), "400 suffice");
    let spec = Spec { scenarios: 2, models: 2, rounds: 5, requests: 380, ..Spec::default() };
    assert!(!undecided(&sample::bundle(&spec), 1).is_compared(), "380 do not");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn the_order_of_workloads_and_trials_does_not_matter(seed in any::<u64>(), scenarios in 2_usize..4) {
        let spec = Spec { seed, scenarios, models: 3, rounds: 4, requests: 60, slices: 1 };
        let straight = sample::bundle(&spec);
        let mut turned = straight.clone();
        turned.run.scenarios.reverse();
        turned.trials.reverse();
        let (straight, mut turned) = (analyse(&straight), analyse(&turned));
        turned.workloads.reverse();
        prop_assert_eq!(straight.workloads, turned.workloads);
    }
}
