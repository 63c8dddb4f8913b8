//! The harness's own parts under criterion, without a socket: what a measurement costs the one who measures.
//!
//! `schedule`, `swarm`: what a worker draws and what the runner merges. `codec`: both halves of every service. `histogram`:
//! the way of a time from the worker to the report. `statistics`, `report`: from records to the page (target: 1,000
//! trials in under two seconds).
//!
//! `cargo bench --bench harness`                all: about a minute and a half
//! `cargo bench --bench harness -- codec/`      one group; any regular expression over the names
//! `cargo bench --bench harness -- --test`      each once, to see that it works

mod codec;
mod histogram;
mod report;
mod schedule;
mod statistics;

use criterion::{Criterion, criterion_group, criterion_main};
use std::time::Duration;

/// A fifth of criterion's times: nothing here waits for anything, and a warm cache is all there is to warm.
fn settings() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(400))
        .measurement_time(Duration::from_secs(1))
        .without_plots()
}

criterion_group!(
    name = benches;
    config = settings();
    targets = schedule::schedules, schedule::parts, histogram::path, codec::server, codec::client,
        statistics::statistics, report::report
);
criterion_main!(benches);
