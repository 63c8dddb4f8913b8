//! The anatomy of a request under every model: what must be seen of it, and that nothing is left behind.

#[allow(dead_code)] // each test program uses its part
use crate::support;

use bakeoff::instruments::anatomy::{AnatomyOptions, take};
use bakeoff::process::context::Context;
use bakeoff::process::launch::{Interrupt, Launcher};
use bakeoff_reports::record::{Anatomy, ConnectionWire, Outcome, Part, Phase, Reading, Step};
use bakeoff_servers::{models, services};
use procfs::process::Process;
use std::process::Stdio;
use std::time::Duration;
use support::{
    Folder, bakeoff as tool_with, children_of, ended, fails, runs, signal, succeeds, tool, wait_for,
};

/// The anatomy of a few requests to a model.
fn of(model: &str, service: &str, demand: Duration) -> Anatomy {
    let launcher = Launcher { program: tool().into(), interrupt: Interrupt::default() };
    let context = Context::on_loopback(launcher);
    let small = AnatomyOptions::small_echo();
    let service = services::find(service).expect("a service");
    take(&context, context.model(model), &AnatomyOptions { service, demand, ..small })
        .expect("the server starts")
}

fn phase(anatomy: &Anatomy, part: Part) -> &Phase {
    match &anatomy.phases {
        Reading::Value(_) => anatomy.phase(part).expect("every part is followed"),
        Reading::Absent(why) => panic!("{}: {why}", anatomy.model),
    }
}

fn wire(anatomy: &Anatomy) -> &ConnectionWire {
    anatomy.wire.value().unwrap_or_else(|| panic!("{}: {:?}", anatomy.model, anatomy.wire))
}

/// Values of a call on an object that went well.
fn returned(phase: &Phase, calls: &[&str], on: Option<&str>) -> Vec<i64> {
    let fits = |step: &&Step| calls.contains(&step.call.as_str()) && step.on.as_deref() == on;
    let value = |step: &Step| match step.outcome {
        Outcome::Returned(value) => Some(value),
        _ => None,
    };
    phase.steps.iter().filter(fits).filter_map(value).collect()
}

const CONNECTION: Option<&str> = Some("connection");
const RECEIVE: &[&str] = &["read", "recvfrom"];
const SEND: &[&str] = &["write", "sendto"];
const WAIT: &[&str] = &["epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll"];

/// Whether a model waits for readiness before it reads.
fn is_loop(model: &str) -> bool {
    ["mio", "tokio", "reactor", "coroutines", "per-request", "elastic"]
        .iter()
        .any(|kind| model.contains(kind))
}

#[test]
fn under_every_model_a_request_is_one_read_and_one_write_of_the_whole_message() {
    // What io-uring reads and writes is in no system call: one call hands over what to do and takes what was done.
    for model in models::ALL.iter().filter(|model| model.name() != "io-uring") {
        let anatomy = of(model.name(), "echo", Duration::ZERO);
        let request = phase(&anatomy, Part::Request);
        assert_eq!((anatomy.request_bytes, anatomy.reply_bytes), (64, 64));
        assert_eq!(returned(request, RECEIVE, CONNECTION), [64], "{anatomy:#?}");
        assert_eq!(returned(request, SEND, CONNECTION), [64], "{anatomy:#?}");
        assert_eq!(request.repeats, 5);
        let on = (model.name() != "poll-reactor").then_some("epoll"); // poll(2) is on no object
        let waits = returned(request, WAIT, on);
        assert_eq!(!waits.is_empty(), is_loop(model.name()), "{anatomy:#?}");
        assert!(request.steps[0].woken, "a request wakes somebody: {anatomy:#?}");
        let last = request.steps.last().expect("not empty");
        assert_eq!(last.outcome, Outcome::Sleeps, "and leaves the server asleep: {anatomy:#?}");
        if !is_loop(model.name()) {
            assert_eq!(request.alike, 5, "a blocking server has no choice: {anatomy:#?}");
            assert!((request.all_calls_per_repeat() - 2.0).abs() < 1e-9, "{anatomy:#?}");
        }
        // Every model takes the connection exactly once, and gives it back.
        assert_eq!(returned(phase(&anatomy, Part::Connect), &["accept4"], Some("listener")).len(), 1);
        let close = phase(&anatomy, Part::Close);
        assert!(returned(close, RECEIVE, CONNECTION).contains(&0), "the end of input is seen: {anatomy:#?}");
        the_wire_adds_up(&anatomy);
    }
}

fn the_wire_adds_up(anatomy: &Anatomy) {
    let wire = wire(anatomy);
    assert_eq!((wire.connect.out, wire.connect.r#in), (2, 1), "SYN, SYN-ACK, ACK: {wire:?}");
    assert_eq!((wire.connect.data(), wire.connect.payload_bytes()), (0, 0), "{wire:?}");
    assert_eq!(wire.request.payload_in_bytes, 64 * wire.requests, "{wire:?}");
    // A retransmission would be counted in both.
    let again = wire.retransmits;
    assert!(wire.request.payload_out_bytes >= 64 * wire.requests, "{wire:?}");
    assert!(wire.request.payload_out_bytes <= 64 * (wire.requests + again), "{wire:?}");
    assert_eq!(wire.request.data_in, wire.requests, "a reply is one segment: {wire:?}");
    let close = wire.close.value().expect("it was closed");
    assert_eq!(close.payload_bytes(), 0, "a FIN carries no payload: {wire:?}");
    let untraced = anatomy.untraced.value().expect("it was asked");
    assert_eq!(untraced.requests, wire.requests);
    assert!(untraced.voluntary_per_request.value().is_some_and(|n| *n > 0.0), "{untraced:?}");
    assert!(untraced.cpu_ns_per_request.value().is_some_and(|ns| *ns > 0.0), "{untraced:?}");
}

#[test]
fn a_fork_makes_a_child_that_serves_and_is_reaped() {
    let anatomy = of("fork-per-client", "echo", Duration::ZERO);
    let forks = returned(phase(&anatomy, Part::Connect), &["clone", "clone3", "fork"], Some("process"));
    assert_eq!(forks.len(), 1, "{anatomy:#?}");
    assert!(phase(&anatomy, Part::Request).steps.iter().all(|step| step.task == "child"), "{anatomy:#?}");
    let close = phase(&anatomy, Part::Close);
    let has = |call: &str, outcome: &Outcome| {
        close.steps.iter().any(|step| step.call == call && step.outcome == *outcome)
    };
    assert!(has("exit_group", &Outcome::Ends) && has("SIGCHLD", &Outcome::Signal), "{anatomy:#?}");
    assert_eq!(returned(close, &["wait4"], None), forks, "the one that was forked is reaped: {anatomy:#?}");
}

#[test]
fn a_thread_per_client_begins_and_ends_with_its_connection() {
    let anatomy = of("thread-per-client", "line", Duration::ZERO);
    let threads = returned(phase(&anatomy, Part::Connect), &["clone", "clone3"], Some("thread"));
    assert_eq!(threads.len(), 1, "{anatomy:#?}");
    let close = phase(&anatomy, Part::Close);
    assert_eq!(returned(close, RECEIVE, CONNECTION), [5], "the line `exit`: {anatomy:#?}");
    assert!(returned(close, SEND, CONNECTION).is_empty(), "is not answered: {anatomy:#?}");
    let ends = close.steps.iter().filter(|step| step.outcome == Outcome::Ends);
    assert_eq!(ends.map(|step| step.call.as_str()).collect::<Vec<_>>(), ["exit"], "{anatomy:#?}");
}

#[test]
fn who_waits_in_a_request_differs_by_model() {
    for (model, sleeper) in [("thread-pool", Some("worker")), ("mio-event-loop", None), ("tokio", None)] {
        let anatomy = of(model, "wait", Duration::from_millis(2));
        let request = phase(&anatomy, Part::Request);
        // 16 bytes of header ask, 4 answer.
        assert_eq!(returned(request, RECEIVE, CONNECTION), [80], "{anatomy:#?}");
        assert_eq!(returned(request, SEND, CONNECTION), [68], "{anatomy:#?}");
        let nap = request.steps.iter().find(|step| step.call.contains("nanosleep"));
        match sleeper {
            Some(who) => assert!(nap.is_some_and(|nap| nap.task.starts_with(who)), "{anatomy:#?}"),
            None => assert_eq!(nap, None, "a loop never sleeps in a request: {anatomy:#?}"),
        }
    }
}

#[test]
fn the_table_fits_80_columns_and_names_the_layers() {
    let arguments = ["anatomy", "--model", "tokio-current-thread", "--service", "block", "--for", "50ms"];
    let text = succeeds(&arguments);
    for words in ["A TYPICAL REQUEST", "> client", "~ kernel", "epoll_wait", "PER REQUEST, UNTRACED"] {
        assert!(text.contains(words), "{words} is missing:\n{text}");
    }
    let widest = text.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(80), "{widest:?}:\n{text}");
}

#[test]
fn what_cannot_be_followed_is_refused_with_the_reason() {
    for (arguments, words) in [
        (&["--model", "tokyo"][..], "did you mean `tokio`"),
        (&["--model", "tokio", "--service", "ecko"], "did you mean `echo`"),
        (&["--model", "tokio", "--demand", "1ms"], "no work"),
        (&["--model", "tokio", "--addr", "192.0.2.1:0"], "loopback"),
        (&["--model", "tokio", "--repeats", "0"], "1..=1000"),
    ] {
        let arguments: Vec<&str> = ["anatomy"].iter().chain(arguments).copied().collect();
        let error = fails(&arguments, 2);
        assert!(error.contains(words), "{arguments:?} should say {words}: {error}");
    }
}

/// Whether somebody traces a process.
fn traced(pid: i32) -> bool {
    Process::new(pid).and_then(|p| p.status()).is_ok_and(|status| status.tracerpid != 0)
}

/// Starts an anatomy that is traced for a long while, and ends it by `number` in the middle; returns its exit status
/// once nothing of it is left.
fn ended_in_the_middle(model: &str, number: i32) -> Option<i32> {
    let arguments =
        ["anatomy", "-m", model, "-s", "wait", "--demand", "20ms", "--repeats", "1000", "--for", "10ms"];
    let mut child =
        tool_with(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the tool");
    let mut tree = Vec::new();
    wait_for("the server and, for a fork, its child to be traced", || {
        tree = children_of(child.id());
        let expected = if model == "fork-per-client" { 2 } else { 1 };
        tree.len() == expected && tree.iter().all(|pid| traced(*pid))
    });
    signal(child.id(), number);
    let status = child.wait().expect("our child");
    for pid in tree {
        wait_for("a server to end", || ended(pid));
    }
    status.code()
}

#[test]
fn a_killed_tracer_leaves_no_stopped_server() {
    for model in ["thread-per-client", "fork-per-client"] {
        assert_eq!(ended_in_the_middle(model, 9), None);
    }
}

#[test]
fn an_interrupted_anatomy_ends_with_130_and_leaves_nothing() {
    assert_eq!(ended_in_the_middle("tokio", 2), Some(130));
}

#[test]
fn a_run_takes_one_of_each_model_unless_told_not_to() {
    let folder = Folder::new();
    let run = |out: &str, more: &[&str]| {
        let folder = folder.path(out);
        let models = ["small-echo-closed", "-m", "iterative", "-m", "tokio", "-r", "1"];
        let bundle = runs(&[&models[..], &["--window", "250ms", "--warmup", "0ms"], more].concat(), &folder);
        let page = std::fs::read_to_string(format!("{folder}/report.html")).expect("written");
        (bundle, page)
    };
    let (with, page) = run("with", &[]);
    let models: Vec<&str> = with.anatomies.iter().map(|anatomy| anatomy.model.as_str()).collect();
    assert_eq!(models, ["iterative", "tokio"]);
    assert!(with.anatomies.iter().all(|anatomy| anatomy.untraced.value().is_some()), "{:?}", with.anatomies);
    assert!(with.end.is_some_and(|end| end.trials == 2 && !end.interrupted));
    assert!(page.contains("<section id=\"anatomy\">") && page.contains("recvfrom"));
    let (without, page) = run("without", &["--no-anatomy"]);
    assert!(without.anatomies.is_empty() && !page.contains("id=\"anatomy\""));
}
