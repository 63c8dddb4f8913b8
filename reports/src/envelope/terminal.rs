//! The failure envelope for a terminal: a table of all, then a sentence for each.

use super::{cell, find, models, stresses};
use crate::envelope::words::{caps, raised, sentence, title};
use crate::record::Reading;
use crate::record::envelope::Envelope;
use crate::terminal::{clean, cut, push_wrapped};
use std::fmt::Write as _;

/// The longest model name that is shown whole.
const LONGEST_NAME: usize = 22;

/// The table and its sentences, no wider than `width` (at least 60) unless a single word is. Empty when there is nothing.
pub fn table(envelopes: &[Envelope], width: usize) -> String {
    let width = width.max(60);
    if envelopes.is_empty() {
        return String::new();
    }
    let mut out = String::from("Failure envelope: how much each model holds, and what breaks\n");
    let plain = |line: &str| line.to_owned();
    let names = models(envelopes);
    let first = names.iter().map(|name| clean(name).chars().count()).max().unwrap_or(0).min(LONGEST_NAME);
    for stress in stresses(envelopes) {
        let of_stress: Vec<&Envelope> =
            names.iter().filter_map(|name| find(envelopes, name, stress)).collect();
        let _ = writeln!(out, "\n{}", title(stress).to_uppercase());
        push_wrapped(&mut out, &format!("{}.", raised(stress)), width, "  ", plain);
        if let Some(one) = of_stress.first() {
            push_wrapped(&mut out, &format!("{}.", common_caps(&of_stress, one)), width, "  limits: ", plain);
        }
        for envelope in of_stress {
            let name = cut(&clean(&envelope.model), first);
            let lead = format!("  {name:<first$}  ");
            let text = format!("{} | {}", cell(envelope).0, sentence(envelope));
            push_wrapped(&mut out, &text, width, &lead, plain);
            if let Reading::Value(findings) = &envelope.result {
                let blanks = " ".repeat(lead.chars().count());
                push_wrapped(&mut out, &format!("shown by: {}", findings.evidence.words), width, &blanks, plain);
            }
        }
    }
    out
}

/// The limits that all of them have, without what only one model has.
fn common_caps(all: &[&Envelope], one: &Envelope) -> String {
    let parts: Vec<String> = caps(one).split(", ").map(str::to_owned).collect();
    let shared = |part: &String| all.iter().all(|other| caps(other).contains(part.as_str()));
    parts.into_iter().filter(shared).collect::<Vec<_>>().join(", ")
}
