//! The `bakeoff` tool.
fn main() {}
