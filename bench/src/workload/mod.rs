//! What is asked of a server: scenario files checked into loads, demands and times. It opens no socket.

pub mod audience;
pub mod axis;
pub mod bounds;
pub mod command;
pub mod contestant;
pub mod curves;
pub mod derive;
pub mod http;
pub mod load;
pub mod orderings;
pub(crate) mod rate_clock;
pub mod scenario;
pub mod server;
pub mod transport;
pub mod units;
