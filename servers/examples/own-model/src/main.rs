//! The whole of `bakeoff` with one model more: `cargo run -- run churn --model cached-threads --model thread-per-client`.

mod cached_threads;

use std::process::ExitCode;

fn main() -> ExitCode {
    bakeoff::main_with(&[&cached_threads::CachedThreads])
}
