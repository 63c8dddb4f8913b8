//! What is set on the servers of a workload, where it differs from the default: the section `[server]` of a scenario, and the
//! flags of `bakeoff serve`. The keys and their ranges stand here alone.

use bakeoff_servers::ServerConfig;
use bakeoff_servers::tuning::{Sizes, Tuning};

/// The listen backlog unless something else is set: large enough that it is never what is measured.
pub const DEFAULT_BACKLOG: u32 = 1024;

/// What is set on a server, whatever its model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerSettings {
    /// CPUs that the server gets, whatever others of the run get.
    pub cpus: Option<u32>,
    /// Listen backlog.
    pub backlog: Option<u32>,
    /// Memory held from the start, in MiB.
    pub ballast_mib: Option<u32>,
    /// The sizes that models read.
    pub sizes: Sizes,
}

/// A key of the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// [`ServerSettings::cpus`].
    Cpus,
    /// [`ServerSettings::backlog`].
    Backlog,
    /// [`ServerSettings::ballast_mib`].
    Ballast,
    /// One of [`ServerSettings::sizes`].
    Size(Tuning),
}

impl Key {
    /// Every key.
    pub fn all() -> impl Iterator<Item = Self> {
        [Self::Cpus, Self::Backlog, Self::Ballast].into_iter().chain(Tuning::ALL.map(Self::Size))
    }

    /// Its name in a scenario file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpus => "cpus",
            Self::Backlog => "backlog",
            Self::Ballast => "ballast_mib",
            Self::Size(tuning) => tuning.name(),
        }
    }

    /// What it sets.
    pub fn about(self) -> &'static str {
        match self {
            Self::Cpus => "CPUs that the server gets",
            Self::Backlog => "Connections the kernel may hold before they are accepted",
            Self::Ballast => {
                "Memory to hold from the start, in MiB: what a fork has to copy the page tables of"
            }
            Self::Size(tuning) => tuning.about(),
        }
    }

    /// The largest value; the smallest is 1.
    pub fn most(self) -> u32 {
        match self {
            Self::Cpus => 1_024,
            Self::Backlog => 65_535,
            Self::Ballast => 4_096,
            Self::Size(tuning) => u32::try_from(tuning.most()).unwrap_or(u32::MAX),
        }
    }
}

impl ServerSettings {
    /// Sets one key.
    ///
    /// # Errors
    /// A value out of range, with the range.
    pub fn set(&mut self, key: Key, value: u32) -> Result<(), String> {
        if !(1..=key.most()).contains(&value) {
            return Err(format!("`{}` is {value}; it must be from 1 to {}", key.name(), key.most()));
        }
        match key {
            Key::Cpus => self.cpus = Some(value),
            Key::Backlog => self.backlog = Some(value),
            Key::Ballast => self.ballast_mib = Some(value),
            Key::Size(tuning) => self.sizes.set(tuning, value as usize).map_err(|e| e.to_string())?,
        }
        Ok(())
    }

    /// The listen backlog to ask for.
    pub fn backlog(&self) -> u32 {
        self.backlog.unwrap_or(DEFAULT_BACKLOG)
    }

    /// The whole configuration of a server that may use `cpus` CPUs.
    pub fn config(&self, cpus: usize) -> ServerConfig {
        let mut config = ServerConfig::for_cpus(cpus);
        self.sizes.enter(&mut config);
        config.ballast_mib = self.ballast_mib.unwrap_or(config.ballast_mib);
        config
    }
}
