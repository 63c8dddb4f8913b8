//! Spans of time in a bundle: whole nanoseconds, so that the unit stands in the key.

use serde::{Deserialize, Deserializer, Serializer};
use std::time::Duration;

/// Whole nanoseconds; those above 584 years are cut.
pub(crate) fn of(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

pub(crate) fn serialize<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(of(*span))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    u64::deserialize(from).map(Duration::from_nanos)
}
