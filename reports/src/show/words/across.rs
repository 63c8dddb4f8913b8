//! Two runs side by side in words: what cannot be compared, and why.

use super::workload;
use crate::ask::across::{AcrossError, Difference, LeftOut, Which, Why};
use crate::record::ScenarioRecord;
use crate::show::layout::clean;
use crate::show::units::{share, time};
use std::fmt;

impl LeftOut {
    /// What is left out and why, in a sentence.
    pub fn sentence(&self) -> String {
        let what = match &self.model {
            Some(model) => format!("{model} under `{}`", self.scenario),
            None => format!("`{}`", self.scenario),
        };
        let why = match &self.why {
            Why::Only(Which::First) => "is in the first run only".to_owned(),
            Why::Only(Which::Second) => "is in the second run only".to_owned(),
            Why::NoFigures => "has figures in one run at most".to_owned(),
            Why::OtherWork(runs) => {
                let [first, second] = runs.each_ref().map(rows);
                let rows = first.into_iter().zip(second);
                let mut differ = rows.filter(|(first, second)| first != second);
                let ((name, first), (_, second)) = differ.next().unwrap_or_default();
                format!("is other work: {name} is {first} in the first run, {second} in the second")
            }
            Why::Times(runs) => {
                let [first, second] = runs.map(|(window, warmup)| {
                    format!("{} after {} of warm-up", time(window as f64), time(warmup as f64))
                });
                format!("was measured for {first} a trial in the first run, {second} in the second")
            }
        };
        format!("{what} {why}")
    }
}

/// What a workload asks, as names and values: the same names for every workload, so that two can be laid side by side.
fn rows(scenario: &ScenarioRecord) -> Vec<(&'static str, String)> {
    let mut rows = vec![
        ("the service", format!("{}{}", scenario.service, workload::tls(scenario.tls))),
        ("the transport", scenario.transport.to_string()),
        ("the loss on the way", share(scenario.loss)),
        ("the load", workload::load(&scenario.load)),
        ("background", workload::background(scenario.background).unwrap_or_else(|| "none".to_owned())),
    ];
    let told = ["background", "transport", "loss"];
    rows.extend(workload::parameters(scenario).into_iter().filter(|(name, _)| !told.contains(name)));
    rows
}

impl Difference {
    /// The property, and what it is in either run.
    pub fn words(&self) -> String {
        format!("{}: {}, {}", self.what, self.first, self.second)
    }
}

impl std::error::Error for AcrossError {}

impl fmt::Display for AcrossError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |parts: Vec<String>| clean(&parts.join("; "));
        match self {
            Self::NothingInCommon { why } if why.is_empty() => {
                write!(
                    f,
                    "the two runs have nothing in common to compare: neither measured a model under a workload"
                )
            }
            Self::NothingInCommon { why } => {
                let why = joined(why.iter().map(LeftOut::sentence).collect());
                write!(f, "the two runs have nothing in common to compare: {why}")
            }
            Self::Machines { differences } => {
                let differences = joined(differences.iter().map(Difference::words).collect());
                write!(
                    f,
                    "the two runs are of different machines ({differences}): their ratios would say nothing of the builds"
                )
            }
        }
    }
}
