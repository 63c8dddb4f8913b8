//! Sweeps and capacity searches through the tool: tiny ones end to end, and what is refused before anything starts.

#[allow(dead_code)] // each test program uses its part
use crate::support;

use bakeoff::host::environment::allowed_cpus;
use bakeoff::workload::scenario::Scenario;
use bakeoff_reports::record::bundle::{self, Bundle};
use bakeoff_reports::record::{Axis, Doubt, ScenarioRecord, Tuning};
use std::fs;
use std::path::Path;
use std::process::Stdio;
use support::{
    Folder, TINY, bakeoff, children_of, ended, fails, first_tries, measured, signal, succeeds, wait_for,
};

/// Runs the tool quickly.
fn swept(arguments: &[&str], out: &str) -> Bundle {
    let plain = ["--no-probe", "--retries", "0", "--quiet", "--out", out];
    let status = bakeoff(&[arguments, &plain].concat()).status().expect("the tool can be started");
    let bundle = measured(status, out);
    assert!(bundle.damage.is_empty(), "{:?}", bundle.damage);
    bundle
}

/// Every point is a scenario that can be run again from its record.
fn points_parse_back(bundle: &Bundle) {
    for scenario in bundle.run.scenarios.iter().filter(|scenario| scenario.sweep.is_some()) {
        let again = Scenario::parse(&scenario.toml, "record").expect("parses back");
        let same = (again.name.as_str(), u64::from(again.load.clients()), again.load.stated_rate());
        assert_eq!(same, (scenario.name.as_str(), scenario.clients(), scenario.rate_per_s()));
    }
}

#[test]
fn a_tiny_sweep_runs_every_point_in_every_round_and_reports_the_same_again() {
    let folder = Folder::new();
    let (file, out) = (folder.file("tiny.toml", TINY), folder.path("out"));
    let arguments = [
        "sweep",
        &file,
        "--over",
        "clients=1,3",
        "--model",
        "mio-event-loop",
        "--rounds",
        "2",
        "--with-workload",
    ];
    let bundle = swept(&arguments, &out);
    let names: Vec<&str> = bundle.run.scenarios.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["tiny", "tiny @ 1 clients", "tiny @ 3 clients"]);
    points_parse_back(&bundle);
    let places: Vec<Option<(Axis, f64)>> =
        bundle.run.scenarios.iter().map(|one| one.sweep.as_ref().map(|at| (at.axis, at.value))).collect();
    assert_eq!(places, [None, Some((Axis::Clients, 1.0)), Some((Axis::Clients, 3.0))]);
    for round in 0..2 {
        let mut of_round: Vec<&str> = first_tries(&bundle)
            .iter()
            .filter(|trial| trial.round == round)
            .map(|trial| trial.scenario.as_str())
            .collect();
        of_round.sort_unstable();
        assert_eq!(of_round, names, "each once in round {round}");
    }
    let page = Path::new(&out).join("report.html");
    let first = fs::read(&page).expect("a report");
    succeeds(&["report", &out, "--quiet"]);
    assert!(first == fs::read(&page).expect("a report"), "the same bytes again");
    assert!(String::from_utf8(first).expect("text").contains("tiny over clients"));
}

#[test]
fn a_tiny_search_gives_every_model_as_many_trials_as_asked_on_declared_rates() {
    let folder = Folder::new();
    let (file, out) = (folder.file("tiny.toml", TINY), folder.path("out"));
    let models = ["--model", "mio-event-loop", "--model", "thread-pool"];
    let search = [
        "capacity",
        &file,
        "--objective",
        "p50<=5ms",
        "--rates",
        "500..4k",
        "--window",
        "50ms",
        "--steps",
        "6",
    ];
    let bundle = swept(&[&search[..], &models].concat(), &out);
    assert_eq!(bundle.objectives.len(), 1);
    let goal = &bundle.objectives[0];
    assert_eq!((goal.of.as_str(), goal.percentile, goal.limit_ns), ("tiny", 0.5, 5_000_000));
    points_parse_back(&bundle);
    assert_eq!((bundle.run.planned_trials, bundle.run.rounds, bundle.trials.len()), (12, 6, 12));
    for (model, round) in (0..6).flat_map(|round| [("mio-event-loop", round), ("thread-pool", round)]) {
        let trials = bundle.trials.iter().filter(|trial| trial.model == model && trial.round == round);
        assert_eq!(trials.count(), 1, "{model} in round {round}");
    }
    let declared: Vec<&str> = bundle.run.scenarios.iter().map(|one| one.name.as_str()).collect();
    assert!(bundle.trials.iter().all(|trial| declared.contains(&trial.scenario.as_str())));
    assert_eq!(declared.first(), Some(&"tiny @ 500/s"));
    let page = fs::read_to_string(Path::new(&out).join("report.html")).expect("a report");
    assert!(page.contains("tiny: capacity"), "a search has its section");
}

#[test]
fn an_interrupted_search_keeps_what_was_finished_and_leaves_nothing_behind() {
    let folder = Folder::new();
    let (file, out) = (folder.file("tiny.toml", TINY), folder.path("out"));
    let search = ["capacity", &file, "--objective", "p50<=5ms", "--rates", "500..4k", "--window", "50ms"];
    let more = ["--steps", "900", "--model", "mio-event-loop", "--no-probe", "--quiet", "--out", &out];
    let mut tool = bakeoff(&[&search[..], &more].concat())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the tool can be started");
    let bundle = Path::new(&out).join("run.jsonl");
    let lines = || fs::read_to_string(&bundle).map_or(0, |text| text.lines().count());
    wait_for("three finished trials", || lines() > 8);
    let children = children_of(tool.id());
    signal(tool.id(), 2);
    assert_eq!(tool.wait().expect("our child").code(), Some(130));
    wait_for("the children to end", || children.iter().all(|pid| ended(*pid)));
    let loaded = bundle::load(&bundle).expect("a bundle");
    assert!(loaded.damage.is_empty() && loaded.trials.len() >= 3);
    assert!(loaded.end.expect("its end is on disk").interrupted);
    assert!(Path::new(&out).join("report.html").exists(), "what was finished is reported");
}

#[test]
fn a_sweep_over_cores_gives_servers_more_of_them_and_says_where_the_swarm_shares_them() {
    let all = allowed_cpus();
    if all.len() < 2 {
        return;
    }
    let folder = Folder::new();
    let (file, out) = (folder.file("tiny.toml", TINY), folder.path("out"));
    let cores = format!("cores=1,{}", all.len());
    let output = bakeoff(&["sweep", &file, "--over", &cores, "-m", "tokio", "-m", "thread-pool"])
        .args(["--rounds", "1", "--no-probe", "--retries", "0", "--out", &out])
        .output()
        .expect("it runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        told.contains("tiny @ 1 cores: servers on CPU ") && told.contains("! server and swarm shared a CPU"),
        "{told}"
    );
    let bundle = measured(output.status, &out);
    points_parse_back(&bundle);
    let run = &bundle.run;
    let [one, many] = run.scenarios.as_slice() else { panic!("two points: {:?}", run.scenarios) };
    let cpus = |scenario| run.server_cpus(scenario).to_vec();
    assert_eq!((cpus(one).len(), cpus(many)), (1, all.clone()));
    // What models have a worker for each CPU of follows them; a pool that is none of these does not.
    let size = |scenario: &ScenarioRecord, tuning| scenario.server.workers[&tuning];
    assert_eq!([one, many].map(|point| size(point, Tuning::RuntimeWorkers) as usize), [1, all.len()]);
    assert_eq!(size(one, Tuning::PoolWorkers), size(many, Tuning::PoolWorkers));
    for trial in &bundle.trials {
        let shared = trial.doubts.contains(&Doubt::SharedCpu);
        assert_eq!(shared, trial.scenario == many.name, "{}: {:?}", trial.scenario, trial.doubts);
    }
    let page = fs::read_to_string(format!("{out}/report.html")).expect("a page");
    assert!(page.contains("CPU per request") && page.contains("tiny over server cores"), "the page draws it");
}

#[test]
fn bad_input_is_refused_before_anything_starts_with_what_would_be_right() {
    let folder = Folder::new();
    let (file, out) = (folder.file("tiny.toml", TINY), folder.path("out"));
    let sweep = |over: &'static str| vec!["sweep", &file, "--over", over, "--out", &out];
    let capacity = |more: &[&'static str]| [&["capacity", &file, "--out", &out], more].concat();
    for (arguments, words) in [
        (sweep("cleints=1,2"), "did you mean `clients`"),
        (sweep("clients=4,1"), "does not ascend"),
        (sweep("clients=4,4"), "twice"),
        (sweep("clients=1,9000000"), "1000000"),
        (sweep("rate=1k,2k"), "bakeoff capacity"),
        (sweep("cores=1,4000"), "4000 cores are more than there are"),
        ([sweep("cores=1,2"), vec!["--server-cpus", "1"]].concat(), "leave one of them out"),
        (vec!["sweep", "no-such-scenario"], "unknown scenario"),
        (capacity(&[]), "states no objective"),
        (capacity(&["--objective", "5ms"]), "p99<=5ms"),
        (capacity(&["--objective", "p98<=5ms"]), "not supported"),
        (capacity(&["--objective", "p99<=5"]), "not a duration"),
        (capacity(&["--objective", "p99<=5ms", "--rates", "9k..1k"]), "do not ascend"),
        (capacity(&["--objective", "p99<=5ms", "--rates", "10..1k"]), "too few requests"),
        (capacity(&["--objective", "p99<=5ms", "--steps", "2"]), "6..=1000"),
        (vec!["capacity", "churn", "--objective", "p99<=5ms"], "bakeoff sweep"),
        (capacity(&["--objective", "p99<=5ms", "--model", "tokyo"]), "did you mean `tokio`"),
    ] {
        let error = fails(&arguments, 2);
        assert!(error.contains(words), "{arguments:?} should say {words}: {error}");
    }
    assert!(!fs::exists(&out).expect("readable"), "nothing was begun");
}
