//! Two builds of a server against each other, in one run: did the second become slower?
//!
//! ```text
//! side ──> build        a git ref, a file, a command: made ready before anything is measured
//! plan                  cells, pairs in shuffled rounds, what a budget is good for
//! rehearsal             every server once, briefly: what cannot work is said before the time is spent
//! runner                the search, with looks; then fresh rounds for what looks slower
//! selftest              the same build against itself, and against itself with a known cost
//! ```
//!
//! The swarm is always the one of the program that runs: what differs between the sides is the server. What the figures mean
//! is decided in `bakeoff_reports::rules::gate`, from the bundle alone.

pub mod build;
pub mod plan;
mod progress;
pub mod rehearsal;
pub mod runner;
pub mod selftest;
pub mod side;
