//! What a capacity search looked for: the highest rate whose response time still meets an objective.

use serde::{Deserialize, Serialize};

/// An objective on a percentile of response time, and the swept workload it holds for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Objective {
    /// Name of the workload whose rates were searched: the `of` of its points.
    pub of: String,
    /// The percentile as a share: 0.5, 0.9, 0.99 or 0.999.
    pub percentile: f64,
    /// The longest response time at that percentile that meets it, in nanoseconds.
    pub limit_ns: u64,
}
