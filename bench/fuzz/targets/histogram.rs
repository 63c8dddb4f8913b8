//! Runs [`bakeoff_fuzz::histogram::check`] under libFuzzer; without it, on nothing.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| bakeoff_fuzz::histogram::check(data));

#[cfg(not(fuzzing))]
fn main() {
    eprintln!("this is run by scripts/fuzz");
}
