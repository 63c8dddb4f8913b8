//! The failure envelope for a terminal: a table of all, then a sentence for each.

use crate::record::Reading;
use crate::record::envelope::{Envelope, Stress};
use crate::show::text::{clean, cut, push_wrapped};
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
    let plain = |line: &str| line.to_owned();
    push_wrapped(&mut out, "Failure envelope: how much each model holds, and what breaks", width, "", plain);
    out.push('\n');
    let table = matrix(envelopes, &names, name_columns(&names));
    if table.lines().all(|line| line.chars().count() <= width) {
        out.push_str(&table);
        return out;
    }
    for name in names {
        let parts =
            Stress::ALL.into_iter().filter_map(|stress| find(envelopes, name, stress)).map(|envelope| {
                let (held, broke) = cell(envelope);
                let then = if broke.is_empty() { String::new() } else { format!(", then {broke}") };
                format!("{} {held}{then}", title(envelope.stress).to_lowercase())
            });
        let text = format!("{name}: {}", parts.collect::<Vec<_>>().join("; "));
        push_wrapped(&mut out, &text, width, "- ", plain);
    }
    out
}

fn name_columns(names: &[&str]) -> usize {
    names.iter().map(|name| clean(name).chars().count()).max().unwrap_or(0).min(LONGEST_NAME)
}

/// The table and a few sentences on each of its cells, no wider than `width` (at least 60) unless a single word is. Empty
/// when there is nothing.
pub fn table(envelopes: &[Envelope], width: usize) -> String {
    let width = width.max(60);
    let names = models(envelopes);
    let first = name_columns(&names);
    let mut out = brief(envelopes, width);
    let plain = |line: &str| line.to_owned();
    for stress in stresses(envelopes) {
        let of_stress: Vec<&Envelope> =
            names.iter().filter_map(|name| find(envelopes, name, stress)).collect();
        let _ = writeln!(out, "\n{}", title(stress).to_uppercase());
        push_wrapped(&mut out, &format!("{}.", raised(stress)), width, "  ", plain);
        let common = common_caps(&of_stress);
        push_wrapped(&mut out, &format!("Limits: {}.", common.join(", ")), width, "  ", plain);
        for envelope in of_stress {
            let lead = format!("  {:<first$}  ", cut(&clean(&envelope.model), first));
            push_wrapped(&mut out, &sentence(envelope), width, &lead, plain);
            if let Reading::Value(findings) = &envelope.result {
                let blanks = " ".repeat(lead.chars().count());
                let own = own_caps(envelope, &common);
                let own = if own.is_empty() {
                    String::new()
                } else {
                    format!(" Its own limits: {}.", own.join(", "))
                };
                push_wrapped(
                    &mut out,
                    &format!("Shown: {}.{own}", findings.evidence.words),
                    width,
                    &blanks,
                    plain,
                );
            }
        }
    }
    out
}

/// A row of two lines for each model: how much it holds, and what breaks.
fn matrix(envelopes: &[Envelope], names: &[&str], first: usize) -> String {
    let mut out = String::new();
    let columns: Vec<_> = stresses(envelopes)
        .into_iter()
        .map(|stress| {
            let heads: Vec<&str> = title(stress).split(' ').collect();
            let cells: Vec<(String, &str)> = names
                .iter()
                .map(|name| find(envelopes, name, stress).map_or_else(|| ("-".to_owned(), ""), cell))
                .collect();
            let words =
                heads.iter().copied().chain(cells.iter().flat_map(|(held, broke)| [held.as_str(), *broke]));
            let wide = words.map(|word| word.chars().count()).max().unwrap_or(0);
            (heads, cells, wide)
        })
        .collect();
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
        let word =
            |heads: &Vec<&'static str>| (row + heads.len()).checked_sub(tallest).map_or("", |at| heads[at]);
        line("", columns.iter().map(|(heads, ..)| word(heads)).collect());
    }
    for (at, name) in names.iter().enumerate() {
        line(&cut(&clean(name), first), columns.iter().map(|(_, cells, _)| cells[at].0.as_str()).collect());
        line("", columns.iter().map(|(_, cells, _)| cells[at].1).collect());
    }
    out
}
