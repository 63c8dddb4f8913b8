//! Waiting until other programs leave the CPUs alone. It measures what they take while nothing of ours runs.

use super::usage::Mark;
use bakeoff_reports::record::{FOREIGN_SHARE, Reading};
use std::time::{Duration, Instant};

/// How long one look at the CPUs is.
const LOOK: Duration = Duration::from_secs(1);

/// How the wait ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Quiet {
    /// Others take so little that trials will be valid.
    Yes,
    /// They still took this share of the CPUs after the longest wait.
    No(f64),
    /// What they take cannot be measured here.
    Unknown,
    /// A signal came.
    Interrupted,
}

/// Waits until others took less than half of what a trial may lose, in one look, or for `longest`.
pub fn wait(longest: Duration, cpus: &[u32], interrupted: &dyn Fn() -> bool) -> Quiet {
    let (begun, own) = (Instant::now(), std::process::id());
    loop {
        let before = Mark::take(own, cpus);
        std::thread::sleep(LOOK);
        if interrupted() {
            return Quiet::Interrupted;
        }
        let Reading::Value(share) = before.until(&Mark::take(own, cpus), LOOK, 0).foreign_share else {
            return Quiet::Unknown;
        };
        if share < FOREIGN_SHARE / 2.0 {
            return Quiet::Yes;
        }
        if begun.elapsed() + LOOK > longest {
            return Quiet::No(share);
        }
    }
}
