//! One line of the table: what must come out, what came out, and how far apart the two may be.
//!
//! Never decides what to expect; that is the oracles' business.

use bakeoff_reports::show::units;

/// What a figure is, and so how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds.
    Time,
    /// A whole number.
    Count,
    /// Per second.
    Rate,
    /// A number without a unit.
    Number,
}

impl Unit {
    /// A figure of this unit as text.
    pub fn show(self, value: f64) -> String {
        if value.is_nan() {
            return "too few".into();
        }
        match self {
            Self::Time if value < 0.0 => format!("-{}", units::time(-value)),
            Self::Time => units::time(value),
            Self::Count => format!("{value:.0}"),
            Self::Rate => units::rate(value),
            Self::Number if value.is_infinite() => "never".into(),
            Self::Number => format!("{value:.4}"),
        }
    }
}

/// What is to be thought of a figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Inside its band.
    Pass,
    /// Outside, in a trial that nothing disturbed: the harness is wrong here.
    Fail,
    /// Says nothing about the harness, for this reason: outside in a trial that something disturbed, or of a trial that
    /// did not come about as the theory needs it.
    Unknown(String),
}

/// One figure of an oracle.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The oracle.
    pub oracle: &'static str,
    /// Which figure.
    pub figure: String,
    /// What must come out.
    pub expected: f64,
    /// What came out; NaN when there was too little to tell.
    pub measured: f64,
    /// The least and the most that is right.
    pub band: (f64, f64),
    /// Its unit.
    pub unit: Unit,
    /// Why the trial is not to be judged by, if something disturbed it.
    pub disturbed: Option<String>,
    /// Whether a disturbance can only make it worse (a time longer, a rate lower), because nothing of the trial went into
    /// what is expected. Then a figure that is too good is wrong, whatever disturbed the trial.
    pub only_worse: bool,
    /// Why the figure proves nothing, whatever it is.
    pub void: Option<String>,
}

impl Finding {
    /// A figure that may be off by a share of what is expected.
    pub fn within(oracle: &'static str, figure: &str, unit: Unit, pair: (f64, f64), share: f64) -> Self {
        let band = (pair.0 * (1.0 - share), pair.0 * (1.0 + share));
        Self::between(oracle, figure, unit, pair, band)
    }

    /// A count that must be right to the last one.
    pub fn exact(oracle: &'static str, figure: &str, expected: u64, measured: u64) -> Self {
        let (expected, measured) = (expected as f64, measured as f64);
        Self::between(oracle, figure, Unit::Count, (expected, measured), (expected, expected))
    }

    /// A figure with a band of its own; `pair` is expected and measured.
    pub fn between(
        oracle: &'static str,
        figure: &str,
        unit: Unit,
        pair: (f64, f64),
        band: (f64, f64),
    ) -> Self {
        let (expected, measured) = pair;
        Self {
            oracle,
            figure: figure.into(),
            expected,
            measured,
            band,
            unit,
            disturbed: None,
            only_worse: false,
            void: None,
        }
    }

    /// The same, of which a disturbance can only make a worse figure.
    pub fn only_worse(self) -> Self {
        Self { only_worse: true, ..self }
    }

    /// What to think of it.
    pub fn verdict(&self) -> Status {
        if let Some(reason) = &self.void {
            return Status::Unknown(reason.clone());
        }
        // NaN lies in no band.
        if (self.band.0..=self.band.1).contains(&self.measured) {
            return Status::Pass;
        }
        match &self.disturbed {
            Some(reason) if !(self.only_worse && self.is_too_good()) => Status::Unknown(reason.clone()),
            _ => Status::Fail,
        }
    }

    /// Whether it fails, but only on the side to which a host pushes it that stands still for some 10 ms: no account of
    /// the system names such a stall. A harness that is wrong to this side is so in every trial.
    pub fn may_be_held_up(&self) -> bool {
        self.only_worse && !self.measured.is_nan() && !self.is_too_good() && self.verdict() == Status::Fail
    }

    fn is_too_good(&self) -> bool {
        match self.unit {
            Unit::Rate => self.measured > self.band.1,
            _ => self.measured < self.band.0,
        }
    }

    /// The band in words, short.
    pub fn band_in_words(&self) -> String {
        let (low, high) = self.band;
        match self.expected {
            e if !e.is_finite() => "none".into(),
            _ if low == high => "exact".into(),
            e if e > 0.0 => format!("{:+.1} {:+.1} %", (low / e - 1.0) * 100.0, (high / e - 1.0) * 100.0),
            _ => format!("at most {}", self.unit.show(high)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_passes_inside_its_band_and_nowhere_else() {
        let with = |measured| Finding::within("x", "y", Unit::Time, (100.0, measured), 0.05);
        assert_eq!(with(95.0).verdict(), Status::Pass);
        assert_eq!(with(105.0).verdict(), Status::Pass);
        for off in [94.9, 105.1, f64::NAN, f64::INFINITY, 0.0] {
            assert_eq!(with(off).verdict(), Status::Fail, "{off}");
        }
        let disturbed = Finding { disturbed: Some("steal".into()), ..with(1.0) };
        assert_eq!(disturbed.verdict(), Status::Unknown("steal".into()));
        assert_eq!(disturbed.clone().only_worse().verdict(), Status::Fail, "nothing makes a server faster");
        let right = Finding { measured: 100.0, ..disturbed };
        assert_eq!(right.verdict(), Status::Pass);
        let void = Finding { void: Some("overload".into()), ..right };
        assert_eq!(void.verdict(), Status::Unknown("overload".into()));
    }

    #[test]
    fn a_host_that_stands_still_makes_a_figure_worse_and_never_too_good() {
        let rate = |measured| Finding::within("x", "y", Unit::Rate, (200.0, measured), 0.03).only_worse();
        let time = |measured| Finding::within("x", "y", Unit::Time, (200.0, measured), 0.03).only_worse();
        assert!(rate(190.0).may_be_held_up() && time(210.0).may_be_held_up());
        for right_or_wrong in [rate(200.0), rate(210.0), time(200.0), time(190.0), time(f64::NAN)] {
            assert!(!right_or_wrong.may_be_held_up(), "{right_or_wrong:?}");
        }
        assert!(!Finding { only_worse: false, ..rate(190.0) }.may_be_held_up());
    }

    #[test]
    fn counts_are_exact() {
        assert_eq!(Finding::exact("x", "y", 7, 7).verdict(), Status::Pass);
        assert_eq!(Finding::exact("x", "y", 7, 8).verdict(), Status::Fail);
        assert_eq!(Finding::exact("x", "y", 0, 1).verdict(), Status::Fail);
        assert_eq!(Finding::exact("x", "y", 7, 7).band_in_words(), "exact");
        assert_eq!(Finding::within("x", "y", Unit::Time, (1.0, 1.0), 0.05).band_in_words(), "-5.0 +5.0 %");
    }
}
