//! The oracles of `bakeoff verify`, and the harness broken in every known way: the sound one passes, each broken one is
//! caught by the oracle that is there for it.
//!
//! Quick forms, whose lies are gross: a stall of 500 ms that a broken harness reports as a millisecond. A figure off
//! its band in a trial that other programs disturbed says nothing of the harness: it is measured again, and a test that has measured
//! nothing fails and says why. `scripts/check` gives these tests the machine for themselves.

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

fn with_rig<T>(seed: u64, of: impl FnOnce(&Rig<'_>) -> T) -> T {
    let launcher = Launcher { program: tool().into(), interrupt: Interrupt::default() };
    of(&Rig {
        context: &Context::on_loopback(launcher),
        seed,
        scale: Scale::Quick,
        defect: None,
        // A test suite runs often: once in a million.
        alpha: 1e-6,
    })
}

/// How often something is measured at most, while other programs disturb it: each takes some seconds.
const MEASUREMENTS: u64 = 20;

/// Measures until there is something to tell.
fn until_told<T>(what: &str, mut measure: impl FnMut(u64) -> Result<T, String>) -> T {
    let mut why = String::new();
    for seed in 0..MEASUREMENTS {
        match measure(seed) {
            Ok(told) => return told,
            Err(disturbed) => why = disturbed,
        }
    }
    panic!("{what}: nothing was measured in {MEASUREMENTS} trials ({why}); run this where the CPUs are free");
}

/// What an oracle says of the sound harness.
fn sound(oracle: &str, seed: u64) -> Vec<Finding> {
    let oracle = find(oracle).expect("an oracle");
    with_rig(seed, |rig| (oracle.run)(rig)).expect("it runs")
}

/// Harnesses broken in these ways are caught.
fn assert_caught(oracle: &str, defects: &[Defect]) {
    for defect in defects {
        assert_eq!(
            answer(oracle, *defect, 7),
            Detection::Caught,
            "{oracle} does not catch {}",
            defect.name()
        );
    }
}

/// The same for a figure that other programs can spoil, too, so that a disturbed one says nothing.
fn assert_noticed(oracle: &str, defect: Defect) {
    let what = format!("{oracle} with {}", defect.name());
    let answer = until_told(&what, |seed| match answer(oracle, defect, seed) {
        Detection::Unknown => Err("other programs disturbed the last".into()),
        told => Ok(told),
    });
    assert_eq!(answer, Detection::Caught, "{oracle} does not notice {}", defect.name());
}

fn answer(oracle: &str, defect: Defect, seed: u64) -> Detection {
    let oracle = find(oracle).expect("an oracle");
    with_rig(seed, |rig| ask(rig, oracle, Some(defect))).expect("it runs")
}

/// Every figure of the sound harness is in its band once, and never out of it in a trial that nothing disturbed.
fn assert_sound(oracle: &str) {
    let mut right = Vec::new();
    until_told(oracle, |seed| {
        let findings = sound(oracle, seed);
        right.resize(findings.len(), false);
        for (finding, right) in findings.iter().zip(&mut right) {
            match finding.verdict() {
                Status::Pass => *right = true,
                Status::Fail => panic!("{finding:?}"),
                Status::Unknown(_) => {}
            }
        }
        let missing = findings.iter().zip(&right).find(|(_, right)| !**right);
        missing.map_or(Ok(()), |(finding, _)| Err(format!("{}: {:?}", finding.figure, finding.verdict())))
    });
    assert!(!right.is_empty(), "{oracle} has no figure");
}

#[test]
fn every_request_is_counted_as_what_the_server_did_to_it() {
    let findings = sound("faults", 7);
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
    assert_sound("stall");
}

#[test]
fn coordinated_omission_and_its_kin_are_caught() {
    assert_caught("stall", &[Defect::ActualTime, Defect::AveragePercentiles]);
    assert_noticed("stall", Defect::SkipLate);
}

#[test]
fn arrivals_are_poisson_and_uniform_gaps_are_caught() {
    assert_sound("poisson");
    assert_noticed("poisson", Defect::UniformGaps);
}

#[test]
fn the_throughput_of_a_pool_is_known_and_a_counted_warm_up_is_caught() {
    assert_sound("closed");
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
        .args(["verify", "--orderings", "--only", "99"])
        .output()
        .expect("the tool starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && told.contains("no ordering `99`"), "{told}");
}
