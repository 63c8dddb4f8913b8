//! `bakeoff`: which server concurrency model fits which workload? Measured, with its uncertainty.
//!
//! Exit status: 0 fine, 1 a build regressed, 2 usage or runtime error, 3 an invalid measurement, 130 interrupted.

mod cli;

use clap::Parser as _;
use cli::{Cli, Internal};
use std::process::ExitCode;

fn main() -> ExitCode {
    if let Err(error) = bakeoff::sys::keep_ends_of_children() {
        bakeoff::print_to_stderr(&format!(
            "bakeoff: SIGCHLD stays ignored, and how children end will not be known: {error}"
        ));
    }
    let done = if Internal::is_meant() { Internal::parse().run() } else { Cli::read().dispatch() };
    match done {
        Ok(code) => code,
        Err(error) => {
            bakeoff::print_to_stderr(&format!("bakeoff: {error}"));
            ExitCode::from(2)
        }
    }
}
