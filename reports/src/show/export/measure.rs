//! Metrics for machines: the names of units, and the suffix that says the unit in a name.

use crate::metric::Unit;
use crate::record::Metric;

/// The unit its values are in.
pub(super) fn unit(metric: Metric) -> &'static str {
    match metric.unit() {
        Unit::Rate => "requests/s",
        Unit::Time => "ns",
        Unit::Share => "share",
        Unit::Bytes => "bytes",
        Unit::Count => "count",
        Unit::Quantity => "1/request",
        Unit::Index => "index",
    }
}

/// What stands over a column of its values: "response_p99_ns", "memory_bytes", "system_calls_per_request".
pub(super) fn column(metric: Metric) -> String {
    let suffix = match metric.unit() {
        Unit::Rate => "_per_s",
        Unit::Time => "_ns",
        Unit::Bytes => "_bytes",
        Unit::Share | Unit::Count | Unit::Quantity | Unit::Index => "",
    };
    metric.key().replace('-', "_") + suffix
}

/// The base unit of OpenMetrics, empty without one, and what a value is multiplied by to be in it.
pub(super) fn base(metric: Metric) -> (&'static str, f64) {
    match metric.unit() {
        Unit::Rate => ("requests_per_second", 1.0),
        Unit::Time => ("seconds", 1e-9),
        Unit::Share => ("ratio", 1.0),
        Unit::Bytes => ("bytes", 1.0),
        Unit::Count | Unit::Quantity | Unit::Index => ("", 1.0),
    }
}
