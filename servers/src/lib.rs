//! Interchangeable TCP servers, one per concurrency model, behind one trait; some serve datagrams, too ([`datagrams`]).
//!
//! A *model* ([`ServerModel`]) decides who waits for bytes and who does the work: a thread per client, a forked
//! process per client, a pool, an event loop, tasks. A *service* ([`Service`]) decides what the bytes mean. The two
//! meet in a sans-IO [`Session`], so that every service runs unchanged under every model, and what a benchmark
//! compares is the model alone.
//!
//! This crate never measures anything and knows nothing of scenarios, schedules or reports.
#![deny(missing_docs)]

pub mod config;
pub mod counters;
pub mod datagrams;
pub mod drive;
pub mod exchange;
pub mod limits;
pub mod listen;
pub mod model;
pub mod models;
pub mod service;
pub mod services;
pub mod stop;
mod sync;
#[doc(hidden)] // for the tests of the ring alone
pub mod sys;
pub mod tls;
pub mod tuned;
pub mod tuning;

pub use config::ServerConfig;
pub use counters::{CounterSnapshot, Counters};
pub use datagrams::{Datagrams, ServingDatagrams};
pub use exchange::{Exchange, Parts, Request};
pub use model::{Meta, ServerModel, Serving};
pub use service::{Advance, Demand, Job, JobOutput, Next, Post, Service, Session};
pub use services::{Hosts, ServiceConfig, ServiceEntry};
pub use stop::Stop;
pub use tuned::TunedModel;
