//! What a record keeps of who serves: what a model states of itself, and how its server was set up. The two crates on either
//! side do not know each other, so their words are matched here, once.

use bakeoff_reports::record::{self, Facts, ModelRecord, ServerSetup};
use bakeoff_servers::model::{Concurrency, PerClient, Role, Tuning};
use bakeoff_servers::{Meta, ServerConfig, ServerModel};

/// A model in the head of a bundle.
pub fn model_record(model: &dyn ServerModel) -> ModelRecord {
    let meta = model.meta();
    ModelRecord { name: meta.name.into(), summary: meta.summary.into(), facts: Some(facts(meta)) }
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
    let size = |workers: usize| u32::try_from(workers).unwrap_or(u32::MAX);
    ServerSetup {
        backlog,
        ballast_mib: config.ballast_mib,
        workers: Tuning::ALL.into_iter().map(|one| (tuning(one), size(one.of(config)))).collect(),
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
