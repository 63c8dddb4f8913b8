//! Iterative: accept, serve to the end, accept the next (Stevens, UNP chapter 30, design 1). The baseline: no cost of
//! concurrency at all, and total head-of-line blocking.

use super::datagrams;
use crate::Datagrams;
use crate::drive::accept::accept_until_stop;
use crate::drive::blocking::serve;
use crate::drive::buffers::Buffers;
use crate::drive::registry::Registry;
use crate::drive::supervise::supervise;
use crate::model::{Concurrency, Meta, PerClient, Role, ServerModel, Serving};
use std::io;
use std::sync::Arc;

/// The iterative server.
#[derive(Debug)]
pub(super) struct Iterative;

impl ServerModel for Iterative {
    fn meta(&self) -> &'static Meta {
        &Meta {
            name: "iterative",
            summary: "one client at a time; the baseline without any cost of concurrency",
            concurrency: Concurrency::One,
            per_client: PerClient::Nothing,
            threads: |_| 2, // one that can be left behind in a job
            tunings: &[],
            role: Role::Extra,
        }
    }

    fn datagrams(&self) -> Option<&'static Datagrams> {
        Some(&datagrams::ITERATIVE)
    }

    fn serve(&self, Serving { listener, service, config, stop, counters, .. }: Serving) -> io::Result<()> {
        let registry = Registry::new(counters);
        let clients = Arc::clone(&registry);
        supervise("iterative", &stop, &config, &registry, move |stop| {
            let mut buffers = Buffers::new();
            accept_until_stop(&listener, stop, counters, |stream| {
                serve(&clients.track(stream), &*service, &mut buffers);
            })
        })
    }
}
