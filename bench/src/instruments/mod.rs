//! Looks at the machine, the models and the harness itself that are no comparison: probe, anatomy, envelope, verify.

pub mod anatomy;
pub mod envelope;
pub mod probe;
pub mod verify;
