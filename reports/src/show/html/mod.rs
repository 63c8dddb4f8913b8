//! The report as one self-contained HTML page: no request leaves it, and it can be read without its script.
//!
//! Every text that comes from a bundle is escaped. The page depends on the analysis alone, byte for byte.

mod anatomy;
mod answer;
mod balance;
mod contents;
mod costs;
mod costs_overview;
mod data;
mod decision;
mod element;
mod envelope;
mod evidence;
mod figures;
mod gate;
mod heat;
mod history;
mod matrix;
mod model;
mod page;
mod pictures;
mod sweep;
mod theory;
mod trust;
mod workload;

pub use balance::balance;
pub use history::history;
pub use page::{report, report_beside};
