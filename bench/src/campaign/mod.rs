//! What runs in which order and until when: rounds, budgets, pairs of builds, sweeps and the search for a capacity.

pub mod ab;
pub mod run;
pub mod sweep;

pub use run::runner::Ending;
