//! Forked children: how they are made, found out to have ended, and ended.
//!
//! One of two ways is chosen before the first fork. With [`reap_children`] the SIGCHLD handler reaps whoever has ended and
//! counts it: for a child for each connection. With [`watch_children`] it makes a descriptor readable, and the caller takes who
//! has ended by [`next_ended`]: for children that are to be replaced. Who lives is known in both, so that a signal never goes to
//! a stranger.
#![allow(unsafe_code)]

use super::{STOP, STOP_EVENT, errno, handle, set_errno};
use crate::Counters;
use rustix::event::{EventfdFlags, eventfd};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, IntoRawFd as _};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU64, AtomicUsize, Ordering::SeqCst};

/// Largest process id there can be, plus one (`PID_MAX_LIMIT` of a 64-bit Linux, include/linux/threads.h).
const PID_LIMIT: usize = 1 << 22;
/// One bit for each living child. Only the pages in use take memory.
static CHILDREN: [AtomicU64; PID_LIMIT / 64] = [const { AtomicU64::new(0) }; PID_LIMIT / 64];
/// How many bits are set in [`CHILDREN`].
static LIVING: AtomicUsize = AtomicUsize::new(0);
/// Where the SIGCHLD handler counts; null until children are expected.
static CHILD_COUNTERS: AtomicPtr<Counters> = AtomicPtr::new(ptr::null_mut());
/// An eventfd that turns readable when a child has ended, where somebody watches; -1 where nobody does.
static CHILD_EVENT: AtomicI32 = AtomicI32::new(-1);
/// Whether the server itself is killing children now, so that their death is no crash.
static KILLING: AtomicBool = AtomicBool::new(false);

/// What a fork came back as.
pub(crate) enum Forked {
    /// This is the parent of the child of this id, which is in the table: its end will be counted, or told.
    Parent(libc::pid_t),
    /// This is the child: it has the caller's memory, no table of children, and dies with its parent.
    Child,
}

/// Reaps every child from now on, which are those of [`fork`] (`Alone`), and counts their ends in `counters`.
///
/// # Errors
/// When the handler cannot be installed.
pub(crate) fn reap_children(_: &Alone, counters: &'static Counters) -> io::Result<()> {
    CHILD_COUNTERS.store(ptr::from_ref(counters).cast_mut(), SeqCst);
    handle(libc::SIGCHLD, on_child as extern "C" fn(libc::c_int) as libc::sighandler_t)
}

/// Tells of children that have ended by a descriptor that turns readable, from now on; they are for [`next_ended`] to reap.
///
/// # Errors
/// When the descriptor or the handler cannot be made.
pub(crate) fn watch_children(_: &Alone) -> io::Result<BorrowedFd<'static>> {
    let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?.into_raw_fd();
    CHILD_EVENT.store(event, SeqCst);
    handle(libc::SIGCHLD, on_child as extern "C" fn(libc::c_int) as libc::sighandler_t)?;
    // SAFETY: it is never closed.
    Ok(unsafe { BorrowedFd::borrow_raw(event) })
}

/// A child that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Its process id, which is free for another now.
    pub(crate) pid: libc::pid_t,
    /// Whether it died instead of finishing; not of those that the server itself has killed.
    pub(crate) crashed: bool,
}

/// Reaps one of the children that have ended.
pub(crate) fn next_ended() -> Option<Ended> {
    loop {
        let mut status = 0;
        // SAFETY: `status` is a valid place on this stack.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
        if pid <= 0 {
            return None;
        }
        if child_bit(pid, |word, bit| word.fetch_and(!bit, SeqCst)) {
            LIVING.fetch_sub(1, SeqCst);
            let finished = libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0;
            return Some(Ended { pid, crashed: !finished && !KILLING.load(SeqCst) });
        } // or it is no child of the model
    }
}

/// That this process has one thread, and no child: what [`fork`] and the reaping of children rest on. A forked child of a process
/// with other threads may find locks held for ever, and what is reaped here would be missed by whoever started it.
#[derive(Debug)]
pub(crate) struct Alone(());

impl Alone {
    /// Makes sure of it. The caller starts no thread, and no child but by [`fork`], as long as it forks.
    ///
    /// # Errors
    /// There are others, or nobody can tell (no `/proc`).
    pub(crate) fn check() -> io::Result<Self> {
        let told = |why: String| {
            io::Error::other(format!("forking needs a process with one thread and no child: {why}"))
        };
        let threads = std::fs::read_dir("/proc/self/task")
            .map_err(|e| told(format!("/proc/self/task does not tell how many threads there are: {e}")))?
            .count();
        if threads != 1 {
            return Err(told(format!("this one has {threads} threads")));
        }
        let look = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        // SAFETY: all zeroes is a valid siginfo_t, and the place is one on this stack.
        let childless = unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            libc::waitid(libc::P_ALL, 0, &raw mut info, look) != 0 && errno() == libc::ECHILD
        };
        if childless { Ok(Self(())) } else { Err(told("this one has children".into())) }
    }
}

/// Forks. The caller has called [`reap_children`] or [`watch_children`], and leaves the child by [`exit_child`].
///
/// # Errors
/// EAGAIN or ENOMEM: no process to be had now.
pub(crate) fn fork(_: &Alone) -> io::Result<Forked> {
    let parent = rustix::process::getpid();
    let mask = Masked::new()?;
    // SAFETY: the process has one thread (`Alone`), so the child's memory is consistent.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            become_child(parent);
            drop(mask);
            Ok(Forked::Child)
        }
        pid => {
            // SIGCHLD is held back, so the bit is there before its end can be handled.
            child_bit(pid, |word, bit| word.fetch_or(bit, SeqCst));
            LIVING.fetch_add(1, SeqCst);
            Ok(Forked::Parent(pid))
        }
    }
}

/// Leaves what belongs to the parent and arranges to die with it.
fn become_child(parent: rustix::process::Pid) {
    STOP_EVENT.store(-1, SeqCst); // shared with the parent: a signal to this child alone must not wake it
    STOP.forget_all(); // the listener's: shutting it down would end the accept of all who share it
    CHILD_COUNTERS.store(ptr::null_mut(), SeqCst);
    CHILD_EVENT.store(-1, SeqCst);
    // Ctrl-C reaches the whole foreground group; the parent alone turns it into an orderly stop.
    let ready = handle(libc::SIGINT, libc::SIG_IGN).and_then(|()| handle(libc::SIGCHLD, libc::SIG_DFL));
    let bound = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    // The parent may have died before the death signal was asked for.
    if ready.is_err() || bound.is_err() || rustix::process::getppid() != Some(parent) {
        exit_child(1);
    }
}

/// Closes the child's copy of a descriptor of its parent: of the listener, so that the address is free when the parent closes its
/// own.
pub(crate) fn close_in_child(descriptor: impl AsFd) {
    // SAFETY: the child never uses or drops it again: it leaves by `exit_child`, which runs no destructors.
    unsafe { libc::close(descriptor.as_fd().as_raw_fd()) };
}

/// Ends the process without running what is registered for its exit, which a forked child has from its parent.
pub(crate) fn exit_child(code: i32) -> ! {
    // SAFETY: ends the process; never returns.
    unsafe { libc::_exit(code) }
}

/// Children that have not been reaped yet.
pub(crate) fn living_children() -> usize {
    LIVING.load(SeqCst)
}

/// Asks every living child to stop (SIGTERM).
///
/// # Errors
/// When signals cannot be held back.
pub(crate) fn stop_children() -> io::Result<()> {
    signal_children(libc::SIGTERM).map(drop)
}

/// Kills every living child; their deaths count as no crash. Returns how many there were.
///
/// # Errors
/// When signals cannot be held back.
pub(crate) fn kill_children() -> io::Result<usize> {
    KILLING.store(true, SeqCst);
    signal_children(libc::SIGKILL)
}

fn signal_children(signal: libc::c_int) -> io::Result<usize> {
    // With SIGCHLD held back an ended child stays a zombie, so no number can have passed to a stranger.
    let _masked = Masked::new()?;
    let mut found = 0;
    for (index, word) in CHILDREN.iter().enumerate() {
        let mut bits = word.load(SeqCst);
        while bits != 0 {
            let pid = index * 64 + bits.trailing_zeros() as usize;
            bits &= bits - 1;
            found += 1;
            // SAFETY: touches no memory; the process is our own unreaped child.
            unsafe { libc::kill(pid as libc::pid_t, signal) };
        }
    }
    Ok(found)
}

fn child_bit(pid: libc::pid_t, change: impl Fn(&AtomicU64, u64) -> u64) -> bool {
    let Ok(pid) = usize::try_from(pid) else { return false };
    let Some(word) = CHILDREN.get(pid / 64) else { return false };
    let bit = 1 << (pid % 64);
    change(word, bit) & bit != 0
}

/// Tells whoever watches, or reaps every ended child: signals of one kind coalesce, so one call may stand for many (Stevens,
/// UNP 5.10).
extern "C" fn on_child(_signal: libc::c_int) {
    let saved = errno();
    let event = CHILD_EVENT.load(SeqCst);
    if event >= 0 {
        let one = 1_u64.to_ne_bytes();
        // SAFETY: writes eight bytes that live on this stack to our own eventfd.
        unsafe { libc::write(event, one.as_ptr().cast(), one.len()) };
    } else {
        // SAFETY: null or a reference that lives as long as the process (reap_children).
        let counters = unsafe { CHILD_COUNTERS.load(SeqCst).as_ref() };
        while let Some(ended) = next_ended() {
            if let Some(counters) = counters {
                counters.closed();
                if ended.crashed {
                    Counters::count(&counters.crashed);
                }
            }
        }
    }
    set_errno(saved);
}

/// Holds SIGCHLD, SIGTERM and SIGINT back on this thread while it lives.
struct Masked(libc::sigset_t);

impl Masked {
    fn new() -> io::Result<Self> {
        // SAFETY: both sets are valid places on this stack; sigemptyset initialises the one that is read.
        unsafe {
            let (mut set, mut before): (libc::sigset_t, libc::sigset_t) = std::mem::zeroed();
            libc::sigemptyset(&raw mut set);
            for signal in [libc::SIGCHLD, libc::SIGTERM, libc::SIGINT] {
                libc::sigaddset(&raw mut set, signal);
            }
            match libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, &raw mut before) {
                0 => Ok(Self(before)),
                code => Err(io::Error::from_raw_os_error(code)),
            }
        }
    }
}

impl Drop for Masked {
    fn drop(&mut self) {
        // SAFETY: restores the mask that `new` saved on this same thread.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, ptr::null_mut()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_threads_is_not_alone() {
        let waits = std::thread::spawn(std::thread::park);
        let refused = Alone::check().expect_err("there are two at least").to_string();
        assert!(
            refused.contains("needs a process with one thread") && refused.contains("threads"),
            "{refused}"
        );
        waits.thread().unpark();
        waits.join().expect("it only waited");
    }
}
