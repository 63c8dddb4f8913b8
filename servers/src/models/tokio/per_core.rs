//! tokio per core: a single-threaded runtime for each core, each with a listener of its own (as actix-web and glommio do it).
//!
//! A task stays on the thread that accepted its client: nothing is stolen, nothing needs a lock, and a thread that is busy keeps
//! its clients waiting while others idle. The runtimes share the pools for jobs: together they have as many threads as other
//! models.

use super::offload::{Blocking, Offload};
use super::runtime::{Shared, build, serve_on};
use super::{connection, datagrams};
use crate::drive::offload::Pools;
use crate::drive::registry::Registry;
use crate::drive::supervise::side_by_side;
use crate::model::{Concurrency, Meta, PerClient, Role, ServerModel, Serving, Tuning};
use crate::{Datagrams, ServerConfig, Stop};
use std::io;
use std::iter;
use std::sync::Arc;
use tokio::runtime::Builder;

/// Tasks on threads of their own listeners.
#[derive(Debug)]
pub(in crate::models) struct PerCore;

impl ServerModel for PerCore {
    fn meta(&self) -> &'static Meta {
        &Meta {
            name: "tokio-per-core",
            summary: "a single-threaded runtime for each core, each with a listener of its own; uniform work on many cores",
            concurrency: Concurrency::Unbounded,
            per_client: PerClient::Nothing,
            threads: runtimes,
            tunings: &[Tuning::BlockingWorkers, Tuning::ComputeWorkers, Tuning::RuntimeWorkers],
            role: Role::Extra,
        }
    }

    fn listeners(&self, config: &ServerConfig) -> usize {
        runtimes(config)
    }

    fn datagrams(&self) -> Option<&'static Datagrams> {
        Some(&datagrams::PER_CORE)
    }

    fn serve(&self, serving: Serving) -> io::Result<()> {
        let Serving { listener, more_listeners, service, config, stop, counters } = serving;
        let (pools, limit) = (Pools::new(&config, counters), config.stop_deadline);
        counters.workers.expect(1 + more_listeners.len());
        let bodies = iter::once(listener).chain(more_listeners).enumerate().map(|(worker, listener)| {
            let runtime = build(Builder::new_current_thread(), &config)?;
            let offload = Offload::new(Arc::clone(&pools), counters, Blocking::Pool);
            let registry = Registry::of_worker(counters, worker);
            let shared = Arc::new(Shared { service: Arc::clone(&service), registry, offload });
            Ok(move |stop: &Stop| serve_on(runtime, listener, shared, stop, limit, connection))
        });
        let bodies = bodies.collect::<io::Result<Vec<_>>>()?;
        drop(pools); // the last runtime to end joins their threads
        side_by_side("runtime", &stop, bodies)
    }
}

fn runtimes(config: &ServerConfig) -> usize {
    config.runtime_workers.max(1)
}
