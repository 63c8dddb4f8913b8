//! tokio: a task per client, on a work-stealing or a single-threaded runtime.
//!
//! `Wait` is `sleep`, `Block` is `spawn_blocking`, `Compute` goes to a bounded CPU pool and comes back by a oneshot.
//! Connections are served by spawned tasks. The calling thread is in `block_on`: the single-threaded runtime has no other,
//! and the multi-threaded one leaves it to wait for the end. No job ever runs on a thread of the runtime, so nothing
//! keeps it from seeing the stop and its deadline.

use crate::drive::accept::{AcceptFailure, Backoff};
use crate::drive::buffers::{Buffers, RETAINED_SHARED, clear};
use crate::drive::conversation::{Conversation, Need};
use crate::drive::live::{CUT_GRACE, Held, Live, Meter};
use crate::drive::work::{ComputePool, run_caught};
use crate::model::{Concurrency, Meta, PerClient, Role, ServerModel, Serving, Tuning};
use crate::{Counters, Demand, Job, JobOutput, ServerConfig, Service, Stop};
use std::cell::RefCell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{OnceCell, Semaphore, mpsc, oneshot};
use tokio::time::timeout;

/// Tasks on `runtime_workers` work-stealing threads.
pub(super) static MULTI_THREAD: Tokio = Tokio { multi_thread: true };

/// Tasks on one thread.
pub(super) static CURRENT_THREAD: Tokio = Tokio { multi_thread: false };

/// How long a blocking thread without work is kept: for good. As in the other models' pools, and so that a server that
/// once had a thread for blocking jobs has one for the next.
const KEEP_ALIVE: Duration = Duration::from_secs(365 * 24 * 3600);

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
        builder.enable_all().max_blocking_threads(config.blocking_workers.max(1));
        builder.thread_keep_alive(KEEP_ALIVE);
        // It panics when there is no room for its threads.
        catch_unwind(AssertUnwindSafe(|| builder.build())).unwrap_or_else(|_| {
            let wanted = config.runtime_workers.max(1);
            let message =
                format!("making a tokio runtime failed: no room for {wanted} threads (see ulimit -u)");
            Err(io::Error::other(message))
        })
    }
}

static MULTI_META: Meta = Meta {
    name: "tokio",
    summary: "a task for each client on work-stealing threads; mixed I/O, many clients",
    concurrency: Concurrency::Unbounded,
    per_client: PerClient::Nothing,
    threads: |config| 1 + config.runtime_workers.max(1),
    tunings: &[Tuning::BlockingWorkers, Tuning::ComputeWorkers, Tuning::RuntimeWorkers],
    role: Role::Standard,
};

static CURRENT_META: Meta = Meta {
    name: "tokio-current-thread",
    summary: "a task for each client on one thread; no hand-over between threads",
    concurrency: Concurrency::Unbounded,
    per_client: PerClient::Nothing,
    threads: |_| 1,
    tunings: &[Tuning::BlockingWorkers, Tuning::ComputeWorkers],
    role: Role::Extra,
};

impl ServerModel for Tokio {
    fn meta(&self) -> &'static Meta {
        if self.multi_thread { &MULTI_META } else { &CURRENT_META }
    }

    fn serve(&self, serving: Serving) -> io::Result<()> {
        let Serving { listener, service, config, stop, counters } = serving;
        let (config, stop) = (&config, &stop);
        listener.set_nonblocking(true)?;
        let runtime = self.runtime(config)?;
        let live = Live::new(counters);
        let offload = Offload::new(config, counters);
        let shared = Arc::new(Shared { service, live: Arc::clone(&live), offload });
        let serving = Arc::clone(&shared);
        let listener = {
            let _entered = runtime.enter(); // registers with it
            TcpListener::from_std(listener)?
        };
        let (accepted, all_back) = runtime.block_on(async {
            let (alive, all_gone) = mpsc::channel(1);
            // Spawned, too: the task of `block_on` is scheduled unlike the others.
            let accepting = tokio::spawn(accept(listener, serving, stop.clone(), alive));
            let accepted = accepting.await.unwrap_or_else(|error| Err(io::Error::other(error)));
            (accepted, finish(&live, all_gone, config.stop_deadline).await)
        });
        if all_back {
            drop(runtime); // joins its threads; no job runs without a connection that waits for it
            let pool = Arc::into_inner(shared).and_then(|shared| shared.offload.compute.into_inner());
            if let Some(pool) = pool {
                pool.join();
            }
        } else {
            runtime.shutdown_background(); // somebody is stuck in a job
        }
        accepted
    }
}

/// [`Live::finish`] without blocking the thread, on which the connections may be served. `all_gone` ends when every
/// task has dropped its sender. Returns whether all tasks came back.
async fn finish(live: &Live, mut all_gone: mpsc::Receiver<Infallible>, limit: Duration) -> bool {
    live.hang_up();
    if timeout(limit, all_gone.recv()).await.is_ok() {
        return true;
    }
    live.cut();
    let all_back = timeout(CUT_GRACE, all_gone.recv()).await.is_ok();
    live.abandon();
    all_back
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
    alive: mpsc::Sender<Infallible>,
) -> io::Result<()> {
    let _hang_up = stop.hang_up(&listener)?;
    let counters = shared.live.counters();
    let mut backoff = Backoff::new();
    while !stop.requested() {
        match listener.accept().await {
            Ok((stream, _)) => {
                backoff.reset();
                tokio::spawn(serve(Held::new(stream, &shared.live), Arc::clone(&shared), alive.clone()));
            }
            Err(_) if stop.requested() => break, // EINVAL: the listener was shut down
            Err(error) => match AcceptFailure::of(&error) {
                AcceptFailure::Next | AcceptFailure::Empty => {}
                AcceptFailure::BackOff => {
                    counters.accept_failed(&error);
                    tokio::time::sleep(backoff.pause(counters)).await; // at most 100 ms, well within any deadline
                }
            },
        }
    }
    Ok(())
}

/// Serves a connection to its end. `held` stays whole, so that by a panic or cancellation, too, it is dropped in the
/// order that it asks for.
async fn serve(mut held: Held<TcpStream>, shared: Arc<Shared>, _alive: mpsc::Sender<Infallible>) {
    let mut task = Task {
        conversation: Conversation::new(shared.service.open()),
        unsent: Vec::new(),
        sent: 0,
        meter: held.ticket.meter().clone(),
    };
    let result = task.run(&mut held.stream, &shared.offload).await;
    task.meter.ended(result.is_err(), task.conversation.rejected().is_some());
    drop(held); // before `_alive` says that this task is over
}

thread_local! {
    /// The buffers of whatever task this thread polls. Never borrowed across a suspension.
    static BUFFERS: RefCell<Buffers> = RefCell::default();
}

/// One client's side of its task.
struct Task {
    conversation: Conversation,
    /// Replies that the socket did not take at once, from `sent` on.
    unsent: Vec<u8>,
    sent: usize,
    meter: Meter,
}

impl Task {
    async fn run(&mut self, stream: &mut TcpStream, offload: &Offload) -> io::Result<()> {
        let mut need = Need::Read;
        loop {
            need = match need {
                Need::Read => poll_fn(|cx| self.poll_converse(cx, stream)).await?,
                Need::Flush => poll_fn(|cx| self.poll_flush(cx, stream)).await?,
                Need::Run(job) => match offload.run(job).await {
                    Some(mut result) => {
                        let mut result = || std::mem::replace(&mut result, JobOutput::NOTHING); // asked for once
                        poll_fn(|cx| Poll::Ready(self.complete(cx, stream, result()))).await?
                    }
                    None => {
                        self.meter.crashed();
                        return Ok(());
                    }
                },
                Need::Close => return Ok(()),
            }
        }
    }

    /// Reads and replies until the socket has no more, or something else than bytes is needed. `poll_read` and not
    /// `try_read`: after a read that did not fill the buffer, tokio knows that the socket is drained and saves the read
    /// that would only say so. A client that always has more yields when tokio's budget for one turn is spent.
    fn poll_converse(&mut self, cx: &mut Context<'_>, stream: &mut TcpStream) -> Poll<io::Result<Need>> {
        BUFFERS.with_borrow_mut(|Buffers { input, output }| {
            loop {
                let mut buffer = ReadBuf::uninit(input.spare_capacity_mut());
                ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer))?;
                let received = buffer.filled();
                if received.is_empty() {
                    return Poll::Ready(Ok(self.conversation.end_of_input()));
                }
                self.meter.received(received.len());
                output.clear(); // a session that panicked, or a connection that broke, may have left something
                let need = self.conversation.take_in(received, output);
                match self.send(cx, stream, need, output)? {
                    Need::Read => {}
                    need => return Poll::Ready(Ok(need)),
                }
            }
        })
    }

    fn complete(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut TcpStream,
        result: JobOutput,
    ) -> io::Result<Need> {
        BUFFERS.with_borrow_mut(|Buffers { output, .. }| {
            output.clear();
            let need = self.conversation.complete(result, output);
            self.send(cx, stream, need, output)
        })
    }

    /// Sends what the socket takes now, and keeps the rest.
    #[inline(always)] // into the loop of reads: two callers are one too many for the optimiser to do it unasked
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
        let mut sent = 0;
        loop {
            while sent < output.len() {
                match Pin::new(&mut *stream).poll_write(cx, &output[sent..]) {
                    Poll::Ready(result) => {
                        let n = result?;
                        self.meter.sent(n);
                        sent += n;
                    }
                    Poll::Pending => {
                        (self.unsent, self.sent) = (std::mem::take(output), sent);
                        return Ok(Need::Flush);
                    }
                }
            }
            clear(output, RETAINED_SHARED);
            match self.flushed(output) {
                Need::Flush => sent = 0, // the next batch
                need => return Ok(need),
            }
        }
    }

    /// Sends what was kept.
    fn poll_flush(&mut self, cx: &mut Context<'_>, stream: &mut TcpStream) -> Poll<io::Result<Need>> {
        while self.sent < self.unsent.len() {
            let n = ready!(Pin::new(&mut *stream).poll_write(cx, &self.unsent[self.sent..]))?;
            self.meter.sent(n);
            self.sent += n;
        }
        let mut output = Vec::new(); // an idle connection keeps no buffer
        let need = self.flushed(&mut output);
        (self.unsent, self.sent) = (output, 0);
        Poll::Ready(Ok(need))
    }

    #[inline]
    fn flushed(&mut self, output: &mut Vec<u8>) -> Need {
        let (answered, next) = self.conversation.flushed(output);
        self.meter.answered(answered);
        next
    }
}

/// Where jobs go.
struct Offload {
    config: ServerConfig,
    counters: &'static Counters,
    /// Made with the first computing job.
    compute: OnceCell<ComputePool>,
    /// Set when the runtime has a thread for blocking jobs, which then stays.
    blocking: OnceCell<()>,
    /// Jobs that may be running or queued; the tasks beyond wait, and nothing is read for them meanwhile.
    blocking_room: Semaphore,
    compute_room: Semaphore,
}

impl Offload {
    fn new(config: &ServerConfig, counters: &'static Counters) -> Self {
        Self {
            config: config.clone(),
            counters,
            compute: OnceCell::new(),
            blocking: OnceCell::new(),
            blocking_room: Semaphore::new(config.blocking_workers.max(1) + config.job_queue),
            compute_room: Semaphore::new(config.compute_workers.max(1) + config.job_queue),
        }
    }

    /// Does a job where it belongs; `None` when it panicked. Where there is no thread for it yet, it waits for one.
    async fn run(&self, job: Job) -> Option<JobOutput> {
        match job.demand() {
            Demand::Wait(delay) => {
                tokio::time::sleep(delay).await;
                Some(JobOutput::NOTHING)
            }
            Demand::Block => {
                let _room = self.blocking_room.acquire().await.ok()?;
                self.blocking.get_or_init(|| self.blocking_thread()).await;
                tokio::task::spawn_blocking(|| run_caught(job)).await.ok()?
            }
            Demand::Compute => {
                let _room = self.compute_room.acquire().await.ok()?;
                let pool = self.compute.get_or_init(|| self.compute_pool()).await;
                let (done, result) = oneshot::channel();
                pool.spawn(|| {
                    let _ = done.send(run_caught(job)); // the task may be gone: the stop cut it
                });
                result.await.ok()?
            }
        }
    }

    async fn compute_pool(&self) -> ComputePool {
        let mut backoff = Backoff::new();
        loop {
            match ComputePool::new(&self.config, self.counters) {
                Ok(pool) => return pool,
                Err(_) => tokio::time::sleep(backoff.pause(self.counters)).await,
            }
        }
    }

    /// Waits until the runtime has a thread for blocking jobs. `spawn_blocking` panics when there is none and none can
    /// be spawned, and not when there is one: after this it can be called without a care.
    async fn blocking_thread(&self) {
        let mut backoff = Backoff::new();
        while catch_unwind(|| drop(tokio::task::spawn_blocking(|| ()))).is_err() {
            Counters::count(&self.counters.spawn_errors);
            tokio::time::sleep(backoff.pause(self.counters)).await;
        }
    }
}
