//! The looks of a run with a time budget in words, the same in every report: what was ended, and what that saved. It says
//! nothing of a run of fixed rounds.

use crate::analysis::Analysis;
use crate::record::{Ended, LookRecord};
use crate::rules::sequential::trials_saved;
use crate::show::units;

/// What the looks did, in sentences; `None` for a run of fixed rounds.
pub fn brief(analysis: &Analysis) -> Option<String> {
    let sequential = analysis.run.sequential.as_ref()?;
    let budget = units::time(sequential.budget_ns as f64);
    let rounds = units::plural(u64::from(analysis.rounds_run), "round");
    let begun = format!("A budget of {budget} was good for {rounds}");
    if sequential.looks.is_empty() {
        return Some(format!("{begun}, too few to stop anything on the way."));
    }
    if analysis.looks.is_empty() {
        let first = sequential.looks[0].after_rounds;
        return Some(format!("{begun}; the first look was due after {first}."));
    }
    let cells: u64 = analysis.run.scenarios.iter().map(|scenario| scenario.models.len() as u64).sum();
    let ended: u64 = analysis.looks.iter().map(|look| look.ended.len() as u64).sum();
    let after: Vec<String> = analysis.looks.iter().map(|look| look.after_rounds.to_string()).collect();
    let saved = trials_saved(&analysis.looks, analysis.rounds_run);
    let (all, ended_cells) = (units::grouped(cells), units::grouped(ended));
    let all_over = analysis.looks.last().is_some_and(|look| look.going_on == 0);
    let then = match (ended, all_over) {
        (0, _) => "none was decided".to_owned(),
        (_, true) => format!("all {all} cells were decided, so the run ended early"),
        _ => format!("{ended_cells} of {all} cells were decided and stopped"),
    };
    let saving = match saved {
        0 => String::new(),
        saved => format!("; the {} saved gave their time to the rest", units::plural(saved, "trial")),
    };
    Some(format!("{begun}. Looking after {}: {then}{saving}.", units::all_of(&after)))
}

/// The cells that a look ended, as a workload with the models that are behind, or as a workload that is decided.
pub fn ended(look: &LookRecord) -> Vec<String> {
    let mut workloads: Vec<&str> = look.ended.iter().map(|cell| cell.scenario.as_str()).collect();
    workloads.dedup();
    let of = |workload: &&str| {
        let cells: Vec<_> = look.ended.iter().filter(|cell| cell.scenario == **workload).collect();
        let behind = cells.iter().filter(|cell| cell.why == Ended::Behind);
        let behind: Vec<String> = behind.map(|cell| cell.model.clone()).collect();
        let decided = cells.iter().any(|cell| cell.why == Ended::Decided);
        if decided {
            format!("{workload}: decided, all models")
        } else {
            format!("{workload}: behind: {}", units::all_of(&behind))
        }
    };
    workloads.iter().map(of).collect()
}
