//! The harness: scenarios, the client swarm, launching and sampling servers, the trial loop.
//!
//! The library exists for the binary, for programs like it that bring models of their own ([`main_with`]), its benches and its
//! tests; it draws no picture and computes no statistic of a run.
//!
//! Its rooms, each of which uses only those before it (`tests/it/rooms.rs` holds them to it):
//! host -> workload -> swarm -> process -> trial -> instruments -> campaign -> history -> cli
#![deny(missing_docs)]

pub mod campaign;
mod cli;
pub mod exit;
pub mod history;
pub mod host;
pub mod instruments;
pub mod process;
pub mod suggest;
pub mod swarm;
pub mod sys;
pub mod trial;
pub mod workload;

pub use cli::main_with;

/// Columns of the terminal, 80 when there is none.
pub fn terminal_width() -> usize {
    rustix::termios::tcgetwinsize(std::io::stdout())
        .ok()
        .map(|size| usize::from(size.ws_col))
        .filter(|w| *w > 0)
        .unwrap_or(80)
}

/// Writes a line to standard error, without what would drive the terminal: names in it come from files and other programs. That
/// nobody listens any more is no reason to stop what is being done.
pub fn print_to_stderr(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{}", bakeoff_reports::show::layout::clean_lines(line));
}
