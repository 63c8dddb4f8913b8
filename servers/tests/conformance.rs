//! Every model x every service.
fn main() {}
