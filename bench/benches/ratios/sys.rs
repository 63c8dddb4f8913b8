//! The system calls of the controls that no safe crate offers.
#![allow(unsafe_code)]

use std::io;

/// Forks; true in the child, which dies with its parent. Children that end reap themselves.
pub(crate) fn fork_child() -> io::Result<bool> {
    // SAFETY: called by a process with one thread only, so the child may go on as it likes; ignoring SIGCHLD has no
    // preconditions.
    unsafe {
        libc::signal(libc::SIGCHLD, libc::SIG_IGN);
        match libc::fork() {
            0 => {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                Ok(true)
            }
            n if n < 0 => Err(io::Error::last_os_error()),
            _ => Ok(false),
        }
    }
}
