//! The CPUs of a machine: which share a core, a cache, a node, which are fast, which may be used; and how they are divided between
//! servers and swarm.
//!
//! `read` makes a typed [`Topology`] of a sysfs, [`CpuPlan::new`] divides it. Neither starts, pins or measures anything.

mod choose;
mod group;
pub(super) mod list;
mod plan;
mod read;
#[cfg(test)]
mod tests;

pub use group::quota;
pub use list::{CpuWish, parse_list};
pub use plan::{CpuPlan, Wishes};

use std::collections::BTreeSet;
use std::path::Path;

/// A machine's CPUs, as far as the system tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Topology {
    /// The CPUs that are online, by number.
    pub cpus: Vec<Cpu>,
    /// Those that exist and are offline.
    pub offline: Vec<u32>,
    /// Those that the scheduler leaves alone (`isolcpus`).
    pub isolated: Vec<u32>,
    /// Those that this process may run on (`sched_getaffinity`); none where the system does not tell.
    pub allowed: Vec<u32>,
    /// Those of the control group (cpuset), where it has a set.
    pub cpuset: Option<Vec<u32>>,
    /// CPUs' worth of time that the control group grants, where it has a quota.
    pub quota: Option<f64>,
    /// Whether the system tells which CPUs share a core.
    pub cores_known: bool,
}

/// One hardware thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cpu {
    /// Its number.
    pub id: u32,
    /// Its core, by the lowest number of a CPU on it that is online.
    pub core: u32,
    /// Its last-level cache, in the same way.
    pub cache: u32,
    /// Its NUMA node.
    pub node: u32,
    /// Its package.
    pub package: u32,
    /// How fast its kind of core is: 0 for the fastest kind.
    pub kind: u32,
}

impl Topology {
    /// Of this machine, for this process.
    pub fn of_this_machine() -> Self {
        read::read(Path::new("/"), super::pinned::allowed_cpus())
    }

    /// The CPUs that may be used without being named: allowed, online, and not isolated unless nothing else is allowed.
    fn pool(&self) -> Vec<Cpu> {
        let allowed = |cpu: &&Cpu| self.allowed.contains(&cpu.id);
        let all: Vec<Cpu> = self.cpus.iter().filter(allowed).copied().collect();
        let ordinary: Vec<Cpu> = all.iter().filter(|cpu| !self.isolated.contains(&cpu.id)).copied().collect();
        if ordinary.is_empty() { all } else { ordinary }
    }

    /// How many CPUs may be used without being named.
    pub fn usable(&self) -> usize {
        self.pool().len()
    }

    /// How many CPUs a quota keeps busy: two at least, since there are two sides; all where there is none.
    pub fn granted(&self) -> usize {
        self.quota.map_or(usize::MAX, |cpus| (cpus as usize).max(2))
    }

    /// The CPU of this number, where it is online.
    fn cpu(&self, id: u32) -> Option<Cpu> {
        self.cpus.iter().find(|cpu| cpu.id == id).copied()
    }
}

/// How many different values CPUs have.
fn count<'a>(cpus: impl IntoIterator<Item = &'a Cpu>, value: impl Fn(&Cpu) -> u32) -> usize {
    cpus.into_iter().map(value).collect::<BTreeSet<u32>>().len()
}
