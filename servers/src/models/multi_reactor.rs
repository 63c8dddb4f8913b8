//! Multi-reactor: an event loop for each core, and a connection stays with the loop that accepted it (SYMPED; nginx's workers,
//! as threads).
//!
//! The loop is that of `mio-event-loop`, with everything of its own but the pools for jobs, which the loops share: their size
//! is the server's, however many loops it has. Two variants differ in who gets a connection. With a listener for each loop
//! (`SO_REUSEPORT`) the kernel decides by a hash when it comes, and a loop that is busy keeps those that wait for it. With one
//! listener in all loops whoever is free takes the next; `EPOLLEXCLUSIVE` keeps a connection from waking them all, and the loop
//! that went to sleep last is woken first.

use super::datagrams;
use super::mio_event_loop::{Epoll, EventLoop};
use crate::drive::nonblocking::Connection;
use crate::drive::offload::Pools;
use crate::drive::readiness::Readiness;
use crate::drive::registry::Registry;
use crate::drive::supervise::side_by_side;
use crate::model::{Concurrency, Meta, PerClient, Role, ServerModel, Serving, Tuning};
use crate::{Datagrams, ServerConfig, Stop};
use std::io;
use std::iter;
use std::net::TcpListener;
use std::sync::Arc;

/// A listener for each loop.
#[derive(Debug)]
pub(super) struct MultiReactor;

impl ServerModel for MultiReactor {
    fn meta(&self) -> &'static Meta {
        &Meta {
            name: "multi-reactor",
            summary: "an event loop for each core, each with a listener of its own; uniform work and churn on many cores",
            concurrency: Concurrency::Unbounded,
            per_client: PerClient::Nothing,
            threads: reactors,
            tunings: TUNINGS,
            role: Role::Extra,
        }
    }

    fn listeners(&self, config: &ServerConfig) -> usize {
        reactors(config)
    }

    fn datagrams(&self) -> Option<&'static Datagrams> {
        Some(&datagrams::MULTI_REACTOR)
    }

    fn serve(&self, mut serving: Serving) -> io::Result<()> {
        let more = std::mem::take(&mut serving.more_listeners);
        run::<Epoll>(serving, more)
    }
}

/// One listener in all loops.
#[derive(Debug)]
pub(super) struct SharedListener;

impl ServerModel for SharedListener {
    fn meta(&self) -> &'static Meta {
        &Meta {
            name: "multi-reactor-shared",
            summary: "an event loop for each core, one listener for all; the loop that is free takes the next client",
            concurrency: Concurrency::Unbounded,
            per_client: PerClient::Nothing,
            threads: reactors,
            tunings: TUNINGS,
            role: Role::Extra,
        }
    }

    fn serve(&self, serving: Serving) -> io::Result<()> {
        let copies = (1..reactors(&serving.config)).map(|_| serving.listener.try_clone());
        let copies = copies.collect::<io::Result<_>>()?;
        run::<Epoll<true>>(serving, copies)
    }
}

const TUNINGS: &[Tuning] = &[Tuning::BlockingWorkers, Tuning::ComputeWorkers, Tuning::RuntimeWorkers];

fn reactors(config: &ServerConfig) -> usize {
    config.runtime_workers.max(1)
}

/// Serves with a loop for each listener until asked to stop. All loops are made before any runs.
fn run<R: Readiness + Send + 'static>(serving: Serving, more: Vec<TcpListener>) -> io::Result<()> {
    let Serving { listener, service, config, stop, counters, .. } = serving;
    let pools = Pools::new(&config, counters);
    counters.workers.expect(1 + more.len());
    let loops = iter::once(listener).chain(more).enumerate().map(|(worker, listener)| {
        let registry = Registry::of_worker(counters, worker);
        EventLoop::<R, Connection>::new(listener, Arc::clone(&service), Arc::clone(&pools), registry, false)
    });
    let loops = loops.collect::<io::Result<Vec<_>>>()?;
    drop(pools); // the last loop to end joins their threads
    let limit = config.stop_deadline;
    let bodies = loops.into_iter().map(|one| move |stop: &Stop| one.run(stop, Some(limit))).collect();
    side_by_side("reactor", &stop, bodies)
}
