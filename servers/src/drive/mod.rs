//! What models share, so that what differs between them is the model: the conversation with one client, accepting with
//! back-off, the registry of open connections, and the way to an end.
//!
//! Nothing here knows a model or a service by name.

pub mod accept;
pub mod blocking;
pub mod buffers;
pub mod conversation;
pub mod live;
pub mod slots;
pub mod supervise;
pub mod timers;
pub mod work;
