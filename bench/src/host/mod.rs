//! What machine this is: its CPUs, limits and clock, and what a process tree uses of it. It measures no server.

pub mod clock;
pub mod connect;
pub mod environment;
pub mod listeners;
pub mod pinned;
pub mod preflight;
pub mod quiet;
pub mod quota;
pub mod shortage;
pub mod topology;
pub mod usage;
