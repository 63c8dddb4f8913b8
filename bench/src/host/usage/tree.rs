//! The processes of a tree: who they are, how many, how many threads.
//!
//! A process that ends while it is read is left out; one that is there and cannot be read is an error, because then a
//! figure of the tree would be wrong, not small.

use super::reading;
use bakeoff_reports::record::Reading;
use procfs::process::Process;
use procfs::{ProcError, ProcResult};
use std::path::{Path, PathBuf};

/// Why there is no figure of a server that is no more.
pub(super) const GONE: &str = "the server had ended";

/// Where the kernel shows processes: `/proc`, or a folder that looks like it.
#[derive(Clone, Debug)]
pub struct Proc {
    root: PathBuf,
}

impl Proc {
    /// The system's own, `/proc`.
    pub fn system() -> Self {
        Self::at("/proc")
    }

    /// A folder that looks like it.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// A file or folder in it.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The text of a file in it.
    pub(super) fn text(&self, name: &str) -> Result<String, String> {
        read(&self.path(name))
    }

    pub(super) fn process(&self, pid: u32) -> ProcResult<Process> {
        Process::new_with_root(self.path(&pid.to_string()))
    }

    /// The living processes of the tree under `root`, itself first. Processes that end meanwhile are left out.
    ///
    /// # Errors
    /// When a process that is there cannot be read, or `root` is not there.
    pub fn tree(&self, root: u32) -> Result<Vec<u32>, String> {
        let mut found = Vec::new();
        let mut waiting = vec![root];
        while let Some(pid) = waiting.pop() {
            // No handle is kept: a tree may have more processes than we may have descriptors.
            let Some(tasks) = living(pid, self.process(pid).and_then(|p| p.tasks()))? else { continue };
            for task in tasks.flatten() {
                // A thread that has ended has no children.
                waiting.extend(task.children().unwrap_or_default());
            }
            found.push(pid);
        }
        if found.is_empty() { Err(GONE.into()) } else { Ok(found) }
    }
}

/// The text of a file.
pub(super) fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| format!("{} cannot be read: {e}", path.display()))
}

/// A figure of a process; `None` when it has ended.
pub(super) fn living<T>(pid: u32, figure: ProcResult<T>) -> Result<Option<T>, String> {
    match figure {
        Ok(figure) => Ok(Some(figure)),
        Err(ProcError::NotFound(_)) => Ok(None),
        Err(ProcError::Io(e, _)) if e.raw_os_error() == Some(libc::ESRCH) => Ok(None),
        Err(error) => Err(format!("/proc/{pid} cannot be read: {error}")),
    }
}

/// Threads and processes of a tree at one instant. Cheap to take.
#[derive(Clone, Debug)]
pub struct Population {
    /// Threads.
    pub threads: Reading<u64>,
    /// Processes.
    pub processes: Reading<u64>,
}

impl Population {
    /// Those living now.
    pub fn take(root: u32) -> Self {
        let counted = count(&Proc::system(), root);
        Self {
            threads: reading(counted.clone().map(|(threads, _)| threads)),
            processes: reading(counted.map(|(_, processes)| processes)),
        }
    }
}

/// Threads and processes.
pub(super) fn count(proc: &Proc, root: u32) -> Result<(u64, u64), String> {
    let (mut threads, mut processes) = (0, 0);
    for pid in proc.tree(root)? {
        // A process that ends between the listing and the reading is counted in neither.
        if let Some(stat) = living(pid, proc.process(pid).and_then(|p| p.stat()))? {
            threads += u64::try_from(stat.num_threads).unwrap_or_default();
            processes += 1;
        }
    }
    if processes == 0 { Err(GONE.into()) } else { Ok((threads, processes)) }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::io::Read as _;
    use std::process::{Child, Command, Stdio};

    /// A shell with two sleeping children, all of them up.
    pub(crate) fn family() -> Child {
        let mut shell = Command::new("sh")
            .args(["-c", "sleep 30 & sleep 30 & echo up; wait"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh");
        let mut up = [0; 3];
        let stdout = shell.stdout.as_mut().expect("piped");
        stdout.read_exact(&mut up).expect("the shell says it is up");
        shell
    }

    /// Ends a family that `family` made.
    pub(crate) fn end(mut family: Child) {
        for pid in Proc::system().tree(family.id()).expect("it lives") {
            let pid = rustix::process::Pid::from_raw(pid as i32).expect("above zero");
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("our own child");
        }
        family.wait().expect("our child");
    }

    #[test]
    fn a_tree_is_seen_whole() {
        let family = family();
        let pids = Proc::system().tree(family.id()).expect("it lives");
        let population = Population::take(family.id());
        end(family);
        assert_eq!(pids.len(), 3, "{pids:?}");
        assert_eq!(population.processes, Reading::Value(3));
        assert_eq!(population.threads, Reading::Value(3));
    }

    #[test]
    fn what_is_gone_or_hidden_is_absent_not_zero() {
        let mut child = Command::new("true").spawn().expect("true");
        let pid = child.id();
        child.wait().expect("our child");
        assert_eq!(Population::take(pid).processes, Reading::Absent(GONE.into()));
        let nowhere = Proc::at("/nowhere");
        assert!(nowhere.tree(std::process::id()).is_err());
        assert!(nowhere.text("stat").expect_err("no such folder").contains("/nowhere/stat"));
    }
}
