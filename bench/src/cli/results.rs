//! The folder of results: made before a campaign, reported on after it.

use super::report;
use bakeoff::campaign::Ending;
use bakeoff::host::preflight::require_room;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Where a campaign leaves its records.
#[derive(Debug)]
pub(super) struct Results {
    /// The folder.
    pub(super) folder: PathBuf,
    /// The bundle in it.
    pub(super) bundle: PathBuf,
}

impl Results {
    /// Makes the folder, with room for so many trials; a bundle that is there already is refused.
    pub(super) fn new(out: Option<&Path>, trials: u64) -> Result<Self, String> {
        let folder = new_folder(out)?;
        require_room(&folder, trials)?;
        let bundle = folder.join(report::BUNDLE_NAME);
        if bundle.exists() {
            return Err(format!(
                "{} holds the records of a run already, and they are not overwritten; choose another folder with --out",
                bundle.display()
            ));
        }
        Ok(Self { folder, bundle })
    }

    /// Writes the report of what there is, and says how the tool ends.
    pub(super) fn conclude(&self, ending: Ending, summary: bool) -> Result<ExitCode, String> {
        if ending == Ending::NotBegun {
            return Ok(ExitCode::from(130));
        }
        let invalid = report::write(&self.bundle, &self.page(), summary)?;
        Ok(match ending {
            Ending::Complete if invalid => ExitCode::from(3),
            Ending::Complete => ExitCode::SUCCESS,
            Ending::Interrupted | Ending::NotBegun => ExitCode::from(130),
        })
    }

    /// The page's file.
    pub(super) fn page(&self) -> PathBuf {
        self.folder.join(report::REPORT_NAME)
    }
}

/// The folder for results, made.
pub(super) fn new_folder(out: Option<&Path>) -> Result<PathBuf, String> {
    let folder = out.map_or_else(default_folder, Path::to_path_buf);
    fs::create_dir_all(&folder).map_err(|e| {
        format!(
            "making the folder {} for the results failed: {e}; choose another with --out",
            folder.display()
        )
    })?;
    Ok(folder)
}

fn default_folder() -> PathBuf {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H-%M-%SZ");
    Path::new("bakeoff-results").join(now.to_string())
}
