//! Every `unsafe` line and every raw system call of this crate: signal handlers, fork, reaping, shared memory; in
//! `sys::uring`, io_uring.
//!
//! Signals and children belong to the process, so the state here is static and made of atomics: it is read and written
//! inside signal handlers, where nothing that locks or allocates may run (signal-safety(7)). Nothing here decides
//! policy: when to stop, how long to wait and what to count stand in `stop`, `drive` and `models`.
#![allow(unsafe_code)]

mod provided;
pub mod uring;

use crate::Counters;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsRawFd as _, BorrowedFd, IntoRawFd as _, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU64, AtomicUsize, Ordering::SeqCst};

/// Set once, by the first request to stop.
static STOP_REQUESTED: AtomicBool = AtomicBool::new(false);
/// An eventfd that turns readable with the request and stays so; -1 where there is none (a forked child).
static STOP_EVENT: AtomicI32 = AtomicI32::new(-1);
/// Sockets whose reading side a request to stop shuts down, which wakes whoever blocks in accept(2) or recv(2) on
/// them. -1 is a free slot. As many listeners as there may be event loops (1,024) and, in a forked child, two of its own.
static UNBLOCK: [AtomicI32; 1028] = [const { AtomicI32::new(-1) }; 1028];
/// The slots that have been in use are the first so many.
static UNBLOCK_USED: AtomicUsize = AtomicUsize::new(0);

/// Largest process id there can be, plus one (`PID_MAX_LIMIT` of a 64-bit Linux, include/linux/threads.h).
const PID_LIMIT: usize = 1 << 22;
/// One bit for each living child. Only the pages in use take memory.
static CHILDREN: [AtomicU64; PID_LIMIT / 64] = [const { AtomicU64::new(0) }; PID_LIMIT / 64];
/// How many bits are set in [`CHILDREN`].
static LIVING: AtomicUsize = AtomicUsize::new(0);
/// Where the SIGCHLD handler counts; null until children are expected.
static CHILD_COUNTERS: AtomicPtr<Counters> = AtomicPtr::new(ptr::null_mut());
/// Whether the server itself is killing children now, so that their death is no crash.
static KILLING: AtomicBool = AtomicBool::new(false);

/// Counters in memory that forked children share, zeroed, for the rest of the process's life.
///
/// # Errors
/// When the system has no memory to map.
pub(crate) fn shared_counters() -> io::Result<&'static Counters> {
    // SAFETY: a new anonymous mapping at an address of the kernel's choice overlaps nothing.
    let memory = unsafe {
        libc::mmap(
            ptr::null_mut(),
            size_of::<Counters>(),
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if memory == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the mapping is page-aligned, large enough, never unmapped, and all zeroes are valid atomics.
    Ok(unsafe { &*memory.cast::<Counters>() })
}

/// poll(2) over `entries`, whose `revents` it fills; -1 waits without limit. Returns how many are ready.
///
/// # Errors
/// A signal came, or memory is short.
pub(crate) fn poll(entries: &mut [libc::pollfd], timeout_ms: libc::c_int) -> io::Result<usize> {
    let count = entries.len() as libc::nfds_t;
    // SAFETY: the pointer and the count are those of one live slice, and descriptors that are not ours make the kernel
    // answer POLLNVAL.
    let ready = unsafe { libc::poll(entries.as_mut_ptr(), count, timeout_ms) };
    if ready < 0 { Err(io::Error::last_os_error()) } else { Ok(ready as usize) }
}

/// Adds `listener` to the epoll instance `poll`, edge-triggered, so that one of those who wait at instances that share it is
/// woken (`EPOLLEXCLUSIVE`, epoll_ctl(2)); reported under `number`.
///
/// # Errors
/// When the kernel has no memory for one more.
pub(crate) fn watch_exclusively(poll: RawFd, listener: RawFd, number: usize) -> io::Result<()> {
    use rustix::event::epoll;
    // SAFETY: the caller has both open, and neither is kept beyond this call.
    let (poll, listener) = unsafe { (BorrowedFd::borrow_raw(poll), BorrowedFd::borrow_raw(listener)) };
    let flags = epoll::EventFlags::IN | epoll::EventFlags::ET | epoll::EventFlags::EXCLUSIVE;
    Ok(epoll::add(poll, listener, epoll::EventData::new_u64(number as u64), flags)?)
}

/// Makes SIGTERM and SIGINT request a stop, and SIGPIPE harmless. Idempotent.
///
/// # Errors
/// When the eventfd or a handler cannot be made.
pub(crate) fn install_stop_handlers() -> io::Result<()> {
    if STOP_EVENT.load(SeqCst) < 0 {
        use rustix::event::{EventfdFlags, eventfd};
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        STOP_EVENT.store(event.into_raw_fd(), SeqCst);
    }
    handle(libc::SIGTERM, on_stop as extern "C" fn(libc::c_int) as libc::sighandler_t)?;
    handle(libc::SIGINT, on_stop as extern "C" fn(libc::c_int) as libc::sighandler_t)?;
    handle(libc::SIGPIPE, libc::SIG_IGN)
}

/// Whether a stop has been requested.
pub(crate) fn stop_requested() -> bool {
    STOP_REQUESTED.load(SeqCst)
}

/// The descriptor that is readable once a stop has been requested, if handlers were installed in this process.
pub(crate) fn stop_event() -> Option<BorrowedFd<'static>> {
    let fd = STOP_EVENT.load(SeqCst);
    // SAFETY: the eventfd is made once and never closed.
    (fd >= 0).then(|| unsafe { BorrowedFd::borrow_raw(fd) })
}

/// Requests a stop. Async-signal-safe: atomics, shutdown(2) and write(2) only.
pub(crate) fn request_stop() {
    STOP_REQUESTED.store(true, SeqCst);
    for slot in &UNBLOCK[..UNBLOCK_USED.load(SeqCst)] {
        let fd = slot.load(SeqCst);
        if fd >= 0 {
            unblock(fd);
        }
    }
    let fd = STOP_EVENT.load(SeqCst);
    if fd >= 0 {
        let one = 1_u64.to_ne_bytes();
        // SAFETY: writes eight bytes that live on this stack to our own eventfd.
        unsafe { libc::write(fd, one.as_ptr().cast(), one.len()) };
    }
}

/// Enters a socket to be shut down for reading by a request to stop; returns the slot, or `None` when all are taken.
pub(crate) fn unblock_on_stop(fd: RawFd) -> Option<usize> {
    let slot = UNBLOCK.iter().position(|slot| slot.compare_exchange(-1, fd, SeqCst, SeqCst).is_ok())?;
    UNBLOCK_USED.fetch_max(slot + 1, SeqCst);
    // Entered first, asked second: either the handler sees the slot or we see the request.
    if stop_requested() {
        unblock(fd);
    }
    Some(slot)
}

/// Frees a slot of [`unblock_on_stop`]. To be called before the socket is closed.
pub(crate) fn forget_unblock(slot: usize) {
    UNBLOCK[slot].store(-1, SeqCst);
}

/// Shuts a socket down for reading: what has arrived can still be read, then comes the end of input.
/// The caller vouches that the number is still the socket it means (see `drive::registry`).
pub(crate) fn shutdown_read(fd: RawFd) {
    shutdown(fd, libc::SHUT_RD);
}

/// Shuts a socket down both ways: whoever blocks on it comes back. The caller vouches for the number, as above.
pub(crate) fn shutdown_both(fd: RawFd) {
    shutdown(fd, libc::SHUT_RDWR);
}

/// Brings whoever blocks on a socket back. Where that cannot be done (a filter that refuses the call) the process ends here and
/// now: an orderly end would wait for somebody who sleeps for ever.
fn unblock(fd: RawFd) {
    const DEAF: libc::c_int = 1;
    if shutdown(fd, libc::SHUT_RD) != 0 && errno() != libc::ENOTCONN {
        exit_child(DEAF);
    }
}

fn shutdown(fd: RawFd, how: libc::c_int) -> libc::c_int {
    // SAFETY: touches no memory of ours. Failing (not connected any more) is fine: then nobody waits on it either.
    unsafe { libc::shutdown(fd, how) }
}

/// What a fork came back as.
pub(crate) enum Forked {
    /// This is the parent; the child is in the table and its end will be counted.
    Parent,
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

/// Forks. The caller has called [`reap_children`], and leaves the child by [`exit_child`].
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
            Ok(Forked::Parent)
        }
    }
}

/// Leaves what belongs to the parent and arranges to die with it.
fn become_child(parent: rustix::process::Pid) {
    STOP_EVENT.store(-1, SeqCst); // shared with the parent: a signal to this child alone must not wake it
    for slot in &UNBLOCK[..UNBLOCK_USED.load(SeqCst)] {
        slot.store(-1, SeqCst); // the listener's: shutting it down would end the parent's accept
    }
    CHILD_COUNTERS.store(ptr::null_mut(), SeqCst);
    // Ctrl-C reaches the whole foreground group; the parent alone turns it into an orderly stop.
    let ready = handle(libc::SIGINT, libc::SIG_IGN).and_then(|()| handle(libc::SIGCHLD, libc::SIG_DFL));
    let bound = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    // The parent may have died before the death signal was asked for.
    if ready.is_err() || bound.is_err() || rustix::process::getppid() != Some(parent) {
        exit_child(1);
    }
}

/// Closes the child's copy of the listener, so that the address is free when the parent closes its own.
pub(crate) fn close_in_child(listener: &TcpListener) {
    // SAFETY: the child never uses or drops the listener again: it leaves by `exit_child`, which runs no destructors.
    unsafe { libc::close(listener.as_raw_fd()) };
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

extern "C" fn on_stop(_signal: libc::c_int) {
    let saved = errno();
    request_stop();
    set_errno(saved);
}

/// Reaps every ended child: signals of one kind coalesce, so one call may stand for many (Stevens, UNP 5.10).
extern "C" fn on_child(_signal: libc::c_int) {
    let saved = errno();
    // SAFETY: null or a reference that lives as long as the process (reap_children).
    let counters = unsafe { CHILD_COUNTERS.load(SeqCst).as_ref() };
    loop {
        let mut status = 0;
        // SAFETY: `status` is a valid place on this stack.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
        if pid <= 0 {
            break;
        }
        if !child_bit(pid, |word, bit| word.fetch_and(!bit, SeqCst)) {
            continue; // not a child of the model
        }
        LIVING.fetch_sub(1, SeqCst);
        if let Some(counters) = counters {
            counters.closed();
            let finished = libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0;
            if !finished && !KILLING.load(SeqCst) {
                Counters::count(&counters.crashed);
            }
        }
    }
    set_errno(saved);
}

fn errno() -> libc::c_int {
    // SAFETY: the address is this thread's own errno.
    unsafe { *libc::__errno_location() }
}

fn set_errno(value: libc::c_int) {
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = value };
}

/// Installs a handler that restarts interrupted system calls: models see a stop by the shut-down socket, not by EINTR.
fn handle(signal: libc::c_int, handler: libc::sighandler_t) -> io::Result<()> {
    // SAFETY: all zeroes is a valid sigaction (empty mask, no flags), and `handler` is SIG_DFL, SIG_IGN or one of the
    // async-signal-safe functions above.
    let result = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(signal, &raw const action, ptr::null_mut())
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
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
