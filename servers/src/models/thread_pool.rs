//! Thread pool: an acceptor hands connections through a queue to a fixed number of threads, each of which serves one
//! connection to its end (Stevens, UNP chapter 30, design 8: prethreaded, main thread accepts).

use crate::drive::accept::{accept_until_stop, retry_spawn};
use crate::drive::blocking::serve;
use crate::drive::buffers::Buffers;
use crate::drive::live::{Held, Live};
use crate::{Counters, ServerConfig, ServerModel, Service, Stop};
use crossbeam_channel::{SendTimeoutError, Sender, bounded};
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
    fn name(&self) -> &'static str {
        "thread-pool"
    }

    fn summary(&self) -> &'static str {
        "a fixed number of threads, each with one client at a time; cheap churn, the clients beyond it starve"
    }

    fn concurrency(&self, config: &ServerConfig) -> Option<usize> {
        Some(config.pool_workers.max(1))
    }

    fn serve(
        &self,
        listener: TcpListener,
        service: Arc<dyn Service>,
        config: &ServerConfig,
        stop: &Stop,
        counters: &'static Counters,
    ) -> io::Result<()> {
        let live = Live::new(counters);
        let (queue, waiting) = bounded::<Held<TcpStream>>(WAITING);
        let mut workers: Vec<JoinHandle<()>> = Vec::new();
        for index in 0..config.pool_workers.max(1) {
            let (waiting, service) = (waiting.clone(), Arc::clone(&service));
            let work = move || {
                // cloned for another attempt if a spawn fails
                let mut buffers = Buffers::new();
                for held in waiting {
                    serve(&held, &*service, &mut buffers);
                }
            };
            let spawn = || thread::Builder::new().name(format!("worker-{index}")).spawn(work.clone());
            let Some(worker) = retry_spawn(stop, counters, spawn) else { break };
            workers.push(worker);
        }
        drop(waiting);
        accept_until_stop(&listener, stop, counters, |stream| {
            enqueue(&queue, Held::new(stream, &live), stop);
        })?;
        drop((listener, queue));
        if live.finish(Instant::now() + config.stop_deadline) {
            for worker in workers {
                let _ = worker.join(); // what panics inside is caught and counted there
            }
        }
        Ok(())
    }
}

/// Puts a connection into the queue, waiting for room until asked to stop.
fn enqueue(queue: &Sender<Held<TcpStream>>, mut held: Held<TcpStream>, stop: &Stop) {
    while let Err(SendTimeoutError::Timeout(back)) = queue.send_timeout(held, STOP_CHECK) {
        if stop.requested() {
            return;
        }
        held = back;
    }
}
