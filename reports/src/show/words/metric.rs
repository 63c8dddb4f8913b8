//! Metrics in words: a value with its unit, what a value of nothing says of a model, why a round has none.

use crate::metric::{Group, Unit};
use crate::record::Metric;
use crate::show::units;

impl Unit {
    /// A value with its unit.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Rate => units::rate(value),
            Self::Time => units::time(value),
            Self::Share => units::share(value),
            Self::Bytes if value.is_infinite() => "does not serve".to_owned(),
            Self::Bytes => units::bytes(value),
            Self::Count => units::grouped(value.round() as u64),
            Self::Quantity => units::quantity(value),
            Self::Index => format!("{value:.3}"),
        }
    }
}

impl Metric {
    /// A value of it with its unit.
    pub fn show(self, value: f64) -> String {
        self.unit().show(value)
    }

    /// Its name in a table whose heading says per what: "CPU", "page faults" of a request.
    pub fn head(self) -> &'static str {
        match self.group() {
            Group::Request => self.label().trim_end_matches(" per request"),
            _ => self.label(),
        }
    }

    /// What a value of 0 says of a model, where it says that the work is not done: "tokio ...".
    pub(crate) fn nothing(self) -> Option<&'static str> {
        match self {
            Self::Throughput => Some("completed no reply in the window"),
            Self::Goodput => Some("answered no request within the objective"),
            Self::Answered => Some("answered no request"),
            _ => None,
        }
    }

    /// Why a round may have no such figure: "3 rounds ...".
    pub(crate) fn why_none(self) -> String {
        match (self, self.group()) {
            (Self::Goodput, _) => "without an objective to hold it against".to_owned(),
            (Self::Throughput, _) | (_, Group::Outcome) => "in which nothing was asked".to_owned(),
            (_, Group::Speed) => format!("with too few requests for a {}", self.label()),
            (Self::MemoryPerConnection, _) => {
                "in which the memory of a connection could not be read".to_owned()
            }
            _ => format!("in which the {} could not be measured", self.label()),
        }
    }
}

/// The practical floors, each with the metrics that can decide and have it: "1 % for the share answered; 3 % for ...".
pub(crate) fn floors() -> String {
    let mut floors: Vec<(f64, Vec<String>)> = Vec::new();
    for metric in Metric::deciding() {
        let name = metric.label().to_owned();
        match floors.iter_mut().find(|(floor, _)| *floor == metric.floor()) {
            Some((_, names)) => names.push(name),
            None => floors.push((metric.floor(), vec![name])),
        }
    }
    floors.sort_by(|a, b| a.0.total_cmp(&b.0));
    let told = |(floor, names): &(f64, Vec<String>)| {
        format!("{} for {}", units::share(*floor), units::all_of(names))
    };
    floors.iter().map(told).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::paired::Better;

    #[test]
    fn every_metric_has_names_of_its_own_that_fit() {
        for (at, metric) in Metric::ALL.into_iter().enumerate() {
            for other in &Metric::ALL[..at] {
                assert_ne!(metric.label(), other.label());
                assert!(metric.short().is_empty() || metric.short() != other.short());
            }
            assert!(
                !metric.about().is_empty() && (!metric.decides() || !metric.short().is_empty()),
                "{metric:?}"
            );
            assert!(metric.short().len() <= 6, "{} takes too much of a narrow table", metric.short());
            assert!(metric.floor() > 0.0 && metric.floor() <= 0.10, "{metric:?}");
            let done = !matches!(metric.group(), Group::Wire | Group::Tls) && metric.better() == Better::More;
            assert_eq!(metric.nothing().is_some(), done, "{metric:?}");
        }
    }

    #[test]
    fn values_are_shown_with_their_units() {
        assert_eq!(Metric::Goodput.show(12_340.0), "12.3k/s");
        assert_eq!(Metric::Answered.show(0.975), "97.5 %");
        assert_eq!(Metric::MemoryPerConnection.show(20_480.0), "20.0 KiB");
        assert_eq!(Metric::MemoryPerConnection.show(f64::INFINITY), "does not serve");
    }
}
