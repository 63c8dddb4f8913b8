//! The timers of an event loop: a heap of deadlines and one timerfd for the earliest.
//!
//! A timerfd and not the timeout of epoll_wait(2), which counts whole milliseconds and rounds up: a wait of 5 ms would
//! last 5 to 6, and a comparison with models whose threads sleep to the microsecond would measure the rounding.

use super::Key;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// What a loop does when a deadline has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// Accept again, after a pause.
    Accept,
    /// Go on with a connection whose request was to wait.
    Waited(Key),
    /// Try again to start the threads of a pool.
    Grow,
    /// Close by force what has not ended since the stop.
    ForceClose,
    /// Give up what has not come back after that.
    Abort,
}

/// Deadlines, each with what is due then.
#[derive(Debug)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(Instant, Due)>>,
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
    pub fn add(&mut self, deadline: Instant, due: Due) {
        self.heap.push(Reverse((deadline, due)));
    }

    /// Takes what is due at `now`, the earliest first.
    pub fn pop_due(&mut self, now: Instant) -> Option<Due> {
        let Reverse((deadline, _)) = self.heap.peek()?;
        if *deadline > now {
            self.armed_for = None; // whatever fired was not for this one
            return None;
        }
        self.heap.pop().map(|Reverse((_, due))| due)
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
        for (due, ms) in [(Due::Accept, 30), (Due::Grow, 10), (Due::Abort, 20)] {
            timers.add(start + Duration::from_millis(ms), due);
        }
        assert_eq!(timers.pop_due(start), None);
        let later = start + Duration::from_millis(25);
        let due = [timers.pop_due(later), timers.pop_due(later), timers.pop_due(later)];
        assert_eq!(due, [Some(Due::Grow), Some(Due::Abort), None]);
    }

    #[test]
    fn the_timerfd_turns_readable_at_the_deadline() {
        use rustix::event::{PollFd, PollFlags, poll};
        let mut timers = Timers::new().unwrap();
        let deadline = Instant::now() + Duration::from_millis(2);
        timers.add(deadline, Due::Grow);
        timers.arm().unwrap();
        let guard = Timespec { tv_sec: 20, tv_nsec: 0 };
        assert_eq!(poll(&mut [PollFd::new(&timers, PollFlags::IN)], Some(&guard)), Ok(1));
        assert!(Instant::now() >= deadline);
        assert_eq!(timers.pop_due(Instant::now()), Some(Due::Grow));
    }
}
