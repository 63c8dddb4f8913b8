//! Sweeps from records with known answers: laws, knees, boundaries and capacities are found, told, and drawn.

use bakeoff_reports::analysis::{Analysis, analyse};
use bakeoff_reports::record::bundle::{self, Bundle};
use bakeoff_reports::record::{Axis, Doubt, Invalid, Load, ScenarioRecord, SweepPoint, Trial};
use bakeoff_reports::rules::sweep::capacity::Found;
use bakeoff_reports::rules::sweep::{self, Boundary, Fit, Knee, Sweep};
use bakeoff_reports::rules::verdict::Flip;
use bakeoff_reports::sample;
use bakeoff_reports::sample::sweep::{CLIENTS, LAWS, MODELS, QUEUES};
use bakeoff_reports::show::html;
use bakeoff_reports::show::text::{SummaryOptions, summary};
use std::path::Path;

fn analysed() -> Analysis {
    analyse(&sample::sweep::bundle(8))
}

fn over(analysis: &Analysis, axis: Axis, searched: bool) -> &Sweep {
    let wanted = |sweep: &&Sweep| sweep.axis == axis && sweep.searched == searched;
    analysis.sweeps.iter().find(wanted).expect("the sample has one")
}

fn near(found: f64, put_in: f64, share: f64) -> bool {
    (found / put_in - 1.0).abs() <= share
}

/// A run of one closed workload with a curve beside it: at one client, where each model has one trial, or none.
fn beside(tried: bool) -> Bundle {
    let spec = sample::Spec { scenarios: 1, models: 3, rounds: 8, ..sample::Spec::default() };
    let mut bundle = sample::bundle(&spec);
    let of = bundle.run.scenarios[0].name.clone();
    let sweep = Some(SweepPoint { of, axis: Axis::Clients, value: 1.0 });
    let base = &bundle.run.scenarios[0];
    assert!(matches!(base.load, Load::Closed { clients: 2.., .. }), "the curve needs a place of its own");
    let point = ScenarioRecord { name: "one client".into(), sweep, ..base.clone() };
    let first = bundle.trials.iter().filter(|trial| tried && trial.round == 0);
    let more: Vec<Trial> =
        first.map(|trial| Trial { scenario: point.name.clone(), ..trial.clone() }).collect();
    bundle.run.scenarios.push(point);
    bundle.trials.extend(more);
    bundle
}

#[test]
fn a_workload_is_a_point_of_its_own_curve_and_is_counted_once() {
    let (bundle, alone) = (beside(true), analyse(&beside(false)));
    assert!(alone.sweeps.is_empty(), "a curve without a point of its own is none");
    let analysis = analyse(&bundle);
    let [sweep] = analysis.sweeps.as_slice() else { panic!("one curve") };
    assert_eq!((sweep.points.len(), sweep.own_points().count()), (2, 1));
    for curve in &sweep.curves {
        let own = analysis.workloads[0].cell(&curve.model).map_or(0, |cell| cell.rounds.len());
        assert!(own > 1, "the sample has rounds of each");
        assert_eq!(curve.points.iter().map(|at| at.rounds).collect::<Vec<_>>(), [1, own], "{curve:?}");
    }
    // The workload's verdict is none on the curve, and its blocks show no capacity at other places.
    assert!(!analysis.workloads[0].verdict.winners.is_empty(), "the sample has a best model");
    assert_eq!(sweep.answer(), ["No point has a verdict, so no boundary could be shown."]);
    assert!(sweep.capacity.is_none());
    let names: Vec<&str> = analysis.measured().map(|one| one.scenario.name.as_str()).collect();
    assert_eq!(names, [bundle.run.scenarios[0].name.as_str(), "one client"]);
    let doubts = |of: &Analysis| of.doubts().filter(|(workload, ..)| *workload != "one client").count();
    assert_eq!(doubts(&analysis), doubts(&alone), "told once");
}

/// One analysis for all that is asked of it: analysing is what takes time.
#[test]
fn what_was_put_into_the_sample_is_found() {
    let analysis = analysed();
    points_are_no_workloads_and_nothing_of_them_is_lost(&analysis);
    the_laws_are_found(&analysis);
    the_boundary_is_where_the_laws_cross(&analysis);
    a_search_finds_the_capacity_of_every_queue_and_the_winner(&analysis);
    the_terminal_tells_sweeps_and_fits_its_width(&analysis);
}

fn points_are_no_workloads_and_nothing_of_them_is_lost(analysis: &Analysis) {
    assert_eq!((analysis.workloads.len(), analysis.sweeps.len()), (1, 3));
    let clients = over(analysis, Axis::Clients, false);
    assert_eq!(clients.points.len(), CLIENTS.len());
    assert!(clients.curves.iter().all(|curve| curve.points.iter().all(|at| at.rounds == 8)));
    let in_sweeps = |sweep: &Sweep| {
        sweep.points.iter().flat_map(|point| &point.cells).map(|cell| cell.rounds.len()).sum::<usize>()
    };
    let own: usize = analysis.workloads[0].cells.iter().map(|cell| cell.rounds.len()).sum();
    assert_eq!(own + analysis.sweeps.iter().map(in_sweeps).sum::<usize>(), analysis.valid as usize);
}

fn the_laws_are_found(analysis: &Analysis) {
    for (curve, law) in over(analysis, Axis::Clients, false).curves.iter().zip(LAWS) {
        let Fit::Usl(found) = &curve.fit else { panic!("{:?}", curve.fit) };
        // Rounds drift by 10 % together, which scales lambda and leaves the shape; the median of six moves by about 5 %.
        assert!(near(found.lambda_per_s, law.lambda_per_s, 0.15) && found.holds(), "{found:?}");
        assert!(near(found.sigma, law.sigma, 0.4) && near(found.kappa, law.kappa, 0.25), "{found:?}");
    }
    for (curve, queue) in over(analysis, Axis::Rate, false).curves.iter().zip(QUEUES) {
        let Fit::Queue(found) = &curve.fit else { panic!("{:?}", curve.fit) };
        assert!(near(found.service_ns, queue.service_ns, 0.1) && found.holds(), "{found:?}");
        // p99 = B + S/(1-u) ln(100 u): power is largest well inside the range.
        assert!(
            matches!(curve.knee, Knee::At { low, high, .. } if low > 2_000.0 && high < queue.saturation_per_s())
        );
    }
}

fn the_boundary_is_where_the_laws_cross(analysis: &Analysis) {
    let sweep = over(analysis, Axis::Clients, false);
    let pair = sweep.crossovers.iter().find(|one| (&*one.before, &*one.after) == (MODELS[0], MODELS[2]));
    let pair = pair.expect("they change places");
    let Boundary::Shown { value, low, high, .. } = pair.boundary else { panic!("{pair:?}") };
    // The laws cross at 33.0; between points the straight line is off by up to 5 %.
    assert!(near(value, 33.0, 0.06) && low <= value && value <= high, "{pair:?}");
    let flips = sweep::boundary(&analysis.sweeps, &analysis.workloads[0].scenario.name);
    let told = flips.iter().map(Flip::sentence).collect::<Vec<_>>().join(" ");
    assert!(
        told.starts_with("thread-per-client until 33 (") && told.ends_with("clients, then mio-event-loop."),
        "{told}"
    );
    assert!(!told.contains("thread-pool"), "a model that is best nowhere bounds nothing: {told}");
    assert_eq!(sweep::boundary(&analysis.sweeps, "another"), []);
}

fn a_search_finds_the_capacity_of_every_queue_and_the_winner(analysis: &Analysis) {
    let search = over(analysis, Axis::Rate, true);
    let capacities = search.capacity.as_ref().expect("an objective");
    assert_eq!(capacities.models.iter().map(|one| one.wins).collect::<Vec<_>>(), [true, false, false]);
    for one in &capacities.models {
        let model = MODELS.iter().position(|model| *model == one.model).expect("swept");
        let Found::At { value, low, high } = one.found else { panic!("{one:?}") };
        let truth = sample::sweep::capacity(&QUEUES[model]);
        assert!(near(value, truth, 0.1) && low < truth && truth < high, "{one:?} for {truth}");
    }
    assert!(
        search.crossovers.is_empty() && search.points.len() < 40,
        "rates that were not tried are no points"
    );
}

fn the_terminal_tells_sweeps_and_fits_its_width(analysis: &Analysis) {
    let at = |width| summary(analysis, &SummaryOptions { width, ..SummaryOptions::default() });
    for width in [40, 60, 80, 120] {
        let text = at(width);
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(width), "{widest:?} columns for {width}:\n{text}");
    }
    let text = at(80);
    for words in [
        "1 workload, 3 sweeps",
        "thread-per-client until 33",
        "knee",
        "residual",
        "carries the highest rate",
        "behind by",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn the_page_draws_every_sweep_with_its_data_and_escapes_names() {
    let mut bundle = sample::sweep::bundle(4);
    let hostile = "<script>alert(1)</script>";
    for scenario in &mut bundle.run.scenarios {
        if let Some(place) = scenario.sweep.as_mut().filter(|place| place.axis == Axis::Clients) {
            place.of = hostile.to_owned();
        }
    }
    let page = html::report(&analyse(&bundle));
    let bytes = bundle::to_bytes(&bundle).expect("finite figures");
    let back = bundle::parse(&bytes, Path::new("sample")).expect("whole");
    assert_eq!(back.objectives, bundle.objectives);
    assert!(page == html::report(&analyse(&back)), "the same records give the same bytes");
    assert!(!page.contains(hostile) && page.contains("&lt;script&gt;alert(1)&lt;/script&gt; over clients"));
    assert_eq!(page.matches("no model keeps up").count(), 1, "30,000 requests/s are beyond all three queues");
    for part in [
        "Throughput over clients",
        "Response p99 over requests per second",
        "Which model is best where",
        "Capacity: the highest rate",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let section =
        page.split_once("<div id=\"sweeps\">").and_then(|(_, rest)| rest.split_once("<section id=\"cost\""));
    let (sweeps, _) = section.expect("sweeps, then what it costs");
    let pictures = sweeps.matches("<svg class=\"plot\"").count();
    assert_eq!(pictures, sweeps.matches("<summary>Data</summary>").count(), "every picture has its data");
    assert_eq!(pictures, 3 + 2 + 3, "clients, rates, a search");
    assert!(!page.contains("NaN") && !page.contains(">inf"), "no figure is without sense");
}

#[test]
fn over_cores_the_law_counts_processors_and_each_point_says_where_it_ran() {
    let mut bundle = sample::sweep::bundle(8);
    for scenario in &mut bundle.run.scenarios {
        if let Some(place) = scenario.sweep.as_mut().filter(|place| place.axis == Axis::Clients) {
            place.axis = Axis::Cores;
            scenario.server_cpus = (0..place.value as u32).collect();
        }
    }
    let of_last = bundle.trials.iter_mut().filter(|trial| trial.scenario.ends_with("@ 128 clients"));
    assert!(
        of_last.map(|trial| trial.doubts.push(Doubt::SharedCpu)).count() > 0,
        "the last point has trials"
    );
    let analysis = analyse(&bundle);
    let sweep = over(&analysis, Axis::Cores, false);
    for curve in &sweep.curves {
        assert!(matches!(&curve.fit, Fit::Usl(usl) if usl.holds()), "{:?}", curve.fit);
        assert!(matches!(curve.knee, Knee::Untold(_)), "more cores are no more load");
        assert!(curve.points.iter().all(|at| at.cpu.is_some()), "{:?}", curve.points);
    }
    let text = summary(&analysis, &SummaryOptions::default());
    let cores =
        text.split("over server cores").nth(1).and_then(|rest| rest.split(" over ").next()).expect("told");
    let flat = cores.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(!flat.contains("knee") && !flat.contains("clients"), "{flat}");
    assert!(!flat.contains("4 cores: server on") && flat.contains(" σ "), "{flat}");
    assert!(flat.contains("128 cores: server on CPUs 0-127; server and swarm shared a CPU"), "{flat}");
    let page = html::report(&analysis);
    for words in [
        "where N counts the server's CPUs",
        "<h3>Laws</h3>",
        "CPU per request",
        "4 cores: server on CPUs 0-3",
    ] {
        assert!(page.contains(words), "{words}");
    }
}

#[test]
fn with_too_much_left_out_a_sweep_says_nothing() {
    let mut bundle: Bundle = sample::sweep::bundle(4);
    for trial in bundle.trials.iter_mut().step_by(3) {
        trial.invalid.push(Invalid::ForeignLoad { share: 0.7 });
    }
    let analysis = analyse(&bundle);
    assert!(analysis.sweeps.iter().all(|sweep| sweep.withheld && sweep.capacity.is_none()));
    assert!(analysis.sweeps.iter().all(|sweep| sweep.crossovers.is_empty()));
    let text = summary(&analysis, &SummaryOptions::default());
    assert!(text.contains("No statement") && !text.contains(" until ") && !text.contains("λ"), "{text}");
    let page = html::report(&analysis);
    assert!(!page.contains("then mio-event-loop.") && page.contains("No statement"));
}

#[test]
fn what_the_rounds_do_not_resolve_is_nobodys_first_place() {
    let answer = |rounds| {
        let analysis = analyse(&sample::sweep::bundle(rounds));
        over(&analysis, Axis::Rate, false).answer().join(" ")
    };
    let told = answer(8);
    assert!(!told.contains("resolved"), "{told}");
    assert!(told.contains("mio-event-loop is best, or shares first place, at every point with a"), "{told}");
    assert!(told.contains("that any model keeps up with"), "30,000/s is beyond all of them: {told}");
}
