//! Thread per client: a thread for each accepted connection, gone with it (Stevens, UNP chapter 30, design 6).

use crate::drive::accept::{accept_until_stop, retry_spawn};
use crate::drive::blocking::serve;
use crate::drive::buffers::Buffers;
use crate::drive::registry::Registry;
use crate::model::{Concurrency, Meta, PerClient, Role, ServerModel, Serving};
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

/// Stack of a client's thread. The loop of a connection needs a few KiB and its buffers are on the heap; the rest is
/// room for a service's own calls and for a panic's backtrace. Only pages that are touched take memory, but the default
/// of 2 MiB would reserve 20 GiB of addresses for 10,000 clients, which a limit on virtual memory may not grant.
const STACK_BYTES: usize = 256 * 1024;

/// The thread-per-client server.
#[derive(Debug)]
pub(super) struct ThreadPerClient;

impl ServerModel for ThreadPerClient {
    fn meta(&self) -> &'static Meta {
        &Meta {
            name: "thread-per-client",
            summary: "a thread for each client; simple, fair under mixed CPU work, good with blocking calls",
            concurrency: Concurrency::Unbounded,
            per_client: PerClient::Thread,
            threads: |_| 1,
            tunings: &[],
            role: Role::Reference,
        }
    }

    fn serve(&self, Serving { listener, service, config, stop, counters, .. }: Serving) -> io::Result<()> {
        let registry = Registry::new(counters);
        accept_until_stop(&listener, &stop, counters, |stream| {
            // Shared with the thread only so that a failed spawn does not lose the connection.
            let client = Arc::new(registry.track(stream));
            retry_spawn(&stop, counters, || {
                let (client, service) = (Arc::clone(&client), Arc::clone(&service));
                // Detached: the registry knows who is still there, and the handle of a thread that nobody joins until
                // the stop would keep its stack.
                thread::Builder::new()
                    .name("client".into())
                    .stack_size(STACK_BYTES)
                    .spawn(move || serve(&client, &*service, &mut Buffers::new()))
                    .map(drop)
            });
        })?;
        drop(listener);
        registry.shutdown(Instant::now() + config.stop_deadline);
        Ok(())
    }
}
