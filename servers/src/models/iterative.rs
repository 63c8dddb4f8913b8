//! Iterative: accept, serve to the end, accept the next (Stevens, UNP chapter 30, design 1). The baseline: no cost of
//! concurrency at all, and total head-of-line blocking.

use crate::drive::accept::accept_until_stop;
use crate::drive::blocking::serve;
use crate::drive::buffers::Buffers;
use crate::drive::live::{Held, Live};
use crate::drive::supervise::supervise;
use crate::{Counters, ServerConfig, ServerModel, Service, Stop};
use std::io;
use std::net::TcpListener;
use std::sync::Arc;

/// The iterative server.
#[derive(Debug)]
pub(super) struct Iterative;

impl ServerModel for Iterative {
    fn name(&self) -> &'static str {
        "iterative"
    }

    fn summary(&self) -> &'static str {
        "one client at a time; the baseline without any cost of concurrency"
    }

    fn concurrency(&self, _: &ServerConfig) -> Option<usize> {
        Some(1)
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
        let entering = Arc::clone(&live);
        supervise("iterative", stop, config, &live, move |stop| {
            let mut buffers = Buffers::new();
            accept_until_stop(&listener, stop, counters, |stream| {
                serve(&Held::new(stream, &entering), &*service, &mut buffers);
            })
        })
    }
}
