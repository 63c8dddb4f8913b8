//! Made-up anatomies for the made-up bundles of [`crate::sample`]: an event loop, a fork, and one that could not be
//! traced. Never a measurement.

use crate::record::*;
use std::collections::BTreeMap;

/// One for each model.
pub(crate) fn anatomies(models: &[ModelRecord]) -> Vec<Anatomy> {
    models.iter().enumerate().map(|(at, model)| anatomy(at, &model.name)).collect()
}

fn anatomy(at: usize, model: &str) -> Anatomy {
    let phases = match model {
        "fork-per-client" => Reading::Value(forked()),
        // As in a container whose seccomp profile forbids it.
        "thread-pool" => Reading::Absent("ptrace of the server is refused (EPERM)".into()),
        _ if model.contains("mio") || model.contains("tokio") => Reading::Value(looped()),
        _ => Reading::Value(blocking("main")),
    };
    let requests = 1_000 + 37 * at as u64;
    let pure = if at == 3 { requests / 4 } else { 0 };
    Anatomy {
        model: model.into(),
        service: "echo".into(),
        tls: false,
        demand_ns: 0,
        request_bytes: 64,
        reply_bytes: 64,
        phases,
        untraced: Reading::Value(Untraced {
            requests,
            round_trip_p50_ns: 21_000 + 500 * at as u64,
            cpu_ns_per_request: Reading::Value(9_000.0 + 300.0 * at as f64),
            kernel_share: Reading::Absent("only 3 clock ticks fell on the server; 20 are needed".into()),
            voluntary_per_request: Reading::Value(1.0),
            involuntary_per_request: Reading::Value(0.002 * at as f64),
        }),
        wire: Reading::Value(ConnectionWire {
            ip_header_bytes: 20,
            timestamps: true,
            sack: true,
            window_scaling: true,
            mss_bytes: 65_483,
            retransmits: 0,
            connect: Segments { out: 2, r#in: 1, ..Segments::default() },
            requests,
            request: Segments {
                out: requests + pure,
                r#in: requests,
                data_out: requests,
                data_in: requests,
                payload_out_bytes: requests * 64,
                payload_in_bytes: requests * 64,
            },
            close: Reading::Value(Segments { out: 2, r#in: 1, ..Segments::default() }),
        }),
    }
}

/// A step of `task`: "call on" and its outcome.
fn step(task: &str, call: &str, on: &str, outcome: Outcome) -> Step {
    let on = (!on.is_empty()).then(|| on.to_owned());
    Step { task: task.into(), call: call.into(), on, woken: false, outcome }
}

fn woken(step: Step) -> Step {
    Step { woken: true, ..step }
}

fn phase(part: Part, repeats: u32, alike: u32, steps: Vec<Step>) -> Phase {
    let mut calls = BTreeMap::new();
    for step in &steps {
        if !matches!(step.outcome, Outcome::Sleeps | Outcome::Signal | Outcome::Restarts) {
            *calls.entry(step.call.clone()).or_default() += u64::from(repeats);
        }
    }
    Phase { part, repeats, alike, steps, calls }
}

fn blocking(task: &str) -> Vec<Phase> {
    use Outcome::{Returned, Sleeps};
    let request = vec![
        woken(step(task, "recvfrom", "connection", Returned(64))),
        step(task, "sendto", "connection", Returned(64)),
        step(task, "recvfrom", "connection", Sleeps),
    ];
    vec![
        phase(
            Part::Connect,
            1,
            1,
            vec![
                woken(step(task, "accept4", "listener", Returned(5))),
                step(task, "recvfrom", "connection", Sleeps),
            ],
        ),
        phase(Part::FirstRequest, 1, 1, request.clone()),
        phase(Part::Request, 5, 5, request),
        phase(
            Part::Close,
            1,
            1,
            vec![
                woken(step(task, "recvfrom", "connection", Returned(0))),
                step(task, "close", "connection", Returned(0)),
                step(task, "accept4", "listener", Sleeps),
            ],
        ),
    ]
}

fn looped() -> Vec<Phase> {
    use Outcome::{Failed, Returned, Sleeps};
    let mut phases = blocking("main");
    let wait = || woken(step("main", "epoll_wait", "epoll", Returned(1)));
    let rest = || step("main", "epoll_wait", "epoll", Sleeps);
    for at in [1, 2] {
        let Phase { part, repeats, steps, .. } = phases[at].clone();
        let served = steps.into_iter().take(2).map(|step| Step { woken: false, ..step });
        let steps = std::iter::once(wait()).chain(served).chain([rest()]).collect();
        phases[at] = phase(part, repeats, repeats.min(4), steps);
    }
    phases[0] = phase(
        Part::Connect,
        1,
        1,
        vec![
            wait(),
            step("main", "accept4", "listener", Returned(9)),
            step("main", "epoll_ctl", "connection", Returned(0)),
            step("main", "accept4", "listener", Failed("EAGAIN".into())),
            rest(),
        ],
    );
    phases
}

fn forked() -> Vec<Phase> {
    use Outcome::{Ends, Restarts, Returned, Signal, Sleeps};
    let mut phases = blocking("child");
    phases[0] = phase(
        Part::Connect,
        1,
        1,
        vec![
            woken(step("main", "accept4", "listener", Returned(5))),
            step("main", "clone", "process", Returned(4_243)),
            step("main", "close", "connection", Returned(0)),
            step("child", "recvfrom", "connection", Sleeps),
            step("main", "accept4", "listener", Sleeps),
        ],
    );
    phases[3] = phase(
        Part::Close,
        1,
        1,
        vec![
            woken(step("child", "recvfrom", "connection", Returned(0))),
            step("child", "exit_group", "", Ends),
            woken(step("main", "accept4", "listener", Restarts)),
            step("main", "SIGCHLD", "", Signal),
            step("main", "wait4", "", Returned(4_243)),
            step("main", "rt_sigreturn", "", Returned(0)),
            step("main", "accept4", "listener", Sleeps),
        ],
    );
    phases
}
