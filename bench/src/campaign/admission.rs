//! Before a plan is begun: whether its commands speak what its workloads ask, so that one that does not is left out of these
//! with clear words, and the run goes on without it there.
//!
//! Models of ours are held to all services by their own tests, and are asked only where a workload spells its requests out.

use super::plan::Plan;
use crate::instruments::conform::{SpeaksError, speaks};
use crate::process::context::Context;
use crate::process::launch::LaunchError;
use crate::process::program::ASK_IT;
use crate::workload::scenario::Scenario;
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

/// Asks contestants of a plan a request of each kind that their workloads ask, and takes each out of those that it does not
/// answer.
///
/// # Errors
/// Nothing is left for a command or for a workload; or interrupted.
pub fn admit(plan: &mut Plan, context: &Context) -> Result<(), AdmissionError> {
    for contestant in 0..plan.contestants.len() {
        let is_ours = plan.contestants[contestant].tuned().is_some();
        // The points of a sweep ask the same requests: once is enough.
        let mut kinds: Vec<Vec<usize>> = Vec::new();
        let mut encrypted: Vec<usize> = Vec::new();
        for cell in plan.cells.iter().filter(|cell| cell.contestant == contestant) {
            let asked = |at: usize| {
                let Scenario { service, request, .. } = &plan.scenarios[at];
                (service, request.size, &request.http)
            };
            // Models of ours are asked what is spelled out: they serve the pages that they serve.
            if is_ours && asked(cell.scenario).2.is_none() {
                continue;
            }
            if plan.scenarios[cell.scenario].tls.is_some() {
                encrypted.push(cell.scenario);
                continue;
            }
            match kinds.iter_mut().find(|kind| asked(kind[0]) == asked(cell.scenario)) {
                Some(kind) => kind.push(cell.scenario),
                None => kinds.push(vec![cell.scenario]),
            }
        }
        let mut unfit: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        if !encrypted.is_empty() {
            unfit.insert(
                format!("a command, and a request that is spelled out, is asked without TLS; {ASK_IT}"),
                encrypted,
            );
        }
        for scenarios in kinds {
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
