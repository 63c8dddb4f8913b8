//! What models share, so that what differs between them is the model: the protocol of one connection and its drivers
//! over blocking, non-blocking and completed I/O, accepting with back-off, pools and timers, the registry of open
//! connections, and the way to an end.
//!
//! Nothing here knows a model or a service by name.

pub mod accept;
pub mod blocking;
pub mod buffers;
pub(crate) mod completion;
pub(crate) mod nonblocking;
pub mod offload;
pub mod pool;
pub(crate) mod processes;
pub mod protocol;
pub mod readiness;
pub mod registry;
pub mod supervise;
pub mod timers;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Names a connection of a loop. It dies with it: a late event or result cannot reach the one that takes its place.
pub use slotmap::DefaultKey as Key;

/// Locks a value that no panic can leave half changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
