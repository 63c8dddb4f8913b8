//! Sizes that models read of their configuration, and how they are written: `compute_workers=8`. It knows no model.

use crate::config::ServerConfig;
use std::collections::BTreeMap;

/// A size of [`ServerConfig`] that some models read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tuning {
    /// [`ServerConfig::pool_workers`].
    PoolWorkers,
    /// [`ServerConfig::pool_floor`].
    PoolFloor,
    /// [`ServerConfig::pool_ceiling`].
    PoolCeiling,
    /// [`ServerConfig::blocking_workers`].
    BlockingWorkers,
    /// [`ServerConfig::compute_workers`].
    ComputeWorkers,
    /// [`ServerConfig::runtime_workers`].
    RuntimeWorkers,
}

impl Tuning {
    /// Every one, in the order of [`ServerConfig`].
    pub const ALL: [Self; 6] = [
        Self::PoolWorkers,
        Self::PoolFloor,
        Self::PoolCeiling,
        Self::BlockingWorkers,
        Self::ComputeWorkers,
        Self::RuntimeWorkers,
    ];

    /// Its name, in snake case as in scenario files and in the names of tuned models.
    pub fn name(self) -> &'static str {
        match self {
            Self::PoolWorkers => "pool_workers",
            Self::PoolFloor => "pool_floor",
            Self::PoolCeiling => "pool_ceiling",
            Self::BlockingWorkers => "blocking_workers",
            Self::ComputeWorkers => "compute_workers",
            Self::RuntimeWorkers => "runtime_workers",
        }
    }

    /// What it is a size of.
    pub fn about(self) -> &'static str {
        match self {
            Self::PoolWorkers => {
                "Threads or processes of a pool, each of which holds a connection or a request"
            }
            Self::PoolFloor => "Threads that an elastic pool keeps, whatever the load",
            Self::PoolCeiling => "Threads that an elastic pool has at most, its floor where that is larger",
            Self::BlockingWorkers => "Threads that the asynchronous models give to blocking jobs",
            Self::ComputeWorkers => "Threads that the asynchronous models give to computing jobs",
            Self::RuntimeWorkers => "Threads that each run tasks or an event loop, in models of several",
        }
    }

    /// The largest size; the smallest is 1.
    pub fn most(self) -> usize {
        match self {
            Self::PoolWorkers | Self::PoolFloor | Self::PoolCeiling | Self::BlockingWorkers => 10_000,
            Self::ComputeWorkers | Self::RuntimeWorkers => 1_024,
        }
    }

    /// Its value.
    pub fn of(self, config: &ServerConfig) -> usize {
        match self {
            Self::PoolWorkers => config.pool_workers,
            Self::PoolFloor => config.pool_floor,
            Self::PoolCeiling => config.pool_ceiling,
            Self::BlockingWorkers => config.blocking_workers,
            Self::ComputeWorkers => config.compute_workers,
            Self::RuntimeWorkers => config.runtime_workers,
        }
    }

    fn set(self, config: &mut ServerConfig, size: usize) {
        *match self {
            Self::PoolWorkers => &mut config.pool_workers,
            Self::PoolFloor => &mut config.pool_floor,
            Self::PoolCeiling => &mut config.pool_ceiling,
            Self::BlockingWorkers => &mut config.blocking_workers,
            Self::ComputeWorkers => &mut config.compute_workers,
            Self::RuntimeWorkers => &mut config.runtime_workers,
        } = size;
    }
}

/// Sizes that differ from what they would be otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sizes(BTreeMap<Tuning, usize>);

impl Sizes {
    /// Sets one.
    ///
    /// # Errors
    /// One that was set before, a size out of range, a floor above its ceiling.
    pub fn set(&mut self, tuning: Tuning, size: usize) -> Result<(), TuningError> {
        if !(1..=tuning.most()).contains(&size) {
            return Err(TuningError::Size { tuning, given: size.to_string() });
        }
        if self.0.insert(tuning, size).is_some() {
            return Err(TuningError::Twice(tuning));
        }
        match (self.0.get(&Tuning::PoolFloor), self.0.get(&Tuning::PoolCeiling)) {
            (Some(&floor), Some(&ceiling)) if floor > ceiling => Err(TuningError::Floor { floor, ceiling }),
            _ => Ok(()),
        }
    }

    /// What is set, in the order of [`Tuning::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Tuning, usize)> {
        self.0.iter().map(|(tuning, size)| (*tuning, *size))
    }

    /// Whether this one is set.
    pub fn has(&self, tuning: Tuning) -> bool {
        self.0.contains_key(&tuning)
    }

    /// Enters them in a configuration.
    pub fn enter(&self, config: &mut ServerConfig) {
        self.iter().for_each(|(tuning, size)| tuning.set(config, size));
    }

    /// Reads `compute_workers=8, blocking_workers=4`.
    pub(crate) fn parse(text: &str) -> Result<Self, TuningError> {
        let mut sizes = Self::default();
        for pair in text.split(',') {
            let (name, given) = pair.split_once('=').ok_or_else(|| TuningError::Form(pair.trim().into()))?;
            let (name, given) = (name.trim(), given.trim());
            let tuning = Tuning::ALL.into_iter().find(|one| one.name() == name);
            let tuning = tuning.ok_or_else(|| TuningError::NoSuch(name.into()))?;
            let size = given.parse().map_err(|_| TuningError::Size { tuning, given: given.into() })?;
            sizes.set(tuning, size)?;
        }
        Ok(sizes)
    }
}

/// Why a name is that of no tuned model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TuningError {
    /// There is no such model.
    #[error("there is no model `{0}`")]
    Model(String),
    /// There is no such tuning.
    #[error("there is no tuning `{0}`; these are: {all}", all = names(&Tuning::ALL))]
    NoSuch(String),
    /// The model has no such tuning.
    #[error("the model {model} has no tuning `{name}`; {}", has(reads))]
    NotRead {
        /// The model.
        model: &'static str,
        /// The tuning asked for.
        name: String,
        /// Those that it has.
        reads: &'static [Tuning],
    },
    /// It is set twice.
    #[error("the tuning `{name}` is set twice", name = .0.name())]
    Twice(Tuning),
    /// A size that it cannot have.
    #[error("the tuning `{}` is `{given}`; it must be a whole number from 1 to {}", tuning.name(), tuning.most())]
    Size {
        /// The tuning.
        tuning: Tuning,
        /// The size asked for.
        given: String,
    },
    /// A floor above its ceiling.
    #[error(
        "`pool_floor` is {floor} and `pool_ceiling` is {ceiling}; a pool cannot keep more threads than it may have"
    )]
    Floor {
        /// The floor.
        floor: usize,
        /// The ceiling.
        ceiling: usize,
    },
    /// It is written in another way.
    #[error("`{0}` is no tuning; write it as in tokio[compute_workers=8,blocking_workers=16]")]
    Form(String),
}

fn names(tunings: &[Tuning]) -> String {
    tunings.iter().map(|one| one.name()).collect::<Vec<_>>().join(", ")
}

fn has(reads: &[Tuning]) -> String {
    if reads.is_empty() { "it has none".into() } else { format!("it has: {}", names(reads)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tuning_has_a_place_in_the_configuration() {
        for tuning in Tuning::ALL {
            let mut config = ServerConfig::for_cpus(1);
            tuning.set(&mut config, 7);
            assert_eq!(tuning.of(&config), 7);
            let others = Tuning::ALL.into_iter().filter(|one| *one != tuning);
            let before = ServerConfig::for_cpus(1);
            assert!(others.clone().all(|one| one.of(&config) == one.of(&before)));
        }
    }
}
