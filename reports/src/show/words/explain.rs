//! What system calls do, in plain words, for somebody who sees them for the first time.

use crate::record::{Outcome, Step};
use crate::show::units;

/// What a call is for, in one line; `None` for a call that has no place in a server's usual day.
///
/// The wording follows the manual pages of section 2 of the Linux man-pages project.
pub fn explain(call: &str, on: Option<&str>) -> Option<&'static str> {
    let connection = on == Some("connection");
    Some(match call {
        "epoll_wait" | "epoll_pwait" | "epoll_pwait2" => "sleep until a watched descriptor is ready",
        "poll" | "ppoll" | "select" | "pselect6" => "sleep until one of a few descriptors is ready",
        "epoll_ctl" => "change what epoll watches",
        "epoll_create1" => "make an epoll instance",
        "accept" | "accept4" => "take the next waiting connection",
        "read" | "recvfrom" | "recvmsg" | "readv" if connection => "take received bytes from the kernel",
        "write" | "sendto" | "sendmsg" | "writev" if connection => "hand bytes to the kernel to send",
        "read" if on == Some("eventfd") => "clear a wake-up note",
        "write" if on == Some("eventfd") => "wake the thread that waits for it",
        "read" | "readv" => "read bytes",
        "pread64" | "preadv" => "read a piece of a file",
        "openat" | "openat2" | "open" => "open a file",
        "fstat" | "statx" | "newfstatat" => "ask about a file",
        "write" | "writev" => "write bytes",
        "recvfrom" | "recvmsg" => "receive bytes",
        "sendto" | "sendmsg" => "send bytes",
        "shutdown" => "end one direction of a connection",
        "close" if connection => "give the connection back",
        "close" => "give a descriptor back",
        "setsockopt" => "set a socket option",
        "getsockopt" => "ask for a socket option",
        "getpeername" => "ask for the other side's address",
        "getsockname" => "ask for our own address",
        "fcntl" | "ioctl" => "change how a descriptor behaves",
        "dup" => "make a second descriptor for the same",
        "clone" | "clone3" | "fork" | "vfork" if on == Some("process") => {
            "start a process, a copy of this one"
        }
        "clone" | "clone3" => "start a thread",
        "set_robust_list" | "rseq" | "set_tid_address" => "a new thread introduces itself",
        "prctl" => "set a property, such as the thread's name",
        "sigaltstack" => "a stack for signal handlers",
        "rt_sigprocmask" => "hold signals back, or let them in",
        "rt_sigaction" => "choose what a signal does",
        "rt_sigreturn" => "a signal handler returns",
        "SIGCHLD" => "a child process has ended",
        "wait4" | "waitid" => "reap an ended child process",
        "futex" if on == Some("wake") => "wake a thread that waits in futex",
        "futex" => "sleep until another thread wakes it",
        "mmap" => "get memory, such as a thread's stack",
        "munmap" => "give memory back",
        "mprotect" => "change what memory may be used for",
        "madvise" => "tell the kernel that memory is unused",
        "brk" => "grow or shrink the heap",
        "nanosleep" | "clock_nanosleep" => "sleep for a time",
        "timerfd_settime" => "set a timer",
        "sched_yield" => "let others run first",
        "sched_getaffinity" => "ask which CPUs may be used",
        "sched_setaffinity" => "choose the CPUs to run on",
        "getpid" | "gettid" | "getppid" => "ask for an id",
        "gettimeofday" | "clock_gettime" | "time" => "ask for the time",
        "getrandom" => "get random bytes",
        "restart_syscall" => "go on with an interrupted sleep",
        "exit" => "the thread ends",
        "exit_group" => "the process ends with all its threads",
        _ => return None,
    })
}

/// Calls whose result is a number of bytes.
fn moves_bytes(call: &str) -> bool {
    matches!(
        call,
        "read"
            | "readv"
            | "pread64"
            | "preadv"
            | "recvfrom"
            | "recvmsg"
            | "write"
            | "writev"
            | "sendto"
            | "sendmsg"
            | "sendfile"
            | "splice"
    )
}

/// Whether a call takes bytes in.
fn receives(call: &str) -> bool {
    matches!(call, "read" | "readv" | "recvfrom" | "recvmsg")
}

/// Whether a step hands bytes of a reply to the kernel.
pub fn sends(step: &Step) -> bool {
    let sending = matches!(step.call.as_str(), "write" | "writev" | "sendto" | "sendmsg" | "sendfile");
    sending && step.on.as_deref() == Some("connection") && matches!(step.outcome, Outcome::Returned(1..))
}

/// What became of a step, in a word or two.
pub fn result(step: &Step) -> String {
    let call = step.call.as_str();
    match &step.outcome {
        Outcome::Returned(0) if receives(call) && step.on.as_deref() == Some("connection") => "end".into(),
        Outcome::Returned(n) if moves_bytes(call) => units::grouped(n.unsigned_abs()) + " B",
        Outcome::Returned(n)
            if call.starts_with("epoll_") && call.contains("wait") || call.ends_with("poll") =>
        {
            format!("{n} ready")
        }
        Outcome::Returned(_) if call.starts_with("accept") => "connection".into(),
        Outcome::Returned(n) if call == "futex" && step.on.as_deref() == Some("wake") => {
            format!("{n} woken")
        }
        Outcome::Returned(0) if call == "wait4" => "none yet".into(),
        Outcome::Returned(n) if *n > 0 && (call.starts_with("clone") || call.ends_with("fork")) => {
            step.on.clone().unwrap_or_else(|| "done".into())
        }
        Outcome::Returned(n) if *n > 0 && call == "wait4" => "reaped".into(),
        Outcome::Returned(_) => "done".into(),
        Outcome::Failed(error) => error.clone(),
        Outcome::Restarts => "interrupted".into(),
        Outcome::Sleeps => "sleeps".into(),
        Outcome::Ends => "ends".into(),
        Outcome::Signal => "signal".into(),
    }
}

/// What an outcome means where its word alone does not say it.
pub fn remark(step: &Step) -> Option<&'static str> {
    Some(match &step.outcome {
        Outcome::Failed(error) if error == "EAGAIN" && step.call == "futex" => "it was woken already",
        Outcome::Failed(error) if error == "EAGAIN" => "nothing more there now",
        Outcome::Failed(error) if error == "ECHILD" => "no other child is left",
        Outcome::Failed(error) if error == "EINTR" => "a signal ended the wait",
        Outcome::Failed(error) if error == "ENOTCONN" => "the other side had closed already",
        Outcome::Failed(error) if error == "ETIMEDOUT" => "its time was over",
        Outcome::Restarts => "the kernel starts it again",
        Outcome::Returned(0) if receives(&step.call) => "the client has closed its side",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(call: &str, on: Option<&str>, outcome: Outcome) -> Step {
        Step { task: "main".into(), call: call.into(), on: on.map(str::to_owned), woken: false, outcome }
    }

    #[test]
    fn results_are_told_in_the_unit_of_the_call() {
        let connection = Some("connection");
        for (call, on, outcome, told) in [
            ("read", connection, Outcome::Returned(64), "64 B"),
            ("read", connection, Outcome::Returned(0), "end"),
            ("epoll_wait", Some("epoll"), Outcome::Returned(1), "1 ready"),
            ("epoll_pwait2", Some("epoll"), Outcome::Returned(0), "0 ready"),
            ("accept4", Some("listener"), Outcome::Returned(7), "connection"),
            ("clone", Some("process"), Outcome::Returned(4242), "process"),
            ("wait4", None, Outcome::Returned(4242), "reaped"),
            ("close", connection, Outcome::Returned(0), "done"),
            ("read", connection, Outcome::Failed("EAGAIN".into()), "EAGAIN"),
        ] {
            assert_eq!(result(&step(call, on, outcome)), told, "{call}");
        }
    }

    #[test]
    fn the_same_call_on_another_object_is_another_thing() {
        assert_ne!(explain("write", Some("eventfd")), explain("write", Some("connection")));
        assert_eq!(explain("clone3", Some("thread")), Some("start a thread"));
        assert_eq!(explain("quotactl", None), None);
    }

    #[test]
    fn only_bytes_that_went_to_the_connection_are_a_reply() {
        assert!(sends(&step("write", Some("connection"), Outcome::Returned(64))));
        assert!(!sends(&step("write", Some("eventfd"), Outcome::Returned(8))));
        assert!(!sends(&step("write", Some("connection"), Outcome::Failed("EAGAIN".into()))));
        assert!(!sends(&step("read", Some("connection"), Outcome::Returned(64))));
    }
}
