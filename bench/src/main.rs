//! `bakeoff`: which server concurrency model fits which workload? Measured, with its uncertainty.
//!
//! Its exit statuses: [`bakeoff::exit`].

mod cli;

use bakeoff::exit::Exit;
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
    let exit = done.unwrap_or_else(|error| {
        bakeoff::print_to_stderr(&format!("bakeoff: {error}"));
        Exit::Failed
    });
    exit.into()
}
