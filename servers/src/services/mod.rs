//! The registry of services: one file and one line each.

mod block;
mod chat;
mod dynamic;
mod echo;
mod framing;
pub mod hash;
pub(crate) mod http;
mod line;
pub mod payload;
mod poison;
mod stages;
mod static_files;
mod wait;
mod web;

pub use stages::{Stage, StageKind, Stages};
pub use static_files::{Dotfiles, folder};

use crate::{Exchange, Service};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What a service can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceConfig {
    /// The demand of a request that states none; at most [`MAX_DEMAND`]. Services that do no work ignore it.
    pub default_demand: Duration,
    /// The hosts that services of HTTP answer for.
    pub hosts: Hosts,
}

/// The hosts a client may name in a request of HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hosts {
    /// Whatever it names.
    #[default]
    Any,
    /// This machine's own names alone: `localhost` and loopback addresses. A web page from elsewhere can lead its own name
    /// to a loopback address (DNS rebinding) and would then read what is served for this machine's users.
    Loopback,
}

impl Default for ServiceConfig {
    /// One millisecond (nominal, for `hash`), any host.
    fn default() -> Self {
        Self { default_demand: Duration::from_millis(1), hosts: Hosts::Any }
    }
}

/// The longest demand a request may state; a longer one is a protocol error.
pub const MAX_DEMAND: Duration = Duration::from_secs(60);

/// The largest payload of a framed request, and the longest line, in bytes; a larger one is a protocol error.
pub const MAX_MESSAGE: u32 = 4 * 1024 * 1024;

/// The kind of demand that is no work: any demand but zero kills the process that handles the request.
pub const POISON: &str = "poison";

/// The kind of demand of the service whose requests ask for several [`Stages`], one after the other.
pub const STAGES: &str = "stages";

/// The service whose clients hear each other.
pub const CHAT: &str = "chat";

/// The line of a service in the registry.
pub struct ServiceEntry {
    /// Its name.
    pub name: &'static str,
    /// One line on what it does.
    pub summary: &'static str,
    /// The kind of demand its requests carry: `compute`, `block`, `wait`, [`STAGES`] or [`POISON`]; `None` when it does no work.
    pub demand: Option<&'static str>,
    /// Makes the server's half.
    pub build: fn(&ServiceConfig) -> Arc<dyn Service>,
    /// Makes the client's half, for payloads of up to so many bytes. It expects a request without a demand to be
    /// answered by a server with the default [`ServiceConfig`].
    pub exchange: fn(u32) -> Box<dyn Exchange>,
}

impl fmt::Debug for ServiceEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceEntry").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Every service, in the order to show them.
pub static ALL: &[&ServiceEntry] = &[
    &echo::ENTRY,
    &line::ENTRY,
    &http::ENTRY,
    &static_files::ENTRY,
    &dynamic::ENTRY,
    &hash::ENTRY,
    &wait::ENTRY,
    &block::ENTRY,
    &stages::ENTRY,
    &poison::ENTRY,
    &chat::ENTRY,
];

impl ServiceEntry {
    /// Whether its requests ask for work that takes time: the poisonous kind of demand asks for none.
    pub fn works(&self) -> bool {
        self.demand.is_some_and(|kind| kind != POISON)
    }

    /// Whether its clients hear each other, so that whoever serves them must be able to reach them all.
    pub fn talks(&self) -> bool {
        self.name == CHAT
    }
}

/// The service of that name.
pub fn find(name: &str) -> Option<&'static ServiceEntry> {
    ALL.iter().copied().find(|entry| entry.name == name)
}

#[cfg(test)]
mod tests;
