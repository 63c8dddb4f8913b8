//! tokio: a task per client, on a work-stealing or a single-threaded runtime, or on one of these for each core.
//!
//! Connections are served by spawned tasks, each with buffers of its own. The calling thread is in `block_on`: the
//! single-threaded runtime has no other, and the multi-threaded one leaves it to wait for the end. No job ever runs on a
//! thread of the runtime, so nothing keeps it from seeing the stop and its deadline.

mod datagrams;
mod offload;
pub(super) mod per_core;
mod post;
mod runtime;
pub(super) mod shared_buffers;

use crate::drive::accept::{AcceptError, Backoff};
use crate::drive::buffers::{READ_SIZE, RETAINED, clear};
use crate::drive::protocol::{Action, Protocol};
use crate::model::{Concurrency, Meta, PerClient, Role, ServerModel, Serving, Tuning};
use crate::{Datagrams, Stop};
use offload::Offload;
use post::Writer;
use runtime::{Alive, Shared, Socket, run, write_all};
use std::io;
use std::sync::Arc;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::time::sleep;

/// Tasks on work-stealing threads.
#[derive(Debug)]
pub(super) struct MultiThread;

impl ServerModel for MultiThread {
    fn meta(&self) -> &'static Meta {
        &Meta {
            name: "tokio",
            summary: "a task for each client on work-stealing threads; mixed I/O, many clients",
            concurrency: Concurrency::Unbounded,
            per_client: PerClient::Nothing,
            threads: |config| 1 + config.runtime_workers.max(1),
            tunings: &[Tuning::BlockingWorkers, Tuning::ComputeWorkers, Tuning::RuntimeWorkers],
            role: Role::Standard,
        }
    }

    fn datagrams(&self) -> Option<&'static Datagrams> {
        Some(&datagrams::MULTI_THREAD)
    }

    fn serve(&self, serving: Serving) -> io::Result<()> {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(serving.config.runtime_workers.max(1));
        run(serving, builder, connection)
    }
}

/// Tasks on one thread.
#[derive(Debug)]
pub(super) struct CurrentThread;

impl ServerModel for CurrentThread {
    fn meta(&self) -> &'static Meta {
        &Meta {
            name: "tokio-current-thread",
            summary: "a task for each client on one thread; no hand-over between threads",
            concurrency: Concurrency::Unbounded,
            per_client: PerClient::Nothing,
            threads: |_| 1,
            tunings: &[Tuning::BlockingWorkers, Tuning::ComputeWorkers],
            role: Role::Extra,
        }
    }

    fn datagrams(&self) -> Option<&'static Datagrams> {
        Some(&datagrams::CURRENT_THREAD)
    }

    fn serve(&self, serving: Serving) -> io::Result<()> {
        run(serving, Builder::new_current_thread(), connection)
    }
}

/// Accepts until asked to stop, and spawns a task for each client. Every task holds a copy of `alive`.
async fn accept<F: Future<Output = ()> + Send + 'static>(
    listener: TcpListener,
    shared: Arc<Shared>,
    stop: Stop,
    alive: Alive,
    serve: fn(Socket, Arc<Shared>) -> F,
) -> io::Result<()> {
    let _unblocked = stop.unblock(&listener)?;
    let counters = shared.registry.counters();
    let mut backoff = Backoff::new();
    while !stop.requested() {
        match listener.accept().await {
            Ok((stream, _)) => {
                backoff.reset();
                let client = serve(shared.registry.track(stream), Arc::clone(&shared));
                let alive = alive.clone();
                tokio::spawn(async move {
                    client.await;
                    drop(alive);
                });
            }
            Err(_) if stop.requested() => break, // EINVAL: the listener was shut down
            Err(error) if AcceptError::of(&error) == AcceptError::Exhausted => {
                counters.accept_failed(&error);
                sleep(backoff.pause(counters)).await; // at most 100 ms, well within any deadline
            }
            Err(_) => {}
        }
    }
    Ok(())
}

/// Serves one client to its end.
async fn connection(mut socket: Socket, shared: Arc<Shared>) {
    let (session, writer) = match post::open(&*shared.service, &socket) {
        Ok(opened) => opened,
        Err(error) => return socket.meter().refused(&error),
    };
    let mut protocol = Protocol::new(session);
    let result = exchange(&mut socket, &mut protocol, &shared.offload, writer.as_ref()).await;
    socket.meter().ended(result.is_err(), protocol.rejected().is_some());
    drop(protocol);
    if let Some(writer) = writer {
        writer.end().await;
    }
}

async fn exchange(
    socket: &mut Socket,
    protocol: &mut Protocol,
    offload: &Offload,
    writer: Option<&Writer>,
) -> io::Result<()> {
    let (mut input, mut output) = (Vec::with_capacity(READ_SIZE), Vec::new());
    let mut action = Action::Read;
    loop {
        action = match action {
            Action::Read => {
                input.clear();
                match socket.stream.read_buf(&mut input).await? {
                    0 => protocol.on_end(&mut output),
                    n => {
                        socket.meter().received(n);
                        protocol.on_data(&input, &mut output)
                    }
                }
            }
            Action::Write => {
                write_all(socket, &output).await?;
                clear(&mut output, RETAINED);
                let (answered, next) = protocol.on_written(&mut output);
                socket.meter().answered(answered);
                next
            }
            Action::AwaitRoom => {
                if let Some(writer) = writer {
                    writer.room().await;
                }
                Action::Write
            }
            Action::Run(job) => match offload.run(job).await {
                Some(result) => protocol.on_result(result, &mut output),
                None => {
                    socket.meter().crashed();
                    return Ok(());
                }
            },
            Action::Close => return Ok(()),
        }
    }
}
