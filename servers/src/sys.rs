//! Every `unsafe` line and every raw system call of this crate: signal handlers, shared memory; in `sys::children`, fork and
//! reaping; in `sys::uring`, io_uring.
//!
//! Signals and children belong to the process, so the state here is static and made of atomics: it is read and written
//! inside signal handlers, where nothing that locks or allocates may run (signal-safety(7)). Nothing here decides
//! policy: when to stop, how long to wait and what to count stand in `stop`, `drive` and `models`.
#![allow(unsafe_code)]

pub(crate) mod children;
mod provided;
mod stop_state;
pub mod uring;

use crate::Counters;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, IntoRawFd as _, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};
use stop_state::StopState;

/// The request to stop.
#[cfg(not(bakeoff_loom))]
static STOP: StopState = StopState::new();
#[cfg(bakeoff_loom)]
loom::lazy_static! {
    static ref STOP: StopState = StopState::new();
}
/// An eventfd that turns readable with the request and stays so; -1 where there is none (a forked child).
static STOP_EVENT: AtomicI32 = AtomicI32::new(-1);

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

/// Datagrams dropped at a socket for want of room (`SK_MEMINFO_DROPS` of `SO_MEMINFO`, Linux 4.12).
///
/// # Errors
/// When the kernel does not tell.
pub(crate) fn receive_drops(socket: BorrowedFd<'_>) -> io::Result<u32> {
    const DROPS: usize = 8; // linux/sock_diag.h
    let mut values = [0_u32; DROPS + 1];
    let mut length = size_of_val(&values) as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes to an array of that size, and the length itself.
    let told = unsafe {
        let (values, length) = (values.as_mut_ptr().cast(), &raw mut length);
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_MEMINFO, values, length)
    };
    match told {
        0 if length as usize == size_of_val(&values) => Ok(values[DROPS]),
        0 => Err(io::Error::from(io::ErrorKind::Unsupported)),
        _ => Err(io::Error::last_os_error()),
    }
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
    STOP.requested()
}

/// The descriptor that is readable once a stop has been requested, if handlers were installed in this process.
pub(crate) fn stop_event() -> Option<BorrowedFd<'static>> {
    let fd = STOP_EVENT.load(SeqCst);
    // SAFETY: the eventfd is made once and never closed.
    (fd >= 0).then(|| unsafe { BorrowedFd::borrow_raw(fd) })
}

/// Requests a stop. Async-signal-safe: atomics, shutdown(2) and write(2) only.
pub(crate) fn request_stop() {
    STOP.request(unblock);
    let fd = STOP_EVENT.load(SeqCst);
    if fd >= 0 {
        let one = 1_u64.to_ne_bytes();
        // SAFETY: writes eight bytes that live on this stack to our own eventfd.
        unsafe { libc::write(fd, one.as_ptr().cast(), one.len()) };
    }
}

/// Enters a socket to be shut down for reading by a request to stop; returns the slot, or `None` when all are taken.
pub(crate) fn unblock_on_stop(fd: RawFd) -> Option<usize> {
    STOP.enter(fd, unblock)
}

/// Frees a slot of [`unblock_on_stop`]. To be called before the socket is closed.
pub(crate) fn forget_unblock(slot: usize) {
    STOP.forget(slot);
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

/// Brings whoever blocks on a socket back. One that is closed meanwhile (by a loop that ends by itself) has nobody. Where it cannot be done (a filter that refuses the call) the process ends here and
/// now: an orderly end would wait for somebody who sleeps for ever.
fn unblock(fd: RawFd) {
    const DEAF: libc::c_int = 1;
    if shutdown(fd, libc::SHUT_RD) != 0 && !matches!(errno(), libc::ENOTCONN | libc::EBADF | libc::ENOTSOCK) {
        children::exit_child(DEAF);
    }
}

fn shutdown(fd: RawFd, how: libc::c_int) -> libc::c_int {
    // SAFETY: touches no memory of ours. Failing (not connected any more) is fine: then nobody waits on it either.
    unsafe { libc::shutdown(fd, how) }
}

extern "C" fn on_stop(_signal: libc::c_int) {
    let saved = errno();
    request_stop();
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
