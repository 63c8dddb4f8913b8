//! `bakeoff`: which server concurrency model fits which workload? Measured, with its uncertainty.
//!
//! Its exit statuses: [`bakeoff::exit`].

mod cli;

use bakeoff::exit::Exit;
use clap::Parser as _;
use cli::{Cli, Internal};
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    if let Err(error) = bakeoff::sys::keep_ends_of_children() {
        bakeoff::print_to_stderr(&format!(
            "bakeoff: SIGCHLD stays ignored, and how children end will not be known: {error}"
        ));
    }
    // Beyond a limit on the size of files a write then fails and is told, instead of ending the program without a word. A handler,
    // not "ignored", which what is started here would inherit.
    if let Err(error) = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default()) {
        bakeoff::print_to_stderr(&format!("bakeoff: handling SIGXFSZ failed: {error}"));
    }
    let done = if Internal::is_meant() { Internal::parse().run() } else { Cli::read().dispatch() };
    let exit = done.unwrap_or_else(|error| {
        bakeoff::print_to_stderr(&format!("bakeoff: {error}"));
        Exit::Failed
    });
    exit.into()
}
