//! Where servers and swarm run, and why, in words.

use crate::record::{ChosenBy, CoreCounts, CpuChoice, CpuReason, Environment};
use crate::show::units;

/// Which CPUs servers and swarm have, and why, in a sentence; `None` where the record does not tell.
pub(crate) fn of(environment: &Environment) -> Option<String> {
    let choice = environment.cpu_choice.as_ref()?;
    Some(division(&environment.server_cpus, &environment.swarm_cpus, choice))
}

/// As it is told before a run.
pub fn division(server: &[u32], swarm: &[u32], choice: &CpuChoice) -> String {
    let asked = |by: ChosenBy| match by {
        ChosenBy::Tool => "",
        ChosenBy::Count => " (their number as asked)",
        ChosenBy::List => " (as asked)",
    };
    let mut text = format!(
        "servers on {}{}, swarm on {}{}",
        units::cpus(server),
        asked(choice.server),
        units::cpus(swarm),
        asked(choice.swarm)
    );
    let reasons: Vec<String> = choice.reasons.iter().map(reason).collect();
    if !reasons.is_empty() {
        text = format!("{text}: {}", reasons.join("; "));
    }
    text
}

fn reason(reason: &CpuReason) -> String {
    match reason {
        CpuReason::Halves { cores } => format!("{} halved", units::plural((*cores).into(), "core")),
        CpuReason::Quota { cpus } => format!("no more than the quota of {cpus:.2} CPUs"),
        CpuReason::FastCores { slow } => {
            format!("fast cores only, {} left out", units::plural((*slow).into(), "slow core"))
        }
        CpuReason::OneNode { node, nodes } => format!("both on NUMA node {node} of {nodes} nodes"),
        CpuReason::OneCpuPerCore { idle } => format!(
            "one CPU of each core, {} left idle",
            units::plural((*idle).into(), "other hardware thread")
        ),
        CpuReason::Isolated { cpus } => {
            format!("isolated {} left alone, since nobody named them", units::cpus(cpus))
        }
    }
}

/// What a machine has: "2 packages, 2 NUMA nodes, 16 cores (8 slow), 24 CPUs".
pub(crate) fn counts(counts: &CoreCounts) -> String {
    let CoreCounts { packages, nodes, cores, slow_cores, cpus } = *counts;
    let slow = if slow_cores == 0 { String::new() } else { format!(" ({slow_cores} slow)") };
    format!(
        "{}, {}, {}{slow}, {}",
        units::plural(packages.into(), "package"),
        units::plural(nodes.into(), "NUMA node"),
        units::plural(cores.into(), "core"),
        units::plural(cpus.into(), "CPU")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_division_names_cpus_who_chose_them_and_why() {
        let choice = CpuChoice {
            server: ChosenBy::Count,
            reasons: vec![
                CpuReason::OneNode { node: 0, nodes: 2 },
                CpuReason::OneCpuPerCore { idle: 1 },
                CpuReason::Isolated { cpus: vec![6, 7] },
            ],
            ..CpuChoice::default()
        };
        assert_eq!(
            division(&[0, 1, 2, 5], &[3], &choice),
            "servers on CPUs 0-2,5 (their number as asked), swarm on CPU 3: both on NUMA node 0 of 2 nodes; one CPU of each \
             core, 1 other hardware thread left idle; isolated CPUs 6,7 left alone, since nobody named them"
        );
        let counted = CoreCounts { packages: 1, nodes: 1, cores: 16, slow_cores: 8, cpus: 24 };
        assert_eq!(counts(&counted), "1 package, 1 NUMA node, 16 cores (8 slow), 24 CPUs");
    }
}
