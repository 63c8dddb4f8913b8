//! Child processes of the runner: started, spoken with by lines, stopped, reaped, and never left behind.
//!
//! Servers and swarm workers are this same program, run again. Three nets catch them: they are asked to stop and
//! reaped in order; when a [`Child`] is dropped on any other path, its process group is killed and reaped; and when
//! the runner itself is killed, the kernel kills them ([`die_with_parent`]).

use super::orphans;
use crate::host::shortage::advice;
use crate::sys::{self, Ended};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Set when the person, or the system, wants the tool to end.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Set from now on by SIGINT, SIGTERM and SIGHUP; the last not where it is ignored, as under nohup.
    ///
    /// # Errors
    /// The system's, when a handler cannot be installed.
    pub fn on_signals() -> io::Result<Self> {
        let flag = Self::default();
        let hang_up = signal_hook::consts::SIGHUP;
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, hang_up] {
            if signal != hang_up || !sys::is_ignored(hang_up)? {
                signal_hook::flag::register(signal, Arc::clone(&flag.0))?;
            }
        }
        Ok(flag)
    }

    /// Whether it was asked for.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Asks for it.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Sleeps until `deadline`; false when interrupted before.
    pub fn sleep_until(&self, deadline: Instant) -> bool {
        // A signal ends a sleep early only on the thread that takes it, so look again now and then.
        const LOOK: Duration = Duration::from_millis(50);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if self.is_set() {
                return false;
            }
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(LOOK));
            orphans::reap_ended();
        }
    }
}

/// The tool was asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupted;

/// What went wrong with a child process.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// It could not be started.
    #[error("starting the {name} failed: {source}{}", advice(.source))]
    Start {
        /// Which child.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// It ended before it said what was expected.
    #[error("the {name} {how}{said}")]
    Ended {
        /// Which child.
        name: String,
        /// How it ended.
        how: String,
        /// What it said on standard error, with a lead.
        said: String,
    },
    /// It did not answer in time.
    #[error("the {name} did not answer within {waited:.1?}")]
    Silent {
        /// Which child.
        name: String,
        /// How long was waited.
        waited: Duration,
    },
    /// It was not even tried.
    #[error("{0}")]
    Refused(String),
    /// It could not do its work, and said why.
    #[error("{reason} ({name})")]
    Failed {
        /// Which child.
        name: String,
        /// Its words.
        reason: String,
    },
    /// A worker of the swarm could not open a single connection to the server.
    #[error("{reason} ({name})")]
    NothingConnected {
        /// Which child.
        name: String,
        /// Its words.
        reason: String,
    },
    /// It runs, and does not listen where it was told to.
    #[error(
        "the {name} did not listen on {address} within {waited:.0?}{}; does its command listen where {{port}} says?",
        match instead.as_slice() {
            [] => String::new(),
            all => format!(", but on {}", all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        }
    )]
    NeverListened {
        /// Which child.
        name: String,
        /// Where it should have.
        address: SocketAddr,
        /// How long was waited.
        waited: Duration,
        /// Where it listens instead.
        instead: Vec<SocketAddr>,
    },
    /// Somebody else listens where it was told to.
    #[error(
        "{who} listens on {address}, and neither the {name} nor a process that it started and that stayed with it: what was \
         measured would not be it. If it is the server's own, have it stay in the foreground"
    )]
    Occupied {
        /// Which child.
        name: String,
        /// Where it should have listened.
        address: SocketAddr,
        /// Who does.
        who: String,
    },
    /// It names another address than it was to serve on.
    #[error(
        "the server says that it listens on {address}, and was told to on {asked}; nothing is sent there"
    )]
    Elsewhere {
        /// The address it names.
        address: SocketAddr,
        /// The one it was given.
        asked: SocketAddr,
    },
    /// It said something that was not expected.
    #[error("the {name} said something unexpected: {said}")]
    Unexpected {
        /// Which child.
        name: String,
        /// The words.
        said: String,
    },
    /// The tool was asked to end.
    #[error("interrupted")]
    Interrupted,
}

/// How this program is started again as a server or a worker.
#[derive(Clone, Debug)]
pub struct Launcher {
    /// The program.
    pub program: PathBuf,
    /// Ends all waiting.
    pub interrupt: Interrupt,
}

impl Launcher {
    /// Starts the running program itself again, even when its file was replaced meanwhile.
    pub fn this_program(interrupt: Interrupt) -> Self {
        Self { program: "/proc/self/exe".into(), interrupt }
    }

    /// Starts a child in a process group of its own. `name` is for messages.
    ///
    /// # Errors
    /// When the program cannot be run.
    pub fn start(
        &self,
        name: &str,
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Child, LaunchError> {
        let start = |source| LaunchError::Start { name: name.into(), source };
        let mut command = Command::new(&self.program);
        command.arg0("bakeoff").args(arguments).arg(format!("--parent={}", std::process::id()));
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = orphans::keep(|| command.spawn().map(|child| (child.id(), child))).map_err(start)?;
        let (sender, lines) = sync_channel(LINES_WAITING);
        let (stdout, stderr) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        let words = Arc::new(Mutex::new(VecDeque::new()));
        // First, so that it is ended and reaped should the threads be refused.
        let mut started = Child {
            name: name.into(),
            pid: child.id(),
            stdin: child.stdin.take(),
            lines: Some(lines),
            words: Arc::clone(&words),
            threads: Vec::new(),
            ended: None,
            interrupt: self.interrupt.clone(),
        };
        let thread =
            |work: Box<dyn FnOnce() + Send>| std::thread::Builder::new().spawn(work).map_err(no_thread(name));
        started.threads.push(thread(Box::new(move || hand_on_lines(stdout, &sender)))?);
        started.threads.push(thread(Box::new(move || keep_last_words(stderr, &words)))?);
        Ok(started)
    }
}

/// Lines of a child that may wait to be read. A child that says more is held up by its pipe, not kept in memory.
const LINES_WAITING: usize = 16;
/// The longest line a child may say: several times the part of a worker.
const LONGEST_LINE: u64 = 64 * 1024 * 1024;
/// How long the threads that read a child's pipes may take to see that it has ended.
const PIPES_CLOSE: Duration = Duration::from_secs(1);

/// The next line of a child, without its end; `None` when there is none.
fn next_line(input: &mut impl BufRead) -> Option<io::Result<String>> {
    let mut line = String::new();
    match input.take(LONGEST_LINE).read_line(&mut line) {
        Ok(0) => None,
        Ok(_) if line.ends_with('\n') => {
            line.pop();
            Some(Ok(line))
        }
        Ok(read) if read as u64 >= LONGEST_LINE => {
            Some(Err(io::Error::new(io::ErrorKind::FileTooLarge, "a line without end")))
        }
        Ok(_) => Some(Ok(line)),
        Err(error) => Some(Err(error)),
    }
}

/// Hands on what a child says, line by line, until its end or the runner's.
fn hand_on_lines(stdout: impl Read, sender: &SyncSender<io::Result<String>>) {
    let mut stdout = BufReader::new(stdout);
    while let Some(line) = next_line(&mut stdout) {
        let last = line.is_err();
        if sender.send(line).is_err() || last {
            break;
        }
    }
}

/// What to say when the system gives no thread to listen to a child with.
fn no_thread(name: &str) -> impl Fn(io::Error) -> LaunchError + '_ {
    move |source| {
        let why = format!("no thread can be had to listen to it ({source}){}", advice(&source));
        LaunchError::Start { name: name.into(), source: io::Error::new(source.kind(), why) }
    }
}

/// Keeps the last 4 KiB of what a child says on standard error.
fn keep_last_words(mut stderr: impl Read, words: &Mutex<VecDeque<u8>>) {
    let mut buffer = [0; 1024];
    while let Ok(n @ 1..) = stderr.read(&mut buffer) {
        let mut words = words.lock().expect("no holder panics");
        words.extend(&buffer[..n]);
        let excess = words.len().saturating_sub(4096);
        words.drain(..excess);
    }
}

/// What a program said, in one line: without the frames of a backtrace, which are of no use to who did not write it.
fn one_line(words: &str) -> Option<String> {
    const LONGEST: usize = 600;
    let mut in_frames = false;
    let lines = words.lines().map(str::trim).filter(|line| {
        in_frames = match *line {
            "stack backtrace:" => true,
            // Frames are numbered, and each says where it is.
            line => in_frames && (line.starts_with("at ") || line.starts_with(|c: char| c.is_ascii_digit())),
        };
        !in_frames && !line.is_empty() && !line.starts_with("note: ")
    });
    let mut told = lines.collect::<Vec<_>>().join("; ");
    if let Some((end, _)) = told.char_indices().nth(LONGEST) {
        told.truncate(end);
        told.push('…');
    }
    (!told.is_empty()).then_some(told)
}

/// A running child. Dropping it kills its process group and reaps it.
#[derive(Debug)]
pub struct Child {
    name: String,
    pid: u32,
    stdin: Option<ChildStdin>,
    /// Gone when the child has ended.
    lines: Option<Receiver<io::Result<String>>>,
    words: Arc<Mutex<VecDeque<u8>>>,
    threads: Vec<JoinHandle<()>>,
    ended: Option<Ended>,
    interrupt: Interrupt,
}

impl Child {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What ends all waiting for it.
    pub fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// Sends it a line.
    ///
    /// # Errors
    /// When it has ended.
    pub fn send(&mut self, line: &str) -> Result<(), LaunchError> {
        let sent = self.stdin.as_mut().map(|stdin| writeln!(stdin, "{line}").and_then(|()| stdin.flush()));
        match sent {
            Some(Ok(())) => Ok(()),
            _ => Err(self.how_it_ended()),
        }
    }

    /// Closes its standard input, which tells it that there is no more to come.
    pub fn close_input(&mut self) {
        self.stdin = None;
    }

    /// Waits for its next line.
    ///
    /// # Errors
    /// When it ends, says nothing until `deadline`, or the tool is interrupted.
    pub fn line(&mut self, deadline: Instant) -> Result<String, LaunchError> {
        const LOOK: Duration = Duration::from_millis(50);
        let begin = Instant::now();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Some(lines) = &self.lines else { return Err(self.how_it_ended()) };
            match lines.recv_timeout(left.min(LOOK)) {
                Ok(Ok(line)) => return Ok(line),
                Ok(Err(error)) if error.kind() == io::ErrorKind::FileTooLarge => {
                    return Err(LaunchError::Unexpected { name: self.name.clone(), said: error.to_string() });
                }
                Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => return Err(self.how_it_ended()),
                Err(RecvTimeoutError::Timeout) if self.interrupt.is_set() => {
                    return Err(LaunchError::Interrupted);
                }
                Err(RecvTimeoutError::Timeout) if left.is_zero() => {
                    return Err(LaunchError::Silent { name: self.name.clone(), waited: begin.elapsed() });
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Whether it has ended (and is then reaped, and what it left of its process group is killed).
    pub fn has_ended(&mut self) -> bool {
        if self.ended.is_none() {
            let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
            match waitid(WaitId::Pid(self.group()), look) {
                Ok(None) => return false,
                // Before it is reaped, for until then no other group can have its number.
                Ok(Some(_)) => drop(kill_process_group(self.group(), Signal::KILL)),
                // A kernel that cannot look without reaping; what is left of the group is then found as any orphan is.
                Err(_) => {}
            }
            self.take_end(sys::try_reap(self.pid).ok().flatten());
        }
        self.ended.is_some()
    }

    fn take_end(&mut self, ended: Option<Ended>) {
        if ended.is_some() {
            orphans::let_go(self.pid);
        }
        self.ended = ended;
    }

    /// Asks it to stop, by SIGTERM.
    pub fn ask_to_stop(&mut self) {
        if !self.has_ended() {
            // It may end in between; then there is nobody to ask.
            let _ = kill_process(self.group(), Signal::TERM);
        }
    }

    /// Waits until it ends by itself and reaps it; kills its group at the deadline. Says whether it had to be killed.
    pub fn reap(&mut self, deadline: Instant) -> (Option<Ended>, bool) {
        while !self.has_ended() && Instant::now() < deadline && !self.interrupt.is_set() {
            std::thread::sleep(Duration::from_micros(200));
        }
        let killed = !self.has_ended();
        self.end();
        (self.ended, killed)
    }

    fn group(&self) -> Pid {
        Pid::from_raw(self.pid as i32).expect("a process id is above zero")
    }

    /// Kills whatever is left of the group, reaps the child, joins the reading threads.
    pub(super) fn end(&mut self) {
        if !self.has_ended() {
            let _ = kill_process_group(self.group(), Signal::KILL);
            while sys::try_reap(self.pid).map(|ended| self.take_end(ended)).is_ok() && self.ended.is_none() {
                std::thread::sleep(Duration::from_micros(200));
            }
        }
        self.stdin = None;
        // Nobody listens any more: a thread that waits to hand out a line goes on.
        self.lines = None;
        let deadline = Instant::now() + PIPES_CLOSE;
        for thread in self.threads.drain(..) {
            // Ends with the pipes, which close with the last process that holds them. One that left the group may hold them
            // for as long as it likes; then the thread is left to wait for it alone.
            while !thread.is_finished() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_micros(200));
            }
            if thread.is_finished() {
                let _ = thread.join();
            }
        }
    }

    /// What it has said on standard error, in one line; `None` for nothing.
    pub fn words(&self) -> Option<String> {
        let words: Vec<u8> = self.words.lock().expect("no holder panics").iter().copied().collect();
        one_line(&String::from_utf8_lossy(&words))
    }

    fn how_it_ended(&mut self) -> LaunchError {
        let (ended, killed) = self.reap(Instant::now() + Duration::from_secs(1));
        let how = match ended {
            Some(_) if killed => "closed its output without ending and was killed".into(),
            Some(ended) => ended.describe(),
            None => "is gone".into(),
        };
        let said = self.words().map_or_else(String::new, |words| format!(", saying: {words}"));
        LaunchError::Ended { name: self.name.clone(), how, said }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.end();
    }
}

/// For a child: be killed when the parent ends, however it ends.
///
/// # Errors
/// The parent is gone already, or the system refuses.
pub fn die_with_parent(parent: u32) -> Result<(), String> {
    end_with_parent(parent, Signal::KILL)
}

/// For a child: be sent a signal when the parent ends, however it ends.
///
/// # Errors
/// As [`die_with_parent`].
pub(super) fn end_with_parent(parent: u32, signal: Signal) -> Result<(), String> {
    rustix::process::set_parent_process_death_signal(Some(signal)).map_err(|e| {
        format!("asking the kernel to be ended with the runner (PR_SET_PDEATHSIG) failed: {e}")
    })?;
    // The parent may have ended before the signal was armed.
    let lives = rustix::process::getppid().is_some_and(|p| p.as_raw_nonzero().get() as u32 == parent);
    lives.then_some(()).ok_or_else(|| "the runner has ended".into())
}

#[cfg(test)]
mod tests;
