//! How the CPUs of a machine were divided between servers and swarm, and why. What is unclean about it travels with every
//! figure, as a [`Doubt`](super::Doubt).

use serde::{Deserialize, Serialize};

/// How the CPUs were divided.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CpuChoice {
    /// Who chose the CPUs of servers.
    pub server: ChosenBy,
    /// Who chose those of the swarm.
    pub swarm: ChosenBy,
    /// What there was to choose from.
    pub cores: CoreCounts,
    /// Why these and no others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<CpuReason>,
}

/// Who chose the CPUs of a side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChosenBy {
    /// The tool, how many and which.
    #[default]
    Tool,
    /// A person said how many, the tool which.
    Count,
    /// A person said which.
    List,
}

/// What a machine has, as far as the tool may use it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoreCounts {
    /// Processor packages.
    pub packages: u32,
    /// NUMA nodes.
    pub nodes: u32,
    /// Physical cores.
    pub cores: u32,
    /// Of them, those slower than the fastest kind.
    pub slow_cores: u32,
    /// CPUs: hardware threads of these cores.
    pub cpus: u32,
}

/// Why CPUs were chosen, or left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum CpuReason {
    /// So many cores were divided in halves, since nobody said how many CPUs each side gets.
    Halves {
        /// Cores.
        cores: u32,
    },
    /// A quota grants so many CPUs, so no more were taken.
    Quota {
        /// CPUs' worth of time.
        cpus: f64,
    },
    /// Only cores of the fastest kind were taken.
    FastCores {
        /// Slower cores left out.
        slow: u32,
    },
    /// Both sides are on one NUMA node.
    OneNode {
        /// The node.
        node: u32,
        /// Of so many.
        nodes: u32,
    },
    /// One CPU of each core was taken.
    OneCpuPerCore {
        /// Other hardware threads of the same cores, left idle.
        idle: u32,
    },
    /// Isolated CPUs were left alone, since nobody asked for them by number.
    Isolated {
        /// Those.
        cpus: Vec<u32>,
    },
}

/// CPUs as the kernel lists them: "0-2,5". Two neighbours are two numbers.
pub fn cpu_list(cpus: &[u32]) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for cpu in cpus {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*cpu) => *last = *cpu,
            _ => runs.push((*cpu, *cpu)),
        }
    }
    let run = |(first, last): (u32, u32)| match last - first {
        0 => first.to_string(),
        1 => format!("{first},{last}"),
        _ => format!("{first}-{last}"),
    };
    runs.into_iter().map(run).collect::<Vec<_>>().join(",")
}
