//! Looks at the machine, the models and the harness itself that are no comparison: probe, conform, anatomy, envelope, balance, verify.

pub mod anatomy;
pub mod balance;
pub mod conform;
pub mod envelope;
pub mod probe;
pub mod verify;
