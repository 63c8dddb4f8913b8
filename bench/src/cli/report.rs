//! `bakeoff report`: the summary and the HTML page, derived again from a bundle.

use super::output;
use crate::exit::Exit;
use crate::host::shortage::advice;
use bakeoff_reports::analysis::{Analysis, analyse};
use bakeoff_reports::ask::replication;
use bakeoff_reports::record::bundle;
use bakeoff_reports::show::answers::Answers;
use bakeoff_reports::show::html;
use bakeoff_reports::show::text as terminal;
use clap::Args;
use std::path::{Path, PathBuf};

/// The bundle's file in a folder of results.
pub(super) const BUNDLE_NAME: &str = "run.jsonl";
/// The page's file in a folder of results.
pub(super) const REPORT_NAME: &str = "report.html";

/// Regenerate the summary and page of a run, byte for byte; for several runs, say whether they agree
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// The bundle, or the folder that holds it; of several the answers are held against each other
    #[arg(required = true, value_name = "BUNDLE")]
    bundles: Vec<PathBuf>,
    /// Where to write the page [default: report.html beside the bundle]
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print the answers as a JSON document, and write no page
    #[arg(long, conflicts_with_all = ["out", "quiet"])]
    json: bool,
    /// Write the page only
    #[arg(long, short)]
    quiet: bool,
}

impl ReportArgs {
    pub(super) fn run(self) -> Result<Exit, String> {
        let file = |given: &PathBuf| if given.is_dir() { given.join(BUNDLE_NAME) } else { given.clone() };
        let bundles: Vec<PathBuf> = self.bundles.iter().map(file).collect();
        let [bundle] = &bundles[..] else {
            if self.json || self.quiet || self.out.is_some() {
                let why = "several bundles give one comparison as text: leave out --json, --out and --quiet";
                return Err(why.into());
            }
            let contradictions = replication(&bundles)?;
            return Ok(if contradictions > 0 { Exit::Invalid } else { Exit::Fine });
        };
        let bundle = bundle.clone();
        if self.json {
            let answers = Answers::of(&analyse(&bundle::load(&bundle).map_err(|e| e.to_string())?));
            output::print(&answers.json().map_err(|e| format!("the answers are no JSON: {e}"))?)?;
            return Ok(Exit::Fine);
        }
        let page = self.out.unwrap_or_else(|| bundle.with_file_name(REPORT_NAME));
        write(&bundle, &page, !self.quiet)?;
        Ok(Exit::Fine)
    }
}

/// Prints whether the answers of several runs agree, and says on how many pairs two contradict each other.
pub(super) fn replication(bundles: &[PathBuf]) -> Result<usize, String> {
    let load = |path: &PathBuf| Ok(analyse(&bundle::load(path).map_err(|e| e.to_string())?));
    let analyses = bundles.iter().map(load).collect::<Result<Vec<_>, String>>()?;
    let found = replication::replication(&analyses).map_err(|e| e.to_string())?;
    output::print(&terminal::replication::text(&found, crate::terminal_width()))?;
    Ok(found.contradictions())
}

/// Writes the page of a bundle, whole or not at all, and prints the summary.
pub(super) fn write(bundle: &Path, page: &Path, summary: bool) -> Result<Analysis, String> {
    let loaded = bundle::load(bundle).map_err(|e| e.to_string())?;
    for damage in &loaded.damage {
        crate::print_to_stderr(&format!("bakeoff: {}: {damage}", bundle.display()));
    }
    let analysis = analyse(&loaded);
    output::replace(page, &html::report_beside(&analysis, beside(bundle, page).as_deref())).map_err(|e| {
        format!(
            "writing the report {} failed: {e}{}; the bundle {} is whole, so `bakeoff report` can try again",
            page.display(),
            advice(&e),
            bundle.display()
        )
    })?;
    if summary {
        let options = terminal::SummaryOptions {
            width: crate::terminal_width(),
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
