//! The request to stop and the sockets that it brings back, whichever of the two comes first. Read and written inside signal
//! handlers: atomics alone, no lock, no allocation.

use crate::sync::{AtomicBool, AtomicI32, AtomicUsize, Ordering::SeqCst, fence};
use std::os::fd::RawFd;

/// Whether a stop is requested, and whom it has to wake.
pub(super) struct StopState {
    /// Set once, by the first request.
    requested: AtomicBool,
    /// Sockets whose reading side a request shuts down, which wakes whoever blocks in accept(2) or recv(2) on them. -1 is a free
    /// slot.
    sockets: [AtomicI32; SOCKETS],
    /// The slots that have been in use are the first so many.
    used: AtomicUsize,
}

/// As many listeners as there may be event loops (1,024) and, in a forked child, two of its own.
#[cfg(not(bakeoff_loom))]
const SOCKETS: usize = 1028;
/// Each is something more to try.
#[cfg(bakeoff_loom)]
const SOCKETS: usize = 2;

impl StopState {
    #[cfg(not(bakeoff_loom))]
    pub(super) const fn new() -> Self {
        let sockets = [const { AtomicI32::new(-1) }; SOCKETS];
        Self { requested: AtomicBool::new(false), sockets, used: AtomicUsize::new(0) }
    }

    #[cfg(bakeoff_loom)]
    pub(super) fn new() -> Self {
        let sockets = [(); SOCKETS].map(|()| AtomicI32::new(-1));
        Self { requested: AtomicBool::new(false), sockets, used: AtomicUsize::new(0) }
    }

    pub(super) fn requested(&self) -> bool {
        self.requested.load(SeqCst)
    }

    /// Requests the stop, and brings back the sockets that are there.
    pub(super) fn request(&self, unblock: impl Fn(RawFd)) {
        self.requested.store(true, SeqCst);
        fence(SeqCst);
        self.used().iter().map(|slot| slot.load(SeqCst)).filter(|fd| *fd >= 0).for_each(unblock);
    }

    /// Enters a socket; returns its slot, or `None` when all are taken.
    pub(super) fn enter(&self, fd: RawFd, unblock: impl Fn(RawFd)) -> Option<usize> {
        let free = |slot: &AtomicI32| slot.compare_exchange(-1, fd, SeqCst, SeqCst).is_ok();
        let slot = self.sockets.iter().position(free)?;
        self.used.fetch_max(slot + 1, SeqCst);
        // Entered first, asked second, as whoever requests sets first and looks second: one of the two sees the other.
        fence(SeqCst);
        if self.requested() {
            unblock(fd);
        }
        Some(slot)
    }

    pub(super) fn forget(&self, slot: usize) {
        self.sockets[slot].store(-1, SeqCst);
    }

    pub(super) fn forget_all(&self) {
        self.used().iter().for_each(|slot| slot.store(-1, SeqCst));
    }

    fn used(&self) -> &[AtomicI32] {
        &self.sockets[..self.used.load(SeqCst)]
    }
}

#[cfg(all(test, bakeoff_loom))]
mod loom {
    use super::*;
    use crate::sync::thread;
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;

    #[test]
    fn a_socket_is_brought_back_whichever_comes_first() {
        ::loom::model(|| {
            let state = Arc::new(StopState::new());
            let brought = Arc::new(AtomicU32::new(0));
            let unblock = |brought: Arc<AtomicU32>| {
                move |fd: RawFd| {
                    assert_eq!(fd, 7);
                    brought.fetch_add(1, SeqCst);
                }
            };
            let (stop, by_request) = (Arc::clone(&state), unblock(Arc::clone(&brought)));
            let requesting = thread::spawn(move || stop.request(by_request));
            assert_eq!(state.enter(7, unblock(Arc::clone(&brought))), Some(0));
            requesting.join().expect("it does not panic");
            assert!(state.requested());
            assert!(brought.load(SeqCst) >= 1, "it blocks for ever");
        });
    }

    #[test]
    fn sockets_that_enter_at_once_have_slots_of_their_own() {
        ::loom::model(|| {
            let state = Arc::new(StopState::new());
            let other = Arc::clone(&state);
            let entering = thread::spawn(move || other.enter(8, drop));
            let (mine, theirs) = (state.enter(7, drop), entering.join().expect("it does not panic"));
            assert!(mine.is_some() && theirs.is_some() && mine != theirs);
            state.forget(mine.expect("a slot"));
            assert!(state.enter(9, drop).is_some());
        });
    }
}
