//! The conversation of a runner with a worker process: JSON, one line a message, over the worker's stdin and stdout.
//!
//! ```text
//! runner -> worker   WorkerSpec
//! worker -> runner   {"ready":{"connected":64,"congestion_control":"cubic"}}   or {"failed":"why"},
//!                                                    {"nothing_connected":"why"}
//! runner -> worker   {"start_ns":123456789}          CLOCK_MONOTONIC, the same for all workers
//! worker -> runner   {"part":{...}}                  or {"failed":"why"}
//! runner             closes the pipe: the worker closes its connections and ends
//! ```
//!
//! A worker whose stdin ends before the start leaves quietly. During the run it reads nothing: a runner that dies
//! takes its workers with it by other means.

use super::merge::WorkerPart;
use super::worker::{SwarmError, prepare};
use crate::swarm::spec::WorkerSpec;

use bakeoff_servers::exchange::Exchange;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, Write};

/// What a worker says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum WorkerMessage {
    /// It can start.
    Ready(Ready),
    /// It cannot go on, for this reason. The last line.
    Failed(String),
    /// It cannot go on because the server took none of its connections. The last line.
    NothingConnected(String),
    /// It is done. The last line.
    Part(Box<WorkerPart>),
}

/// The state of a worker that can start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ready {
    /// Connections open; 0 for churn. Fewer than asked for if the server did not take them all.
    pub connected: u32,
    /// Congestion control of the worker's sockets; absent if the kernel does not tell.
    pub congestion_control: Option<String>,
}

/// When to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// What CLOCK_MONOTONIC shows at the common start, in nanoseconds.
    pub start_ns: u64,
}

/// Writes one message and makes sure it leaves.
///
/// # Errors
/// When the other side is gone.
pub fn write_line(output: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_string(message)?;
    line.push('\n');
    output.write_all(line.as_bytes())?;
    output.flush()
}

/// Reads one message; `None` when there will be none. `expected` says in words what it should be.
///
/// # Errors
/// When reading fails, or the line is not such a message.
pub fn read_line<T: DeserializeOwned>(
    input: &mut impl BufRead,
    expected: &'static str,
) -> Result<Option<T>, SwarmError> {
    let mut line = String::new();
    let read = input.read_line(&mut line);
    let count =
        read.map_err(|source| SwarmError::System { doing: "reading a line of the protocol", source })?;
    if count == 0 {
        return Ok(None);
    }
    serde_json::from_str(&line).map(Some).map_err(|error| SwarmError::Protocol {
        line: line.chars().take(80).collect(),
        expected,
        reason: error.to_string(),
    })
}

/// The worker's side of the conversation, on the calling thread. `exchange_for` makes the client's half of the
/// service that a specification names; `None` for one that it does not know.
///
/// # Errors
/// Whatever kept the worker from doing its work; it has been said on `output` too, as far as that still works.
pub fn run_worker(
    input: impl BufRead,
    mut output: impl Write,
    exchange_for: impl Fn(&WorkerSpec) -> Option<Box<dyn Exchange>>,
) -> Result<(), SwarmError> {
    let outcome = converse(input, &mut output, exchange_for);
    if let Err(error) = &outcome {
        let answer = match error {
            // Out of ports or descriptors it is not the server that lets nobody in.
            SwarmError::NothingConnected { reason, .. } if by_the_server(reason.kind()) => {
                WorkerMessage::NothingConnected
            }
            SwarmError::NothingAnswered(_) => WorkerMessage::NothingConnected,
            _ => WorkerMessage::Failed,
        };
        // If even this cannot be said, the caller still gets the error.
        let _ = write_line(&mut output, &answer(error.to_string()));
    }
    outcome
}

/// Whether a connection failed on the server's side.
fn by_the_server(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, TimedOut};
    matches!(kind, ConnectionRefused | ConnectionReset | ConnectionAborted | TimedOut)
}

fn converse(
    mut input: impl BufRead,
    output: &mut impl Write,
    exchange_for: impl Fn(&WorkerSpec) -> Option<Box<dyn Exchange>>,
) -> Result<(), SwarmError> {
    let gone = |source| SwarmError::System { doing: "answering the runner", source };
    let Some(spec) = read_line::<WorkerSpec>(&mut input, "a worker's specification")? else { return Ok(()) };
    let exchange = exchange_for(&spec).ok_or_else(|| SwarmError::UnknownService(spec.service.clone()))?;
    let worker = prepare(&spec, &*exchange)?;
    let congestion_control = worker.congestion_control().map(String::from);
    let ready = Ready { connected: worker.connected(), congestion_control };
    write_line(output, &WorkerMessage::Ready(ready)).map_err(gone)?;
    let Some(Start { start_ns }) = read_line(&mut input, "a start instant")? else { return Ok(()) };
    let (part, held) = worker.run_and_hold(start_ns)?;
    write_line(output, &WorkerMessage::Part(Box::new(part))).map_err(gone)?;
    // Whatever comes, be it the end or an error, it is time to go.
    let _ = input.read_line(&mut String::new());
    drop(held);
    Ok(())
}
