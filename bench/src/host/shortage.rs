//! What to do about a limit of the system that was met: the end of a message.

use rustix::io::Errno;
use std::io;

/// What to raise, or to free, behind a semicolon; empty where the error is not of that kind.
pub fn advice(error: &io::Error) -> &'static str {
    match Errno::from_io_error(error) {
        Some(Errno::MFILE) => "; raise the limit on open files (ulimit -n)",
        Some(Errno::NFILE) => "; the whole system is out of open files (sysctl fs.file-max)",
        Some(Errno::AGAIN) => {
            "; raise the limit on processes and threads (ulimit -u) or the pids.max of the control group"
        }
        Some(Errno::NOMEM) => "; free memory, or raise the limit on it (ulimit -v, memory.max)",
        Some(Errno::NOSPC | Errno::DQUOT) => "; free room on the disk, or choose another",
        Some(Errno::FBIG) => "; raise the limit on the size of files (ulimit -f)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_named_and_another_error_left_alone() {
        let of = |errno: Errno| advice(&errno.into());
        assert!(of(Errno::MFILE).contains("ulimit -n") && of(Errno::AGAIN).contains("pids.max"));
        assert_eq!(of(Errno::NOENT), "");
    }
}
