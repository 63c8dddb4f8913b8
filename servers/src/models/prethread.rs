//! Prethread: threads that exist before their clients, all of them in accept(2) on one listener, each of which serves what it
//! accepted to its end (Stevens, UNP chapter 30, design 7, without its mutex: the kernel wakes one of those that wait).

use super::datagrams;
use crate::Datagrams;
use crate::drive::accept::{accept_while_listening, retry_spawn};
use crate::drive::blocking::serve;
use crate::drive::buffers::Buffers;
use crate::drive::registry::Registry;
use crate::model::{Concurrency, Meta, PerClient, Role, ServerModel, Serving, Tuning};
use std::sync::Arc;
use std::time::Instant;
use std::{io, thread};

/// The prethreaded server.
#[derive(Debug)]
pub(super) struct Prethread;

impl ServerModel for Prethread {
    fn meta(&self) -> &'static Meta {
        &Meta {
            name: "prethread",
            summary: "threads that all accept, each with one client at a time; churn without a hand-over, those beyond starve",
            concurrency: Concurrency::HeldBy(Tuning::PoolWorkers),
            per_client: PerClient::Nothing,
            threads: |config| 1 + config.pool_workers.max(1),
            tunings: &[Tuning::PoolWorkers],
            role: Role::Extra,
        }
    }

    fn datagrams(&self) -> Option<&'static Datagrams> {
        Some(&datagrams::PRETHREAD)
    }

    /// The calling thread serves nobody: a worker may be stuck in a job when the stop's deadline passes, and somebody must
    /// return then.
    fn serve(&self, Serving { listener, service, config, stop, counters, .. }: Serving) -> io::Result<()> {
        let wanted = config.pool_workers.max(1);
        counters.workers.expect(wanted);
        let registry = Registry::new(counters);
        let listener = Arc::new(listener);
        let unblocked = stop.unblock(&*listener)?;
        let spawn = |worker: usize| {
            let (listener, service) = (Arc::clone(&listener), Arc::clone(&service));
            let (registry, stop) = (Arc::clone(&registry), stop.clone());
            thread::Builder::new().name(format!("worker-{worker}")).spawn(move || {
                let mut buffers = Buffers::new();
                accept_while_listening(&listener, &stop, counters, |stream| {
                    counters.workers.accepted_one(worker);
                    serve(&registry.track(stream), &*service, &mut buffers);
                });
            })
        };
        // One is enough to serve, and the others come when there is room for them.
        let threads: Vec<_> =
            (0..wanted).map_while(|worker| retry_spawn(&stop, counters, || spawn(worker))).collect();
        stop.wait(None);
        drop(unblocked);
        if registry.shutdown(Instant::now() + config.stop_deadline) {
            for thread in threads {
                let _ = thread.join(); // what panics inside is caught and counted there
            }
        }
        Ok(())
    }
}
