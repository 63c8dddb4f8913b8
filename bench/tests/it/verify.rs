//! The oracles of `bakeoff verify`, and the harness broken in every known way: the sound one passes, each broken one is
//! caught by the oracle that is there for it.
//!
//! Quick forms, whose lies are gross: a stall of 500 ms that a broken harness reports as a millisecond. A figure off
//! its band in a trial that other programs disturbed says nothing of the harness, and fails no test.

#[allow(dead_code)] // another test uses the rest
use crate::support;

use bakeoff::instruments::verify::finding::{Finding, Status};
use bakeoff::instruments::verify::mutants::{Detection, ask};
use bakeoff::instruments::verify::oracles::find;
use bakeoff::instruments::verify::rig::{Rig, Scale};
use bakeoff::process::context::Context;
use bakeoff::process::launch::{Interrupt, Launcher};
use bakeoff::swarm::defect::Defect;
use clap::ValueEnum as _;
use std::process::Command;
use support::{bakeoff, fails, succeeds, tool};

fn with_rig<T>(of: impl FnOnce(&Rig<'_>) -> T) -> T {
    let launcher = Launcher { program: tool().into(), interrupt: Interrupt::default() };
    of(&Rig {
        context: &Context::on_loopback(launcher),
        seed: 7,
        scale: Scale::Quick,
        defect: None,
        // A test suite runs often: once in a million.
        alpha: 1e-6,
    })
}

/// What an oracle says of the sound harness.
fn sound(oracle: &str) -> Vec<Finding> {
    let oracle = find(oracle).expect("an oracle");
    with_rig(|rig| (oracle.run)(rig)).expect("it runs")
}

/// Harnesses broken in these ways are caught.
fn assert_caught(oracle: &str, defects: &[Defect]) {
    for defect in defects {
        assert_eq!(answer(oracle, *defect), Detection::Caught, "{oracle} does not catch {}", defect.name());
    }
}

/// The same for a figure that other programs can spoil, too, so that on a busy machine it says nothing: asked three times,
/// caught once at least and never passed; where nothing at all could be told, the test says so.
fn assert_noticed(oracle: &str, defect: Defect) {
    for _ in 0..3 {
        match answer(oracle, defect) {
            Detection::Caught => return,
            Detection::Right => panic!("{oracle} does not notice {}", defect.name()),
            _ => {}
        }
    }
    eprintln!("not shown: other programs disturbed every try of {oracle} with {}", defect.name());
}

fn answer(oracle: &str, defect: Defect) -> Detection {
    let oracle = find(oracle).expect("an oracle");
    with_rig(|rig| ask(rig, oracle, Some(defect))).expect("it runs")
}

fn assert_not_failed(findings: &[Finding]) {
    for finding in findings {
        assert_ne!(finding.verdict(), Status::Fail, "{finding:?}");
    }
}

#[test]
fn every_request_is_counted_as_what_the_server_did_to_it() {
    let findings = sound("faults");
    assert!(findings.iter().all(|finding| finding.verdict() == Status::Pass), "{findings:#?}");
    assert!(findings.iter().filter(|finding| finding.expected > 0.0).count() >= 7, "{findings:#?}");
}

#[test]
fn miscounting_is_caught() {
    let defects = [Defect::DropUnanswered, Defect::Unverified, Defect::DoubleCount, Defect::MisfiledReset];
    assert_caught("faults", &defects);
}

#[test]
fn a_stall_is_felt_as_theory_says() {
    assert_not_failed(&sound("stall"));
}

#[test]
fn coordinated_omission_and_its_kin_are_caught() {
    assert_caught("stall", &[Defect::ActualTime, Defect::AveragePercentiles]);
    assert_noticed("stall", Defect::SkipLate);
}

#[test]
fn arrivals_are_poisson_and_uniform_gaps_are_caught() {
    assert_not_failed(&sound("poisson"));
    assert_noticed("poisson", Defect::UniformGaps);
}

#[test]
fn the_throughput_of_a_pool_is_known_and_a_counted_warm_up_is_caught() {
    assert_not_failed(&sound("closed"));
    assert_noticed("closed", Defect::WarmupCounted);
}

// That the sound one is not is for optimised builds to show: this one's client is slower than the bare one.
#[test]
fn a_coarse_timer_is_caught() {
    assert_noticed("bias", Defect::CoarseTimer);
}

#[test]
fn the_tool_says_pass_or_fail_by_its_exit_code_and_names_what_there_is() {
    let list = succeeds(&["verify", "--list"]);
    for defect in Defect::value_variants() {
        assert!(list.contains(&defect.name()), "{list}");
    }
    let wrong =
        bakeoff(&["verify", "--only", "faults", "--break", "unverified"]).output().expect("it starts");
    let table = String::from_utf8_lossy(&wrong.stdout);
    assert_eq!(wrong.status.code(), Some(3), "{table}");
    assert!(table.contains("`unverified` was caught"), "{table}");
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    assert!(fails(&["verify", "--only", "stal"], 2).contains("stall"));
    assert!(fails(&["verify", "--break", "actualtime"], 2).contains("actual-time"));
}

/// The law of a pool holds on any machine, busy ones too: it cannot be faster than c/W, and whom it does not hold it never
/// serves.
#[test]
fn a_pool_that_waits_keeps_to_its_law() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new(env!("CARGO_BIN_EXE_bakeoff"))
        .args(["verify", "--orderings", "--only", "4", "--rounds", "4", "--out"])
        .arg(folder.path())
        .output()
        .expect("the tool starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(matches!(output.status.code(), Some(0 | 3)), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("share that starves"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let bundle = bakeoff_reports::record::bundle::load(&folder.path().join("run.jsonl")).expect("a bundle");
    let pool = bundle.trials.iter().filter(|trial| trial.model == "thread-pool");
    let measured: Vec<_> = pool.filter_map(|trial| trial.measured.value()).collect();
    assert!(measured.len() >= 4, "as many as rounds");
    for one in measured {
        assert_eq!((one.spread.connections, one.spread.never_served), (64, 48), "16 workers hold 16");
        let most = 16.0 * one.window_ns as f64 / 5e6;
        // Each worker may have had one reply under way when the window began.
        assert!(one.completed_in_window as f64 <= most + 16.0, "{} of {most}", one.completed_in_window);
    }
}

#[test]
fn an_ordering_that_is_not_there_is_refused() {
    let output = Command::new(env!("CARGO_BIN_EXE_bakeoff"))
        .args(["verify", "--orderings", "--only", "9"])
        .output()
        .expect("the tool starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && told.contains("no ordering `9`"), "{told}");
}
