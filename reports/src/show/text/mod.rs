//! The summary for a terminal: the answer first, then the matrix, then what to be careful about. Of a comparison of two
//! builds the answer is the verdict on them, and which model fits is not asked.
//!
//! Text from a bundle never reaches the terminal as control characters. Nothing is wider than the width given, except
//! a single word or path that is longer itself.

pub mod across;
pub mod advise;
pub mod anatomy;
pub mod balance;
mod costs;
pub mod envelope;
pub mod gate;
mod grid;
pub mod history;
pub mod orderings;
pub mod probe;
pub mod replication;
mod style;
mod sweep;

use crate::analysis::Analysis;
use crate::cells::cell::Cell;
use crate::rules::verdict::{LEVEL, Place, Standing, Status};
use crate::rules::workload::Workload;
pub use crate::show::layout::wrapped;
use crate::show::layout::{clean, cut, left, push, push_wrapped, width};
use crate::show::units;
use crate::show::words::{self, capital, cpus, joined, limit, recovery, stops, tails, threads};
use crate::stats::estimate::Estimate;
use grid::{Column, Grid};
use std::fmt::Write as _;
use std::path::PathBuf;
use style::Style;

/// How to lay the summary out.
#[derive(Clone, Debug)]
pub struct SummaryOptions {
    /// Columns of the terminal; below 40 it is laid out for 40.
    pub width: usize,
    /// Whether to use colour.
    pub colour: bool,
    /// Where the full report is, to end with.
    pub report_path: Option<PathBuf>,
}

impl Default for SummaryOptions {
    fn default() -> Self {
        Self { width: 80, colour: false, report_path: None }
    }
}

/// Doubts told one by one; the rest is counted.
const MOST_DOUBTS: usize = 8;

/// Discarded trials told one by one; the rest is counted.
const MOST_DISCARDED: usize = 5;

/// The summary of a run.
pub fn summary(analysis: &Analysis, options: &SummaryOptions) -> String {
    let style = Style { width: options.width.max(40), colour: options.colour };
    let mut out = String::new();
    if let Some(gate) = &analysis.gate {
        gate::verdict(&mut out, gate, style);
        facts(&mut out, analysis, style);
        care(&mut out, analysis, style);
        ending(&mut out, options, style);
        return out;
    }
    // The answer stands last, so that it is what is seen on a terminal that has scrolled.
    head(&mut out, analysis, style);
    care(&mut out, analysis, style);
    costs::costs(&mut out, analysis, style);
    if !analysis.envelopes.is_empty() {
        out.push('\n');
        // Where nothing else was measured it is what the run is about.
        let alone = analysis.workloads.is_empty();
        let all = &analysis.envelopes;
        out.push_str(&if alone {
            envelope::table(all, style.width)
        } else {
            envelope::brief(all, style.width)
        });
    }
    sweep::sweeps(&mut out, &analysis.sweeps, style);
    for workload in &analysis.workloads {
        answer(&mut out, workload, style);
    }
    matrix(&mut out, analysis, style);
    ending(&mut out, options, style);
    out
}

fn ending(out: &mut String, options: &SummaryOptions, style: Style) {
    if let Some(path) = &options.report_path {
        let _ = writeln!(out, "\nReport: {}", style.bold(&clean(&path.display().to_string())));
    }
}

fn head(out: &mut String, analysis: &Analysis, style: Style) {
    let _ = writeln!(out, "{}", style.bold("Which model fits which workload"));
    facts(out, analysis, style);
}

fn facts(out: &mut String, analysis: &Analysis, style: Style) {
    let run = &analysis.run;
    let facts = format!(
        "{}, {}{}, {}; {} of {} trials valid; seed {}",
        units::plural(run.models.len() as u64, "model"),
        units::plural(analysis.workloads.len() as u64, "workload"),
        sweep::count(&analysis.sweeps),
        analysis.length(),
        units::grouped(u64::from(analysis.valid)),
        units::grouped(u64::from(analysis.recorded)),
        run.seed
    );
    push_wrapped(out, &facts, style.width, "", |line| style.dim(line));
    for caveat in analysis.caveats() {
        push_wrapped(out, &caveat.to_string(), style.width, "! ", |line| style.warn(line));
    }
    if let Some(text) = cpus::of(&run.environment) {
        push_wrapped(out, &capital(&format!("{text}.")), style.width, "", |line| style.dim(line));
    }
    push_wrapped(out, &words::probe::brief(&run.probe), style.width, "", |line| style.dim(line));
    if let Some(text) = stops::brief(analysis) {
        push_wrapped(out, &text, style.width, "", |line| style.dim(line));
    }
}

fn answer(out: &mut String, workload: &Workload, style: Style) {
    let (scenario, verdict) = (&workload.scenario, &workload.verdict);
    let name = clean(&scenario.name);
    let decided = !verdict.winners.is_empty();
    let choice = match verdict.status {
        Status::Provisional => format!("{}: {}", verdict.status.words(), verdict.choice()),
        _ => verdict.choice(),
    };
    let _ = writeln!(out, "\n{}", style.bold(&name));
    push_wrapped(out, &scenario.about, style.width, "  ", |line| style.dim(line));
    let firm = decided && verdict.status != Status::Provisional;
    let paint = |line: &str| if firm { style.good(line) } else { style.warn(line) };
    push_wrapped(out, &choice, style.width, "  → ", paint);
    let text = format!("{} {}", verdict.lead(), workload.reason());
    push(out, text.trim(), style.width, "    ");
    push_wrapped(out, &figures(workload), style.width, "    ", |line| style.dim(line));
    for sentence in [tails(workload), recovery(workload), threads(workload)].into_iter().flatten() {
        push(out, &sentence, style.width, "    ");
    }
    let each = [
        ("Datagrams", words::datagrams::of as fn(&Cell) -> Option<String>),
        ("Deliveries", words::fan_out::of),
    ];
    for told in each.into_iter().filter_map(|(what, words)| of_each(workload, what, words)) {
        push(out, &told, style.width, "    ");
    }
    if let Some(limit) = limit(workload) {
        push_wrapped(out, &limit, style.width, "    ", |line| style.warn(line));
    }
}

/// What each model did, the best first.
fn figures(workload: &Workload) -> String {
    let verdict = &workload.verdict;
    let of = |standing: &Standing| {
        let figure =
            standing.figure.map_or_else(|| "no figure".to_owned(), |figure| verdict.merit.show(figure));
        format!("{} {figure}", standing.model)
    };
    let all: Vec<String> = verdict.standings.iter().map(of).collect();
    format!("{}: {}.", capital(verdict.merit.label()), all.join(", "))
}

/// What became of what each model was sent, or sent on, in the order of the verdict.
fn of_each(workload: &Workload, what: &str, words: fn(&Cell) -> Option<String>) -> Option<String> {
    let standings = workload.verdict.standings.iter();
    let cells = standings.filter_map(|standing| workload.cell(&standing.model));
    let each: Vec<String> =
        cells.filter_map(|cell| Some(format!("{} {}", cell.model, words(cell)?))).collect();
    (!each.is_empty()).then(|| format!("{what}: {}.", each.join(". ")))
}

/// A factor without its sign, which the heading of the matrix says.
fn bare(factor: f64) -> String {
    units::factor(factor).trim_end_matches('×').to_owned()
}

/// A cell as it is shown, and whether it wins.
fn cell(workload: &Workload, model: &str) -> (String, bool) {
    let Some(standing) = workload.verdict.standing(model) else { return ("-".to_owned(), false) };
    let doubted = workload.cell(model).is_some_and(|cell| !cell.doubts.is_empty());
    let limited = standing.figure.and_then(|figure| workload.bounds.limit(workload.verdict.merit, figure));
    // One column for either: a doubt is the graver.
    let doubt = match (doubted, limited) {
        (true, _) => "?",
        (false, Some(_)) => "^",
        (false, None) => " ",
    };
    let wins = workload.verdict.wins(model);
    let bare = |factor: Estimate| bare(if factor.median.is_finite() { factor.median } else { factor.low });
    match standing.place {
        // Where nothing was chosen, nothing is called best.
        _ if standing.place.is_front() && standing.useless(workload.verdict.merit) => {
            (format!("∞ {doubt}"), false)
        }
        Place::Leader if wins => (format!("best {doubt}"), true),
        Place::Leader => (format!("1.00 {doubt}"), false),
        Place::Equal(factor) => (format!("{}={doubt}", bare(factor)), wins),
        Place::Near(factor) => (format!("{}≈{doubt}", bare(factor)), wins),
        Place::Open(factor) => (format!("{}~{doubt}", bare(factor)), wins),
        Place::Between(factor) => (format!("{}<{doubt}", bare(factor)), false),
        Place::Behind(factor) if factor.high.is_infinite() => (format!("{}+{doubt}", bare(factor)), false),
        Place::Behind(factor) => (format!("{} {doubt}", bare(factor)), false),
        Place::TooFew { more } => (format!("+{more}b {doubt}"), false),
        Place::Invalid => (format!("invalid {doubt}"), false),
    }
}

/// A name in pieces that stand below each other.
fn pieces(name: &str) -> Vec<String> {
    let mut pieces: Vec<String> = vec![String::new()];
    for c in name.chars() {
        if c == '[' {
            pieces.push(String::new());
        }
        pieces.last_mut().expect("one at least").push(c);
        if matches!(c, '-' | '_' | '=') {
            pieces.push(String::new());
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

fn matrix(out: &mut String, analysis: &Analysis, style: Style) {
    let models: Vec<&str> = analysis.run.models.iter().map(|model| model.name.as_str()).collect();
    if models.is_empty() || analysis.workloads.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{}", style.bold("How many times worse than the best"));
    let short = |workload: &Workload| workload.verdict.merit.short();
    let names = || analysis.workloads.iter().map(|one| clean(&one.scenario.name));
    let first = names().map(|name| width(&name)).max().unwrap_or(0).clamp(8, style.width / 4);
    let units_wide = analysis.workloads.iter().map(|one| width(short(one))).max().unwrap_or(0);
    let name = |workload: &Workload| {
        let name = left(&cut(&clean(&workload.scenario.name), first), first);
        format!("{name} {}", style.dim(&left(short(workload), units_wide)))
    };
    let column = |model: &&str| {
        let cells = analysis.workloads.iter().map(|workload| cell(workload, model)).collect();
        // A name is cut at its hyphens, to stand in a narrow column.
        Column::new(pieces(&clean(model)), cells)
    };
    let grid = Grid {
        names: analysis.workloads.iter().map(name).collect(),
        lead: first + 1 + units_wide,
        corner: String::new(),
        columns: models.iter().map(column).collect(),
    };
    grid.push(out, style);
    let key = "= equal to the best: differs by less than matters; ≈ near it; ~ not told from it; < behind a winner and not told \
               from another; + at least; ? has a doubt, see below; ^ lies at the generator's limit; ∞ left too many requests \
               unanswered; +2b 2 more blocks needed at least";
    push_wrapped(out, key, style.width, "", |line| style.dim(line));
    let worth = format!(
        "All intervals of the run hold simultaneously in {} of runs, so \"at least\" means at least.",
        units::share(1.0 - LEVEL)
    );
    push_wrapped(out, &worth, style.width, "", |line| style.dim(line));
}

fn care(out: &mut String, analysis: &Analysis, style: Style) {
    if !analysis.excluded.is_empty() {
        let count = units::plural(analysis.excluded.len() as u64, "trial");
        let _ = writeln!(out, "\n{}", style.bold(&format!("Discarded: {count}")));
        for trial in analysis.excluded.iter().take(MOST_DISCARDED) {
            let text = format!(
                "{} / {}, round {}: {}{}",
                trial.scenario,
                trial.model,
                u64::from(trial.round) + 1,
                joined(&trial.reasons),
                if trial.replaced { "; replaced by a retry" } else { "" }
            );
            push(out, &text, style.width, "  ");
        }
        push_rest(out, analysis.excluded.len(), MOST_DISCARDED);
    }
    let doubts: Vec<_> = analysis.doubts().collect();
    if !doubts.is_empty() {
        let _ = writeln!(out, "\n{}", style.bold("Doubts"));
        for (scenario, model, doubt) in doubts.iter().take(MOST_DOUBTS) {
            let text = format!("{scenario} / {model}: {doubt}");
            push(out, &text, style.width, "  ");
        }
        push_rest(out, doubts.len(), MOST_DOUBTS);
    }
}

fn push_rest(out: &mut String, all: usize, told: usize) {
    if all > told {
        let _ = writeln!(out, "  and {} more, all in the report", all - told);
    }
}
