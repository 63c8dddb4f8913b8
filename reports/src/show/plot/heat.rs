//! Response time over the window as a map of counts: when how many replies took how long. A stall that hits one request in
//! a thousand shows here and in no mean.
//!
//! The cells of one shade are one path, written here: an element for each would make the page several times larger.

use super::axis::Axis;
use super::canvas::{HPos, VPos, document, layer, line, text};
use crate::cells::cell::{Moment, band_ends_ns};
use crate::show::units;
use maud::Markup;
use std::collections::BTreeMap;
use std::fmt::Write as _;

const WIDTH: i32 = 720;
const HEIGHT: i32 = 400;
const LEFT: i32 = 156;
const RIGHT: i32 = WIDTH - 20;
const TOP: i32 = 24;
const BOTTOM: i32 = HEIGHT - 66;

/// The share of a slice's replies from which on a cell has a shade, lightest first, and the words for it.
pub(crate) const LEVELS: [(f64, &str); 5] = [
    (0.0, "under 0.1 %"),
    (0.001, "0.1 % or more"),
    (0.01, "1 % or more"),
    (0.1, "10 % or more"),
    (0.4, "40 % or more"),
];

/// Most columns of a map; more slices are put together.
pub(crate) const MOST_COLUMNS: usize = 40;

/// A column: where it begins and ends as shares of the window, and the replies by band.
pub(crate) struct Column {
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) bands: BTreeMap<i32, u64>,
}

/// The columns of a model's moments, at most [`MOST_COLUMNS`]; slices are equal, in order.
pub(crate) fn columns(moments: &[Moment]) -> Vec<Column> {
    let (slices, together) = (moments.len() as f64, moments.len().div_ceil(MOST_COLUMNS).max(1));
    let column = |(at, part): (usize, &[Moment])| {
        let mut bands = BTreeMap::new();
        for (band, count) in part.iter().flat_map(|moment| &moment.bands) {
            *bands.entry(*band).or_insert(0) += count;
        }
        let from = (at * together) as f64;
        Column { from: from / slices, to: (from + part.len() as f64) / slices, bands }
    };
    moments.chunks(together).enumerate().map(column).collect()
}

/// The map of one model. `bands` are the lowest and highest of the workload, so that all its maps share their axes.
pub(crate) fn heat(
    columns: &[Column],
    bands: (i32, i32),
    window_ns: f64,
    id: &str,
    words: (&str, &str),
) -> Markup {
    let (low, high) = (f64::from(bands.0), f64::from(bands.1 + 1));
    let down = |band: f64| BOTTOM - (f64::from(BOTTOM - TOP) * (band - low) / (high - low)).round() as i32;
    let across = |share: f64| LEFT + (f64::from(RIGHT - LEFT) * share).round() as i32;
    let mut paths = [const { String::new() }; LEVELS.len()];
    for column in columns {
        let replies: u64 = column.bands.values().sum();
        let (left, width) = (across(column.from), across(column.to) - across(column.from));
        for (band, count) in &column.bands {
            let share = *count as f64 / replies.max(1) as f64;
            let level = LEVELS.iter().rposition(|(from, _)| share >= *from).unwrap_or(0);
            let (bottom, top) = (down(f64::from(*band)), down(f64::from(band + 1)));
            let _ = write!(paths[level], "M{left} {top}h{width}v{}h-{width}z", bottom - top);
        }
    }
    let mut body = String::new();
    for (level, path) in paths.iter().enumerate().filter(|(_, path)| !path.is_empty()) {
        let _ = writeln!(body, "<path class=\"h{level}\" d=\"{path}\"/>");
    }
    let y = Axis::logarithmic([band_ends_ns(bands.0).0, band_ends_ns(bands.1).1]);
    let ticks = y.map(|axis| axis.ticks(3)).unwrap_or_default();
    // Positions are by band, so that the labels fit the cells exactly.
    let at = |ns: f64| down(low + (high - low) * (ns / band_ends_ns(bands.0).0).ln() / ratio(bands).ln());
    let inside: Vec<f64> = ticks.into_iter().filter(|ns| (TOP..=BOTTOM).contains(&at(*ns))).collect();
    let edge = layer(|backend| line(backend, (LEFT, BOTTOM), (RIGHT, BOTTOM), 2));
    let labels = layer(|backend| {
        for ns in inside {
            text(backend, &units::time(ns), (LEFT - 10, at(ns)), HPos::Right, VPos::Center);
        }
        text(backend, "0", (LEFT, BOTTOM + 10), HPos::Left, VPos::Top);
        text(backend, &units::time(window_ns), (RIGHT, BOTTOM + 10), HPos::Right, VPos::Top);
    });
    let _ = writeln!(body, "<g class=\"edge\">{edge}</g>\n<g class=\"labels\">{labels}</g>");
    document((WIDTH, HEIGHT), id, words, &body)
}

/// How many times longer the end of the highest band is than the begin of the lowest.
fn ratio(bands: (i32, i32)) -> f64 {
    band_ends_ns(bands.1).1 / band_ends_ns(bands.0).0
}
