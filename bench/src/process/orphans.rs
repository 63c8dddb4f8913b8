//! What a contestant or a build leaves behind in another process group: found, named, ended.
//!
//! A process whose parent ends is given to the nearest ancestor that asked for it (`PR_SET_CHILD_SUBREAPER`), here this one. So
//! whatever a child started, by however many forks and sessions, is a child of this process once everything between has ended.
//! It never touches a child that this process started itself and keeps (`keep`).
//!
//! When the tool itself is killed its adopted children go to whoever adopts them next: only what asked the kernel to end with
//! its parent does (our own servers and workers, a command itself, a build with all that it started).

use crate::sys;
use procfs::ProcResult;
use procfs::process::{Process, Task};
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, getpid, kill_process, set_child_subreaper, waitid,
};
use std::collections::BTreeSet;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Whether orphans are given to this process.
static ADOPTS: AtomicBool = AtomicBool::new(false);
/// The children that this process started itself and has not reaped.
static KEPT: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());
/// How long orphans may take to be gone: each kill may bring new ones.
const PATIENCE: Duration = Duration::from_secs(5);

/// Has orphans given to this process from now on: for a whole program, for [`end_all`] then ends every child that nobody keeps.
///
/// # Errors
/// The system's.
pub fn adopt() -> io::Result<()> {
    // What this process had as a child before (of a shell that became it) is nobody's leftover.
    KEPT.lock().expect("no holder panics").extend(children().unwrap_or_default());
    set_child_subreaper(Some(getpid()))?;
    ADOPTS.store(true, Ordering::Relaxed);
    Ok(())
}

/// Starts a child by `start`, which returns its process id, and keeps it from [`end_all`].
pub(super) fn keep<E>(start: impl FnOnce() -> Result<(u32, E), io::Error>) -> io::Result<E> {
    // Held meanwhile, so that nobody takes it for an orphan before it is known.
    let mut kept = KEPT.lock().expect("no holder panics");
    let (pid, started) = start()?;
    kept.insert(pid);
    Ok(started)
}

/// A kept child was reaped.
pub(super) fn let_go(pid: u32) {
    KEPT.lock().expect("no holder panics").remove(&pid);
}

/// Reaps what was adopted and has ended, so that processes of a server that forks twice for each client do not pile up. Next to
/// free while there are none.
pub(super) fn reap_ended() {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    if ADOPTS.load(Ordering::Relaxed) && matches!(waitid(WaitId::All, look), Ok(Some(_))) {
        adopted().into_iter().for_each(|pid| drop(sys::try_reap(pid)));
    }
}

/// Ends what was adopted. Returns the names of those that did not belong to `group`, whose processes are ended with it.
pub fn end_all(group: Option<u32>) -> Vec<String> {
    let mut names = Vec::new();
    let mut seen = BTreeSet::new();
    let deadline = Instant::now() + PATIENCE;
    while ADOPTS.load(Ordering::Relaxed) && Instant::now() < deadline {
        let adopted = adopted();
        if adopted.is_empty() {
            break;
        }
        for pid in adopted {
            if seen.insert(pid) {
                names.extend(name_of_living(pid, group));
            }
            let process = Pid::from_raw(pid as i32).expect("a process id is above zero");
            // Not reaped yet, so the number is still its own.
            let _ = kill_process(process, Signal::KILL);
            let _ = sys::try_reap(pid);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    names
}

/// What was left behind and ended, in words; `None` when nothing was.
pub fn told(left: &[String]) -> Option<String> {
    let (count, names) = (left.len(), left.join(", "));
    match count {
        0 => None,
        1 => Some(format!("left a process behind, which was ended: {names}")),
        _ => Some(format!("left {count} processes behind, which were ended: {names}")),
    }
}

/// The children of this process that nobody keeps.
fn adopted() -> Vec<u32> {
    let kept = KEPT.lock().expect("no holder panics");
    let mut children = children().unwrap_or_default();
    children.retain(|pid| !kept.contains(pid));
    children
}

/// The children of this process; of a kernel that does not list them (CONFIG_PROC_CHILDREN) by asking every process.
fn children() -> ProcResult<Vec<u32>> {
    let listed = |task: ProcResult<Task>| task.and_then(|task| task.children());
    let of_all_tasks: ProcResult<Vec<Vec<u32>>> = Process::myself()?.tasks()?.map(listed).collect();
    if let Ok(children) = of_all_tasks {
        return Ok(children.concat());
    }
    let own = getpid().as_raw_nonzero().get();
    let stats = procfs::process::all_processes()?.flatten().flat_map(|process| process.stat());
    Ok(stats.filter(|stat| stat.ppid == own).map(|stat| stat.pid as u32).collect())
}

/// What a process is called, with its number, unless it has ended or is one of the group.
fn name_of_living(pid: u32, group: Option<u32>) -> Option<String> {
    let stat = Process::new(pid as i32).and_then(|process| process.stat()).ok()?;
    let of_group = group.is_some_and(|group| u32::try_from(stat.pgrp) == Ok(group));
    (stat.state != 'Z' && !of_group).then(|| format!("{} ({pid})", stat.comm))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_told_by_number_and_name() {
        assert_eq!(told(&[]), None);
        let one = told(&["sleep (7)".into()]).expect("one");
        assert_eq!(one, "left a process behind, which was ended: sleep (7)");
        assert!(told(&["a (1)".into(), "b (2)".into()]).expect("two").contains("2 processes"));
    }
}
