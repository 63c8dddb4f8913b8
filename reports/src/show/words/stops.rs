//! Where the time of a run with a budget went, in words. It says nothing of a run of fixed blocks.

use crate::analysis::Analysis;
use crate::rules::verdict::Status;
use crate::show::units;

/// How many blocks a budget was good for, and for which workloads; `None` for a run without one.
pub fn brief(analysis: &Analysis) -> Option<String> {
    let budget_ns = analysis.run.sequential.as_ref()?.budget_ns;
    let blocks: Vec<(usize, &str)> = analysis
        .workloads
        .iter()
        .map(|one| (one.verdict.clean_blocks + one.verdict.disturbed_blocks, one.scenario.name.as_str()))
        .collect();
    let (all, fewest) = (blocks.iter().map(|(n, _)| n).sum::<usize>(), blocks.iter().min()?.0);
    let (most, busiest) = blocks.iter().max()?;
    let undecided = |one: &&crate::rules::workload::Workload| {
        matches!(one.verdict.status, Status::Undecided { .. } | Status::Provisional)
    };
    let open = analysis.workloads.iter().filter(undecided).count();
    let spread = if fewest == *most {
        format!("{most} of each workload")
    } else {
        format!("{fewest} to {most} of a workload, most of {busiest}")
    };
    let open = match open {
        0 => "all workloads are decided".to_owned(),
        open => format!("{open} of {} are not decided", units::plural(blocks.len() as u64, "workload")),
    };
    let budget = units::time(budget_ns as f64);
    Some(format!("A budget of {budget} covered {}: {spread}; {open}.", units::plural(all as u64, "block")))
}

impl Analysis {
    /// How long the run is: its blocks, or the rounds of a comparison of two builds.
    pub(crate) fn length(&self) -> String {
        match self.gate {
            Some(_) => units::plural(u64::from(self.rounds_done()), "round"),
            None => units::plural(self.blocks() as u64, "block"),
        }
    }
}
