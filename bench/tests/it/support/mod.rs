//! What the tests of the tool share: running it, folders that go away, looking after processes.

use bakeoff_reports::record::Trial;
use bakeoff_reports::record::bundle::{self, Bundle};
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

/// A workload of 50 ms that every model passes.
pub(crate) const TINY: &str = r#"
name = "tiny"
about = "a test"
service = "echo"
merit = "throughput"
[load]
kind = "closed"
clients = 4
[request]
size = "64 B"
[trial]
warmup = "10ms"
window = "50ms"
"#;

/// The tool's path.
pub(crate) fn tool() -> &'static str {
    env!("CARGO_BIN_EXE_bakeoff")
}

/// The tool with these arguments.
pub(crate) fn bakeoff(arguments: &[&str]) -> Command {
    let mut command = Command::new(tool());
    command.args(arguments);
    command
}

/// An example of this package, which Cargo builds beside the test program's folder.
pub(crate) fn example(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("this program has a path");
    let program = own.ancestors().nth(2).expect("target/PROFILE/deps/it").join("examples").join(name);
    assert!(program.exists(), "{} is missing: build it with cargo build --examples", program.display());
    program
}

/// The tool with these arguments, to which the kernel refuses calls, each written `name=errno`.
pub(crate) fn refused(calls: &[&str], arguments: &[&str]) -> Command {
    let mut command = Command::new(example("refuse-calls"));
    command.args(calls).arg("--").arg(tool()).args(arguments);
    command
}

/// Runs the tool, which must succeed; returns its standard output.
pub(crate) fn succeeds(arguments: &[&str]) -> String {
    let output = bakeoff(arguments).output().expect("the tool can be started");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {}: {error}", output.status);
    String::from_utf8(output.stdout).expect("text")
}

/// The bundle in a folder of results.
pub(crate) fn bundle_in(out: &str) -> Bundle {
    bundle::load(format!("{out}/run.jsonl").as_ref()).expect("a bundle")
}

/// The bundle of a run that ended with this status and has measured: the requests of one trial at least were answered. That a busy
/// machine leaves the run without a verdict (3) is not what is tested here.
pub(crate) fn measured(status: ExitStatus, out: &str) -> Bundle {
    assert!(matches!(status.code(), Some(0 | 3)), "{status}");
    let bundle = bundle_in(out);
    assert!(bundle.trials.iter().any(is_answered), "nothing was measured: {:#?}", bundle.trials);
    bundle
}

/// Whether requests of the trial were answered, by however busy a machine.
pub(crate) fn is_answered(trial: &Trial) -> bool {
    trial.measured.value().is_some_and(|measured| measured.counts.ok > 0)
}

/// Makes a run, which must end in order and [have measured](measured); returns its bundle. Without the measurement before it and
/// without further tries, which have tests of their own.
pub(crate) fn runs(arguments: &[&str], out: &str) -> Bundle {
    let plain = ["--no-probe", "--retries", "0", "--quiet", "--out", out];
    let status = bakeoff(&[&["run"], arguments, &plain].concat()).status().expect("the tool can be started");
    measured(status, out)
}

/// Whether a trial had the CPUs for itself, so that every server has answered something in it.
pub(crate) fn undisturbed(trial: &Trial) -> bool {
    use bakeoff_reports::record::{Doubt, Invalid, Reading};
    let disturbed = |reason: &Invalid| matches!(reason, Invalid::ForeignLoad { .. } | Invalid::Stolen { .. });
    // Read late by more than the window is long, everybody stood still: the tiny windows here are over before it is told.
    let window_ns = match &trial.measured {
        Reading::Value(measured) => measured.window_ns,
        Reading::Absent(_) => 0,
    };
    let passed_by = |doubt: &Doubt| matches!(doubt, Doubt::SampledLate { late_ns } if *late_ns >= window_ns);
    !trial.invalid.iter().any(disturbed) && !trial.doubts.iter().any(passed_by)
}

/// The trials of the plan, without further tries and without the blocks that follow disturbed ones.
pub(crate) fn first_tries(bundle: &Bundle) -> Vec<&Trial> {
    let planned = |trial: &&Trial| {
        trial.attempt == 0 && (bundle.run.sequential.is_some() || trial.round < bundle.run.rounds)
    };
    bundle.trials.iter().filter(planned).collect()
}

/// Runs the tool, which must fail with `code`; returns its standard error.
pub(crate) fn fails(arguments: &[&str], code: i32) -> String {
    let output = bakeoff(arguments).output().expect("the tool can be started");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
    error
}

/// A folder that goes away with the test.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    /// A path in it, as text.
    pub(crate) fn path(&self, name: &str) -> String {
        let path: PathBuf = self.0.path().join(name);
        path.to_str().expect("text").to_string()
    }

    /// A file in it with this text; returns its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).expect("writable");
        path
    }
}

/// Waits until something holds; fails the test after half a minute.
pub(crate) fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Sends a signal to a process that the test started.
pub(crate) fn signal(pid: u32, number: i32) {
    let signal = rustix::process::Signal::from_named_raw(number).expect("a signal");
    let pid = rustix::process::Pid::from_raw(pid as i32).expect("above zero");
    rustix::process::kill_process(pid, signal).expect("our child");
}

/// The living descendants of a process, without itself.
pub(crate) fn children_of(pid: u32) -> Vec<i32> {
    let family = bakeoff::host::usage::tree(pid).unwrap_or_default();
    family.into_iter().filter(|p| *p != pid).map(|p| p as i32).collect()
}

/// Whether a process has ended (a zombie has).
pub(crate) fn ended(pid: i32) -> bool {
    match procfs::process::Process::new(pid).and_then(|p| p.stat()) {
        Ok(stat) => stat.state == 'Z',
        Err(_) => true,
    }
}

/// Whether a process is one of the tool's servers.
pub(crate) fn is_server(pid: i32) -> bool {
    let words = procfs::process::Process::new(pid).and_then(|p| p.cmdline()).unwrap_or_default();
    words.iter().any(|word| word == "serve")
}
