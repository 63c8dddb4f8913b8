//! Pictures as SVG text, drawn with plotters: throughput against latency, latency by percentile and over time, where the
//! time goes, what it costs, how near to its limits a model came; and the pairs of two builds.
//!
//! Drawing never computes a statistic. Colours are classes, so that the page's style sheet decides them for light,
//! dark and paper; each series also has its own marker and dash. Coordinates are twice the size they are shown at,
//! because plotters rounds to whole pixels; the picture scales by its viewBox and has no width or height.

mod axis;
mod canvas;
mod dots;
mod heat;
mod history;
mod over_time;
mod paired;
mod percentile;
mod rows;
mod split;
mod sweep;
mod throughput;

pub(crate) use canvas::swatch;
pub(crate) use dots::{Dots, Row, dots};
pub(crate) use heat::{Column, LEVELS, columns, heat};
pub(crate) use history::history;
pub(crate) use over_time::over_time;
pub(crate) use paired::pairs_by_round;
pub(crate) use percentile::by_percentile;
pub(crate) use split::split;
pub(crate) use sweep::{capacities, response_along, throughput_along, throughput_response};
pub(crate) use throughput::throughput_latency;

/// A picture, with its data as rows for those who cannot or will not look.
#[derive(Debug)]
pub(crate) struct Plot {
    /// The `svg` element.
    pub(crate) svg: String,
    /// What it is, as a heading over it.
    pub(crate) title: String,
    /// One sentence on how to read it.
    pub(crate) caption: String,
    /// What its areas mean, as class and words, where it has other areas than models.
    pub(crate) key: &'static [(&'static str, &'static str)],
    /// Names of the columns.
    pub(crate) columns: Vec<String>,
    /// The data.
    pub(crate) rows: Vec<Vec<String>>,
}

/// A plot, or why there is nothing to draw.
pub(crate) type Drawn = Result<Plot, String>;
