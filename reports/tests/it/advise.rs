//! Advice: the rules one by one on made-up analyses, the choice and its confidence, and how it is told.

use bakeoff_reports::analysis::{Analysis, SYNTHETIC, analyse};
use bakeoff_reports::ask::advise::answer::{Finding, ModelAnswer};
use bakeoff_reports::ask::advise::memory;
use bakeoff_reports::ask::advise::{
    Answer, Criterion, Level, Machine, Outcome, Question, Source, Stand, Variability, advise,
};
use bakeoff_reports::cells::cell::{CellDoubt, RoundFigures};
use bakeoff_reports::record::envelope::{
    self, Caps, Envelope, Evidence, Findings, Life, Limit, Recovery, Saw, Stress,
};
use bakeoff_reports::record::{
    Arrivals, Axis, Doubt, Load, Metric, RateShape, Reading, SweepPoint, Tuning, Work,
};
use bakeoff_reports::sample::{self, Spec};
use bakeoff_reports::show::html;
use bakeoff_reports::show::text::advise as text;

const CLOSED: usize = 0;
const OPEN: usize = 1;
const THREADS: &str = "thread-per-client";
const FORK: &str = "fork-per-client";
const POOL: &str = "thread-pool";
const MS: f64 = 1e6;

/// A closed loop of 64 clients and an open loop of 8,000/s over 64 connections, 64 B each; iterative and three models that
/// all do 40,000/s with a p99 of 1 ms, round by round alike.
fn world() -> Analysis {
    let spec = Spec { scenarios: 2, models: 4, rounds: 1, requests: 400, slices: 1, ..Spec::default() };
    let mut bundle = sample::bundle(&spec);
    bundle.trials.iter_mut().for_each(|trial| trial.invalid.clear());
    let mut analysis = analyse(&bundle);
    analysis.run.environment.notes.remove(SYNTHETIC);
    analysis.envelopes.clear();
    // One round made six times is quicker than six, for the verdict that nobody asks for here.
    for cell in analysis.workloads.iter_mut().flat_map(|one| &mut one.cells) {
        let one = cell.rounds.first().cloned();
        cell.rounds = (0..6).filter_map(|round| Some(RoundFigures { round, ..one.clone()? })).collect();
    }
    for workload in [CLOSED, OPEN] {
        // As many workers as anyone asks for, where no test says otherwise.
        analysis.workloads[workload].scenario.server.workers.remove(&Tuning::PoolWorkers);
        for model in [FORK, THREADS, POOL] {
            set(&mut analysis, workload, model, if workload == OPEN { 8_000.0 } else { 40_000.0 }, MS);
        }
    }
    analysis
}

/// Sets what a model did in every round.
fn set(analysis: &mut Analysis, workload: usize, model: &str, rate: f64, p99_ns: f64) {
    let cells = &mut analysis.workloads[workload].cells;
    let cell = cells.iter_mut().find(|cell| cell.model == model).expect("a model of the sample");
    cell.doubts.clear();
    for round in &mut cell.rounds {
        round.figures.set(Metric::Throughput, Reading::Value(rate));
        round.figures.set(Metric::ResponseP99, Reading::Value(p99_ns));
    }
    cell.medians.set(Metric::Throughput, Reading::Value(rate));
    cell.medians.set(Metric::ResponseP99, Reading::Value(p99_ns));
}

fn ask(analysis: &Analysis, question: &Question) -> Answer {
    question.check().expect("a question");
    let here = Machine { cpu_model: Some("Imaginary CPU at 3.0 GHz".into()), cpus: Some(2) };
    advise(question, &[Source { name: "runs/a".into(), analysis: analysis.clone() }], &here)
}

fn like_open() -> Question {
    Question {
        rate_per_s: Some(8_000.0),
        connections: Some(64),
        payload_bytes: Some(64),
        p99_ns: Some(5.0 * MS),
        ..Question::default()
    }
}

fn model<'a>(answer: &'a Answer, name: &str) -> &'a ModelAnswer {
    answer.models.iter().find(|one| one.model == name).expect("a model of the sample")
}

fn finding<'a>(answer: &'a Answer, name: &str, criterion: Criterion) -> &'a Finding {
    model(answer, name).finding(criterion).expect("one for each criterion")
}

#[test]
fn differences_are_told_in_words_the_largest_first() {
    let question = Question { rate_per_s: Some(16_000.0), payload_bytes: Some(4_096), ..like_open() };
    let answer = ask(&world(), &question);
    let cell = answer.cells.iter().find(|cell| cell.workload == "echo-paced").expect("the nearest");
    // A doubling of the rate costs 1; two of the payload above 1 KiB half of that each.
    assert!((cell.distance - 2.0).abs() < 1e-9, "{cell:?}");
    assert!(
        cell.differences[0]
            .words()
            .starts_with("your rate is 2.00× the measured one (16.0k/s against 8.00k/s)")
    );
    assert!(cell.differences[1].words().starts_with("your payload is 64.0× the measured one"), "{cell:?}");
}

#[test]
fn a_rate_is_carried_with_a_quarter_to_spare_or_by_an_open_loop() {
    use Stand::{Fails, NotKnown, Satisfies};
    for (rate, closed, clients, stand, words) in [
        (10_000.0, 40_000.0, 64, Satisfies, "did 40.0k/s"),
        (31_000.0, 40_000.0, 64, Satisfies, "did 40.0k/s"),
        (35_000.0, 40_000.0, 64, NotKnown, "less than a quarter to spare"),
        (41_000.0, 40_000.0, 64, Fails, "did 40.0k/s"),
        (41_000.0, 40_000.0, 65, NotKnown, "fewer clients"),
        (8_000.0, 9_000.0, 64, Satisfies, "carried 8.00k/s"),
    ] {
        let mut analysis = world();
        set(&mut analysis, CLOSED, THREADS, closed, MS);
        let question = Question { rate_per_s: Some(rate), connections: Some(clients), ..like_open() };
        let answer = ask(&analysis, &question);
        let finding = finding(&answer, THREADS, Criterion::Rate);
        assert_eq!(finding.stand, stand, "{rate} of {closed}: {}", finding.words);
        assert!(finding.words.contains(words), "{}", finding.words);
    }
}

#[test]
fn an_open_loop_that_was_not_carried_shows_the_capacity() {
    let mut analysis = world();
    analysis.workloads.remove(CLOSED);
    set(&mut analysis, 0, THREADS, 5_000.0, MS);
    let stand = |rate| {
        let answer = ask(&analysis, &Question { rate_per_s: Some(rate), ..like_open() });
        finding(&answer, THREADS, Criterion::Rate).stand
    };
    assert_eq!(
        [stand(4_000.0), stand(4_500.0), stand(6_000.0)],
        [Stand::Satisfies, Stand::NotKnown, Stand::Fails]
    );
}

#[test]
fn a_p99_is_judged_by_its_interval_and_only_where_it_was_measured() {
    use Stand::{Fails, NotKnown, Satisfies};
    for (rate, p99_ms, stand) in [
        (8_000.0, 4.9, Satisfies),
        (8_000.0, 5.1, Fails),
        (8_000.0, f64::INFINITY, Fails),
        // Good at a lower rate proves nothing, bad at a higher one neither.
        (12_000.0, 1.0, NotKnown),
        (12_000.0, 9.0, Fails),
        (4_000.0, 9.0, NotKnown),
        (4_000.0, 1.0, Satisfies),
    ] {
        let mut analysis = world();
        set(&mut analysis, OPEN, THREADS, 8_000.0, p99_ms * MS);
        let answer = ask(&analysis, &Question { rate_per_s: Some(rate), ..like_open() });
        let finding = finding(&answer, THREADS, Criterion::P99);
        assert_eq!(finding.stand, stand, "{p99_ms} ms at {rate}: {}", finding.words);
    }
    let mut analysis = world();
    let cell =
        analysis.workloads[OPEN].cells.iter_mut().find(|cell| cell.model == THREADS).expect("it was run");
    cell.rounds
        .iter_mut()
        .step_by(2)
        .for_each(|round| round.figures.set(Metric::ResponseP99, Reading::Value(9.0 * MS)));
    let answer = ask(&analysis, &like_open());
    let straddling = finding(&answer, THREADS, Criterion::P99);
    assert_eq!(straddling.stand, NotKnown);
    assert!(straddling.words.contains("straddles") && straddling.interval == Some((MS, 9.0 * MS)));
    assert!(answer.proposal.rounds > 10, "a straddling figure needs more rounds: {}", answer.proposal.rounds);
}

#[test]
fn a_closed_loop_proves_no_response_time_for_independent_users() {
    let mut analysis = world();
    analysis.workloads.remove(OPEN);
    let answer = ask(&analysis, &like_open());
    let paced = finding(&answer, THREADS, Criterion::P99);
    assert_eq!(paced.stand, Stand::NotKnown);
    assert!(paced.words.contains("waited for replies"), "{}", paced.words);
    let answer = ask(&analysis, &Question { rate_per_s: None, ..like_open() });
    assert_eq!(finding(&answer, THREADS, Criterion::P99).stand, Stand::Satisfies);
}

#[test]
fn memory_is_a_line_through_what_was_measured() {
    let analysis = world();
    let workload = &analysis.workloads[OPEN];
    let law = memory::law(workload, FORK).expect("measured");
    let costs = &workload.cell(FORK).expect("it was run");
    let whole: f64 = [Metric::Memory, Metric::PageTables, Metric::KernelStacks, Metric::KernelObjects]
        .iter()
        .filter_map(|cost| costs.value(*cost))
        .sum();
    assert_eq!(law.measured_at, 64);
    assert!((law.at(64) / whole - 1.0).abs() < 1e-9, "{law:?} {whole}");
    let needs = law.at(200) as u64;
    for (limit, connections, stand) in [
        (needs + 1, 200, Stand::Satisfies),
        (needs - 1, 200, Stand::Fails),
        (1 << 40, 2_000, Stand::NotKnown),
    ] {
        let question = Question { memory_bytes: Some(limit), connections: Some(connections), ..like_open() };
        let answer = ask(&analysis, &question);
        let finding = finding(&answer, FORK, Criterion::Memory);
        assert_eq!(finding.stand, stand, "{}", finding.words);
    }
}

#[test]
fn isolation_is_by_construction_until_a_crash_was_measured() {
    let question = Question { isolation: true, ..like_open() };
    let mut analysis = world();
    let answer = ask(&analysis, &question);
    let stands = [FORK, THREADS].map(|name| finding(&answer, name, Criterion::Isolation));
    assert_eq!(stands.map(|finding| finding.stand), [Stand::Satisfies, Stand::Fails]);
    assert!(stands.iter().all(|finding| finding.words.contains("by construction, not measured")));
    assert_eq!(answer.recommended, [FORK]);
    assert!(answer.confidence.because.iter().any(|why| why.contains("by construction")));

    // The closed loop becomes a workload that crashes; there the threads survive and the processes do not.
    let crash = &mut analysis.workloads[CLOSED];
    crash.scenario.work = Some(Work::Poison);
    for cell in &mut crash.cells {
        let merged = cell.merged.as_mut().expect("valid rounds");
        merged.pending = if cell.model == FORK { merged.response.sent / 2 } else { 1 };
        (merged.timeouts, merged.errors) = (0, Default::default());
    }
    let answer = ask(&analysis, &question);
    let stands = [FORK, THREADS].map(|name| finding(&answer, name, Criterion::Isolation));
    assert_eq!(stands.map(|finding| finding.stand), [Stand::Fails, Stand::Satisfies]);
    assert!(stands[0].words.contains("answered 50 % of the requests"), "{}", stands[0].words);
    assert!(answer.cells.iter().all(|cell| cell.workload != "echo-small"), "a crash is no ordinary workload");

    // Where every request was answered none crashed its handler.
    let crash = &mut analysis.workloads[CLOSED];
    crash.cells.iter_mut().filter_map(|cell| cell.merged.as_mut()).for_each(|merged| merged.pending = 0);
    let answer = ask(&analysis, &question);
    let finding = finding(&answer, THREADS, Criterion::Isolation);
    assert_eq!(finding.stand, Stand::Fails);
    assert!(finding.words.contains("by construction"), "{}", finding.words);
}

#[test]
fn the_failure_envelope_shows_isolation_too() {
    let question = Question { isolation: true, ..like_open() };
    for (holds, stand) in [(true, Stand::Satisfies), (false, Stand::Fails)] {
        let mut analysis = world();
        analysis.envelopes.push(poisoned(THREADS, holds));
        let answer = ask(&analysis, &question);
        let finding = finding(&answer, THREADS, Criterion::Isolation);
        assert_eq!(finding.stand, stand, "{}", finding.words);
        assert!(finding.words.starts_with("8 requests crashed their handler"), "{}", finding.words);
    }
}

/// Eight bystanders while eight requests crash their handler.
fn poisoned(model: &str, holds: bool) -> Envelope {
    let none = || Reading::Absent("not read in this test".to_owned());
    let served = if holds { 8 } else { 0 };
    let level = envelope::Level { asked: 8, clients: 8, served, slowest_answer_ns: None, holds };
    Envelope {
        model: model.into(),
        stress: Stress::Poison,
        service: "poison".into(),
        caps: Caps {
            descriptors: none(),
            tasks: none(),
            tasks_by: None,
            address_space_bytes: none(),
            backlog: 128,
            concurrency: None,
            patience_ns: 1,
            range: 8,
        },
        result: Reading::Value(Findings {
            levels: vec![level],
            limit: if holds { Limit::NoneInRange } else { Limit::Crash },
            evidence: Evidence {
                server: Reading::Absent("not read in this test".to_owned()),
                tasks_refused: none(),
                listen_overflows: none(),
                listen_drops: none(),
                threads: none(),
                processes: none(),
                descriptors: none(),
                address_space_bytes: none(),
                words: String::new(),
            },
            saw: Saw { clients: 8, answered: served, reset: 8 - served, ..Saw::default() },
            life: Life { lived: holds, end: None },
            recovery: Recovery::Gone,
            rest: Reading::Absent("not read in this test".to_owned()),
        }),
    }
}

#[test]
fn workers_that_hold_their_connection_starve_what_is_beyond_them() {
    let mut analysis = world();
    for workload in &mut analysis.workloads {
        workload.scenario.server.workers.insert(Tuning::PoolWorkers, 16);
    }
    let answer = ask(&analysis, &like_open());
    let starved = finding(&answer, POOL, Criterion::Starvation);
    assert_eq!(starved.stand, Stand::Fails);
    assert!(starved.words.contains("48 of your 64 wait"), "{}", starved.words);
    let answer = ask(&analysis, &Question { connections: Some(16), ..like_open() });
    assert_eq!(finding(&answer, POOL, Criterion::Starvation).stand, Stand::Satisfies);
    assert_eq!(finding(&answer, "iterative", Criterion::Starvation).stand, Stand::Fails);
}

#[test]
fn between_the_points_of_a_sweep_figures_are_interpolated_and_beyond_them_not() {
    let mut analysis = world();
    for (at, (rate, p99_ms)) in [(1_000.0, 1.0), (16_000.0, 4.0)].into_iter().enumerate() {
        let scenario = &mut analysis.workloads[at].scenario;
        scenario.name = format!("swept-{rate}");
        let (arrivals, shape) = (Arrivals::Poisson, RateShape::Steady);
        scenario.load = Load::Open { clients: 64, rate_per_s: rate, arrivals, shape };
        scenario.sweep = Some(SweepPoint { of: "swept".into(), axis: Axis::Rate, value: rate });
        set(&mut analysis, at, THREADS, rate, p99_ms * MS);
    }
    let answer = ask(&analysis, &Question { rate_per_s: Some(4_000.0), ..like_open() });
    let between = finding(&answer, THREADS, Criterion::P99);
    // Half of the way on the axis of logarithms: the geometric mean.
    let value = *between.value.value().expect("finite");
    assert!((value / (2.0 * MS) - 1.0).abs() < 1e-9, "{value}");
    let cell = &answer.cells[between.cell.expect("a cell")];
    assert_eq!(cell.workload, "between swept-1000 and swept-16000");
    assert!(cell.distance < 1e-9);
    assert_eq!(finding(&answer, THREADS, Criterion::Rate).stand, Stand::Satisfies, "it carried 16,000/s");
    let answer = ask(&analysis, &Question { rate_per_s: Some(32_000.0), ..like_open() });
    let beyond = finding(&answer, THREADS, Criterion::P99);
    assert_eq!((beyond.stand, beyond.value.value()), (Stand::NotKnown, Some(&(4.0 * MS))));
    assert!(beyond.words.contains("at a lower rate than yours"), "{}", beyond.words);
}

#[test]
fn the_choice_is_the_best_of_those_that_satisfy_and_all_that_tie_with_it() {
    let mut analysis = world();
    analysis.workloads[OPEN].scenario.merit = Metric::ResponseP99;
    set(&mut analysis, OPEN, FORK, 8_000.0, 6.0 * MS);
    set(&mut analysis, OPEN, POOL, 8_000.0, 1.02 * MS);
    let answer = ask(&analysis, &like_open());
    assert_eq!(answer.outcome, Outcome::Recommended);
    assert_eq!(answer.recommended, [THREADS, POOL], "2 % apart is near: {answer:#?}");
    assert!(answer.reasons.iter().any(|reason| reason.starts_with("Not fork-per-client (p99: 6.00 ms")));
    set(&mut analysis, OPEN, POOL, 8_000.0, 2.0 * MS);
    let answer = ask(&analysis, &like_open());
    assert_eq!(answer.recommended, [THREADS]);
    assert!(answer.reasons[0].contains("the next, thread-pool, is at least 1."), "{}", answer.reasons[0]);
}

#[test]
fn confidence_falls_for_stated_reasons_only() {
    let plain = ask(&world(), &like_open());
    assert_eq!(
        (plain.confidence.level, plain.confidence.because.len()),
        (Level::High, 0),
        "{:?}",
        plain.confidence
    );
    let similar = ask(&world(), &Question { connections: Some(512), ..like_open() });
    assert_eq!(similar.confidence.level, Level::Medium);
    let unlike = ask(&world(), &Question { rate_per_s: Some(900.0), ..like_open() });
    assert_eq!(unlike.confidence.level, Level::Low, "{:?}", unlike.confidence);
    let mut doubted = world();
    for cell in &mut doubted.workloads[OPEN].cells {
        cell.doubts = vec![CellDoubt { worst: Doubt::Unsteady { ratio: 2.0 }, rounds: 1, of: 6 }];
    }
    assert_eq!(ask(&doubted, &like_open()).confidence.level, Level::Medium);
    let mut few = world();
    few.workloads.iter_mut().flat_map(|one| &mut one.cells).for_each(|cell| cell.rounds.truncate(5));
    assert_eq!(ask(&few, &like_open()).confidence.level, Level::Medium);
    let mut made_up = world();
    made_up.run.environment.notes.insert(SYNTHETIC.into(), "made up".into());
    assert_eq!(ask(&made_up, &like_open()).confidence.level, Level::Low);
    let elsewhere = Machine { cpu_model: Some("another".into()), cpus: Some(2) };
    let sources = [Source { name: "runs/a".into(), analysis: world() }];
    let answer = advise(&like_open(), &sources, &elsewhere);
    assert_eq!(answer.confidence.level, Level::Low);
    assert!(answer.warnings[0].contains("another machine"), "{:?}", answer.warnings);
}

#[test]
fn three_rounds_are_too_few_to_know_anything() {
    let mut analysis = world();
    analysis.workloads.iter_mut().flat_map(|one| &mut one.cells).for_each(|cell| cell.rounds.truncate(3));
    let answer = ask(&analysis, &like_open());
    assert_eq!((answer.outcome, answer.confidence.level), (Outcome::Undecided, Level::None));
    assert!(finding(&answer, THREADS, Criterion::P99).words.contains("3 of the 4 rounds"));
    assert!(answer.proposal.models.contains(&THREADS.to_owned()));
}

#[test]
fn what_is_too_far_is_not_used_and_the_run_is_still_proposed() {
    let question =
        Question { compute_ns: Some(20.0 * MS), variability: Some(Variability::HeavyTail), ..like_open() };
    let answer = ask(&world(), &question);
    assert_eq!((answer.outcome, answer.cells.len()), (Outcome::NothingNear, 0));
    assert!(answer.recommended.is_empty() && answer.confidence.level == Level::None);
    assert!(answer.proposal.toml.contains("service = \"hash\"") && answer.proposal.toml.contains("bimodal"));
    assert!(answer.warnings.iter().any(|one| one.contains("160.0 CPUs busy")), "{:?}", answer.warnings);
    let text = text::text(&answer, 80, "question.toml", false);
    assert!(text.contains("Nothing that can be used") && text.contains("kind = \"bimodal\""), "{text}");
}

#[test]
fn a_run_without_a_verdict_is_no_evidence() {
    let mut analysis = world();
    (analysis.asked, analysis.valid) = (100, 0);
    let answer = ask(&analysis, &like_open());
    assert_eq!(answer.outcome, Outcome::NothingNear);
    assert!(answer.warnings.iter().any(|one| one.contains("was not used")), "{:?}", answer.warnings);
}

#[test]
fn the_answer_survives_json_and_fits_its_width() {
    let mut analysis = world();
    set(&mut analysis, OPEN, FORK, 100.0, f64::INFINITY);
    analysis.workloads[OPEN].scenario.name = "a name\u{1b}[31m with control".into();
    for question in [
        like_open(),
        Question { memory_bytes: Some(1 << 24), isolation: true, idle_share: Some(0.5), ..like_open() },
        Question { requests_per_connection: Some(1), ..like_open() },
    ] {
        let answer = ask(&analysis, &question);
        let json = serde_json::to_string(&answer).expect("JSON");
        assert_eq!(serde_json::from_str::<Answer>(&json).expect("our own JSON"), answer);
        for width in [60, 80, 120] {
            let text = text::text(&answer, width, "question.toml", true);
            let widest = text.lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(width.max(76)), "{widest:?} for {width}:\n{text}");
            assert!(!text.contains('\u{1b}'), "{text}");
        }
    }
}

#[test]
fn a_question_out_of_range_is_refused_with_what_it_may_be() {
    for (question, words) in [
        (Question::default(), "nothing is known"),
        (Question { rate_per_s: Some(0.0), ..like_open() }, "above zero"),
        (Question { rate_per_s: Some(f64::NAN), ..like_open() }, "above zero"),
        (Question { rate_per_s: Some(1e9), ..like_open() }, "more than can be measured"),
        (Question { connections: Some(2_000_000), ..like_open() }, "1,000,000"),
        (Question { idle_share: Some(1.0), ..like_open() }, "below 1"),
        (Question { idle_share: Some(0.5), connections: None, ..like_open() }, "number of connections"),
        (Question { requests_per_connection: Some(0), ..like_open() }, "at least 1"),
        (Question { compute_ns: Some(-1.0), ..like_open() }, "zero or longer"),
    ] {
        let error = question.check().expect_err(words).to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn the_decision_card_tells_the_figures_and_its_inputs_have_labels() {
    let mut analysis = world();
    analysis.workloads[OPEN].scenario.name = "<b>bold</b>".into();
    let page = html::report(&analysis);
    let begin = page.find("<section id=\"decision\">").expect("the card");
    let card = &page[begin..begin + page[begin..].find("</section>").expect("its end")];
    assert_eq!(card.matches("<details class=\"decision\"").count(), 2);
    assert_eq!(card.matches("<label>").count(), card.matches("<input ").count());
    assert!(card.contains("aria-live=\"polite\"") && card.contains("<form id=\"decide\" hidden"));
    assert!(card.contains("8.00k/s or more") && card.contains("up to 40.0k/s"), "{card}");
    assert!(!card.contains("<b>bold</b>") && card.contains("&lt;b&gt;bold"));
    assert!(card.contains("by construction, not measured"));
}
