//! A surface with a named row for each thing and one axis across: for bars that add up, and for marks side by side.
//!
//! It must not decide what is drawn, nor shorten a figure: only a name too long for its column is cut.

use super::axis::Axis;
use super::canvas::{HPos, VPos, block, class, document, layer, line, marker, text};
use crate::show::layout::cut;
use maud::Markup;
use std::fmt::Write as _;

const WIDTH: i32 = 1200;
const LEFT: i32 = 430;
const RIGHT: i32 = WIDTH - 52;
const TOP: i32 = 20;
const BELOW: i32 = 120;
/// Characters of a name that fit into the column before the frame.
const NAME: usize = 21;
/// Series of one row stand on so many lanes, so that marks on top of each other can be seen.
const LANES: usize = 5;

/// A drawing in the making.
pub(super) struct Rows {
    axis: Axis,
    height: i32,
    bottom: i32,
    body: String,
}

impl Rows {
    /// A frame with a row of `height` for each name, and the axis with its ticks and what it shows.
    pub(super) fn new(names: &[&str], height: i32, axis: Axis, ticks: &[(f64, String)], label: &str) -> Self {
        let bottom = TOP + height * names.len() as i32;
        let mut rows = Self { axis, height, bottom, body: String::new() };
        let grid = layer(|backend| {
            ticks.iter().for_each(|(at, _)| {
                let x = rows.across(*at);
                line(backend, (x, TOP), (x, bottom), 1);
            });
            for row in 1..names.len() as i32 {
                line(backend, (LEFT, TOP + row * height), (RIGHT, TOP + row * height), 1);
            }
        });
        let edge = layer(|backend| line(backend, (LEFT, TOP), (LEFT, bottom), 2));
        let labels = layer(|backend| {
            for (at, name) in names.iter().enumerate() {
                let middle = rows.middle(at);
                text(backend, &cut(name, NAME), (LEFT - 16, middle), HPos::Right, VPos::Center);
            }
            for (at, label) in ticks {
                text(backend, label, (rows.across(*at), bottom + 10), HPos::Center, VPos::Top);
            }
            text(backend, label, ((LEFT + RIGHT) / 2, bottom + 62), HPos::Center, VPos::Top);
        });
        rows.group("grid", &grid);
        rows.group("edge", &edge);
        rows.group("labels", &labels);
        rows
    }

    fn group(&mut self, class: &str, content: &str) {
        let _ = writeln!(self.body, "<g class=\"{class}\">\n{content}</g>");
    }

    fn across(&self, value: f64) -> i32 {
        LEFT + (f64::from(RIGHT - LEFT) * self.axis.place(value)).round() as i32
    }

    fn middle(&self, row: usize) -> i32 {
        TOP + self.height * row as i32 + self.height / 2
    }

    /// A bar in a row from one figure to another; `part` is its class. One too short to be seen is one unit wide.
    pub(super) fn bar(&mut self, row: usize, part: &str, from: f64, to: f64) {
        let (left, right, middle) = (self.across(from), self.across(to), self.middle(row));
        let half = self.height * 3 / 10;
        let drawn =
            layer(|backend| block(backend, (left, middle - half), (right.max(left + 1), middle + half)));
        self.group(part, &drawn);
    }

    /// A mark of a series in a row.
    pub(super) fn mark(&mut self, row: usize, series: usize, value: f64) {
        self.standing(row, series, value, true);
    }

    /// The same, filled or hollow.
    pub(super) fn standing(&mut self, row: usize, series: usize, value: f64, filled: bool) {
        let at = (self.across(value), self.lane(row, series));
        let drawn = layer(|backend| marker(backend, series, at));
        let hollow = if filled { "" } else { " hollow" };
        self.group(&format!("mark {}{hollow}", class(series)), &drawn);
    }

    /// An interval of a series in a row.
    pub(super) fn interval(&mut self, row: usize, series: usize, low: f64, high: f64) {
        let (left, right, y) = (self.across(low), self.across(high), self.lane(row, series));
        let drawn = layer(|backend| line(backend, (left, y), (right.max(left + 1), y), 4));
        self.group(&format!("whisker {}", class(series)), &drawn);
    }

    /// One of many figures of a series, in the middle of a row of its own.
    pub(super) fn dot(&mut self, row: usize, series: usize, value: f64) {
        let at = (self.across(value), self.middle(row));
        let drawn = layer(|backend| marker(backend, series, at));
        self.group(&format!("mark one {}", class(series)), &drawn);
    }

    fn lane(&self, row: usize, series: usize) -> i32 {
        let lane = (series % LANES) as i32 - LANES as i32 / 2;
        self.middle(row) + lane * self.height / (LANES as i32 + 2)
    }

    /// A rule from top to bottom: a limit that the figures are held against.
    pub(super) fn rule(&mut self, value: f64) {
        let (x, bottom) = (self.across(value), self.bottom);
        let drawn = layer(|backend| line(backend, (x, TOP), (x, bottom), 3));
        self.group("bound", &drawn);
    }

    /// The finished picture; `id` must be unique in the page.
    pub(super) fn finish(self, id: &str, title: &str, description: &str) -> Markup {
        document((WIDTH, self.bottom + BELOW), id, (title, description), &self.body)
    }
}
