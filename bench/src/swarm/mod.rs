//! The client swarm: one seeded schedule, cut into shards; each shard driven by one worker (a process, one thread);
//! the parts merged exactly.
//!
//! The way through: [`schedule`] says what is asked and when, as a pure function of the seed; [`worker`] drives its
//! shard of it against a server and times every request; [`merge`] puts the parts of all workers together;
//! [`protocol`] is how a runner and a worker process talk. Workers share a start instant, never memory.
//!
//! Nothing here starts a process, computes a statistic or draws.

mod alarm;
mod background;
mod clockwork;
mod connection;
mod datagrams;
mod deadlines;
pub mod defect;
mod dial;
pub(crate) mod draw;
mod engine;
mod fan_out;
pub mod http_exchange;
pub mod http_replies;
pub mod loss;
pub mod merge;
mod pieces;
mod pipeline;
mod pipelining;
pub mod protocol;
mod recorder;
mod requests;
pub mod schedule;
mod setup;
mod slot;
pub mod spec;
mod spoil;
mod tls;
mod wire;
pub mod worker;

pub use setup::setup_limit;
