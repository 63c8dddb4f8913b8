//! Poll reactor: the event loop with poll(2) instead of epoll(7).
//!
//! The same loop, connections, timers and pools as `mio-event-loop`; what differs is that each wait hands the kernel the
//! whole list of descriptors and looks through the whole list again, so that a wake-up costs in proportion to the
//! connections that are open, idle ones included.

use super::reactor::{PollSet, Reactor};
use crate::drive::live::Live;
use crate::{Counters, ServerConfig, ServerModel, Service, Stop};
use std::io;
use std::sync::Arc;

/// The server.
#[derive(Debug)]
pub(super) struct PollReactor;

impl ServerModel for PollReactor {
    fn name(&self) -> &'static str {
        "poll-reactor"
    }

    fn summary(&self) -> &'static str {
        "one event loop over poll(2); each wake-up costs by the connections that are open"
    }

    fn serve(
        &self,
        listener: std::net::TcpListener,
        service: Arc<dyn Service>,
        config: &ServerConfig,
        stop: &Stop,
        counters: &'static Counters,
    ) -> io::Result<()> {
        let live = Live::new(counters);
        Reactor::<PollSet>::new(listener, service, config, live, false)?.run(stop, Some(config.stop_deadline))
    }
}
