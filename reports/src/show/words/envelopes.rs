//! The failure envelope as people read it, shared by the terminal's table and the page: a cell, a sentence and what it
//! teaches.
//!
//! Every figure comes from the record. What a limit is called follows from its type alone; a cause that the record does
//! not show is said to be not shown.

pub(crate) use super::envelope::{common_caps, lesson, limit, own_caps, raised, sentence, title};

use crate::record::Reading;
use crate::record::envelope::{Envelope, Findings, Limit, Stress};
use crate::show::units::grouped;

/// The models of some envelopes, each once, in their order.
pub(crate) fn models(envelopes: &[Envelope]) -> Vec<&str> {
    let mut models: Vec<&str> = Vec::new();
    for envelope in envelopes {
        if !models.contains(&envelope.model.as_str()) {
            models.push(&envelope.model);
        }
    }
    models
}

/// The stresses of some envelopes, each once, in the order to show them.
pub(crate) fn stresses(envelopes: &[Envelope]) -> Vec<Stress> {
    Stress::ALL.iter().copied().filter(|stress| envelopes.iter().any(|one| one.stress == *stress)).collect()
}

/// The envelope of a model under a stress.
pub(crate) fn find<'a>(envelopes: &'a [Envelope], model: &str, stress: Stress) -> Option<&'a Envelope> {
    envelopes.iter().find(|one| one.model == model && one.stress == stress)
}

/// How much was held: of connections, exactly as many as were served when it broke, unless that took some of them along;
/// else the highest level that held.
pub(crate) fn held(stress: Stress, findings: &Findings) -> u64 {
    let level = findings.held().unwrap_or(0);
    match (stress, findings.failed()) {
        (Stress::Connections | Stress::AddressSpace, Some(failed)) => failed.served.max(level),
        _ => level,
    }
}

/// A cell of the table: how much was held, and what broke.
pub(crate) fn cell(envelope: &Envelope) -> (String, &'static str) {
    let Reading::Value(findings) = &envelope.result else { return ("absent".to_owned(), "") };
    let held = grouped(held(envelope.stress, findings));
    match findings.limit {
        Limit::NoneInRange => (format!("all {held}"), ""),
        broke => (held, limit(broke)),
    }
}
