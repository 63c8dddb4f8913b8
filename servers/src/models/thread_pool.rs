//! Thread pool: an acceptor hands connections through a queue to a fixed number of threads, each of which serves one
//! connection to its end (Stevens, UNP chapter 30, design 8: prethreaded, main thread accepts).

use crate::drive::accept::{Backoff, accept_until_stop, readable_within, retry_spawn};
use crate::drive::blocking::serve;
use crate::drive::buffers::Buffers;
use crate::drive::registry::{Registry, Tracked};
use crate::model::{Concurrency, Meta, PerClient, Role, ServerModel, Serving, Tuning};
use crate::{Counters, Service, Stop};
use crossbeam_channel::{Receiver, SendTimeoutError, Sender, bounded};
use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Accepted connections that wait for a thread. Beyond them the acceptor waits and the kernel's backlog fills: clients
/// are better held there than in descriptors of a server that cannot serve them.
const WAITING: usize = 1024;

/// How often an acceptor that waits for room looks whether it should stop.
const STOP_CHECK: Duration = Duration::from_millis(50);

/// The thread-pool server.
#[derive(Debug)]
pub(super) struct ThreadPool;

impl ServerModel for ThreadPool {
    fn meta(&self) -> &'static Meta {
        &Meta {
            name: "thread-pool",
            summary: "a fixed number of threads, each with one client at a time; cheap churn, the clients beyond it starve",
            concurrency: Concurrency::HeldBy(Tuning::PoolWorkers),
            per_client: PerClient::Nothing,
            threads: |config| 1 + config.pool_workers.max(1),
            tunings: &[Tuning::PoolWorkers],
            role: Role::Standard,
        }
    }

    fn serve(&self, Serving { listener, service, config, stop, counters, .. }: Serving) -> io::Result<()> {
        let registry = Registry::new(counters);
        let (queue, waiting) = bounded(WAITING);
        let mut workers = Workers {
            wanted: config.pool_workers.max(1),
            threads: Vec::new(),
            waiting,
            service,
            counters,
            backoff: Backoff::new(),
            not_before: Instant::now(),
        };
        if let Some(first) = retry_spawn(&stop, counters, || workers.spawn()) {
            workers.threads.push(first);
            workers.grow();
        }
        accept_until_stop(&listener, &stop, counters, |stream| {
            enqueue(&queue, registry.track(stream), &mut workers, &stop);
            workers.grow_while_one_waits(&listener, &stop);
        })?;
        drop((listener, queue));
        let Workers { threads, waiting, .. } = workers;
        drop(waiting);
        if registry.shutdown(Instant::now() + config.stop_deadline) {
            for thread in threads {
                let _ = thread.join(); // what panics inside is caught and counted there
            }
        }
        Ok(())
    }
}

/// Puts a connection into the queue, waiting for room until asked to stop.
fn enqueue(
    queue: &Sender<Tracked<TcpStream>>,
    mut client: Tracked<TcpStream>,
    workers: &mut Workers,
    stop: &Stop,
) {
    while let Err(SendTimeoutError::Timeout(back)) = queue.send_timeout(client, STOP_CHECK) {
        if stop.requested() {
            return;
        }
        workers.grow();
        client = back;
    }
}

/// The threads. There should be `wanted`; one is enough to serve, and the others come when there is room for them.
struct Workers {
    wanted: usize,
    threads: Vec<JoinHandle<()>>,
    waiting: Receiver<Tracked<TcpStream>>,
    service: Arc<dyn Service>,
    counters: &'static Counters,
    backoff: Backoff,
    /// No attempt to spawn before.
    not_before: Instant,
}

impl Workers {
    fn are_short(&self) -> bool {
        self.threads.len() < self.wanted
    }

    fn spawn(&self) -> io::Result<JoinHandle<()>> {
        let (waiting, service) = (self.waiting.clone(), Arc::clone(&self.service));
        thread::Builder::new().name(format!("worker-{}", self.threads.len())).spawn(move || {
            let mut buffers = Buffers::new();
            for client in waiting {
                serve(&client, &*service, &mut buffers);
            }
        })
    }

    /// Spawns what is missing, until one is refused; then not again before a pause is over.
    fn grow(&mut self) {
        while self.are_short() && Instant::now() >= self.not_before {
            match self.spawn() {
                Ok(thread) => {
                    self.threads.push(thread);
                    self.backoff.reset();
                }
                Err(error) => {
                    self.counters.spawn_failed(&error);
                    self.not_before = Instant::now() + self.backoff.pause(self.counters);
                }
            }
        }
    }

    /// While threads are missing and a connection waits for one: tries again after each pause, until there is
    /// something to accept.
    fn grow_while_one_waits(&mut self, listener: &TcpListener, stop: &Stop) {
        while self.are_short() && !self.waiting.is_empty() && !stop.requested() {
            self.grow();
            let pause = self.not_before.saturating_duration_since(Instant::now());
            if self.are_short() && readable_within(listener, pause) {
                return; // the stop makes it readable, too
            }
        }
    }
}
