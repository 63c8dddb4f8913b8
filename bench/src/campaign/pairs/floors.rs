//! The smallest slowdown that matters, as a person gives it: of a figure, a workload, a model, or of everything.

use crate::workload::units::parse_share;
use bakeoff_reports::record::Metric;

/// Floors as a person gives them: of a figure, a workload, a model under a workload, or of everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Floors(Vec<(String, f64)>);

impl Floors {
    /// Reads `5%`, `answered=2%`, `wait=10%`, `wait/tokio=10%` or `wait/tokio/answered=2%`.
    ///
    /// # Errors
    /// No share above 0 and below 1,000 %.
    pub fn parse(texts: &[String]) -> Result<Self, String> {
        let one = |text: &String| {
            let (whose, percent) = text.rsplit_once('=').unwrap_or(("", text));
            let form = "give a share such as 5%, answered=2%, wait=10% or wait/tokio=10%";
            let share = parse_share(percent).map_err(|_| format!("`{text}` is not a floor; {form}"))?;
            if !(share > 0.0 && share < 10.0) {
                return Err(format!("the floor `{text}` must be above 0 and below 1000%; {form}"));
            }
            // A metric by its key, however it was spelled.
            let part = |part: &str| {
                Metric::of_key(part).map_or_else(|| part.to_owned(), |metric| metric.key().to_owned())
            };
            let whose: Vec<String> = whose.trim().split('/').map(part).collect();
            Ok((whose.join("/"), share))
        };
        texts.iter().map(one).collect::<Result<_, _>>().map(Self)
    }

    /// The floor of a figure in a cell: what was said most closely of it, the last of several; else its own.
    pub fn of(&self, scenario: &str, model: &str, figure: Metric) -> f64 {
        let closeness = |whose: &str| {
            let mut left: Vec<&str> = whose.split('/').filter(|part| !part.is_empty()).collect();
            let count = left.len();
            left.retain(|part| ![scenario, model, figure.key()].contains(part));
            left.is_empty().then_some(count)
        };
        let fitting = self.0.iter().filter_map(|(whose, floor)| Some((closeness(whose)?, *floor)));
        fitting.max_by_key(|(count, _)| *count).map_or_else(|| figure.floor(), |(_, floor)| floor)
    }

    /// What was said of something that is not compared at all.
    ///
    /// # Errors
    /// The name.
    pub fn check(&self, known: &[&str]) -> Result<(), String> {
        for (whose, _) in &self.0 {
            if let Some(part) = whose.split('/').find(|part| !part.is_empty() && !known.contains(part)) {
                return Err(format!(
                    "--floor {whose}: nothing here is called `{part}`; known are {}",
                    known.join(", ")
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_floor_counts() {
        let texts = ["4%", "churn=6%", "answered=2%", "churn/tokio=10 %"].map(String::from);
        let floors = Floors::parse(&texts).expect("floors");
        let throughput = Metric::Throughput;
        assert_eq!(floors.of("wait", "tokio", throughput), 0.04);
        assert_eq!(floors.of("churn", "mio-event-loop", throughput), 0.06);
        assert_eq!(floors.of("wait", "tokio", Metric::Answered), 0.02);
        assert_eq!(floors.of("churn", "tokio", throughput), 0.10);
        let earlier = Floors::parse(&["cpu=2%".into()]).expect("a key as it was");
        assert_eq!(earlier.of("wait", "tokio", Metric::CpuPerRequest), 0.02);
        assert!(earlier.check(&[Metric::CpuPerRequest.key()]).is_ok());
        assert_eq!(Floors::parse(&["0.05".into()]), Floors::parse(&["5%".into()]));
        assert_eq!(Floors::default().of("churn", "tokio", throughput), throughput.floor());
        assert!(floors.check(&["churn", "tokio", "answered"]).is_ok());
        assert!(floors.check(&["churn", "answered"]).expect_err("unknown").contains("`tokio`"));
        for bad in ["x", "0%", "-3%", "5", "wait=", "wait=inf%"] {
            assert!(Floors::parse(&[bad.to_owned()]).is_err(), "{bad}");
        }
    }
}
