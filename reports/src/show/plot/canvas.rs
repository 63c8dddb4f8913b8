//! The surface: frame, grid, labels, series. The only file that talks to plotters; the other surfaces, of rows and of
//! panels, draw through it.

use super::axis::Axis;
use super::series::LAP;
use maud::{Markup, PreEscaped, html};
use plotters::backend::{DrawingBackend, SVGBackend};
use plotters::style::text_anchor::Pos;
pub(super) use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, IntoFont, RGBColor, ShapeStyle, TextStyle};
use std::fmt::Write as _;

/// Size of a picture in its own units.
const WIDTH: i32 = 1200;
const HEIGHT: i32 = 820;
/// The frame inside it.
const LEFT: i32 = 168;
const RIGHT: i32 = WIDTH - 44;
const TOP: i32 = 104;
const BOTTOM: i32 = HEIGHT - 118;
/// The strip above the frame for what has no finite place.
const NEVER: i32 = 72;
const LABEL: i32 = 38;

/// Different markers; series beyond wrap around with another colour and dash.
const MARKERS: usize = 6;

/// The marker of a series. After [`LAP`] series a colour would meet its first marker again, so there the markers move by one.
pub(super) fn marker_of(series: usize) -> usize {
    (series + series / LAP) % MARKERS
}

/// The classes of a series: one of the eight colours and dashes of the style sheet, and one of its own, by which the
/// page's script finds it everywhere.
pub(super) fn class(series: usize) -> String {
    format!("s{} m{series}", series % 8)
}

/// A drawing in the making.
pub(super) struct Canvas {
    x: Axis,
    y: Axis,
    body: String,
}

impl Canvas {
    /// A frame with grid lines and labels at the given ticks, and what the axes show.
    pub(super) fn new(x: (Axis, &[(f64, String)], &str), y: (Axis, &[(f64, String)], &str)) -> Self {
        let mut canvas = Self { x: x.0, y: y.0, body: String::new() };
        let grid = layer(|backend| {
            for (at, _) in x.1 {
                let x = canvas.across(*at);
                line(backend, (x, TOP), (x, BOTTOM), 1);
            }
            for (at, _) in y.1 {
                let y = canvas.down(*at);
                line(backend, (LEFT, y), (RIGHT, y), 1);
            }
        });
        let edge = layer(|backend| line(backend, (LEFT, BOTTOM), (RIGHT, BOTTOM), 2));
        let labels = layer(|backend| {
            for (at, label) in x.1 {
                text(backend, label, (canvas.across(*at), BOTTOM + 12), HPos::Center, VPos::Top);
            }
            for (at, label) in y.1 {
                text(backend, label, (LEFT - 14, canvas.down(*at)), HPos::Right, VPos::Center);
            }
            text(backend, x.2, ((LEFT + RIGHT) / 2, HEIGHT - 50), HPos::Center, VPos::Top);
            text(backend, y.2, (6, 4), HPos::Left, VPos::Top);
        });
        canvas.group("grid", &grid);
        canvas.group("edge", &edge);
        canvas.group("labels", &labels);
        canvas
    }

    fn group(&mut self, class: &str, content: &str) {
        let _ = writeln!(self.body, "<g class=\"{class}\">\n{content}</g>");
    }

    fn across(&self, value: f64) -> i32 {
        LEFT + (f64::from(RIGHT - LEFT) * self.x.place(value)).round() as i32
    }

    /// Infinite figures have their place above the frame.
    fn down(&self, value: f64) -> i32 {
        if value.is_infinite() {
            NEVER
        } else {
            BOTTOM - (f64::from(BOTTOM - TOP) * self.y.place(value)).round() as i32
        }
    }

    /// A line through the points, with a marker at every `every`th of them; infinite ones lie above the frame.
    pub(super) fn series(&mut self, series: usize, points: &[(f64, f64)], every: usize) {
        let points: Vec<(i32, i32)> = points.iter().map(|(x, y)| (self.across(*x), self.down(*y))).collect();
        let drawn = layer(|backend| {
            let style = stroke(4);
            backend.draw_path(points.iter().copied(), &style).expect("drawing into memory cannot fail");
        });
        // Stagger the markers, so that series on top of each other can all be seen.
        let markers = layer(|backend| {
            points
                .iter()
                .skip(series * 2 % every.max(1))
                .step_by(every.max(1))
                .for_each(|at| marker(backend, series, *at));
        });
        self.group(&format!("line {}", class(series)), &drawn);
        self.group(&format!("mark {}", class(series)), &markers);
    }

    /// Markers alone.
    pub(super) fn points(&mut self, series: usize, points: &[(f64, f64)]) {
        let markers = layer(|backend| {
            points.iter().for_each(|(x, y)| marker(backend, series, (self.across(*x), self.down(*y))));
        });
        self.group(&format!("mark {}", class(series)), &markers);
    }

    /// A thin line without markers, for what was fitted and not measured.
    pub(super) fn fitted(&mut self, series: usize, points: &[(f64, f64)]) {
        let points: Vec<(i32, i32)> = points.iter().map(|(x, y)| (self.across(*x), self.down(*y))).collect();
        let drawn = layer(|backend| {
            backend.draw_path(points.iter().copied(), &stroke(3)).expect("drawing into memory cannot fail");
        });
        self.group(&format!("line fit {}", class(series)), &drawn);
    }

    /// Intervals as upright lines: place across, low, high.
    pub(super) fn whiskers(&mut self, series: usize, intervals: &[(f64, f64, f64)]) {
        let drawn = layer(|backend| {
            for (x, low, high) in intervals {
                line(backend, (self.across(*x), self.down(*low)), (self.across(*x), self.down(*high)), 3);
            }
        });
        self.group(&format!("line whole {}", class(series)), &drawn);
    }

    /// A ring around a point.
    pub(super) fn ring(&mut self, series: usize, (x, y): (f64, f64)) {
        let at = (self.across(x), self.down(y));
        let drawn = layer(|backend| {
            backend.draw_circle(at, 26, &stroke(4), false).expect("drawing into memory cannot fail");
        });
        self.group(&format!("line whole {}", class(series)), &drawn);
    }

    /// A bar along the horizontal axis from its low end to `value`, with its interval and a text above it; `y` is its middle
    /// and `half` half its thickness, both on the vertical axis.
    pub(super) fn bar(
        &mut self,
        series: usize,
        (y, half): (f64, f64),
        value: f64,
        ends: (f64, f64),
        label: &str,
    ) {
        let (top, bottom) = (self.down(y + half), self.down(y - half));
        let (middle, to) = (self.down(y), self.across(value));
        let body = layer(|backend| {
            let style = ShapeStyle { filled: true, ..stroke(0) };
            backend
                .draw_rect((LEFT, top), (to, bottom), &style, true)
                .expect("drawing into memory cannot fail");
        });
        let interval = layer(|backend| {
            line(backend, (self.across(ends.0), middle), (self.across(ends.1), middle), 4);
            for end in [ends.0, ends.1] {
                line(backend, (self.across(end), middle - 12), (self.across(end), middle + 12), 4);
            }
        });
        let name = layer(|backend| text(backend, label, (LEFT + 8, top - 4), HPos::Left, VPos::Bottom));
        self.group(&format!("bar {}", class(series)), &body);
        self.group("edge", &interval);
        self.group("labels", &name);
    }

    /// An area between two places across and two figures, by its class; to be drawn before what lies on it.
    pub(super) fn band(&mut self, kind: &str, across: (f64, f64), figures: (f64, f64)) {
        let (left, right) = (self.across(across.0), self.across(across.1));
        let (top, bottom) = (self.down(figures.1), self.down(figures.0));
        let drawn = layer(|backend| block(backend, (left, top), (right, bottom.max(top + 1))));
        self.group(kind, &drawn);
    }

    /// An interval as an area with a line at its middle figure, from one place across to another.
    pub(super) fn interval(&mut self, series: usize, across: (f64, f64), ends: (f64, f64), middle: f64) {
        self.band(&format!("span {}", class(series)), across, ends);
        let (left, right, y) = (self.across(across.0), self.across(across.1), self.down(middle));
        let drawn = layer(|backend| line(backend, (left, y), (right, y), 5));
        self.group(&format!("line whole {}", class(series)), &drawn);
    }

    /// Says that the strip above the frame means "never answered".
    pub(super) fn label_never(&mut self) {
        let label = layer(|backend| text(backend, "never answered", (RIGHT, 4), HPos::Right, VPos::Top));
        let rule = layer(|backend| line(backend, (LEFT, TOP - 10), (RIGHT, TOP - 10), 2));
        self.group("labels", &label);
        self.group("never", &rule);
    }

    /// A rule across the frame with a label at its left end: a limit that the figures are held against.
    pub(super) fn rule_across(&mut self, value: f64, label: &str) {
        let y = self.down(value);
        let rule = layer(|backend| line(backend, (LEFT, y), (RIGHT, y), 3));
        let label = layer(|backend| text(backend, label, (LEFT + 10, y - 4), HPos::Left, VPos::Bottom));
        self.group("bound", &rule);
        self.group("labels", &label);
    }

    /// A rule up the frame with a label to its left, the `nth` of its kind: later labels stand higher.
    pub(super) fn rule_up(&mut self, nth: i32, value: f64, label: &str) {
        let x = self.across(value);
        let rule = layer(|backend| line(backend, (x, TOP), (x, BOTTOM), 3));
        let at = (x - 8, BOTTOM - 10 - 44 * nth);
        let label = layer(|backend| text(backend, label, at, HPos::Right, VPos::Bottom));
        self.group("bound", &rule);
        self.group("labels", &label);
    }

    /// A rule up the frame with a label above it that ends or begins there: when something happened.
    pub(super) fn event(&mut self, value: f64, label: &str, anchor: HPos) {
        let x = self.across(value);
        let rule = layer(|backend| line(backend, (x, TOP - 44), (x, BOTTOM), 3));
        let beside = if matches!(anchor, HPos::Right) { -8 } else { 8 };
        let label = layer(|backend| text(backend, label, (x + beside, TOP - 8), anchor, VPos::Bottom));
        self.group("bound", &rule);
        self.group("labels", &label);
    }

    /// The finished picture; `id` must be unique in the page.
    pub(super) fn finish(self, id: &str, title: &str, description: &str) -> Markup {
        document((WIDTH, HEIGHT), id, (title, description), &self.body)
    }
}

/// A picture of this size around its content, with its title and description; `id` must be unique in the page.
pub(super) fn document((width, height): (i32, i32), id: &str, words: (&str, &str), body: &str) -> Markup {
    let (title, description) = (format!("{id}-t"), format!("{id}-d"));
    html! {
        svg.plot viewBox={ "0 0 " (width) " " (height) } role="img" aria-labelledby={ (title) " " (description) } {
            title id=(title) { (words.0) }
            desc id=(description) { (words.1) }
            (PreEscaped(body))
        }
        "\n"
    }
}

/// The marker and dash of a series, to stand before its name.
pub(crate) fn swatch(series: usize) -> Markup {
    let line = layer(|backend| line(backend, (2, 14), (58, 14), 5));
    let mark = layer(|backend| marker(backend, series, (30, 14)));
    let class = class(series);
    html! {
        svg.swatch viewBox="0 0 60 28" aria-hidden="true" {
            g class={ "line " (class) } { (PreEscaped(line)) }
            g class={ "mark " (class) } { (PreEscaped(mark)) }
        }
    }
}

/// What `draw` makes with plotters, without the document around it.
pub(super) fn layer(draw: impl FnOnce(&mut SVGBackend<'_>)) -> String {
    let mut document = String::new();
    {
        let mut backend = SVGBackend::with_string(&mut document, (WIDTH as u32, HEIGHT as u32));
        draw(&mut backend);
        backend.present().expect("drawing into memory cannot fail");
    }
    let inner = document.split_once('>').map_or("", |(_, inner)| inner);
    let inner = inner.trim_start().trim_end().trim_end_matches("</svg>");
    // Colours and opacity come from the style sheet; without them the pictures take half the room.
    inner.replace(" opacity=\"1\"", "").replace(" stroke=\"#000000\"", "").replace(" fill=\"#000000\"", "")
}

fn stroke(width: u32) -> ShapeStyle {
    ShapeStyle { color: RGBColor(0, 0, 0).to_rgba(), filled: false, stroke_width: width }
}

pub(super) fn line(backend: &mut SVGBackend<'_>, from: (i32, i32), to: (i32, i32), width: u32) {
    backend.draw_line(from, to, &stroke(width)).expect("drawing into memory cannot fail");
}

pub(super) fn text(
    backend: &mut SVGBackend<'_>,
    label: &str,
    at: (i32, i32),
    horizontal: HPos,
    vertical: VPos,
) {
    let style = TextStyle::from(("sans-serif", LABEL).into_font()).pos(Pos::new(horizontal, vertical));
    backend.draw_text(label, &style, at).expect("drawing into memory cannot fail");
}

/// A filled rectangle between two corners.
pub(super) fn block(backend: &mut SVGBackend<'_>, from: (i32, i32), to: (i32, i32)) {
    let filled = ShapeStyle { filled: true, ..stroke(0) };
    backend.draw_rect(from, to, &filled, true).expect("drawing into memory cannot fail");
}

pub(super) fn marker(backend: &mut SVGBackend<'_>, series: usize, (x, y): (i32, i32)) {
    let filled = ShapeStyle { filled: true, ..stroke(0) };
    let corners =
        |corners: &[(i32, i32)]| corners.iter().map(|(dx, dy)| (x + dx, y + dy)).collect::<Vec<_>>();
    let polygon = match marker_of(series) {
        0 => {
            backend.draw_circle((x, y), 10, &filled, true).expect("drawing into memory cannot fail");
            return;
        }
        1 => corners(&[(-9, -9), (9, -9), (9, 9), (-9, 9)]),
        2 => corners(&[(0, -12), (11, 9), (-11, 9)]),
        3 => corners(&[(0, -13), (13, 0), (0, 13), (-13, 0)]),
        4 => corners(&[(0, 12), (11, -9), (-11, -9)]),
        _ => corners(&[
            (-4, -12),
            (4, -12),
            (4, -4),
            (12, -4),
            (12, 4),
            (4, 4),
            (4, 12),
            (-4, 12),
            (-4, 4),
            (-12, 4),
            (-12, -4),
            (-4, -4),
        ]),
    };
    backend.fill_polygon(polygon, &filled).expect("drawing into memory cannot fail");
}
