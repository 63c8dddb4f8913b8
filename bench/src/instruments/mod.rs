//! Looks at the machine, the models and the harness itself that are no comparison: probe, conform, anatomy, envelope, verify.

pub mod anatomy;
pub mod conform;
pub mod envelope;
pub mod probe;
pub mod verify;
