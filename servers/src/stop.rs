//! How a server is asked to stop.
//!
//! A stop is a property of the process: SIGTERM or SIGINT, or [`Stop::request`]. It shuts the listener down for
//! reading, which brings a blocked accept(2) back without a race and without an extra system call per accept. What
//! becomes of open connections is the model's business.

use crate::sys;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::time::{Duration, Instant};

/// The request to stop, as every model sees it.
#[derive(Clone, Debug)]
pub struct Stop {
    _made_here: (),
}

impl Stop {
    /// A request that SIGTERM and SIGINT make. Also ignores SIGPIPE: a peer that is gone is an error of its connection.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn on_signals() -> io::Result<Self> {
        sys::install_stop_handlers()?;
        Ok(Self { _made_here: () })
    }

    /// Whether the stop has been requested. It is never taken back.
    pub fn requested(&self) -> bool {
        sys::stop_requested()
    }

    /// Requests the stop, as a signal would.
    pub fn request(&self) {
        sys::request_stop();
    }

    /// Waits until the stop is requested, or `limit` has passed. Returns whether it is requested.
    pub fn wait(&self, limit: Option<Duration>) -> bool {
        let end = limit.map(|limit| Instant::now() + limit);
        while !self.requested() {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                break;
            }
            let left = left.and_then(|left| Timespec::try_from(left).ok());
            // A signal interrupts the wait, and then the question above is asked again.
            let _ = match sys::stop_event() {
                Some(event) => poll(&mut [PollFd::from_borrowed_fd(event, PollFlags::IN)], left.as_ref()),
                None => poll(&mut [], left.as_ref()),
            };
        }
        self.requested()
    }

    /// Waits until the stop is requested, `other` is readable, or `limit` has passed; may return early.
    pub(crate) fn wait_beside(&self, other: BorrowedFd<'_>, limit: Option<Duration>) {
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        let entry = |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN);
        let mut entries: Vec<PollFd<'_>> = sys::stop_event().into_iter().chain([other]).map(entry).collect();
        let _ = poll(&mut entries, limit.as_ref()); // a signal ends it early
    }

    /// Shuts `socket` down for reading when the stop is requested (at once, if it has been): a blocked accept fails
    /// with EINVAL, a blocked read gets what has arrived and then the end of input.
    ///
    /// # Errors
    /// When a process has more such sockets than the handler has room for (1,028).
    pub fn unblock<'a>(&self, socket: &'a impl AsFd) -> io::Result<Unblock<'a>> {
        let slot = sys::unblock_on_stop(socket.as_fd().as_raw_fd())
            .ok_or_else(|| io::Error::other("too many sockets registered to be unblocked by the stop"))?;
        Ok(Unblock { slot, _socket: PhantomData })
    }
}

/// Keeps a socket registered with [`Stop::unblock`]; must go before the socket is closed, which the borrow ensures.
#[derive(Debug)]
pub struct Unblock<'a> {
    slot: usize,
    _socket: PhantomData<&'a ()>,
}

impl Drop for Unblock<'_> {
    fn drop(&mut self) {
        sys::forget_unblock(self.slot);
    }
}
