//! Which series are meant: by workload, model and machine.

use crate::suggest;
use bakeoff_reports::ask::history::Entry;
use clap::Args;
use std::collections::BTreeSet;

/// Only these; without any, all.
#[derive(Debug, Default, Args)]
pub(super) struct FilterArgs {
    /// Only this workload; may be given several times
    #[arg(long = "scenario", value_name = "NAME")]
    scenarios: Vec<String>,
    /// Only this model; may be given several times
    #[arg(long = "model", short, value_name = "NAME")]
    models: Vec<String>,
    /// Only runs of this machine, by its fingerprint (see `bakeoff history list`)
    #[arg(long, value_name = "FINGERPRINT")]
    machine: Option<String>,
}

impl FilterArgs {
    /// Whether everything is meant.
    pub(super) fn is_empty(&self) -> bool {
        self.scenarios.is_empty() && self.models.is_empty() && self.machine.is_none()
    }

    /// The entries with what is meant in them.
    pub(super) fn apply(&self, mut entries: Vec<Entry>) -> Result<Vec<Entry>, String> {
        {
            let points = || entries.iter().flat_map(|entry| &entry.points);
            known("scenario", &self.scenarios, points().map(|point| point.scenario.as_str()))?;
            known("model", &self.models, points().map(|point| point.model.as_str()))?;
            let machines = entries.iter().map(|entry| entry.machine.fingerprint.as_str());
            known("machine", self.machine.as_slice(), machines)?;
        }
        let chosen = |names: &[String], name: &String| names.is_empty() || names.contains(name);
        entries.retain(|entry| chosen(self.machine.as_slice(), &entry.machine.fingerprint));
        for entry in &mut entries {
            entry.points.retain(|point| {
                chosen(&self.scenarios, &point.scenario) && chosen(&self.models, &point.model)
            });
        }
        entries.retain(|entry| !entry.points.is_empty());
        Ok(entries)
    }
}

fn known<'a>(kind: &str, asked: &[String], known: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let known: BTreeSet<&str> = known.collect();
    match asked.iter().find(|name| !known.contains(name.as_str())) {
        Some(name) => Err(format!("{} in this history", suggest::unknown(kind, name, known.into_iter()))),
        None => Ok(()),
    }
}
