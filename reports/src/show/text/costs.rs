//! What a request costs, in one table: of every model where there is one workload, of the best model of each where there
//! are several. The report has all of it.
//!
//! It must not show an absent figure as a number.

use super::{Style, clean, cut, push_wrapped, width};
use crate::analysis::Analysis;
use crate::cells::cell::Cell;
use crate::metric::cost::Cost;
use crate::rules::verdict::Outcome;
use std::fmt::Write as _;

/// The columns: head, cost, width. With the blanks between them they take 60 columns.
const COLUMNS: [(&str, Cost, usize); 8] = [
    ("CPU", Cost::Cpu, 7),
    ("user", Cost::CpuUser, 7),
    ("calls", Cost::SystemCalls, 5),
    ("switch", Cost::Switches, 6),
    ("delay", Cost::RunDelay, 7),
    ("segm.", Cost::Segments, 5),
    ("/conn.", Cost::MemoryPerConnection, 8),
    ("Jain", Cost::Fairness, 5),
];

/// Appends the table, if any model of it has been measured.
pub(super) fn costs(out: &mut String, analysis: &Analysis, style: Style) {
    let several = analysis.workloads.len() > 1;
    let rows: Vec<(String, &Cell)> = analysis
        .workloads
        .iter()
        .filter(|workload| !several || matches!(workload.verdict.outcome, Outcome::Chosen { .. }))
        .flat_map(|workload| {
            let standings = workload.verdict.standings.iter().take(if several { 1 } else { usize::MAX });
            standings.filter_map(move |standing| {
                let cell = workload.cell(&standing.model)?;
                let model = cell.model.as_str();
                Some((
                    if several { format!("{}: {model}", workload.scenario.name) } else { model.into() },
                    cell,
                ))
            })
        })
        .filter(|(_, cell)| !cell.rounds.is_empty())
        .collect();
    // Columns that do not fit are left out from the right; the report has them.
    // With several workloads a line of its own names workload and model.
    let longest = rows.iter().map(|(label, _)| width(&clean(label))).max().unwrap_or(0);
    let first = if several { 2 } else { longest.clamp(8, 20) };
    let mut used = first;
    let mut columns = Vec::new();
    for column in &COLUMNS {
        let measured = rows.iter().any(|(_, cell)| cell.costs.value(column.1).is_some());
        if measured && used + 1 + column.2 <= style.width {
            used += 1 + column.2;
            columns.push(column);
        }
    }
    if rows.is_empty() || columns.is_empty() {
        return;
    }
    let of = if several { "What a request costs the best of each workload" } else { "What a request costs" };
    out.push('\n');
    push_wrapped(out, of, style.width, "", |line| style.bold(line));
    let mut head = " ".repeat(first);
    for (name, _, wide) in &columns {
        let _ = write!(head, " {name:>wide$}");
    }
    let _ = writeln!(out, "{}", style.dim(&head));
    for (label, cell) in rows {
        let label = cut(&clean(&label), if several { style.width } else { first });
        let mut line = if several {
            let _ = writeln!(out, "{label}");
            " ".repeat(first)
        } else {
            format!("{label}{}", " ".repeat(first - width(&label)))
        };
        for (_, cost, wide) in &columns {
            let text = cell.costs.value(*cost).map_or_else(|| "-".to_owned(), |value| short(*cost, value));
            let _ = write!(line, " {}{text}", " ".repeat(wide.saturating_sub(width(&text))));
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
    let key = "CPU time of the server's whole process tree, and the part in user mode; system calls; context switches; \
               time ready to run but waiting for a CPU; TCP segments of both directions; memory that a connection \
               adds; Jain's index of fairness. - could not be measured, the report says why.";
    push_wrapped(out, key, style.width, "", |line| style.dim(line));
}

/// A value in few columns.
fn short(cost: Cost, value: f64) -> String {
    match (cost, value) {
        (Cost::Fairness, value) => format!("{value:.2}"),
        (_, value) if value > 0.0 && value < 0.001 => "~0".to_owned(),
        _ => cost.show(value),
    }
}
