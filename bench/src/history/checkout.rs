//! What git says of commits, asked in the current folder. Where there is no git, or no checkout, nothing is known and
//! nothing fails.

use std::process::{Command, Stdio};

/// A commit and when it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its hash, as hex digits.
    pub hash: String,
    /// When it was made, in milliseconds since the Unix epoch.
    pub made_unix_ms: u64,
    /// The branch that is checked out at it, when it was asked for as `HEAD`.
    pub branch: Option<String>,
}

/// The commit that is checked out here, if this folder lies in a checkout.
pub fn head() -> Option<Commit> {
    let branch = git(&["symbolic-ref", "--quiet", "--short", "HEAD"]);
    Some(Commit { branch, ..commit("HEAD")? })
}

/// Whether files of the checkout differ from its commit, untracked ones aside.
pub fn is_changed() -> bool {
    git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|changes| !changes.is_empty())
}

/// The commit that a name means here, if there is one.
pub fn commit(name: &str) -> Option<Commit> {
    let named = format!("{name}^{{commit}}");
    let hash = git(&["rev-parse", "--verify", "--quiet", "--end-of-options", &named])?;
    let seconds: u64 = git(&["show", "--no-patch", "--format=%ct", &hash])?.parse().ok()?;
    Some(Commit { hash, made_unix_ms: seconds * 1_000, branch: None })
}

/// What git writes, without the line's end; `None` when it fails.
fn git(arguments: &[&str]) -> Option<String> {
    let output =
        Command::new("git").args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
    Some(text.trim().to_owned())
}
