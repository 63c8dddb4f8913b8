//! `wait`: the payload comes back after the demanded time, which occupies nobody: a database answering.

use super::framing::{Framed, FramedExchange, Work};
use super::{ServiceConfig, ServiceEntry};
use crate::{Exchange, Job, Service};
use std::sync::Arc;

/// The registry's line.
pub(super) static ENTRY: ServiceEntry = ServiceEntry {
    name: "wait",
    summary: "the payload comes back after a time that occupies nobody (a timer: a database answering)",
    demand: Some("wait"),
    build,
    exchange,
};

fn build(config: &ServiceConfig) -> Arc<dyn Service> {
    let work = Work { job: |_, demand| Job::wait(demand), without_demand: |_| 0, replies_result: false };
    Arc::new(Framed::new(work, config))
}

fn exchange(max_payload: u32) -> Box<dyn Exchange> {
    Box::new(FramedExchange::new(max_payload, None))
}
