//! The few system calls of the harness that no safe crate offers. Every `unsafe` line of this crate is here.
#![allow(unsafe_code)]

use rustix::fd::{AsRawFd as _, BorrowedFd};
use std::io;
use std::mem::{MaybeUninit, offset_of};
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
    /// Page faults without input or output.
    pub minor_faults: u64,
    /// Page faults that had to read.
    pub major_faults: u64,
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
            minor_faults: usage.ru_minflt as u64,
            major_faults: usage.ru_majflt as u64,
        })),
    }
}

/// Lets the kernel keep how children end until they are reaped: whoever started this program may have left SIGCHLD ignored,
/// and then it throws that away.
///
/// # Errors
/// The system's.
pub fn keep_ends_of_children() -> io::Result<()> {
    // SAFETY: the default action runs no code of ours.
    match unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) } {
        libc::SIG_ERR => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Whether a signal is ignored.
///
/// # Errors
/// There is no such signal.
pub fn is_ignored(signal: i32) -> io::Result<bool> {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: nothing is set, and what is there is written to a structure for which all zeros are valid.
    let (done, action) = unsafe {
        let done = libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr());
        (done, action.assume_init())
    };
    if done == 0 { Ok(action.sa_sigaction == libc::SIG_IGN) } else { Err(io::Error::last_os_error()) }
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

/// Where a traced thread stands with regard to a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyscallStop {
    /// It is about to make a call.
    Entry {
        /// The call's number.
        number: u64,
        /// Its arguments.
        arguments: [u64; 6],
    },
    /// It is about to return from one.
    Exit {
        /// What it returns: negative for an error number.
        value: i64,
    },
    /// It stopped for another reason.
    Other,
}

/// What system call the stopped tracee `pid` of this thread is about to make or to leave.
///
/// # Errors
/// `ESRCH` when it is no stopped tracee of this thread, `EIO` on kernels before 5.3.
pub fn syscall_stop(pid: nix::unistd::Pid) -> io::Result<SyscallStop> {
    let info = nix::sys::ptrace::syscall_info(pid)?;
    // SAFETY: `op` says which member of the union the kernel filled in.
    Ok(unsafe {
        match info.op {
            libc::PTRACE_SYSCALL_INFO_ENTRY => {
                SyscallStop::Entry { number: info.u.entry.nr, arguments: info.u.entry.args }
            }
            libc::PTRACE_SYSCALL_INFO_EXIT => SyscallStop::Exit { value: info.u.exit.sval },
            _ => SyscallStop::Other,
        }
    })
}

/// The head of the kernel's `struct tcp_info` (linux/tcp.h), as far as it is used; the names are the kernel's without
/// their prefix.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)]
pub struct TcpInfo {
    pub state: u8,
    pub ca_state: u8,
    pub retransmits: u8,
    pub probes: u8,
    pub backoff: u8,
    pub options: u8,
    pub window_scales: u8,
    pub flags: u8,
    pub rto: u32,
    pub ato: u32,
    pub snd_mss: u32,
    pub rcv_mss: u32,
    pub unacked: u32,
    pub sacked: u32,
    pub lost: u32,
    pub retrans: u32,
    pub fackets: u32,
    pub last_data_sent: u32,
    pub last_ack_sent: u32,
    pub last_data_recv: u32,
    pub last_ack_recv: u32,
    pub pmtu: u32,
    pub rcv_ssthresh: u32,
    pub rtt: u32,
    pub rttvar: u32,
    pub snd_ssthresh: u32,
    pub snd_cwnd: u32,
    pub advmss: u32,
    pub reordering: u32,
    pub rcv_rtt: u32,
    pub rcv_space: u32,
    pub total_retrans: u32,
    pub pacing_rate: u64,
    pub max_pacing_rate: u64,
    pub bytes_acked: u64,
    pub bytes_received: u64,
    pub segs_out: u32,
    pub segs_in: u32,
    pub notsent_bytes: u32,
    pub min_rtt: u32,
    pub data_segs_in: u32,
    pub data_segs_out: u32,
    pub delivery_rate: u64,
    pub busy_time: u64,
    pub rwnd_limited: u64,
    pub sndbuf_limited: u64,
    pub delivered: u32,
    pub delivered_ce: u32,
    pub bytes_sent: u64,
    pub bytes_retrans: u64,
}

impl TcpInfo {
    /// The least round trip in microseconds; `None` when none was seen yet, which the kernel writes as all ones.
    pub fn min_rtt_us(&self) -> Option<u64> {
        (self.min_rtt != u32::MAX).then(|| u64::from(self.min_rtt))
    }
}

/// What the kernel counted of a TCP connection.
///
/// # Errors
/// When the socket is no TCP socket, or the kernel is too old to tell all of [`TcpInfo`].
pub fn tcp_info(socket: BorrowedFd<'_>) -> io::Result<TcpInfo> {
    const NEEDED: usize = offset_of!(TcpInfo, bytes_retrans) + size_of::<u64>();
    let mut info = TcpInfo::default();
    let mut length = size_of::<TcpInfo>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes to a structure of that length, for which every bit pattern is
    // valid; both pointers are valid for writes.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut length,
        )
    };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    if (length as usize) < NEEDED {
        return Err(io::Error::other(format!("this kernel tells {length} bytes, {NEEDED} are needed")));
    }
    Ok(info)
}

/// Makes so many MiB resident for the rest of the process's life, in pages of 4 KiB, as a heap has that grew bit by bit:
/// huge pages would leave a fork next to nothing to copy.
///
/// # Errors
/// When the system has no such memory.
pub fn hold_memory(mib: u32) -> io::Result<()> {
    if mib == 0 {
        return Ok(());
    }
    let bytes = (mib as usize) << 20;
    // SAFETY: a new anonymous mapping at an address of the kernel's choice overlaps nothing.
    let memory = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if memory == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the range is the mapping above. A kernel without huge pages refuses, and needs no such advice.
    unsafe { libc::madvise(memory, bytes, libc::MADV_NOHUGEPAGE) };
    // SAFETY: the mapping is writable, this long, never unmapped, and nobody else knows of it.
    let pages = unsafe { std::slice::from_raw_parts_mut(memory.cast::<u8>(), bytes) };
    pages.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
    Ok(())
}

/// Has the compiler compute these values here, each in a register, so that a loop over them is not shortened and nothing of it
/// waits for memory.
pub fn keep_in_registers([a, b, c, d, e, f]: [usize; 6]) {
    // SAFETY: it has no instructions; it only claims to read the registers.
    unsafe {
        std::arch::asm!("/* {} {} {} {} {} {} */", in(reg) a, in(reg) b, in(reg) c, in(reg) d, in(reg) e, in(reg) f,
            options(nomem, nostack, preserves_flags));
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
    fn what_is_ignored_is_known() {
        // Rust's runtime ignores SIGPIPE before main.
        assert!(
            is_ignored(libc::SIGPIPE).expect("a signal") && !is_ignored(libc::SIGUSR2).expect("a signal")
        );
        assert!(is_ignored(0).is_err());
    }

    #[test]
    fn no_round_trip_is_none_and_not_zero() {
        let seen = |min_rtt| TcpInfo { min_rtt, ..TcpInfo::default() }.min_rtt_us();
        assert_eq!((seen(u32::MAX), seen(0), seen(12)), (None, Some(0), Some(12)));
    }

    #[test]
    fn no_process_has_no_clock() {
        let mut child = Command::new("true").spawn().expect("true");
        child.wait().expect("our child");
        assert!(process_cpu_time(child.id()).is_err());
    }
}
