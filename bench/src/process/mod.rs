//! The processes a run is made of besides itself: servers and swarm workers, started, spoken with, and never left behind.

pub mod entrant;
pub mod launch;
pub mod serving;
pub mod squad;
mod tax;
