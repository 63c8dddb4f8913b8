//! The table of contents, which stays in reach while one reads.
//!
//! It opens and closes without a script, and lists what the page has in its order and nothing else.

use super::page::anchor;
use super::{escape, sweep};
use crate::analysis::Analysis;
use std::fmt::Write as _;

/// A part of the page: the id of its section, its name in the contents, and its HTML (the section itself).
pub(super) struct Part {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) html: String,
}

/// The id of the part that the workloads are listed under.
pub(super) const WORKLOADS: &str = "workloads";

/// The id of the part that the sweeps are listed under.
pub(super) const SWEEPS: &str = "sweeps";

/// The contents of these parts, the workloads by name.
pub(super) fn contents(analysis: &Analysis, parts: &[Part]) -> String {
    let mut html = String::from(
        "<nav class=\"contents\" aria-label=\"Contents\">\n<details>\n<summary>Contents</summary>\n<ul>\n",
    );
    for part in parts.iter().filter(|part| !part.html.is_empty()) {
        let _ = write!(html, "<li><a href=\"#{}\">{}</a>", part.id, part.name);
        if part.id == WORKLOADS && !analysis.workloads.is_empty() {
            html.push_str("\n<ul>\n");
            for (number, workload) in analysis.workloads.iter().enumerate() {
                let name = escape(&workload.scenario.name);
                let _ = writeln!(html, "<li><a href=\"#{}\">{name}</a></li>", anchor(number));
            }
            html.push_str("</ul>\n");
        }
        if part.id == SWEEPS && !analysis.sweeps.is_empty() {
            html.push_str("\n<ul>\n");
            for (number, sweep) in analysis.sweeps.iter().enumerate() {
                let name = escape(&sweep.title());
                let _ = writeln!(html, "<li><a href=\"#{}\">{name}</a></li>", sweep::anchor(number));
            }
            html.push_str("</ul>\n");
        }
        html.push_str("</li>\n");
    }
    html.push_str("</ul>\n</details>\n</nav>\n");
    html
}
