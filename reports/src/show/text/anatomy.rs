//! The anatomy of one request as a table for a terminal.

use crate::record::{Anatomy, Phase, Reading};
use crate::show::layout::{clean, cut, wrap};
use crate::show::units;
use crate::show::words::anatomy::{
    Layer, Row, calls_sum, costs, followed, over, parts, provenance, rows, title, wire_sum,
};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Most columns of a task's name; longer ones are cut.
const LONGEST_NAME: usize = 17;
/// Most columns of a figure that stands in its column.
const LONGEST_FIGURE: usize = 15;

/// The table, no wider than `width` (at least 60) unless a single word is.
pub fn table(anatomy: &Anatomy, width: usize) -> String {
    let width = width.max(60);
    let mut out = format!(
        "Anatomy of a request: {}, service {}{}\n",
        clean(&anatomy.model),
        clean(&anatomy.service),
        over(anatomy)
    );
    if let Some(sum) = wire_sum(anatomy) {
        paragraph(&mut out, &sum, width);
    }
    let mut said = BTreeSet::new();
    for phase in parts(anatomy) {
        section(&mut out, anatomy, phase, &mut said, width);
    }
    if let Reading::Absent(why) = &anatomy.phases {
        paragraph(&mut out, &format!("\nNo system calls: {}.", clean(why)), width);
    }
    untraced(&mut out, anatomy, width);
    out
}

fn section(out: &mut String, anatomy: &Anatomy, phase: &Phase, said: &mut BTreeSet<String>, width: usize) {
    let _ = writeln!(out, "\n{} ({})", title(phase.part).to_uppercase(), followed(phase));
    let rows = rows(anatomy, phase);
    let longest = |of: fn(&Row) -> &str| rows.iter().map(|row| of(row).chars().count()).max().unwrap_or(0);
    let who = longest(|row| &row.who).min(LONGEST_NAME);
    let (what, result) = (longest(|row| &row.what), longest(|row| &row.result));
    for row in &rows {
        let mark = match row.layer {
            Layer::Client => ">",
            Layer::Kernel => "~",
            Layer::Server => " ",
        };
        // What was explained before is not explained again.
        let meaning = if said.insert(row.what.clone()) { row.meaning.as_str() } else { "" };
        let why: Vec<&str> =
            [row.note.as_str(), meaning].into_iter().filter(|words| !words.is_empty()).collect();
        let lead = format!(
            "{mark} {:<who$} {:<what$} {:<result$} ",
            cut(&clean(&row.who), who),
            clean(&row.what),
            row.result
        );
        explained(out, &lead, &why.join(": "), width);
    }
    let over = if phase.repeats > 1 { ", mean of all followed" } else { "" };
    paragraph(out, &format!("  = {}{over}", clean(&calls_sum(phase))), width);
}

/// A line whose last column is text, broken under itself.
fn explained(out: &mut String, lead: &str, text: &str, width: usize) {
    let indent = lead.chars().count();
    let mut lines = wrap(&clean(text), width.saturating_sub(indent).max(16), "").into_iter();
    let _ = writeln!(out, "{}", format!("{lead}{}", lines.next().unwrap_or_default()).trim_end());
    for line in lines {
        let _ = writeln!(out, "{:indent$}{line}", "");
    }
}

fn untraced(out: &mut String, anatomy: &Anatomy, width: usize) {
    match &anatomy.untraced {
        Reading::Value(untraced) => {
            let requests = units::grouped(untraced.requests);
            let _ = writeln!(out, "\nPER REQUEST, UNTRACED (mean of {requests}, one at a time)");
            for (name, figure, remark) in costs(anatomy) {
                let figure = clean(&figure);
                if figure.chars().count() > LONGEST_FIGURE {
                    paragraph(out, &format!("  {name}: {figure}"), width);
                } else {
                    explained(out, &format!("  {name:<20} {figure:<LONGEST_FIGURE$} "), remark, width);
                }
            }
        }
        Reading::Absent(why) => {
            paragraph(out, &format!("\nNo times: {}.", clean(why)), width);
        }
    }
    out.push('\n');
    match &anatomy.wire {
        Reading::Value(wire) => paragraph(out, &provenance(wire), width),
        Reading::Absent(why) => paragraph(out, &format!("No segments: {}.", clean(why)), width),
    }
    paragraph(
        out,
        "Calls are from a traced server, which is slow: their order within a thread counts, not their time.",
        width,
    );
}

fn paragraph(out: &mut String, text: &str, width: usize) {
    let blank = text.starts_with('\n');
    let indent = text.len() - text.trim_start_matches(' ').len();
    if blank {
        out.push('\n');
    }
    for line in wrap(text.trim(), width - indent, "") {
        let _ = writeln!(out, "{:indent$}{line}", "");
    }
}
