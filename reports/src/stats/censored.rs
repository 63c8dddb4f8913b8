//! A figure of which only bounds may be known: how bad it is, as a logarithm.
//!
//! Everything is held as "how bad": the logarithm of a time or of an amount of memory, minus the logarithm of a rate or a share. So
//! of two figures the larger one is worse whatever they are of, and their difference is the logarithm of a factor.

/// What is known of a figure: it lies from `low` to `high`, and `seen` stands for it where a number is needed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Censored {
    /// The number to compute with; always finite.
    pub seen: f64,
    /// It is at least this bad; minus infinity where it has no bound.
    pub low: f64,
    /// It is at most this bad; infinite where it has no bound.
    pub high: f64,
    /// Whether the work was surely not done: an infinite time, or a rate or share of 0.
    pub never: bool,
}

impl Censored {
    /// A figure that was measured.
    pub fn known(bad: f64) -> Self {
        Self { seen: bad, low: bad, high: bad, never: false }
    }

    /// Surely worse than anything that can be measured, and at least this bad: what was never answered within its timeout.
    pub fn never(at_least: f64) -> Self {
        Self { high: f64::INFINITY, never: true, ..Self::known(at_least) }
    }

    /// At least this bad and perhaps infinite: losses so near the percentile that they do not tell.
    pub fn perhaps_infinite(at_least: f64) -> Self {
        Self { high: f64::INFINITY, ..Self::known(at_least) }
    }

    /// At most this bad: what lies at the ceiling of the load generator may be better than what was seen.
    #[must_use]
    pub fn capped(self) -> Self {
        Self { low: f64::NEG_INFINITY, ..self }
    }

    /// Whether it is what was measured, and no bound.
    pub fn is_known(&self) -> bool {
        self.low == self.high
    }
}
