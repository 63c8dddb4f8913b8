//! mio event loop: one thread, edge-triggered readiness, every connection a state machine (the reactor; SPED).
//!
//! Two variants. One hands blocking and computing jobs to bounded pools and keeps a heap of timers for waits; the other
//! runs every job inline on the loop, waits included: the naive way, here because showing why it hurts is part of the
//! answer.
//!
//! The first is one thread, the caller's, from the start to the end: nothing keeps it from its timers, and so it keeps
//! the deadline of a stop itself. The second may be stuck in a job when that deadline passes, and then somebody else
//! must return: it serves on a thread of its own, under `drive::supervise`.

use super::reactor::{Edges, Reactor};
use crate::drive::live::Live;
use crate::drive::supervise::supervise;
use crate::model::{Concurrency, Meta, PerClient, Role, ServerModel, Serving, Tuning};
use std::io;
use std::sync::Arc;

/// Offloads jobs.
pub(super) static OFFLOADING: MioEventLoop = MioEventLoop { inline: false };

/// Runs jobs on the loop.
pub(super) static INLINE: MioEventLoop = MioEventLoop { inline: true };

/// The event loop server, in either variant.
#[derive(Debug)]
pub(super) struct MioEventLoop {
    inline: bool,
}

static INLINE_META: Meta = Meta {
    name: "mio-event-loop-inline",
    summary: "one event loop that runs every job inline; shows how one long job delays everyone",
    concurrency: Concurrency::Unbounded,
    per_client: PerClient::Nothing,
    threads: |_| 2,
    tunings: &[],
    role: Role::Extra,
};

static META: Meta = Meta {
    name: "mio-event-loop",
    summary: "one event loop, jobs in bounded pools; many idle clients, tiny requests, one core",
    concurrency: Concurrency::Unbounded,
    per_client: PerClient::Nothing,
    threads: |_| 1,
    tunings: &[Tuning::BlockingWorkers, Tuning::ComputeWorkers],
    role: Role::Standard,
};

impl ServerModel for MioEventLoop {
    fn meta(&self) -> &'static Meta {
        if self.inline { &INLINE_META } else { &META }
    }

    fn serve(&self, serving: Serving) -> io::Result<()> {
        let Serving { listener, service, config, stop, counters } = serving;
        let (config, stop) = (&config, &stop);
        let live = Live::new(counters);
        let reactor = Reactor::<Edges>::new(listener, service, config, Arc::clone(&live), self.inline)?;
        if self.inline {
            return supervise(self.name(), stop, config, &live, |stop| reactor.run(stop, None));
        }
        reactor.run(stop, Some(config.stop_deadline))
    }
}
