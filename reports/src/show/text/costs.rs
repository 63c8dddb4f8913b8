//! What a request costs, in one table: of every model where there is one workload, of the best model of each where there
//! are several. The report has all of it.
//!
//! It must not show an absent figure as a number.

use super::grid::{Column, Grid};
use super::style::Style;
use crate::analysis::Analysis;
use crate::cells::cell::Cell;
use crate::record::Metric;
use crate::show::layout::{clean, cut, left, push_wrapped, width};

/// The columns, the most telling first, each with what a reader should know of it.
const COLUMNS: [(Metric, &str); 10] = [
    (Metric::CpuPerRequest, "CPU time of the server's whole process tree"),
    (Metric::FullHandshakes, "full handshakes of TLS per second"),
    (Metric::ResumedHandshakes, "handshakes per second that resumed a session"),
    (Metric::UserCpuPerRequest, "the part of it in user mode"),
    (Metric::SystemCallsPerRequest, "system calls"),
    (Metric::SwitchesPerRequest, "context switches"),
    (Metric::RunDelayPerRequest, "time ready to run but waiting for a CPU"),
    (Metric::SegmentsPerRequest, "TCP segments of both directions"),
    (Metric::MemoryPerConnection, "memory that a connection adds"),
    (Metric::Fairness, "Jain's index of fairness"),
];

/// Appends the table, if any model of it has been measured.
pub(super) fn costs(out: &mut String, analysis: &Analysis, style: Style) {
    let several = analysis.workloads.len() > 1;
    let rows: Vec<(String, &Cell)> = analysis
        .workloads
        .iter()
        .filter(|workload| !several || !workload.verdict.winners.is_empty())
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
    let lead = if several { 2 } else { longest.clamp(8, 20) };
    let column = |metric: &Metric| {
        let figure =
            |cell: &Cell| cell.value(*metric).map_or_else(|| "-".to_owned(), |value| short(*metric, value));
        Column::new(
            vec![metric.short().to_owned()],
            rows.iter().map(|(_, cell)| (figure(cell), false)).collect(),
        )
    };
    let measured = |metric: &Metric| rows.iter().any(|(_, cell)| cell.value(*metric).is_some());
    let columns: Vec<(Metric, &str)> = COLUMNS.into_iter().filter(|(metric, _)| measured(metric)).collect();
    let name = |label: &str| match several {
        true => format!("{}\n{}", cut(&clean(label), style.width), " ".repeat(lead)),
        false => left(&cut(&clean(label), lead), lead),
    };
    let mut grid = Grid {
        names: rows.iter().map(|(label, _)| name(label)).collect(),
        lead,
        corner: String::new(),
        columns: columns.iter().map(|(metric, _)| column(metric)).collect(),
    };
    if rows.is_empty() || grid.columns.is_empty() {
        return;
    }
    grid.columns.truncate(grid.fitting(style.width));
    let of = if several { "What a request costs the best of each workload" } else { "What a request costs" };
    out.push('\n');
    push_wrapped(out, of, style.width, "", |line| style.bold(line));
    grid.push(out, style);
    let shown: Vec<&str> = columns.iter().take(grid.columns.len()).map(|(_, what)| *what).collect();
    let key = format!("{}. - could not be measured, the report says why.", shown.join("; "));
    push_wrapped(out, &key, style.width, "", |line| style.dim(line));
}

/// A value in few columns.
fn short(cost: Metric, value: f64) -> String {
    match (cost, value) {
        (Metric::Fairness, value) => format!("{value:.2}"),
        (_, value) if value.is_infinite() => "never".to_owned(),
        (_, value) if value > 0.0 && value < 0.001 => "~0".to_owned(),
        _ => cost.show(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::analyse;
    use crate::sample::{self, Spec};

    fn shown(width: usize) -> String {
        let mut out = String::new();
        let analysis = analyse(&sample::bundle(&Spec { rounds: 6, scenarios: 1, ..Spec::default() }));
        costs(&mut out, &analysis, Style { width, colour: false });
        out.replace('\n', " ")
    }

    #[test]
    fn the_key_explains_the_columns_that_are_there() {
        let (wide, narrow) = (shown(200), shown(40));
        for (metric, what) in COLUMNS {
            assert_eq!(wide.contains(metric.short()), wide.contains(what), "{what}: {wide}");
            assert_eq!(narrow.contains(metric.short()), narrow.contains(what), "{what}: {narrow}");
        }
        assert!(wide.contains("fairness") && !narrow.contains("fairness"), "{narrow}");
    }
}
