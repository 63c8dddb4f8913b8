//! The load generators: how each is started for the same load, how its output is read, and what is known of it.

use crate::output::{self, Claim};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The target of every request but the swarm's own, which ask for the same with numbers of their own.
const PATH: &str = "/bytes/64?id=0";

/// Run at the end of a run of wrk, not during it: the figures before wrk rounds them for its table.
pub(crate) const WRK_SCRIPT: &str = r#"
done = function(summary, latency, requests)
    local errors = summary.errors
    local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
    io.write(string.format("figures %d %d %d %.3f %d %d\n", summary.requests, summary.duration, failed,
        latency.mean, latency:percentile(50), latency:percentile(99)))
end
"#;

/// One load to make.
pub(crate) struct Order<'a> {
    pub(crate) address: std::net::SocketAddr,
    pub(crate) connections: u32,
    pub(crate) window: Duration,
    /// A folder for files that a client reads or writes.
    pub(crate) folder: &'a Path,
}

/// A load generator.
pub(crate) struct Client {
    pub(crate) name: &'static str,
    /// Makes it say its version, where it can.
    pub(crate) version: Option<&'static str>,
    /// Its arguments.
    pub(crate) arguments: fn(&Order<'_>) -> Vec<String>,
    /// Reads its output, and the files it left in the folder.
    pub(crate) read: fn(&str, &Path) -> Result<Claim, String>,
    /// Why its figures may differ from ours, for all we know.
    pub(crate) known: &'static str,
}

/// Ours.
pub(crate) static SWARM: Client = Client {
    name: "swarm",
    version: None,
    arguments: |order| {
        let window = format!("{}ms", order.window.as_millis());
        let load = ["load", "--json", "--service", "http", "--size", "64 B", "--warmup", "100ms", "--for"];
        let last =
            ["--addr".into(), order.address.to_string(), "--clients".into(), order.connections.to_string()];
        load.map(String::from).into_iter().chain([window]).chain(last).collect()
    },
    read: |text, _| output::swarm(text),
    known: "",
};

/// Theirs, by the name of their program.
pub(crate) static PEERS: &[Client] = &[
    Client {
        name: "wrk",
        version: Some("-v"),
        arguments: |order| {
            // Whole seconds only.
            let seconds = order.window.as_secs().max(1);
            let script = order.folder.join("done.lua").display().to_string();
            let (c, d) = (format!("-c{}", order.connections), format!("-d{seconds}s"));
            vec!["-t1".into(), c, d, "-s".into(), script, url(order)]
        },
        read: |text, _| output::wrk(text),
        known: "Its clock starts when its loop comes to the write, a turn after the reply that\n\
                made it due: that wait is in none of its latencies, and X R / N falls below 1.\n\
                It then adds made-up samples for latencies beyond twice the mean interval\n\
                (stats_correct), which raises mean and tail, and X R / N, when a run is uneven.",
    },
    Client {
        name: "h2load",
        version: Some("--version"),
        arguments: |order| {
            let duration = format!("{}ms", order.window.as_millis());
            let connections = format!("-c{}", order.connections);
            vec!["--h1".into(), "-t1".into(), connections, "-D".into(), duration, url(order)]
        },
        read: |text, _| output::h2load(text),
        known: "It prints no percentiles.",
    },
    Client {
        name: "ab",
        version: Some("-V"),
        arguments: |order| {
            let c = format!("-c{}", order.connections);
            let percentiles = order.folder.join("ab.csv").display().to_string();
            // Whole seconds only; a shorter run ends by number. The number after the time, which would set it.
            let most = if order.window.as_secs() == 0 { "5000" } else { "2000000" };
            let t = format!("-t{}", order.window.as_secs().max(1));
            ["-k", "-q", &c, &t, "-n", most, "-e", &percentiles, &url(order)].map(String::from).to_vec()
        },
        read: |text, folder| {
            let percentiles = std::fs::read_to_string(folder.join("ab.csv"))
                .map_err(|e| format!("the percentiles that ab should have written cannot be read: {e}"))?;
            output::ab(text, &percentiles)
        },
        known: "It speaks HTTP/1.0 with keep-alive, so each reply is 24 bytes longer. It prints\n\
                no mean of latencies.",
    },
    Client {
        name: "hey",
        version: None,
        arguments: |order| {
            let (c, z) = (order.connections.to_string(), format!("{}ms", order.window.as_millis()));
            ["-cpus", "1", "-c", &c, "-z", &z, &url(order)].map(String::from).to_vec()
        },
        read: |text, _| output::hey(text),
        known: "It prints latencies in steps of 0.1 ms.",
    },
];

fn url(order: &Order<'_>) -> String {
    format!("http://{}{PATH}", order.address)
}

impl Client {
    /// Its program, where it is installed; the swarm's is the tool.
    pub(crate) fn program(&self) -> Option<PathBuf> {
        if self.name == SWARM.name {
            return Some(env!("CARGO_BIN_EXE_bakeoff").into());
        }
        let path: OsString = std::env::var_os("PATH")?;
        std::env::split_paths(&path).map(|folder| folder.join(self.name)).find(|file| file.is_file())
    }
}
