//! The clocks of the harness: the monotonic one that all processes of a machine share and the CPU time of a thread, for
//! measuring; the calendar, for telling people when.
//!
//! Never used to compute a schedule; that is pure.

use rustix::thread::ClockId;
use rustix::time::{Timespec, clock_gettime};
use std::num::NonZeroU64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Nanoseconds of CLOCK_MONOTONIC: one clock for all processes of a machine, read without a system call.
#[inline]
pub fn monotonic_ns() -> u64 {
    in_ns(clock_gettime(ClockId::Monotonic))
}

/// CPU time of the calling thread in nanoseconds. Costs a system call.
pub fn thread_cpu_ns() -> u64 {
    in_ns(clock_gettime(ClockId::ThreadCPUTime))
}

/// A duration in whole nanoseconds; those above 584 years are cut.
pub fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[inline]
fn in_ns(time: Timespec) -> u64 {
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// A span of `ns` nanoseconds as the kernel takes it.
pub(crate) fn timespec(ns: u64) -> Timespec {
    Timespec { tv_sec: (ns / 1_000_000_000) as i64, tv_nsec: (ns % 1_000_000_000) as _ }
}

/// Sleeps until CLOCK_MONOTONIC shows `at_ns`.
pub(crate) fn sleep_until(at_ns: u64) {
    // A signal only makes the caller start early in its sleep; ask again until the time has come.
    while monotonic_ns() < at_ns {
        let _ = rustix::thread::clock_nanosleep_absolute(ClockId::Monotonic, &timespec(at_ns));
    }
}

/// Lets timers of the calling thread fire when asked, not up to 50 us later to save wake-ups.
pub(crate) fn sharpen_timers() {
    // Where refused, sends are a little later, and the send lag shows it.
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
}

/// The calendar, in milliseconds since the Unix epoch.
pub fn unix_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}
