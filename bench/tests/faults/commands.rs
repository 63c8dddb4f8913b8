//! What the tool is asked for while something goes wrong.

/// A command of the matrix.
pub(crate) struct Command {
    /// Its name in the matrix.
    pub(crate) name: &'static str,
    /// What it does.
    pub(crate) does: Does,
    /// Whether a case of it takes no second.
    pub(crate) quick: bool,
}

/// What a command does.
pub(crate) enum Does {
    /// It ends by itself. `{...}` are places of the rig: a scenario, a folder to write to, a bundle, the address of a server.
    Ends(&'static [&'static str]),
    /// A server of this model, which is talked to, if it lets, and then asked to stop.
    Serves(&'static str),
}

const fn ends(name: &'static str, quick: bool, words: &'static [&'static str]) -> Command {
    Command { name, does: Does::Ends(words), quick }
}

const fn serves(name: &'static str, model: &'static str) -> Command {
    Command { name, does: Does::Serves(model), quick: true }
}

/// All of them.
pub(crate) const COMMANDS: &[Command] = &[
    serves("serve-fork", "fork-per-client"),
    serves("serve-threads", "thread-per-client"),
    serves("serve-pool", "thread-pool"),
    serves("serve-requests", "thread-pool-per-request"),
    serves("serve-elastic", "elastic-pool"),
    serves("serve-prethread", "prethread"),
    serves("serve-prefork", "prefork"),
    serves("serve-passing", "prefork-fd-passing"),
    serves("serve-epoll", "mio-event-loop"),
    serves("serve-reactors", "multi-reactor"),
    serves("serve-coroutines", "coroutines"),
    serves("serve-poll", "poll-reactor"),
    serves("serve-rings", "io-uring"),
    serves("serve-tokio", "tokio"),
    ends(
        "load",
        true,
        &["load", "--addr", "{server}", "--clients", "4", "--for", "100ms", "--warmup", "10ms"],
    ),
    ends(
        "run",
        false,
        &[
            "run",
            "{tiny}",
            "--rounds",
            "1",
            "--model",
            "tokio",
            "--no-probe",
            "--retries",
            "0",
            "--out",
            "{out}",
        ],
    ),
    ends(
        "ab",
        false,
        &[
            "ab",
            "--a",
            "this",
            "--b",
            "this",
            "{tiny}",
            "--model",
            "mio-event-loop",
            "--rounds",
            "6",
            "--no-probe",
            "--out",
            "{out}",
        ],
    ),
    ends("report", true, &["report", "{bundle}", "--out", "{out}.html"]),
    ends("export", true, &["export", "{bundle}", "--format", "csv", "--out", "{out}.csv"]),
    ends("anatomy", false, &["anatomy", "--model", "mio-event-loop", "--service", "echo"]),
];
