//! Fork per client: a process for each accepted connection (Stevens, UNP chapter 30, design 2). A crash does not spread;
//! the price is a fork, which grows with the parent's memory.

use crate::drive::accept::{accept_until_stop, retry_spawn};
use crate::drive::blocking::serve_session;
use crate::drive::buffers::Buffers;
use crate::drive::processes::end_children;
use crate::drive::registry::Meter;
use crate::model::{Concurrency, Meta, PerClient, Role, ServerModel, Serving};
use crate::sys::children::{self, Alone, Forked};
use crate::{Counters, Service, Stop};
use std::io;
use std::net::{TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

/// The fork-per-client server.
#[derive(Debug)]
pub(super) struct ForkPerClient;

impl ServerModel for ForkPerClient {
    fn meta(&self) -> &'static Meta {
        &Meta {
            name: "fork-per-client",
            summary: "a process for each client; a crash does not spread, a fork costs",
            concurrency: Concurrency::Unbounded,
            per_client: PerClient::Process,
            threads: |_| 1,
            tunings: &[],
            role: Role::Standard,
        }
    }

    /// # Errors
    /// Also when the process has other threads or children.
    fn serve(&self, Serving { listener, service, config, stop, counters, .. }: Serving) -> io::Result<()> {
        let alone = Alone::check()?;
        children::reap_children(&alone, counters)?;
        accept_until_stop(&listener, &stop, counters, |stream| {
            counters.opened();
            match retry_spawn(&stop, counters, || children::fork(&alone)) {
                Some(Forked::Parent(_)) => {} // the child's end will be counted; its socket here closes now
                Some(Forked::Child) => serve_in_child(&listener, &stream, &*service, &stop, counters),
                None => counters.closed(),
            }
        })?;
        drop(listener);
        // What a killed child had counted since it last added to the shared counters is lost: it alone knew.
        let killed = end_children(Instant::now() + config.stop_deadline, || {})?;
        counters.cut_at_stop.fetch_add(killed as u64, Relaxed);
        Ok(())
    }
}

/// The child's whole life. It never returns into the parent's code.
fn serve_in_child(
    listener: &TcpListener,
    stream: &TcpStream,
    service: &dyn Service,
    stop: &Stop,
    counters: &'static Counters,
) -> ! {
    children::close_in_child(listener);
    let meter = Meter::new(counters);
    let life = AssertUnwindSafe(|| {
        // SIGTERM, from the parent's stop, unblocks the read, which gets what has arrived and then the end.
        let _unblocked = stop.unblock(stream)?;
        serve_session(stream, service.open(), &meter, &mut Buffers::new());
        io::Result::Ok(())
    });
    let ended = catch_unwind(life);
    meter.flush(); // what a session did before it panicked was done
    match ended {
        Ok(Ok(())) => children::exit_child(0),
        Ok(Err(_)) => children::exit_child(1),
        Err(_) => children::exit_child(101), // as an uncaught panic would
    }
}
