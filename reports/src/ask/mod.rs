//! Questions over finished analyses: which model would do, how two runs compare, what a history shows, what the literature expects.

pub mod across;
pub mod advise;
pub mod history;
pub mod orderings;
pub mod replication;
pub mod theory;
