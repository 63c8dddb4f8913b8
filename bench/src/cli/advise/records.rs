//! Where the records for an answer come from: bundles and folders that are named, or the newest results.

use super::super::report::BUNDLE_NAME;
use bakeoff_reports::analysis::analyse;
use bakeoff_reports::ask::advise::Source;
use bakeoff_reports::record::bundle;
use std::cmp::Reverse;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Where runs leave their results unless told otherwise.
const RESULTS: &str = "bakeoff-results";
/// Bundles that are used without being named; older ones only if they are sweeps.
const NEWEST: usize = 4;
/// Sweeps that are used without being named.
const MOST_SWEEPS: usize = 4;

const WHAT_TO_DO: &str = "make one with `bakeoff run`, or name one with --from";

/// The records to answer from, the newest first.
pub(super) fn sources(named: &[PathBuf]) -> Result<Vec<Source>, String> {
    if !named.is_empty() {
        return all_named(named)?.iter().map(|path| load(path)).collect();
    }
    // What nobody named may be of an older version, or damaged: the others still answer.
    let mut sources = Vec::new();
    for path in newest(Path::new(RESULTS))? {
        match load(&path) {
            Ok(source) => sources.push(source),
            Err(why) => crate::print_to_stderr(&format!("bakeoff: not used: {why}")),
        }
    }
    match sources.is_empty() {
        true => Err(format!("none of the newest records under ./{RESULTS} can be read; {WHAT_TO_DO}")),
        false => Ok(sources),
    }
}

fn load(path: &Path) -> Result<Source, String> {
    let loaded = bundle::load(path).map_err(|e| e.to_string())?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let name = match folder {
        Some(folder) if path.file_name().is_some_and(|name| name == BUNDLE_NAME) => folder,
        _ => path,
    };
    Ok(Source { name: name.display().to_string(), analysis: analyse(&loaded) })
}

fn all_named(named: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut paths = Vec::new();
    for path in named {
        if !path.is_dir() {
            paths.push(path.clone());
            continue;
        }
        let found = bundles_in(path)?;
        if found.is_empty() {
            return Err(format!(
                "the folder {} holds no bundle ({BUNDLE_NAME}), nor do its folders; {WHAT_TO_DO}",
                path.display()
            ));
        }
        paths.extend(found);
    }
    Ok(paths)
}

/// The bundle of a folder, or those of its folders, the newest first.
fn bundles_in(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let own = folder.join(BUNDLE_NAME);
    if own.is_file() {
        return Ok(vec![own]);
    }
    let failed = |e: std::io::Error| format!("reading the folder {} failed: {e}", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let bundle = entry.map_err(failed)?.path().join(BUNDLE_NAME);
        if let Ok(about) = bundle.metadata() {
            found.push((Reverse(about.modified().unwrap_or(SystemTime::UNIX_EPOCH)), bundle));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, bundle)| bundle).collect())
}

fn newest(results: &Path) -> Result<Vec<PathBuf>, String> {
    let found = if results.is_dir() { bundles_in(results)? } else { Vec::new() };
    if found.is_empty() {
        return Err(format!(
            "there are no records under ./{} to answer from; {WHAT_TO_DO}",
            results.display()
        ));
    }
    let (mut used, mut sweeps) = (Vec::new(), 0);
    for path in found {
        let sweep = is_sweep(&path);
        if used.len() < NEWEST + sweeps || sweep && sweeps < MOST_SWEEPS {
            sweeps += usize::from(sweep);
            used.push(path);
        }
    }
    Ok(used)
}

/// Whether a bundle holds points of a sweep, from its head alone; what cannot be read is told when it is loaded.
fn is_sweep(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = File::open(path).map(|file| BufReader::new(file).read_until(b'\n', &mut head));
    let run = read.ok().and_then(|_| bundle::parse(&head, path).ok()).map(|bundle| bundle.run);
    run.is_some_and(|run| run.scenarios.iter().any(|scenario| scenario.sweep.is_some()))
}
