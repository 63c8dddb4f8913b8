//! Following the system calls of a server's tree with ptrace(2), from one thread and for a short while.
//!
//! Needs no privilege for children of our own (Yama's scope 0 or 1). The server is seized after it has started and let
//! go before it is stopped; should this thread end without letting go, the kernel kills what it traces (EXITKILL), so
//! that no server is left behind in a stop. Tracing slows every call down many times: nothing here is a time.
//!
//! It must run on a thread of its own: ptrace binds tracees to a thread, and waiting with `__WNOTHREAD` leaves the
//! children of other threads alone.

use super::objects::{Objects, flags_of_clone, futex_operation, takes_descriptor};
use crate::host::usage;
use crate::process::launch::Interrupt;
use crate::sys::{SyscallStop, syscall_stop};
use bakeoff_reports::record::Outcome;
use nix::errno::Errno;
use nix::sys::ptrace::{self, Event, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use syscalls::Sysno;

/// Errors that the kernel keeps to itself (linux/errno.h): ERESTARTSYS to ERESTART_RESTARTBLOCK.
const RESTARTS: std::ops::RangeInclusive<i64> = 512..=516;
/// How long the tree must be silent before it is looked at, and between the two looks.
const SILENCE: Duration = Duration::from_micros(300);
/// Most stops dealt with before the limit and an interrupt are looked at again: a server that never rests stops faster
/// than it is followed.
const STOPS_AT_ONCE: u32 = 1_000;
/// Calls and signals kept of one server, about: an answer takes a model at most some hundreds, and the log is memory.
const LONGEST_LOG: usize = 200_000;
/// Longest pause between two looks for stops.
const NAP: Duration = Duration::from_micros(20);

/// A call or a signal as it was seen.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// Which task, by its place in [`Tracer::name`].
    pub(super) task: usize,
    /// Its name.
    pub(super) name: String,
    /// What the descriptor it was given stands for.
    pub(super) on: Option<String>,
    /// When it was entered: counts every entry and return.
    pub(super) entered: u64,
    /// When it returned.
    pub(super) returned: Option<u64>,
    /// What became of it.
    pub(super) outcome: Outcome,
}

/// A traced thread.
struct Task {
    /// Its process.
    process: i32,
    /// Its place in the list of names.
    place: usize,
    /// The call it is in, by its place in the log.
    call: Option<usize>,
}

/// The tracer of one server.
pub(super) struct Tracer {
    root: i32,
    tasks: BTreeMap<i32, Task>,
    names: Vec<Option<String>>,
    log: Vec<Call>,
    clock: u64,
    /// Calls that were running when the current phase began are before this place in the log.
    begun: u64,
    objects: Objects,
}

impl Tracer {
    /// Seizes every thread of the tree under `root`, which listens on `listener`.
    ///
    /// # Errors
    /// When tracing is refused, with what to do; then nothing is traced.
    pub(super) fn attach(root: u32, listener: SocketAddr) -> Result<Self, String> {
        let objects = Objects::of(root, listener)?;
        let root = i32::try_from(root).map_err(|e| e.to_string())?;
        let mut tracer = Self {
            root,
            tasks: BTreeMap::new(),
            names: Vec::new(),
            log: Vec::new(),
            clock: 0,
            begun: 0,
            objects,
        };
        if let Err(why) = tracer.seize_all() {
            tracer.let_go();
            return Err(why);
        }
        Ok(tracer)
    }

    fn seize_all(&mut self) -> Result<(), String> {
        let options = Options::PTRACE_O_TRACESYSGOOD
            | Options::PTRACE_O_TRACECLONE
            | Options::PTRACE_O_TRACEFORK
            | Options::PTRACE_O_TRACEVFORK
            | Options::PTRACE_O_TRACEEXEC
            | Options::PTRACE_O_TRACEEXIT
            | Options::PTRACE_O_EXITKILL;
        // What a seized thread starts is traced from its first instruction, so this ends.
        loop {
            let mut found = 0;
            for (process, thread) in threads(self.root)? {
                if self.tasks.contains_key(&thread) {
                    continue;
                }
                match ptrace::seize(Pid::from_raw(thread), options) {
                    Ok(()) => {}
                    Err(Errno::ESRCH) => continue, // ended since it was listed
                    Err(e) => return Err(refused(e)),
                }
                self.adopt(thread, process);
                found += 1;
                match ptrace::interrupt(Pid::from_raw(thread)) {
                    // One that has ended since is reported by the next wait.
                    Ok(()) | Err(Errno::ESRCH) => {}
                    Err(e) => return Err(format!("stopping a thread of the server to trace it failed: {e}")),
                }
            }
            if found == 0 {
                return Ok(());
            }
        }
    }

    fn adopt(&mut self, thread: i32, process: i32) {
        let place = self.names.len();
        self.names.push(None);
        self.tasks.insert(thread, Task { process, place, call: None });
    }

    /// Lets the server go on until `done` says so and every thread of it sleeps in a call.
    ///
    /// # Errors
    /// The words of `done`; when that takes longer than `limit`, or the tool is interrupted.
    pub(super) fn until(
        &mut self,
        interrupt: &Interrupt,
        limit: Duration,
        mut done: impl FnMut() -> Result<bool, String>,
    ) -> Result<(), String> {
        let begin = Instant::now();
        let mut silent_since = Instant::now();
        let mut looks = 0;
        let mut is_done = false;
        loop {
            if self.follow()? {
                (silent_since, looks) = (Instant::now(), 0);
            }
            is_done = is_done || done()?;
            if self.tasks.is_empty() {
                return Err("the server ended while it was traced".into());
            }
            if is_done && silent_since.elapsed() >= SILENCE {
                looks = if self.asleep() { looks + 1 } else { 0 };
                // What a thread woke between two looks would have stopped, and been seen, by now.
                if looks == 2 && !self.follow()? {
                    return Ok(());
                }
                silent_since = Instant::now();
            }
            if interrupt.is_set() {
                return Err("interrupted".into());
            }
            if begin.elapsed() > limit {
                let what = if is_done { "come to rest" } else { "answer" };
                return Err(format!("the traced server did not {what} within {limit:.1?}"));
            }
            std::thread::sleep(NAP);
        }
    }

    /// Deals with the stops there are, or with [`STOPS_AT_ONCE`] of them; says whether there was any.
    ///
    /// # Errors
    /// When the log is full, or the kernel refuses a call.
    fn follow(&mut self) -> Result<bool, String> {
        let mut any = false;
        let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD | WaitPidFlag::WNOHANG;
        for _ in 0..STOPS_AT_ONCE {
            match waitpid(Pid::from_raw(-1), Some(flags)) {
                Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => break,
                Ok(status) => self.handle(status)?,
                Err(Errno::EINTR) => continue,
                Err(e) => return Err(format!("waiting for the traced server failed: {e}")),
            }
            any = true;
        }
        // Looked at here and not at each entry, so that no stop is left without its thread being let go.
        match self.log.len() {
            0..=LONGEST_LOG => Ok(any),
            calls => Err(format!(
                "the traced server made {calls} calls, more than are kept: trace fewer or smaller requests"
            )),
        }
    }

    fn handle(&mut self, status: WaitStatus) -> Result<(), String> {
        let signal = match status {
            WaitStatus::PtraceSyscall(pid) => {
                self.meet(pid);
                self.system_call(pid)?;
                None
            }
            WaitStatus::PtraceEvent(pid, _, event) => {
                self.meet(pid);
                if event == Event::PTRACE_EVENT_EXIT as i32 {
                    self.name_task(pid.as_raw()); // its last chance
                }
                None
            }
            WaitStatus::Stopped(pid, signal) => {
                self.meet(pid);
                self.enter(pid.as_raw(), signal.as_str().to_string(), None, Outcome::Signal);
                Some(signal)
            }
            WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, _, _) => {
                self.tasks.remove(&pid.as_raw());
                return Ok(());
            }
            WaitStatus::Continued(_) | WaitStatus::StillAlive => return Ok(()),
        };
        let Some(pid) = status.pid() else { return Ok(()) };
        resume(pid, signal)
    }

    /// A thread that was born under tracing is met at its first stop.
    fn meet(&mut self, pid: Pid) {
        let thread = pid.as_raw();
        if !self.tasks.contains_key(&thread) {
            let status = procfs::process::Process::new(thread).and_then(|p| p.status());
            self.adopt(thread, status.map_or(thread, |status| status.tgid));
        }
    }

    fn system_call(&mut self, pid: Pid) -> Result<(), String> {
        let stop = match syscall_stop(pid) {
            Ok(stop) => stop,
            Err(e) if e.raw_os_error() == Some(libc::ESRCH) => return Ok(()), // killed in its stop
            Err(e) => return Err(format!("asking for a system call of the server failed: {e}")),
        };
        let thread = pid.as_raw();
        match stop {
            SyscallStop::Entry { number, arguments } => {
                let name = name_of(number);
                let on = match name.as_str() {
                    "clone" | "clone3" => Some(what_is_cloned(pid, &name, arguments[0])),
                    "futex" => futex_operation(arguments[1]).map(str::to_string),
                    "fork" | "vfork" => Some("process".into()),
                    _ => takes_descriptor(&name).and_then(|at| {
                        self.objects.describe(self.tasks.get(&thread)?.process, arguments[at])
                    }),
                };
                let ends = matches!(name.as_str(), "exit" | "exit_group");
                let place = self.log.len();
                self.enter(thread, name, on, if ends { Outcome::Ends } else { Outcome::Sleeps });
                if let Some(task) = self.tasks.get_mut(&thread) {
                    task.call = Some(place);
                }
            }
            SyscallStop::Exit { value } => {
                let call = self.tasks.get_mut(&thread).and_then(|task| task.call.take());
                self.clock += 1;
                // The first return of a new thread is that of the call that made it, which it never entered.
                if let Some(call) = call.and_then(|at| self.log.get_mut(at)) {
                    call.returned = Some(self.clock);
                    call.outcome = outcome(value);
                }
            }
            SyscallStop::Other => {}
        }
        Ok(())
    }

    fn enter(&mut self, thread: i32, name: String, on: Option<String>, outcome: Outcome) {
        self.clock += 1;
        let Some(task) = self.tasks.get(&thread) else { return };
        let returned = (outcome == Outcome::Signal).then_some(self.clock);
        self.log.push(Call { task: task.place, name, on, entered: self.clock, returned, outcome });
    }

    /// Whether every thread is in a call and sleeps there.
    fn asleep(&self) -> bool {
        self.tasks.iter().all(|(thread, task)| task.call.is_some() && sleeps(*thread))
    }

    /// Ends a phase: the calls that were entered or returned in it, and for each whether it had been entered before.
    pub(super) fn phase(&mut self) -> Vec<(Call, bool)> {
        let living: Vec<i32> = self.tasks.keys().copied().collect();
        living.into_iter().for_each(|thread| self.name_task(thread));
        let begun = self.begun;
        self.begun = self.clock;
        let mut calls: Vec<(Call, bool)> = self
            .log
            .iter()
            .filter(|call| call.entered > begun || call.returned.is_some_and(|at| at > begun))
            .map(|call| (call.clone(), call.entered <= begun))
            .collect();
        calls.sort_by_key(|(call, woken)| match call.returned {
            Some(returned) if *woken => returned,
            _ => call.entered,
        });
        calls
    }

    /// The name of a task; tasks of the same name are numbered from the second on.
    pub(super) fn name(&self, place: usize) -> &str {
        self.names.get(place).and_then(Option::as_deref).unwrap_or("thread")
    }

    fn name_task(&mut self, thread: i32) {
        let Some(task) = self.tasks.get(&thread) else { return };
        if self.names[task.place].is_some() {
            return;
        }
        let base = if thread == self.root {
            "main".to_string()
        } else if thread == task.process {
            "child".to_string()
        } else {
            let file = format!("/proc/{}/task/{thread}/comm", task.process);
            std::fs::read_to_string(file).map_or_else(|_| "thread".into(), |name| name.trim_end().to_string())
        };
        let numbered = |n: usize| if n == 1 { base.clone() } else { format!("{base} {n}") };
        let taken: BTreeSet<&str> = self.names.iter().flatten().map(String::as_str).collect();
        let free = (1..).map(numbered).find(|name| !taken.contains(name.as_str()));
        self.names[task.place] = free;
    }

    /// Stops every thread once more and detaches it, so that the server goes on as if nothing had been.
    fn let_go(&mut self) {
        const PATIENCE: Duration = Duration::from_secs(2);
        let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD | WaitPidFlag::WNOHANG;
        for thread in self.tasks.keys() {
            // One that has ended is reported below.
            let _ = ptrace::interrupt(Pid::from_raw(*thread));
        }
        let begin = Instant::now();
        // What cannot be stopped in time is killed by the kernel when this thread ends: better than left in a stop.
        while !self.tasks.is_empty() && begin.elapsed() < PATIENCE {
            match waitpid(Pid::from_raw(-1), Some(flags)) {
                Ok(WaitStatus::StillAlive) => std::thread::sleep(NAP),
                Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, _, _)) => {
                    self.tasks.remove(&pid.as_raw());
                }
                Ok(status) => {
                    let Some(pid) = status.pid() else { continue };
                    let signal = match status {
                        WaitStatus::Stopped(_, signal) => Some(signal),
                        _ => None,
                    };
                    let _ = ptrace::detach(pid, signal);
                    self.tasks.remove(&pid.as_raw());
                }
                Err(Errno::EINTR) => {}
                Err(_) => break,
            }
        }
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        self.let_go();
    }
}

fn resume(pid: Pid, signal: Option<Signal>) -> Result<(), String> {
    match ptrace::syscall(pid, signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(e) => Err(format!("letting the traced server go on failed: {e}")),
    }
}

fn refused(error: Errno) -> String {
    format!(
        "ptrace of the server is refused ({error}); containers need --cap-add=SYS_PTRACE or a seccomp profile that \
         allows it, and /proc/sys/kernel/yama/ptrace_scope must be 0 or 1"
    )
}

/// Every thread of the tree, with its process.
fn threads(root: i32) -> Result<Vec<(i32, i32)>, String> {
    let mut found = Vec::new();
    for pid in usage::tree(root as u32)? {
        let tasks = procfs::process::Process::new(pid as i32).and_then(|p| p.tasks());
        found.extend(tasks.into_iter().flatten().flatten().map(|task| (pid as i32, task.tid)));
    }
    Ok(found)
}

/// Whether a thread sleeps, by the letter behind its name in /proc/TID/stat.
fn sleeps(thread: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{thread}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
    matches!(state, Some('S' | 'D'))
}

fn name_of(number: u64) -> String {
    let known = usize::try_from(number).ok().and_then(Sysno::new);
    known.map_or_else(|| format!("syscall {number}"), |call| call.name().to_string())
}

/// Whether a clone makes a thread or a process. clone3's flags are the first word of what its argument points at.
fn what_is_cloned(pid: Pid, name: &str, argument: u64) -> String {
    let flags = match name {
        "clone3" => ptrace::read(pid, argument as ptrace::AddressType).map_or(0, |word| word as u64),
        _ => argument,
    };
    flags_of_clone(flags).into()
}

fn outcome(value: i64) -> Outcome {
    match -value {
        error if RESTARTS.contains(&error) => Outcome::Restarts,
        // The kernel's range of errors: -4095 to -1.
        error @ 1..=4095 => Outcome::Failed(format!("{:?}", Errno::from_raw(error as i32))),
        _ => Outcome::Returned(value),
    }
}

#[cfg(test)]
mod tests;
