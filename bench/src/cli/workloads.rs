//! Scenarios as they are named on the command line: built-in ones by name, others by file.

use super::flags::CampaignFlags;
use super::names::is_path;
use crate::workload::derive::{self, with_times};
use crate::workload::scenario::Scenario;
use std::fs;
use std::path::Path;

/// The scenarios of these names, each with another window, warm-up or request where one is given.
///
/// # Errors
/// A scenario that cannot be read, two of one name, or a schedule that the given times do not fit.
pub(super) fn read_all(names: &[String], campaign: &CampaignFlags) -> Result<Vec<Scenario>, String> {
    let times = campaign.times.times();
    let mut scenarios: Vec<Scenario> = Vec::new();
    for name in names {
        let scenario = find_with(name, campaign)?;
        if scenarios.iter().any(|s| s.name == scenario.name) {
            return Err(format!(
                "two scenarios are named `{}`; the report could not tell them apart",
                scenario.name
            ));
        }
        let scenario = with_times(&scenario, times)
            .map_err(|e| format!("scenario `{}` with the given --window and --warmup: {e}", scenario.name))?;
        scenarios.push(scenario);
    }
    Ok(scenarios)
}

/// The scenario of a name, asking what the flags spell out, if they do.
///
/// # Errors
/// As [`find`], and a load that such a request cannot have.
pub(super) fn find_with(name: &str, campaign: &CampaignFlags) -> Result<Scenario, String> {
    let scenario = find(name)?;
    match campaign.http.request()? {
        Some(request) => derive::asking(&scenario, &request),
        None => Ok(scenario),
    }
}

/// The scenario of a name that the parser of flags has let through.
pub(super) fn find(name: &str) -> Result<Scenario, String> {
    match Scenario::built_in(name) {
        Some(scenario) if !is_path(name) => Ok(scenario),
        _ => read(Path::new(name)),
    }
}

/// Reads a scenario file.
pub(super) fn read(path: &Path) -> Result<Scenario, String> {
    let text = fs::read_to_string(path)
        .map_err(|e| format!("reading the scenario file {} failed: {e}", path.display()))?;
    Scenario::parse(&text, &path.display().to_string()).map_err(|e| e.to_string())
}
