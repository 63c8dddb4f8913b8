//! What is asked of a server: scenario files checked into loads, demands and times. It opens no socket.

pub mod axis;
pub mod bounds;
pub mod derive;
pub mod load;
pub mod orderings;
pub mod scenario;
pub mod units;
