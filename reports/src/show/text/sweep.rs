//! Sweeps on a terminal: the answer in sentences, a table along the axis, knees, laws and capacities.

use super::grid::{Column, Grid};
use super::style::Style;
use crate::record::Axis;
use crate::rules::sweep::{self, Curve, Sweep};
use crate::rules::verdict::Place;
use crate::rules::workload::Workload;
use crate::show::layout::{clean, cut, left, push_wrapped, width, wrap};
use crate::show::units;
use crate::show::words::sweep::NO_CORES;
use std::fmt::Write as _;

/// How many there are, to stand behind the number of workloads; empty for none.
pub(super) fn count(sweeps: &[Sweep]) -> String {
    match sweeps.len() as u64 {
        0 => String::new(),
        count => format!(", {}", units::plural(count, "sweep")),
    }
}

/// The summary of every sweep of a run.
pub(super) fn sweeps(out: &mut String, sweeps: &[Sweep], style: Style) {
    for sweep in sweeps {
        let _ = writeln!(out, "\n{}", style.bold(&clean(&sweep.title())));
        for sentence in sweep.answer() {
            push_wrapped(out, &sentence, style.width, "  → ", |line| style.good(line));
        }
        for line in sweep.places(true) {
            push_wrapped(out, &line, style.width, "  ", |line| style.dim(line));
        }
        if sweep.withheld {
            continue;
        }
        capacities(out, sweep, style);
        if !sweep.searched {
            figures(out, sweep, style);
        }
        laws(out, sweep, style);
    }
}

fn capacities(out: &mut String, sweep: &Sweep, style: Style) {
    let Some(capacities) = &sweep.capacity else { return };
    let names = capacities.models.iter().map(|one| width(&clean(&one.model))).max().unwrap_or(0).min(24);
    for one in &capacities.models {
        let behind = match one.behind() {
            text if text.is_empty() => String::new(),
            text if one.wins => format!(", tied: {text}"),
            text => format!(", behind by {text}"),
        };
        let head = format!("    {:names$}  ", cut(&clean(&one.model), names));
        let text = format!("{}{behind}", one.brief(capacities.axis));
        // The name stands before the first line, blanks before the others.
        for (at, line) in wrap(&clean(&text), style.width, &" ".repeat(width(&head))).iter().enumerate() {
            let line = if at == 0 { format!("{head}{}", line.trim_start()) } else { line.clone() };
            let _ = writeln!(out, "{}", if one.wins { style.good(&line) } else { line });
        }
    }
}

/// The figure of merit at each point, the best marked.
fn figures(out: &mut String, sweep: &Sweep, style: Style) {
    let Some(first) = sweep.points.first() else { return };
    let merit = first.scenario.merit;
    let beyond = match sweep.points.iter().any(|point| sweep.beyond(point)) {
        true => "; unmarked where no model keeps up",
        false => "",
    };
    let title = format!(
        "{} at each point; * first, = equal to it, ≈ near it, ~ not told apart{beyond}",
        merit.label()
    );
    push_wrapped(out, &title, style.width, "  ", |line| style.dim(line));
    let cell = |curve: &Curve, point: &Workload| {
        let place = point.verdict.standing(&curve.model).filter(|one| point.verdict.wins(&one.model));
        let mark = match place.map(|standing| standing.place) {
            _ if sweep.beyond(point) => " ",
            Some(Place::Leader) => "*",
            Some(Place::Equal(_)) => "=",
            Some(Place::Near(_)) => "≈",
            Some(_) => "~",
            None => " ",
        };
        (format!("{}{mark}", figure(point, &curve.model)), false)
    };
    let column = |point: &Workload| {
        let head = format!("{} ", sweep.axis.bare(sweep::value(point)));
        Column::new(vec![head], sweep.curves.iter().map(|curve| cell(curve, point)).collect())
    };
    let names = sweep.models.iter().map(|model| width(&clean(model))).max().unwrap_or(0).min(style.width / 4);
    let name = |text: &str| format!("  {}", left(&cut(&clean(text), names), names));
    let grid = Grid {
        names: sweep.curves.iter().map(|curve| name(&curve.model)).collect(),
        lead: 2 + names,
        corner: name(sweep.axis.name()),
        columns: sweep.points.iter().map(column).collect(),
    };
    grid.push(out, style);
}

fn figure(point: &Workload, model: &str) -> String {
    let merit = point.scenario.merit;
    let figure = point.cell(model).and_then(|cell| cell.value(merit));
    figure.map_or_else(|| "-".to_owned(), |figure| merit.show(figure))
}

fn laws(out: &mut String, sweep: &Sweep, style: Style) {
    if matches!(sweep.axis, Axis::Idle | Axis::Room) || sweep.searched {
        return;
    }
    let told = |curve: &Curve| match sweep.axis {
        Axis::Cores => curve.fit.sentence(sweep.axis),
        axis => format!("knee {}; {}", curve.knee.brief(axis), curve.fit.sentence(axis)),
    };
    // What holds for all of them is told once: of a coarse curve that there are too few blocks.
    let alike = sweep.curves.windows(2).all(|pair| told(&pair[0]) == told(&pair[1]));
    for curve in sweep.curves.iter().take(if alike { 1 } else { usize::MAX }) {
        let name = if alike { "all models" } else { &curve.model };
        push_wrapped(out, &format!("{name}: {}", told(curve)), style.width, "  ", |line| style.dim(line));
    }
    if sweep.axis == Axis::Clients {
        push_wrapped(out, NO_CORES, style.width, "  ", |line| style.dim(line));
    }
}
