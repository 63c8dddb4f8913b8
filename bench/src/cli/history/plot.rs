//! `bakeoff history plot`: series as lines of blocks, or as a page.

use super::super::output;
use super::filter::FilterArgs;
use bakeoff_reports::ask::history::{Entry, History};
use bakeoff_reports::show::html;
use bakeoff_reports::show::text::history as text;
use clap::Args;
use std::path::PathBuf;

/// Draw each figure over the runs, with its change points
#[derive(Debug, Args)]
pub(super) struct PlotArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// Write an HTML page instead
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl PlotArgs {
    pub(super) fn run(self, entries: Vec<Entry>) -> Result<(), String> {
        let history = History::of(self.filter.apply(entries)?);
        let Some(page) = self.out else {
            return output::print(&text::series(&history, crate::terminal_width()));
        };
        output::replace(&page, &html::history(&history, !self.filter.is_empty())).map_err(|e| {
            format!("writing the page {} failed: {e}; choose another file with --out", page.display())
        })?;
        output::print(&format!("{}\n", page.display()))
    }
}
