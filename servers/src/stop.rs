//! How a server is asked to stop.

/// The request to stop, as every model sees it.
#[derive(Debug)]
pub struct Stop;
