//! Builds of commits: each in a worktree of its own beside the checkout, kept for the next time.
//!
//! ```text
//! target/bakeoff-builds/        or --cache
//!   <commit>/source             a worktree at the commit
//!   <commit>/build.log          what the build said
//!   <commit>/built              which command built it: there only when that went well
//!   target                      what the builds of this program share, so that only its own crates are built twice
//! ```
//!
//! The folders' names have one length, so that paths in the two programs do not make them differ in size. Whoever builds holds
//! a lock on the folder: two comparisons at once build one after the other.

use crate::process::building::Building;
use crate::process::launch::{Interrupt, LaunchError, Launcher};
use crate::process::orphans;
use bakeoff_reports::record::Side;
use rustix::fs::{FlockOperation, flock};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How this program builds itself.
const OWN_BUILD: &str = "cargo build --release --locked -p bakeoff --bin bakeoff";

/// The order in which functions lie in a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// That of the linker.
    Plain,
    /// Shuffled, by this number.
    Shuffled(u32),
}

impl Layout {
    /// The layouts for so many builds of a side: of one the plain one, of several shuffled ones.
    pub fn of(builds: u32) -> impl Iterator<Item = Self> {
        (1..=builds.max(1)).map(move |nth| if builds > 1 { Self::Shuffled(nth) } else { Self::Plain })
    }

    /// How this program is built in it. What shuffles is lld, which Rust links with on x86-64 Linux since 1.90.
    fn own_build(self) -> String {
        match self {
            Self::Plain => OWN_BUILD.into(),
            Self::Shuffled(seed) => {
                let rest = OWN_BUILD.strip_prefix("cargo build").unwrap_or(OWN_BUILD);
                format!("cargo rustc{rest} -- -C link-arg=-Wl,--shuffle-sections='.text*={seed}'")
            }
        }
    }

    /// How another program is built in it, which is told by a variable.
    fn build(self, command: &str) -> String {
        match self {
            Self::Plain => command.into(),
            Self::Shuffled(seed) => format!("export BAKEOFF_LAYOUT={seed}; {command}"),
        }
    }

    /// A file's or folder's name in it.
    fn name(self, plain: &str) -> String {
        match self {
            Self::Plain => plain.into(),
            Self::Shuffled(seed) => format!("{plain}-{seed}"),
        }
    }
}

/// Lines of a compiler's words that an error repeats.
const LAST_LINES: usize = 40;

/// Between two looks at a build or at a lock.
const LOOK: Duration = Duration::from_millis(50);

/// A side could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// There is no checkout to build from.
    #[error("side {} is the git ref `{reference}`, and there is no git checkout here to build it from: {why}", side.letter())]
    NoCheckout {
        /// Which side.
        side: Side,
        /// What was given.
        reference: String,
        /// git's words.
        why: String,
    },
    /// A ref that cannot be built, for no checkout was looked for.
    #[error("side {} is the git ref `{reference}`, which nothing here can build", side.letter())]
    NoBuilder {
        /// Which side.
        side: Side,
        /// What was given.
        reference: String,
    },
    /// No such commit.
    #[error(
        "side {} is to be built from `{reference}`, which names no commit here: {why}; fetch it first \
         (a shallow clone may not have it), or name a file or a command with {{port}}",
        side.letter()
    )]
    NoCommit {
        /// Which side.
        side: Side,
        /// What was given.
        reference: String,
        /// git's words.
        why: String,
    },
    /// The worktree could not be made.
    #[error("checking out side {} (`{reference}`) into {folder} failed: {why}", side.letter())]
    Checkout {
        /// Which side.
        side: Side,
        /// What was given.
        reference: String,
        /// Where to.
        folder: PathBuf,
        /// git's words.
        why: String,
    },
    /// It does not build.
    #[error("side {} (`{reference}`) does not build: `{command}` in {folder} {how}\n{said}", side.letter())]
    Build {
        /// Which side.
        side: Side,
        /// What was given.
        reference: String,
        /// The command.
        command: String,
        /// Where it ran.
        folder: PathBuf,
        /// How it ended.
        how: String,
        /// The end of what it said.
        said: String,
    },
    /// The tool was asked to end.
    #[error("interrupted")]
    Interrupted,
    /// The folder of builds cannot be used.
    #[error("keeping builds in {folder} failed: {source}; choose another folder with --cache")]
    Cache {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Builds commits of the checkout it was made for.
#[derive(Debug)]
pub struct Builder {
    /// The checkout.
    checkout: PathBuf,
    /// Where builds are kept.
    cache: PathBuf,
    /// The command that builds, of another program than this.
    command: Option<String>,
    /// Ends a build.
    interrupt: Interrupt,
    /// Tells of a build that begins.
    report: fn(&str),
}

/// A commit, built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// Its 40 hex digits.
    pub commit: String,
    /// Its worktree.
    pub folder: PathBuf,
    /// The program, where it is one of this tool's.
    pub program: PathBuf,
}

impl Builder {
    /// For the checkout that `folder` lies in; `cache` is where builds are kept instead of its target folder, and `command`
    /// what builds another program than this one.
    ///
    /// # Errors
    /// git's words when there is no checkout.
    pub fn new(
        folder: &Path,
        cache: Option<PathBuf>,
        command: Option<String>,
        interrupt: Interrupt,
        report: fn(&str),
    ) -> Result<Self, String> {
        let top = git(folder, ["rev-parse", "--show-toplevel"])?;
        let checkout = PathBuf::from(top);
        let cache = cache.unwrap_or_else(|| checkout.join("target/bakeoff-builds"));
        Ok(Self { checkout, cache: std::path::absolute(&cache).unwrap_or(cache), command, interrupt, report })
    }

    /// Builds a commit, or finds it built.
    ///
    /// # Errors
    /// No such commit; no worktree; a build that fails, with the end of its words.
    pub fn build(&self, side: Side, reference: &str, layout: Layout) -> Result<Built, BuildError> {
        let commit = self.commit(side, reference)?;
        let home = self.cache.join(&commit);
        let failed = |source| BuildError::Cache { folder: self.cache.clone(), source };
        fs::create_dir_all(&home).map_err(failed)?;
        let Some(_lock) = self.lock().map_err(failed)? else { return Err(BuildError::Interrupted) };
        let in_home = |name: &str| home.join(layout.name(name));
        let (folder, program, mark) = (in_home("source"), in_home("bakeoff"), in_home("built"));
        let command = self.command.as_deref().map_or_else(|| layout.own_build(), |own| layout.build(own));
        let command = command.as_str();
        let done = fs::read_to_string(&mark).is_ok_and(|by| by == command);
        let built = Built { commit, folder, program };
        if done && (self.command.is_some() && built.folder.is_dir() || built.program.is_file()) {
            return Ok(built);
        }
        let order = match layout {
            Layout::Plain => String::new(),
            Layout::Shuffled(seed) => format!(", layout {seed}"),
        };
        (self.report)(&format!(
            "building side {}: {reference} ({}){order}",
            side.letter(),
            &built.commit[..10]
        ));
        if mark.exists() {
            fs::remove_file(&mark).map_err(failed)?;
        }
        self.check_out(side, reference, &built)?;
        self.compile(side, reference, command, &built)?;
        if self.command.is_none() {
            let made = self.shared_target().join("release/bakeoff");
            // A copy of its own, renamed into its place: the next build writes over the original.
            let part = home.join("bakeoff.part");
            fs::copy(&made, &part).and_then(|_| fs::rename(&part, &built.program)).map_err(failed)?;
        }
        fs::write(&mark, command).map_err(failed)?;
        Ok(built)
    }

    fn commit(&self, side: Side, reference: &str) -> Result<String, BuildError> {
        let name = format!("{reference}^{{commit}}");
        git(&self.checkout, resolve(&name)).map_err(|why| {
            let why = if why.is_empty() { "git does not know it".to_owned() } else { why };
            BuildError::NoCommit { side, reference: reference.into(), why }
        })
    }

    /// The lock on the folder of builds, as soon as nobody else has it; `None` when interrupted before.
    fn lock(&self) -> io::Result<Option<File>> {
        let file = File::create(self.cache.join("lock"))?;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Some(file)),
                Err(rustix::io::Errno::WOULDBLOCK) if self.interrupt.sleep_until(Instant::now() + LOOK) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// A worktree at the commit, made anew: of one that is there nobody knows what a build has left in it, and its files would
    /// be older than what another commit left in the shared target, which cargo would take for built.
    fn check_out(&self, side: Side, reference: &str, built: &Built) -> Result<(), BuildError> {
        let failed = |why: String| BuildError::Checkout {
            side,
            reference: reference.into(),
            folder: built.folder.clone(),
            why,
        };
        if built.folder.exists() {
            fs::remove_dir_all(&built.folder)
                .map_err(|e| failed(format!("what lies there cannot be removed: {e}")))?;
        }
        let _ = git(&self.checkout, ["worktree", "prune"]);
        let words = ["worktree", "add", "--quiet", "--force", "--detach"].map(OsStr::new);
        let arguments = words.into_iter().chain([built.folder.as_os_str(), OsStr::new(&built.commit)]);
        git(&self.checkout, arguments).map(drop).map_err(failed)
    }

    fn compile(&self, side: Side, reference: &str, command: &str, built: &Built) -> Result<(), BuildError> {
        let failed = |how: String, said: String| BuildError::Build {
            side,
            reference: reference.into(),
            command: command.into(),
            folder: built.folder.clone(),
            how,
            said,
        };
        let log = built.folder.with_file_name("build.log");
        File::create(&log).map_err(|e| {
            failed(format!("could not be run: making {} failed: {e}", log.display()), String::new())
        })?;
        let own = self.command.is_none();
        let building = Building {
            command: command.into(),
            folder: built.folder.clone(),
            log: log.clone(),
            target: own.then(|| self.shared_target()),
        };
        let ended = match building.run(&Launcher::this_program(self.interrupt.clone())) {
            Err(LaunchError::Interrupted) => return Err(BuildError::Interrupted),
            ended => ended.map_err(|e| failed(format!("could not be run: {e}"), String::new()))?,
        };
        if let Some(told) = orphans::told(&ended.left) {
            (self.report)(&format!("the build of side {} {told}", side.letter()));
        }
        match ended.success {
            true => Ok(()),
            false => Err(failed(format!("ended with {}", ended.how), last_words(&log))),
        }
    }

    fn shared_target(&self) -> PathBuf {
        self.cache.join("target")
    }
}

/// The end of what a command said.
fn last_words(log: &Path) -> String {
    let said = fs::read(log).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.trim_end().lines().collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}

/// What asks git for the one commit of a name.
fn resolve(name: &str) -> [&str; 5] {
    ["rev-parse", "--verify", "--quiet", "--end-of-options", name]
}

/// Whether git knows a commit of that name in `folder`.
pub(super) fn is_commit(folder: &Path, reference: &str) -> bool {
    git(folder, resolve(&format!("{reference}^{{commit}}"))).is_ok()
}

/// What git answers to a question in a folder. No hook of the repository runs and no watcher of its files; the filters that its
/// configuration names for some files (such as LFS) do, for without them the files would be others.
///
/// # Errors
/// git's words, or why there is no git.
pub fn git<S: AsRef<OsStr>>(folder: &Path, arguments: impl IntoIterator<Item = S>) -> Result<String, String> {
    let mut git = Command::new("git");
    git.arg("-C")
        .arg(folder)
        .args(["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"])
        .args(arguments)
        .stdin(Stdio::null());
    // Within a hook they name the repository of the hook, whatever folder is given.
    git.env_remove("GIT_DIR").env_remove("GIT_WORK_TREE").env_remove("GIT_INDEX_FILE");
    let output = git.output().map_err(|e| format!("git could not be started: {e}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn neither_hooks_nor_watchers_of_a_repository_run() {
        let folder = tempfile::tempdir().expect("a folder");
        let run = |arguments: &[&str]| git(folder.path(), arguments).expect("git does it");
        run(&["init", "--quiet", "--initial-branch=main"]);
        let (script, ran) = (folder.path().join("script"), folder.path().join("ran"));
        fs::write(&script, format!("#!/bin/sh\ntouch {}\n", ran.display())).expect("room");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("ours");
        fs::create_dir_all(folder.path().join(".git/hooks")).expect("room");
        for hook in ["post-checkout", "pre-commit", "post-commit"] {
            fs::copy(&script, folder.path().join(".git/hooks").join(hook)).expect("room");
        }
        run(&["config", "core.fsmonitor", script.to_str().expect("text")]);
        let who = ["-c", "user.name=T", "-c", "user.email=t@example.org"];
        run(&[&who[..], &["commit", "--quiet", "--allow-empty", "-m", "one"]].concat());
        run(&["status"]);
        run(&["checkout", "--quiet", "--detach"]);
        assert!(!ran.exists());
    }
}
