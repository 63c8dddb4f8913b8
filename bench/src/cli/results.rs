//! The folder of results: made before a campaign, reported on after it.

use super::report;
use crate::campaign::Ending;
use crate::exit::Exit;
use crate::host::preflight::require_room;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

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

    /// Writes the report of what there is, and says how the tool ends; where it is to be `strict`, only with every workload decided
    /// as it should.
    pub(super) fn conclude(&self, ending: Ending, summary: bool, strict: bool) -> Result<Exit, String> {
        if ending == Ending::NotBegun {
            return Ok(Exit::Interrupted);
        }
        let analysis = report::write(&self.bundle, &self.page(), summary)?;
        let fails = analysis.says_nothing() || strict && !analysis.is_firm();
        Ok(match ending {
            Ending::Complete if fails => Exit::Invalid,
            Ending::Complete => Exit::Fine,
            Ending::Interrupted | Ending::NotBegun => Exit::Interrupted,
        })
    }

    /// The page's file.
    pub(super) fn page(&self) -> PathBuf {
        self.folder.join(report::REPORT_NAME)
    }
}

/// The folder for results, made.
pub(super) fn new_folder(out: Option<&Path>) -> Result<PathBuf, String> {
    let failed = |folder: &Path, e: io::Error| {
        format!(
            "making the folder {} for the results failed: {e}; choose another with --out",
            folder.display()
        )
    };
    match out {
        Some(folder) => fs::create_dir_all(folder).map(|()| folder.to_owned()).map_err(|e| failed(folder, e)),
        None => {
            let all = Path::new("bakeoff-results");
            let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H-%M-%SZ").to_string();
            fs::create_dir_all(all).and_then(|()| folder_of_its_own(all, &now)).map_err(|e| failed(all, e))
        }
    }
}

/// A new folder of that name in `all`, or of the name and a number where another run began in the same second.
fn folder_of_its_own(all: &Path, name: &str) -> io::Result<PathBuf> {
    let mut folder = all.join(name);
    for number in 2.. {
        match fs::create_dir(&folder) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                folder = all.join(format!("{name}-{number}"));
            }
            made => return made.map(|()| folder),
        }
    }
    unreachable!("there is always another number")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_one_second_have_folders_of_their_own() {
        let all = tempfile::tempdir().expect("a folder");
        let made: Vec<PathBuf> =
            (0..3).map(|_| folder_of_its_own(all.path(), "now").expect("room")).collect();
        assert_eq!(made, ["now", "now-2", "now-3"].map(|name| all.path().join(name)));
        folder_of_its_own(&all.path().join("nowhere"), "now").expect_err("no such folder");
    }
}
