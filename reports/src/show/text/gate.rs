//! A comparison of two builds on a terminal: the verdict in a sentence, a row for each figure, then the reasons.
//!
//! No line is wider than asked, unless a single word is. At 80 columns and more a row is one line.

use super::style::Style;
use crate::record::Metric;
use crate::rules::gate::{Gate, Outcome, Verdict};
use crate::show::layout::{clean, push, push_wrapped, width as wide, wrapped};
use crate::show::units;
use crate::show::words::gate::{columns, grouped, sentence, sides};
use std::fmt::Write as _;

/// What each column is, over it.
const HEADS: [&str; 7] = ["", "", "factor [90 %]", "A", "B", "noise", "finds"];

/// The whole text; `width` in columns, laid out for 40 at least.
pub fn text(gate: &Gate, width: usize) -> String {
    wrapped(&sentence(gate), width.max(40), "") + &details(gate, width)
}

/// The verdict and what it rests on, for a summary.
pub(super) fn verdict(out: &mut String, gate: &Gate, style: Style) {
    let paint = |line: &str| match gate.outcome() {
        Outcome::Pass | Outcome::Improved => style.good(line),
        Outcome::Inconclusive | Outcome::Invalid => style.warn(line),
        Outcome::Regressed => style.bad(line),
    };
    push_wrapped(out, &sentence(gate), style.width, "", paint);
    out.push_str(&details(gate, style.width));
    out.push('\n');
}

/// What follows the sentence: the sides, the table, the reasons, and what the columns mean.
fn details(gate: &Gate, width: usize) -> String {
    let width = width.max(40);
    let mut out = String::new();
    for (name, text) in ["A: ", "B: ", ""].iter().zip(sides(gate)) {
        push(&mut out, &format!("{name}{text}"), width, "  ");
    }
    if gate.cells.is_empty() {
        return out;
    }
    out.push('\n');
    table(&mut out, gate, width);
    let reasons: Vec<&Verdict> = gate.cells.iter().filter(|one| is_worth_showing(one)).collect();
    if !reasons.is_empty() {
        out.push('\n');
    }
    for (figures, reason) in grouped(&reasons) {
        let (first, labels) = (figures[0], figures.iter().map(|one| one.figure.label().to_owned()));
        let labels = units::all_of(&labels.collect::<Vec<_>>());
        let text = format!("{} / {}, {labels}: {reason}", first.scenario, first.model);
        push(&mut out, &text, width, "- ");
    }
    let key = "Factor: how many times worse B is than A, the median over pairs of one round, with its 90 % interval. \
               Noise: what chance alone makes of these pairs. Finds: the least slowdown that 4 of 5 such runs find.";
    out.push('\n');
    push(&mut out, key, width, "");
    out
}

/// Whether a reason says more than the row of its figure.
fn is_worth_showing(verdict: &Verdict) -> bool {
    verdict.outcome != Outcome::Pass || verdict.factor.is_some_and(|factor| factor.low > 1.0)
}

/// A figure's name in a few letters.
fn short(figure: Metric) -> &'static str {
    match figure {
        Metric::Answered => "answered",
        other => other.short(),
    }
}

fn table(out: &mut String, gate: &Gate, width: usize) {
    let rows = |name: fn(Metric) -> &'static str| -> Vec<[String; 7]> {
        let row = |one: &Verdict| {
            let [outcome, factor, a, b, noise, finds] = columns(one);
            [name(one.figure).to_owned(), outcome, factor, a, b, noise, finds]
        };
        [HEADS.map(str::to_owned)].into_iter().chain(gate.cells.iter().map(row)).collect()
    };
    let widths = |rows: &[[String; 7]]| -> [usize; 7] {
        std::array::from_fn(|at| rows.iter().map(|row| wide(&row[at])).max().unwrap_or(0))
    };
    let total = |rows: &[[String; 7]]| 2 + widths(rows).iter().sum::<usize>() + 6;
    let long = rows(Metric::label);
    let rows = if total(&long) <= width { long } else { rows(short) };
    let one_line = total(&rows) <= width;
    let widths = widths(&rows);
    if one_line {
        out.push_str(&line(&rows[0], &widths));
    }
    let mut cell = None;
    for (one, row) in gate.cells.iter().zip(&rows[1..]) {
        let this = (&one.scenario, &one.model);
        if cell != Some(this) {
            push(out, &format!("{} / {}", one.scenario, one.model), width, "");
            cell = Some(this);
        }
        if one_line {
            out.push_str(&line(row, &widths));
        } else {
            let [name, outcome, factor, a, b, noise, finds] = row;
            push(out, &format!("{name} {outcome}, {factor}"), width, "  ");
            let rest = format!("A {a}, B {b}; noise {noise}, finds {finds}");
            push(out, &rest, width, "    ");
        }
    }
}

/// A row in columns: words to the left, figures to the right.
fn line(row: &[String; 7], widths: &[usize; 7]) -> String {
    let mut line = String::from(" ");
    for (at, (text, width)) in row.iter().zip(widths).enumerate() {
        let (text, blanks) = (clean(text), " ".repeat(width.saturating_sub(wide(text))));
        let _ = if at < 3 { write!(line, " {text}{blanks}") } else { write!(line, " {blanks}{text}") };
    }
    line.trim_end().to_owned() + "\n"
}
