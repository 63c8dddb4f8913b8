//! Pictures as SVG text, drawn with plotters: throughput against latency, latency by percentile and over time, where the
//! time goes, what it costs, how near to its limits a model came; and the pairs of two builds.
//!
//! Drawing never computes a statistic. Colours are classes, so that the page's style sheet decides them for light,
//! dark and paper; each series also has its own marker and dash. Coordinates are twice the size they are shown at,
//! because plotters rounds to whole pixels; the picture scales by its viewBox and has no width or height.

mod axis;
mod balance;
mod canvas;
mod dots;
mod heat;
mod history;
mod over_time;
mod overview;
mod paired;
mod percentile;
mod picture;
mod processes;
mod rows;
mod series;
mod sparkline;
mod split;
mod sweep;
mod throughput;

pub(crate) use balance::{Counted, balance};
pub(crate) use canvas::swatch;
pub(crate) use dots::{Dots, Row, dots};
pub(crate) use heat::{Column, LEVELS, columns, heat};
pub(crate) use history::history;
pub(crate) use over_time::{over_time, threads};
pub(crate) use overview::overview;
pub(crate) use paired::pairs_by_round;
pub(crate) use percentile::by_percentile;
pub(crate) use picture::{Drawn, Plot};
pub(crate) use processes::processes;
pub(crate) use series::series;
pub(crate) use sparkline::sparkline;
pub(crate) use split::split;
pub(crate) use sweep::{capacities, cpu_along, response_along, throughput_along, throughput_response};
pub(crate) use throughput::throughput_latency;
