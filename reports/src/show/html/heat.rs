//! The maps of response time over the window, one for each model of a workload on the same axes.

use super::workload::name;
use super::{Field, escape, table};
use crate::analysis::Workload;
use crate::cells::cell::{Cell, band_ends_ns};
use crate::show::plot::{Column, LEVELS, columns, heat};
use crate::show::units;
use std::fmt::Write as _;

/// All maps of a workload; `id` begins the fragment names in them.
pub(super) fn maps(workload: &Workload, series: &impl Fn(&str) -> usize, id: &str) -> String {
    let title = "Response time over the window, model by model";
    let maps: Vec<(&Cell, Vec<Column>)> = workload
        .cells
        .iter()
        .filter_map(|cell| Some((cell, columns(&cell.merged.as_ref()?.moments))))
        .filter(|(_, columns)| columns.iter().any(|column| !column.bands.is_empty()))
        .collect();
    let bands = || maps.iter().flat_map(|(_, columns)| columns).flat_map(|column| column.bands.keys());
    let (Some(low), Some(high)) = (bands().min().copied(), bands().max().copied()) else {
        return format!("<p class=\"note\">{title}: nothing to draw, the records hold no time slices.</p>\n");
    };
    let window_ns = workload.scenario.window_ns as f64;
    let mut panels = String::new();
    for (at, (cell, columns)) in maps.iter().enumerate() {
        let words = (
            format!("{title}: {}, {}", cell.model, workload.scenario.name),
            format!(
                "A map of counts: time across, response time up, darker where more replies of {} lie.",
                cell.model
            ),
        );
        let svg = heat(columns, (low, high), window_ns, &format!("{id}-h{at}"), (&words.0, &words.1));
        let _ = write!(panels, "<div class=\"panel\">\n<p>{}</p>\n{svg}</div>\n", name(cell, series));
    }
    format!(
        "<details class=\"more\"><summary>{title}</summary>\n<figure>\n<figcaption><b>{title}</b> All rounds together, on the \
         same axes: time across, response time up, each factor of ten in five. A level band is steady; a stall is a \
         hole with a spike behind it. Requests never answered are not here. The shade is the share of the \
         replies of that moment: {}</figcaption>\n<div class=\"panels\">\n{panels}</div>\n<details><summary>Data</summary>\n{}</details>\n\
         </figure>\n</details>\n",
        key(),
        data(workload, &maps, (low, high))
    )
}

/// What the shades mean.
fn key() -> String {
    let item = |(level, (_, words)): (usize, &(f64, &str))| {
        format!("<span class=\"key\"><span class=\"shade h{level}\"></span>{words}</span>")
    };
    LEVELS.iter().enumerate().map(item).collect::<Vec<_>>().join(" ")
}

/// A row for each model and moment: replies by band.
fn data(workload: &Workload, maps: &[(&Cell, Vec<Column>)], (low, high): (i32, i32)) -> String {
    let heads: Vec<String> =
        (low..=high).map(|band| format!("to {}", units::time(band_ends_ns(band).1))).collect();
    let names: Vec<&str> = ["model", "at"].into_iter().chain(heads.iter().map(String::as_str)).collect();
    let window_ns = workload.scenario.window_ns as f64;
    let row = |cell: &Cell, column: &Column| {
        let middle = (column.from + column.to) / 2.0 * window_ns;
        let count = |band: i32| column.bands.get(&band).map_or_else(String::new, |n| units::grouped(*n));
        let fields = [Field::text(units::time(middle))].into_iter();
        (escape(&cell.model), fields.chain((low..=high).map(|band| Field::text(count(band)))).collect())
    };
    let rows: Vec<(String, Vec<Field>)> =
        maps.iter().flat_map(|(cell, columns)| columns.iter().map(|column| row(cell, column))).collect();
    let label = format!("Replies by moment and response time of {}", workload.scenario.name);
    table(&label, &names, &rows).replace(" class=\"sortable\"", "")
}
