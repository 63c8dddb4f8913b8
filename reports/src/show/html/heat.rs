//! The maps of response time over the window, one for each model of a workload on the same axes.

use super::element::{Field, Row, figure, ordered_table, shade};
use super::model::named;
use crate::cells::cell::{Cell, band_ends_ns};
use crate::rules::workload::Workload;
use crate::show::plot::{Column, LEVELS, columns, heat};
use crate::show::units;
use maud::{Markup, Render as _, html};

const TITLE: &str = "Response time over the window, model by model";

/// All maps of a workload; `id` begins the fragment names in them.
pub(super) fn maps(workload: &Workload, series: &impl Fn(&str) -> usize, id: &str) -> Markup {
    let maps: Vec<(&Cell, Vec<Column>)> = workload
        .cells
        .iter()
        .filter_map(|cell| Some((cell, columns(&cell.merged.as_ref()?.moments))))
        .filter(|(_, columns)| columns.iter().any(|column| !column.bands.is_empty()))
        .collect();
    let bands = || maps.iter().flat_map(|(_, columns)| columns).flat_map(|column| column.bands.keys());
    let (Some(low), Some(high)) = (bands().min().copied(), bands().max().copied()) else {
        return html! { p.note { (TITLE) ": nothing to draw, the records hold no time slices." } };
    };
    let panel = |at: usize, cell: &Cell, columns: &[Column]| {
        let title = format!("{TITLE}: {}, {}", cell.model, workload.scenario.name);
        let description = format!(
            "A map of counts: time across, response time up, darker where more replies of {} lie.",
            cell.model
        );
        let window_ns = workload.scenario.window_ns() as f64;
        let svg = heat(columns, (low, high), window_ns, &format!("{id}-h{at}"), (&title, &description));
        html! { div.panel { p { (named(series(&cell.model), &cell.model)) } (svg) } }
    };
    let panels = html! {
        div.panels { @for (at, (cell, columns)) in maps.iter().enumerate() { (panel(at, cell, columns)) } }
    };
    let caption = html! {
        "All rounds together, on the same axes: time across, response time up, each factor of ten in five. A level band is \
         steady; a stall is a hole with a spike behind it. Requests never answered are not here. The shade is the share of \
         the replies of that moment:"
        @for (level, (_, words)) in LEVELS.iter().enumerate() { " " (shade(&format!("h{level}"), words)) }
    };
    let data = data(workload, &maps, (low, high));
    html! { details.more { summary { (TITLE) } (figure(TITLE, &caption, &panels, &data)) } }
}

/// A row for each model and moment: replies by band.
fn data(workload: &Workload, maps: &[(&Cell, Vec<Column>)], (low, high): (i32, i32)) -> Markup {
    let bands = (low..=high).map(|band| format!("to {}", units::time(band_ends_ns(band).1)));
    let heads: Vec<String> = ["model", "at"].map(str::to_owned).into_iter().chain(bands).collect();
    let window_ns = workload.scenario.window_ns() as f64;
    let row = |cell: &Cell, column: &Column| {
        let middle = (column.from + column.to) / 2.0 * window_ns;
        let count = |band: i32| column.bands.get(&band).map_or_else(String::new, |n| units::grouped(*n));
        let fields = [Field::text(units::time(middle))].into_iter();
        (cell.model.render(), fields.chain((low..=high).map(|band| Field::text(count(band)))).collect())
    };
    let rows: Vec<Row> =
        maps.iter().flat_map(|(cell, columns)| columns.iter().map(|column| row(cell, column))).collect();
    let label = format!("Replies by moment and response time of {}", workload.scenario.name);
    ordered_table(&label, &heads, &rows)
}
