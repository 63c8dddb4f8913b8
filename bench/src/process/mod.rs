//! The processes a run is made of besides itself: servers and swarm workers, started, spoken with, and never left behind.

pub mod building;
pub mod context;
mod first_reply;
pub mod launch;
pub mod orphans;
pub mod program;
pub mod server;
pub mod serving;
mod tax;
pub mod workers;
