//! `bakeoff report`: the summary and the HTML page, derived again from a bundle.

use super::output;
use bakeoff::exit::Exit;
use bakeoff_reports::analysis::{Analysis, analyse};
use bakeoff_reports::record::bundle;
use bakeoff_reports::show::html;
use bakeoff_reports::show::text as terminal;
use clap::Args;
use std::path::{Path, PathBuf};

/// The bundle's file in a folder of results.
pub(super) const BUNDLE_NAME: &str = "run.jsonl";
/// The page's file in a folder of results.
pub(super) const REPORT_NAME: &str = "report.html";

/// Make the summary and the page of a run again, byte for byte
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// The bundle, or the folder that holds it
    bundle: PathBuf,
    /// Where to write the page [default: report.html beside the bundle]
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write the page only
    #[arg(long, short)]
    quiet: bool,
}

impl ReportArgs {
    pub(super) fn run(self) -> Result<Exit, String> {
        let bundle = if self.bundle.is_dir() { self.bundle.join(BUNDLE_NAME) } else { self.bundle };
        let page = self.out.unwrap_or_else(|| bundle.with_file_name(REPORT_NAME));
        write(&bundle, &page, !self.quiet)?;
        Ok(Exit::Fine)
    }
}

/// Writes the page of a bundle, whole or not at all, and prints the summary.
pub(super) fn write(bundle: &Path, page: &Path, summary: bool) -> Result<Analysis, String> {
    let loaded = bundle::load(bundle).map_err(|e| e.to_string())?;
    for damage in &loaded.damage {
        bakeoff::print_to_stderr(&format!("bakeoff: {}: {damage}", bundle.display()));
    }
    let analysis = analyse(&loaded);
    output::replace(page, &html::report_beside(&analysis, beside(bundle, page).as_deref())).map_err(|e| {
        format!(
            "writing the report {} failed: {e}; the bundle {} is whole, so `bakeoff report` can try again",
            page.display(),
            bundle.display()
        )
    })?;
    if summary {
        let options = terminal::SummaryOptions {
            width: bakeoff::terminal_width(),
            colour: output::wants_colour(),
            report_path: Some(page.to_path_buf()),
        };
        output::print(&terminal::summary(&analysis, &options))?;
    }
    Ok(analysis)
}

/// The bundle's file name, if the page goes into the folder that the bundle lies in.
fn beside(bundle: &Path, page: &Path) -> Option<String> {
    let folder = |path: &Path| {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        parent.unwrap_or(Path::new(".")).canonicalize().ok()
    };
    let same = folder(bundle).is_some_and(|of_bundle| folder(page) == Some(of_bundle));
    let name = same.then(|| bundle.file_name()).flatten()?;
    Some(name.to_str()?.to_owned())
}
