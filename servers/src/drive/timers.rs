//! The timers of an event loop: a heap of deadlines and one timerfd for the earliest.
//!
//! A timerfd and not the timeout of epoll_wait(2), which counts whole milliseconds and rounds up: a wait of 5 ms would
//! last 5 to 6, and a comparison with models whose threads sleep to the microsecond would measure the rounding.

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// Deadlines, each with a key for whom it is.
#[derive(Debug)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(Instant, usize)>>,
    timer: OwnedFd,
    armed_for: Option<Instant>,
}

impl Timers {
    /// No deadlines.
    ///
    /// # Errors
    /// When the timerfd cannot be made.
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Self { heap: BinaryHeap::new(), timer, armed_for: None })
    }

    /// Adds a deadline.
    pub fn add(&mut self, deadline: Instant, key: usize) {
        self.heap.push(Reverse((deadline, key)));
    }

    /// Takes a key whose deadline is not after `now`, the earliest first.
    pub fn pop_due(&mut self, now: Instant) -> Option<usize> {
        let Reverse((deadline, _)) = self.heap.peek()?;
        if *deadline > now {
            self.armed_for = None; // whatever fired was not for this one
            return None;
        }
        self.heap.pop().map(|Reverse((_, key))| key)
    }

    /// Whether there are no deadlines.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// Sets the timerfd to the earliest deadline, when that has changed. To be called before waiting.
    ///
    /// # Errors
    /// When the timerfd cannot be set.
    pub fn arm(&mut self) -> io::Result<()> {
        let Some(&Reverse((deadline, _))) = self.heap.peek() else { return Ok(()) };
        if self.armed_for == Some(deadline) {
            return Ok(());
        }
        // Zero would disarm it.
        let delay = deadline.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1));
        let spec = Itimerspec {
            it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: Timespec::try_from(delay).map_err(io::Error::other)?,
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &spec)?;
        self.armed_for = Some(deadline);
        Ok(())
    }
}

impl AsFd for Timers {
    /// The timerfd. It need not be read when it is watched edge-triggered.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_come_in_order_and_not_early() {
        let mut timers = Timers::new().unwrap();
        let start = Instant::now();
        for (key, ms) in [(1, 30), (2, 10), (3, 20)] {
            timers.add(start + Duration::from_millis(ms), key);
        }
        assert_eq!(timers.pop_due(start), None);
        let later = start + Duration::from_millis(25);
        assert_eq!(
            (timers.pop_due(later), timers.pop_due(later), timers.pop_due(later)),
            (Some(2), Some(3), None)
        );
        assert!(!timers.is_empty());
    }

    #[test]
    fn the_timerfd_turns_readable_at_the_deadline() {
        use rustix::event::{PollFd, PollFlags, poll};
        let mut timers = Timers::new().unwrap();
        let deadline = Instant::now() + Duration::from_millis(2);
        timers.add(deadline, 7);
        timers.arm().unwrap();
        let guard = Timespec { tv_sec: 20, tv_nsec: 0 };
        assert_eq!(poll(&mut [PollFd::new(&timers, PollFlags::IN)], Some(&guard)), Ok(1));
        assert!(Instant::now() >= deadline);
        assert_eq!(timers.pop_due(Instant::now()), Some(7));
    }
}
