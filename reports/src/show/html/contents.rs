//! The table of contents, which stays in reach while one reads.
//!
//! It opens and closes without a script, and lists what the page has in its order and nothing else.

use super::{model, sweep};
use crate::analysis::Analysis;
use maud::{Markup, html};

/// A part of the page: the id of its section, its name in the contents, and its HTML (the section itself).
pub(super) struct Part {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) html: Markup,
}

/// The id of the part that the workloads are listed under.
pub(super) const WORKLOADS: &str = "workloads";

/// The id of the part that the sweeps are listed under.
pub(super) const SWEEPS: &str = "sweeps";

/// The contents of these parts; workloads and sweeps by name.
pub(super) fn contents(analysis: &Analysis, parts: &[Part]) -> Markup {
    let below = |part: &Part| -> Vec<(String, String)> {
        let workloads = analysis.workloads.iter().map(|one| one.scenario.name.clone()).enumerate();
        let sweeps = analysis.sweeps.iter().map(crate::rules::sweep::Sweep::title).enumerate();
        match part.id {
            WORKLOADS => workloads.map(|(at, name)| (model::anchor(at), name)).collect(),
            SWEEPS => sweeps.map(|(at, name)| (sweep::anchor(at), name)).collect(),
            _ => Vec::new(),
        }
    };
    let link = |id: &str, name: &str| html! { a href={ "#" (id) } { (name) } };
    html! {
        nav.contents aria-label="Contents" {
            details {
                summary { "Contents" }
                ul {
                    @for part in parts.iter().filter(|part| !part.html.0.is_empty()) {
                        @let below = below(part);
                        li {
                            (link(part.id, part.name))
                            @if !below.is_empty() { ul { @for (id, name) in &below { li { (link(id, name)) } } } }
                        }
                    }
                }
            }
        }
    }
}
