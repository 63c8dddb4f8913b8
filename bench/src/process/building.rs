//! A build of somebody's program, in the care of a process of ours: whatever it starts, and however the tool ends, nothing of it
//! is left running.
//!
//! ```text
//! runner ──> `bakeoff keep-build` ──> /bin/sh -c COMMAND ──> ...
//! ```
//!
//! The one in the middle adopts what the build leaves ([`orphans`]), ends it when the shell has ended, and is told by the kernel
//! when the runner is gone, also by SIGKILL. It says one line, how the build ended.

use super::launch::{Interrupt, LaunchError, Launcher, end_with_parent};
use super::orphans;
use super::serving::say_line;
use super::workers::expect;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The internal subcommand.
const KEEP: &str = "keep-build";
/// What it is called in messages.
const BUILD: &str = "build";
/// Between two looks at the shell.
const LOOK: Duration = Duration::from_millis(20);
/// Longer than any build.
const PATIENCE: Duration = Duration::from_secs(7 * 24 * 3_600);

/// What is to be built, and how.
#[derive(Clone, Debug)]
pub struct Building {
    /// A line for the shell.
    pub command: OsString,
    /// Where it runs.
    pub folder: PathBuf,
    /// The file for what it says.
    pub log: PathBuf,
    /// `CARGO_TARGET_DIR`, where it is one of our own builds.
    pub target: Option<PathBuf>,
}

/// How a build ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildEnd {
    /// Whether it went well.
    pub success: bool,
    /// The shell's end, in words.
    pub how: String,
    /// What was left running, which was ended.
    pub left: Vec<String>,
}

impl Building {
    /// Builds, and waits for the end.
    ///
    /// # Errors
    /// The tool was interrupted; the build could not be started.
    pub fn run(&self, launcher: &Launcher) -> Result<BuildEnd, LaunchError> {
        let flag = |name: &str, value: &Path| {
            let mut argument = OsString::from(format!("--{name}="));
            argument.push(value);
            argument
        };
        let mut arguments = vec![KEEP.into(), flag("folder", &self.folder), flag("log", &self.log)];
        arguments.extend(self.target.iter().map(|target| flag("target", target)));
        arguments.push(flag("command", Path::new(&self.command)));
        let mut keeper = launcher.start(BUILD, arguments)?;
        let ended = expect(&mut keeper, BUILD, PATIENCE);
        drop(keeper);
        // Of an interrupted build there may be something, for its keeper was killed with it.
        orphans::end_all(None);
        ended
    }

    /// What the process in the middle does. It must have no other child.
    ///
    /// # Errors
    /// The system's, in words.
    pub fn keep(&self, parent: u32) -> Result<(), String> {
        let failed = |doing: &str, e: io::Error| format!("{doing} failed: {e}");
        // Before the kernel is asked for a signal, for that must not kill it.
        let stop = Interrupt::on_signals().map_err(|e| failed("installing the signal handlers", e))?;
        end_with_parent(parent, Signal::TERM)?;
        orphans::adopt().map_err(|e| failed("adopting what the build leaves (PR_SET_CHILD_SUBREAPER)", e))?;
        let log = |e| failed(&format!("writing {}", self.log.display()), e);
        let out = File::options().append(true).open(&self.log).map_err(log)?;
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").arg(&self.command).current_dir(&self.folder).stdin(Stdio::null());
        shell.stdout(out.try_clone().map_err(log)?).stderr(out);
        shell.envs(self.target.iter().map(|target| ("CARGO_TARGET_DIR", target)));
        let mut shell = orphans::keep(|| shell.spawn().map(|shell| (shell.id(), shell)))
            .map_err(|e| failed(&format!("starting /bin/sh in {}", self.folder.display()), e))?;
        let ended = loop {
            let ended = shell.try_wait().map_err(|e| failed("waiting for the build", e))?;
            if ended.is_some() || !stop.sleep_until(Instant::now() + LOOK) {
                break ended;
            }
        };
        orphans::let_go(shell.id());
        let left = orphans::end_all(None);
        if let Some(status) = ended {
            say_line(&BuildEnd { success: status.success(), how: status.to_string(), left });
        }
        Ok(())
    }
}
