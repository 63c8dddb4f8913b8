//! What a record keeps of who serves: what a model states of itself, and how its server was set up. The two crates on either
//! side do not know each other, so their words are matched here, once.

use crate::suggest;
use bakeoff_reports::record::{self, Facts, ModelRecord, ServerSetup};
use bakeoff_servers::model::{Concurrency, PerClient, Role, Tuning};
use bakeoff_servers::tuning::{Sizes, TuningError};
use bakeoff_servers::{Meta, ServerConfig, TunedModel, models};
use std::collections::BTreeMap;

/// The contestant of a name such as `tokio` or `tokio[compute_workers=8]`.
///
/// # Errors
/// A model that is not known, with what was probably meant; a tuning that it does not have, with those that it has.
pub fn parse(name: &str) -> Result<TunedModel, String> {
    TunedModel::parse(name).map_err(|error| match error {
        TuningError::Model(base) => suggest::unknown("model", &base, models::ALL.iter().map(|m| m.name())),
        other => other.to_string(),
    })
}

/// Contestants by their names, each once: in the order of the registry, the tunings of a model by their sizes.
///
/// # Errors
/// As [`parse`].
pub fn each_once<'a>(names: impl IntoIterator<Item = &'a String>) -> Result<Vec<TunedModel>, String> {
    let mut all = names.into_iter().map(|name| parse(name)).collect::<Result<Vec<_>, _>>()?;
    let place = |one: &TunedModel| models::ALL.iter().position(|model| model.name() == one.model().name());
    all.sort_by_cached_key(|one| (place(one), one.sizes().clone()));
    all.dedup_by(|one, other| one.name() == other.name());
    Ok(all)
}

/// A contestant in the head of a bundle.
pub fn model_record(tuned: &TunedModel) -> ModelRecord {
    let meta = tuned.model().meta();
    ModelRecord {
        name: tuned.name().into(),
        summary: meta.summary.into(),
        facts: Some(facts(meta)),
        tuning: sizes(tuned.sizes()),
    }
}

fn sizes(sizes: &Sizes) -> BTreeMap<record::Tuning, u32> {
    sizes.iter().map(|(one, size)| (tuning(one), count(size))).collect()
}

fn count(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

/// What a model states of itself.
pub fn facts(meta: &Meta) -> Facts {
    Facts {
        concurrency: match meta.concurrency {
            Concurrency::Unbounded => record::Concurrency::Unbounded,
            Concurrency::One => record::Concurrency::One,
            Concurrency::HeldBy(workers) => record::Concurrency::HeldBy(tuning(workers)),
        },
        per_client: match meta.per_client {
            PerClient::Nothing => record::PerClient::Nothing,
            PerClient::Thread => record::PerClient::Thread,
            PerClient::Process => record::PerClient::Process,
        },
        tunings: meta.tunings.iter().copied().map(tuning).collect(),
        role: match meta.role {
            Role::Standard => record::Role::Standard,
            Role::Reference => record::Role::Reference,
            Role::Extra => record::Role::Extra,
        },
    }
}

/// How servers of this configuration are set up.
pub fn setup(config: &ServerConfig, backlog: u32) -> ServerSetup {
    ServerSetup {
        backlog,
        ballast_mib: config.ballast_mib,
        workers: Tuning::ALL.into_iter().map(|one| (tuning(one), count(one.of(config)))).collect(),
    }
}

fn tuning(tuning: Tuning) -> record::Tuning {
    match tuning {
        Tuning::PoolWorkers => record::Tuning::PoolWorkers,
        Tuning::BlockingWorkers => record::Tuning::BlockingWorkers,
        Tuning::ComputeWorkers => record::Tuning::ComputeWorkers,
        Tuning::RuntimeWorkers => record::Tuning::RuntimeWorkers,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::scenario::Scenario;

    #[test]
    fn tunings_of_a_scenario_are_contestants_with_typed_sizes() {
        let text = "name = \"t\"\nabout = \"\"\nservice = \"echo\"\nmerit = \"throughput\"\n\
                    models = [\"tokio\", { model = \"tokio\", compute_workers = 8 }]\n\
                    [load]\nkind = \"closed\"\nclients = 1\n[request]\nsize = \"8 B\"\n\
                    [server]\ncompute_workers = 4\n";
        let scenario = Scenario::parse(text, "t.toml").expect("sound");
        assert_eq!(scenario.models_by_default(), ["tokio", "tokio[compute_workers=8]"]);
        let all = each_once(&scenario.models_by_default()).expect("known");
        let records: Vec<ModelRecord> = all.iter().map(model_record).collect();
        let workload = setup(&scenario.server.config(1), scenario.server.backlog());
        let computing = |one: &ModelRecord| one.setup(&workload).workers[&record::Tuning::ComputeWorkers];
        assert_eq!(records.iter().map(computing).collect::<Vec<_>>(), [4, 8]);
        assert_eq!(records[1].tuning, BTreeMap::from([(record::Tuning::ComputeWorkers, 8)]));
        assert_eq!(all[1].config(&scenario.server.config(1)).compute_workers, 8);
    }
}
