//! What models share, so that what differs between them is the model: the protocol of one connection and its drivers
//! over blocking, non-blocking and completed I/O, accepting with back-off, pools and timers, the registry of open
//! connections, and the way to an end.
//!
//! Nothing here knows a model or a service by name.

pub mod accept;
pub mod blocking;
pub mod buffers;
pub(crate) mod completion;
pub mod datagrams;
pub(crate) mod nonblocking;
pub mod offload;
pub mod outbox;
pub mod pool;
pub(crate) mod processes;
pub mod protocol;
pub mod readiness;
pub mod registry;
pub mod supervise;
pub mod timers;

pub(crate) use crate::sync::lock;

/// Names a connection of a loop. It dies with it: a late event or result cannot reach the one that takes its place.
pub use slotmap::DefaultKey as Key;
