//! A comparison of two builds as text for a terminal: the verdict in a sentence, a row for each figure, then the reasons.
//!
//! No line is wider than asked, unless a single word is. At 80 columns and more a row is one line.

use crate::record::{Contender, Figure, Merit, Origin};
use crate::rules::gate::{Gate, Outcome, Verdict};
use crate::show::text::{clean, push_wrapped, wrapped};
use crate::show::units;
use crate::show::words::gate::{difference, share, with_interval};
use std::fmt::Write as _;

/// Digits of a commit that are shown.
const COMMIT: usize = 12;

/// Cells named in the first sentence; the rest is counted.
const MOST_NAMED: usize = 3;

/// What each column is, over it.
const HEADS: [&str; 7] = ["", "", "factor [90 %]", "A", "B", "noise", "finds"];

/// The whole text; `width` in columns, laid out for 40 at least.
pub fn text(gate: &Gate, width: usize) -> String {
    wrapped(&sentence(gate), width.max(40), "") + &details(gate, width)
}

/// What follows the sentence: the sides, the table, the reasons, and what the columns mean.
pub(crate) fn details(gate: &Gate, width: usize) -> String {
    let width = width.max(40);
    let mut out = String::new();
    for line in sides(gate) {
        push_wrapped(&mut out, &line, width, "  ", str::to_owned);
    }
    if gate.cells.is_empty() {
        return out;
    }
    out.push('\n');
    table(&mut out, gate, width);
    let reasons: Vec<&Verdict> = gate.cells.iter().filter(|one| one.tells()).collect();
    if !reasons.is_empty() {
        out.push('\n');
    }
    for (figures, reason) in grouped(&reasons) {
        let (first, labels) = (figures[0], figures.iter().map(|one| one.figure.label().to_owned()));
        let labels = units::all_of(&labels.collect::<Vec<_>>());
        let text = format!("{} / {}, {labels}: {reason}", first.scenario, first.model);
        push_wrapped(&mut out, &text, width, "- ", str::to_owned);
    }
    let key = "Factor: how many times worse B is than A, the median over pairs of one round, with its 90 % interval. \
               Noise: what chance alone makes of these pairs. Finds: the least slowdown that 4 of 5 such runs find.";
    out.push('\n');
    push_wrapped(&mut out, key, width, "", str::to_owned);
    out
}

/// The figures of one cell that have the same reason, told once: a build that fails has one for all of them.
pub(crate) fn grouped<'a>(verdicts: &[&'a Verdict]) -> Vec<(Vec<&'a Verdict>, &'a str)> {
    let mut groups: Vec<(Vec<&Verdict>, &str)> = Vec::new();
    for one in verdicts {
        let cell = (&one.scenario, &one.model, one.outcome, one.reason.as_str());
        let same = |(figures, reason): &&mut (Vec<&Verdict>, &str)| {
            (&figures[0].scenario, &figures[0].model, figures[0].outcome, *reason) == cell
        };
        match groups.iter_mut().find(same) {
            Some((figures, _)) => figures.push(one),
            None => groups.push((vec![one], &one.reason)),
        }
    }
    groups
}

impl Verdict {
    /// Whether its reason says more than its row.
    fn tells(&self) -> bool {
        self.outcome != Outcome::Pass || self.factor.is_some_and(|factor| factor.low > 1.0)
    }
}

/// The verdict on the whole comparison, in a sentence or two.
pub(crate) fn sentence(gate: &Gate) -> String {
    let all = gate.cells.len();
    let count = |outcome| gate.count(outcome);
    let of = |some: usize| format!("{some} of {}", units::plural(all as u64, "figure"));
    let undecided = count(Outcome::Inconclusive) + count(Outcome::Invalid);
    match gate.outcome() {
        _ if all == 0 => "Nothing was compared.".to_owned(),
        Outcome::Regressed => {
            format!("Regressed: {}.", named(gate, Outcome::Regressed))
        }
        Outcome::Invalid if count(Outcome::Invalid) == all => {
            "Invalid: not one figure could be compared.".to_owned()
        }
        Outcome::Invalid => format!(
            "Invalid: {} could not be compared{}; nothing regressed in the others.",
            of(count(Outcome::Invalid)),
            match undecided - count(Outcome::Invalid) {
                0 => String::new(),
                more => format!(" and {more} stayed undecided"),
            }
        ),
        Outcome::Inconclusive => {
            format!("Inconclusive: {} stayed undecided; nothing regressed.", of(undecided))
        }
        Outcome::Improved => format!(
            "Improved: {}; a slowdown that matters is ruled out elsewhere.",
            named(gate, Outcome::Improved)
        ),
        Outcome::Pass if all == 1 => "Pass: a slowdown that matters is ruled out.".to_owned(),
        Outcome::Pass => format!("Pass: a slowdown that matters is ruled out in all {all} figures."),
    }
}

/// The figures that came to this, cell by cell, with how far B is behind or ahead.
fn named(gate: &Gate, outcome: Outcome) -> String {
    let mut cells: Vec<((&str, &str), Vec<String>)> = Vec::new();
    for one in gate.cells.iter().filter(|one| one.outcome == outcome) {
        let cell = (one.model.as_str(), one.scenario.as_str());
        let what = match one.factor.filter(|_| !one.broken) {
            Some(factor) => format!("{} {}", one.figure.label(), difference(factor.median)),
            None => "B fails".to_owned(),
        };
        match cells.last_mut().filter(|(name, _)| *name == cell) {
            Some((_, figures)) if figures.contains(&what) => {}
            Some((_, figures)) => figures.push(what),
            None => cells.push((cell, vec![what])),
        }
    }
    let more = cells.len().saturating_sub(MOST_NAMED);
    let mut told: Vec<String> = cells
        .iter()
        .take(MOST_NAMED)
        .map(|((model, scenario), figures)| format!("{model} under {scenario} ({})", figures.join(", ")))
        .collect();
    if more > 0 {
        told.push(format!("{more} more"));
    }
    units::all_of(&told)
}

/// What stands on the two sides, and how long they were run.
pub(crate) fn sides(gate: &Gate) -> Vec<String> {
    let side = |letter: &str, contender: &Contender| format!("{letter}: {}", of_contender(contender));
    let search = units::plural(u64::from(gate.search_rounds), "round");
    let rounds = match &gate.confirm {
        None => format!("{search} of each cell at most"),
        Some(confirm) => format!(
            "{search} of each cell at most, then {} fresh ones of {}",
            confirm.rounds,
            units::plural(confirm.cells.len() as u64, "cell")
        ),
    };
    vec![side("A", &gate.comparison.a), side("B", &gate.comparison.b), rounds]
}

/// A side in words: "main, commit 1a2b3c4d5e6f".
pub(crate) fn of_contender(contender: &Contender) -> String {
    let label = &contender.label;
    match &contender.origin {
        Origin::Commit { reference, commit } => {
            let short: String = commit.chars().take(COMMIT).collect();
            let name = if label == reference || label.is_empty() { reference } else { label };
            format!("{name}, commit {short}")
        }
        Origin::Binary { path } if path == label || label.is_empty() => path.clone(),
        Origin::Binary { path } => format!("{label}, {path}"),
        Origin::Command { words } if words == label || label.is_empty() => words.clone(),
        Origin::Command { words } => format!("{label}, {words}"),
    }
}

/// A figure's name in a few letters.
pub(crate) fn short(figure: Figure) -> &'static str {
    match figure {
        Figure::Merit(Merit::Answered) => "answered",
        Figure::Merit(merit) => merit.short(),
        Figure::CpuPerRequest => "CPU",
        Figure::SwitchesPerRequest => "switches",
    }
}

/// The columns of a row but the first.
pub(crate) fn columns(one: &Verdict) -> [String; 6] {
    let figure = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| one.figure.show(value));
    [
        one.outcome.word().to_owned(),
        one.factor.map_or_else(|| "-".to_owned(), with_interval),
        figure(one.a),
        figure(one.b),
        one.noise_floor.map_or_else(|| "-".to_owned(), share),
        one.detectable.map_or_else(|| "-".to_owned(), |factor| share(factor - 1.0)),
    ]
}

fn wide(text: &str) -> usize {
    text.chars().count()
}

fn table(out: &mut String, gate: &Gate, width: usize) {
    let rows = |name: fn(Figure) -> &'static str| -> Vec<[String; 7]> {
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
    let long = rows(Figure::label);
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
            push_wrapped(out, &format!("{} / {}", one.scenario, one.model), width, "", str::to_owned);
            cell = Some(this);
        }
        if one_line {
            out.push_str(&line(row, &widths));
        } else {
            let [name, outcome, factor, a, b, noise, finds] = row;
            push_wrapped(out, &format!("{name} {outcome}, {factor}"), width, "  ", str::to_owned);
            let rest = format!("A {a}, B {b}; noise {noise}, finds {finds}");
            push_wrapped(out, &rest, width, "    ", str::to_owned);
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
