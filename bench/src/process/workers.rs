//! The swarm as the runner sees it: worker processes that share a start instant, and one merged result.

use crate::host::clock;
use crate::process::launch::{Child, Interrupt, LaunchError, Launcher};
use crate::swarm::merge::{WorkerPart, merge};
use crate::swarm::protocol::{Start, WorkerMessage};
use crate::swarm::setup_limit;
use crate::swarm::spec::WorkerSpec;
use bakeoff_reports::record::Measured;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::{Duration, Instant};

/// How long a child may take to start, to connect, or to stop, beyond what it was asked to do.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Workers that are connected and wait for the start.
#[derive(Debug)]
pub struct Workers {
    workers: Vec<(String, Child)>,
    interrupt: Interrupt,
    spec: WorkerSpec,
    connected: u64,
}

/// The edges of the measured window.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Its begin.
    pub begin: Instant,
    /// Its end.
    pub end: Instant,
}

impl Workers {
    /// Starts `shards` workers on `spec` (whose own shard and CPUs are set here: one of `cpus` each, in turn) and
    /// waits until all are connected.
    ///
    /// # Errors
    /// When a worker cannot start or connect, with its words.
    pub fn spawn(
        launcher: &Launcher,
        spec: &WorkerSpec,
        shards: u32,
        cpus: &[u32],
    ) -> Result<Self, LaunchError> {
        let mut workers = Vec::new();
        for shard in 0..shards {
            let cpus = cpus.get(shard as usize % cpus.len().max(1)).copied().into_iter().collect();
            let spec = WorkerSpec { shard, shards, cpus, ..spec.clone() };
            let name = format!("swarm worker {shard}");
            let mut worker = launcher.start(&name, ["swarm-worker".into()])?;
            worker.send(&json(&spec))?;
            workers.push((name, worker));
        }
        // A worker gives up by itself and says why: this is for one that does not.
        let beside = setup_limit(u32::try_from(spec.background.total()).unwrap_or(u32::MAX));
        let patience = setup_limit(spec.load.clients()) + beside + PATIENCE;
        let mut connected = 0;
        for (name, worker) in &mut workers {
            match expect(worker, name, patience)? {
                WorkerMessage::Ready(ready) => connected += u64::from(ready.connected),
                other => return Err(unexpected(name, other)),
            }
        }
        Ok(Self { workers, interrupt: launcher.interrupt.clone(), spec: spec.clone(), connected })
    }

    /// Connections that are open before the start; 0 for churn.
    pub fn connected(&self) -> u64 {
        self.connected
    }

    /// Gives the common start instant, a little ahead, so that every worker has read it in time.
    ///
    /// # Errors
    /// When a worker has ended.
    pub fn start(&mut self) -> Result<Window, LaunchError> {
        let lead = Duration::from_millis(5);
        let start = Instant::now() + lead;
        let words = json(&Start { start_ns: clock::monotonic_ns() + clock::nanoseconds(lead) });
        for (_, worker) in &mut self.workers {
            worker.send(&words)?;
        }
        let begin = start + self.spec.timing.warmup;
        Ok(Window { begin, end: begin + self.spec.timing.window })
    }

    /// Sleeps until an instant.
    ///
    /// # Errors
    /// When interrupted.
    pub fn sleep_until(&self, instant: Instant) -> Result<(), LaunchError> {
        if self.interrupt.sleep_until(instant) { Ok(()) } else { Err(LaunchError::Interrupted) }
    }

    /// Waits for every worker's part and merges them. The workers go on holding their connections, idle, until they are
    /// shut down.
    ///
    /// # Errors
    /// When a worker fails, or the parts do not fit together.
    pub fn collect(&mut self) -> Result<Measured, LaunchError> {
        let timing = self.spec.timing;
        let patience = timing.warmup + timing.window + timing.drain + timing.timeout + PATIENCE;
        let mut parts: Vec<WorkerPart> = Vec::new();
        for (name, worker) in &mut self.workers {
            match expect(worker, name, patience)? {
                WorkerMessage::Part(part) => parts.push(*part),
                other => return Err(unexpected(name, other)),
            }
        }
        merge(parts).map_err(|e| LaunchError::Unexpected { name: "swarm".into(), said: e.to_string() })
    }

    /// Lets the workers close their connections and end.
    pub fn shutdown(mut self) {
        for (_, worker) in &mut self.workers {
            worker.close_input();
        }
        for (_, worker) in &mut self.workers {
            worker.reap(Instant::now() + PATIENCE);
        }
    }
}

fn unexpected(name: &str, words: WorkerMessage) -> LaunchError {
    let said = match words {
        WorkerMessage::Failed(reason) => return LaunchError::Failed { name: name.into(), reason },
        WorkerMessage::NothingConnected(reason) => {
            return LaunchError::NothingConnected { name: name.into(), reason };
        }
        WorkerMessage::Ready(_) => "that it is ready, again",
        WorkerMessage::Part(_) => "a result before its start",
    };
    LaunchError::Unexpected { name: name.into(), said: said.into() }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("our own types have string keys and finite numbers")
}

/// Waits for a child's next line and reads it as `T`.
///
/// # Errors
/// As [`Child::line`], and when the line is something else.
pub fn expect<T: DeserializeOwned>(
    child: &mut Child,
    name: &str,
    patience: Duration,
) -> Result<T, LaunchError> {
    let line = child.line(Instant::now() + patience)?;
    serde_json::from_str(&line).map_err(|e| LaunchError::Unexpected {
        name: name.into(),
        said: format!("{e} in {}", line.chars().take(200).collect::<String>()),
    })
}
