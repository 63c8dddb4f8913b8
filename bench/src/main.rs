//! `bakeoff`: which server concurrency model fits which workload? Measured, with its uncertainty.
//!
//! Exit status: 0 fine, 1 a build regressed, 2 usage or runtime error, 3 an invalid measurement, 130 interrupted.

mod cli;

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::Cli::parse().dispatch() {
        Ok(code) => code,
        Err(error) => {
            bakeoff::tell(&format!("bakeoff: {error}"));
            ExitCode::from(2)
        }
    }
}
