//! From a bundle's file to an entry: the figures from its analysis, the commit from whoever knows it.
//!
//! The commit of a run is, in this order: that of side B, where the bundle compares two builds from commits; what was given;
//! what is checked out here, unless that is younger than the run and so cannot have been measured. A bundle is never filed
//! under a commit that contradicts it.

use super::checkout::{self, Commit};
use bakeoff_reports::analysis::{Analysis, analyse};
use bakeoff_reports::ask::history::{Entry, Facts, compared_commit, entry, key};
use bakeoff_reports::record::bundle;
use bakeoff_reports::rules::verdict::Status;
use std::path::Path;

/// What was given beside the bundles.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// The commit that was measured: a name that git knows here, or hex digits.
    pub commit: Option<String>,
    /// What to call the runs.
    pub label: Option<String>,
}

/// An entry, and what a reader should know of how it came about.
#[derive(Debug)]
pub struct Read {
    /// The entry.
    pub entry: Entry,
    /// Remarks, a sentence each.
    pub remarks: Vec<String>,
}

/// Why a bundle gives no entry.
#[derive(Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It cannot be read, or what was given contradicts it.
    Unusable(String),
    /// Its measurement is invalid: a trend must not rest on it.
    Invalid(String),
}

/// Reads a bundle.
///
/// # Errors
/// It is no bundle, has no figure, is invalid, or contradicts what was given.
pub fn read(path: &Path, given: &Given) -> Result<Read, Unfit> {
    let bytes = std::fs::read(path)
        .map_err(|e| Unfit::Unusable(format!("reading the bundle {} failed: {e}", path.display())))?;
    let loaded = bundle::parse(&bytes, path).map_err(|e| Unfit::Unusable(e.to_string()))?;
    let mut remarks: Vec<String> = loaded.damage.iter().map(ToString::to_string).collect();
    let analysis = analyse(&loaded);
    if analysis.says_nothing() || analysis.too_many_points_lost() {
        let why = "Too many of its trials had no valid try.";
        return Err(Unfit::Invalid(format!("{} was not recorded. {why}", path.display())));
    }
    let provisional = analysis.workloads.iter().filter(|one| one.verdict.status == Status::Provisional);
    remarks.extend(
        provisional.map(|one| {
            format!("{} was not recorded: its answer rests on disturbed blocks", one.scenario.name)
        }),
    );
    let commit = commit_of(&analysis, given, &mut remarks)
        .map_err(|why| Unfit::Unusable(format!("{}: {why}", path.display())))?;
    let label = given.label.clone().or_else(|| commit.as_ref().and_then(|commit| commit.branch.clone()));
    let facts = Facts {
        key: key(&bytes, analysis.run.started_unix_ms),
        committed_unix_ms: commit.as_ref().map(|commit| commit.made_unix_ms).filter(|ms| *ms > 0),
        commit: commit.map(|commit| commit.hash),
        label,
    };
    let entry = entry(&analysis, facts);
    if entry.points.is_empty() {
        let why = "it holds no valid figure of any model under a workload, so there is nothing to record";
        return Err(Unfit::Unusable(format!("{}: {why}", path.display())));
    }
    Ok(Read { entry, remarks })
}

fn commit_of(
    analysis: &Analysis,
    given: &Given,
    remarks: &mut Vec<String>,
) -> Result<Option<Commit>, String> {
    let own = analysis.run.comparison.as_ref().map(|comparison| compared_commit(comparison));
    match (own, &given.commit) {
        (Some(Some(own)), Some(given)) => {
            let given = named(given)?;
            if own.starts_with(&given.hash) || given.hash.starts_with(own) {
                return Ok(Some(given));
            }
            Err(format!(
                "it measured the commit {own}, as it says itself, and not {}; leave out --commit",
                given.hash
            ))
        }
        (Some(Some(own)), None) => Ok(Some(named(own)?)),
        (_, Some(given)) => Ok(Some(named(given)?)),
        // What a comparison of files or commands measured is not what lies here.
        (Some(None), None) => {
            remarks.push(
                "side B was not built from a commit, so none is recorded; --commit gives one.".to_owned(),
            );
            Ok(None)
        }
        (None, None) => Ok(checked_out(analysis.run.started_unix_ms, remarks)),
    }
}

/// A commit as it was given: as git knows it here, or as it stands where git does not know it.
fn named(given: &str) -> Result<Commit, String> {
    if let Some(commit) = checkout::commit(given) {
        return Ok(commit);
    }
    let hex = (7..=64).contains(&given.len()) && given.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hex {
        return Ok(Commit { hash: given.to_ascii_lowercase(), made_unix_ms: 0, branch: None });
    }
    Err(format!("git knows no commit `{given}` in this folder; give one it knows, or 7 to 64 hex digits"))
}

fn checked_out(started_unix_ms: u64, remarks: &mut Vec<String>) -> Option<Commit> {
    let Some(head) = checkout::head() else {
        remarks.push("no commit is recorded: this folder is no git checkout; --commit gives one.".to_owned());
        return None;
    };
    if head.made_unix_ms > started_unix_ms {
        remarks.push(format!(
            "no commit is recorded: {}, which is checked out here, was made after the run; --commit gives the one that \
             was measured.",
            head.hash
        ));
        return None;
    }
    let changed = if checkout::is_changed() { ", whose files are changed here" } else { "" };
    remarks.push(format!(
        "recorded under {}, which is checked out here{changed}; --commit gives another.",
        head.hash
    ));
    Some(head)
}
