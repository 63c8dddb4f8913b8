//! The harness: scenarios, the client swarm, launching and sampling servers, the trial loop.
//!
//! The library exists for the binary, its benches and its tests; it draws no picture and computes no statistic of a run.
#![deny(missing_docs)]

pub mod ab;
pub mod anatomy;
pub mod children;
pub mod clock;
pub mod envelope;
pub mod environment;
pub mod history;
pub mod judge;
pub mod load;
pub mod orderings;
pub mod preflight;
pub mod probe;
pub mod run;
pub mod scenario;
pub mod suggest;
pub mod swarm;
pub mod sweep;
pub mod sys;
pub mod usage;
pub mod verify;

/// Columns of the terminal, 80 when there is none.
pub fn terminal_width() -> usize {
    rustix::termios::tcgetwinsize(std::io::stdout())
        .ok()
        .map(|size| usize::from(size.ws_col))
        .filter(|w| *w > 0)
        .unwrap_or(80)
}

/// Writes a line to standard error. That nobody listens any more is no reason to stop what is being done.
pub fn tell(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{line}");
}
