//! The runtime around the tasks, how it is made and how it ends; and what both kinds of task share.

use super::offload::Offload;
use crate::drive::registry::{FORCE_GRACE, Registry, Tracked};
use crate::model::Serving;
use crate::{ServerConfig, Service};
use std::convert::Infallible;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
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
    let Serving { listener, service, config, stop, counters } = serving;
    listener.set_nonblocking(true)?;
    let runtime = build(runtime, &config)?;
    let registry = Registry::new(counters);
    let offload = Offload::new(&config, counters);
    let shared = Arc::new(Shared { service, registry: Arc::clone(&registry), offload });
    let (accepted, all_back) = runtime.block_on(async {
        let (alive, all_gone) = mpsc::channel(1);
        let listener = TcpListener::from_std(listener)?;
        // Spawned, too: the task of `block_on` is scheduled unlike the others.
        let accepting = tokio::spawn(super::accept(listener, Arc::clone(&shared), stop, alive, connection));
        let accepted = accepting.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        io::Result::Ok((accepted, shutdown(&registry, all_gone, config.stop_deadline).await))
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

fn build(mut builder: Builder, config: &ServerConfig) -> io::Result<Runtime> {
    builder.enable_all().max_blocking_threads(config.blocking_workers.max(1)).thread_keep_alive(KEEP_ALIVE);
    // It panics when there is no room for its threads.
    catch_unwind(AssertUnwindSafe(|| builder.build())).unwrap_or_else(|_| {
        let wanted = config.runtime_workers.max(1);
        let message = format!("making a tokio runtime failed: no room for {wanted} threads (see ulimit -u)");
        Err(io::Error::other(message))
    })
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
