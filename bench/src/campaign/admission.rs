//! Before a plan is begun: whether its commands speak what its workloads ask, so that one that does not is left out of these
//! with clear words, and the run goes on without it there.
//!
//! Models of ours are held to all services by their own tests, and are not asked.

use super::plan::Plan;
use crate::instruments::conform::{SpeaksError, speaks};
use crate::process::context::Context;
use crate::process::launch::LaunchError;
use std::collections::BTreeMap;

/// Why a plan is not begun.
#[derive(Debug, thiserror::Error)]
pub enum AdmissionError {
    /// A command can do nothing of what was asked for, or nobody is left for a workload.
    #[error("{0}")]
    Refused(String),
    /// The tool was asked to end.
    #[error("interrupted")]
    Interrupted,
}

/// Asks every command of a plan a request of each kind that its workloads ask, and takes it out of those that it does not answer.
///
/// # Errors
/// Nothing is left for a command or for a workload; or interrupted.
pub fn admit(plan: &mut Plan, context: &Context) -> Result<(), AdmissionError> {
    for contestant in 0..plan.contestants.len() {
        if plan.contestants[contestant].tuned().is_some() {
            continue;
        }
        // The points of a sweep ask the same requests: once is enough.
        let mut kinds: BTreeMap<(String, u32), Vec<usize>> = BTreeMap::new();
        for cell in plan.cells.iter().filter(|cell| cell.contestant == contestant) {
            let scenario = &plan.scenarios[cell.scenario];
            kinds.entry((scenario.service.clone(), scenario.request.size)).or_default().push(cell.scenario);
        }
        let mut unfit: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for scenarios in kinds.into_values() {
            let program = context.program(&plan.contestants[contestant]);
            match speaks(context, program, &plan.scenarios[scenarios[0]]) {
                Ok(()) => {}
                Err(SpeaksError::Launch(LaunchError::Interrupted)) => {
                    return Err(AdmissionError::Interrupted);
                }
                Err(why) => unfit.entry(why.to_string()).or_default().extend(scenarios),
            }
        }
        for (why, scenarios) in unfit {
            plan.refuse(contestant, &scenarios, why).map_err(AdmissionError::Refused)?;
        }
    }
    Ok(())
}
