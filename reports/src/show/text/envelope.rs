//! The failure envelope for a terminal: a table of all, then a sentence for each.

use super::grid::{Column, Grid};
use super::style::Style;
use crate::record::Reading;
use crate::record::envelope::{Envelope, Stress};
use crate::show::layout::{clean, cut, left, push, width as columns};
use crate::show::words::envelope::{common_caps, own_caps, raised, sentence, title};
use crate::show::words::envelopes::{cell, find, models, stresses};
use std::fmt::Write as _;

/// The longest model name that is shown whole.
const LONGEST_NAME: usize = 22;

/// The table alone, as a list where it would be wider than `width`. Empty when there is nothing.
pub fn brief(envelopes: &[Envelope], width: usize) -> String {
    let names = models(envelopes);
    if names.is_empty() {
        return String::new();
    }
    let mut out = String::new();
    push(&mut out, "Failure envelope: how much each model holds, and what breaks", width, "");
    out.push('\n');
    let grid = matrix(envelopes, &names, name_columns(&names));
    if grid.fitting(width) == grid.columns.len() {
        grid.push(&mut out, Style { width, colour: false });
        return out;
    }
    for name in names {
        let parts =
            Stress::ALL.iter().copied().filter_map(|stress| find(envelopes, name, stress)).map(|envelope| {
                let (held, broke) = cell(envelope);
                let then = if broke.is_empty() { String::new() } else { format!(", then {broke}") };
                format!("{} {held}{then}", title(envelope.stress).to_lowercase())
            });
        let text = format!("{name}: {}", parts.collect::<Vec<_>>().join("; "));
        push(&mut out, &text, width, "- ");
    }
    out
}

fn name_columns(names: &[&str]) -> usize {
    names.iter().map(|name| columns(&clean(name))).max().unwrap_or(0).min(LONGEST_NAME)
}

/// The table and a few sentences on each of its cells, no wider than `width` (at least 60) unless a single word is. Empty
/// when there is nothing.
pub fn table(envelopes: &[Envelope], width: usize) -> String {
    let width = width.max(60);
    let names = models(envelopes);
    let first = name_columns(&names);
    let mut out = brief(envelopes, width);
    for stress in stresses(envelopes) {
        let of_stress: Vec<&Envelope> =
            names.iter().filter_map(|name| find(envelopes, name, stress)).collect();
        let _ = writeln!(out, "\n{}", title(stress).to_uppercase());
        push(&mut out, &format!("{}.", raised(stress)), width, "  ");
        let common = common_caps(&of_stress);
        push(&mut out, &format!("Limits: {}.", common.join(", ")), width, "  ");
        for envelope in of_stress {
            let lead = format!("  {:<first$}  ", cut(&clean(&envelope.model), first));
            push(&mut out, &sentence(envelope), width, &lead);
            if let Reading::Value(findings) = &envelope.result {
                let blanks = " ".repeat(columns(&lead));
                let own = own_caps(envelope, &common);
                let own = if own.is_empty() {
                    String::new()
                } else {
                    format!(" Its own limits: {}.", own.join(", "))
                };
                push(&mut out, &format!("Shown: {}.{own}", findings.evidence.words), width, &blanks);
            }
        }
    }
    out
}

/// A row of two lines for each model: how much it holds, and what breaks.
fn matrix(envelopes: &[Envelope], names: &[&str], first: usize) -> Grid {
    let column = |stress: Stress| {
        let cell = |name: &&str| find(envelopes, name, stress).map_or_else(|| ("-".to_owned(), ""), cell);
        let lines = names.iter().map(cell).flat_map(|(held, broke)| [held, broke.to_owned()]);
        // Heads have a word a line.
        let head = title(stress).split(' ').map(str::to_owned).collect();
        Column::new(head, lines.map(|line| (line, false)).collect())
    };
    let name = |name: &&str| [left(&cut(&clean(name), first), first), " ".repeat(first)];
    Grid {
        names: names.iter().flat_map(name).collect(),
        lead: first,
        corner: String::new(),
        columns: stresses(envelopes).into_iter().map(column).collect(),
    }
}
