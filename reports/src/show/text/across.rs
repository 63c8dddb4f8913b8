//! Two runs side by side on a terminal: a look at a trend, and never a verdict.

use crate::ask::across::{Across, Row};
use crate::show::layout::{self, clean, cut};
use crate::show::units::ratio;
use crate::show::words::gate::with_interval;
use std::fmt::Write as _;

/// The two runs as text of at most `width` columns, 60 at least.
pub fn text(across: &Across, width: usize) -> String {
    let width = width.max(60);
    let mut out = String::new();
    push(&mut out, "Two runs side by side; a ratio above 1 says that the second was worse", width, "");
    for caveat in &across.caveats {
        push(&mut out, caveat, width, "! ");
    }
    out.push('\n');
    table(&mut out, &across.rows, width);
    for why in &across.left_out {
        push(&mut out, &why.sentence(), width, "not compared: ");
    }
    out.push('\n');
    for difference in &across.machine {
        push(&mut out, &difference.words(), width, "! another machine: ");
    }
    if let Some(factor) = across.machine_factor {
        let factor = ratio(factor);
        let words = format!("A fixed piece of work took {factor} times as long in the second run.");
        push(&mut out, &words, width, "");
    }
    let caution = "This shows a trend and no regression. The runs met the machine at different times, and the same build \
                   differs between runs by more than what is looked for; more rounds in either run do not help. Intervals are \
                   of the rounds of these runs. To compare two builds, run them in pairs: bakeoff ab --a OLD --b NEW";
    push(&mut out, caution, width, "");
    out
}

/// The rows under their workloads. A name for which there is no room beside the figures has a line of its own.
fn table(out: &mut String, rows: &[Row], width: usize) {
    let told: Vec<(String, String)> = rows.iter().map(|row| (clean(&row.model), figures_of(row))).collect();
    let columns = |text: &String| layout::width(text);
    let figures = told.iter().map(|(_, figures)| columns(figures)).max().unwrap_or(0);
    let room = width.saturating_sub(2 + figures);
    let names = told.iter().map(|(name, _)| columns(name)).filter(|name| *name <= room).max().unwrap_or(0);
    let mut scenario = None;
    for (row, (name, figures)) in rows.iter().zip(&told) {
        if scenario != Some(&row.scenario) {
            scenario = Some(&row.scenario);
            let null =
                row.null_factor.map_or_else(String::new, |null| format!("; null server {}", ratio(null)));
            push(out, &format!("{}, {}{null}", row.scenario, row.merit.label()), width, "");
        }
        if columns(name) > names {
            let _ = writeln!(out, "  {}\n  {:names$}{figures}", cut(name, width - 2), "");
        } else {
            let _ = writeln!(out, "  {name:names$}{figures}");
        }
    }
}

/// What stands beside the name of a model.
fn figures_of(row: &Row) -> String {
    let (a, b) = (row.merit.show(row.a), row.merit.show(row.b));
    format!("  {a:>9} {b:>9}  {}", with_interval(row.factor))
}

/// Text on lines of at most `width` columns, whatever its words are: names come from bundles.
fn push(out: &mut String, text: &str, width: usize, indent: &str) {
    let room = width.saturating_sub(layout::width(indent));
    let words: Vec<String> = text.split_whitespace().map(|word| cut(&clean(word), room)).collect();
    layout::push(out, &words.join(" "), width, indent);
}

#[cfg(test)]
mod tests;
