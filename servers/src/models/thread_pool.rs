//! Thread pool: an acceptor hands connections through a queue to a fixed number of threads, each of which serves one
//! connection to its end (Stevens, UNP chapter 30, design 8: prethreaded, main thread accepts).

use crate::drive::accept::{Backoff, accept_until_stop, readable_within, retry_spawn};
use crate::drive::blocking::serve;
use crate::drive::buffers::Buffers;
use crate::drive::live::{Held, Live};
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

    fn serve(&self, serving: Serving) -> io::Result<()> {
        let Serving { listener, service, config, stop, counters } = serving;
        let (config, stop) = (&config, &stop);
        let live = Live::new(counters);
        let (queue, waiting) = bounded::<Held<TcpStream>>(WAITING);
        let mut crew = Crew {
            wanted: config.pool_workers.max(1),
            workers: Vec::new(),
            waiting,
            service,
            counters,
            backoff: Backoff::new(),
            not_before: Instant::now(),
        };
        if let Some(first) = retry_spawn(stop, counters, || crew.spawn()) {
            crew.workers.push(first);
            crew.grow();
        }
        accept_until_stop(&listener, stop, counters, |stream| {
            enqueue(&queue, Held::new(stream, &live), &mut crew, stop);
            crew.grow_while_one_waits(&listener, stop);
        })?;
        drop((listener, queue));
        let Crew { workers, waiting, .. } = crew;
        drop(waiting);
        if live.finish(Instant::now() + config.stop_deadline) {
            for worker in workers {
                let _ = worker.join(); // what panics inside is caught and counted there
            }
        }
        Ok(())
    }
}

/// The threads. There should be `wanted`; one is enough to serve, and the others come when there is room for them.
struct Crew {
    wanted: usize,
    workers: Vec<JoinHandle<()>>,
    waiting: Receiver<Held<TcpStream>>,
    service: Arc<dyn Service>,
    counters: &'static Counters,
    backoff: Backoff,
    /// No attempt to spawn before.
    not_before: Instant,
}

impl Crew {
    fn short(&self) -> bool {
        self.workers.len() < self.wanted
    }

    fn spawn(&self) -> io::Result<JoinHandle<()>> {
        let (waiting, service) = (self.waiting.clone(), Arc::clone(&self.service));
        thread::Builder::new().name(format!("worker-{}", self.workers.len())).spawn(move || {
            let mut buffers = Buffers::new();
            for held in waiting {
                serve(&held, &*service, &mut buffers);
            }
        })
    }

    /// Spawns what is missing, until one is refused; then not again before a pause is over.
    fn grow(&mut self) {
        while self.short() && Instant::now() >= self.not_before {
            match self.spawn() {
                Ok(worker) => {
                    self.workers.push(worker);
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
        while self.short() && !self.waiting.is_empty() && !stop.requested() {
            self.grow();
            let pause = self.not_before.saturating_duration_since(Instant::now());
            if self.short() && readable_within(listener, pause) {
                return; // the stop makes it readable, too
            }
        }
    }
}

/// Puts a connection into the queue, waiting for room until asked to stop.
fn enqueue(queue: &Sender<Held<TcpStream>>, mut held: Held<TcpStream>, crew: &mut Crew, stop: &Stop) {
    while let Err(SendTimeoutError::Timeout(back)) = queue.send_timeout(held, STOP_CHECK) {
        if stop.requested() {
            return;
        }
        crew.grow();
        held = back;
    }
}
