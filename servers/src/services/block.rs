//! `block`: the payload comes back after the demanded time, in which a thread is stuck: a library call that blocks.

use super::framing::{Framed, FramedExchange, Work};
use super::{ServiceConfig, ServiceEntry};
use crate::{Exchange, Job, JobOutput, Service};
use std::sync::Arc;
use std::time::Duration;

/// The registry's line.
pub(super) static ENTRY: ServiceEntry = ServiceEntry {
    name: "block",
    summary: "the payload comes back after a time in which a thread is stuck (a library call that blocks)",
    demand: Some("block"),
    build,
    exchange,
};

fn build(config: &ServiceConfig) -> Arc<dyn Service> {
    let work = Work { job: |_, demand| job(demand), without_demand: |_| 0, replies_result: false };
    Arc::new(Framed::new(work, config))
}

/// A call that blocks its thread for so long.
pub(super) fn job(demand: Duration) -> Job {
    Job::block(move || {
        std::thread::sleep(demand);
        JobOutput::NOTHING
    })
}

fn exchange(max_payload: u32) -> Box<dyn Exchange> {
    Box::new(FramedExchange::new(max_payload, None))
}
