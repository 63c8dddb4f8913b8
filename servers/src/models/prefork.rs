//! Prefork: processes that exist before their clients, all of them in accept(2) on one listener, each of which serves what it
//! accepted to its end (Stevens, UNP chapter 30, design 2; Apache's first). A crash takes along the client that caused it, and
//! the parent starts another worker in its place.

use crate::drive::accept::accept_while_listening;
use crate::drive::blocking::serve;
use crate::drive::buffers::Buffers;
use crate::drive::processes::Processes;
use crate::drive::registry::Registry;
use crate::model::{Concurrency, Meta, PerClient, Role, ServerModel, Serving, Tuning};
use crate::{Counters, Service, Stop};
use std::io;
use std::net::TcpListener;
use std::time::Instant;

/// The preforked server.
#[derive(Debug)]
pub(super) struct Prefork;

impl ServerModel for Prefork {
    fn meta(&self) -> &'static Meta {
        &Meta {
            name: "prefork",
            summary: "processes that all accept, each with one client at a time; a crash does not spread, those beyond starve",
            concurrency: Concurrency::HeldByProcess(Tuning::PoolWorkers),
            per_client: PerClient::Nothing,
            threads: |_| 1,
            tunings: &[Tuning::PoolWorkers],
            role: Role::Extra,
        }
    }

    /// # Errors
    /// Also when the process has other threads or children.
    fn serve(&self, Serving { listener, service, config, stop, counters, .. }: Serving) -> io::Result<()> {
        let mut workers = Processes::new(config.pool_workers.max(1), &stop, counters)?;
        // Theirs as well: what is shut down is the socket, whoever has a descriptor of it.
        let unblocked = stop.unblock(&listener)?;
        while !stop.requested() {
            let life = |worker| accept_and_serve(worker, &listener, &*service, &stop, counters);
            while !stop.requested() && workers.start_one(life).is_some() {}
            workers.wait();
            while workers.take_ended().is_some() {}
        }
        drop(unblocked);
        drop(listener);
        workers.shutdown(Instant::now() + config.stop_deadline)
    }
}

/// A worker's whole life.
fn accept_and_serve(
    worker: usize,
    listener: &TcpListener,
    service: &dyn Service,
    stop: &Stop,
    counters: &'static Counters,
) {
    let registry = Registry::of_worker(counters, worker);
    let mut buffers = Buffers::new();
    accept_while_listening(listener, stop, counters, |stream| {
        let client = registry.track(stream);
        // Should this process die, the parent knows that it had one.
        counters.workers.set_busy(worker, true);
        // SIGTERM, from the parent's stop, ends a read, which gets what has arrived and then the end. There is room for it.
        let unblocked = stop.unblock(&client.stream);
        serve(&client, service, &mut buffers);
        drop(unblocked);
        counters.workers.set_busy(worker, false);
    });
}
