//! A timer that is set once for what is far away, so that a wait need not set one of its own each time.
//!
//! A wait with a timeout starts a kernel timer before it sleeps and cancels it when an event comes, which on a virtual
//! machine may cost an exit to the hypervisor each time. A loop that only watches over timeouts and the end of the
//! window does not need that: it sets the alarm for the earliest of them, and again only when it has rung or something
//! earlier has come up. An alarm that rings too early, because what it was set for is done, costs one turn of the loop.
//! Never used for send times: those are met to the microsecond by other means.

use crate::host::clock::timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};

/// What an event of the alarm carries in place of a slot.
pub(super) const TOKEN: u64 = u64::MAX;

/// The alarm of a worker.
#[derive(Debug)]
pub(super) struct Alarm {
    timer: OwnedFd,
    /// What it is set for, on the monotonic clock. In the past: it has rung, or was never set.
    at_ns: u64,
}

impl Alarm {
    /// An alarm, not set, that wakes waits on `epoll`.
    pub(super) fn new(epoll: &OwnedFd) -> Result<Self, Errno> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        // By edges, so that it need not be read: each ringing is an edge.
        epoll::add(epoll, &timer, EventData::new_u64(TOKEN), EventFlags::IN | EventFlags::ET)?;
        Ok(Self { timer, at_ns: 0 })
    }

    /// Makes sure that it rings at `due_ns` at the latest, where it is now `now_ns`; both on the monotonic clock.
    pub(super) fn by(&mut self, due_ns: u64, now_ns: u64) -> Result<(), Errno> {
        if self.at_ns > now_ns && self.at_ns <= due_ns {
            return Ok(());
        }
        // A time of zero would unset it.
        let it_value = timespec(due_ns.max(1));
        let value = Itimerspec { it_interval: timespec(0), it_value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &value)?;
        self.at_ns = due_ns;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::clock::monotonic_ns;

    const MS: u64 = 1_000_000;

    /// Waits for the alarm, half a minute at most. Returns the time when it rang.
    fn rung(epoll: &OwnedFd) -> u64 {
        let mut events = Vec::with_capacity(4);
        let half_a_minute = timespec(30_000 * MS);
        epoll::wait(epoll, rustix::buffer::spare_capacity(&mut events), Some(&half_a_minute))
            .expect("no signal");
        assert_eq!(events.iter().map(|event| event.data.u64()).collect::<Vec<_>>(), [TOKEN]);
        monotonic_ns()
    }

    #[test]
    fn it_rings_again_and_again_and_never_too_early() {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an instance");
        let mut alarm = Alarm::new(&epoll).expect("a timer");
        for _ in 0..3 {
            let now = monotonic_ns();
            alarm.by(now + MS, now).expect("set");
            assert!(rung(&epoll) >= now + MS);
        }
    }

    #[test]
    fn what_is_earlier_sets_it_anew_and_what_is_later_does_not() {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an instance");
        let mut alarm = Alarm::new(&epoll).expect("a timer");
        let now = monotonic_ns();
        alarm.by(now + 3_600_000 * MS, now).expect("in an hour");
        alarm.by(now + 2 * MS, now).expect("earlier");
        alarm.by(now + 7_200_000 * MS, now).expect("later");
        assert_eq!(alarm.at_ns, now + 2 * MS);
        assert!(rung(&epoll) >= now + 2 * MS);
    }
}
