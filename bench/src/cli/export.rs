//! `bakeoff export`: a bundle in a format that other tools read.

use super::output;
use super::report::BUNDLE_NAME;
use crate::exit::Exit;
use bakeoff_reports::analysis::analyse;
use bakeoff_reports::record::bundle;
use bakeoff_reports::show::export::{self, Export, File, Format, Source};
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser as _};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What was left out is told one by one up to so many; the rest is counted.
const MOST_LEFT_OUT: usize = 10;

/// Write a run in a format that other tools read
///
/// Everything is derived from the bundle; the same bundle gives the same bytes. Files that are there already are replaced,
/// each whole or not at all.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 written, 2 a mistake, or nothing of the run fits the format.\n\nExamples:\n  \
    bakeoff export bakeoff-results/... --format markdown\n  \
    bakeoff export bakeoff-results/... --format junit --out junit.xml\n  \
    bakeoff export bakeoff-results/... --format hgrm --out percentiles/"
)]
pub(super) struct ExportArgs {
    /// The bundle, or the folder that holds it
    bundle: PathBuf,
    /// The format
    #[arg(long, short, value_parser = formats())]
    format: Format,
    /// Where to write: a file, or a folder for a format of several files [default: standard output for one file]
    #[arg(long, short, value_name = "PATH")]
    out: Option<PathBuf>,
    /// What criterion's folder calls this run, so that two runs can share it [default: bakeoff]
    #[arg(long, value_name = "NAME")]
    baseline: Option<String>,
}

fn formats() -> impl clap::builder::TypedValueParser<Value = Format> {
    let values = Format::ALL.iter().map(|format| PossibleValue::new(format.name()).help(format.about()));
    PossibleValuesParser::new(values)
        .map(|name| name.parse::<Format>().expect("one of the names that were offered"))
}

impl ExportArgs {
    pub(super) fn run(self) -> Result<Exit, String> {
        let format = self.format;
        if self.baseline.is_some() && format != Format::Criterion {
            return Err(format!("--baseline is for criterion's folder; {} has no baselines", format.name()));
        }
        if self.out.is_none() && !format.is_one_file() {
            return Err(format!("{} is several files: name a folder for them with --out", format.name()));
        }
        let path = find(&self.bundle)?;
        let loaded = bundle::load(&path).map_err(|e| e.to_string())?;
        for damage in &loaded.damage {
            crate::print_to_stderr(&format!("bakeoff: {}: {damage}", path.display()));
        }
        let analysis = analyse(&loaded);
        let source = Source { bundle: &loaded, analysis: &analysis, gate: analysis.gate.as_ref() };
        let export = export::export(source, format, self.baseline.as_deref())
            .map_err(|e| format!("{}: {e}", path.display()))?;
        tell_left_out(&export, format);
        match self.out {
            None => print(&export.files)?,
            Some(out) => {
                let files = placed(&export.files, &out, format);
                write(&files).map_err(|e| format!("writing to {} failed: {e}", out.display()))?;
            }
        }
        Ok(Exit::Fine)
    }
}

/// The bundle that a path names.
fn find(path: &Path) -> Result<PathBuf, String> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let bundle = path.join(BUNDLE_NAME);
    match bundle.try_exists() {
        Ok(false) => Err(format!(
            "the folder {} holds no {BUNDLE_NAME}; name the folder that `bakeoff run` wrote, or the bundle itself",
            path.display()
        )),
        _ => Ok(bundle),
    }
}

fn tell_left_out(export: &Export, format: Format) {
    for what in export.left_out.iter().take(MOST_LEFT_OUT) {
        crate::print_to_stderr(&format!("bakeoff: left out of {}: {what}", format.name()));
    }
    let more = export.left_out.len().saturating_sub(MOST_LEFT_OUT);
    if more > 0 {
        crate::print_to_stderr(&format!("bakeoff: and {more} more left out of {}", format.name()));
    }
}

fn print(files: &[File]) -> Result<(), String> {
    files.iter().try_for_each(|file| output::print(&String::from_utf8_lossy(&file.bytes)))
}

/// Where each file goes: below the folder, or to the very path for a format of one file.
fn placed<'a>(files: &'a [File], out: &Path, format: Format) -> Vec<(PathBuf, &'a [u8])> {
    let folder = out.is_dir() || out.as_os_str().as_encoded_bytes().ends_with(b"/");
    let itself = format.is_one_file() && !folder;
    let place =
        |file: &'a File| (if itself { out.to_owned() } else { out.join(&file.path) }, file.bytes.as_slice());
    files.iter().map(place).collect()
}

/// Writes all files beside their places, and only when every one of them is on disk puts them there, in their order.
///
/// # Errors
/// Why it failed, and what is in place nevertheless.
fn write(files: &[(PathBuf, &[u8])]) -> Result<(), String> {
    // Dropped last, when the folders it made are empty again.
    let mut made = Made::default();
    let ready = beside(files, &mut made).map_err(|e| format!("{e}; nothing of the export was written"))?;
    let (all, mut placed) = (ready.len(), 0);
    for (file, path) in ready {
        file.place().map_err(|e| {
            format!("{} cannot be replaced: {e}; {placed} of {all} files are in place", path.display())
        })?;
        placed += 1;
    }
    made.0.clear();
    Ok(())
}

/// The files under names of their own beside their places; they go away again when dropped.
fn beside<'a>(
    files: &'a [(PathBuf, &'a [u8])],
    made: &mut Made,
) -> io::Result<Vec<(output::Draft<'a>, &'a Path)>> {
    let mut ready = Vec::new();
    for (path, bytes) in files {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        made.folder(folder)?;
        ready.push((output::Draft::new(path, bytes)?, path.as_path()));
    }
    Ok(ready)
}

/// Folders that were made for an export, removed again when it fails.
#[derive(Default)]
struct Made(Vec<PathBuf>);

impl Made {
    fn folder(&mut self, path: &Path) -> io::Result<()> {
        let missing = path.ancestors().take_while(|p| !p.as_os_str().is_empty() && !p.exists());
        let missing: Vec<PathBuf> = missing.map(Path::to_owned).collect();
        self.0.extend(missing.into_iter().rev());
        fs::create_dir_all(path)
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        // Only those that are still empty go.
        for path in self.0.iter().rev() {
            let _ = fs::remove_dir(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_that_cannot_be_written_whole_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let out = folder.path().join("out");
        let blocked = folder.path().join("blocked");
        fs::write(&blocked, "a file").expect("writable");
        let first = (out.join("a/b/one.json"), &b"1"[..]);
        let second = (blocked.join("two.json"), &b"2"[..]);
        write(&[first.clone(), second]).expect_err("a folder cannot be made below a file");
        assert!(!out.exists(), "nothing is left of it");
        write(&[first]).expect("now it fits");
        assert_eq!(fs::read(out.join("a/b/one.json")).expect("written"), b"1");
        let names = fs::read_dir(out.join("a/b")).expect("a folder").count();
        assert_eq!(names, 1, "no temporary file stays");
        write(&[(out.join("a"), &b"3"[..])]).expect_err("a folder is not replaced");
        assert!(out.join("a/b/one.json").exists());
    }
}
