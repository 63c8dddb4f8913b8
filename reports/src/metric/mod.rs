//! The figures: what each is called, which way is better, how it is read from a trial.

pub mod cost;
pub mod merit;
