//! `bakeoff ab` end to end: what must come out whatever the machine's speed, what is refused with which words, and that nothing is
//! left behind. What the verdicts are worth is tested on simulated noise, in the reports crate.

#[allow(dead_code)] // another test uses the rest
use crate::support;

use bakeoff_reports::record::bundle::{self, Bundle};
use bakeoff_reports::record::{Origin, Reading, Side};
use bakeoff_reports::rules::gate::{self, Gate, Outcome};
use bakeoff_reports::sample::{self, Spec};
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use support::{Folder, bakeoff, children_of, ended, fails, signal, tool, wait_for};

/// Brief trials: nothing here asks what they come out at.
const BRIEF: [&str; 7] = ["--window", "60ms", "--warmup", "10ms", "--no-probe", "--retries", "0"];

/// A command that serves echo.
fn echo_server() -> String {
    format!("'{}' serve --model mio-event-loop --service echo --addr 127.0.0.1:{{port}}", tool())
}

/// Compares; returns the bundle, its gate, the status and what was printed.
fn ab(arguments: &[&str]) -> (Bundle, Gate, i32, String) {
    let folder = Folder::new();
    let out = folder.path("out");
    let all = [&["ab", "--out", out.as_str()], arguments, &BRIEF].concat();
    let output = bakeoff(&all).output().expect("the tool can be started");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    let status = output.status.code().expect("it ended by itself");
    assert!(matches!(status, 0 | 1 | 3), "{all:?}: {status}: {error}");
    let bundle = support::bundle_in(&out);
    assert!(bundle.trials.iter().any(support::is_answered), "nothing was measured: {:#?}", bundle.trials);
    let gate = gate::judge(&bundle).expect("it compares two builds");
    assert!(Path::new(&format!("{out}/report.html")).is_file());
    (bundle, gate, status, String::from_utf8(output.stdout).expect("text"))
}

#[test]
fn every_round_runs_both_sides_as_neighbours_under_one_schedule() {
    let models = ["--model", "mio-event-loop", "--model", "tokio"];
    let (bundle, gate, _, text) =
        ab(&[&["--a", tool(), "--b", tool(), "--rounds", "6", "--seed", "1"], models.as_slice()].concat());
    let search: Vec<_> = bundle.trials.iter().filter(|trial| trial.round < 6).collect();
    assert_eq!(search.len(), 6 * 2 * 2, "six rounds of two cells of two sides");
    for pair in search.chunks(2) {
        let [first, second] = pair else { unreachable!("an even number") };
        let name = |model: &str| model.trim_end_matches(" (A)").trim_end_matches(" (B)").to_owned();
        assert_eq!(name(&first.model), name(&second.model), "the sides of a cell are neighbours");
        assert_ne!(first.model, second.model);
        assert_eq!(first.round, second.round);
    }
    let first: BTreeSet<bool> = search.chunks(2).map(|pair| pair[0].model.ends_with("(A)")).collect();
    assert_eq!(first.len(), 2, "either side comes first now and then");
    assert_eq!(gate.cells.len(), 2 * 3, "throughput, CPU and the share answered of either model");
    let widest = text.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(80), "{widest:?}:\n{text}");
    assert!(bundle.run.comparison.as_ref().is_some_and(|c| matches!(c.a.origin, Origin::Binary { .. })));
    assert!(bundle.end.is_some_and(|end| !end.interrupted));
}

#[test]
fn commands_of_any_kind_are_compared_and_their_costs_read_from_outside() {
    let echo = echo_server();
    let (bundle, gate, _, _) =
        ab(&["--a", &echo, "--b", &echo, "--rounds", "6", "--fail-on", "merit,cpu-per-request"]);
    assert_eq!(gate.cells.len(), 3, "three figures of one cell");
    let search: Vec<_> = bundle.trials.iter().filter(|trial| trial.round < 6).collect();
    assert_eq!(search.len(), 12);
    for trial in search.iter().filter(|trial| support::undisturbed(trial)) {
        let measured = trial.measured.value().unwrap_or_else(|| panic!("{trial:#?}"));
        assert!(measured.counts.ok > 0 && measured.counts.balanced(), "{:?}", measured.counts);
        let held_up = |why: &str| why.contains("held up");
        let read = !matches!(&trial.usage.window_cpu_ns, Reading::Absent(why) if !held_up(why));
        assert!(read, "{:#?}", trial.usage);
    }
    assert!(search.iter().any(|trial| trial.usage.window_cpu_ns.value().is_some()), "not once");
    assert!(bundle.run.comparison.is_some_and(|c| c.b.origin == Origin::Command { words: echo }));
}

#[test]
fn a_build_that_answers_wrongly_or_not_at_all_never_begins() {
    let echo = echo_server();
    let http = echo.replace("--service echo", "--service http");
    let folder = Folder::new();
    let out = folder.path("out");
    for (bad, word) in [
        (http.as_str(), "does it speak the service `echo`?"),
        ("/bin/false {port}", "exited with status 1"),
        ("/no/such/server {port}", "starting `/no/such/server"),
        ("/bin/sh -c 'echo no licence >&2; exit 7' {port}", "no licence"),
    ] {
        let all =
            [&["ab", "--a", &echo, "--b", bad, "--out", &out, "--rounds", "6"], BRIEF.as_slice()].concat();
        let error = fails(&all, 2);
        assert!(error.contains("side B") && error.contains(word), "{bad}: {error}");
        assert!(!Path::new(&out).exists(), "nothing was begun, and nothing is left");
    }
}

#[test]
fn a_command_that_never_listens_is_given_up_and_ended() {
    let (folder, echo) = (Folder::new(), echo_server());
    let (out, pid) = (folder.path("out"), folder.path("pid"));
    let deaf = format!("/bin/sh -c 'echo $$ > {pid}; exec sleep 300' {{port}}");
    let all =
        [&["ab", "--a", &deaf, "--b", &echo, "--out", &out, "--rounds", "6"], BRIEF.as_slice()].concat();
    let error = fails(&all, 2);
    assert!(error.contains("side A") && error.contains("did not listen on 127.0.0.1:"), "{error}");
    let pid: i32 = std::fs::read_to_string(pid).expect("it ran").trim().parse().expect("a number");
    assert!(ended(pid), "it is left behind");
}

#[test]
fn a_workload_that_one_side_does_not_know_is_said_with_its_words() {
    let folder = Folder::new();
    let old = folder
        .file("old-bakeoff", "#!/bin/sh\necho \"bakeoff: there is no service 'echo' here\" >&2\nexit 2\n");
    std::fs::set_permissions(&old, PermissionsExt::from_mode(0o755)).expect("ours");
    let out = folder.path("out");
    let all = [
        &["ab", "--a", &old, "--b", tool(), "--out", &out, "--rounds", "6", "-m", "tokio"],
        BRIEF.as_slice(),
    ];
    let error = fails(&all.concat(), 2);
    assert!(error.contains("side A") && error.contains("there is no service 'echo' here"), "{error}");
    assert!(error.contains("small-echo-closed"), "{error}");
}

/// A git checkout with one commit on `main`, and one on `broken` whose build fails.
fn checkout() -> Folder {
    let folder = Folder::new();
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.arg("-C").arg(folder.path("")).args(["-c", "user.name=T", "-c", "user.email=t@example.org"]);
        let output = git.args(arguments).output().expect("git is there");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    git(&["init", "--quiet", "--initial-branch=main"]);
    let script = format!(
        "#!/bin/sh\ncat built >> '{}'\nexec '{}' serve --model mio-event-loop --service echo --addr 127.0.0.1:$1\n",
        folder.path("served"),
        tool()
    );
    folder.file("server.sh", &script);
    folder.file("build.sh", "echo layout ${BAKEOFF_LAYOUT-none} > built\n");
    git(&["add", "."]);
    git(&["commit", "--quiet", "-m", "one"]);
    git(&["checkout", "--quiet", "-b", "broken"]);
    folder.file("build.sh", "echo 'error[E0425]: cannot find value `x`' >&2\nexit 101\n");
    git(&["commit", "--quiet", "-am", "two"]);
    git(&["checkout", "--quiet", "main"]);
    folder
}

fn ab_in(folder: &Folder, arguments: &[&str]) -> std::process::Output {
    let build = ["--build", "sh build.sh", "--serve", "sh server.sh {port}"];
    let mut command = bakeoff(&[&["ab"], arguments, &build, &["--rounds", "6"], &BRIEF].concat());
    command.current_dir(folder.path("")).output().expect("the tool can be started")
}

#[test]
fn refs_are_built_in_worktrees_once_and_one_that_does_not_build_says_why() {
    let folder = checkout();
    let output = ab_in(&folder, &["--a", "main", "--b", "broken", "--out", "bad"]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("side B (`broken`) does not build") && error.contains("error[E0425]"), "{error}");

    let output = ab_in(&folder, &["--a", "main", "--b", "main", "--out", "good"]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(matches!(output.status.code(), Some(0 | 1 | 3)), "{error}");
    assert!(!error.contains("building side"), "main was built before: {error}");
    let bundle = support::bundle_in(&folder.path("good"));
    let Some(comparison) = bundle.run.comparison else { panic!("it compares") };
    let Origin::Commit { commit, reference } = &comparison.a.origin else { panic!("{:?}", comparison.a) };
    assert!(commit.len() == 40 && reference == "main");

    // A build that did not end well is done again from nothing: what lies there may be anything.
    let home = folder.path(&format!("target/bakeoff-builds/{commit}"));
    let left_over = folder
        .file(&format!("target/bakeoff-builds/{commit}/source/left-over"), "by a build that was killed");
    std::fs::remove_file(format!("{home}/built")).expect("it was built");
    let output = ab_in(&folder, &["--a", "main", "--b", "main", "--out", "again"]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(matches!(output.status.code(), Some(0 | 1 | 3)), "{error}");
    assert!(error.contains("building side A") && !error.contains("building side B"), "once: {error}");
    assert!(!Path::new(&left_over).exists() && Path::new(&format!("{home}/built")).exists());

    let output = ab_in(&folder, &["--a", "no-such-branch", "--b", "main", "--out", "none"]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && error.contains("names no commit here"), "{error}");
}

#[test]
fn several_layouts_of_a_side_serve_in_turn() {
    let folder = checkout();
    let output = ab_in(&folder, &["--a", "main", "--b", "main", "--layouts", "2", "--out", "two"]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(matches!(output.status.code(), Some(0 | 1 | 3)), "{error}");
    let bundle = support::bundle_in(&folder.path("two"));
    assert_eq!(bundle.run.comparison.map(|comparison| comparison.layouts), Some(2));
    let served = std::fs::read_to_string(folder.path("served")).expect("they served");
    let of = |layout: &str| served.lines().filter(|line| *line == layout).count();
    // Six rounds, and the first build once more in the rehearsal; perhaps fresh rounds, half of them each, and further tries.
    assert!(of("layout 1") >= 6 && of("layout 2") >= 6, "{served}");
    assert_eq!(of("layout none"), 0, "{served}");

    let error = fails(&["ab", "--a", tool(), "--layouts", "2"], 2);
    assert!(error.contains("both have to be git refs"), "{error}");
}

#[test]
fn the_gates_script_never_publishes_an_earlier_verdict() {
    let folder = Folder::new();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/regression-gate");
    folder.file("run.jsonl", "an old one");
    let mut gate = Command::new("bash");
    gate.args([script, "main", "this"]).env("BAKEOFF", "true").env("OUT", folder.path(""));
    let output = gate.env("GITHUB_STEP_SUMMARY", folder.path("page")).output().expect("bash");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("an earlier gate") && error.contains("OUT"), "{error}");
    assert!(!Path::new(&folder.path("page")).exists(), "nothing is published");
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_built() {
    let echo = echo_server();
    for (arguments, word) in [
        (vec!["--a", tool(), "--b", &echo], "two of a kind"),
        (vec!["--a", &echo, "--b", &echo, "--model", "tokio"], "serves what it serves"),
        (vec!["--a", "./server --port 80"], "where the port goes"),
        (vec!["--a", tool(), "--floor", "churn=5%"], "nothing here is called `churn`"),
        (vec!["--a", tool(), "--floor", "0%"], "above 0"),
        (vec!["--a", tool(), "--fail-on", "speed"], "speed"),
        (vec!["--a", tool(), "--budget", "10s"], "too short"),
        (vec!["--a", tool(), "--model", "tokoi"], "tokoi"),
        (vec!["--a", tool(), "no-such-scenario"], "no-such-scenario"),
        (vec!["--a", tool(), "--addr", "192.0.2.1:0"], "this machine only"),
        (vec!["--a", "/no/such/build"], "there is no program"),
    ] {
        let error = fails(&[&["ab"], arguments.as_slice()].concat(), 2);
        assert!(error.contains(word), "{arguments:?}: {error}");
    }
}

#[test]
fn a_build_that_dies_under_load_where_the_other_does_not_has_regressed() {
    // A server that gives up after a while: its rehearsal goes well.
    let folder = Folder::new();
    let count = folder.path("count");
    let dying = format!(
        "/bin/sh -c 'echo x >> {count}; [ $(wc -l < {count}) -gt 1 ] && (sleep 0.05; kill -9 $$) & exec {} serve --model \
         mio-event-loop --service echo --addr 127.0.0.1:$0' {{port}}",
        tool()
    );
    let (_, gate, status, text) = ab(&["--a", &echo_server(), "--b", &dying, "--rounds", "6"]);
    assert_eq!(gate.outcome(), Outcome::Regressed, "{text}");
    assert_eq!(status, 1, "{text}");
}

/// A machine as busy as one that runs tests may spoil the first gate or hide a cost of a tenth; then that is what it says. Either
/// way every gate that was run has left its bundle.
#[test]
fn a_self_test_learns_what_a_slowdown_costs_and_puts_it_on() {
    let folder = Folder::new();
    let out = folder.path("out");
    let asked =
        ["ab", "--self-test", "1", "--slower", "50%", "--rounds", "6", "--model", "mio-event-loop-inline"];
    let all = [asked.as_slice(), &["dynamic-page", "--out", &out], &BRIEF].concat();
    let output = bakeoff(&all).output().expect("the tool can be started");
    let error = String::from_utf8_lossy(&output.stderr);
    let label_of_b =
        |gate: &str| support::bundle_in(&format!("{out}/{gate}")).run.comparison.expect("two builds").b.label;
    assert_eq!(label_of_b("none-01"), "this program");
    let taxed = |gate: &str| assert!(label_of_b(gate).ends_with(" ns more a request"), "{gate}: {error}");
    match output.status.code() {
        Some(0) => {
            taxed("what-a-slowdown-costs");
            taxed("50-percent-01");
            let text = String::from_utf8(output.stdout).expect("text");
            assert!(text.contains("+50 %") && text.contains("What made it slower: +50 % by "), "{text}");
        }
        // Other programs may leave either gate without one valid pair.
        Some(2) if error.contains("nothing was measured without a cost") => {}
        Some(2) if error.contains("nothing was measured with a cost") => taxed("what-a-slowdown-costs"),
        Some(2) => {
            taxed("what-a-slowdown-costs");
            assert!(error.contains("it is not what limits this workload"), "{error}");
        }
        other => panic!("{other:?}: {error}"),
    }
}

#[test]
fn what_is_interrupted_keeps_its_records_and_leaves_no_process() {
    let (folder, echo) = (Folder::new(), echo_server());
    let out = folder.path("out");
    let all =
        [&["ab", "--a", &echo, "--b", &echo, "--out", &out, "--rounds", "500"], BRIEF.as_slice()].concat();
    let mut running = bakeoff(&all).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the tool");
    let bundle = format!("{out}/run.jsonl");
    wait_for("a few trials", || std::fs::read_to_string(&bundle).is_ok_and(|text| text.lines().count() > 4));
    let family = children_of(running.id());
    signal(running.id(), 2);
    assert_eq!(running.wait().expect("it ends").code(), Some(130));
    wait_for("its children to end", || family.iter().all(|pid| ended(*pid)));
    let kept = bundle::load(bundle.as_ref()).expect("whole");
    assert!(kept.damage.is_empty() && kept.end.is_some_and(|end| end.interrupted));
    assert!(
        kept.trials.iter().all(|trial| Side::BOTH.iter().any(|side| trial.model == side.model("server")))
    );
}

#[test]
fn two_stored_runs_are_put_side_by_side_with_what_that_cannot_show() {
    let folder = Folder::new();
    let spec = Spec { scenarios: 2, models: 3, rounds: 6, requests: 400, ..Spec::default() };
    let store = |name: &str, bundle: &Bundle| {
        let path = folder.path(name);
        std::fs::write(&path, bundle::to_bytes(bundle).expect("JSON")).expect("writable");
        path
    };
    let (first, mut other) = (sample::bundle(&spec), sample::bundle(&Spec { seed: 7, ..spec }));
    let (one, two) = (store("one.jsonl", &first), store("two.jsonl", &other));
    let text = support::succeeds(&["compare", &one, &two]);
    assert!(text.contains("thread-per-client") && text.contains("no regression"), "{text}");

    other.run.scenarios.iter_mut().for_each(|scenario| scenario.timing.window *= 2);
    let error = fails(&["compare", &one, &store("longer.jsonl", &other)], 2);
    assert!(error.contains("nothing in common"), "{error}");

    other = first.clone();
    other.run.environment.cpu_model = Reading::Value("another processor".into());
    let foreign = store("foreign.jsonl", &other);
    let error = fails(&["compare", &one, &foreign], 2);
    assert!(error.contains("another processor") && error.contains("--any-machine"), "{error}");
    assert!(support::succeeds(&["compare", &one, &foreign, "--any-machine"]).contains("another machine"));

    other = first.clone();
    other.run.schema_version = 99;
    let error = fails(&["compare", &one, &store("later.jsonl", &other)], 2);
    assert!(error.contains("schema version 99"), "{error}");
}
