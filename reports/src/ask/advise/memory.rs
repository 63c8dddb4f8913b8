//! What a model needs for so many connections, from what it was seen to need for some.
//!
//! The law is a straight line: what the server holds without connections, and what one more adds, threads and processes
//! included. It leaves out the buffers of sockets, which the kernel holds for every model alike.

use crate::record::{Metric, Reading};
use crate::rules::workload::Workload;

/// Memory as a line over connections.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Law {
    /// Without connections: resident pages of the program included.
    pub base_bytes: f64,
    /// For each connection.
    pub per_connection_bytes: f64,
    /// Connections that were held when it was measured.
    pub measured_at: u64,
    /// Rounds it is the median of.
    pub rounds: usize,
}

impl Law {
    /// Bytes for so many connections.
    pub fn at(&self, connections: u64) -> f64 {
        self.base_bytes + self.per_connection_bytes * connections as f64
    }
}

/// The law of a model from a workload that held its connections.
///
/// # Errors
/// What was not measured, and why.
pub fn law(workload: &Workload, model: &str) -> Result<Law, String> {
    let cell = workload.cell(model).ok_or("it was not run")?;
    let get = |cost: Metric| match cell.get(cost) {
        Reading::Value(value) if value.is_infinite() => Err("it did not serve".to_owned()),
        Reading::Value(value) => Ok(*value),
        Reading::Absent(why) => Err(format!("{} was not measured: {why}", cost.label())),
    };
    let per_connection_bytes = get(Metric::MemoryPerConnection)?;
    // Only root may read the sizes of the kernel's objects; without them they are in no part of the sum.
    let objects = cell.value(Metric::KernelObjects).unwrap_or_default();
    let all = get(Metric::Memory)? + get(Metric::PageTables)? + get(Metric::KernelStacks)? + objects;
    let profile = workload.scenario.profile();
    let measured_at = profile.active_connections + profile.idle_connections;
    // A line through the point measured; what is left of it without connections cannot be less than nothing.
    let base_bytes = (all - per_connection_bytes * measured_at as f64).max(0.0);
    Ok(Law { base_bytes, per_connection_bytes, measured_at, rounds: cell.rounds.len() })
}
