//! What goes wrong, how it is made to, and what must come of it where that is known.

use crate::commands;
use crate::group::Group;
use bakeoff::exit::Exit;
use bakeoff::exit::Exit::{Failed, Fine, Invalid};
use std::process::{Command, Stdio};

/// A fault of the matrix.
pub(crate) struct Fault {
    /// Its name in the matrix.
    pub(crate) name: &'static str,
    /// How it is brought about.
    pub(crate) how: How,
    /// What must come of commands: of others, any status without a panic.
    pub(crate) expected: &'static [Expected],
}

/// What must come of a command under a fault: a status, and words on standard error.
pub(crate) struct Expected {
    /// The commands, by the beginning of their names.
    pub(crate) of: &'static str,
    /// One of these.
    pub(crate) exits: &'static [Exit],
    /// What is said, in lower case; nothing in particular when empty.
    pub(crate) says: &'static str,
}

/// How a fault is brought about.
#[derive(Clone, Copy)]
pub(crate) enum How {
    /// By nothing: what must work does.
    Nothing,
    /// The kernel refuses calls, each `name=errno`, by a seccomp filter.
    Refuses(&'static [&'static str]),
    /// Calls fail now and then, as `strace -e inject` says.
    Injects(&'static str),
    /// A shell's `ulimit`.
    Ulimit(&'static str),
    /// So many threads and processes of a user of its own.
    Tasks(u32),
    /// Standard output on a full device.
    FullOutput,
    /// Standard output and error that nobody reads.
    NobodyReads,
    /// Killed so many milliseconds after its start, by a signal.
    Killed(i32, u64),
    /// A control group of its own with this limit.
    Group(Limit),
    /// Namespaces of its own, by options of `unshare`, in which a shell first does something. `{results}` is the folder that
    /// results go to.
    Namespace(&'static [&'static str], &'static str),
}

/// A limit of a control group.
#[derive(Clone, Copy)]
pub(crate) enum Limit {
    /// So many threads and processes.
    Tasks(u32),
    /// So many MiB of memory.
    Memory(u32),
    /// So many percent of a CPU.
    Cpu(u32),
}

impl How {
    /// Why it cannot be brought about here.
    pub(crate) fn cannot_run(self) -> Option<String> {
        let there = |program: &str| {
            let path = std::env::var_os("PATH").unwrap_or_default();
            std::env::split_paths(&path).any(|folder| folder.join(program).exists())
        };
        let reason = match self {
            Self::Injects(_) if !there("strace") => "needs strace",
            Self::Tasks(_) if !rustix::process::geteuid().is_root() => "needs root, to be another user",
            Self::Tasks(_) if !(there("setpriv") && there("prlimit")) => "needs setpriv and prlimit",
            Self::Group(limit) => return Group::new(limit, "asked").err(),
            Self::Namespace(_, setup) if setup.contains("ip ") && !there("ip") => "needs ip, of iproute2",
            Self::Namespace(..) if !there("unshare") => "needs unshare",
            Self::Namespace(options, setup) => {
                let setup = format!("true; {}", setup.replace("{results}", "/mnt"));
                let made = Command::new("unshare")
                    .args(options)
                    .args(["sh", "-c", &setup])
                    .stderr(Stdio::null())
                    .status();
                return (!made.is_ok_and(|status| status.success())).then(|| {
                    format!("unshare {}, and what is done in it, is not allowed here", options.join(" "))
                });
            }
            _ => return None,
        };
        Some(reason.into())
    }
}

impl Fault {
    /// What must come of a command.
    pub(crate) fn of(&self, command: &commands::Command) -> Option<&'static Expected> {
        self.expected.iter().find(|expected| command.name.starts_with(expected.of))
    }
}

const fn fault(name: &'static str, how: How, expected: &'static [Expected]) -> Fault {
    Fault { name, how, expected }
}

const fn on(of: &'static str, exits: &'static [Exit], says: &'static str) -> Expected {
    Expected { of, exits, says }
}

use How::*;

/// Four ports for clients, of which the server's own may be one.
const FEW_PORTS: &str = "ip link set lo up && echo 40000 40003 >/proc/sys/net/ipv4/ip_local_port_range";

/// All of them. Error numbers: 1 EPERM, 5 EIO, 11 EAGAIN, 12 ENOMEM, 22 EINVAL, 24 EMFILE, 28 ENOSPC, 38 ENOSYS, 99 EADDRNOTAVAIL.
pub(crate) const FAULTS: &[Fault] = &[
    fault(
        "none",
        Nothing,
        &[on("serve", &[Fine], ""), on("load", &[Fine], ""), on("run", &[Fine, Invalid], "")],
    ),
    fault(
        "no-rings",
        Refuses(&["io_uring_setup=1"]),
        &[on("serve-rings", &[Failed], "io_uring is not available"), on("serve", &[Fine], "")],
    ),
    fault(
        "no-ptrace",
        Refuses(&["ptrace=1"]),
        &[on("anatomy", &[Fine], ""), on("run", &[Fine, Invalid], "")],
    ),
    fault("no-counters", Refuses(&["perf_event_open=1"]), &[on("run", &[Fine, Invalid], "")]),
    fault("affinity-cannot-be-set", Refuses(&["sched_setaffinity=1"]), &[on("serve", &[Fine], "")]),
    fault("affinity-cannot-be-read", Refuses(&["sched_getaffinity=22"]), &[on("serve", &[Fine], "")]),
    fault("no-prctl", Refuses(&["prctl=1"]), &[on("load", &[Failed], "pr_set_pdeathsig")]),
    fault("no-timers", Refuses(&["timerfd_create=24"]), &[on("serve-epoll", &[Failed], "")]),
    fault(
        "no-epoll",
        Refuses(&["epoll_create1=24"]),
        &[on("serve-epoll", &[Failed], ""), on("serve-fork", &[Fine], "")],
    ),
    fault("no-eventfd", Refuses(&["eventfd2=24"]), &[on("serve", &[Failed], "")]),
    fault("no-sockets", Refuses(&["socket=24"]), &[on("serve", &[Failed], ""), on("load", &[Failed], "")]),
    fault("no-port", Refuses(&["bind=99"]), &[on("serve", &[Failed], "127.0.0.1")]),
    fault("no-listening", Refuses(&["listen=1"]), &[on("serve", &[Failed], "")]),
    fault("no-connecting", Refuses(&["connect=99"]), &[on("load", &[Failed, Invalid], "")]),
    fault("no-socket-options", Refuses(&["setsockopt=1"]), &[]),
    fault(
        "a-listener-cannot-be-shut",
        Refuses(&["shutdown=1"]),
        &[on("serve", &[Fine, Exit::Regressed], "")],
    ),
    fault("no-new-programs", Refuses(&["execve=1", "execveat=1"]), &[]),
    fault(
        "no-clones",
        Refuses(&["clone3=11", "clone=11"]),
        &[on("load", &[Failed], "ulimit -u"), on("report", &[Fine], "")],
    ),
    fault(
        "no-fsync",
        Refuses(&["fsync=5", "fdatasync=5"]),
        &[on("report", &[Failed], "writing the report"), on("export", &[Failed], "")],
    ),
    fault(
        "no-rename",
        Refuses(&["rename=1", "renameat=1", "renameat2=1"]),
        &[on("report", &[Failed], "writing the report")],
    ),
    fault("no-memory-locks", Refuses(&["mlock=1", "mlockall=1"]), &[]),
    fault("no-waiting-without-reaping", Refuses(&["waitid=38"]), &[on("load", &[Fine], "")]),
    fault("memory-short-in-poll", Injects("poll:error=ENOMEM:when=3..20"), &[on("serve-poll", &[Fine], "")]),
    fault(
        "memory-short-in-rings",
        Injects("io_uring_enter:error=ENOMEM:when=3..20"),
        &[on("serve-rings", &[Fine], "")],
    ),
    fault(
        "second-thread-refused",
        Injects("clone3:error=EAGAIN:when=2+"),
        &[on("serve-tokio", &[Fine, Failed], "")],
    ),
    fault("accepts-fail-at-first", Injects("accept4:error=EMFILE:when=1..5"), &[on("serve", &[Fine], "")]),
    fault("reads-are-interrupted", Injects("read:error=EINTR:when=20+7"), &[]),
    fault("disk-full-at-once", Injects("write:error=ENOSPC:when=40+"), &[]),
    fault("few-tasks", Tasks(2), &[on("serve-tokio", &[Failed], "no room for"), on("load", &[Failed], "")]),
    fault("some-tasks", Tasks(5), &[]),
    fault("more-tasks", Tasks(12), &[]),
    fault(
        "few-descriptors",
        Ulimit("-n 12"),
        &[on("load", &[Failed], "12 are allowed"), on("report", &[Fine, Failed], "")],
    ),
    fault("some-descriptors", Ulimit("-n 40"), &[]),
    fault(
        "small-files",
        Ulimit("-f 1"),
        &[on("report", &[Failed], "writing the report"), on("export", &[Failed], "")],
    ),
    fault("little-memory", Ulimit("-v 400000"), &[]),
    // The definition of the command line alone takes more than 256 KiB without optimisation.
    fault("small-stacks", Ulimit("-s 512"), &[]),
    fault("little-time", Ulimit("-t 600"), &[on("serve", &[Fine], "")]),
    fault("output-full", FullOutput, &[on("load", &[Failed], "standard output")]),
    fault("nobody-reads", NobodyReads, &[on("load", &[Fine], "")]),
    fault("tasks-of-a-group", Group(Limit::Tasks(6)), &[]),
    fault("fewer-tasks-of-a-group", Group(Limit::Tasks(2)), &[on("load", &[Failed], "")]),
    fault("memory-of-a-group", Group(Limit::Memory(40)), &[]),
    fault("a-third-of-a-cpu", Group(Limit::Cpu(33)), &[on("serve", &[Fine], "")]),
    fault("no-loopback", Namespace(&["--net"], ""), &[on("serve", &[Fine], ""), on("run", &[Invalid], "")]),
    fault("hardly-a-port", Namespace(&["--net"], FEW_PORTS), &[on("run", &[Fine, Invalid], "")]),
    fault(
        "first-process",
        Namespace(&["--pid", "--fork", "--kill-child", "--mount-proc"], ""),
        &[on("run", &[Fine, Invalid], "")],
    ),
    fault("numbers-of-another-proc", Namespace(&["--pid", "--fork", "--kill-child"], ""), &[]),
    fault("no-proc", Namespace(&["--mount"], "mount -t tmpfs none /proc"), &[]),
    fault(
        "no-sys",
        Namespace(&["--mount"], "mount -t tmpfs none /sys"),
        &[on("serve", &[Fine], ""), on("run", &[Fine, Invalid], "")],
    ),
    fault(
        "results-do-not-fit",
        Namespace(&["--mount"], "mount -t tmpfs -o size=8k none {results}"),
        &[on("report", &[Failed], "writing the report"), on("run", &[Failed], "space")],
    ),
    fault(
        "results-are-read-only",
        Namespace(&["--mount"], "mount -t tmpfs -o ro none {results}"),
        &[on("report", &[Failed], "writing the report"), on("run", &[Failed], "")],
    ),
    fault("interrupted-early", Killed(2, 30), &[]),
    fault("terminated-later", Killed(15, 400), &[]),
    fault("killed-later", Killed(9, 300), &[]),
];
