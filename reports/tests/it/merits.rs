//! The figures of merit beyond throughput and percentiles, and the recovery after a surge: each from made-up records with
//! a known answer, through the analysis to the words.

use crate::support;

use bakeoff_reports::analysis::analyse;
use bakeoff_reports::cells::recovery::Recovery;
use bakeoff_reports::record::bundle::Bundle;
use bakeoff_reports::record::histogram::Recorder;
use bakeoff_reports::record::{
    Arrivals, Background, ConnectionCounts, Doubt, Load, Metric, RateShape, Reading,
};
use bakeoff_reports::rules::verdict::{Place, Status};
use bakeoff_reports::show::html;
use bakeoff_reports::show::text::{SummaryOptions, summary};
use std::time::Duration;
use support::{measured, winners, with_throughput};

/// Two models over six rounds, each trial with so many requests, of which so many were answered after 1 ms and so many
/// after 9 ms. The window is half a second.
fn answers(models: [(u64, u64, u64); 2]) -> Bundle {
    let mut bundle = with_throughput(&[&[1000; 6], &[1000; 6]]);
    let names: Vec<String> = bundle.run.models.iter().map(|model| model.name.clone()).collect();
    for trial in &mut bundle.trials {
        let (sent, fast, slow) = models[usize::from(trial.model == names[1])];
        let mut response = Recorder::fine();
        response.record_n(1_000_000, fast);
        response.record_n(9_000_000, slow);
        let measured = measured(&mut trial.measured);
        measured.response = response.encode();
        measured.counts.sent = sent;
        measured.counts.ok = fast + slow;
        measured.counts.in_flight_at_end = sent - fast - slow;
        measured.counts.never_written = 0;
    }
    bundle
}

#[test]
fn goodput_counts_what_was_answered_within_the_objective() {
    let mut bundle = answers([(1000, 600, 400), (1000, 900, 50)]);
    bundle.run.scenarios[0].merit = Metric::Goodput;
    bundle.run.scenarios[0].objective_ns = Some(5_000_000);
    let analysis = analyse(&bundle);
    let figures: Vec<_> =
        analysis.workloads[0].cells.iter().map(|cell| cell.value(Metric::Goodput)).collect();
    assert_eq!(figures, [Some(1_200.0), Some(1_800.0)], "600 and 900 in half a second");
    assert_eq!(winners(&analysis), [bundle.run.models[1].name.as_str()]);
    let page = html::report(&analysis);
    assert!(page.contains("<th scope=\"col\">goodput</th>") && page.contains("1.80k/s"), "the page shows it");
    // With twice the patience the first answers more.
    bundle.run.scenarios[0].objective_ns = Some(10_000_000);
    assert_eq!(winners(&analyse(&bundle)), [bundle.run.models[0].name.as_str()]);
}

#[test]
fn a_workload_without_an_objective_has_no_goodput_to_compare() {
    let mut bundle = answers([(1000, 600, 400), (1000, 900, 50)]);
    bundle.run.scenarios[0].merit = Metric::Goodput;
    let verdict = &analyse(&bundle).workloads[0].verdict;
    assert!(matches!(verdict.status, Status::Undecided { .. }), "{:?}", verdict.status);
    assert!(verdict.lead().contains("6 trials without an objective"), "{}", verdict.lead());
}

#[test]
fn the_share_answered_is_of_all_that_was_asked() {
    let mut bundle = answers([(1000, 970, 30), (1000, 400, 100)]);
    bundle.run.scenarios[0].merit = Metric::Answered;
    let analysis = analyse(&bundle);
    let verdict = &analysis.workloads[0].verdict;
    let names = [0, 1].map(|at| analysis.run.models[at].name.as_str());
    let figures = names.map(|name| verdict.standing(name).and_then(|standing| standing.figure));
    assert_eq!(figures, [Some(1.0), Some(0.5)]);
    let lead = verdict.lead();
    assert!(lead.contains("(2.00×, up to"), "{lead}");
    // Why is not a matter of what a request costs.
    for trial in bundle.trials.iter_mut().filter(|trial| trial.model == names[1]) {
        trial.doubts.push(Doubt::ServerDied { detail: "signal 6".to_owned() });
    }
    let reason = analyse(&bundle).workloads[0].reason();
    assert!(reason.contains("died in 6 of 6") && reason.contains("in none"), "{reason}");
    // A hundredth is the least that matters: 0.8 % less shares the first place, 3 % less does not.
    for (answered, tied) in [(992, true), (970, false)] {
        let mut bundle = answers([(1000, 1000, 0), (1000, answered, 0)]);
        bundle.run.scenarios[0].merit = Metric::Answered;
        let analysis = analyse(&bundle);
        let place = analysis.workloads[0].verdict.standing(names[1]).expect("it ran").place;
        assert_eq!(!matches!(place, Place::Behind(_)), tied, "{answered} of 1000: {place:?}");
    }
}

#[test]
fn where_nothing_is_answered_no_model_fits() {
    let mut bundle = answers([(1000, 0, 0), (1000, 0, 0)]);
    bundle.run.scenarios[0].merit = Metric::Answered;
    let verdict = &analyse(&bundle).workloads[0].verdict;
    assert_eq!(verdict.status, Status::NoneFits);
    assert!(verdict.lead().contains("answered no request"), "{}", verdict.lead());
}

#[test]
fn memory_that_is_saved_by_not_serving_is_no_merit() {
    let mut bundle = answers([(1000, 1000, 0), (1000, 900, 0)]);
    bundle.run.scenarios[0].merit = Metric::MemoryPerConnection;
    let names = [0, 1].map(|at| bundle.run.models[at].name.clone());
    for trial in &mut bundle.trials {
        let each = if trial.model == names[0] { 40_000 } else { 10_000 };
        let held = match &measured(&mut trial.measured).wire {
            Reading::Value(wire) => wire.connections,
            Reading::Absent(why) => panic!("the sample has it: {why}"),
        };
        trial.usage.idle_own_bytes = Reading::Value(1_000_000);
        trial.usage.held_own_bytes = Reading::Value(1_000_000 + each * held);
    }
    let analysis = analyse(&bundle);
    let figure =
        |at: usize| analysis.workloads[0].verdict.standing(&names[at]).and_then(|standing| standing.figure);
    assert_eq!((figure(0), figure(1)), (Some(40_000.0), Some(f64::INFINITY)));
    assert_eq!(winners(&analysis), [names[0].as_str()]);
    // Connections that never ask are held all the same: with as many of them, each takes half.
    let mut idle = bundle.clone();
    for trial in &mut idle.trials {
        let held = idle.run.scenarios[0].clients();
        let kept = ConnectionCounts { asked: held, opened: held, lost: 0 };
        measured(&mut trial.measured).background = Background { idle: kept, ..Background::default() };
    }
    let figure_of_idle = analyse(&idle).workloads[0].cells[0].value(Metric::MemoryPerConnection);
    assert_eq!(figure_of_idle, Some(20_000.0));
    let reason = &analysis.workloads[0].reason();
    assert!(reason.contains("held them in 1 process and 1 thread"), "{reason}");
    let lead = analysis.workloads[0].verdict.lead();
    assert!(lead.contains("never answered enough of its requests"), "{lead}");
    // A memory that could not be read is none, not 0.
    for trial in &mut bundle.trials {
        trial.usage.held_own_bytes = Reading::Absent("no permission".to_owned());
    }
    let verdict = &analyse(&bundle).workloads[0].verdict;
    assert_eq!(verdict.standing(&names[0]).and_then(|standing| standing.figure), None);
    assert!(verdict.lead().contains("could not be read"), "{}", verdict.lead());
}

#[test]
fn a_recovery_is_told_in_terminal_and_page() {
    let mut bundle = with_throughput(&[&[1000; 6], &[1000; 6]]);
    let scenario = &mut bundle.run.scenarios[0];
    let ms = Duration::from_millis;
    let shape = RateShape::Surge { factor: 3.0, after: ms(100), lasting: ms(100) };
    scenario.load = Load::Open { clients: 64, rate_per_s: 2_000.0, arrivals: Arrivals::Poisson, shape };
    let names = [0, 1].map(|at| bundle.run.models[at].name.clone());
    let slice = |at: u64, us: u64| {
        let mut recorder = Recorder::coarse();
        recorder.record_n(us * 1_000, 100);
        let (start_ns, length_ns) = (at * 50_000_000, 50_000_000);
        let response = recorder.encode();
        bakeoff_reports::record::Slice { start_ns, length_ns, completed: 100, response, failed: 0 }
    };
    for trial in &mut bundle.trials {
        // Slow from the surge on; the first model until 300 ms, the second to the end at 500 ms.
        let until = if trial.model == names[0] { 6 } else { 10 };
        let response = |at: u64| if (2..until).contains(&at) { 40_000 } else { 300 };
        measured(&mut trial.measured).slices = (0..10).map(|at| slice(at, response(at))).collect();
    }
    let analysis = analyse(&bundle);
    let recovered: Vec<_> = analysis.workloads[0].cells.iter().map(|cell| cell.recovery()).collect();
    assert_eq!(recovered, [Some(Recovery::Within(150e6)), Some(Recovery::NotWithin(300e6))]);
    let text = summary(&analysis, &SummaryOptions::default());
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("Back to normal after the surge:"), "{text}");
    assert!(flat.contains("within 150 ms") && flat.contains("not within 300 ms"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let page = html::report(&analysis);
    assert!(page.contains(">recovery<") && page.contains("≤ 150 ms") && page.contains("&gt; 300 ms"));
}

#[test]
fn threads_over_the_window_are_drawn_and_added_up() {
    let mut bundle = with_throughput(&[&[1000; 6], &[1000; 6]]);
    let (on, off) = (Duration::from_millis(100), Duration::from_millis(150));
    let shape = RateShape::Bursts { on, off };
    bundle.run.scenarios[0].load =
        Load::Open { clients: 64, rate_per_s: 2_000.0, arrivals: Arrivals::Poisson, shape };
    let names = [0, 1].map(|at| bundle.run.models[at].name.clone());
    for trial in &mut bundle.trials {
        let measured = measured(&mut trial.measured);
        let slice = |at: u64| bakeoff_reports::record::Slice {
            start_ns: at * 50_000_000,
            length_ns: 50_000_000,
            completed: 0,
            response: Recorder::coarse().encode(),
            failed: 0,
        };
        measured.slices = (0..10).map(slice).collect();
        let counts =
            if trial.model == names[0] { vec![64; 10] } else { vec![5, 41, 41, 9, 5, 5, 41, 41, 5, 5] };
        // Of one round they could not be read.
        let reading = match trial.round {
            0 => Reading::Absent("held up".to_owned()),
            _ => Reading::Value(counts),
        };
        trial.usage.threads_by_slice = Some(reading);
    }
    let analysis = analyse(&bundle);
    let paid: Vec<_> =
        analysis.workloads[0].cells.iter().map(|cell| cell.value(Metric::ThreadSeconds)).collect();
    assert_eq!(paid, [Some(64.0 * 500e6), Some(198.0 * 50e6)], "threads times the length of a slice");
    let text = summary(&analysis, &SummaryOptions::default());
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("Threads over the window (thread-seconds):"), "{text}");
    assert!(flat.contains("64 (32.0 s)") && flat.contains("5 to 41 (9.90 s)"), "{text}");
    let page = html::report(&analysis);
    let (_, figure) = page.split_once("Threads over the window").expect("drawn");
    let figure = figure.split("</figure>").next().expect("a figure");
    assert_eq!(figure.matches(">41</td>").count(), 4, "{figure}");
    assert!(page.contains("the last slice of the pause") && page.contains(">thread-seconds<"));
    // A load that is steady has no such picture, and no such cost.
    bundle.run.scenarios[0].load = Load::Open {
        clients: 64,
        rate_per_s: 2_000.0,
        arrivals: Arrivals::Poisson,
        shape: RateShape::Steady,
    };
    bundle.trials.iter_mut().for_each(|trial| trial.usage.threads_by_slice = None);
    let page = html::report(&analyse(&bundle));
    assert!(!page.contains("Threads over the window") && !page.contains("thread-seconds"));
}

#[test]
fn system_calls_per_request_decide_like_any_other_metric() {
    let mut bundle = answers([(1000, 1000, 0), (1000, 1000, 0)]);
    bundle.run.scenarios[0].merit = Metric::SystemCallsPerRequest;
    let names = [0, 1].map(|at| bundle.run.models[at].name.clone());
    for trial in &mut bundle.trials {
        let calls = if trial.model == names[0] { 2_000 + u64::from(trial.round) } else { 5_000 };
        trial.usage.counted.system_calls = Reading::Value(calls);
        trial.usage.counted.system_call_replies = Reading::Value(1_000);
    }
    let analysis = analyse(&bundle);
    assert_eq!(winners(&analysis), [names[0].as_str()]);
    let verdict = &analysis.workloads[0].verdict;
    assert!(verdict.lead().contains("(2.50×, up to"), "{}", verdict.lead());
    let reason = analysis.workloads[0].reason();
    assert!(!reason.contains("system calls"), "it is no reason for itself: {reason}");
    let estimate = analysis.workloads[0].cells[1].estimate(Metric::SystemCallsPerRequest);
    assert_eq!(estimate.map(|estimate| (estimate.median, estimate.rounds)), Some((5.0, 6)));
    let page = html::report(&analysis);
    assert!(page.contains("<small>system calls per request</small>"), "the matrix names it");
    // Where it was counted in too few rounds, nothing is decided.
    for trial in bundle.trials.iter_mut().filter(|trial| trial.round >= 2) {
        trial.usage.counted.system_calls = Reading::Absent("not counted".to_owned());
    }
    let verdict = &analyse(&bundle).workloads[0].verdict;
    assert!(matches!(verdict.status, Status::Undecided { .. }), "{:?}", verdict.status);
}
