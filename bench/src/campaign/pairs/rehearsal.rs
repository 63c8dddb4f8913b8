//! Every server of a comparison once, briefly, before the time is spent: does it start, listen, and reply correctly?
//!
//! What it finds is a mistake in what was asked for, not a result: a workload that one build does not know, a command that never
//! listens, a server that speaks another protocol.

use super::plan::{PairCell, PairPlan};
use super::side::Sides;
use crate::process::launch::Interrupted;
use crate::trial::{Conditions, TrialId};
use crate::workload::load::{DemandShape, Load};
use crate::workload::scenario::Scenario;
use bakeoff_reports::record::{Invalid, Reading, Side, Trial};
use std::time::Duration;

/// Warm-up and window of a rehearsal where the load is the same at any time.
const BRIEF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(50));

/// How many times as long a second try takes.
const LONGER: u32 = 3;

/// A round that no run has: its schedule is used for nothing else, and no event is counted in it.
const ROUND: u32 = u32::MAX;

/// Why a comparison is not begun.
#[derive(Debug, thiserror::Error)]
pub enum RehearsalError {
    /// A server does not do its work.
    #[error(
        "side {} ({label}) cannot take part in `{scenario}` with {model}: {why}{}",
        side.letter(),
        if *both { "; nor can the other side" } else { "" }
    )]
    Server {
        /// Which side.
        side: Side,
        /// What a reader calls it.
        label: String,
        /// The workload.
        scenario: String,
        /// The model, or the command's name.
        model: String,
        /// What it did.
        why: String,
        /// Whether the other side fails, too.
        both: bool,
    },
    /// The tool was asked to end.
    #[error("interrupted")]
    Interrupted,
}

/// Rehearses every cell on both sides.
///
/// # Errors
/// The first server that does not do its work, with its words.
pub(super) fn rehearse(
    plan: &PairPlan,
    sides: Sides<'_>,
    conditions: &Conditions<'_>,
) -> Result<(), RehearsalError> {
    for cell in 0..plan.cells.len() {
        let mut failed = Vec::new();
        for side in Side::BOTH {
            failed.extend(fails(plan, cell, sides, side, conditions)?.map(|why| (side, why)));
        }
        let both = failed.len() == 2;
        if let Some((side, why)) = failed.into_iter().next() {
            let cell = &plan.cells[cell];
            return Err(rehearsal_error(side, why, both, cell, &plan.scenarios[cell.scenario], sides));
        }
    }
    Ok(())
}

/// What a server does wrong each time it is tried: briefly, then for longer, because a busy machine may leave a brief trial
/// without any answer.
fn fails(
    plan: &PairPlan,
    at: usize,
    sides: Sides<'_>,
    side: Side,
    conditions: &Conditions<'_>,
) -> Result<Option<String>, RehearsalError> {
    let cell = &plan.cells[at];
    let scenario = &plan.scenarios[cell.scenario];
    let mut longer = scenario.clone();
    longer.timing.window *= LONGER;
    let longer = if scenario.load.varies() { scenario.clone() } else { longer };
    let mut why = None;
    for scenario in [brief(scenario), longer] {
        let id = TrialId { round: ROUND, ..TrialId::default() };
        let program = sides.of(side).program(&cell.model);
        let trial = conditions.trial(id, &scenario, &side.model(&cell.model), program);
        why = fault(&trial.map_err(|Interrupted| RehearsalError::Interrupted)?, &scenario);
        if why.is_none() {
            break;
        }
    }
    Ok(why)
}

fn rehearsal_error(
    side: Side,
    why: String,
    both: bool,
    cell: &PairCell,
    scenario: &Scenario,
    sides: Sides<'_>,
) -> RehearsalError {
    let label = sides.of(side).contender.label.clone();
    RehearsalError::Server {
        side,
        label,
        scenario: scenario.name.clone(),
        model: cell.model.clone(),
        why,
        both,
    }
}

/// The workload in little, where it is the same at any time.
fn brief(scenario: &Scenario) -> Scenario {
    let mut brief = scenario.clone();
    if matches!(brief.load, Load::Closed { .. } | Load::Churn { .. }) {
        (brief.timing.warmup, brief.timing.window) = BRIEF;
    }
    brief
}

/// What a server did that no measurement can make good; `None` of one that serves.
fn fault(trial: &Trial, scenario: &Scenario) -> Option<String> {
    let deadly = matches!(scenario.request.demand, DemandShape::Poison { .. });
    let fatal = |reason: &&Invalid| match reason {
        Invalid::ServerDidNotStart { .. }
        | Invalid::NothingConnected { .. }
        | Invalid::SwarmFailed { .. }
        | Invalid::WrongReply { .. } => true,
        Invalid::ServerDied { .. } => !deadly,
        _ => false,
    };
    if let Some(reason) = trial.invalid.iter().find(fatal) {
        let more = match (&scenario.request.http, reason) {
            (Some(http), Invalid::WrongReply { .. }) => {
                format!("; right is {}, asked by {http}", http.expect)
            }
            (None, Invalid::WrongReply { .. }) => {
                format!("; does it speak the service `{}`?", scenario.service)
            }
            _ => String::new(),
        };
        return Some(format!("{reason}{more}"));
    }
    let Reading::Value(measured) = &trial.measured else { return None };
    let counts = &measured.counts;
    let silent = counts.ok == 0 && counts.sent > 0 && !deadly;
    silent.then(|| format!("it answered none of {} requests", counts.sent))
}
