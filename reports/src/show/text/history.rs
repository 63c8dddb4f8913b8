//! A history on the terminal, at 80 columns or whatever it has: the runs, a line for each series, the alerts.

use crate::ask::history::series::{History, Series};
use crate::show::layout::{clean, cut, push};
use crate::show::plot::sparkline;
use crate::show::units;
use crate::show::words::history as words;
use std::fmt::Write as _;

/// Changes of an alert that are listed.
const MOST_CHANGES: usize = 12;

/// A table of the runs, the newest first.
pub fn runs(history: &History, columns: usize) -> String {
    if history.entries.is_empty() {
        return "The history holds no run.\n".to_owned();
    }
    // The second and the run's own number: runs without a commit differ in nothing else.
    let mut out = format!(
        "{:<19}  {:<8}  {:<10}  {:<8}  {:>7}  label\n",
        "began (UTC)", "run", "commit", "machine", "figures"
    );
    for entry in history.entries.iter().rev() {
        let moment: String = units::moment(entry.started_unix_ms).chars().take(19).collect();
        let line = format!(
            "{moment:<19}  {:<8}  {:<10}  {:<8}  {:>7}  {}",
            cut(&clean(words::id(entry)), 8),
            cut(&clean(&words::commit(entry)), 10),
            cut(&clean(&entry.machine.fingerprint), 8),
            units::grouped(entry.points.len() as u64),
            clean(entry.label.as_deref().unwrap_or("-")),
        );
        let _ = writeln!(out, "{}", cut(&line, columns));
    }
    let _ =
        writeln!(out, "\n{} in the history. Machines:", units::plural(history.entries.len() as u64, "run"));
    for machine in history.machines() {
        push(&mut out, &machine.words, columns, &format!("  {}  ", clean(&machine.fingerprint)));
    }
    out
}

/// Every series as a line of blocks, under its workload.
pub fn series(history: &History, columns: usize) -> String {
    let mut out = String::new();
    let mut workload = None;
    for series in &history.series {
        if workload != Some(&series.key.scenario) {
            workload = Some(&series.key.scenario);
            let gap = if out.is_empty() { "" } else { "\n" };
            let _ = writeln!(out, "{gap}{}", cut(&clean(&series.key.scenario), columns));
        }
        one(&mut out, history, series, columns);
    }
    if out.is_empty() {
        return "The history holds no figure.\n".to_owned();
    }
    out.push('\n');
    let key = "Each line is the ratio to the reference, run by run, the lowest at the bottom; where there is none, the \
               figure. | is a change point.";
    push(&mut out, key, columns, "");
    push(&mut out, &words::tested(history), columns, "");
    out
}

fn one(out: &mut String, history: &History, series: &Series, columns: usize) {
    let name = format!("{} ({})", words::series(history, series), words::direction(series));
    push(out, &name, columns, "  ");
    let values: Vec<Option<f64>> = match series.key.reference {
        Some(_) => series.samples.iter().map(crate::ask::history::Sample::comparable).collect(),
        None => series.samples.iter().map(|sample| Some(sample.value.median)).collect(),
    };
    let breaks: Vec<usize> = series.changes.iter().map(|change| change.at).collect();
    let newest = words::newest(series);
    let room = columns.saturating_sub(4 + 2 + newest.chars().count()).max(8);
    let _ = writeln!(out, "    {}  {newest}", sparkline(&values, &breaks, room));
    if let Some(change) = series.changes.last() {
        let at = &history.entries[series.samples[change.at].entry];
        let text = format!("{} since {}", words::extent(series, change), words::run(at));
        push(out, &text, columns, "    ");
    }
}

/// The alerts, the newest first.
pub fn alerts(history: &History, columns: usize) -> String {
    let mut out = String::new();
    if history.alerts.is_empty() {
        out.push_str("No change that matters.\n");
    }
    for alert in &history.alerts {
        let what = if words::is_worse(history, alert) { "WORSE" } else { "better" };
        let count = units::plural(alert.changes.len() as u64, "figure");
        let head = format!("{what} {}: {count}", words::range(history, alert));
        push(&mut out, &head, columns, "");
        for (at, which) in alert.changes.iter().take(MOST_CHANGES) {
            let series = &history.series[*at];
            let change = &series.changes[*which];
            let text = format!(
                "{}: {}, {} (ratio {} to {}, p {:.3} of no change)",
                series.key.scenario,
                words::series(history, series),
                words::extent(series, change),
                units::quantity(change.before),
                units::quantity(change.after),
                change.p
            );
            push(&mut out, &text, columns, "  - ");
        }
        if alert.changes.len() > MOST_CHANGES {
            let _ = writeln!(
                out,
                "  and {} more; `bakeoff history plot` shows all",
                alert.changes.len() - MOST_CHANGES
            );
        }
        out.push('\n');
    }
    let note =
        "An alert is where to look, not a verdict: compare the two builds in one run before acting on it.";
    push(&mut out, note, columns, "");
    push(&mut out, &words::tested(history), columns, "");
    out
}
