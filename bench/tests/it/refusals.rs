//! A kernel that refuses: what cannot work is said, and the rest goes on.

use crate::support::{Folder, TINY, measured, refused};
use bakeoff_reports::analysis::{Caveat, analyse};

/// `EPERM`, as the seccomp profile of a container says it.
const NO_RINGS: &[&str] = &["io_uring_setup=1"];

#[test]
fn a_model_that_cannot_start_is_left_out_and_the_others_are_judged() {
    let folder = Folder::new();
    let (file, out) = (folder.file("tiny.toml", TINY), folder.path("out"));
    let models = ["--model", "io-uring", "--model", "tokio"];
    let run = [&["run", &file], &models[..], &["--rounds", "2", "--no-probe", "--out", &out]].concat();
    let output = refused(NO_RINGS, &run).output().expect("it runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        error.contains("io-uring is left out because it cannot start on this machine: io_uring is not"),
        "{error}"
    );
    let loaded = measured(output.status, &out);
    assert!(loaded.trials.iter().all(|trial| trial.model == "tokio"));
    let analysis = analyse(&loaded);
    let refused = |caveat: &Caveat| matches!(caveat, Caveat::Refused(refused) if refused.model == "io-uring");
    assert!(analysis.caveats().iter().any(refused), "{:?}", analysis.caveats());
    let tried = loaded.trials.iter().filter(|trial| trial.attempt == 0).count();
    assert_eq!(analysis.asked as usize, tried, "its blocks are no lost ones");
}

#[test]
fn a_run_of_models_that_cannot_start_fails_and_says_why() {
    let output = refused(NO_RINGS, &["run", "churn", "--model", "io-uring"]).output().expect("it runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("nothing to run: io-uring cannot start on this machine"), "{error}");
    assert!(error.contains("seccomp"), "{error}");
}
