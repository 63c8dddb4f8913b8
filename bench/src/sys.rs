//! The few system calls of the harness that no safe crate offers. Every `unsafe` line of this crate is here.
#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;
use std::time::Duration;

/// How a reaped process ended and what it used in its life, its own reaped descendants included.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// The raw wait status.
    status: i32,
    /// User CPU time.
    pub user: Duration,
    /// System CPU time.
    pub system: Duration,
    /// Voluntary context switches.
    pub voluntary_switches: u64,
    /// Involuntary context switches.
    pub involuntary_switches: u64,
}

impl Ended {
    /// Whether it exited with status 0.
    pub fn success(&self) -> bool {
        libc::WIFEXITED(self.status) && libc::WEXITSTATUS(self.status) == 0
    }

    /// How it ended, in words.
    pub fn describe(&self) -> String {
        if libc::WIFSIGNALED(self.status) {
            format!("was ended by signal {}", libc::WTERMSIG(self.status))
        } else {
            format!("exited with status {}", libc::WEXITSTATUS(self.status))
        }
    }
}

/// Reaps the child `pid` if it has ended; does not wait.
///
/// # Errors
/// `ECHILD` when `pid` is no child of ours, or was reaped already.
pub fn try_reap(pid: u32) -> io::Result<Option<Ended>> {
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    let pid = i32::try_from(pid).map_err(io::Error::other)?;
    // SAFETY: both pointers are valid for writes; an all-zero rusage is a valid value.
    let (reaped, usage) = unsafe {
        let reaped = libc::wait4(pid, &raw mut status, libc::WNOHANG, usage.as_mut_ptr());
        (reaped, usage.assume_init())
    };
    let time = |t: libc::timeval| Duration::new(t.tv_sec as u64, t.tv_usec as u32 * 1000);
    match reaped {
        0 => Ok(None),
        n if n < 0 => Err(io::Error::last_os_error()),
        _ => Ok(Some(Ended {
            status,
            user: time(usage.ru_utime),
            system: time(usage.ru_stime),
            voluntary_switches: usage.ru_nvcsw as u64,
            involuntary_switches: usage.ru_nivcsw as u64,
        })),
    }
}

/// CPU time that all threads of process `pid` have used, ended threads included, to the nanosecond.
///
/// # Errors
/// `EINVAL` or `ESRCH` when there is no such process (any more).
pub fn process_cpu_time(pid: u32) -> io::Result<Duration> {
    let mut clock = 0;
    let mut time = MaybeUninit::<libc::timespec>::zeroed();
    let pid = i32::try_from(pid).map_err(io::Error::other)?;
    // SAFETY: the pointers are valid for writes; an all-zero timespec is a valid value.
    unsafe {
        match libc::clock_getcpuclockid(pid, &raw mut clock) {
            0 => {}
            error => return Err(io::Error::from_raw_os_error(error)),
        }
        if libc::clock_gettime(clock, time.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        let time = time.assume_init();
        Ok(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_child_is_reaped_once_with_its_status() {
        #[allow(clippy::zombie_processes)] // reaped below, by the function under test
        let child = Command::new("sh").args(["-c", "exit 3"]).spawn().expect("sh");
        let ended = loop {
            if let Some(ended) = try_reap(child.id()).expect("our child") {
                break ended;
            }
            std::thread::yield_now();
        };
        assert!(!ended.success());
        assert_eq!(ended.describe(), "exited with status 3");
        assert_eq!(try_reap(child.id()).expect_err("already reaped").raw_os_error(), Some(libc::ECHILD));
    }

    #[test]
    fn the_clock_of_a_process_runs_when_it_works() {
        let before = process_cpu_time(std::process::id()).expect("ourselves");
        let mut x = 1u64;
        for i in 0..3_000_000u64 {
            x = std::hint::black_box(x.wrapping_mul(i | 1));
        }
        let after = process_cpu_time(std::process::id()).expect("ourselves");
        assert!(after > before, "{x}");
    }

    #[test]
    fn no_process_has_no_clock() {
        let mut child = Command::new("true").spawn().expect("true");
        child.wait().expect("our child");
        assert!(process_cpu_time(child.id()).is_err());
    }
}
