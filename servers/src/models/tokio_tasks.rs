//! tokio: a task per client, on a work-stealing or a single-threaded runtime.
//!
//! `Wait` is `sleep`, `Block` is `spawn_blocking`, `Compute` goes to a bounded CPU pool and comes back by a oneshot.
//! Connections are served by spawned tasks, never by the task of `block_on`, which would have a thread of its own.

use crate::drive::accept::{AcceptFailure, Backoff};
use crate::drive::buffers::{Buffers, RETAINED_SHARED, clear};
use crate::drive::conversation::{Conversation, Need};
use crate::drive::live::{Held, Live, Meter};
use crate::drive::supervise::supervise;
use crate::drive::work::{compute_pool, run_caught};
use crate::{Counters, Demand, Job, ServerConfig, ServerModel, Service, Stop};
use rayon::ThreadPool;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, mpsc, oneshot};

/// Tasks on `runtime_workers` work-stealing threads.
pub(super) static MULTI_THREAD: Tokio = Tokio { multi_thread: true };

/// Tasks on one thread.
pub(super) static CURRENT_THREAD: Tokio = Tokio { multi_thread: false };

/// The tokio server, on either runtime.
#[derive(Debug)]
pub(super) struct Tokio {
    multi_thread: bool,
}

impl Tokio {
    fn runtime(&self, config: &ServerConfig) -> io::Result<Runtime> {
        let mut builder = match self.multi_thread {
            true => Builder::new_multi_thread(),
            false => Builder::new_current_thread(),
        };
        if self.multi_thread {
            builder.worker_threads(config.runtime_workers.max(1));
        }
        builder.enable_all().max_blocking_threads(config.blocking_workers.max(1)).build()
    }
}

impl ServerModel for Tokio {
    fn name(&self) -> &'static str {
        if self.multi_thread { "tokio" } else { "tokio-current-thread" }
    }

    fn summary(&self) -> &'static str {
        if self.multi_thread {
            "a task for each client on work-stealing threads; mixed I/O, many clients"
        } else {
            "a task for each client on one thread; no hand-over between threads"
        }
    }

    fn serve(
        &self,
        listener: std::net::TcpListener,
        service: Arc<dyn Service>,
        config: &ServerConfig,
        stop: &Stop,
        counters: &'static Counters,
    ) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let runtime = self.runtime(config)?;
        let live = Live::new(counters);
        let shared = Arc::new(Shared { service, live: Arc::clone(&live), offload: Offload::new(config) });
        supervise(self.name(), stop, config, &live, move |stop| {
            let stop = stop.clone();
            let result = runtime.block_on(async move {
                // Registered here, where the runtime is entered.
                let listener = TcpListener::from_std(listener)?;
                let (alive, mut all_gone) = mpsc::channel::<()>(1);
                let accepting = tokio::spawn(accept(listener, shared, stop, alive));
                let accepted = accepting.await.unwrap_or_else(|error| Err(io::Error::other(error)));
                all_gone.recv().await; // `None` once every task has dropped its sender
                accepted
            });
            runtime.shutdown_background();
            result
        })
    }
}

/// What every task needs.
struct Shared {
    service: Arc<dyn Service>,
    live: Arc<Live>,
    offload: Offload,
}

async fn accept(
    listener: TcpListener,
    shared: Arc<Shared>,
    stop: Stop,
    alive: mpsc::Sender<()>,
) -> io::Result<()> {
    let _hang_up = stop.hang_up(&listener)?;
    let counters = shared.live.counters();
    let mut backoff = Backoff::new();
    while !stop.requested() {
        match listener.accept().await {
            Ok((stream, _)) => {
                backoff.reset();
                let (held, shared, alive) =
                    (Held::new(stream, &shared.live), Arc::clone(&shared), alive.clone());
                tokio::spawn(async move {
                    serve(held, &shared).await;
                    drop(alive);
                });
            }
            Err(_) if stop.requested() => break, // EINVAL: the listener was shut down
            Err(error) => match AcceptFailure::of(&error) {
                AcceptFailure::Next | AcceptFailure::Empty => {}
                AcceptFailure::BackOff => {
                    Counters::count(&counters.accept_errors);
                    tokio::time::sleep(backoff.pause(counters)).await; // at most 100 ms, well within any deadline
                }
            },
        }
    }
    Ok(())
}

async fn serve(held: Held<TcpStream>, shared: &Shared) {
    let Held { ticket, mut stream } = held;
    let mut task = Task {
        conversation: Conversation::new(shared.service.open()),
        unsent: Vec::new(),
        sent: 0,
        meter: ticket.meter().clone(),
    };
    let result = task.run(&mut stream, &shared.offload).await;
    ticket.meter().ended(result.is_err(), task.conversation.rejected().is_some());
    drop(ticket); // before the socket closes
}

thread_local! {
    /// The buffers of whatever task this thread polls. Never borrowed across a suspension.
    static BUFFERS: RefCell<Buffers> = RefCell::default();
}

/// One client's side of its task.
struct Task {
    conversation: Conversation,
    /// Replies that the socket did not take at once.
    unsent: Vec<u8>,
    sent: usize,
    meter: Meter,
}

impl Task {
    async fn run(&mut self, stream: &mut TcpStream, offload: &Offload) -> io::Result<()> {
        let mut need = Need::Read;
        loop {
            need = match need {
                Need::Read => poll_fn(|cx| self.poll_read(cx, stream)).await?,
                Need::Flush => {
                    let next = poll_fn(|cx| self.poll_flush(cx, stream)).await?;
                    self.unsent = Vec::new(); // an idle connection keeps no buffer
                    next
                }
                Need::Run(job) => match offload.run(job).await {
                    Some(result) => poll_fn(|cx| Poll::Ready(self.complete(cx, stream, result))).await?,
                    None => {
                        self.meter.crashed();
                        return Ok(());
                    }
                },
                Need::Close => return Ok(()),
            }
        }
    }

    /// Reads and replies. `poll_read` and not `try_read`: after a read that did not fill the buffer, tokio knows that
    /// the socket is drained and saves the read that would only say so.
    fn poll_read(&mut self, cx: &mut Context<'_>, stream: &mut TcpStream) -> Poll<io::Result<Need>> {
        BUFFERS.with_borrow_mut(|Buffers { input, output }| {
            let mut buffer = ReadBuf::uninit(input.spare_capacity_mut());
            ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer))?;
            let received = buffer.filled();
            if received.is_empty() {
                return Poll::Ready(Ok(self.conversation.end_of_input()));
            }
            self.meter.received(received.len());
            let need = self.conversation.take_in(received, output);
            Poll::Ready(self.send(cx, stream, need, output))
        })
    }

    fn complete(&mut self, cx: &mut Context<'_>, stream: &mut TcpStream, result: u64) -> io::Result<Need> {
        BUFFERS.with_borrow_mut(|Buffers { output, .. }| {
            let need = self.conversation.complete(result, output);
            self.send(cx, stream, need, output)
        })
    }

    /// Sends what the socket takes now, and keeps the rest.
    fn send(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut TcpStream,
        need: Need,
        output: &mut Vec<u8>,
    ) -> io::Result<Need> {
        if !matches!(need, Need::Flush) {
            return Ok(need);
        }
        std::mem::swap(&mut self.unsent, output);
        match self.poll_flush(cx, stream) {
            Poll::Ready(result) => {
                std::mem::swap(&mut self.unsent, output); // the usual case: nothing was left, nothing allocated
                clear(output, RETAINED_SHARED);
                result
            }
            Poll::Pending => Ok(Need::Flush),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>, stream: &mut TcpStream) -> Poll<io::Result<Need>> {
        while self.sent < self.unsent.len() {
            let n = ready!(Pin::new(&mut *stream).poll_write(cx, &self.unsent[self.sent..]))?;
            self.meter.sent(n);
            self.sent += n;
        }
        self.sent = 0;
        self.unsent.clear();
        let (answered, next) = self.conversation.flushed();
        self.meter.answered(answered);
        Poll::Ready(Ok(next))
    }
}

/// Where jobs go.
struct Offload {
    config: ServerConfig,
    /// Made with the first computing job.
    compute: OnceLock<Option<ThreadPool>>,
    /// Jobs that may be running or queued; the tasks beyond wait, and nothing is read for them meanwhile.
    blocking_room: Semaphore,
    compute_room: Semaphore,
}

impl Offload {
    fn new(config: &ServerConfig) -> Self {
        Self {
            config: config.clone(),
            compute: OnceLock::new(),
            blocking_room: Semaphore::new(config.blocking_workers.max(1) + config.job_queue),
            compute_room: Semaphore::new(config.compute_workers.max(1) + config.job_queue),
        }
    }

    /// Does a job where it belongs; `None` when it panicked or there is no thread for it.
    async fn run(&self, job: Job) -> Option<u64> {
        match job.demand() {
            Demand::Wait(delay) => {
                tokio::time::sleep(delay).await;
                Some(0)
            }
            Demand::Block => {
                let _room = self.blocking_room.acquire().await.ok()?;
                tokio::task::spawn_blocking(|| run_caught(job)).await.ok()?
            }
            Demand::Compute => {
                let _room = self.compute_room.acquire().await.ok()?;
                let pool = self.compute.get_or_init(|| compute_pool(&self.config).ok()).as_ref()?;
                let (done, result) = oneshot::channel();
                pool.spawn_fifo(|| {
                    let _ = done.send(run_caught(job)); // the task may be gone: the stop cut it
                });
                result.await.ok()?
            }
        }
    }
}
