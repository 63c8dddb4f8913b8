//! `bakeoff`: which server concurrency model fits which workload? Measured, with its uncertainty.

use std::process::ExitCode;

fn main() -> ExitCode {
    bakeoff::main_with(&[])
}
