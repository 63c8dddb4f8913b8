//! Policies of balancers in words.

use crate::record::balance::Policy;

impl Policy {
    /// What it does, in a line.
    pub fn about(self) -> &'static str {
        match self {
            Self::RoundRobin => "one server after the other",
            Self::LeastConnections => "the server with the fewest connections in use",
            Self::Random => "any server, by chance",
            Self::TwoChoices => {
                "of two servers drawn by chance the one with fewer in use: the power of two choices"
            }
            Self::SourceHash => {
                "always the same server for a client's address and port, on a consistent ring"
            }
        }
    }
}
