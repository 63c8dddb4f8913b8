//! The failure envelope for a terminal: a table of all, then a sentence for each.

use super::{cell, find, models, stresses};
use crate::envelope::words::{caps, raised, sentence, title};
use crate::record::Reading;
use crate::record::envelope::Envelope;
use crate::terminal::{clean, cut, push_wrapped};
use std::fmt::Write as _;

/// The longest model name that is shown whole.
const LONGEST_NAME: usize = 22;

/// The table and its sentences, no wider than `width` (at least 80) unless a single word is. Empty when there is nothing.
pub fn table(envelopes: &[Envelope], width: usize) -> String {
    let width = width.max(80);
    let names = models(envelopes);
    let Some(first) = names.iter().map(|name| clean(name).chars().count()).max() else { return String::new() };
    let first = first.min(LONGEST_NAME);
    let mut out = String::from("Failure envelope: how much each model holds, and what breaks\n\n");
    matrix(&mut out, envelopes, &names, first);
    let plain = |line: &str| line.to_owned();
    for stress in stresses(envelopes) {
        let of_stress: Vec<&Envelope> =
            names.iter().filter_map(|name| find(envelopes, name, stress)).collect();
        let _ = writeln!(out, "\n{}", title(stress).to_uppercase());
        push_wrapped(&mut out, &format!("{}.", raised(stress)), width, "  ", plain);
        push_wrapped(&mut out, &format!("{}.", common_caps(&of_stress)), width, "  Limits: ", plain);
        for envelope in of_stress {
            let lead = format!("  {:<first$}  ", cut(&clean(&envelope.model), first));
            push_wrapped(&mut out, &sentence(envelope), width, &lead, plain);
            if let Reading::Value(findings) = &envelope.result {
                let blanks = " ".repeat(lead.chars().count());
                push_wrapped(&mut out, &format!("Shown: {}.", findings.evidence.words), width, &blanks, plain);
            }
        }
    }
    out
}

/// A row of two lines for each model: how much it holds, and what breaks.
fn matrix(out: &mut String, envelopes: &[Envelope], names: &[&str], first: usize) {
    let columns: Vec<_> = stresses(envelopes).into_iter().map(|stress| {
        let heads: Vec<&str> = title(stress).split(' ').collect();
        let cells: Vec<(String, &str)> = names
            .iter()
            .map(|name| find(envelopes, name, stress).map_or_else(|| ("-".to_owned(), ""), cell))
            .collect();
        let words = heads.iter().copied().chain(cells.iter().flat_map(|(held, broke)| [held.as_str(), *broke]));
        let wide = words.map(|word| word.chars().count()).max().unwrap_or(0);
        (heads, cells, wide)
    }).collect();
    let mut line = |head: &str, texts: Vec<&str>| {
        let mut text = format!("{head:<first$}");
        for (cell, (_, _, wide)) in texts.iter().zip(&columns) {
            let _ = write!(text, " {cell:>wide$}");
        }
        let _ = writeln!(out, "{}", text.trim_end());
    };
    let tallest = columns.iter().map(|(heads, ..)| heads.len()).max().unwrap_or(0);
    for row in 0..tallest {
        // Heads stand on the floor, a word a line.
        let word = |heads: &Vec<&'static str>| (row + heads.len()).checked_sub(tallest).map_or("", |at| heads[at]);
        line("", columns.iter().map(|(heads, ..)| word(heads)).collect());
    }
    for (at, name) in names.iter().enumerate() {
        line(&cut(&clean(name), first), columns.iter().map(|(_, cells, _)| cells[at].0.as_str()).collect());
        line("", columns.iter().map(|(_, cells, _)| cells[at].1).collect());
    }
}

/// The limits that all of them have, without what only one model has.
fn common_caps(all: &[&Envelope]) -> String {
    let Some(one) = all.first() else { return String::new() };
    let shared = |part: &String| all.iter().all(|other| caps(other).contains(part));
    caps(one).into_iter().filter(shared).collect::<Vec<_>>().join(", ")
}
