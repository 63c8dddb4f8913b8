//! Servers that do what no server should: each trial ends in bounded time with its typed reason, the run goes on, and
//! nothing is left behind.
//!
//! The tool starts the example `faulty-server` as its servers, which misbehave as their model's name says, and as its
//! workers, which are the real ones. No assertion is about speed.

use crate::support::{TINY, example};
use bakeoff::campaign::plan::Plan;
use bakeoff::campaign::{Ending, Options, blocks};
use bakeoff::process::context::Context;
use bakeoff::process::launch::{Interrupt, Launcher};
use bakeoff::trial::{Conditions, TrialId};
use bakeoff::workload::contestant::Chosen;
use bakeoff::workload::load::Timing;
use bakeoff::workload::scenario::Scenario;
use bakeoff_reports::record::bundle;
use bakeoff_reports::record::{Doubt, ErrorKind, Invalid, Reading, Trial};
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// Guards against hanging: the patience of the tool with a child, twice, and some.
const GUARD: Duration = Duration::from_secs(45);

/// Real models' names and the fault that each acts out in a whole run; the example reads it, too.
#[path = "../../examples/faulty-server/cast.rs"]
mod cast;

/// Starts the example in place of the tool.
fn launcher() -> Launcher {
    Launcher { program: example("faulty-server"), interrupt: Interrupt::default() }
}

/// A workload of a moment, impatient with servers.
fn hasty() -> Scenario {
    let mut hasty = Scenario::parse(TINY, "tiny.toml").expect("a good scenario");
    let ms = Duration::from_millis;
    hasty.timing = Timing { warmup: ms(20), window: ms(250), timeout: ms(150), drain: ms(200) };
    hasty
}

/// Runs one trial of a server with this fault; fails when it does not end, or leaves a process behind.
fn trial(fault: &str) -> Trial {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pids = folder.path().join("pids");
    let model = format!("{fault}:{}", pids.display());
    let (sender, done) = channel();
    std::thread::spawn(move || {
        let context = Context::on_loopback(launcher());
        let conditions = Conditions { context: &context, seed: 1, costs: true, probe: None };
        let trial = conditions.trial(TrialId::default(), &hasty(), &model, context.model(&model));
        let _ = sender.send(trial);
    });
    let trial = done.recv_timeout(GUARD).unwrap_or_else(|_| panic!("{fault}: the trial does not end"));
    nothing_is_left(fault, &pids);
    trial.expect("not interrupted")
}

/// Waits for the end of every process that a server said it was, or had started.
fn nothing_is_left(fault: &str, pids: &Path) {
    let pids = std::fs::read_to_string(pids).expect("a server says who it is");
    let deadline = Instant::now() + GUARD;
    let lives = |pid: &str| {
        let process = procfs::process::Process::new(pid.parse().expect("a process id"));
        process.and_then(|process| process.stat()).is_ok_and(|stat| stat.state != 'Z')
    };
    while pids.lines().any(lives) {
        assert!(Instant::now() < deadline, "{fault} left something behind: {pids}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn servers_that_do_not_start_are_told_apart() {
    for (fault, words) in [
        ("exits", "no port for me"),
        ("talks-nonsense", "unexpected"),
        ("talks-without-end", "a line without end"),
        (
            "names-another-machine",
            "listens on 192.0.2.1:8080, and was told to on 127.0.0.1:0; nothing is sent there",
        ),
    ] {
        let trial = trial(fault);
        let [Invalid::ServerDidNotStart { detail }] = &trial.invalid[..] else {
            panic!("{fault}: {trial:?}")
        };
        assert!(detail.contains(words), "{fault}: {detail}");
        assert!(matches!(trial.measured, Reading::Absent(_)));
    }
}

#[test]
fn a_server_that_never_gets_ready_is_given_up() {
    let trial = trial("says-nothing");
    let [Invalid::ServerDidNotStart { detail }] = &trial.invalid[..] else { panic!("{trial:?}") };
    assert!(detail.contains("did not answer within"), "{detail}");
}

#[test]
fn a_server_that_dies_under_load_is_a_result() {
    for (fault, end) in [("dies", "signal 6"), ("leaves", "exited with status 0")] {
        let trial = trial(fault);
        let Reading::Value(measured) = &trial.measured else { panic!("{trial:?}") };
        assert!(measured.counts.balanced() && measured.counts.errors_total() > 0, "{:?}", measured.counts);
        let told = |doubt: &Doubt| matches!(doubt, Doubt::ServerDied { detail } if detail.contains(end));
        assert!(trial.doubts.iter().any(told), "{fault}: {:?}", trial.doubts);
        assert_eq!(
            matches!(trial.server, Reading::Absent(_)),
            fault == "dies",
            "{fault}: {:?}",
            trial.server
        );
        let others =
            |reason: &Invalid| matches!(reason, Invalid::ForeignLoad { .. } | Invalid::Stolen { .. });
        let own: Vec<_> = trial.invalid.iter().filter(|reason| !others(reason)).collect();
        assert!(own.is_empty(), "its end is its result: {own:?}");
    }
}

#[test]
fn a_server_that_lets_nobody_in_is_blamed() {
    let trial = trial("refuses");
    let [Invalid::NothingConnected { detail }] = &trial.invalid[..] else { panic!("{trial:?}") };
    assert!(detail.contains("refused"), "{detail}");
    assert!(!bakeoff::trial::judge::is_transient(&trial.invalid), "it would be the same again");
}

#[test]
fn wrong_replies_are_named_and_not_retried() {
    for fault in ["garbage", "floods"] {
        let trial = trial(fault);
        let wrong = |reason: &Invalid| matches!(reason, Invalid::WrongReply { replies, .. } if *replies > 0);
        assert!(trial.invalid.iter().any(wrong), "{fault}: {:?}", trial.invalid);
        assert!(!bakeoff::trial::judge::is_transient(&trial.invalid), "{fault}: it would be the same again");
        let Reading::Value(measured) = &trial.measured else { panic!("{fault}: {trial:?}") };
        assert!(measured.counts.balanced(), "{fault}: {:?}", measured.counts);
        assert!(measured.counts.errors.contains_key(&ErrorKind::Corrupt), "{fault}: {:?}", measured.counts);
    }
}

#[test]
fn servers_that_do_not_answer_are_results() {
    let faults = [
        ("closes-early", false),
        ("panics", false),
        ("never-accepts", false),
        ("hangs", true),
        ("stops", true),
    ];
    // Side by side: what they take is the patience of the tool with each.
    let trials = std::thread::scope(|scope| {
        faults.map(|(fault, _)| scope.spawn(move || trial(fault))).map(|one| one.join().expect("it ends"))
    });
    for ((fault, killed), trial) in faults.into_iter().zip(trials) {
        let Reading::Value(measured) = &trial.measured else { panic!("{fault}: {trial:?}") };
        let counts = &measured.counts;
        assert!(counts.balanced() && counts.ok == 0 && counts.unanswered() > 0, "{fault}: {counts:?}");
        let unanswered = |doubt: &Doubt| matches!(doubt, Doubt::Unanswered { .. });
        assert!(trial.doubts.iter().any(unanswered), "{fault}: {:?}", trial.doubts);
        let at_stop = trial.doubts.contains(&Doubt::KilledAtStop);
        assert_eq!(at_stop, killed, "{fault}: {:?}", trial.doubts);
        let said = trial.doubts.iter().find_map(|doubt| match doubt {
            Doubt::ServerSaid { words } => Some(words),
            _ => None,
        });
        let panicked = said.is_some_and(|words| words.contains("no plan for a request"));
        assert_eq!(panicked, fault == "panics", "{fault}: {:?}", trial.doubts);
    }
    let trial = trial("talks-while-it-serves");
    let Reading::Value(measured) = &trial.measured else { panic!("{trial:?}") };
    assert!(measured.counts.ok > 0, "it answers its clients: {:?}", measured.counts);
    assert!(
        matches!(&trial.server, Reading::Absent(why) if why.contains("unexpected")),
        "{:?}",
        trial.server
    );
}

/// Two rounds of models that each have a fault of their own, and one that has none.
#[test]
fn a_run_goes_on_after_each_fault() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("run.jsonl");
    let chosen = Chosen::models(cast::CAST.map(|(model, _)| model));
    let plan = Plan::new(vec![hasty()], &chosen, 2, 1).expect("a plan");
    let options = Options { command: vec!["a test".into()], retries: 2, ..Options::default() };
    let context = Context::on_loopback(launcher());
    let completion = blocks::run(&plan, &options, &context, &path).expect("the bundle can be written");
    assert_eq!(completion.ending, Ending::Complete);
    let bundle = bundle::load(&path).expect("whole");
    assert!(bundle.damage.is_empty() && bundle.end.is_some_and(|end| !end.interrupted));
    // A block that others disturbed is followed by another.
    assert!(bundle.rounds.len() >= 2, "{:?}", bundle.rounds);
    assert!(bundle.rounds.iter().all(|round| round.drift().is_some()), "{:?}", bundle.rounds);
    for (model, fault) in cast::CAST {
        let trials: Vec<&Trial> = bundle.trials.iter().filter(|trial| trial.model == model).collect();
        assert_eq!(trials.iter().filter(|trial| trial.attempt == 0 && trial.round < 2).count(), 2, "{fault}");
        for trial in trials {
            let named = |reason: &Invalid| match fault {
                "exits" => matches!(reason, Invalid::ServerDidNotStart { .. }),
                "garbage" => matches!(reason, Invalid::WrongReply { .. }),
                _ => false,
            };
            assert_eq!(
                trial.invalid.iter().any(named),
                matches!(fault, "exits" | "garbage"),
                "{fault}: {:?}",
                trial.invalid
            );
            assert!(
                trial.attempt == 0 || !matches!(fault, "exits" | "garbage"),
                "{fault} is not tried again"
            );
        }
    }
}
