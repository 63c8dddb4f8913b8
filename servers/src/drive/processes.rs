//! Worker processes that a server starts before its clients: one for each number, another in the place of one that has died, and
//! all of them ended at the stop; how children are ended in any case.
//!
//! A worker that died of what a client asked is replaced at once: that costs the fork which a process for each client pays for
//! every client. One that ends without having had a client is replaced after a pause, which doubles each time: workers that
//! cannot live must not keep a server busy with forking.

use super::accept::Backoff;
use crate::sys::children::{self, Alone, Forked};
use crate::{Counters, Stop};
use rustix::thread::{NanosleepRelativeResult, nanosleep};
use rustix::time::Timespec;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// How long killed children have to disappear.
const KILL_GRACE: Duration = Duration::from_millis(500);

/// A worker process in its place.
#[derive(Clone, Copy, Debug)]
struct Worker {
    pid: i32,
    /// What its predecessors in this place had accepted.
    accepted_before: u64,
}

/// The worker processes of a server, by their numbers.
#[derive(Debug)]
pub(crate) struct Processes {
    alone: Alone,
    counters: &'static Counters,
    stop: Stop,
    workers: Vec<Option<Worker>>,
    /// Readable when a worker has ended.
    ended: BorrowedFd<'static>,
    backoff: Backoff,
    /// No attempt to start one before.
    not_before: Instant,
}

impl Processes {
    /// Places for so many workers, none of which has started.
    ///
    /// # Errors
    /// This process has other threads or children, or the system no descriptor.
    pub(crate) fn new(wanted: usize, stop: &Stop, counters: &'static Counters) -> io::Result<Self> {
        let alone = Alone::check()?;
        let ended = children::watch_children(&alone)?;
        counters.workers.expect(wanted);
        let (workers, backoff, not_before) = (vec![None; wanted], Backoff::new(), Instant::now());
        Ok(Self { alone, counters, stop: stop.clone(), workers, ended, backoff, not_before })
    }

    /// Starts the worker of the first free place, if there is one and [it is time](Self::next_attempt): in the new process,
    /// calls `life` with its number, and ends it. Returns the number where one has started.
    pub(crate) fn start_one(&mut self, life: impl FnOnce(usize)) -> Option<usize> {
        let free = self.workers.iter().position(Option::is_none)?;
        if Instant::now() < self.not_before {
            return None;
        }
        match children::fork(&self.alone) {
            Ok(Forked::Child) => {
                life(free);
                children::exit_child(0)
            }
            Ok(Forked::Parent(pid)) => {
                let accepted_before = self.counters.workers.accepted_by(free);
                self.workers[free] = Some(Worker { pid, accepted_before });
                Some(free)
            }
            Err(error) => {
                self.refused(&error);
                None
            }
        }
    }

    /// Counts that the system has no room for another worker, and puts the next attempt off.
    pub(crate) fn refused(&mut self, error: &io::Error) {
        self.counters.spawn_failed(error);
        self.not_before = Instant::now() + self.backoff.pause(self.counters);
    }

    /// How long until the next attempt to start a worker, where one is missing.
    pub(crate) fn next_attempt(&self) -> Option<Duration> {
        let short = self.workers.iter().any(Option::is_none);
        short.then(|| self.not_before.saturating_duration_since(Instant::now()))
    }

    /// The number of a worker that has ended, whose place is free now. Its connection, if it had one, is counted as closed, and
    /// it as crashed unless it ended in order.
    pub(crate) fn take_ended(&mut self) -> Option<usize> {
        // Emptied first: whoever ends after that makes it readable again.
        let _ = rustix::io::read(self.ended, &mut [0; 8]);
        let ended = children::next_ended()?;
        let number = self.workers.iter().position(|one| one.is_some_and(|one| one.pid == ended.pid))?;
        let worker = self.workers[number].take()?;
        if self.counters.workers.set_busy(number, false) {
            self.counters.closed();
        }
        if ended.crashed {
            Counters::count(&self.counters.crashed);
        }
        if self.counters.workers.accepted_by(number) > worker.accepted_before {
            self.backoff.reset();
        } else if !self.stop.requested() {
            self.not_before = Instant::now() + self.backoff.pause(self.counters);
        }
        Some(number)
    }

    /// Waits until a worker has ended, it is time to start one, or the stop is requested; may return early.
    pub(crate) fn wait(&self) {
        self.stop.wait_beside(self.ended, self.next_attempt());
    }

    /// Brings the workers to their end: asks them to, waits until `deadline`, kills the rest.
    ///
    /// # Errors
    /// When signals cannot be held back.
    pub(crate) fn shutdown(self, deadline: Instant) -> io::Result<()> {
        let counters = self.counters;
        let mut reap = self;
        let killed = end_children(deadline, || while reap.take_ended().is_some() {})?;
        counters.cut_at_stop.fetch_add(killed as u64, Relaxed);
        // A worker that was killed between an accept and its note of it.
        while counters.active.load(Relaxed) > 0 {
            counters.closed();
        }
        Ok(())
    }
}

impl AsFd for Processes {
    /// Readable when a worker has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ended
    }
}

/// Asks the children to end, waits for them, kills the rest at the deadline and returns how many these were. `reap` is called
/// while there are any: it takes those that have ended, where no handler does.
///
/// # Errors
/// When signals cannot be held back.
pub(crate) fn end_children(deadline: Instant, mut reap: impl FnMut()) -> io::Result<usize> {
    children::stop_children()?;
    if wait_for_children(deadline, &mut reap) {
        return Ok(0);
    }
    let killed = children::kill_children()?;
    wait_for_children(Instant::now() + KILL_GRACE, &mut reap);
    Ok(killed)
}

/// Waits until every child is reaped, or `deadline`. Returns whether they are.
fn wait_for_children(deadline: Instant, reap: &mut impl FnMut()) -> bool {
    // Each SIGCHLD ends the sleep at once; one that comes just before it costs a nap at most.
    const NAP: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
    loop {
        reap();
        if children::living_children() == 0 {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        match nanosleep(&NAP) {
            NanosleepRelativeResult::Ok | NanosleepRelativeResult::Interrupted(_) => {}
            NanosleepRelativeResult::Err(error) => unreachable!("a constant nap is valid: {error}"),
        }
    }
}
