//! Iterative: accept, serve to the end, accept the next (Stevens, UNP chapter 30, design 1). The baseline: no cost of
//! concurrency at all, and total head-of-line blocking.

use crate::drive::accept::accept_until_stop;
use crate::drive::blocking::serve;
use crate::drive::buffers::Buffers;
use crate::drive::live::{Held, Live};
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
            threads: |_| 2,
            tunings: &[],
            role: Role::Extra,
        }
    }

    fn serve(&self, serving: Serving) -> io::Result<()> {
        let Serving { listener, service, config, stop, counters } = serving;
        let (config, stop) = (&config, &stop);
        let live = Live::new(counters);
        let entering = Arc::clone(&live);
        supervise("iterative", stop, config, &live, move |stop| {
            let mut buffers = Buffers::new();
            accept_until_stop(&listener, stop, counters, |stream| {
                serve(&Held::new(stream, &entering), &*service, &mut buffers);
            })
        })
    }
}
