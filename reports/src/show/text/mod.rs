//! The summary for a terminal: the answer first, then the matrix, then what to be careful about. Of a comparison of two
//! builds the answer is the verdict on them, and which model fits is not asked.
//!
//! Text from a bundle never reaches the terminal as control characters. Nothing is wider than the width given, except
//! a single word or path that is longer itself.

pub mod across;
pub mod advise;
pub mod anatomy;
mod costs;
pub mod envelope;
pub mod gate;
mod grid;
pub mod history;
pub mod orderings;
pub mod probe;
mod style;
mod sweep;

use crate::analysis::Analysis;
use crate::rules::verdict::{Outcome, Place};
use crate::rules::workload::Workload;
pub use crate::show::layout::wrapped;
use crate::show::layout::{clean, cut, left, push, push_wrapped, width};
use crate::show::units;
use crate::show::words::{joined, limit, recovery, stops};
use crate::stats::bootstrap::confidence_at_most;
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
    head(&mut out, analysis, style);
    for workload in &analysis.workloads {
        answer(&mut out, workload, style);
    }
    sweep::sweeps(&mut out, &analysis.sweeps, style);
    matrix(&mut out, analysis, style);
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
    care(&mut out, analysis, style);
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
        units::plural(u64::from(analysis.rounds_done()), "round"),
        units::grouped(u64::from(analysis.valid)),
        units::grouped(u64::from(analysis.recorded)),
        run.seed
    );
    push_wrapped(out, &facts, style.width, "", |line| style.dim(line));
    for caveat in analysis.caveats() {
        push_wrapped(out, &caveat.to_string(), style.width, "! ", |line| style.warn(line));
    }
    push_wrapped(out, &crate::show::words::probe::brief(&run.probe), style.width, "", |line| style.dim(line));
    if let Some(text) = stops::brief(analysis) {
        push_wrapped(out, &text, style.width, "", |line| style.dim(line));
    }
}

fn answer(out: &mut String, workload: &Workload, style: Style) {
    let (scenario, verdict) = (&workload.scenario, &workload.verdict);
    let name = clean(&scenario.name);
    let choice = verdict.choice();
    let figure = match &verdict.outcome {
        Outcome::Chosen { .. } => verdict.standings[0].figure.map(|figure| verdict.merit.show(figure)),
        _ => None,
    };
    let _ = writeln!(out, "\n{}", style.bold(&name));
    push_wrapped(out, &scenario.about, style.width, "  ", |line| style.dim(line));
    let chosen = matches!(verdict.outcome, Outcome::Chosen { .. });
    let paint = |line: &str| if chosen { style.good(line) } else { style.warn(line) };
    push_wrapped(out, &choice, style.width, "  → ", paint);
    let figure =
        figure.map_or_else(String::new, |figure| format!("{} {figure}. ", capital(verdict.merit.label())));
    let text = format!("{figure}{} {}", verdict.lead(), workload.reason());
    push(out, text.trim(), style.width, "    ");
    if let Some(recovery) = recovery(workload) {
        push(out, &recovery, style.width, "    ");
    }
    if let Some(limit) = limit(workload) {
        push_wrapped(out, &limit, style.width, "    ", |line| style.warn(line));
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
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
    match standing.place {
        // Where nothing was chosen, nothing is called best.
        _ if standing.wins() && standing.useless(workload.verdict.merit) => (format!("∞ {doubt}"), false),
        Place::Best if !workload.verdict.is_winner(standing) => (format!("1.00 {doubt}"), false),
        Place::Equal(factor) | Place::Unresolved { factor, .. } if !workload.verdict.is_winner(standing) => {
            (format!("{} {doubt}", bare(factor.median)), false)
        }
        Place::Best => (format!("best {doubt}"), true),
        Place::Equal(factor) => (format!("{}={doubt}", bare(factor.median)), true),
        Place::Unresolved { factor, .. } => (format!("{}~{doubt}", bare(factor.median)), true),
        Place::Behind(factor) => (format!("{} {doubt}", bare(factor.median)), false),
        // More rounds do not help a run that has no verdict at all.
        Place::Undecided { .. } if matches!(workload.verdict.outcome, Outcome::NoVerdict { .. }) => {
            (format!("few {doubt}"), false)
        }
        Place::Undecided { more } => (format!("+{more}r {doubt}"), false),
        Place::Invalid => (format!("invalid {doubt}"), false),
    }
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
        Column::new(clean(model).split_inclusive('-').map(str::to_owned).collect(), cells)
    };
    let grid = Grid {
        names: analysis.workloads.iter().map(name).collect(),
        lead: first + 1 + units_wide,
        corner: String::new(),
        columns: models.iter().map(column).collect(),
    };
    grid.push(out, style);
    let key = "= equal to the best: differs by less than matters; ~ not resolved: may be equal or behind, more rounds would \
               decide; ? has a doubt, see below; ^ lies at the generator's limit; ∞ left too many requests unanswered, or \
               all; +2r undecided, 2 more rounds needed at least; few has too few rounds";
    push_wrapped(out, key, style.width, "", |line| style.dim(line));
    let rounds = analysis.rounds_done() as usize;
    let worth = format!(
        "The parentheses after a factor in the answers above: its bootstrap interval over {}, confidence {} at most. Behind \
         is said after adjusting for all comparisons of the run.",
        if analysis.run.sequential.is_some() { "the rounds that both ran, at most " } else { "" }.to_owned()
            + &units::plural(rounds as u64, "round"),
        units::share(confidence_at_most(rounds))
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
