//! Poll reactor: the event loop with poll(2) instead of epoll(7).
//!
//! The same loop, connections, timers and pools as `mio-event-loop`; what differs is that each wait hands the kernel the
//! whole list of descriptors and looks through the whole list again, so that a wake-up costs in proportion to the
//! connections that are open, idle ones included.

use super::reactor::{PollSet, Reactor};
use crate::drive::live::Live;
use crate::model::{Concurrency, Meta, PerClient, Role, ServerModel, Serving, Tuning};
use std::io;

/// The server.
#[derive(Debug)]
pub(super) struct PollReactor;

impl ServerModel for PollReactor {
    fn meta(&self) -> &'static Meta {
        &Meta {
            name: "poll-reactor",
            summary: "one event loop over poll(2); each wake-up costs by the connections that are open",
            concurrency: Concurrency::Unbounded,
            per_client: PerClient::Nothing,
            threads: |_| 1,
            tunings: &[Tuning::BlockingWorkers, Tuning::ComputeWorkers],
            role: Role::Extra,
        }
    }

    fn serve(&self, serving: Serving) -> io::Result<()> {
        let Serving { listener, service, config, stop, counters } = serving;
        let (config, stop) = (&config, &stop);
        let live = Live::new(counters);
        Reactor::<PollSet>::new(listener, service, config, live, false)?.run(stop, Some(config.stop_deadline))
    }
}
