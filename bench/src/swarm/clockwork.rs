//! What drives a worker's loop whatever it carries: the common start, the marks of a trial, the waits between.
//!
//! Near a send time a loop spins (it waits with a timeout of zero), because a sleep overshoots by tens of microseconds. Never
//! allocates while it runs, never reads or writes a socket of the load.
//!
//! Times are nanoseconds from the common start, except during set-up, when they are of the monotonic clock itself.

use super::alarm::{self, Alarm};
use crate::host::clock::{self, nanoseconds};
use crate::workload::load::Timing;
use rustix::event::epoll::{self, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use std::io;

/// How long before a send time the loop stops sleeping and spins: sleeps overshoot by up to so much.
pub(super) const SPIN_NS: u64 = 60_000;
/// What is further away than this is left to the alarm.
const FAR_NS: u64 = 10_000_000;
/// Events taken in one wait.
const EVENTS: usize = 256;

/// The time of a trial, and the events that are waited for.
pub(super) struct Clockwork {
    pub(super) end_ns: u64,
    window_begins_ns: u64,
    give_up_ns: u64,
    origin_ns: u64,
    alarm: Alarm,
    epoll: OwnedFd,
    cpu_at_window: [Option<u64>; 2],
    events: Vec<Event>,
}

impl Clockwork {
    /// For a trial of these times.
    ///
    /// # Errors
    /// When the system has no descriptor left.
    pub(super) fn new(timing: &Timing) -> io::Result<Self> {
        let window_begins_ns = nanoseconds(timing.warmup);
        let end_ns = window_begins_ns + nanoseconds(timing.window);
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Self {
            end_ns,
            window_begins_ns,
            give_up_ns: end_ns + nanoseconds(timing.drain),
            origin_ns: 0,
            alarm: Alarm::new(&epoll)?,
            epoll,
            cpu_at_window: [None; 2],
            events: vec![Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; EVENTS],
        })
    }

    /// The time now.
    #[inline]
    pub(super) fn now(&self) -> u64 {
        self.since_start(clock::monotonic_ns())
    }

    /// A reading of the monotonic clock as a time of [`now`](Self::now).
    pub(super) fn since_start(&self, monotonic_ns: u64) -> u64 {
        monotonic_ns.saturating_sub(self.origin_ns)
    }

    /// Whether the common start is past: before it no request is sent.
    pub(super) fn has_begun(&self) -> bool {
        self.origin_ns > 0
    }

    /// Watches a socket for the rest of its life; its events carry `token`, which must not be [`alarm::TOKEN`].
    pub(super) fn watch(&self, socket: &OwnedFd, token: u64, flags: EventFlags) -> Result<(), Errno> {
        epoll::add(&self.epoll, socket, EventData::new_u64(token), flags)
    }

    /// Watches a socket no more.
    pub(super) fn forget(&self, socket: &OwnedFd) {
        let _ = epoll::delete(&self.epoll, socket); // fails for one that is not watched
    }

    /// Waits for the instant when CLOCK_MONOTONIC shows `start_ns`, the common start.
    pub(super) fn start(&mut self, start_ns: u64) {
        clock::sleep_until(start_ns.saturating_sub(SPIN_NS));
        while clock::monotonic_ns() < start_ns {
            std::hint::spin_loop();
        }
        self.origin_ns = start_ns;
        self.note_cpu(0);
    }

    /// Notes this thread's CPU time once when the window begins and once when it ends.
    #[inline]
    pub(super) fn note_cpu(&mut self, now: u64) {
        if self.cpu_at_window[1].is_none() && now >= self.window_begins_ns {
            if self.cpu_at_window[0].is_none() {
                self.cpu_at_window[0] = Some(clock::thread_cpu_ns());
            }
            if now >= self.end_ns {
                self.cpu_at_window[1] = Some(clock::thread_cpu_ns());
            }
        }
    }

    /// The CPU time of this thread in the window.
    ///
    /// # Panics
    /// When the loop did not end by itself: it is then not known.
    pub(super) fn window_cpu_ns(&self) -> u64 {
        let [Some(begin), Some(end)] = self.cpu_at_window else {
            panic!("the loop ends after both readings of its CPU time: {:?}", self.cpu_at_window)
        };
        end - begin
    }

    /// Whether the window is over, and with it the load or the drain.
    pub(super) fn finished(&self, now: u64, settled: bool) -> bool {
        now >= self.end_ns && (now >= self.give_up_ns || settled)
    }

    /// The next mark of the trial after `now`.
    pub(super) fn next_mark(&self, now: u64) -> Option<u64> {
        [self.window_begins_ns, self.end_ns, self.give_up_ns].into_iter().find(|&mark| mark > now)
    }

    /// Waits for events for `sleep_ns`, or until then by the alarm where that is far and the loop does not spin. Returns how many
    /// there are; [`event`](Self::event) gives them.
    pub(super) fn rest(&mut self, now: u64, sleep_ns: u64, spins: bool) -> io::Result<usize> {
        if sleep_ns < FAR_NS || spins {
            return self.wait(sleep_ns);
        }
        let now = self.origin_ns + now;
        self.alarm.by(now + sleep_ns, now)?;
        self.wait_at_most(None)
    }

    /// Waits for events, at most `timeout_ns`.
    pub(super) fn wait(&mut self, timeout_ns: u64) -> io::Result<usize> {
        self.wait_at_most(Some(timeout_ns))
    }

    fn wait_at_most(&mut self, timeout_ns: Option<u64>) -> io::Result<usize> {
        let timeout = timeout_ns.map(clock::timespec);
        match epoll::wait(&self.epoll, &mut self.events, timeout.as_ref()) {
            Ok(count) => Ok(count),
            Err(Errno::INTR) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// Event `at` of the last wait: its token, and what happened; `None` for the alarm.
    #[inline]
    pub(super) fn event(&self, at: usize) -> Option<(u64, EventFlags)> {
        let event = self.events[at];
        let token = event.data.u64();
        (token != alarm::TOKEN).then_some((token, event.flags))
    }
}
