//! Marks of all models in a row for each workload: one figure over all workloads at a glance.

use super::axis::Axis;
use super::rows::Rows;
use maud::Markup;

/// A row: its name, and the name and figure of each model that has one.
pub(crate) struct Row<'a> {
    pub(crate) name: &'a str,
    pub(crate) marks: Vec<(&'a str, f64)>,
}

/// What is drawn and how.
pub(crate) struct Dots<'a> {
    pub(crate) title: &'a str,
    pub(crate) axis_label: &'a str,
    /// On a linear axis from 0 to this; on a logarithmic one when absent.
    pub(crate) up_to: Option<f64>,
    /// A rule to hold the figures against.
    pub(crate) rule: Option<f64>,
}

/// The picture; `None` when no row has a figure that the axis can show.
pub(crate) fn dots(
    rows: &[Row<'_>],
    what: &Dots<'_>,
    series: impl Fn(&str) -> usize,
    show: impl Fn(f64) -> String,
    id: &str,
) -> Option<Markup> {
    let all = || rows.iter().flat_map(|row| &row.marks).map(|(_, value)| *value);
    let axis = match what.up_to {
        Some(end) => {
            all().next()?;
            Axis::exactly(0.0, end)
        }
        None => Axis::logarithmic(all())?,
    };
    let ticks: Vec<_> = axis.ticks(3).into_iter().map(|at| (at, show(at))).collect();
    let names: Vec<&str> = rows.iter().map(|row| row.name).collect();
    let mut drawn = Rows::new(&names, 92, axis, &ticks, what.axis_label);
    if let Some(rule) = what.rule {
        drawn.rule(rule);
    }
    for (at, row) in rows.iter().enumerate() {
        row.marks.iter().for_each(|(model, value)| drawn.mark(at, series(model), *value));
    }
    let description = format!("{}: a row for each workload, a mark for each model.", what.title);
    let title = format!("{}, over all workloads", what.title);
    Some(drawn.finish(id, &title, &description))
}
