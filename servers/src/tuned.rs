//! A model with sizes of its own: `tokio[compute_workers=8]`.
//!
//! A tuned model is a contestant like any other; its name is derived from its sizes, so that two of them can never be
//! taken for each other. Nothing here starts anything.

use crate::config::ServerConfig;
use crate::model::ServerModel;
use crate::models;
use crate::tuning::{Sizes, TuningError};

/// A model with the sizes it is tuned to; without any, the model as it is.
#[derive(Clone, Debug)]
pub struct TunedModel {
    model: &'static dyn ServerModel,
    sizes: Sizes,
    name: String,
}

impl TunedModel {
    /// A model with sizes of its own.
    ///
    /// # Errors
    /// A tuning that the model does not read.
    pub fn new(model: &'static dyn ServerModel, sizes: Sizes) -> Result<Self, TuningError> {
        let reads = model.meta().tunings;
        if let Some((tuning, _)) = sizes.iter().find(|(tuning, _)| !reads.contains(tuning)) {
            return Err(TuningError::NotRead { model: model.name(), name: tuning.name().into(), reads });
        }
        let list: Vec<String> =
            sizes.iter().map(|(tuning, size)| format!("{}={size}", tuning.name())).collect();
        let name = if list.is_empty() {
            model.name().into()
        } else {
            format!("{}[{}]", model.name(), list.join(","))
        };
        Ok(Self { model, sizes, name })
    }

    /// The model of a name such as `tokio` or `tokio[compute_workers=8]`.
    ///
    /// # Errors
    /// An unknown model, a tuning that it does not read, a size out of range, or another form.
    pub fn parse(name: &str) -> Result<Self, TuningError> {
        let (base, sizes) = match name.split_once('[') {
            None => (name, Ok(Sizes::default())),
            Some((base, rest)) => (
                base,
                rest.strip_suffix(']').ok_or_else(|| TuningError::Form(rest.into())).and_then(Sizes::parse),
            ),
        };
        let model = models::find(base).ok_or_else(|| TuningError::Model(base.into()))?;
        match sizes {
            Err(TuningError::NoSuch(name)) => {
                Err(TuningError::NotRead { model: model.name(), name, reads: model.meta().tunings })
            }
            sizes => Self::new(model, sizes?),
        }
    }

    /// The model.
    pub fn model(&self) -> &'static dyn ServerModel {
        self.model
    }

    /// What it is tuned to, before all that a workload sets.
    pub fn sizes(&self) -> &Sizes {
        &self.sizes
    }

    /// Its name: that of the model, with its sizes in a fixed order where it has any.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The configuration it serves with where `config` is what its workload gives every model.
    pub fn config(&self, config: &ServerConfig) -> ServerConfig {
        let mut own = config.clone();
        self.sizes.enter(&mut own);
        own
    }
}

impl From<&'static dyn ServerModel> for TunedModel {
    fn from(model: &'static dyn ServerModel) -> Self {
        Self { model, sizes: Sizes::default(), name: model.name().into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tuned_model_is_read_from_its_name_and_named_alike() {
        for (text, name) in [
            ("tokio", "tokio"),
            ("tokio[compute_workers=8]", "tokio[compute_workers=8]"),
            ("tokio[ runtime_workers = 2, compute_workers=8 ]", "tokio[compute_workers=8,runtime_workers=2]"),
        ] {
            assert_eq!(TunedModel::parse(text).expect(text).name(), name);
        }
        let base = ServerConfig::for_cpus(1);
        let tuned = TunedModel::parse("tokio[compute_workers=8]").expect("a tuning of tokio").config(&base);
        assert_eq!(tuned, ServerConfig { compute_workers: 8, ..base });
    }

    #[test]
    fn what_a_model_does_not_have_is_refused_with_what_it_has() {
        for (text, words) in [
            ("tokyo[compute_workers=8]", "no model `tokyo`"),
            (
                "thread-pool[compute_workers=8]",
                "thread-pool has no tuning `compute_workers`; it has: pool_workers",
            ),
            ("tokio[threads=8]", "it has: blocking_workers, compute_workers, runtime_workers"),
            ("fork-per-client[pool_workers=8]", "it has none"),
            ("tokio[compute_workers=0]", "from 1 to 1024"),
            ("tokio[compute_workers=many]", "`many`"),
            ("tokio[compute_workers=1,compute_workers=2]", "twice"),
            ("elastic-pool[pool_ceiling=3,pool_floor=4]", "`pool_floor` is 4 and `pool_ceiling` is 3"),
            ("tokio[compute_workers=8", "write it as in"),
            ("tokio[8]", "write it as in"),
            ("tokio[]", "write it as in"),
        ] {
            let error = TunedModel::parse(text).expect_err(text).to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
