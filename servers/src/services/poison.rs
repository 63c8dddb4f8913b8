//! `poison`: the payload comes back, unless the request is poisonous: then the handler takes its process with it.
//!
//! A request whose demand is not zero makes the handler abort (SIGABRT), as memory corruption, a failed assertion of a C
//! library or a double panic would. No model can catch that: what a model decides is how many clients share the process
//! that dies. The demand's length has no meaning here; there is no demand that a server may state by itself, so that
//! only a client can kill.

use super::framing::{Framed, FramedExchange, Work};
use super::{ServiceConfig, ServiceEntry};
use crate::{Exchange, Job, Service};
use std::sync::Arc;
use std::time::Duration;

/// The registry's line.
pub(super) static ENTRY: ServiceEntry = ServiceEntry {
    name: "poison",
    summary: "the payload comes back; a poison request kills the process that handles it",
    demand: Some(super::POISON),
    build,
    exchange,
};

fn build(_: &ServiceConfig) -> Arc<dyn Service> {
    let job = |_: &[u8], _| Job::compute(|| -> u64 { std::process::abort() });
    let work = Work { job, without_demand: |_| 0, replies_result: false };
    Arc::new(Framed::new(work, &ServiceConfig { default_demand: Duration::ZERO, ..ServiceConfig::default() }))
}

/// Expects of a poison request the reply that a harmless one would have had: it never comes.
fn exchange(max_payload: u32) -> Box<dyn Exchange> {
    Box::new(FramedExchange::new(max_payload, None))
}
