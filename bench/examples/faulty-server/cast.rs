//! Who acts out which fault: shared by the example and by the tests that start it.

/// Real models' names and the fault that each acts out in a whole run.
pub(crate) const CAST: [(&str, &str); 5] = [
    ("iterative", "exits"),
    ("thread-pool", "dies"),
    ("mio-event-loop", "garbage"),
    ("tokio", "closes-early"),
    ("thread-per-client", "sound"),
];
