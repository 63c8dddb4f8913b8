//! Whether a crash in one handler leaves the other clients alone: from records if there are any.
//!
//! A workload whose requests crash their handler shows it: satisfied if the server answered at least [`SURVIVED`] of the
//! requests. So does the failure envelope: satisfied if every bystander was answered at the highest level. Without either
//! it follows from how the model is made, and the words say so: a process for each client served does not spread a crash,
//! threads, loops and tasks of one process do.

use super::answer::{Criterion, Finding, Stand};
use super::finding::{found, unknown};
use crate::analysis::Analysis;
use crate::record::envelope::Stress;
use crate::record::{Facts, ScenarioRecord, Work};
use crate::show::units;
use crate::stats::estimate::Estimate;

/// The share of requests that is answered beside crashing ones by a server that keeps them apart.
pub const SURVIVED: f64 = 0.9;

/// Whether a workload's requests crash the handler that serves them.
pub(crate) fn crashes(scenario: &ScenarioRecord) -> bool {
    scenario.work == Some(Work::Poison)
}

/// Whether a crash in one handler leaves the other clients of a model alone: from records if there are any, otherwise by
/// what the model states of itself.
pub(crate) fn isolation<'a>(analyses: impl Iterator<Item = &'a Analysis>, model: &str) -> Finding {
    let mut facts = None;
    for analysis in analyses {
        if let Some(finding) = crashing_load(analysis, model).or_else(|| crashing_bystanders(analysis, model))
        {
            return finding;
        }
        facts = facts.or_else(|| analysis.run.facts(model));
    }
    let (stand, words) = match facts.map(Facts::isolates_crashes) {
        Some(true) => {
            (Stand::Satisfies, "by construction, not measured: each client that is served has a process")
        }
        Some(false) => (Stand::Fails, "by construction, not measured: all clients share one process"),
        None => (Stand::NotKnown, "not measured, and the records do not say how it is made"),
    };
    Finding { stand, ..unknown(Criterion::Isolation, words.to_owned()) }
}

/// Isolation as a workload shows it whose requests crash their handler.
fn crashing_load(analysis: &Analysis, model: &str) -> Option<Finding> {
    let cells = analysis.measured().filter(|one| crashes(&one.scenario)).filter_map(|one| one.cell(model));
    // A request that crashes its handler is never answered: where all were, none came, and nothing was shown.
    let mut crashed = cells.filter_map(|cell| Some((cell, cell.merged.as_ref()?)));
    let (cell, merged) = crashed.find(|(_, merged)| merged.unanswered() > 0)?;
    let answered = 1.0 - merged.unanswered() as f64 / merged.response.sent.max(1) as f64;
    let stand = if answered >= SURVIVED { Stand::Satisfies } else { Stand::Fails };
    let words =
        format!("answered {} of the requests while some crashed their handler", units::share(answered));
    let figure = Estimate { median: answered, low: answered, high: answered, rounds: cell.rounds.len() };
    Some(Finding { interval: None, ..found(Criterion::Isolation, stand, words, figure, None) })
}

/// Isolation as the failure envelope shows it: bystanders while the requests of others kill their process.
fn crashing_bystanders(analysis: &Analysis, model: &str) -> Option<Finding> {
    let envelopes =
        analysis.envelopes.iter().filter(|one| one.model == model && one.stress == Stress::Poison);
    let findings = envelopes.filter_map(|one| one.result.value()).next()?;
    let (stand, level, words) = match findings.failed() {
        Some(level) => (Stand::Fails, level, "bystanders were not answered any more"),
        None => (Stand::Satisfies, findings.levels.last()?, "every bystander was still answered"),
    };
    let requests = units::plural(level.asked, "request");
    let words = format!("{requests} crashed their handler and {words} (failure envelope)");
    let served = level.served as f64 / level.clients.max(1) as f64;
    // One trial, which is what the envelope makes.
    let figure = Estimate { median: served, low: served, high: served, rounds: 1 };
    Some(Finding { interval: None, ..found(Criterion::Isolation, stand, words, figure, None) })
}
