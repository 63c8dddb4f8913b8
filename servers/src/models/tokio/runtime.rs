//! The runtime around the tasks, how it is made and how it ends; and what both kinds of task share.

use super::offload::{Blocking, Offload};
use crate::drive::offload::Pools;
use crate::drive::registry::{FORCE_GRACE, Registry, Tracked};
use crate::model::Serving;
use crate::sync::{Condvar, Mutex};
use crate::{ServerConfig, Service, Stop};
use std::convert::Infallible;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How long a blocking thread without work is kept: for good. As in the other models' pools, and so that a server that
/// once had a thread for blocking jobs has one for the next.
const KEEP_ALIVE: Duration = Duration::from_secs(365 * 24 * 3600);

/// Held by every task: nothing is ever sent, but the receiver learns when all are gone.
pub(super) type Alive = mpsc::Sender<Infallible>;

/// A client's socket.
pub(super) type Socket = Tracked<TcpStream>;

/// What every task needs.
pub(super) struct Shared {
    pub(super) service: Arc<dyn Service>,
    pub(super) registry: Arc<Registry>,
    pub(super) offload: Offload,
}

/// [`AsyncWriteExt::write_all`](tokio::io::AsyncWriteExt::write_all) that counts what it writes, even when not all is.
pub(super) async fn write_all(socket: &mut Socket, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = socket.stream.write(bytes).await?;
        socket.meter().sent(written);
        bytes = &bytes[written..];
    }
    Ok(())
}

/// Serves on a runtime of that kind, each client by `connection`.
pub(super) fn run<F: Future<Output = ()> + Send + 'static>(
    serving: Serving,
    runtime: Builder,
    connection: fn(Socket, Arc<Shared>) -> F,
) -> io::Result<()> {
    let Serving { listener, service, config, stop, counters, .. } = serving;
    let runtime = build(runtime, &config)?;
    let offload = Offload::new(Pools::new(&config, counters), counters, Blocking::Runtime);
    let shared = Arc::new(Shared { service, registry: Registry::new(counters), offload });
    serve_on(runtime, listener, shared, &stop, config.stop_deadline, connection)
}

/// Serves the clients of a listener on a runtime until asked to stop.
pub(super) fn serve_on<F: Future<Output = ()> + Send + 'static>(
    runtime: Runtime,
    listener: std::net::TcpListener,
    shared: Arc<Shared>,
    stop: &Stop,
    stop_deadline: Duration,
    connection: fn(Socket, Arc<Shared>) -> F,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let (accepted, all_back) = runtime.block_on(async {
        let (alive, all_gone) = mpsc::channel(1);
        let listener = TcpListener::from_std(listener)?;
        // Spawned, too: the task of `block_on` is scheduled unlike the others.
        let accepting =
            tokio::spawn(super::accept(listener, Arc::clone(&shared), stop.clone(), alive, connection));
        let accepted = accepting.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        io::Result::Ok((accepted, shutdown(&shared.registry, all_gone, stop_deadline).await))
    })?;
    if !all_back {
        runtime.shutdown_background(); // somebody is stuck in a job
        return accepted;
    }
    drop(runtime); // joins its threads; no job runs without a connection that waits for it
    if let Some(shared) = Arc::into_inner(shared) {
        shared.offload.end();
    }
    accepted
}

/// Makes a runtime.
///
/// # Errors
/// No room for its threads. The builder panics then, and while it unwinds waits for the threads that it has, which never end
/// for they are workers without a runtime. So no thread begins to work before the runtime is whole.
pub(super) fn build(mut builder: Builder, config: &ServerConfig) -> io::Result<Runtime> {
    let whole = Arc::new(Gate::default());
    let at_start = Arc::clone(&whole);
    builder.enable_all().max_blocking_threads(config.blocking_workers.max(1)).thread_keep_alive(KEEP_ALIVE);
    builder.on_thread_start(move || {
        if !at_start.opens_within(PATIENCE) {
            resume_unwind(Box::new("no runtime to work for")); // ends the thread without a word
        }
    });
    let runtime = catch_unwind(AssertUnwindSafe(|| builder.build())).unwrap_or_else(|_| {
        let wanted = config.runtime_workers.max(1);
        let message = format!(
            "making a tokio runtime failed: no room for {wanted} threads (see ulimit -u and pids.max)"
        );
        Err(io::Error::other(message))
    })?;
    if whole.open() {
        return Ok(runtime);
    }
    runtime.shutdown_background();
    Err(io::Error::other("making a tokio runtime failed: its threads waited for it in vain; try again"))
}

/// How long a thread waits for its runtime to be whole, which takes a thousandth of that.
const PATIENCE: Duration = Duration::from_secs(2);

/// What threads wait at.
#[derive(Debug, Default)]
struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum GateState {
    #[default]
    Shut,
    Open,
    /// Somebody has waited in vain.
    GivenUp,
}

impl Gate {
    /// Opens it; false when somebody has waited in vain.
    fn open(&self) -> bool {
        let mut state = self.state.lock().expect("no holder panics");
        if *state == GateState::Shut {
            *state = GateState::Open;
        }
        self.changed.notify_all();
        *state == GateState::Open
    }

    /// Waits until it is open, or gives it up for all.
    fn opens_within(&self, limit: Duration) -> bool {
        let state = self.state.lock().expect("no holder panics");
        let waited = self.changed.wait_timeout_while(state, limit, |state| *state == GateState::Shut);
        let mut state = waited.expect("no holder panics").0;
        if *state == GateState::Shut {
            *state = GateState::GivenUp;
        }
        *state == GateState::Open
    }
}

/// [`Registry::shutdown`] without blocking the thread, on which the connections may be served. `all_gone` ends when
/// every task has dropped its sender. Returns whether all tasks came back.
async fn shutdown(registry: &Registry, mut all_gone: mpsc::Receiver<Infallible>, limit: Duration) -> bool {
    registry.drain();
    if timeout(limit, all_gone.recv()).await.is_ok() {
        return true;
    }
    registry.force_close();
    let all_back = timeout(FORCE_GRACE, all_gone.recv()).await.is_ok();
    registry.abort();
    all_back
}

#[cfg(all(test, not(bakeoff_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_gate_that_was_given_up_opens_for_nobody() {
        let gate = Gate::default();
        assert!(gate.open() && gate.opens_within(Duration::ZERO));
        let gate = Gate::default();
        assert!(!gate.opens_within(Duration::ZERO) && !gate.open() && !gate.opens_within(Duration::ZERO));
    }
}

#[cfg(all(test, bakeoff_loom))]
mod loom {
    use super::*;
    use crate::sync::thread;

    #[test]
    fn everybody_who_waits_passes_an_open_gate() {
        ::loom::model(|| {
            let gate = Arc::new(Gate::default());
            let waiting = [(); 2].map(|()| {
                let gate = Arc::clone(&gate);
                thread::spawn(move || assert!(gate.opens_within(PATIENCE)))
            });
            assert!(gate.open());
            waiting.into_iter().for_each(|thread| thread.join().expect("it does not panic"));
        });
    }
}
